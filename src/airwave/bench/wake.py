"""Blocked readers: one XADD wakes 100 clients that wait in XREAD BLOCK 0, again and again.

There are several such crowds, each with a stream of its own, so that the server has work while this process reads what
one of them got. A woken reader blocks again at once. Before the next XADD its writer sends a PING: the answer to it
leaves the server after what came before it was read, so that all readers are blocked when the entry comes. They wait
for what follows the last entry they got, not for `$`: should one be late it gets the entry all the same, and none is
lost.
"""

import select
import socket
from time import perf_counter_ns

from airwave.bench.entries import adding, delete, entry_id, key, read_reply
from airwave.bench.errors import BenchError
from airwave.bench.exchange import ADDED_LINES, Batch, Exchanged, Requester
from airwave.bench.load import LATE_NS_MAX
from airwave.bench.wire import Address, close_all, request

CROWDS = 4
READERS = 100
PING = Batch(request(b"PING"), 1, 0)


class _Crowd:
    """The readers of one stream, all blocked between two rounds, and who writes to it."""

    def __init__(self, address: Address, stream: bytes, sockets: list[socket.socket]) -> None:
        """Connect everybody and let the readers block; every socket is added to `sockets` at once."""
        self._stream = stream
        self._number = 0
        self._missing = 0
        self._read = self._next_read()
        self.requesters: list[Requester] = []
        for _ in range(READERS + 1):
            self.requesters.append(Requester(address, count_lines=not self.requesters))
            sockets.append(self.requesters[-1].sock)
        self._writer = self.requesters[0]
        for reader in self.requesters[1:]:
            reader.send(self._read)

    def _next_read(self) -> Batch:
        """What readers send who have the entry `_number`."""
        following = range(self._number + 1, self._number + 2)
        read = request(b"XREAD", b"BLOCK", b"0", b"STREAMS", self._stream, entry_id(self._number))
        return Batch(read, len(read_reply(self._stream, following)), 1)

    def begin(self) -> None:
        """Begin with the next entry: `answered` adds it as soon as everybody is blocked."""
        self._number += 1
        self._missing = READERS + 1
        self._writer.send(PING)

    def answered(self, requester: Requester) -> bool:
        """Go on after a requester got its reply; True when everybody has the entry and has asked for the next."""
        if requester.batch is PING:
            self._read = self._next_read()
            add = adding(self._stream, self._number, new_id=entry_id(self._number))
            requester.send(Batch(add, ADDED_LINES, 0))
            return False
        if requester is not self._writer:
            requester.send(self._read)
        self._missing -= 1
        return not self._missing


class Wake:
    """The crowds of one server. Close it, or use it as a context manager."""

    def __init__(self, address: Address) -> None:
        """Connect everybody.

        Raises:
            BenchError: a connection failed.
        """
        streams = [key(number) for number in range(CROWDS)]
        delete(address, *streams)
        self._epoll = select.epoll()
        self._sockets: list[socket.socket] = []
        self._by_fd: dict[int, tuple[Requester, _Crowd]] = {}
        try:
            self._crowds = [_Crowd(address, stream, self._sockets) for stream in streams]
            for crowd in self._crowds:
                for requester in crowd.requesters:
                    self._by_fd[requester.sock.fileno()] = requester, crowd
                    self._epoll.register(requester.sock, select.EPOLLIN)
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> "Wake":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Disconnect everybody."""
        self._epoll.close()
        close_all(self._sockets)

    def run(self, seconds: float) -> Exchanged:
        """Wake the readers for `seconds`; operations are the entries that they got.

        Raises:
            BenchError: a reply is an error or missing, or the server hung up.
        """
        try:
            return self._run(seconds)
        except OSError as error:
            raise BenchError(f"the server dropped a connection ({error.strerror or error})") from error

    def _run(self, seconds: float) -> Exchanged:
        poll, by_fd, clock = self._epoll.poll, self._by_fd, perf_counter_ns
        start_ns = progress_ns = clock()
        stop_ns = start_ns + int(seconds * 1e9)
        deliveries, idle_ns, busy_crowds = 0, 0, len(self._crowds)
        for crowd in self._crowds:
            crowd.begin()
        while busy_crowds:
            now_ns = clock()
            ready = poll(0)
            for fd, _ in ready:
                requester, crowd = by_fd[fd]
                if requester.receive() and crowd.answered(requester):
                    deliveries += READERS
                    if now_ns < stop_ns:
                        crowd.begin()
                    else:
                        busy_crowds -= 1
            if ready:
                progress_ns = now_ns
            else:
                idle_ns += clock() - now_ns
                if now_ns > progress_ns + LATE_NS_MAX:
                    raise BenchError("lost: a blocked reader never got its entry")
        elapsed_ns = clock() - start_ns
        return Exchanged(deliveries, elapsed_ns / 1e9, 1 - idle_ns / elapsed_ns)
