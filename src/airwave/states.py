"""What a session does with a command depends on its state. A state is a dispatch table; all of them are made here.

    unauthenticated  only AUTH, HELLO, QUIT, RESET; everything else NOAUTH
    normal           every command runs
    resp2-subscriber a RESP2 client with subscriptions: only (un)subscribing, PING, QUIT, RESET
    resp3-subscriber a RESP3 client with subscriptions: as normal, but the reply to a PUBLISH comes before a push it
    causes
    multi            commands are queued until EXEC or DISCARD
    inner            what EXEC runs, and a blocked command that is run again: as normal, but whoever runs it tells the
    broker of the reply, and where that stands

Two things lie over a state: CLIENT PAUSE holds commands back, and CLIENT REPLY OFF or SKIP drops replies.
`Session.choose_table` is called whenever one of them changes, so that the path of a command tests no flags.
Order of the checks: redis-server 7.0 `processCommand`.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from airwave import errors
from airwave.command import NO_COMMAND, Argv, Command, CommandStats, Entry, Handler, Table, all_commands
from airwave.errors import CommandError
from airwave.streams.chunk import Cold

if TYPE_CHECKING:
    from airwave.broker import Broker
    from airwave.session import Session

_SUBSCRIBES = {"subscribe", "unsubscribe", "psubscribe", "punsubscribe", "ssubscribe", "sunsubscribe"}
_RESP2_SUBSCRIBER = _SUBSCRIBES | {"ping", "quit", "reset"}
# CLIENT REPLY does not stop these: confirmations are pushes, also in RESP2; and CLIENT REPLY ON is answered.
_ANSWERED = _SUBSCRIBES | {"client|reply"}
_NOT_QUEUED = {"exec", "discard", "multi", "watch", "quit", "reset"}
_PUBLISHES = ("publish", "spublish")


@dataclass(frozen=True, slots=True)
class State:
    """What chooses a dispatch table.

    Attributes:
        name: see the top of this file.
        replies: "on", "off" or "skip" (CLIENT REPLY).
        pause: "", "write" or "all" (CLIENT PAUSE).
        refused: commands that write are refused, because nothing can be written to disk.
    """

    name: str
    replies: str = "on"
    pause: str = ""
    refused: bool = False


class Held(Exception):  # noqa: N818  (an event, not a fault)
    """CLIENT PAUSE holds this command back: it is to be run again when the pause is over."""


def table_for(broker: "Broker", state: State) -> Table:
    """The dispatch table of a state: what is done for a command, by its full name (str) such as `client|id`.

    A command without subcommands is there also by its name as a request has it: bytes, in lower and in upper case.
    """
    table = broker.tables.get(state)
    if table is None:
        table = broker.tables[state] = _build(broker, state)
    return table


def _build(broker: "Broker", state: State) -> Table:
    table: Table = {}
    for row in all_commands():
        entry = Entry(
            row,
            row.handler,
            broker.command_stats[row.name],
            monitored="admin" not in row.flags,  # `skip_monitor` is of commands that show themselves in Redis: EVAL
            batch=row.batch,
        )
        if broker.journal.durable and row.uses_keys and state.name != "inner":
            entry = _noted(broker, entry, reply_first=_may_push_to_itself(row, state))
        entry = _in_state(entry, state)
        if state.refused and broker.refusal is not None and state.name != "unauthenticated":
            if "write" in row.flags:
                entry = entry.replaced(rejecting(broker.refusal, entry.stats))
            elif row.name == "exec":
                entry = _wrapped(entry, _refuse_writes(entry.handler, broker.refusal, entry.stats))
        if state.pause == "all" or (state.pause == "write" and row.pauses_with_writes):
            entry = entry.replaced(_hold)
        elif state.pause == "write" and row.name == "exec":
            entry = _wrapped(entry, _hold_writes(entry.handler))
        if state.replies != "on":
            once = state.replies == "skip"
            answered = entry.handler is row.handler and row.name in (_ANSWERED if once else _ANSWERED | {"reset"})
            entry = _wrapped(entry, _muted(entry.handler, once=once, answered=answered))
        table[row.name] = entry
        if not row.subcommands and "|" not in row.name:
            table[row.name.encode()] = table[row.name.upper().encode()] = entry
    return table


def _wrapped(entry: Entry, handler: Handler) -> Entry:
    """The same command, still counted."""
    return Entry(entry.command, handler, entry.stats, monitored=entry.monitored)


def _in_state(entry: Entry, state: State) -> Entry:
    row, name = entry.command, state.name
    refusal = None
    if name == "unauthenticated" and "no_auth" not in row.flags:
        refusal = errors.NO_AUTH
    elif name == "resp2-subscriber" and row.name not in _RESP2_SUBSCRIBER:
        refusal = errors.subscriber_context(row.name)
    elif name == "multi" and "no_multi" in row.flags:
        refusal = errors.NOT_IN_TRANSACTION
    if refusal is not None:
        return entry.replaced(rejecting(refusal, entry.stats))
    if name == "multi" and row.name not in _NOT_QUEUED:
        return entry.replaced(_queue)
    if _may_push_to_itself(row, state):
        return _wrapped(entry, _reply_first(entry.handler))
    return entry


def _may_push_to_itself(row: Command, state: State) -> bool:
    """Whether a command may send a RESP3 client a message of its own making: by PUBLISH, or a keyspace notification."""
    if state.replies != "on":
        return False
    if state.name == "resp3-subscriber":
        return row.uses_keys or row.name in _PUBLISHES
    return state.name == "multi" and row.name == "exec"


# --- what a cell may do instead of the command's handler --------------------------------------------------------------


def rejecting(error: CommandError, stats: CommandStats | None = None) -> Handler:
    """A handler that refuses the command; inside MULTI the transaction is then lost.

    Args:
        stats: where the refusal is counted; None for what is no command at all.
    """

    def reject(session: "Session", argv: Argv) -> bytes:
        if stats is not None:
            stats.rejected += 1
        if argv[0].lower() == b"exec":  # Redis: an EXEC that is refused ends its transaction, and says so
            if session.transaction is not None:
                session.end_transaction()
            return session.reject(errors.discarded(error))
        return session.reject(error)

    return reject


def rejection(error: CommandError, stats: CommandStats | None = None, *, replies: str = "on") -> Entry:
    """A cell for a request that no table has: an unknown command, or the wrong number of arguments."""
    handler = rejecting(error, stats)
    if replies != "on":
        handler = _muted(handler, once=replies == "skip")
    return Entry(NO_COMMAND, handler, CommandStats(), monitored=False)


def _queue(session: "Session", argv: Argv) -> bytes | None:
    assert session.transaction is not None
    return session.transaction.queue(session, argv)


def _hold(session: "Session", argv: Argv) -> bytes | None:
    del session, argv
    raise Held


def _hold_writes(handler: Handler) -> Handler:
    """EXEC during CLIENT PAUSE WRITE: held back if something in it writes."""

    def execute(session: "Session", argv: Argv) -> bytes | None:
        queued = session.transaction.commands if session.transaction else []
        if any(entry.command.pauses_with_writes for entry, _ in queued):
            raise Held
        return handler(session, argv)

    return execute


def _refuse_writes(handler: Handler, refusal: CommandError, stats: CommandStats) -> Handler:
    """EXEC while nothing can be written: refused if something in it writes."""
    reject = rejecting(refusal, stats)

    def execute(session: "Session", argv: Argv) -> bytes | None:
        queued = session.transaction.commands if session.transaction else []
        if any("write" in entry.command.flags for entry, _ in queued):
            return reject(session, argv)
        return handler(session, argv)

    return execute


def _noted(broker: "Broker", entry: Entry, *, reply_first: bool) -> Entry:
    """A command whose reply must not leave before what the turn has changed is durable: the broker knows of it.

    Args:
        reply_first: the reply will stand before what the command pushes to its own client.

    What only reads is noted if something was noted before it: else it has seen nothing that could be undone.
    """
    handler, batch, reads = entry.handler, entry.batch, "readonly" in entry.command.flags
    unconfirmed = broker.unconfirmed

    def run(session: "Session", argv: Argv) -> bytes | None:
        before = len(session.out)
        reply = handler(session, argv)
        if reply is not None and session.replies == "on" and not (reads and not unconfirmed):
            unconfirmed.append((session, before if reply_first else len(session.out), 1))
        return reply

    def run_batch(session: "Session", requests: list[Argv], first: int) -> int:
        assert batch is not None
        calls = batch(session, requests, first)
        if calls:
            unconfirmed.append((session, len(session.out) - 1, calls))
        return calls

    return Entry(
        entry.command, run, entry.stats, monitored=entry.monitored, batch=run_batch if batch is not None else None
    )


def _reply_first(handler: Handler) -> Handler:
    """A RESP3 client that publishes to itself gets the reply first, then the message (Redis 7.2)."""

    def publish(session: "Session", argv: Argv) -> bytes | None:
        out = session.out
        before = len(out)
        reply = handler(session, argv)
        if len(out) > before and reply is not None:
            out.insert(before, reply)
            return None
        return reply

    return publish


def _muted(handler: Handler, *, once: bool, answered: bool = False) -> Handler:
    """CLIENT REPLY OFF, or SKIP if `once`: the command runs, its reply is dropped, unless it is to be `answered`."""

    def run(session: "Session", argv: Argv) -> bytes | None:
        if once:
            session.replies = "skipped"
        reply = None
        try:
            reply = handler(session, argv)
        except CommandError as error:
            session.count_error(error)
        except (Held, Cold):
            session.replies = "skip" if once else "off"
            raise
        if session.replies == "skipped":
            session.set_replies("on")
        return reply if answered else None

    return run


def inner_entry(broker: "Broker", name: str) -> Entry:
    """What is run for a command that was queued until EXEC, or is blocked."""
    return table_for(broker, State("inner"))[name]
