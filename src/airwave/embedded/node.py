"""A node without sockets: the core under a lock, in whatever thread asks it.

There is no event loop and, while nobody is connected, no thread. Who sends a command runs it, in their own thread: the
command, then all ticks that it caused, so that when `receive` returns the replies are in the pipes of those they are
for. What must happen by itself, such as a blocked command whose time is over, is done by one thread, the *timekeeper*,
which lives as long as somebody is connected.

The lock is not re-entrant, and the garbage collector may close a forgotten connection at any time, also while this very
thread holds the lock. So whatever does not come from a client's own call is *posted*: run at once if the lock is free,
else by its holder, before or right after it lets go.
"""

import contextlib
import heapq
import threading
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

import airwave.commands  # noqa: F401  (fills the table of commands)
from airwave.broker import Broker
from airwave.server import log
from airwave.server.host import ProcessHost
from airwave.session import Session
from airwave.settings import Settings
from airwave.store import SqliteJournal, StoreError

EXIT_WAIT_S = 2.0  # at interpreter exit for whoever uses the node


class EmbeddedError(ConnectionError):
    """An embedded engine cannot be used; the message says why and what to do."""


class Guest(Protocol):
    """Who uses a node and is no client of its broker."""

    def engine_ended(self) -> None:
        """The node has ended. The lock is held."""


class _Host(ProcessHost):
    """A host whose ticks are run by who holds the node's lock, and by the timekeeper."""

    def __init__(self, settings: Settings, node: "LocalNode") -> None:
        super().__init__(settings, lambda now: node.post(node.end))  # noqa: ARG005
        self._node = node

    def wake(self) -> None:
        """See `Host`: the holder of the lock looks at `Broker.awake` before it lets go."""

    def wake_after(self, delay_s: float) -> None:
        """See `Host`."""
        self._node.wake_at(self.clock() + round(delay_s * 1e9))


