"""The open-loop load: things are sent when they are due, whatever the server does, and it is measured when they come.

A time is taken from the moment at which something was *due*, so a server that stalls is charged for everything that
had to wait (no coordinated omission). Whoever takes times is polled without sleeping; the rest of the crowd is read
lazily, as in `load`.
"""

import random
import select
import socket
from collections import deque
from collections.abc import Sequence
from time import perf_counter_ns
from typing import Protocol

from airwave.bench.errors import BenchError
from airwave.bench.load import LATE_NS_MAX, Crowd
from airwave.bench.wire import Address, connect, message, request

CHANNEL = b"news:today"
STAMP_DIGITS = 20
PAYLOAD_BYTES = 32
PAYLOAD = b"|" * PAYLOAD_BYTES
PING = request(b"PING")
PUBLISH = request(b"PUBLISH", CHANNEL, PAYLOAD)
# A turn of the loop takes some 20 µs. One that took longer than this did not run in between.
GAP_NS_MIN = 500_000


class Source(Protocol):
    """Something with a socket that sends at its own times and receives."""

    sock: socket.socket

    def send_due(self, now_ns: int) -> None:
        """Send what is due by now."""

    def receive(self, now_ns: int) -> None:
        """Take what came: the socket is readable."""

    def settled(self) -> bool:
        """Whether everything sent was answered."""


def reply_bytes(subscribers: int) -> int:
    """The size of PUBLISH's reply."""
    return len(b":%d\r\n" % subscribers)


def percentile(sorted_values: Sequence[float], share: float) -> float:
    """The value below which `share` (0 to 1) of the sorted values lie, by the nearest rank.

    Raises:
        BenchError: there are no values.
    """
    if not sorted_values:
        raise BenchError("nothing was measured: give it more --seconds")
    return sorted_values[min(len(sorted_values) - 1, int(share * len(sorted_values)))]


