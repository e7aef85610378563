"""A node's life: startup, main loop, shutdown.

A node changes nothing of the process it is in: signals, the log, limits and the working directory are the business of
`process`, for a process that is there to serve.
"""

import asyncio
import os
import socket
import sys
from collections.abc import Callable, Sequence
from typing import Any, cast

import airwave.commands  # noqa: F401  (fills the table of commands)
from airwave.broker import Broker
from airwave.server import log, storage
from airwave.server.browsers import Browsers
from airwave.server.host import LoopHost
from airwave.server.listeners import Listeners, RedisDoor
from airwave.server.sockets import open_sockets
from airwave.session import Session
from airwave.settings import Settings
from airwave.store import SqliteJournal
from airwave.version import REDIS_VERSION, __version__

DRAIN_CHECK_S = 0.01


class Node:
    """One server: a broker, its listeners, and the loop they share.

    Args:
        settings: the node's settings; it changes them when CONFIG SET does. `dir` is where its data is.
        sockets: where to listen; they listen already, and are closed at the end. None: where the settings say.
        http_sockets: as `sockets`, for HTTP.
        on_ready: called once clients can connect, in the loop; what it raises ends the node.
        on_stopping: called once it has begun to stop, in the loop.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        sockets: Sequence[socket.socket] | None = None,
        http_sockets: Sequence[socket.socket] | None = None,
        on_ready: Callable[[], None] = lambda: None,
        on_stopping: Callable[[], None] = lambda: None,
    ) -> None:
        self._settings = settings
        self._sockets = sockets
        self._http_sockets = http_sockets
        self._on_ready = on_ready
        self._on_stopping = on_stopping
        self._stopping = asyncio.Event()
        self._stop_now = False
        self._journal: SqliteJournal | None = None

    async def serve(self) -> None:
        """Startup, main loop, shutdown.

        Raises:
            SettingsError: it cannot start with these settings; the message says why, in one line.
        """
        try:
            self._startup()
            await self._serve_browsers()
            self._cron_due_ns = self._broker.clock()  # from here on the loop must not be held: it is measured
            self._cron()
        except BaseException:
            self._close_journal()  # its threads would keep the process alive
            for sock in (*(self._sockets or ()), *(self._http_sockets or ())):
                sock.close()
            raise
        try:
            self._on_ready()
            self._announce()
            await self._stopping.wait()
            self._on_stopping()
        finally:
            await self._shutdown()

    @property
    def stopping(self) -> bool:
        """Whether it has begun to stop."""
        return self._stopping.is_set()

    @property
    def addresses(self) -> list[str]:
        """Where Redis clients can connect: `127.0.0.1:6379`, `[::1]:6379`, `/path/of/socket`."""
        return self._listeners.addresses

    @property
    def descriptors(self) -> list[int]:
        """The file descriptors of listeners and clients."""
        clients = [session.fileno for session in self._broker.clients.values()]
        return [*self._listeners.descriptors, *self._browsers.descriptors, *clients]

    def stop(self, now: bool) -> None:
        """Begin to stop; `now` without waiting for slow clients. Call it in the node's loop."""
        self._stop_now = self._stop_now or now
        self._stopping.set()

    def abandon(self) -> None:
        """In a child made by fork: the node is the parent's alone, and its directory free when the parent has ended."""
        if self._journal is not None:
            self._journal.abandon()

    def _startup(self) -> None:
        settings = self._settings
        loop = self._loop = asyncio.get_running_loop()
        host = LoopHost(settings, loop, self.stop)
        self._journal = storage.open_journal(settings, loop, self._on_fetched)
        self._broker = broker = Broker(settings, host, self._journal)
        host.tick = broker.tick
        if self._journal is not None:
            storage.load(self._journal, broker)
        sockets = open_sockets(settings) if self._sockets is None else self._sockets
        self._listeners = Listeners(broker, loop, sockets, RedisDoor(broker))
        self._browsers = Browsers(broker, loop, self._http_sockets)
        self._listeners.open()

    async def _serve_browsers(self) -> None:
        try:
            await self._browsers.start()
        except BaseException:
            await self._listeners.close()
            raise

    def _cron(self) -> None:
        broker = self._broker
        broker.stats.loop_lag.note(broker.clock() - self._cron_due_ns)
        broker.cron()
        period_s = 1 / self._settings.hz
        self._cron_due_ns = broker.clock() + int(period_s * 1e9)
        self._next_cron = self._loop.call_later(period_s, self._cron)

    def _announce(self) -> None:
        addresses = self._listeners.addresses
        source: dict[str, Any] = {"config": self._settings.config_file} if self._settings.config_file else {}
        version = f"Airwave {__version__} speaks Redis {REDIS_VERSION}"
        log.event("notice", version, pid=os.getpid(), listening=addresses, **source)
        log.event("notice", f"ready: {_how_to_connect(self._settings)}")

    async def _shutdown(self) -> None:
        self._next_cron.cancel()
        try:
            await self._listeners.close()
            await self._browsers.close()
            await self._drain()
            for session in list(self._broker.clients.values()):
                session.finish()
            await asyncio.sleep(0)
            self._broker.commit()
        finally:  # whatever went wrong, nothing is left open: the process may go on without us
            for session in list(self._broker.clients.values()):
                session.disconnect()
            await asyncio.sleep(0)
            self._close_journal()
        log.event("notice", "stopped")

    def _on_fetched(self) -> None:
        self._broker.warm()

    def _close_journal(self) -> None:
        if self._journal is not None:
            self._journal.close()
            self._journal = None

    async def _drain(self) -> None:
        """Send what is buffered, for at most `shutdown-timeout`; obey nothing more."""
        broker = self._broker
        clients = list(broker.clients.values())
        for session in clients:
            _Deaf.stand_before(session)
        broker.tick()
        broker.flush_everything()
        deadline = self._loop.time() + self._settings.shutdown_timeout
        while not self._stop_now and self._loop.time() < deadline:
            if not any(session.waiting_bytes for session in clients if not session.gone):
                return
            await asyncio.sleep(DRAIN_CHECK_S)
        if cut := [session for session in clients if not session.gone and session.waiting_bytes]:
            lost_bytes = sum(session.waiting_bytes for session in cut)
            log.event("warning", "clients did not take all that was sent to them", clients=len(cut), bytes=lost_bytes)
            for session in cut:
                session.disconnect()


