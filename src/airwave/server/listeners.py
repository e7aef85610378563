"""Listening sockets, and what happens to a connection before it becomes a session.

Connections are accepted here rather than by the event loop's own server, because that one closes its socket for good
when file descriptors run out. Here accepting pauses until there are some again; clients that are connected go on.
"""

import asyncio
import contextlib
import errno
import ipaddress
import os
import socket
import stat
from collections.abc import Callable
from pathlib import Path
from typing import cast

from airwave import errors
from airwave.broker import Broker
from airwave.server import log
from airwave.session import Session
from airwave.settings import SettingsError

ACCEPTS_MAX = 64  # connections accepted before others have a turn
RETRY_S = 0.5  # how long accepting pauses when descriptors have run out
_EXHAUSTED = {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM}
# What a missing address or a machine without IPv6 gives; as Redis, `-` before an address excuses nothing else.
_NO_SUCH_ADDRESS = {errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT, errno.EPROTONOSUPPORT, errno.ENOPROTOOPT}


class Listeners:
    """All listening sockets of a node.

    Args:
        broker: whose clients the connections become.
        loop: the event loop.
    """

    def __init__(self, broker: Broker, loop: asyncio.AbstractEventLoop) -> None:
        self._broker = broker
        self._loop = loop
        self._sockets: list[socket.socket] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._coming: set[socket.socket] = set()  # accepted, not yet a client
        self._unix_path = ""
        self._paused = False
        self._exhausted = False  # descriptors ran out, and no connection was accepted since

    @property
    def addresses(self) -> list[str]:
        """Where clients can connect: `127.0.0.1:6379`, `[::1]:6379`, `/path/of/socket`."""
        return [_address(sock.getsockname()) for sock in self._sockets]

    def open(self) -> None:
        """Listen as the settings say.

        Raises:
            SettingsError: an address cannot be had; the message says which and why.
        """
        settings = self._broker.settings
        try:
            if settings.port:
                for address in settings.bind:
                    self._open_tcp(address.removeprefix("-"), optional=address.startswith("-"))
            if settings.unixsocket:
                self._open_unix(settings.unixsocket, settings.unixsocketperm)
            if not self._sockets:
                raise SettingsError("nothing to listen on: give --port, --bind or --unixsocket")
        except SettingsError:
            self.close()
            raise
        for sock in self._sockets:
            self._loop.add_reader(sock, self._accept, sock)

    def _open_tcp(self, host: str, *, optional: bool) -> None:
        settings = self._broker.settings
        host = {"*": "0.0.0.0", "::*": "::"}.get(host, host)
        try:
            self._sockets.append(_listening(host, settings.port, settings.tcp_backlog))
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                raise SettingsError(f"port {settings.port} is in use: choose another with --port") from None
            if not (optional and error.errno in _NO_SUCH_ADDRESS):
                where = _address((host, settings.port))
                raise SettingsError(f"cannot listen on {log.safe(where)}: {_reason(error)}") from None

    def _open_unix(self, path: str, permissions: int) -> None:
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            # A socket that a killed server left behind is in the way; a living one must not be taken over.
            if Path(path).exists() and stat.S_ISSOCK(os.stat(path).st_mode) and not _answers(path):
                Path(path).unlink()
            sock.setblocking(False)
            sock.bind(path)
            if permissions:
                Path(path).chmod(permissions)
            sock.listen(self._broker.settings.tcp_backlog)
        except OSError as error:
            sock.close()
            raise SettingsError(f"cannot listen on unix socket {log.safe(path)}: {_reason(error)}") from None
        self._unix_path = path
        self._sockets.append(sock)

    def _accept(self, listener: socket.socket) -> None:
        for _ in range(ACCEPTS_MAX):
            try:
                sock, peer = listener.accept()
            except BlockingIOError:
                return
            except OSError as error:
                # Anything else is the fate of one connection that is gone again (accept(2)): the next one may be well.
                if error.errno in _EXHAUSTED:
                    self._pause(error)
                    return
                continue
            self._exhausted = False
            sock.setblocking(False)
            if not self._refused(sock, peer):
                self._coming.add(sock)
                task = self._loop.create_task(self._connect(sock))
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)

    def _refused(self, sock: socket.socket, peer: object) -> bool:
        """Tell a client that may not come in why, and close."""
        settings = self._broker.settings
        reason = None
        if len(self._broker.clients) + len(self._coming) >= settings.maxclients:
            reason = errors.MAX_CLIENTS
        elif settings.protected_mode and not settings.requirepass and not _is_local(peer):
            reason = errors.PROTECTED_MODE
        if reason is None:
            return False
        self._broker.stats.rejected_connections += 1
        with contextlib.suppress(OSError):
            sock.send(reason.reply)
        sock.close()
        return True

    async def _connect(self, sock: socket.socket) -> None:
        settings = self._broker.settings
        try:
            if sock.family != socket.AF_UNIX:
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                if settings.tcp_keepalive:
                    _keep_alive(sock, settings.tcp_keepalive)
                peer, local = _address(sock.getpeername()), _address(sock.getsockname())
            else:
                peer = local = f"{self._unix_path}:0"

            def welcome(transport: asyncio.Transport) -> Session:
                self._coming.discard(sock)
                return Session(self._broker, transport, peer, local)

            await self._loop.connect_accepted_socket(lambda: _Newcomer(welcome), sock)
        except OSError as error:  # it has gone again, or there is no descriptor left for it
            self._coming.discard(sock)
            log.event("verbose", "connection failed", error=_reason(error))
            sock.close()

    def _pause(self, error: OSError) -> None:
        if self._paused:
            return
        self._paused = True
        self._broker.stats.accept_pauses += 1
        if not self._exhausted:  # told once, however long it lasts
            self._exhausted = True
            log.event("warning", "accepting connections pauses: out of file descriptors", error=_reason(error))
        for sock in self._sockets:
            self._loop.remove_reader(sock)
        self._loop.call_later(RETRY_S, self._resume)

    def _resume(self) -> None:
        self._paused = False
        for sock in self._sockets:
            self._loop.add_reader(sock, self._accept, sock)

    def close(self) -> None:
        """Accept no more; give the addresses back."""
        for sock in self._sockets:
            if not self._paused:
                self._loop.remove_reader(sock)
            sock.close()
        self._sockets.clear()
        if self._unix_path:
            Path(self._unix_path).unlink(missing_ok=True)
            self._unix_path = ""