class LocalNode:
    """One engine of this process.

    Args:
        url: its name, for messages.
        settings: its own.
        folder: where its data is kept; None: in memory only.
        on_end: called once it has ended, with the lock held.

    Attributes:
        lock: held by whoever uses `broker`; see `settle` and `run_posted` for what to do before and after.
        closed: it has ended, and why; empty: it has not.
        entered: how often somebody began to use it.
        forked: this process is a child of the one that the node belongs to.

    Raises:
        EmbeddedError: the data cannot be used.
    """

    def __init__(
        self,
        url: str,
        settings: Settings,
        folder: Path | None = None,
        on_end: "Callable[[LocalNode], None]" = lambda _: None,
    ) -> None:
        self.url = url
        self._on_end = on_end
        self.lock = threading.Lock()
        self.closed = ""
        self.forked = False
        self._changed = threading.Condition(self.lock)
        self._posted: deque[Callable[[], None]] = deque()
        self._timers_ns: list[int] = []
        self._users = 0
        self._guests: set[Guest] = set()
        self.entered = 0
        self._timekeeper: threading.Thread | None = None
        self._journal = self._open(settings, folder)
        self._host = _Host(settings, self)
        self.broker = Broker(settings, self._host, self._journal)
        if self._journal is not None:
            try:
                self._journal.load(self.broker.keyspace)
            except StoreError as error:
                self._journal.close()
                raise EmbeddedError(f"{url}: {error}") from None

    def _open(self, settings: Settings, folder: Path | None) -> SqliteJournal | None:
        if folder is None:
            return None
        try:
            folder.mkdir(parents=True, exist_ok=True)
            journal = SqliteJournal(
                folder,
                fsync=settings.appendfsync,
                memory_bytes=settings.stream_memory,
                call_soon=self.post,
                on_fetched=lambda: self.broker.warm(),  # noqa: PLW0108  (there is no broker yet)
            )
        except StoreError as error:
            raise EmbeddedError(f"{self.url}: {error}") from None
        except OSError as error:
            raise EmbeddedError(f"{self.url}: {error.strerror or error}") from None
        settings.on_change("appendfsync", journal.set_fsync)
        settings.on_change("stream-memory", journal.set_memory)
        return journal

    # --- who uses it ------------------------------------------------------------------------------------------------

    def check(self) -> None:
        """Raise what is to be raised when the node cannot be used."""
        if self.forked:
            raise EmbeddedError(
                f"{self.url} is in the process this one was forked from (pid {self._host.pid}), and cannot be shared: "
                "use airwave.Server for several processes, or another name"
            )
        if self.closed:
            raise EmbeddedError(f"{self.url} {self.closed}")

    def enter(self, guest: Guest | None = None) -> None:
        """Somebody uses the node from now on. Call with the lock held.

        Args:
            guest: is told when the node ends; clients of the broker are disconnected anyway.
        """
        if guest is not None:
            self._guests.add(guest)
        self._users += 1
        self.entered += 1
        if self._timekeeper is None:
            self._timekeeper = threading.Thread(target=self._keep_time, name=f"airwave {self.url}", daemon=True)
            self._timekeeper.start()

    def leave(self, guest: Guest | None = None) -> None:
        """Somebody does no longer; the data of a node on disk is closed with the last. Call with the lock held."""
        if guest is not None:
            self._guests.discard(guest)
        self._users -= 1
        if not self._users:
            self._changed.notify_all()
            if self._journal is not None:
                self._end("was closed with its last client")

    @property
    def unusable(self) -> bool:
        """Whether `check` would raise."""
        return self.forked or bool(self.closed)

    @property
    def has_posted(self) -> bool:
        """Whether something was posted that nobody has run yet; look at it after letting go of the lock."""
        return bool(self._posted)

    # --- using it ---------------------------------------------------------------------------------------------------

    def receive(self, session: Session, data: bytes) -> None:
        """Let a client's bytes in; what they cause has happened when this returns."""
        self.check()
        with self.lock:
            session.data_received(data)
            broker = self.broker
            while broker.awake:
                broker.tick()
        if self._posted:
            self.run_posted()

    def settle(self) -> None:
        """Run all ticks that are due. Call with the lock held, before it is let go."""
        broker = self.broker
        while broker.awake:
            broker.tick()

    def post(self, function: Callable[[], None]) -> None:
        """Have a function called with the lock held: now, or by who holds it. From any thread, at any time."""
        self._posted.append(function)
        self.run_posted()

    def run_posted(self) -> None:
        """Call what was posted, unless somebody else will."""
        while self._posted and not self.forked and self.lock.acquire(blocking=False):
            try:
                self._run_posted()
            finally:
                self.lock.release()

    def _run_posted(self) -> None:
        while self._posted:
            self._posted.popleft()()
            self.settle()

    # --- time -------------------------------------------------------------------------------------------------------

    def wake_at(self, at_ns: int) -> None:
        """Have a tick run at a time of the clock. Called by the broker, so with the lock held."""
        if not self._timers_ns or at_ns < self._timers_ns[0]:
            self._changed.notify_all()
        heapq.heappush(self._timers_ns, at_ns)

    def _keep_time(self) -> None:
        """The timekeeper: what happens by itself, as long as somebody is connected."""
        clock, broker, timers = self._host.clock, self.broker, self._timers_ns
        cron_ns = clock()
        with self._changed:
            while self._users and not self.closed:
                now_ns = clock()
                try:
                    if cron_ns <= now_ns:
                        cron_ns = now_ns + 1_000_000_000 // broker.settings.hz
                        broker.cron()
                    if timers and timers[0] <= now_ns:
                        while timers and timers[0] <= now_ns:
                            heapq.heappop(timers)
                        broker.tick()
                    self.settle()
                    self._run_posted()
                except Exception as error:  # ours: the clients must not lose their clock
                    log.event("error", "internal error", exc_info=error, engine=self.url)
                next_ns = min(cron_ns, timers[0]) if timers else cron_ns
                self._changed.wait(max(0, next_ns - clock()) / 1e9)
            self._timekeeper = None

    # --- the end ----------------------------------------------------------------------------------------------------

    def end(self) -> None:
        """End it (SHUTDOWN): clients get what waits for them and are disconnected. Call with the lock held."""
        self._end("was shut down: connect again for a new one")

    def _end(self, why: str) -> None:
        if self.closed:
            return
        self.closed = why
        broker = self.broker
        for session in list(broker.clients.values()):
            session.finish()
        for guest in list(self._guests):
            guest.engine_ended()
        broker.flush_everything()
        broker.commit()
        if self._journal is not None:
            self._journal.close()
        self._on_end(self)
        self._changed.notify_all()

    def close(self, why: str = "was closed", wait_s: float = -1) -> None:
        """End it from outside; no thread of it is left then.

        Args:
            wait_s: how long to wait for who uses it just now; -1: as long as that takes.
        """
        if self.forked or not self.lock.acquire(timeout=wait_s):
            return
        try:
            timekeeper = self._timekeeper
            self._end(why)
            self._run_posted()
        finally:
            self.lock.release()
        if timekeeper is not None and timekeeper is not threading.current_thread():
            with contextlib.suppress(RuntimeError):
                timekeeper.join(EXIT_WAIT_S)
