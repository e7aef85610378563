"""Entries that are to be added to a stream later. Airwave's own: Redis has nothing like it.

A scheduled entry waits in memory as it will be sent, but for its ID, until its time has come. Then it is added as
`XADD key * ...` would, and its ID is made. Each has a *token*, by which clients name it, and a number that is never
given again, by which the storage does; entries that are due at the same ms are added in the order of their numbers.

A `Schedule` belongs to one stream, and a stream on which nobody schedules has none. The `Agenda` knows of all streams
when the next entry of each is due.
"""

import heapq
from collections.abc import Callable, Collection
from typing import TYPE_CHECKING

from airwave import journal as effects
from airwave import resp
from airwave.journal import Journal
from airwave.streams import ids as entry_ids

if TYPE_CHECKING:
    from airwave.streams.stream import Stream

ENTRIES_MAX = 1_000_000  # scheduled for one stream
TOKEN_BYTES_MAX = 1024
DUE_MS_MAX = (1 << 63) - 1
PRODUCER = b"schedule"
"""The producer in whose name a stream remembers the tokens that clients chose, as it does for XADD with IDMP."""

_STALE_MIN = 64  # outdated items that a heap may always have
_EARLY_NS = 2_000_000  # event loops count in ms: a tick may come so much before the time that was asked for
_AHEAD_MS_MAX = 60_000  # no tick is asked for that is further away, so that few are under way
_NUMBER_BYTES = 350  # about what one takes of the memory beside its words


class Scheduled:
    """An entry that waits for its time.

    Attributes:
        number: its own, never given again.
        token: by which clients know it; unique in its stream.
        due_ms: Unix time at which it is added.
        named: the token is one that a client chose.
        fields: names and values, encoded as the array that they are in the entry.
    """

    __slots__ = ("due_ms", "fields", "named", "number", "token")

    def __init__(self, number: int, token: bytes, due_ms: int, fields: bytes, *, named: bool) -> None:
        self.number = number
        self.token = token
        self.due_ms = due_ms
        self.named = named
        self.fields = fields

    def entry(self, entry_id: int) -> bytes:
        """The entry that it becomes, encoded as XADD does."""
        return b"*2\r\n%b%b" % (entry_ids.bulk(entry_id), self.fields)


def fields_of(encoded: bytes) -> list[bytes]:
    """Names and values of an entry.

    Raises:
        ValueError: that is no array of bulk strings, or not an even number of them.
    """
    count, place = _counted(encoded, b"*", 0)
    words = []
    for _ in range(count):
        size, place = _counted(encoded, b"$", place)
        words.append(encoded[place : place + size])
        place += size + 2
    if count % 2 or not count or resp.bulks(words) != encoded:
        raise ValueError("not the fields of an entry")
    return words


def _counted(encoded: bytes, kind: bytes, place: int) -> tuple[int, int]:
    """The number in the line that begins there, and where the next line begins."""
    end = encoded.index(b"\r\n", place)
    if encoded[place : place + 1] != kind:
        raise ValueError(f"no {kind.decode()} at {place}")
    return int(encoded[place + 1 : end]), end + 2


