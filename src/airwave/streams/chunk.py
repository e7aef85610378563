"""A chunk: up to 100 entries of a stream that follow each other.

An entry is kept as its reply: the RESP array of ID and fields, the same bytes in RESP2 and RESP3, in memory, on disk
and on the wire. The newest chunk of a stream is *open*: two lists. A full one is *sealed* into one blob:

    ids       16 bytes each, packed
    ends      32 bits little-endian each: where the entry ends within `entries`
    entries   one after the other

so that a range of entries is one slice of bytes. The blob may be put away when it is on disk as well; then `blob` is
None until the journal has fetched it. A sealed blob never changes: entries that are trimmed away (`start`) or deleted
(`dead`) are skipped.
"""

import struct
from bisect import bisect_left
from collections.abc import Iterator
from itertools import accumulate, pairwise

from airwave.streams import ids as entry_ids

ENTRIES_MAX = 100  # as many as in a node of Redis (stream-node-max-entries), so that `~` trims alike
BYTES_MAX = 64 * 1024  # of entries, except that one entry may be larger

_ID = entry_ids.PACKED_BYTES
_END = 4


class Cold(Exception):  # noqa: N818  (an event, not a fault)
    """Entries are being fetched from disk: the command is to be run again when they are there."""


class Chunk:
    """A sealed chunk.

    Attributes:
        number: the storage's number for it; 0: it has none yet.
        first: the ID of its first live entry.
        last: the ID of its last entry, live or not.
        count: entries in the blob.
        start: position of the first live entry.
        dead: positions of deleted entries behind `start`.
        size: bytes of the blob.
        used: it was read since the journal last looked for chunks to put away.
    """

    __slots__ = ("blob", "count", "dead", "first", "last", "number", "size", "start", "used")

    def __init__(self, first: int, last: int, count: int, blob: bytes | None, size: int = 0) -> None:
        self.number = 0
        self.first = first
        self.last = last
        self.count = count
        self.start = 0
        self.dead: set[int] | None = None
        self.blob = blob
        self.size = len(blob) if blob is not None else size
        self.used = False

    @property
    def live(self) -> int:
        """Entries that are neither trimmed nor deleted."""
        return self.count - self.start - (len(self.dead) if self.dead else 0)

    def _loaded(self) -> bytes:
        assert self.blob is not None
        return self.blob

    def position(self, entry_id: int) -> int:
        """Where the first entry stands whose ID is not smaller, looking from `start` on."""
        if entry_id <= self.first:
            return self.start
        if entry_id > self.last:
            return self.count
        blob = self._loaded()
        wanted = entry_id.to_bytes(_ID, "big")
        low, high = self.start, self.count
        # IDs often are evenly spaced: look there first.
        middle = low + (entry_id - self.first) * (high - 1 - low) // (self.last - self.first)
        at = middle * _ID
        there = blob[at : at + _ID]
        if there == wanted:
            return middle
        if there < wanted:
            low = middle + 1
        else:
            high = middle
        while low < high:
            middle = (low + high) >> 1
            at = middle * _ID
            if blob[at : at + _ID] < wanted:
                low = middle + 1
            else:
                high = middle
        return low

    def ids(self, start: int, stop: int) -> list[int]:
        """The IDs at these positions."""
        return entry_ids.unpack(self._loaded()[start * _ID : stop * _ID])

    def packed_ids(self, start: int, stop: int) -> bytes:
        """The same, packed."""
        return self._loaded()[start * _ID : stop * _ID]

    def entries(self, start: int, stop: int) -> bytes:
        """The entries at these positions, encoded, one after the other."""
        blob = self._loaded()
        count = self.count
        ends = count * _ID  # where the ends stand; behind them the entries
        base = ends + count * _END
        begin = base
        if start:
            at = ends + start * _END
            begin += int.from_bytes(blob[at - _END : at], "little")
        if stop == count:
            return blob[begin:]
        at = ends + stop * _END
        return blob[begin : base + int.from_bytes(blob[at - _END : at], "little")]

    def entry_list(self, start: int, stop: int) -> list[bytes]:
        """The same, one by one."""
        blob = self._loaded()
        base = self.count * (_ID + _END)
        ends = [base + self._end(blob, place) for place in range(start, stop + 1)]
        return [blob[begin:end] for begin, end in pairwise(ends)]

    def _end(self, blob: bytes, stop: int) -> int:
        """Where the entries before this position end."""
        if not stop:
            return 0
        at = self.count * _ID + stop * _END
        return int.from_bytes(blob[at - _END : at], "little")

    def runs(self, start: int, stop: int) -> Iterator[tuple[int, int]]:
        """The live positions in between, as ranges from the first to behind the last."""
        start = max(start, self.start)
        if not self.dead:
            if start < stop:
                yield start, stop
            return
        for place in sorted([each for each in self.dead if start <= each < stop]):
            if start < place:
                yield start, place
            start = place + 1
        if start < stop:
            yield start, stop

    def nth(self, index: int) -> int:
        """The ID of a live entry, counted from 0."""
        for start, stop in self.runs(0, self.count):
            if index < stop - start:
                return self.ids(start + index, start + index + 1)[0]
            index -= stop - start
        raise IndexError(index)

    def kill(self, entry_id: int) -> bool:
        """Delete an entry; False when there is no live one of this ID."""
        place = self.position(entry_id)
        if place < self.start or place >= self.count or (self.dead and place in self.dead):
            return False
        if self.ids(place, place + 1) != [entry_id]:
            return False
        if place == self.start:
            self._set_start(place + 1)
        else:
            if self.dead is None:
                self.dead = set()
            self.dead.add(place)
        return True

    def behead(self, count: int) -> None:
        """Trim so many live entries away."""
        if not self.dead:
            self._set_start(self.start + count)
            return
        for _ in range(count):
            self._set_start(self.start + 1)

    def _set_start(self, start: int) -> None:
        dead = self.dead
        while dead and start in dead:
            dead.remove(start)
            start += 1
        if not dead:
            self.dead = None
        self.start = start
        if start < self.count:
            self.first = entry_ids.unpack_one(self._loaded()[start * _ID : start * _ID + _ID])


