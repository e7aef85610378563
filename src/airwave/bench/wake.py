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
    """The readers of one stream, and who writes to it."""

    def __init__(self, address: Address, stream: bytes, sockets: list[socket.socket]) -> None:
        """Connect everybody, and add their sockets to `sockets`."""
        self._stream = stream
        self._number = 0
        self._may_write = True
        self.writer = Requester(address, count_lines=True)
        sockets.append(self.writer.sock)
        self.readers: list[Requester] = []
        for _ in range(READERS):
            reader = Requester(address, count_lines=False)
            sockets.append(reader.sock)
            self.readers.append(reader)
        self._prepare()
        for reader in self.readers:
            reader.send(self._read)

    def _prepare(self) -> None:
        """Make the requests about the next entry."""
        last, self._number = self._number, self._number + 1
        read = request(b"XREAD", b"BLOCK", b"0", b"STREAMS", self._stream, entry_id(last))
        size = len(read_reply(self._stream, range(self._number, self._number + 1)))
        self._read = Batch(read, size, 1)
        self._add = Batch(adding(self._stream, self._number, new_id=entry_id(self._number)), ADDED_LINES, 0)

    def begin(self) -> None:
        """See that everybody is blocked; `add` follows, until the stop."""
        self._may_write = True
        self._left = READERS + 1
        self.writer.send(PING)

    def answered(self, requester: Requester, *, more: bool) -> bool:
        """Go on after all of a requester's replies have come; True at the end: the crowd is blocked, and `more` was
        False."""
        if requester.batch is PING:
            if not more:
                return True
            self._prepare()
            self.writer.send(self._next_add)
            return False
        if requester is not self.writer:
            requester.send(self._read)
        self._left -= 1
        if not self._left:
            self.begin()
        return False
