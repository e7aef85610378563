"""Accepting connections, and what happens to a connection before it becomes a client.

Connections are accepted here rather than by the event loop's own server, because that one closes its socket for good
when file descriptors run out. Here accepting pauses until there are some again; clients that are connected go on.
"""

import asyncio
import contextlib
import errno
import ipaddress
import socket
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol, cast

from airwave import errors
from airwave.broker import Broker
from airwave.server import log
from airwave.server.sockets import address_text, reason_text
from airwave.session import Session

ACCEPTS_MAX = 64  # connections accepted before others have a turn
RETRY_S = 0.5  # how long accepting pauses when descriptors have run out
_EXHAUSTED = {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM}


class Door(Protocol):
    """Who may come in, and what becomes of a connection."""

    def refusal(self, peer: object, coming: int) -> bytes | None:
        """What a client is told that may not come in; None: it may.

        Args:
            peer: its address as the socket has it.
            coming: connections that are accepted, and not welcomed yet.
        """

    def welcome(self, transport: asyncio.Transport, peer: str, local: str) -> asyncio.Protocol:
        """A client has come: the protocol that its transport has from now on.

        Args:
            peer, local: both addresses as Redis prints them.
        """


class RedisDoor:
    """The door for Redis clients."""

    def __init__(self, broker: Broker) -> None:
        self._broker = broker

    def refusal(self, peer: object, coming: int) -> bytes | None:
        """See `Door`."""
        settings = self._broker.settings
        if len(self._broker.clients) + coming >= settings.maxclients:
            return errors.MAX_CLIENTS.reply
        if settings.protected_mode and not settings.requirepass and not _is_local(peer):
            return errors.PROTECTED_MODE.reply
        return None

    def welcome(self, transport: asyncio.Transport, peer: str, local: str) -> asyncio.Protocol:
        """See `Door`."""
        return cast(asyncio.Protocol, Session(self._broker, transport, peer, local))  # it is one in all but name


class Listeners:
    """All listening sockets of a node with the same door.

    Args:
        broker: whose settings and counters they go by.
        loop: the event loop.
        sockets: they listen, and do not block; see `airwave.server.sockets`. They are closed by `close`.
        door: who may come in, and what becomes of a connection.
    """

    def __init__(
        self, broker: Broker, loop: asyncio.AbstractEventLoop, sockets: Sequence[socket.socket], door: Door
    ) -> None:
        self._broker = broker
        self._door = door
        self._loop = loop
        self._sockets = list(sockets)
        self._tasks: set[asyncio.Task[None]] = set()
        self._coming: set[socket.socket] = set()  # accepted, not yet a client
        self._paused = False
        self._exhausted = False  # descriptors ran out, and no connection was accepted since

    @property
    def addresses(self) -> list[str]:
        """Where clients can connect: `127.0.0.1:6379`, `[::1]:6379`, `/path/of/socket`."""
        return [address_text(sock.getsockname()) for sock in self._sockets]

    @property
    def descriptors(self) -> list[int]:
        """The file descriptors of what listens, and of what has been accepted and is no client yet."""
        return [sock.fileno() for sock in [*self._sockets, *self._coming]]

    def open(self) -> None:
        """Accept connections."""
        for sock in self._sockets:
            self._loop.add_reader(sock, self._accept, sock)

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
        refusal = self._door.refusal(peer, len(self._coming))
        if refusal is None:
            return False
        self._broker.stats.rejected_connections += 1
        with contextlib.suppress(OSError):
            sock.send(refusal)
        sock.close()
        return True

    async def _connect(self, sock: socket.socket) -> None:
        settings = self._broker.settings
        try:
            if sock.family != socket.AF_UNIX:
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                if settings.tcp_keepalive:
                    _keep_alive(sock, settings.tcp_keepalive)
                peer, local = address_text(sock.getpeername()), address_text(sock.getsockname())
            else:
                peer = local = f"{sock.getsockname()}:0"  # the listener's path

            def welcome(transport: asyncio.Transport) -> asyncio.Protocol:
                self._coming.discard(sock)
                return self._door.welcome(transport, peer, local)

            await self._loop.connect_accepted_socket(lambda: _Newcomer(welcome), sock)
        except OSError as error:  # it has gone again, or there is no descriptor left for it
            self._coming.discard(sock)
            log.event("verbose", "connection failed", error=reason_text(error))
            sock.close()
        except asyncio.CancelledError:  # the loop ends
            self._coming.discard(sock)
            sock.close()
            raise

    def _pause(self, error: OSError) -> None:
        if self._paused:
            return
        self._paused = True
        self._broker.stats.accept_pauses += 1
        if not self._exhausted:  # told once, however long it lasts
            self._exhausted = True
            log.event("warning", "accepting connections pauses: out of file descriptors", error=reason_text(error))
        for sock in self._sockets:
            self._loop.remove_reader(sock)
        self._loop.call_later(RETRY_S, self._resume)

    def _resume(self) -> None:
        self._paused = False
        for sock in self._sockets:
            self._loop.add_reader(sock, self._accept, sock)

    async def close(self) -> None:
        """Accept no more; give the addresses back. The path of a Unix socket that was made for this node goes too.

        What has been accepted before is a client when this returns, or has gone: so it can be disconnected as all are.
        """
        for sock in self._sockets:
            if not self._paused:
                self._loop.remove_reader(sock)
            path = sock.getsockname() if sock.family == socket.AF_UNIX else ""
            sock.close()
            if path and path == self._broker.settings.unixsocket:
                Path(path).unlink(missing_ok=True)
        self._sockets.clear()
        if self._tasks:
            await asyncio.wait(self._tasks)


class _Newcomer(asyncio.Protocol):
    """The protocol of a transport until its own takes over."""

    def __init__(self, welcome: Callable[[asyncio.Transport], asyncio.Protocol]) -> None:
        self._welcome = welcome

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        stream = cast(asyncio.Transport, transport)  # uvloop's transports are asyncio's in all but name
        stream.set_protocol(self._welcome(stream))


def _is_local(peer: object) -> bool:
    """Whether a peer is on this machine: loopback or a Unix socket."""
    return not isinstance(peer, tuple) or ipaddress.ip_address(peer[0]).is_loopback


def _keep_alive(sock: socket.socket, idle_s: int) -> None:
    """As Redis: ask after `idle_s`, then three times within a third of it each."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    if hasattr(socket, "TCP_KEEPIDLE"):
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, idle_s)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, max(1, idle_s // 3))
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 3)
