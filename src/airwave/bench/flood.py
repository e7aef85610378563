"""The flood: publishers that never wait, 1,000 subscribers, every message in order, memory within bounds.

All subscribers of a channel must see one and the same order of messages. So their streams are compared, byte for byte,
with one log: whoever is furthest ahead extends it, everybody else is compared with what is there. Each message is
parsed once, when it enters the log, where each publisher's sequence numbers must follow each other.
"""

import socket
import time

from airwave.bench.errors import BenchError
from airwave.bench.model import Facts
from airwave.bench.servers import Server
from airwave.bench.wire import Address, close_all, connect, message, request, subscribe_all

SUBSCRIBERS = 1000
PUBLISHERS = 4
BLOCK = 256
SAMPLE_S = 0.25
STALL_S_MAX = 30.0
# Enough that the server always has requests waiting, and few enough that what is on its way when the time is over is
# delivered within seconds; the kernel alone would hold megabytes of them.
UNANSWERED_MAX = 2000
BUFFER_BYTES = 1 << 20
# Bounded means: the second half of the flood needs no more than the first did, and a server for 1,000 subscribers
# stays under an absolute size that any machine has.
GROWTH_MAX = 1.10
GROWTH_SLACK_BYTES = 16 << 20
RSS_BYTES_MAX = 1 << 30

ABOUT = (
    f"{PUBLISHERS} publishers pipeline as fast as they can at {SUBSCRIBERS:,} subscribers; order and memory are checked"
)
CHANNEL = b"flood"
PAYLOAD = b"%02d:%012d:xxxxxxxxxxxxxxxx"
FRAME = message(CHANNEL, PAYLOAD % (0, 0))
HEAD = FRAME[: FRAME.index(b"00:000")]


class Log:
    """The one order of messages that every subscriber must see.

    Attributes:
        end: how many bytes have entered the log.
    """

    def __init__(self, publishers: int) -> None:
        self.end = 0
        self._data = bytearray()
        self._base = 0
        self._parsed = 0
        self._next = [0] * publishers

    def check(self, position: int, chunk: memoryview) -> None:
        """Compare what a subscriber received from `position` on with the log, and extend the log by the rest.

        Raises:
            BenchError: a message is missing, came twice, in another order, or is damaged.
        """
        known = min(len(chunk), self.end - position)
        if known and not self._data.startswith(chunk[:known], position - self._base):
            number = position // len(FRAME)
            raise BenchError(
                f"a subscriber saw something else than the others within messages {number:,} and following"
            )
        if known < len(chunk):
            self._data += chunk[known:]
            self.end += len(chunk) - known
            self._parse()

    def _parse(self) -> None:
        size, head = len(FRAME), len(HEAD)
        while self._parsed + size <= self.end:
            first = self._parsed - self._base
            frame = bytes(self._data[first : first + size])
            publisher = int(frame[head : head + 2]) if frame.startswith(HEAD) else -1
            if publisher < 0 or frame != message(CHANNEL, PAYLOAD % (publisher, self._next[publisher])):
                raise BenchError(f"message {self._parsed // size:,} is damaged or out of order: {frame!r}")
            self._next[publisher] += 1
            self._parsed += size

    def forget(self, position: int) -> None:
        """Drop what lies before `position`: every subscriber has seen it."""
        position = min(position, self._parsed)
        del self._data[: position - self._base]
        self._base = position


class _Flooder:
    """A publisher that always has something to send."""

    def __init__(self, address: Address, number: int) -> None:
        self.sock = connect(address)
        self.sock.setblocking(False)
        self.published = 0
        self._reply_bytes = 0
        self._number = number
        self._left = memoryview(b"")

    def pump(self, *, more: bool) -> None:
        """Send what the socket takes (`more`: go on after the block that was begun) and count replies."""
        try:
            while self._left or (more and self.published - self._answered() < UNANSWERED_MAX):
                if not self._left:
                    self._left = memoryview(self._block())
                self._left = self._left[self.sock.send(self._left) :]
        except BlockingIOError:
            pass
        try:
            data = self.sock.recv(1 << 18)
        except BlockingIOError:
            return
        if not data or data.startswith(b"-"):
            raise BenchError(f"unexpected reply to PUBLISH: {data[:80]!r}")
        self._reply_bytes += len(data)

    def _block(self) -> bytes:
        first, self.published = self.published, self.published + BLOCK
        return b"".join(
            [request(b"PUBLISH", CHANNEL, PAYLOAD % (self._number, serial)) for serial in range(first, first + BLOCK)]
        )

    def _answered(self) -> float:
        return self._reply_bytes / len(b":%d\r\n" % SUBSCRIBERS)

    def settled(self) -> bool:
        return not self._left and self._answered() == self.published


