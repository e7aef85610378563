"""One client's conversation: bytes in, commands run, bytes put into `out`.

This file owns every change of a session's state; what a state means is in `airwave.states`. Input goes this way:

    data_received -> requests (airwave.request) -> _run -> table -> handler -> out -> (broker's tick) -> transport

`_execute` is where every command passes, but for those that run in batches. It reads the clock once per command: the
end of one is the beginning of the next. Input may have to wait: because the client's slice of time is over
(`broker.put_off`) or because of CLIENT PAUSE (`broker.held`). What waits is bounded by `client-query-buffer-limit`.
"""

from collections.abc import Iterator
from itertools import chain, islice

from airwave import errors
from airwave.blocking import Wait
from airwave.broker import Broker
from airwave.client import CLOSED, Client, Transport
from airwave.command import COMMANDS, NO_COMMAND, Argv, CommandStats, Entry, Table
from airwave.errors import CommandError, ProtocolError
from airwave.request import RequestReader
from airwave.resp import RESP2, RESP2_WITH_IDS, RESP3, RESP3_WITH_IDS, Encoder
from airwave.settings import BufferLimit
from airwave.states import Held, State, inner_entry, rejection, table_for
from airwave.streams.chunk import Cold
from airwave.transaction import Transaction, Watch

# Before AUTH Redis cuts a client off that lets more than 1 KB wait behind the 16 KB of its reply buffer.
_UNAUTHENTICATED_OUTPUT = BufferLimit(hard_bytes=17 * 1024, soft_bytes=0, soft_seconds=0)


_NOTHING: Iterator[Argv] = iter(())  # nothing waits behind the command that blocks a client


