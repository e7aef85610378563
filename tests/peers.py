"""Clients that tests speak as. One test body runs against three kinds of peers (the `peers` fixture of conftest.py):

    core   the core in memory, without sockets
    tcp    an `airwave serve` process over TCP
    redis  redis-server and the core side by side: every byte that one answers the other must answer as well

A test reads as a conversation: `alice.do("PUBLISH news hi", 1)` sends and expects, `alice.gets(["message", "news",
"hi"])` expects what comes by itself. Nothing waits for time to pass: that nothing comes is known by a fence
(`gets_nothing`).

Expected values are text, numbers, lists, dicts, None, `Error("ERR …")`, or a function for what differs from run to run;
the bytes of that are not compared then.
"""

import contextlib
import itertools
import socket
from collections.abc import Callable, Sequence
from typing import Any

import hiredis
from servers import Address, connected

_fences = itertools.count()


class Error(Exception):
    """An error reply, equal to one with the same text."""

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Error) and str(self) == str(other)

    __hash__ = None  # type: ignore[assignment]


class Each(tuple[str, ...]):
    """A word that differs between the servers that hear it side by side, such as a client ID."""

    __slots__ = ()


Word = str | bytes | Each
Line = str | Sequence[Word]
Expected = Any


def frame_end(data: bytes, pos: int = 0) -> int:
    """Where the RESP frame that begins at `pos` ends; -1 when it is not complete."""
    line_end = data.find(b"\r\n", pos)
    if line_end < 0:
        return -1
    kind, head, pos = data[pos : pos + 1], data[pos + 1 : line_end], line_end + 2
    if kind in (b"$", b"=") and int(head) >= 0:
        pos += int(head) + 2
        return pos if pos <= len(data) else -1
    assert kind in (b"*", b"%", b"~", b">", b"+", b"-", b":", b"_", b"#", b",", b"$"), data[:100]
    if kind in (b"*", b"%", b"~", b">"):
        for _ in range(int(head) * (2 if kind == b"%" else 1)):
            pos = frame_end(data, pos)
            if pos < 0:
                return -1
    return pos


def meaning(frame: bytes) -> Any:
    """A frame as a test writes it: text, numbers, lists, dicts, None, `Error`."""
    reader = hiredis.Reader(replyError=Error, encoding="utf-8", errors="surrogateescape", notEnoughData=...)
    reader.feed(frame)
    return reader.gets()


def parsed(reply: bytes) -> Any:
    """What a client makes of exactly one reply, in bytes."""
    reader = hiredis.Reader(notEnoughData=...)
    reader.feed(reply)
    value = reader.gets()
    assert reader.gets() is ..., f"more than one reply: {reply!r}"
    return value


def packed(line: Line, which: int = 0) -> bytes:
    """A request: a line of words separated by spaces, or the words."""
    words = line.split() if isinstance(line, str) else line
    return hiredis.pack_command(tuple(word[which] if isinstance(word, Each) else word for word in words))


def fits(expected: Expected, frame: bytes) -> bool:
    """Whether a frame is what a test expects."""
    value = meaning(frame)
    return bool(expected(value)) if callable(expected) else type(value) is not bool and value == expected


