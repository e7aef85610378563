"""Requests, the size of what comes back, and blocking connections for the parts that are not measured."""

import socket
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import hiredis

from airwave.bench.errors import BenchError

# Asked for, not got: the kernel caps it at net.core.rmem_max. Subscribers are read every few milliseconds, and the
# server must never find a receive window closed meanwhile.
RECEIVE_BUFFER_BYTES = 4 << 20
TIMEOUT_S = 20.0


@dataclass(frozen=True)
class Address:
    """Where a server listens, and how to log in (`password` None: no login)."""

    host: str
    port: int
    username: str | None = None
    password: str | None = None


def request(*argv: bytes) -> bytes:
    """One command as a client sends it."""
    return b"*%d\r\n" % len(argv) + b"".join(b"$%d\r\n%b\r\n" % (len(word), word) for word in argv)


def message(channel: bytes, payload: bytes) -> bytes:
    """What a RESP2 subscriber of `channel` receives for one message."""
    return b"*3\r\n$7\r\nmessage\r\n$%d\r\n%b\r\n$%d\r\n%b\r\n" % (len(channel), channel, len(payload), payload)


def pmessage(pattern: bytes, channel: bytes, payload: bytes) -> bytes:
    """What a RESP2 subscriber of `pattern` receives for one message."""
    return b"*4\r\n$8\r\npmessage\r\n" + b"".join(b"$%d\r\n%b\r\n" % (len(x), x) for x in (pattern, channel, payload))


def confirmation(argv: Sequence[bytes]) -> bytes:
    """What a fresh RESP2 client receives for the subscribe command `argv`."""
    kind = argv[0].lower()
    return b"".join(
        b"*3\r\n$%d\r\n%b\r\n$%d\r\n%b\r\n:%d\r\n" % (len(kind), kind, len(name), name, count)
        for count, name in enumerate(argv[1:], 1)
    )


def connect(address: Address) -> socket.socket:
    """A blocking, logged-in connection without Nagle's delay.

    Raises:
        BenchError: nobody listens there, or the login failed.
    """
    family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        # Before connect, because the window scale is agreed in the handshake.
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER_BYTES)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.settimeout(TIMEOUT_S)
        sock.connect((address.host, address.port))
        if address.password is not None:
            user = [address.username.encode()] if address.username else []
            ask(sock, b"AUTH", *user, address.password.encode())
    except OSError as error:
        sock.close()
        raise BenchError(f"cannot connect to {address.host}:{address.port} ({error.strerror or error})") from error
    except BenchError:
        sock.close()
        raise
    return sock


def ask(sock: socket.socket, *argv: bytes) -> object:
    """Send one command on a blocking connection and return its parsed reply.

    Raises:
        BenchError: the reply is an error, or the server hung up.
    """
    reader = hiredis.Reader(notEnoughData=Ellipsis)
    try:
        sock.sendall(request(*argv))
        while (reply := reader.gets()) is Ellipsis:
            data = sock.recv(65536)
            if not data:
                raise BenchError(f"the server closed the connection instead of answering {argv[0].decode()}")
            reader.feed(data)
    except OSError as error:
        raise BenchError(f"no answer to {argv[0].decode()} ({error.strerror or error})") from error
    if isinstance(reply, hiredis.ReplyError):
        raise BenchError(f"the server answered {argv[0].decode()} with: {reply}")
    return reply


def expect(sock: socket.socket, expected: bytes) -> None:
    """Read exactly `expected` from a blocking connection.

    Raises:
        BenchError: something else came, or nothing.
    """
    got = b""
    while len(got) < len(expected):
        try:
            data = sock.recv(len(expected) - len(got))
        except OSError as error:
            raise BenchError(f"no reply to a subscribe command ({error.strerror or error})") from error
        if not data:
            raise BenchError("the server closed a subscriber's connection")
        got += data
        if not expected.startswith(got):
            raise BenchError(f"unexpected reply to a subscribe command: {got[:80]!r}")


def subscribe_all(address: Address, commands: Iterable[Sequence[bytes]]) -> list[socket.socket]:
    """Connect one client per subscribe command and return their sockets, non-blocking and confirmed.

    Raises:
        BenchError: a connection or a subscription failed; what was open is closed again.
    """
    sockets: list[socket.socket] = []
    pending: list[tuple[socket.socket, bytes]] = []
    try:
        for argv in commands:
            sock = connect(address)
            sockets.append(sock)
            sock.sendall(request(*argv))
            pending.append((sock, confirmation(argv)))
            # Never more than this unanswered: a full accept queue drops the handshake, which costs a second each.
            if len(pending) == 100:
                _confirm(pending)
        _confirm(pending)
    except BaseException as error:
        close_all(sockets)
        if isinstance(error, OSError):
            raise BenchError(f"the server dropped a subscriber ({error.strerror or error})") from error
        raise
    return sockets


def _confirm(pending: list[tuple[socket.socket, bytes]]) -> None:
    for sock, expected in pending:
        expect(sock, expected)
        sock.setblocking(False)
    pending.clear()


def close_all(sockets: Iterable[socket.socket]) -> None:
    """Close every socket."""
    for sock in sockets:
        sock.close()