class Schedule:
    """What is scheduled for one stream.

    Args:
        journal: is told of changes.
        stream: the number of the stream's value.

    Attributes:
        by_token: all that is scheduled.
        unwritten: what has no row on disk yet, by number; the storage empties it.
        erased: numbers of rows whose entries wait no longer; the storage empties it.
    """

    __slots__ = ("_bytes", "_heap", "_journal", "_stream", "by_token", "erased", "unwritten")

    def __init__(self, journal: Journal, stream: int) -> None:
        self._journal = journal
        self._stream = stream
        # Time, number, token: it may be outdated, and what was cancelled is not kept alive by it.
        self._heap: list[tuple[int, int, bytes]] = []
        self._bytes = 0
        self.by_token: dict[bytes, Scheduled] = {}
        self.unwritten: dict[int, Scheduled] = {}
        self.erased: list[int] = []

    def __len__(self) -> int:
        return len(self.by_token)

    # --- changing ---------------------------------------------------------------------------------------------------

    def add(self, item: Scheduled) -> None:
        """Schedule an entry whose token is not in use."""
        self.restore(item)
        if self._journal.durable:
            self.unwritten[item.number] = item
            self._journal.record(
                (effects.SCHEDULED, self._stream, item.number, item.token, item.due_ms, item.named, item.fields)
            )

    def restore(self, item: Scheduled) -> None:
        """Take an entry that the storage knows."""
        self.by_token[item.token] = item
        self._bytes += len(item.token) + len(item.fields)
        heapq.heappush(self._heap, (item.due_ms, item.number, item.token))

    def remove(self, item: Scheduled) -> None:
        """An entry waits no longer: it was added, or is not to be."""
        del self.by_token[item.token]
        self._bytes -= len(item.token) + len(item.fields)
        if len(self._heap) > 2 * len(self.by_token) + _STALE_MIN:
            self._heap = [(each.due_ms, each.number, each.token) for each in self.by_token.values()]
            heapq.heapify(self._heap)
        if self._journal.durable:
            if self.unwritten.pop(item.number, None) is None:
                self.erased.append(item.number)
            self._journal.record((effects.UNSCHEDULED, self._stream, [item.number]))

    # --- looking ----------------------------------------------------------------------------------------------------

    def next(self) -> Scheduled | None:
        """The entry that is due first; None when nothing is scheduled."""
        heap = self._heap
        while heap:
            if (item := self._live(heap[0])) is not None:
                return item
            heapq.heappop(heap)
        return None

    def first(self, count: int) -> list[Scheduled]:
        """The entries that are due first, in order, at most so many."""
        heap = self._heap
        if count >= len(self.by_token):
            return [item for each in sorted(heap) if (item := self._live(each)) is not None]
        # A walk through the heap from its top, which takes no longer than what it finds.
        found: list[Scheduled] = []
        ahead = [(heap[0], 0)]
        while len(found) < count:
            each, place = heapq.heappop(ahead)
            if (item := self._live(each)) is not None:
                found.append(item)
            for child in range(2 * place + 1, min(2 * place + 3, len(heap))):
                heapq.heappush(ahead, (heap[child], child))
        return found

    def _live(self, each: tuple[int, int, bytes]) -> Scheduled | None:
        item = self.by_token.get(each[2])
        return item if item is not None and item.number == each[1] else None

    @property
    def memory_bytes(self) -> int:
        """About what it takes of the memory."""
        return self._bytes + _NUMBER_BYTES * len(self.by_token)


class Agenda:
    """When the next scheduled entry is due, over all streams.

    Attributes:
        streams: those that have something scheduled, by number, each with the Unix time in ms at which to look at it.
    """

    def __init__(self) -> None:
        self.streams: dict[int, tuple[int, Stream]] = {}
        self._heap: list[tuple[int, int]] = []  # time, number of the stream; may be outdated
        self._awaited_ns = 0  # the tick that was asked for comes then; 0: none was

    def note(self, stream: "Stream") -> None:
        """What is scheduled for a stream has changed."""
        item = stream.schedule.next() if stream.schedule is not None else None
        if item is None:
            self.forget(stream)
        else:
            self.look_at(stream, item.due_ms)

    def look_at(self, stream: "Stream", at_ms: int) -> None:
        """Look at a stream at this Unix time, not before."""
        known = self.streams.get(stream.number)
        if known is not None and known[0] == at_ms:
            return
        self.streams[stream.number] = at_ms, stream
        heapq.heappush(self._heap, (at_ms, stream.number))
        if len(self._heap) > 2 * len(self.streams) + _STALE_MIN:
            self._heap = [(ms, number) for number, (ms, _) in self.streams.items()]
            heapq.heapify(self._heap)

    def forget(self, stream: "Stream") -> None:
        """A stream is at no key any more, or has nothing scheduled."""
        self.streams.pop(stream.number, None)

    def forget_others(self, spaces: Collection[int]) -> None:
        """Databases were flushed: these spaces are left."""
        for _, stream in [*self.streams.values()]:
            if stream.space not in spaces:
                self.forget(stream)

    def clear(self) -> None:
        """Forget everything: it is loaded anew."""
        self.streams.clear()
        self._heap.clear()

    def next(self) -> "tuple[int, Stream] | None":
        """When to look at which stream first; None when nothing is scheduled."""
        heap = self._heap
        while heap:
            at_ms, number = heap[0]
            known = self.streams.get(number)
            if known is not None and known[0] == at_ms:
                return known
            heapq.heappop(heap)
        return None

    def ask(self, now_ns: int, now_ms: int, wake_after: Callable[[float], None]) -> None:
        """Make sure that a tick comes when the next entry is due.

        Args:
            now_ns, now_ms: by the node's clock, and Unix time.
            wake_after: asks for a tick after so many seconds.
        """
        if self._awaited_ns - now_ns < _EARLY_NS:
            self._awaited_ns = 0
        coming = self.next()
        if coming is None:
            return
        left_ms = min(max(coming[0] - now_ms, 0), _AHEAD_MS_MAX)  # 0: more is due than was added at once
        at_ns = now_ns + left_ms * 1_000_000
        # Unix time comes in whole ms: what is earlier by less than two is the same time, asked for once more.
        if not self._awaited_ns or at_ns < self._awaited_ns - _EARLY_NS:
            self._awaited_ns = at_ns
            wake_after(left_ms / 1000)