class Prober:
    """A client that sends PING at random times and notes how long each took.

    Attributes:
        times_ns: how long each PING took, in the order of the replies, without the time in which this process did not
            get to run: what it sees late is not the server's fault.
        longest_gap_ns: the longest of those times.
    """

    def __init__(self, address: Address, mean_ns: int) -> None:
        """Connect.

        Args:
            mean_ns: mean time between two PINGs; the times are random, so that they do not beat with a publisher.
        """
        self.sock = connect(address)
        self.sock.setblocking(False)
        self.times_ns: list[int] = []
        self.longest_gap_ns = 0
        self._mean_ns = mean_ns
        self._due_ns = self._turn_ns = perf_counter_ns()
        self._gaps_ns = 0
        self._sent: deque[tuple[int, int]] = deque()

    def send_due(self, now_ns: int) -> None:
        """Send a PING if it is time."""
        gap_ns, self._turn_ns = now_ns - self._turn_ns, now_ns
        if gap_ns > GAP_NS_MIN and self._sent:
            self._gaps_ns += gap_ns
            self.longest_gap_ns = max(self.longest_gap_ns, gap_ns)
        if now_ns < self._due_ns:
            return
        self.sock.send(PING)
        self._sent.append((now_ns, self._gaps_ns))
        self._due_ns = now_ns + random.randrange(self._mean_ns // 2, self._mean_ns * 3 // 2)

    def receive(self, now_ns: int) -> None:
        """Take replies."""
        data = self.sock.recv(4096)
        if not data or data.startswith(b"-"):
            raise BenchError(f"unexpected reply to PING: {data[:80]!r}")
        for _ in range(data.count(b"\n")):
            sent_ns, gaps_ns = self._sent.popleft()
            self.times_ns.append(now_ns - sent_ns - (self._gaps_ns - gaps_ns))

    def settled(self) -> bool:
        """Whether every PING was answered."""
        return not self._sent


class PacedPublisher:
    """A client that publishes at a steady rate, open loop, with the time at which each message was due in it."""

    def __init__(self, address: Address, rate_per_s: float, reply_bytes: int, asked: bytes = PUBLISH) -> None:
        """Connect.

        Args:
            reply_bytes: the size of the answer to a message.
            asked: the request, with `PAYLOAD` where the time is put.
        """
        self.sock = connect(address)
        self.sock.setblocking(False)
        self.published = 0
        self._interval_ns = 1e9 / rate_per_s
        self._start_ns = 0
        self._reply_bytes = reply_bytes
        self._received_bytes = 0
        head, tail = asked.split(PAYLOAD)
        self._format = head + b"%0*d" + b"x" * (PAYLOAD_BYTES - STAMP_DIGITS) + tail

    def send_due(self, now_ns: int) -> None:
        """Publish every message that is due by now."""
        self._start_ns = self._start_ns or now_ns
        while (due_ns := self._start_ns + int(self.published * self._interval_ns)) <= now_ns:
            self.sock.send(self._format % (STAMP_DIGITS, due_ns))
            self.published += 1

    def receive(self, now_ns: int) -> None:
        """Take replies."""
        data = self.sock.recv(65536)
        if not data or data.startswith(b"-"):
            raise BenchError(f"unexpected reply to PUBLISH at {now_ns}: {data[:80]!r}")
        self._received_bytes += len(data)

    def settled(self) -> bool:
        """Whether every PUBLISH was answered."""
        return self._received_bytes == self.published * self._reply_bytes


class Listener:
    """A subscriber that is read at once and notes how long each message of a `PacedPublisher` took.

    Attributes:
        times_ns: how long each message took.
    """

    FRAME = message(CHANNEL, PAYLOAD)

    def __init__(self, sock: socket.socket, publisher: "PacedPublisher", frame: bytes = FRAME) -> None:
        """Take over a subscriber's connection.

        Args:
            frame: what it gets for a message, with `PAYLOAD` where the time is.
        """
        self.sock = sock
        self.times_ns: list[int] = []
        self._publisher = publisher
        self._frame_bytes = len(frame)
        self._stamp_at = frame.index(PAYLOAD)
        self._rest = b""

    def send_due(self, now_ns: int) -> None:
        """Nothing: a listener only listens."""

    def receive(self, now_ns: int) -> None:
        """Take messages."""
        received = self.sock.recv(1 << 20)
        if not received:
            raise BenchError("the server closed a subscriber's connection")
        data = self._rest + received
        size, stamp_at = self._frame_bytes, self._stamp_at
        whole = len(data) - len(data) % size
        for first in range(stamp_at, whole, size):
            self.times_ns.append(now_ns - int(data[first : first + STAMP_DIGITS]))
        self._rest = data[whole:]

    def settled(self) -> bool:
        """Whether every message came."""
        return len(self.times_ns) >= self._publisher.published and not self._rest


def drive(sources: Sequence[Source], crowd: Crowd, seconds: float) -> float:
    """Let the sources send for `seconds`, then wait until all is answered; returns the load's busy share, 0 to 1.

    Raises:
        BenchError: an answer never came, or the server hung up.
    """
    try:
        return _drive(sources, crowd, seconds)
    except OSError as error:
        raise BenchError(f"the server dropped a connection ({error.strerror or error})") from error


def _drive(sources: Sequence[Source], crowd: Crowd, seconds: float) -> float:
    by_fd = {source.sock.fileno(): source for source in sources}
    clock, idle_ns = perf_counter_ns, 0
    with select.epoll() as epoll:
        for source in sources:
            epoll.register(source.sock, select.EPOLLIN)
        start_ns = now_ns = clock()
        stop_ns = start_ns + int(seconds * 1e9)
        while now_ns < stop_ns or not all(source.settled() for source in sources):
            now_ns = clock()
            if now_ns < stop_ns:
                for source in sources:
                    source.send_due(now_ns)
            elif now_ns > stop_ns + LATE_NS_MAX:
                raise BenchError("lost: a message, or a reply to PING or PUBLISH, never came")
            ready = epoll.poll(0)
            for fd, _ in ready:
                by_fd[fd].receive(clock())
            if not crowd.step(now_ns) and not ready:
                idle_ns += clock() - now_ns
    return 1 - idle_ns / (now_ns - start_ns)
