"""A process that is there to serve: working directory, log, signals, limits, pid file, background."""

import asyncio
import os
import signal
import socket
from collections.abc import Callable, Sequence
from pathlib import Path

from airwave.server import daemon, descriptors, log, memory, systemd
from airwave.server.node import Node, new_loop
from airwave.settings import Settings, SettingsError


def run(settings: Settings) -> int:
    """Serve until SIGTERM, SIGINT or SHUTDOWN.

    Args:
        settings: the node's settings; the node changes them when CONFIG SET does.

    Returns:
        The process's exit code.

    Raises:
        SettingsError: it cannot start with these settings; the message says why, in one line.
    """
    prepare(settings)
    notifier = systemd.Notifier(settings)
    if settings.daemonize and not notifier.active:  # as Redis: who is supervised stays in the foreground
        return _in_background(settings)
    activated = systemd.inherited_sockets()
    http = activated.pop(systemd.HTTP, None)
    sockets = [sock for group in activated.values() for sock in group]
    settings.port = _port_of(sockets, settings.port)
    settings.http_port = _port_of(http or (), settings.http_port)
    serve(
        settings,
        sockets=sockets or None,
        http_sockets=http,
        on_ready=lambda node: notifier.ready(node.addresses),
        on_stopping=notifier.stopping,
    )
    return 0


def _port_of(sockets: Sequence[socket.socket], otherwise: int) -> int:
    """The port of sockets that we were given, which is what INFO and CONFIG GET say then."""
    ports = [sock.getsockname()[1] for sock in sockets if sock.family != socket.AF_UNIX]
    return int(ports[0]) if ports else otherwise


def prepare(settings: Settings) -> None:
    """Enter the working directory and begin the log.

    Raises:
        SettingsError: one of them cannot be had.
    """
    try:
        os.chdir(settings.dir)
    except OSError as error:
        raise SettingsError(f"--dir {log.safe(settings.dir)}: {error.strerror}") from None
    log.configure(settings)
    if settings.ignored:
        log.event("warning", "directives of Redis that Airwave does not have are ignored", directives=settings.ignored)


def serve(
    settings: Settings,
    *,
    sockets: Sequence[socket.socket] | None = None,
    http_sockets: Sequence[socket.socket] | None = None,
    on_ready: Callable[[Node], None] = lambda _: None,
    on_stopping: Callable[[], None] = lambda: None,
) -> None:
    """Serve until the node stops; behind `prepare`.

    Args:
        settings: see `run`.
        sockets, http_sockets: see `Node`.
        on_ready: called with the node once clients can connect, in the loop.
        on_stopping: called once it has begun to stop, in the loop.

    Raises:
        SettingsError: see `run`.
    """
    descriptors.make_room_at_start(settings)
    descriptors.follow(settings)
    process = _Process(settings, on_ready)
    process.node = Node(
        settings, sockets=sockets, http_sockets=http_sockets, on_ready=process.ready, on_stopping=on_stopping
    )
    try:
        with asyncio.Runner(loop_factory=new_loop) as runner:
            runner.run(process.node.serve())
    finally:
        process.remove_pidfile()


def _in_background(settings: Settings) -> int:
    report = daemon.detach()
    if isinstance(report, str):  # the parent
        if report:
            raise SettingsError(report)
        return 0
    try:
        serve(settings, on_ready=lambda _: report.serving())
    except SettingsError as error:
        log.event("warning", f"cannot start: {error}")
        report.failed(str(error))
        raise
    return 0


class _Process:
    """What the process does for its node, and what the system tells the process."""

    node: Node

    def __init__(self, settings: Settings, on_ready: Callable[[Node], None]) -> None:
        self._settings = settings
        self._on_ready = on_ready
        self._pidfile = ""  # written, and to be removed

    def ready(self) -> None:
        """Clients can connect."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._on_signal, number)
        signal.signal(signal.SIGHUP, signal.SIG_IGN)  # as Redis: a terminal that closes does not end the server
        if self._settings.pidfile:
            self._write_pidfile(self._settings.pidfile)
        memory.start()
        self._on_ready(self.node)

    def _on_signal(self, number: int) -> None:
        name = signal.Signals(number).name
        if self.node.stopping:
            log.event("warning", f"second {name}: stopping at once")
            self.node.stop(now=True)
            return
        log.event("notice", f"{name} received: stopping")
        self.node.stop(now=False)

    def _write_pidfile(self, path: str) -> None:
        self._pidfile = path
        try:
            Path(path).write_text(f"{os.getpid()}\n")
        except OSError as error:
            log.event("warning", "cannot write the pid file", file=path, error=error.strerror)

    def remove_pidfile(self) -> None:
        """The process is about to end."""
        if self._pidfile:
            Path(self._pidfile).unlink(missing_ok=True)
