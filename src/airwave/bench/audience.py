"""Clients of each kind, subscribed and ready to be counted: RESP, Server-Sent Events, WebSocket.

What a message is on the wire is learned from the server: one is published, and each client must get the same bytes,
which contain it. From then on bytes are counted, as in `load`.
"""

import base64
import json
import os
import socket
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from airwave.bench.errors import BenchError
from airwave.bench.load import Publisher
from airwave.bench.wire import Address, close_all, connect, request, subscribe_all

CHANNEL = b"news:today"
QUIET_S = 0.1
AT_ONCE = 100  # connections that are being made; more would overflow the queue of those to be accepted
SETTLE_S_MAX = 20.0


@dataclass(frozen=True)
class Way:
    """How messages get to a server, and from it to its clients.

    Attributes:
        publish_at: where one publishes.
        connect: makes so many clients, all of them subscribed.
        request: makes the request that publishes a message.
        publisher: connects one.
    """

    publish_at: Address
    connect: Callable[[int], list[socket.socket]]
    request: Callable[[bytes], bytes]
    publisher: type[Publisher]


class HttpPublisher(Publisher):
    """A connection that publishes by POST, kept open."""

    GOOD = b"HTTP/1.1 200 "


# --- who publishes ----------------------------------------------------------------------------------------------------


def publish_request(message: bytes) -> bytes:
    """By RESP."""
    return request(b"PUBLISH", CHANNEL, message)


def post_request(message: bytes) -> bytes:
    """By HTTP."""
    return b"POST /publish HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n%b" % (len(message), message)


# --- who listens ------------------------------------------------------------------------------------------------------


def resp_clients(address: Address, count: int) -> list[socket.socket]:
    """Subscribers in RESP2."""
    return subscribe_all(address, [(b"SUBSCRIBE", CHANNEL)] * count)


def event_clients(address: Address, target: str, count: int) -> list[socket.socket]:
    """Clients of an SSE stream."""
    asked = f"GET {target} HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\n\r\n".encode()
    return _clients(address, asked, b"HTTP/1.1 200 ", count)


def websocket_clients(address: Address, target: str, count: int, hello: bytes = b"") -> list[socket.socket]:
    """WebSocket clients.

    Args:
        hello: a frame that each sends when it is connected.
    """
    key = base64.b64encode(os.urandom(16)).decode()
    asked = (
        f"GET {target} HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        f"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n\r\n"
    ).encode()
    return _clients(address, asked, b"HTTP/1.1 101 ", count, hello)


def subscribe_frame() -> bytes:
    """What subscribes a WebSocket client of Airwave: a masked text frame, whose mask is zero."""
    payload = json.dumps({"id": 1, "type": "subscribe", "channel": CHANNEL.decode()}).encode()
    assert len(payload) < 126
    return bytes([0x81, 0x80 | len(payload)]) + bytes(4) + payload


def _clients(address: Address, asked: bytes, good: bytes, count: int, hello: bytes = b"") -> list[socket.socket]:
    sockets: list[socket.socket] = []
    try:
        while len(sockets) < count:
            some = [connect(address) for _ in range(min(AT_ONCE, count - len(sockets)))]
            sockets += some
            for sock in some:
                sock.sendall(asked)
            for sock in some:
                _expect_head(sock, good)
                sock.sendall(hello)
                sock.setblocking(False)
    except BaseException as error:
        close_all(sockets)
        if isinstance(error, OSError):
            raise BenchError(f"the server dropped a client ({error.strerror or error})") from error
        raise
    return sockets


def _expect_head(sock: socket.socket, good: bytes) -> None:
    """Read the head of an answer; what follows it is of no interest yet."""
    got = b""
    while b"\r\n\r\n" not in got:
        data = sock.recv(65536)
        got += data
        if not data or not (got.startswith(good) or good.startswith(got)):
            raise BenchError(f"unexpected answer to a browser: {got[:80]!r}")


# --- what they get ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Learned:
    """What a message is on the wire.

    Attributes:
        frame: the bytes that a client gets for it.
        reply_bytes: the size of what its publisher gets.
    """

    frame: bytes
    reply_bytes: int


def learn(way: Way, sockets: Sequence[socket.socket], message: bytes) -> Learned:
    """Publish until everybody is subscribed, and see what a message is then.

    Raises:
        BenchError: they do not all get the same bytes, with the message in them.
    """
    with connect(way.publish_at) as publisher:
        deadline_s = time.monotonic() + SETTLE_S_MAX
        while True:
            drain(sockets)
            publisher.sendall(way.request(message))
            reply = _reply(publisher)
            got = drain(sockets)
            if len(got) == len(sockets):
                break
            if time.monotonic() > deadline_s:
                raise BenchError(f"only {len(got):,} of {len(sockets):,} clients get messages")
    frames = set(got.values())
    frame = min(frames, key=len)
    if len(frames) > 1 or frame.count(message) != 1:
        raise BenchError(f"clients got other bytes than one message each: {frame[:80]!r}")
    return Learned(frame, len(reply))


def _reply(publisher: socket.socket) -> bytes:
    """All of it: what comes until nothing more does."""
    reply = publisher.recv(65536)
    publisher.settimeout(QUIET_S)
    try:
        while data := publisher.recv(65536):
            reply += data
    except TimeoutError:
        pass
    publisher.settimeout(SETTLE_S_MAX)
    return reply


def drain(sockets: Sequence[socket.socket]) -> dict[socket.socket, bytes]:
    """Read until nothing more comes; what each has got that got something."""
    got: dict[socket.socket, bytes] = {}
    until_s = time.monotonic() + QUIET_S
    while time.monotonic() < until_s:
        for sock in sockets:
            try:
                data = sock.recv(65536)
            except BlockingIOError:
                continue
            if not data:
                raise BenchError("the server closed a client's connection")
            got[sock] = got.get(sock, b"") + data
            until_s = time.monotonic() + QUIET_S
    return got