class _Deaf(asyncio.Protocol):
    """Stands before a session when the node stops: what still comes in is read and dropped.

    Not reading would be worse: when a connection with unread input is closed, the kernel resets it and drops what it
    has not sent yet, which may be megabytes.
    """

    def __init__(self, session: Session) -> None:
        self._session = session

    @classmethod
    def stand_before(cls, session: Session) -> None:
        transport = cast(asyncio.Transport, session.transport)
        transport.set_protocol(cls(session))
        transport.resume_reading()

    def pause_writing(self) -> None:
        self._session.pause_writing()

    def resume_writing(self) -> None:
        self._session.resume_writing()

    def connection_lost(self, exc: Exception | None) -> None:
        self._session.connection_lost(exc)


def new_loop() -> asyncio.AbstractEventLoop:
    """An event loop of the kind that a node likes best."""
    if sys.platform == "win32":
        return asyncio.new_event_loop()
    import uvloop  # noqa: PLC0415  (there is none on Windows)

    return uvloop.new_event_loop()


def _how_to_connect(settings: Settings) -> str:
    secret = " -a PASSWORD" if settings.requirepass else ""
    if not settings.port:
        return f"redis-cli -s {settings.unixsocket}{secret}"
    host = settings.bind[0].removeprefix("-")
    where = "" if host in ("*", "127.0.0.1", "0.0.0.0") else f" -h {host}"
    return f"redis-cli{where} -p {settings.port}{secret}"
