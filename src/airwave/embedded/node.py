"""A node without sockets: the core under a lock, in whatever thread asks it.

There is no event loop and, while nobody is connected, no thread. Who sends a command runs it, in their own thread: the
command, then all ticks that it caused, so that when `receive` returns the replies are in the pipes of those they are
for. What must happen by itself, such as a blocked command whose time is over, is done by one thread, the *timekeeper*,
which lives as long as somebody is connected.

The core is not re-entrant, but the garbage collector may close a forgotten connection at any time, also while this very
thread is in the middle of a command. So whatever does not come from a client's own call is *posted*: run at once if the
lock is free, else by its holder right after it lets go, or by the next one before anything else: so a connection that
was closed is closed for every command that comes later. A command from within a command (a signal handler,
a handler of the log) would wait for itself for ever: it is refused. For that alone the lock knows its owner.
"""

import contextlib
import ctypes
import heapq
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterator
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
        lock: held by whoever uses `broker`; see `use` for what is due before and after.
        held: whether this thread holds it.
        closed: it has ended, and why; empty: it has not.
        forked: this process is a child of the one that the node belongs to.
        unusable: one of the two.
        posted: what nobody has run yet; who gets the lock calls `catch_up`, who has let go of it `run_posted`.
        entered: how often somebody began to use it.

    Raises:
        EmbeddedError: the data cannot be used.
    """

    _is_finalizing = staticmethod(sys.is_finalizing)

    def __init__(
        self,
        url: str,
        settings: Settings,
        folder: Path | None = None,
        on_end: "Callable[[LocalNode], None]" = lambda _: None,
    ) -> None:
        self.url = url
        self._on_end = on_end
        self.lock = threading.RLock()
        self.held: Callable[[], bool] = self.lock._is_owned  # type: ignore[attr-defined]  # what Condition uses
        self.closed = ""
        self.forked = False
        self.unusable = False
        self._at_exit = False
        self._changed = threading.Condition(self.lock)
        self.posted: deque[Callable[[], None]] = deque()
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
                self.broker.loaded()
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
        """Raise what is to be raised when the node cannot be used, or not here."""
        if self.forked:
            raise EmbeddedError(
                f"{self.url} is in the process this one was forked from (pid {self._host.pid}), and cannot be shared: "
                "use airwave.Server for several processes, or another name"
            )
        if self._at_exit:
            self.lock.acquire()  # which only the main thread gets; see `close_at_exit`
        if self.closed:
            raise EmbeddedError(f"{self.url} {self.closed}")
        if self.held():
            raise EmbeddedError(
                f"{self.url} is in the middle of a command of this very thread: a signal handler, a finalizer or a "
                "handler of the log cannot use it"
            )

    def enter(self, guest: Guest | None = None) -> None:
        """Somebody uses the node from now on. Call with the lock held.

        Args:
            guest: is told when the node ends; clients of the broker are disconnected anyway.
        """
        if self._timekeeper is None:
            timekeeper = threading.Thread(target=self._keep_time, name=f"airwave {self.url}", daemon=True)
            timekeeper.start()
            self._timekeeper = timekeeper
        if guest is not None:
            self._guests.add(guest)
        self._users += 1
        self.entered += 1

    def leave(self, guest: Guest | None = None) -> None:
        """Somebody does no longer; the data of a node on disk is closed with the last. Call with the lock held."""
        if guest is not None:
            self._guests.discard(guest)
        self._users -= 1
        if not self._users:
            self._changed.notify_all()
            if self._journal is not None:
                self._end("was closed with its last client")

    # --- using it ---------------------------------------------------------------------------------------------------

    def receive(self, session: Session, data: bytes) -> None:
        """Let a client's bytes in; what they cause has happened when this returns."""
        if self.unusable or self.held():
            self.check()
        with self.lock:
            if self.posted:
                self.catch_up()
            session.data_received(data)
            broker = self.broker
            while broker.awake:
                broker.tick()
        if self.posted:
            self.run_posted()

    @contextlib.contextmanager
    def use(self) -> Iterator[Broker]:
        """Hold the lock for a block, and do what is due before and after; what is hot does it by itself.

        Raises:
            EmbeddedError: the node cannot be used.
        """
        self.check()
        try:
            with self.lock:
                self.catch_up()
                if self.closed:  # while this waited for the lock
                    raise EmbeddedError(f"{self.url} {self.closed}")
                yield self.broker
                self.settle()
        finally:
            self.run_posted()

    def settle(self) -> None:
        """Run all ticks that are due. Call with the lock held, before it is let go."""
        broker = self.broker
        while broker.awake:
            broker.tick()

    def post(self, function: Callable[[], None]) -> None:
        """Have a function called with the lock held: now, or by who holds it. From any thread, at any time."""
        if self._is_finalizing():  # modules are being taken apart, so that nothing can be done any more, nor need be
            return
        self.posted.append(function)
        self.run_posted()

    def run_posted(self) -> None:
        """Call what was posted, unless somebody else will."""
        while self.posted and not self.forked and not self.held():
            try:
                if not self.lock.acquire(blocking=False):
                    return
                self.catch_up()
            finally:
                if self.held():  # a signal may have come in between
                    self.lock.release()

    def catch_up(self) -> None:
        """Call what was posted. Call with the lock held, before anything else; what is hot looks at `posted` first."""
        while self.posted:
            function = self.posted.popleft()
            try:
                function()
                self.settle()
            except Exception as error:  # ours; whose call this is has nothing to do with it
                log.event("error", "internal error", exc_info=error, engine=self.url)

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
                    self.catch_up()
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
        broker = self.broker
        self.settle()
        broker.commit()  # nothing leaves before
        self.closed = why
        self.unusable = True
        try:
            for session in list(broker.clients.values()):
                session.finish()
            for guest in list(self._guests):
                guest.engine_ended()
            broker.flush_everything()
            if self._journal is not None:
                self._journal.close()
        finally:
            self._on_end(self)
            self._changed.notify_all()

    def close(self) -> None:
        """End it from outside; no thread of it is left then.

        Raises:
            EmbeddedError: this thread is in the middle of a command.
        """
        if self.forked:
            return
        if self.held():
            self.check()
        with self.lock:
            timekeeper = self._timekeeper
            self._end("was closed")
        self.run_posted()
        if timekeeper is not None:
            timekeeper.join()

    def close_at_exit(self) -> None:
        """The interpreter ends: what is on disk is closed, and the lock never given back.

        Nobody is disconnected, and a daemon thread that still uses the node waits until it is no more: an exception
        there would be printed, as it would not with a server.
        """
        if self._journal is None or self.forked or not self.lock.acquire(timeout=EXIT_WAIT_S):
            return
        if not self.closed:
            self.settle()
            self.broker.commit()
            self._at_exit = True
            self.closed = "was closed: the interpreter ends"
            self.unusable = True
            self._journal.close()

    def after_fork(self) -> None:
        """In the child of a fork: the threads are not here, the lock may be held for ever, the data is the parent's."""
        self.forked = self.unusable = True
        if self._journal is not None:
            self._journal.abandon()
            # SQLite forbids even to close a connection in the child, as freeing it would, at exit at the latest.
            ctypes.pythonapi.Py_IncRef(ctypes.py_object(self._journal))