class Peer:
    """A client of one server."""

    which = 0  # of the servers side by side

    def __init__(self) -> None:
        self._heard = b""

    # --- what kinds of peers do differently ---------------------------------------------------------------------------

    def sends(self, data: bytes) -> None:
        """Write bytes as they are."""
        raise NotImplementedError

    def _listen(self) -> bool:
        """Wait for more bytes; False when the server has closed."""
        raise NotImplementedError

    def close(self) -> None:
        """Hang up."""
        raise NotImplementedError

    # --- conversation -------------------------------------------------------------------------------------------------

    def hears(self) -> bytes:
        """The next frame as bytes."""
        while (end := frame_end(self._heard)) < 0:
            assert self._listen(), f"closed; left over: {self._heard!r}"
        frame, self._heard = self._heard[:end], self._heard[end:]
        return frame

    def asks(self, line: Line) -> None:
        """Send a command."""
        self.sends(packed(line, self.which))

    def do(self, line: Line, *expected: Expected) -> None:
        """Send a command; expect frames."""
        self.asks(line)
        self.gets(*expected)

    def gets(self, *expected: Expected) -> None:
        """Expect frames."""
        for each in expected:
            frame = self.hears()
            assert fits(each, frame), f"{meaning(frame)!r} is not {each!r}"

    def gets_bytes(self, data: bytes) -> None:
        """Expect exactly these bytes next."""
        while len(self._heard) < len(data) and self._listen():
            pass
        heard, self._heard = self._heard[: len(data)], self._heard[len(data) :]
        assert heard == data

    def gets_nothing(self) -> None:
        """All that was sent to this client so far has been expected: the reply to a PING is the next to come."""
        fence = f"fence-{next(_fences)}"
        self.do(["PING", fence], lambda reply: reply in (fence, ["pong", fence]))

    def closed(self) -> None:
        """The server has closed the connection, and sent nothing before that was not expected."""
        assert self.rest() == b""

    def rest(self) -> bytes:
        """All that comes until the server closes."""
        while self._listen():
            pass
        heard, self._heard = self._heard, b""
        return heard

    def ask(self, *words: str | bytes) -> Any:
        """Send a command, a line or its words; give the parsed reply, in bytes."""
        self.asks(words[0] if len(words) == 1 and isinstance(words[0], str) else words)
        return parsed(self.hears())

    def error(self, *words: str | bytes) -> str:
        """Send a command that must fail; give the error's text."""
        reply = self.ask(*words)
        assert isinstance(reply, hiredis.ReplyError), reply
        return str(reply)

    @property
    def id(self) -> Word:
        """The client ID."""
        return str(self.ask("CLIENT ID"))

    def field(self, name: str) -> Word:
        """A field of this client in CLIENT LIST."""
        fields = dict(pair.split("=", 1) for pair in self.ask("CLIENT INFO").decode().split())
        return fields[name]


class SocketPeer(Peer):
    """A client of a server process."""

    def __init__(self, address: Address) -> None:
        super().__init__()
        self._socket = connected(address)

    def sends(self, data: bytes) -> None:
        with contextlib.suppress(ConnectionError):  # it has closed already: what it said before can still be read
            self._socket.sendall(data)

    def sends_no_more(self) -> None:
        """Close one direction only."""
        self._socket.shutdown(socket.SHUT_WR)

    def _listen(self) -> bool:
        try:
            data = self._socket.recv(1 << 20)
        except ConnectionResetError:
            return False
        self._heard += data
        return bool(data)

    def close(self) -> None:
        self._socket.close()


class SideBySide(Peer):
    """A client of two servers that must answer the same, byte for byte."""

    def __init__(self, *peers: Peer) -> None:
        super().__init__()
        self.peers = peers
        for which, peer in enumerate(peers):
            peer.which = which

    def sends(self, data: bytes) -> None:
        for peer in self.peers:
            peer.sends(data)

    def asks(self, line: Line) -> None:
        for peer in self.peers:
            peer.asks(line)

    def gets(self, *expected: Expected) -> None:
        for each in expected:
            frames = [peer.hears() for peer in self.peers]
            if callable(each):
                for frame in frames:
                    assert fits(each, frame), meaning(frame)
            else:
                assert frames[0] == frames[1]
                assert fits(each, frames[0]), f"{meaning(frames[0])!r} is not {each!r}"

    def hears(self) -> bytes:
        frames = [peer.hears() for peer in self.peers]
        assert frames[0] == frames[1]
        return frames[0]

    def gets_bytes(self, data: bytes) -> None:
        for peer in self.peers:
            peer.gets_bytes(data)

    def rest(self) -> bytes:
        rests = [peer.rest() for peer in self.peers]
        assert rests[0] == rests[1]
        return rests[0]

    def close(self) -> None:
        for peer in self.peers:
            peer.close()

    @property
    def id(self) -> Word:
        return Each(str(peer.id) for peer in self.peers)

    def field(self, name: str) -> Word:
        return Each(str(peer.field(name)) for peer in self.peers)


def fields(**expected: object) -> Callable[[str], bool]:
    """Whether a line of CLIENT INFO or LIST has these values (a name with `_` for `-`)."""

    def have(line: str) -> bool:
        found = dict(pair.split("=", 1) for pair in line.removeprefix("txt:").split())
        wanted = {name.replace("_", "-"): str(value) for name, value in expected.items()}
        assert {name: found.get(name) for name in wanted} == wanted
        return True

    return have
