"""Listening sockets: how they are made. Who listens on them is `listeners`.

A node may be given its sockets by whoever starts it (`airwave.Server`, a supervisor); otherwise it opens what its
settings say.
"""

import errno
import os
import socket
import stat
from pathlib import Path

from airwave.server import log
from airwave.settings import Settings, SettingsError

# What a missing address or a machine without IPv6 gives; as Redis, `-` before an address excuses nothing else.
_NO_SUCH_ADDRESS = {errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT, errno.EPROTONOSUPPORT, errno.ENOPROTOOPT}


def open_sockets(settings: Settings) -> list[socket.socket]:
    """Listen where the settings say.

    Raises:
        SettingsError: an address cannot be had; the message says which and why. Nothing is left open then.
    """
    opened: list[socket.socket] = []
    try:
        if settings.port:
            _open_tcp("port", settings.port, settings, opened)
        if settings.unixsocket:
            opened.append(_open_unix(settings))
        if not opened:
            raise SettingsError("nothing to listen on: give --port, --bind or --unixsocket")
    except SettingsError:
        for sock in opened:
            sock.close()
        raise
    return opened


def open_http_sockets(settings: Settings) -> list[socket.socket]:
    """Listen for browsers where the settings say; none without `http-port`.

    Raises:
        SettingsError: see `open_sockets`.
    """
    opened: list[socket.socket] = []
    if settings.http_port:
        try:
            _open_tcp("http-port", settings.http_port, settings, opened)
        except SettingsError:
            for sock in opened:
                sock.close()
            raise
    return opened


def listen_tcp(host: str, port: int, backlog: int) -> socket.socket:
    """A socket that listens.

    Args:
        host: an address; `*` is every IPv4 address, `::*` every IPv6 address.
        port: 0 for a free one.
        backlog: connections that may wait.

    Raises:
        OSError: the address cannot be had.
    """
    host = {"*": "0.0.0.0", "::*": "::"}.get(host, host)
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


def listen_unix(path: str, permissions: int, backlog: int) -> socket.socket:
    """A Unix socket that listens.

    Args:
        path: where; a socket that a killed server left there is replaced.
        permissions: of the file; 0 leaves them to the umask.
        backlog: connections that may wait.

    Raises:
        OSError: the path cannot be had.
    """
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        # A socket that a killed server left behind is in the way; a living one must not be taken over.
        if Path(path).exists() and stat.S_ISSOCK(os.stat(path).st_mode) and not _answers(path):
            Path(path).unlink()
        sock.setblocking(False)
        sock.bind(path)
        if permissions:
            Path(path).chmod(permissions)
        sock.listen(backlog)
    except OSError:
        sock.close()
        raise
    return sock


def address_text(name: object) -> str:
    """A socket's name as Redis prints it: `127.0.0.1:6379`, `[::1]:6379`, `/path/of/socket`."""
    if not isinstance(name, tuple):
        return str(name)
    host, port = name[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def reason_text(error: OSError) -> str:
    """What was wrong, in the system's words."""
    return error.strerror or str(error)


def _open_tcp(option: str, port: int, settings: Settings, opened: list[socket.socket]) -> None:
    for address in settings.bind:
        host, optional = address.removeprefix("-"), address.startswith("-")
        try:
            opened.append(listen_tcp(host, port, settings.tcp_backlog))
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                raise SettingsError(f"port {port} is in use: choose another with --{option}") from None
            if not (optional and error.errno in _NO_SUCH_ADDRESS):
                where = address_text(({"*": "0.0.0.0", "::*": "::"}.get(host, host), port))
                raise SettingsError(f"cannot listen on {log.safe(where)}: {reason_text(error)}") from None


def _open_unix(settings: Settings) -> socket.socket:
    path = settings.unixsocket
    try:
        return listen_unix(path, settings.unixsocketperm, settings.tcp_backlog)
    except OSError as error:
        raise SettingsError(f"cannot listen on unix socket {log.safe(path)}: {reason_text(error)}") from None


def _answers(path: str) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock:
        return sock.connect_ex(path) == 0
