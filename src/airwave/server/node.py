"""A node's life: startup, main loop, shutdown."""

import asyncio
import os
import resource
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import airwave.commands  # noqa: F401  (fills the table of commands)
from airwave.broker import Broker
from airwave.server import daemon, log, memory, storage
from airwave.server.host import LoopHost
from airwave.server.listeners import Listeners
from airwave.session import Session
from airwave.settings import Settings, SettingsError
from airwave.store import SqliteJournal
from airwave.version import REDIS_VERSION, __version__

RESERVED_DESCRIPTORS = 32  # for listeners, the log, the loop; as Redis
DRAIN_CHECK_S = 0.01


def run(settings: Settings) -> int:
    """Serve until SIGTERM, SIGINT or SHUTDOWN.

    Args:
        settings: the node's settings; the node changes them when CONFIG SET does.

    Returns:
        The process's exit code.

    Raises:
        SettingsError: it cannot start with these settings; the message says why, in one line.
    """
    try:
        os.chdir(settings.dir)
    except OSError as error:
        raise SettingsError(f"--dir {log.safe(settings.dir)}: {error.strerror}") from None
    log.configure(settings)
    if settings.ignored:
        log.event("warning", "directives of Redis that Airwave does not have are ignored", directives=settings.ignored)
    return _in_background(settings) if settings.daemonize else _serve(settings)


def _serve(settings: Settings, on_ready: Callable[[], None] = lambda: None) -> int:
    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        runner.run(Node(settings, on_ready).serve())
    return 0


def _in_background(settings: Settings) -> int:
    report = daemon.detach()
    if isinstance(report, str):  # the parent
        if report:
            raise SettingsError(report)
        return 0
    try:
        return _serve(settings, report.serving)
    except SettingsError as error:
        log.event("warning", f"cannot start: {error}")
        report.failed(str(error))
        raise


class Node:
    """One server: a broker, its listeners, and the loop they share.

    Args:
        settings: see `run`.
        on_ready: called once clients can connect.
    """

    def __init__(self, settings: Settings, on_ready: Callable[[], None] = lambda: None) -> None:
        self._settings = settings
        self._on_ready = on_ready
        self._stopping = asyncio.Event()
        self._stop_now = False
        self._journal: SqliteJournal | None = None

    async def serve(self) -> None:
        """Startup, main loop, shutdown."""
        try:
            self._startup()
        except BaseException:
            self._close_journal()  # its threads would keep the process alive
            raise
        try:
            await self._stopping.wait()
        finally:
            await self._shutdown()

    def _startup(self) -> None:
        settings = self._settings
        _make_room_at_start(settings)
        settings.on_change("maxclients", _make_room)
        loop = self._loop = asyncio.get_running_loop()
        host = LoopHost(settings, loop, self.stop)
        self._journal = storage.open_journal(settings, loop, self._on_fetched)
        self._broker = broker = Broker(settings, host, self._journal)
        host.tick = broker.tick
        if self._journal is not None:
            storage.load(self._journal, broker)
        self._listeners = Listeners(broker, loop)
        self._listeners.open()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._on_signal, number)
        signal.signal(signal.SIGHUP, signal.SIG_IGN)  # as Redis: a terminal that closes does not end the server
        if settings.pidfile:
            self._write_pidfile()
        memory.start()
        self._cron()
        self._announce()
        self._on_ready()

    def _cron(self) -> None:
        self._broker.cron()
        self._next_cron = self._loop.call_later(1 / self._settings.hz, self._cron)

    def _announce(self) -> None:
        addresses = self._listeners.addresses
        source: dict[str, Any] = {"config": self._settings.config_file} if self._settings.config_file else {}
        version = f"Airwave {__version__} speaks Redis {REDIS_VERSION}"
        log.event("notice", version, pid=os.getpid(), listening=addresses, **source)
        log.event("notice", f"ready: {_how_to_connect(self._settings)}")

    def _on_signal(self, number: int) -> None:
        name = signal.Signals(number).name
        if self._stopping.is_set():
            log.event("warning", f"second {name}: stopping at once")
            self._stop_now = True
            return
        log.event("notice", f"{name} received: stopping")
        self.stop(now=False)

    def stop(self, now: bool) -> None:
        """Begin to stop; `now` without waiting for slow clients."""
        self._stop_now = self._stop_now or now
        self._stopping.set()

    async def _shutdown(self) -> None:
        self._next_cron.cancel()
        self._listeners.close()
        await self._drain()
        for session in list(self._broker.clients.values()):
            session.finish()
        await asyncio.sleep(0)
        self._broker.commit()
        self._close_journal()
        if self._settings.pidfile:
            Path(self._settings.pidfile).unlink(missing_ok=True)
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

    def _write_pidfile(self) -> None:
        path = self._settings.pidfile
        try:
            Path(path).write_text(f"{os.getpid()}\n")
        except OSError as error:
            log.event("warning", "cannot write the pid file", file=path, error=error.strerror)


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


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop]:
    if sys.platform == "win32":
        return asyncio.new_event_loop
    import uvloop  # noqa: PLC0415  (there is none on Windows)

    return uvloop.new_event_loop


def _descriptors_for(maxclients: int) -> int:
    """Raise the limit of file descriptors for so many clients; returns what it is then."""
    wanted = maxclients + RESERVED_DESCRIPTORS
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return wanted
    allowed = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, hard))
    return allowed


def _make_room_at_start(settings: Settings) -> None:
    """Make room for `maxclients`; if the system does not let us, take fewer and say so."""
    allowed = max(1, _descriptors_for(settings.maxclients) - RESERVED_DESCRIPTORS)
    if allowed < settings.maxclients:
        settings.maxclients = allowed
        log.event("warning", "maxclients is lowered to what the file descriptors allow (ulimit -n)", maxclients=allowed)


def _make_room(maxclients: int) -> None:
    """CONFIG SET maxclients: refused, in Redis's words, when there is no room for so many."""
    if _descriptors_for(maxclients) < maxclients + RESERVED_DESCRIPTORS:
        raise SettingsError(
            "The operating system is not able to handle the specified number of clients, try with "
            f"{resource.getrlimit(resource.RLIMIT_NOFILE)[0] - RESERVED_DESCRIPTORS}"
        )


def _how_to_connect(settings: Settings) -> str:
    secret = " -a PASSWORD" if settings.requirepass else ""
    if not settings.port:
        return f"redis-cli -s {settings.unixsocket}{secret}"
    host = settings.bind[0].removeprefix("-")
    where = "" if host in ("*", "127.0.0.1", "0.0.0.0") else f" -h {host}"
    return f"redis-cli{where} -p {settings.port}{secret}"