class OpenChunk:
    """The newest chunk of a stream. Deleted entries leave its lists.

    Attributes:
        members, items: the ID of each entry, and the entry, encoded.
        journaled: how many entries at the beginning the journal knows already.
        size: bytes of the entries.
        number: the storage's number for it; 0: it has none yet.
    """

    __slots__ = ("items", "journaled", "members", "number", "size")

    def __init__(self) -> None:
        self.number = 0
        self.members: list[int] = []
        self.items: list[bytes] = []
        self.size = 0
        self.journaled = 0

    @property
    def live(self) -> int:
        """Its entries; all of them are live."""
        return len(self.members)

    @property
    def full(self) -> bool:
        """Whether it is to be sealed."""
        return len(self.members) >= ENTRIES_MAX or self.size >= BYTES_MAX

    @property
    def first(self) -> int:
        """The ID of its first entry; it has one."""
        return self.members[0]

    def position(self, entry_id: int) -> int:
        """See `Chunk`."""
        return bisect_left(self.members, entry_id)

    def ids(self, start: int, stop: int) -> list[int]:
        """See `Chunk`."""
        return self.members[start:stop]

    def packed_ids(self, start: int, stop: int) -> bytes:
        """See `Chunk`."""
        return entry_ids.pack(self.members[start:stop])

    def entries(self, start: int, stop: int) -> bytes:
        """See `Chunk`."""
        return b"".join(self.items[start:stop])

    def entry_list(self, start: int, stop: int) -> list[bytes]:
        """See `Chunk`."""
        return self.items[start:stop]

    def runs(self, start: int, stop: int) -> Iterator[tuple[int, int]]:
        """See `Chunk`."""
        if start < stop:
            yield start, stop

    def nth(self, index: int) -> int:
        """See `Chunk`."""
        return self.members[index]

    def kill(self, entry_id: int) -> bool:
        """See `Chunk`."""
        place = bisect_left(self.members, entry_id)
        if place == len(self.members) or self.members[place] != entry_id:
            return False
        self.size -= len(self.items[place])
        del self.members[place], self.items[place]
        if place < self.journaled:
            self.journaled -= 1
        return True

    def behead(self, count: int) -> None:
        """See `Chunk`."""
        self.size -= sum(map(len, self.items[:count]))
        del self.members[:count], self.items[:count]
        self.journaled = max(0, self.journaled - count)

    def sealed(self) -> Chunk:
        """Its entries as a sealed chunk; there is at least one."""
        chunk = Chunk(self.members[0], self.members[-1], len(self.members), blob_of(self.members, self.items))
        chunk.number = self.number
        return chunk


def ends_of(items: list[bytes]) -> bytes:
    """Where each entry ends when they stand one after the other: 32 bits little-endian each."""
    return struct.pack(f"<{len(items)}I", *accumulate(map(len, items)))


def blob_of(members: list[int], items: list[bytes]) -> bytes:
    """Entries and their IDs as the blob of a sealed chunk."""
    return b"".join((entry_ids.pack(members), ends_of(items), *items))


def opened(chunk: Chunk) -> OpenChunk:
    """A sealed chunk's live entries as an open one."""
    tail = OpenChunk()
    for start, stop in chunk.runs(0, chunk.count):
        tail.members += chunk.ids(start, stop)
        tail.items += chunk.entry_list(start, stop)
    tail.size = sum(map(len, tail.items))
    tail.number = chunk.number
    tail.journaled = len(tail.members)
    return tail
