"""The whole state of a node, and the tick that gives what happened to the clients.

The order of a tick, and why (DESIGN section 4):

1. Clients whose input was put off go on, each for one slice of time: a client with a megabyte of pipelined commands
   neither stops the others nor is stopped by them. Then scheduled entries whose time has come are added, and blocked
   clients looked at: those whose time is over, those who are served.
2. What the turn changed is committed: nothing leaves the process before.
3. Every client with a reply is flushed: request and response stay fast, whatever is being fanned out.
4. Clients that lag are held to their limits.
5. One slice of the fan-out queue is flushed, oldest first (see `airwave.sweeps`). Input is read before the next slice;
   messages that came meanwhile join the buffers still waiting, so that under load each write carries more.
6. If something is left, the next tick is asked for at once.
"""

from collections import deque
from typing import TYPE_CHECKING

from airwave import quoting
from airwave.blocking import Blocking
from airwave.client import Client
from airwave.command import Command, CommandStats, Table, all_commands
from airwave.errors import CommandError
from airwave.host import Host
from airwave.journal import Journal, JournalError
from airwave.keyspace import Keyspace
from airwave.latency import LatencyMonitor
from airwave.presence import Presence
from airwave.pubsub import PubSub, Subscriber
from airwave.remember import Memory
from airwave.request import Limits
from airwave.settings import Settings
from airwave.slowlog import SlowLog, row_shown
from airwave.stats import Stats
from airwave.sweeps import Sweeps
from airwave.tuning import NEVER_NS, follow_settings

if TYPE_CHECKING:
    from airwave.session import Session

SHARE_MAX_NS = 2_000_000  # of a turn that wrote, for the fan-out, beyond one slice
AGE_MAX = 100  # remembered channels that one cron holds to their age
EXPIRE_MAX = 1000  # keys that one cron removes because their time is over