class Session(Client):
    """A client and its state.

    Attributes:
        encoder: RESP2 or RESP3, as HELLO asked.
        message_ids: messages of remembered channels are to carry the ID of their entry (CLIENT CAPA).
        authenticated: it may run commands.
        transaction: what MULTI has begun; None outside.
        db: selected database.
        active_ns: when it last sent something.
        replies: "on", "off" or "skip" (CLIENT REPLY).
        last_command: for CLIENT LIST.
    """

    __slots__ = (
        "_input",
        "_unread",
        "_unread_bytes",
        "active_ns",
        "authenticated",
        "database",
        "encoder",
        "flags",
        "last_command",
        "message_ids",
        "replies",
        "requests",
        "table",
        "transaction",
        "wait",
        "watched",
    )

    def __init__(self, broker: Broker, transport: Transport, peer: str = "?:0", local: str = "?:0") -> None:
        self.authenticated = not broker.settings.requirepass
        super().__init__(broker, transport, peer, local)
        self.encoder: Encoder = RESP2
        self.message_ids = False
        self.requests = RequestReader(broker.limits, authenticated=self.authenticated)
        self.transaction: Transaction | None = None
        self.watched: Watch | None = None
        self.wait: Wait | None = None  # the command that blocks it
        self.database = broker.keyspace.databases[0]
        self.active_ns = self.created_ns
        self.replies = "on"
        self.flags: tuple[str, ...] = ()  # no-evict, no-touch
        self.last_command = NO_COMMAND
        self._input: Iterator[Argv] | None = None  # requests that wait
        self._unread: list[bytes] | None = None  # bytes behind them
        self._unread_bytes = 0
        self.table: Table = {}
        self.choose_table()
        broker.welcome(self)

    # --- state ------------------------------------------------------------------------------------------------------

    def choose_table(self) -> None:
        """Take the dispatch table of the state it is in now."""
        if not self.authenticated:
            name = "unauthenticated"
        elif self.transaction is not None:
            name = "multi"
        elif self.is_subscriber:
            name = "resp3-subscriber" if self.encoder is RESP3 else "resp2-subscriber"
        else:
            name = "normal"
        broker = self.broker
        pause = "all" if broker.pause_all else "write" if broker.pause_writes else ""
        self.table = table_for(broker, State(name, self.replies, pause, refused=broker.refusal is not None))

    def subscriptions_changed(self) -> None:
        """It became a subscriber, or is one no longer: other commands are allowed, other limits apply."""
        self.choose_table()
        self.apply_limits()

    def set_replies(self, replies: str) -> None:
        """CLIENT REPLY: "on", "off" or "skip"."""
        self.replies = replies
        self.choose_table()

    def set_protocol(self, version: int) -> None:
        """HELLO 2 or 3."""
        self.encoder = RESP3 if version == 3 else RESP2
        self._choose_format()
        self.choose_table()

    def set_message_ids(self, wanted: bool) -> None:
        """CLIENT CAPA ids."""
        self.message_ids = wanted
        self._choose_format()

    def _choose_format(self) -> None:
        plain, with_ids = (RESP3, RESP3_WITH_IDS) if self.encoder is RESP3 else (RESP2, RESP2_WITH_IDS)
        self.broker.pubsub.change_format(self, with_ids if self.message_ids else plain)

    def authenticate(self) -> None:
        """It has given the right password: the limits for strangers no longer apply."""
        self.authenticated = self.requests.authenticated = True
        self.subscriptions_changed()

    def begin_transaction(self) -> None:
        """MULTI."""
        self.transaction = Transaction()
        self.choose_table()

    def watch(self, keys: Argv) -> None:
        """WATCH: EXEC is to fail if one of these keys changes."""
        if self.watched is None:
            self.watched = Watch()
        self.watched.add(self.database, keys, self.broker.keyspace.now_ms())

    def stop_watching(self) -> None:
        """Forget the watched keys."""
        if self.watched is not None:
            self.watched.end()
            self.watched = None

    def end_transaction(self) -> Transaction:
        """EXEC or DISCARD; watched keys are forgotten as well."""
        transaction = self.transaction
        assert transaction is not None
        self.transaction = None
        self.stop_watching()
        self.choose_table()
        return transaction

    def reset(self) -> None:
        """RESET: what a new connection has."""
        broker = self.broker
        broker.pubsub.unsubscribe_all(self)
        if self in broker.monitors:
            broker.monitors.remove(self)
        self.transaction = None
        self.stop_watching()
        self.database = broker.keyspace.databases[0]
        self.name = b""
        self.flags = ()
        self.replies = "on"
        self.message_ids = False
        self.set_protocol(2)
        self.authenticated = self.requests.authenticated = not broker.settings.requirepass
        self.subscriptions_changed()

    def output_limit(self) -> BufferLimit:
        """See `Client`. Strangers have a small one; monitors that of subscribers, so that it has a bound by default."""
        if not self.authenticated:
            return _UNAUTHENTICATED_OUTPUT
        if self in self.broker.monitors:
            return self.broker.settings.client_output_buffer_limit.pubsub
        return super().output_limit()

    # --- input ------------------------------------------------------------------------------------------------------

    # The names are those of asyncio.Protocol: a session is its transport's protocol, without a layer between them.

    def data_received(self, data: bytes) -> None:
        """Take what was read: run the commands in it, or keep it until earlier ones have run."""
        broker = self.broker
        broker.stats.input_bytes += len(data)
        if self.closing or self._input is not None:
            self._keep(data)
            return
        broker.replying.append(self)
        if not broker.awake:
            broker.wake()
        requests = self.requests.feed(data)
        if type(requests) is not list:
            self._run(iter(requests))
        elif len(requests) == 1:
            self.active_ns = now = broker.clock()
            self._execute(requests[0], now)
        else:
            self._run_pipeline(requests)

    def request(self, argv: Argv) -> None:
        """Run a request that is there as words; for who speaks to the core without a wire, one request at a time."""
        broker = self.broker
        broker.replying.append(self)
        if not broker.awake:
            broker.wake()
        self.active_ns = now = broker.clock()
        self._execute(argv, now)

    def _keep(self, data: bytes) -> None:
        if self.closing:
            return
        if self._unread is None:
            self._unread = []
        self._unread.append(data)
        self._unread_bytes += len(data)
        if self._unread_bytes > self.broker.limits.buffer_max:
            self.close_over_query_limit(self._unread_bytes)

    def eof_received(self) -> None:
        """The client sends no more: as Redis does, drop it and what waits for it."""

    def connection_lost(self, exc: Exception | None) -> None:
        """The transport is closed."""
        del exc
        self.broker.forget(self)
        # What the transport refers to would keep the session alive, and the session the transport: no cycle may stay,
        # because the collector does not look at old objects (see server/memory.py).
        self.transport = CLOSED
        self.write = CLOSED.write
        self._input = None
        self._unread = None

    def go_on(self) -> None:
        """Run what waits: for its next slice of time, or because a pause is over."""
        while self._input is not None and not self.closing:
            waiting, self._input = self._input, None
            self.broker.replying.append(self)
            self._run(waiting)
            if self._input is None and self._unread:
                data = b"".join(self._unread)
                self._unread = None
                self._unread_bytes = 0
                self._input = iter(self.requests.feed(data))
            elif self._input is not None:
                return
        if not self.gone:
            self.transport.resume_reading()

    def _run(self, requests: Iterator[Argv]) -> None:
        """Run requests until there are no more, the slice of time is over, or one has to wait."""
        broker = self.broker
        now = self.active_ns = broker.clock()
        stop_ns = now + broker.input_slice_ns
        for argv in requests:
            now = self._execute(argv, now)
            if self.closing:
                return
            if self._input is not None:  # it has to wait, and what is behind it as well
                self._input = chain(self._input, requests)
                return
            if now > stop_ns:
                self._put_off(requests)
                return
        if self.requests.error is not None:
            self._broken_input(self.requests.error)

    def _execute(self, argv: Argv, before: int) -> int:
        """Run one request, in the way of the state that the session is in.

        Args:
            before: what the clock said when it began, in ns.

        Returns:
            What the clock says now.
        """
        entry = self.table.get(argv[0]) or self._resolve(argv)
        arity = entry.arity
        if arity != len(argv) and (arity > 0 or len(argv) < -arity):
            entry = self._misfit(entry)
        broker = self.broker
        try:
            reply = entry.handler(self, argv)
            if reply is not None:
                self.out.append(reply)
        except CommandError as error:
            self.out.append(self.fail(entry, error))
        except Held:
            self._input = iter([argv])
            broker.held.append(self)
            return before
        except Cold:
            self._input = iter([argv])
            broker.cold.append(self)
            return before
        except Exception as error:  # ours: tell the log, not the client
            self._internal_error(entry, error)
        if broker.monitors and entry.monitored:
            broker.feed_monitors(self, entry.command, argv)
        if broker.ready:
            broker.blocking.serve()
        now = broker.clock()
        elapsed = now - before
        # CommandStats.count, written out: the call costs more than what it does.
        stats = entry.stats
        stats.ns += elapsed
        stats.buckets[(elapsed >> 10).bit_length()] += 1
        if elapsed >= broker.notable_ns:
            broker.note_slow(self, entry.command, argv, elapsed)
        self.last_command = entry.command
        return now

    def _run_pipeline(self, requests: list[Argv]) -> None:
        """Run the requests of one read, those at its beginning in batches if their command has that form."""
        broker = self.broker
        clock = broker.clock
        before = clock()
        stop_ns = before + broker.input_slice_ns
        first, end = 0, len(requests)
        while first < end and not broker.monitors and before <= stop_ns:
            entry = self.table.get(requests[first][0])
            if entry is None or entry.batch is None or not (calls := entry.batch(self, requests, first)):
                break
            now = clock()
            entry.stats.count(calls, now - before)
            first += calls
            if now - before >= broker.notable_ns:  # a batch ends behind what is slow
                broker.note_slow(self, entry.command, requests[first - 1], now - before)
            before = now
            self.last_command = entry.command
        if first < end:
            rest = islice(requests, first, None)
            if before > stop_ns:
                self._put_off(rest)
            else:
                self._run(rest)
        else:
            self.active_ns = before

    def _put_off(self, requests: Iterator[Argv]) -> None:
        """The slice of time is over: let others have a turn, and read no more until this is done."""
        self._input = requests
        self.broker.put_off.append(self)
        self.transport.pause_reading()

    def _broken_input(self, error: Exception) -> None:
        if isinstance(error, ProtocolError):
            self.broker.host.log("verbose", "protocol error", client=self.peer, error=str(error))
            self.count_error(error)
            self.out.append(error.reply)
            self.closing = True
        else:
            self.close_over_query_limit(self.requests.buffered_bytes)

    def close_over_query_limit(self, size: int) -> None:
        """What it sent and could not be run yet is too much: as in Redis it is closed without an answer."""
        self.broker.stats.query_buffer_disconnections += 1
        self.broker.host.log(
            "warning", "client over client-query-buffer-limit is disconnected", client=self.peer, buffered_bytes=size
        )
        self.disconnect()

    def finish(self) -> None:
        """Close once all that waits has been sent; until then it is a client that can be listed, killed, timed out."""
        if not self.gone:
            self.broker.dismiss(self)
            if not self.out:
                self.transport.close()

    # --- blocking ---------------------------------------------------------------------------------------------------

    def block(self, keys: Argv, argv: Argv, timeout_ms: int, *, shared: bool = False, wake_ms: int = 0) -> bytes | None:
        """A command has nothing to answer yet: it waits for one of its keys, and what is behind it waits as well.

        Args:
            argv: the request to be run again then.
            timeout_ms: how long it may wait; 0: for ever.
            shared: see `Wait`.
            wake_ms: run it again at this Unix time in any case; 0: not.

        Returns:
            No reply; or that of a command that may not wait, because it is part of a transaction.
        """
        broker = self.broker
        if broker.executing:
            return self.encoder.null_array
        wait = self.wait
        if wait is None:
            deadline_ns = broker.clock() + timeout_ms * 1_000_000 if timeout_ms else 0
            wait = self.wait = Wait(self, keys, argv, deadline_ns, shared=shared)
            self._input = _NOTHING
            broker.blocking.add(wait)
        if wake_ms:
            broker.blocking.wake_at(wait, wake_ms)
        return None

    def retry(self, wait: Wait) -> bytes | None:
        """Run a blocked command again: its reply; None when it goes on waiting, or has failed."""
        entry = inner_entry(self.broker, wait.argv[0].lower().decode())
        try:
            if self.broker.refusal is not None and "write" in entry.command.flags:
                return None  # nothing can come for it now; all are run again when writes are accepted
            reply = entry.handler(self, wait.argv)
        except CommandError as error:
            self.unblock(self.fail(entry, error))
            return None
        except Cold:
            self._end_wait(wait.argv)
            return None
        if reply is not None:
            self.unblock(reply)
        return reply

    def unblock(self, reply: bytes) -> None:
        """Answer the command that blocks the client; what waits behind it goes on in the next tick."""
        if self.replies in ("on", "skipped"):
            if self.broker.journal.durable:
                self.broker.unconfirmed.append((self, len(self.out), 1))
            self.out.append(reply)
        self._end_wait()

    def _end_wait(self, *again: Argv) -> None:
        wait = self.wait
        assert wait is not None
        assert self._input is not None
        self.wait = None
        broker = self.broker
        broker.blocking.remove(wait)
        if again:
            self._input = chain(again, self._input)
        elif self._input is _NOTHING and not self._unread:
            self._input = None
            broker.replying.append(self)
            broker.wake()
            return
        broker.put_off.append(self)
        broker.wake()

    # --- commands ---------------------------------------------------------------------------------------------------

    def command_name(self, argv: Argv) -> str:
        """The full name of a command that exists: `client|id`."""
        name = argv[0].lower().decode("ascii", "replace")
        row = COMMANDS.get(name)
        if row is not None and row.subcommands and len(argv) > 1:
            return f"{name}|{argv[1].lower().decode('ascii', 'replace')}"
        return name

    def _resolve(self, argv: Argv) -> Entry:
        """Find what the quick look-up did not: mixed case, subcommands, unknown commands."""
        name = argv[0].lower().decode("ascii", "replace")
        row = COMMANDS.get(name)
        if row is None:
            return self._rejection(errors.unknown_command(argv))
        if not row.subcommands or len(argv) == 1:
            return self.table[name]
        sub = argv[1].lower().decode("ascii", "replace")
        if sub not in row.subcommands:
            return self._rejection(errors.unknown_subcommand(name, argv[1]))
        return self.table[f"{name}|{sub}"]

    def _misfit(self, entry: Entry) -> Entry:
        return self._rejection(errors.wrong_arity(entry.command.name), entry.stats)

    def _rejection(self, error: CommandError, stats: CommandStats | None = None) -> Entry:
        return rejection(error, stats, replies=self.replies)

    def reject(self, error: CommandError) -> bytes:
        """Refuse a command before it runs; a transaction it was meant for will not be executed."""
        if self.transaction is not None:
            self.transaction.broken = True
        self.count_error(error)
        return error.reply

    def fail(self, entry: Entry, error: CommandError) -> bytes:
        """A handler has refused: count it; the reply."""
        entry.stats.failed += 1
        self.count_error(error)
        return error.reply

    def count_error(self, error: CommandError) -> None:
        """For INFO errorstats."""
        # Most errors are constants: what raising them has hung on to them, frames and sessions, must not stay.
        error.__traceback__ = error.__context__ = None
        self.broker.stats.count_error(error.code)

    def note_reply(self, count: int = 1) -> None:
        """The next reply, which may stand for several, must not leave before what this turn has changed is durable.

        For commands without keys that touch some all the same; the others' cells do it by themselves.
        """
        if self.broker.journal.durable and self.replies == "on":
            self.broker.unconfirmed.append((self, len(self.out), count))

    def call(self, entry: Entry, argv: Argv) -> bytes:
        """Run one command of a transaction: its reply, also when it is an error."""
        broker = self.broker
        started = broker.clock()
        try:
            reply = entry.handler(self, argv) or b""
        except CommandError as error:
            reply = self.fail(entry, error)
        if broker.monitors and entry.monitored:
            broker.feed_monitors(self, entry.command, argv)
        elapsed = broker.clock() - started
        entry.stats.count(1, elapsed)
        if elapsed >= broker.notable_ns:
            broker.note_slow(self, entry.command, argv, elapsed)
        return reply

    def _internal_error(self, entry: Entry, error: Exception) -> None:
        self.broker.stats.unexpected_errors += 1
        self.broker.host.log("error", "internal error", command=entry.command.name, client=self.peer, exc_info=error)
        self.out.append(errors.INTERNAL.reply)
        self.closing = True
