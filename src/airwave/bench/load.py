"""The closed-loop load: subscribers that are read lazily, publishers that are answered at once, in one process.

How it stays out of the way of what it measures:

- Publishers wait in an epoll that is polled without sleeping. A sleeping load would add the time to wake a core
  (tens of microseconds on a virtual machine) to each round trip, and would make the server pay for the wake-up.
- Subscribers are in no epoll. Their sockets have large receive buffers and are read in turn, every 5 to 20 ms, so
  that one `recv` takes many messages, eight sockets at a time with a look at the publishers in between. A reply to a
  publisher thus waits at most about 10 µs.
- Nothing is parsed. Sizes are fixed, so bytes received say how many messages arrived, and at the end of a round the
  count must fit exactly.
- Time that was spent looking and finding nothing is counted. The rest is the load's busy share: near 1, the load was
  the bottleneck and the round says nothing about the server.
"""

import select
import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from time import perf_counter_ns

from airwave.bench.errors import BenchError
from airwave.bench.plans import Plan
from airwave.bench.wire import Address, close_all, connect, subscribe_all

SLICE = 8
BUFFER_BYTES = 1 << 20
SWEEP_NS_MIN = 5_000_000
SWEEP_NS_PER_SUBSCRIBER = 20_000
# Under the kernel's delayed-acknowledgement timer of 40 ms: past it the acknowledgements would be made, by a timer,
# on the server's core.
SWEEP_NS_MAX = 20_000_000
LATE_NS_MAX = 30_000_000_000
QUIET_NS = 20_000_000


@dataclass(frozen=True)
class Delivered:
    """What one run of a load achieved.

    Attributes:
        published: messages published.
        deliveries: messages received by subscribers, all of them.
        seconds: from the first request to the last byte received.
        load_busy: share of that time in which the load generator had something to do, 0 to 1.
    """

    published: int
    deliveries: int
    seconds: float
    load_busy: float


class Crowd:
    """Subscribers whose bytes are counted.

    Attributes:
        received_bytes: bytes read from all of them so far.
    """

    def __init__(self, sockets: Sequence[socket.socket]) -> None:
        receivers = [sock.recv_into for sock in sockets]
        self._slices = [receivers[first : first + SLICE] for first in range(0, len(receivers), SLICE)]
        self._interval_ns = min(SWEEP_NS_MAX, max(SWEEP_NS_MIN, SWEEP_NS_PER_SUBSCRIBER * len(sockets)))
        self._buffer = bytearray(BUFFER_BYTES)
        self._next = 0
        self._due_ns = 0
        self.received_bytes = 0

    def step(self, now_ns: int, *, eager: bool = False) -> bool:
        """Read the next few subscribers if their turn has come (`eager`: in any case); True when they were read."""
        if now_ns < self._due_ns and not eager:
            return False
        read, buffer = 0, self._buffer
        for receive in self._slices[self._next] if self._slices else ():
            try:
                size = receive(buffer)
            except BlockingIOError:
                continue
            if not size:
                raise BenchError("the server closed a subscriber's connection")
            read += size
        self.received_bytes += read
        self._next += 1
        if self._next >= len(self._slices):
            self._next = 0
            self._due_ns = now_ns + self._interval_ns
        return True

    def settle(self, expected_bytes: int, deadline_ns: int) -> None:
        """Read until `received_bytes` is `expected_bytes`, then a moment longer to see that no more comes.

        Raises:
            BenchError: bytes are missing at the deadline (a `perf_counter_ns`), or too many came.
        """
        while self.received_bytes < expected_bytes:
            now_ns = perf_counter_ns()
            self.step(now_ns, eager=True)
            if now_ns > deadline_ns:
                missing = expected_bytes - self.received_bytes
                raise BenchError(f"lost: {missing:,} of {expected_bytes:,} bytes never reached their subscribers")

    def verify_quiet(self, expected_bytes: int) -> None:
        """Check that exactly `expected_bytes` arrived and nothing follows.

        Raises:
            BenchError: too much or too little came.
        """
        until_ns = perf_counter_ns() + QUIET_NS
        sweeps_left = len(self._slices)
        while sweeps_left > 0 or perf_counter_ns() < until_ns:
            self.step(0, eager=True)
            sweeps_left -= 1
        if self.received_bytes != expected_bytes:
            raise BenchError(f"subscribers received {self.received_bytes:,} bytes instead of {expected_bytes:,}")