class Broker:
    """One node.

    Args:
        settings: the node's own, changed in place by CONFIG SET.
        host: clock, wake-up and log.
        journal: what keeps the data; None: nothing does.
    """

    # Copied from the settings, see `airwave.tuning`.
    input_slice_ns: int
    slowlog_ns: int
    spike_ns: int
    notable_ns: int

    def __init__(self, settings: Settings, host: Host, journal: Journal | None = None) -> None:
        self.settings = settings
        self.host = host
        self.clock = host.clock
        self.started_ns = host.clock()
        self.started_at = int(host.wall())
        self.stats = Stats()
        self.slowlog = SlowLog(settings.slowlog_max_len)
        self.latency = LatencyMonitor()
        self.limits = Limits()
        self.command_stats: dict[str, CommandStats] = {row.name: CommandStats() for row in all_commands()}

        self.tables: dict[object, Table] = {}  # dispatch tables by state; airwave.states makes and keeps them here

        self.clients: dict[int, Session] = {}
        self.lagging: set[Client] = set()
        self.monitors: list[Session] = []
        self.executing = False  # EXEC runs its commands: each must reply at once, none may block
        self._last_client_id = 0

        self.fan_out: deque[Subscriber] = deque()
        self.pubsub = PubSub(self.fan_out, settings.route_cache_size, host.wall_ms)
        self.sweeps = Sweeps(self.fan_out, self.pubsub)
        self.journal = journal if journal is not None else Journal()
        self.keyspace = Keyspace(self.journal, host.wall_ms, self._publish_notification, settings.databases)
        self.ready = self.keyspace.ready
        self.agenda = self.keyspace.agenda
        self.unconfirmed: list[tuple[Session, int, int]] = []  # replies of this turn: place in `out`, how many
        self.refusal: CommandError | None = None  # what commands that write are told while nothing can be written
        self.memory = Memory(self.keyspace, self.pubsub, self.wake)
        self.presence = Presence(self.pubsub, self.wake)
        self.blocking = Blocking(self.keyspace, self.clock, host.wake_after)
        self.replying: list[Session] = []  # may have something in `out`; each at least once
        self.put_off: list[Session] = []  # have input that their slice of time did not reach
        self.held: list[Session] = []  # wait for the end of CLIENT PAUSE
        self.cold: list[Session] = []  # wait for entries that are being fetched from disk
        self.awake = False
        self._woken_ns = 0  # when the tick that comes was asked for
        self.pause_all = False
        self.pause_writes = False
        self._pause_until_ns = 0
        follow_settings(self)

    # --- clients ----------------------------------------------------------------------------------------------------

    def next_client_id(self) -> int:
        """A client ID: unique and growing."""
        self._last_client_id += 1
        return self._last_client_id

    def welcome(self, session: "Session") -> None:
        """A client has connected."""
        self.clients[session.id] = session
        self.stats.connections_received += 1

    def forget(self, client: Client) -> None:
        """A client has gone, or is being cut off: no trace of it stays."""
        if client.gone:
            return
        client.gone = True
        self.dismiss(client)
        self.clients.pop(client.id, None)
        self.lagging.discard(client)
        client.lagging = True  # nothing is written any more
        client.out.clear()

    def dismiss(self, client: Client) -> None:
        """A client is about to go: it gets what waits for it, and nothing new."""
        client.closing = True
        self.pubsub.unsubscribe_all(client)
        session = self.clients.get(client.id)
        if session is not None and session in self.monitors:
            self.monitors.remove(session)
        if session is not None and session in self.held:
            self.held.remove(session)
        if session is not None and session in self.cold:
            self.cold.remove(session)
        if session is not None:
            session.stop_watching()
            if session.wait is not None:
                self.blocking.remove(session.wait)
                session.wait = None

    # --- the tick ---------------------------------------------------------------------------------------------------

    def wake(self) -> None:
        """Something is to be flushed: make sure that a tick comes."""
        if not self.awake:
            self.awake = True
            if self.journal.durable:
                self._woken_ns = self.clock()
            self.host.wake()

    def tick(self) -> None:
        """Give what happened to the clients; the order is explained at the top of this file."""
        self.awake = False
        if self._pause_until_ns:
            self._end_pause_if_due()
        if self.put_off:
            sessions, self.put_off = self.put_off, []
            for session in sessions:
                session.go_on()
        if self.agenda.streams or self.blocking.timers or self.ready:
            self.blocking.look(may_write=self.refusal is None and not self.pause_writes)
        share_ns = 0
        if self.journal.durable:
            wrote = bool(self.unconfirmed)
            self.commit()
            if wrote and self.fan_out:
                share_ns = min(self.clock() - self._woken_ns, SHARE_MAX_NS)
        if self.replying:
            self._flush_replies()
        for client in list(self.lagging):
            client.check_lag(self.clock())
        if self.fan_out:
            self.stats.output_bytes += self._flush_slice(share_ns)
        if self.fan_out or self.put_off:
            self.wake()

    def _flush_replies(self) -> None:
        written = 0
        for session in self.replying:
            if session.out:
                written += session.flush()
            if session.closing:
                session.finish()
        self.replying.clear()
        self.stats.output_bytes += written

    def _flush_slice(self, share_ns: int) -> int:
        """Flush a slice; returns the bytes written.

        Args:
            share_ns: what streams took of this turn; for as long more slices are flushed, so that subscribers do not
                wait for many such turns.
        """
        now = started = self.clock()
        written = self.sweeps.flush_slice(now)
        while share_ns and self.fan_out and (now := self.clock()) < started + share_ns:
            written += self.sweeps.flush_slice(now)
        if self.spike_ns != NEVER_NS and (elapsed := self.clock() - started) >= self.spike_ns:
            self.latency.add("fan-out", int(self.host.wall()), elapsed // 1_000_000)
        return written

    def flush_everything(self) -> None:
        """Hand all that waits to the transports (when the node stops)."""
        self.stats.output_bytes += self.sweeps.flush_all()

    def cron(self) -> None:
        """What is to be done `hz` times a second: rates, idle clients, soft limits."""
        now_ns = self.clock()
        stats = self.stats
        stats.commands_of_rate.sample(self.commands_processed, now_ns)
        stats.input_of_rate.sample(stats.input_bytes, now_ns)
        stats.output_of_rate.sample(stats.output_bytes, now_ns)
        for client in list(self.lagging):
            client.check_lag(now_ns)
        if self.settings.timeout:
            self._close_idle(now_ns)
        if self.refusal is None:
            self.keyspace.cron(EXPIRE_MAX)
            self.memory.cron(AGE_MAX)
        elif self.journal.probe():
            self._refuse_writes(None)
            self.blocking.retry_all()  # those who write were left waiting
            self.host.log("notice", "writing to the database works again: writes are accepted")
        if self.ready or self.journal.durable or self.agenda.streams:  # Unix time may have been set
            self.wake()

    def _close_idle(self, now_ns: int) -> None:
        latest_ns = now_ns - self.settings.timeout * 1_000_000_000
        for session in list(self.clients.values()):
            # As in Redis: never subscribers, monitors and clients that wait for something.
            exempt = (
                session.is_subscriber
                or session.wait is not None
                or session in self.monitors
                or session in self.held
                or session in self.cold
            )
            if session.active_ns < latest_ns and not exempt:
                self.host.log("verbose", "closing idle client", client=session.peer)
                session.disconnect()

    # --- keys -------------------------------------------------------------------------------------------------------

    def publish(self, channel: bytes, message: bytes) -> int:
        """Give a message to the channel's subscribers, and remember it if the channel is one that does.

        Returns:
            How many subscriptions got it.

        Raises:
            CommandError: see `Memory.publish`.
        """
        route = self.pubsub.routes.get(channel)
        if route is None:  # it is new, or remembered: routes of those are elsewhere, so that others need not ask
            return self.memory.publish(channel, message)
        return self.pubsub.deliver(route, message) if route else 0

    def loaded(self) -> None:
        """The keyspace was filled with what the disk has."""
        self.memory.begin()

    def _publish_notification(self, channel: bytes, message: bytes) -> None:
        """Publish a keyspace notification; whoever gets it is flushed in this turn's tick."""
        self.pubsub.publish(channel, message)
        self.wake()

    def commit(self) -> None:
        """Make durable what this turn changed. Nothing of it has left the process yet."""
        try:
            self.journal.commit()
        except JournalError as error:
            self._undo_turn(str(error))
        if self.unconfirmed:
            self.unconfirmed.clear()
        if self.memory.turn:
            self.memory.turn.clear()

    def _undo_turn(self, reason: str) -> None:
        """A commit failed: what was answered becomes an error, memory goes back to what the disk has."""
        self.host.log("warning", "cannot write to the database: writes are refused until it works again", reason=reason)
        refusal = CommandError(f"MISCONF Errors writing to the AOF file: {reason}")
        for session, place, count in self.unconfirmed:
            if place < len(session.out):
                session.out[place] = refusal.reply * count
        self.memory.retract()
        self.journal.reload(self.keyspace)
        self.memory.begin()
        for database in self.keyspace.databases:
            database.all_touched([*database.watchers])
        self._refuse_writes(refusal)
        self.blocking.serve()

    def _refuse_writes(self, refusal: CommandError | None) -> None:
        self.refusal = self.memory.refusal = refusal
        self.keyspace.frozen = refusal is not None
        for state in [state for state in self.tables if getattr(state, "refused", False)]:
            del self.tables[state]
        self._change_tables()

    def warm(self) -> None:
        """What was fetched from disk is there: the commands that wait for it are run again."""
        cold, self.cold = self.cold, []
        self.put_off.extend(cold)
        if cold:
            self.wake()

    # --- CLIENT PAUSE -----------------------------------------------------------------------------------------------

    def pause(self, duration_ms: int, *, writes_only: bool) -> None:
        """Hold commands back; a pause in force is only ever made longer and stricter, as in Redis."""
        until_ns = self.clock() + duration_ms * 1_000_000
        self._pause_until_ns = max(self._pause_until_ns, until_ns, 1)
        self.pause_all = self.pause_all or not writes_only
        self.pause_writes = True
        self._change_tables()
        self.host.wake_after((self._pause_until_ns - self.clock()) / 1e9)

    def unpause(self) -> None:
        """End a pause: what was held back goes on, in order."""
        self._pause_until_ns = 0
        self.pause_all = self.pause_writes = False
        self._change_tables()
        held, self.held = self.held, []
        self.put_off.extend(held)
        if held:
            self.wake()

    def _end_pause_if_due(self) -> None:
        left_ns = self._pause_until_ns - self.clock()
        if left_ns <= 0:
            self.unpause()
        elif left_ns < 2_000_000:  # event loops count in ms: the timer may have been early
            self.host.wake_after(left_ns / 1e9)

    def _change_tables(self) -> None:
        for session in self.clients.values():
            session.choose_table()

    # --- observation ------------------------------------------------------------------------------------------------

    @property
    def commands_processed(self) -> int:
        """Commands whose handler ran."""
        return sum([each.calls for each in self.command_stats.values()])

    def reset_stats(self) -> None:
        """CONFIG RESETSTAT."""
        self.stats.reset()
        for each in self.command_stats.values():
            each.reset()
        self.pubsub.deliveries = self.pubsub.delivered_bytes = 0
        self.keyspace.hits = self.keyspace.misses = self.keyspace.expired = 0
        self.sweeps.begin_anew()

    def note_slow(self, session: "Session", row: Command, argv: list[bytes], elapsed_ns: int) -> None:
        """A command took long enough for the slow log or the latency monitor."""
        at = int(self.host.wall())
        if elapsed_ns >= self.slowlog_ns and "skip_slowlog" not in row.flags:
            self.slowlog.add(at, elapsed_ns // 1000, row_shown(row, argv), session.peer, session.name)
        if elapsed_ns >= self.spike_ns:
            event = "fast-command" if "fast" in row.flags else "command"
            self.latency.add(event, at, elapsed_ns // 1_000_000)

    def feed_monitors(self, session: "Session", row: Command, argv: list[bytes]) -> None:
        """Show a command to all MONITOR clients, every byte escaped."""
        now = self.host.wall()
        words = " ".join([quoting.quoted(arg) for arg in row_shown(row, argv)])
        peer = f"unix:{session.peer[:-2]}" if session.on_unix_socket else session.peer
        line = f"+{now:.6f} [{session.database.index} {peer}] {words}\r\n".encode("ascii", "backslashreplace")
        for monitor in self.monitors:
            if not monitor.out:
                self.fan_out.append(monitor)
            monitor.out.append(line)
        self.wake()