class _Audience:
    """The subscribers, and how far each has come."""

    def __init__(self, sockets: list[socket.socket]) -> None:
        self.log = Log(PUBLISHERS)
        self.positions = [0] * len(sockets)
        self._receivers = [sock.recv_into for sock in sockets]
        self._buffer = bytearray(BUFFER_BYTES)

    def sweep(self) -> bool:
        """Read and check every subscriber once; True when anything came."""
        log, positions, buffer, came = self.log, self.positions, self._buffer, False
        view = memoryview(buffer)
        for index, receive in enumerate(self._receivers):
            try:
                size = receive(buffer)
            except BlockingIOError:
                continue
            if not size:
                raise BenchError("the server closed a subscriber's connection")
            log.check(positions[index], view[:size])
            positions[index] += size
            came = True
        log.forget(min(positions))
        return came


def run(server: Server, seconds: float) -> Facts:
    """Flood `server` for `seconds`, then let everything arrive.

    Returns:
        what was seen; memory in MB.

    Raises:
        BenchError: a message was lost, came twice, in another order or damaged.
    """
    sockets = subscribe_all(server.address, [(b"SUBSCRIBE", CHANNEL)] * SUBSCRIBERS)
    flooders: list[_Flooder] = []
    try:
        for number in range(PUBLISHERS):
            flooders.append(_Flooder(server.address, number))  # noqa: PERF401 (closed one by one if one fails)
        audience = _Audience(sockets)
        start_s = time.perf_counter()
        rss = _flood(server, flooders, audience, seconds)
        elapsed_s = time.perf_counter() - start_s
    except OSError as error:
        raise BenchError(f"the server dropped a connection ({error.strerror or error})") from error
    finally:
        close_all([*sockets, *(flooder.sock for flooder in flooders)])
    published = sum(flooder.published for flooder in flooders)
    return {
        "seconds": round(elapsed_s, 1),
        "published": published,
        "deliveries_per_s": round(published * SUBSCRIBERS / elapsed_s),
        "every_message_in_order": True,
        **_memory(rss),
    }


def _flood(server: Server, flooders: list[_Flooder], audience: _Audience, seconds: float) -> list[int]:
    """Returns the server's memory over time, in bytes; empty when it is not on this machine."""
    start_s = progress_s = sample_s = time.perf_counter()
    rss: list[int] = []
    more = True
    while more or not _arrived(flooders, audience):
        now_s = time.perf_counter()
        more = now_s < start_s + seconds
        for flooder in flooders:
            flooder.pump(more=more)
        if audience.sweep():
            progress_s = now_s
        elif now_s > progress_s + STALL_S_MAX:
            raise BenchError(f"lost: no subscriber got anything for {STALL_S_MAX:.0f} s, but messages are missing")
        if now_s >= sample_s and (rss_bytes := server.rss_bytes()) is not None:
            rss.append(rss_bytes)
            sample_s = now_s + SAMPLE_S
    return rss


def _arrived(flooders: list[_Flooder], audience: _Audience) -> bool:
    """Whether all is sent, replied to and received."""
    expected_bytes = sum(flooder.published for flooder in flooders) * len(FRAME)
    return all(flooder.settled() for flooder in flooders) and min(audience.positions) >= expected_bytes


def _memory(rss: list[int]) -> Facts:
    if len(rss) < 2:
        return {"memory": "not measured", "passed": True}
    half = len(rss) // 2
    first, second = max(rss[:half]), max(rss[half:])
    bounded = second <= first * GROWTH_MAX + GROWTH_SLACK_BYTES and second <= RSS_BYTES_MAX
    return {
        "rss_mb_start": round(rss[0] / 1e6, 1),
        "rss_mb_max_first_half": round(first / 1e6, 1),
        "rss_mb_max_second_half": round(second / 1e6, 1),
        "memory_bounded": bounded,
        "passed": bounded,
    }