class Publisher:
    """A connection that publishes a batch and waits for all its replies.

    Attributes:
        GOOD: how replies begin that are no errors.
    """

    GOOD: bytes = b":"

    def __init__(self, address: Address, reply_bytes: int) -> None:
        self.sock = connect(address)
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 20)
        self.sock.setblocking(False)
        self._reply_bytes = reply_bytes
        self._owed_bytes = 0
        self._buffer = bytearray(65536)

    def send(self, batch: bytes) -> None:
        """Publish a batch."""
        self._owed_bytes = self._reply_bytes
        if self.sock.send(batch) != len(batch):
            raise BenchError("a batch does not fit into the send buffer: publish less at a time")

    def receive(self) -> bool:
        """Take the replies that came; True when the batch has all of them."""
        size = self.sock.recv_into(self._buffer)
        if not size:
            raise BenchError("the server closed a publisher's connection")
        # An error behind other replies of a batch shows in the size: it is longer than a number.
        is_error = self._owed_bytes == self._reply_bytes and not self._buffer.startswith(self.GOOD)
        self._owed_bytes -= size
        if is_error or self._owed_bytes < 0:
            raise BenchError(f"unexpected reply to PUBLISH: {bytes(self._buffer[: min(size, 80)])!r}")
        return not self._owed_bytes

    def finish(self, seconds: float) -> None:
        """Wait for the replies that are still to come, at most so long.

        Raises:
            BenchError: they do not come, or are errors.
        """
        self.sock.settimeout(seconds)
        try:
            while self._owed_bytes:
                self.receive()
        except TimeoutError:
            raise BenchError("a publisher waits for a reply that never came") from None
        finally:
            self.sock.setblocking(False)


class Load:
    """A plan's subscribers and publishers, connected to one server. Close it, or use it as a context manager."""

    def __init__(
        self,
        address: Address,
        plan: Plan,
        subscribers: Sequence[socket.socket] | None = None,
        publisher: Callable[[Address, int], Publisher] = Publisher,
    ) -> None:
        """Connect everybody.

        Args:
            address: where it is published.
            subscribers: who is subscribed already, in whatever protocol; from now on this load's, which closes them.
                None: the plan says whom to connect.
            publisher: connects one, who gets so many bytes of replies to a batch.

        Raises:
            BenchError: a connection or a subscription failed.
        """
        self._plan = plan
        self._batches = plan.batches()
        self._sockets = subscribe_all(address, plan.subscriptions) if subscribers is None else list(subscribers)
        self._crowd = Crowd(self._sockets)
        self._epoll = select.epoll()
        self._publishers: dict[int, Publisher] = {}
        try:
            for _ in range(plan.publishers):
                one = publisher(address, plan.reply_bytes)
                self._sockets.append(one.sock)
                self._publishers[one.sock.fileno()] = one
                self._epoll.register(one.sock, select.EPOLLIN)
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> "Load":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Disconnect everybody."""
        self._epoll.close()
        close_all(self._sockets)

    def run(self, seconds: float) -> Delivered:
        """Publish for `seconds`, then wait until every message has arrived everywhere.

        Raises:
            BenchError: bytes were lost or too many, an error reply came, or the server hung up.
        """
        try:
            return self._run(seconds)
        except OSError as error:
            raise BenchError(f"the server dropped a connection ({error.strerror or error})") from error

    def _run(self, seconds: float) -> Delivered:
        plan, crowd, batches = self._plan, self._crowd, self._batches
        poll, publishers, clock = self._epoll.poll, self._publishers, perf_counter_ns
        before_bytes = crowd.received_bytes
        start_ns = clock()
        stop_ns = start_ns + int(seconds * 1e9)
        idle_ns, sent, waiting = 0, len(publishers), len(publishers)
        for publisher in publishers.values():
            publisher.send(next(batches))
        while waiting:
            now_ns = clock()
            ready = poll(0)
            for fd, _ in ready:
                publisher = publishers[fd]
                if publisher.receive():
                    if now_ns < stop_ns:
                        publisher.send(next(batches))
                        sent += 1
                    else:
                        waiting -= 1
            if not crowd.step(now_ns) and not ready:
                idle_ns += clock() - now_ns
                if now_ns > stop_ns + LATE_NS_MAX:
                    raise BenchError(f"{waiting} publishers wait for replies that never came")
        expected_bytes = before_bytes + sent * plan.delivery_bytes
        crowd.settle(expected_bytes, clock() + LATE_NS_MAX)
        elapsed_ns = clock() - start_ns
        crowd.verify_quiet(expected_bytes)
        return Delivered(sent * plan.pipeline, sent * plan.deliveries, elapsed_ns / 1e9, 1 - idle_ns / elapsed_ns)