class _Newcomer(asyncio.Protocol):
    """The protocol of a transport until its session takes over."""

    def __init__(self, welcome: Callable[[asyncio.Transport], Session]) -> None:
        self._welcome = welcome

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports are asyncio's in all but name; a session is a protocol in all but name.
        stream = cast(asyncio.Transport, transport)
        stream.set_protocol(cast(asyncio.Protocol, self._welcome(stream)))


def _listening(host: str, port: int, backlog: int) -> socket.socket:
    sock = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM)
    try:
        sock.setblocking(False)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if sock.family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        sock.bind((host, port))
        sock.listen(backlog)
    except OSError:
        sock.close()
        raise
    return sock


def _reason(error: OSError) -> str:
    return error.strerror or str(error)


def _address(name: object) -> str:
    if not isinstance(name, tuple):
        return str(name)
    host, port = name[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _is_local(peer: object) -> bool:
    """Whether a peer is on this machine: loopback or a Unix socket."""
    return not isinstance(peer, tuple) or ipaddress.ip_address(peer[0]).is_loopback


def _answers(path: str) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock:
        return sock.connect_ex(path) == 0


def _keep_alive(sock: socket.socket, idle_s: int) -> None:
    """As Redis: ask after `idle_s`, then three times within a third of it each."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    if hasattr(socket, "TCP_KEEPIDLE"):
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, idle_s)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, max(1, idle_s // 3))
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 3)
