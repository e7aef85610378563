"""The closed loop of requests and replies: clients that send a batch, and the next one when all its replies are there.

As in `load`, nobody sleeps: a sleeping load would add the time to wake a core to each round trip. Nothing is parsed
either. A reply whose size is known before is counted in bytes, one that has an ID that the server chose in line ends.
"""

import math
import select
import socket
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from time import perf_counter_ns

from airwave.bench.errors import BenchError
from airwave.bench.load import LATE_NS_MAX
from airwave.bench.wire import Address, close_all, connect

BUFFER_BYTES = 1 << 18
SEND_BUFFER_BYTES = 1 << 20
# A bulk string, as XADD answers with, has two line ends: after its length and after itself.
ADDED_LINES = 2
MINUS = ord("-")


@dataclass(frozen=True, slots=True)
class Batch:
    """Requests that are sent together.

    Attributes:
        request: their bytes.
        owed: the size of all the replies, in bytes or line ends, whichever the client counts.
        operations: what they count for: entries added, or read.
    """

    request: bytes
    owed: int
    operations: int


@dataclass(frozen=True)
class Exchanged:
    """What one run of an exchange achieved.

    Attributes:
        operations: of all batches that were answered.
        seconds: from the first request to the last reply.
        load_busy: share of that time in which the load generator had something to do, 0 to 1.
    """

    operations: int
    seconds: float
    load_busy: float


class Requester:
    """A connection that sends a batch and counts its replies.

    Attributes:
        batch: what was sent last.
    """

    def __init__(self, address: Address, *, count_lines: bool) -> None:
        self.sock = connect(address)
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_BYTES)
        self.sock.setblocking(False)
        self.batch = Batch(b"", 0, 0)
        self._count_lines = count_lines
        self._owed = 0
        self._buffer = bytearray(BUFFER_BYTES)

    def send(self, batch: Batch) -> None:
        """Send a batch; the replies to those before have come, or are counted together with this one's."""
        self.batch = batch
        self._owed += batch.owed
        if self.sock.send(batch.request) != len(batch.request):
            raise BenchError("a batch does not fit into the send buffer: send less at a time")

    def receive(self) -> bool:
        """Take the replies that came; True when none is owed any more.

        Raises:
            BenchError: one of them is an error, there are too many, or the server hung up.
        """
        buffer = self._buffer
        size = self.sock.recv_into(buffer)
        if not size:
            raise BenchError("the server closed a client's connection")
        # Between two replies a minus begins an error. Inside of one it is that of an ID, wherever a read cuts it.
        is_error = buffer[0] == MINUS and self._owed == self.batch.owed
        if self._count_lines:
            is_error = is_error or buffer.find(b"\n-", 0, size) >= 0
            self._owed -= buffer.count(b"\n", 0, size)
        else:
            self._owed -= size
        if is_error or self._owed < 0:
            raise BenchError(f"unexpected reply: {bytes(buffer[: min(size, 80)])!r}")
        return not self._owed


class Exchange:
    """Clients of one server. Close it, or use it as a context manager."""

    def __init__(self, address: Address, sources: Sequence[Iterator[Batch]], *, count_lines: bool = False) -> None:
        """Connect a client for each source of batches.

        Args:
            count_lines: replies are counted in line ends, not in bytes.

        Raises:
            BenchError: a connection failed.
        """
        self._epoll = select.epoll()
        self._sockets: list[socket.socket] = []
        self._clients: dict[int, tuple[Requester, Iterator[Batch]]] = {}
        try:
            for source in sources:
                requester = Requester(address, count_lines=count_lines)
                self._sockets.append(requester.sock)
                self._clients[requester.sock.fileno()] = requester, source
                self._epoll.register(requester.sock, select.EPOLLIN)
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> "Exchange":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Disconnect everybody."""
        self._epoll.close()
        close_all(self._sockets)

    def run(self, seconds: float = math.inf) -> Exchanged:
        """Send for `seconds`, or until all sources are used up, and wait for every reply.

        Raises:
            BenchError: a reply is an error, too large or missing, or the server hung up.
        """
        try:
            return self._run(seconds)
        except OSError as error:
            raise BenchError(f"the server dropped a connection ({error.strerror or error})") from error

    def _run(self, seconds: float) -> Exchanged:
        poll, clients, clock = self._epoll.poll, self._clients, perf_counter_ns
        start_ns = progress_ns = clock()
        stop_ns = start_ns + seconds * 1e9
        operations = idle_ns = waiting = 0
        for requester, source in clients.values():
            if (batch := next(source, None)) is not None:
                requester.send(batch)
                waiting += 1
        while waiting:
            now_ns = clock()
            ready = poll(0)
            for fd, _ in ready:
                requester, source = clients[fd]
                if not requester.receive():
                    continue
                operations += requester.batch.operations
                if now_ns < stop_ns and (batch := next(source, None)) is not None:
                    requester.send(batch)
                else:
                    waiting -= 1
            if ready:
                progress_ns = now_ns
            else:
                idle_ns += clock() - now_ns
                if now_ns > progress_ns + LATE_NS_MAX:
                    raise BenchError(f"lost: {waiting} clients wait for replies that never came")
        elapsed_ns = max(1, clock() - start_ns)
        return Exchanged(operations, elapsed_ns / 1e9, 1 - idle_ns / elapsed_ns)
