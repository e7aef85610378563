"""A stream: entries in ID order, in sealed chunks and an open one; and its consumer groups.

Reading a range is: find the chunk, find the place in it, slice, join. Whatever needs the entries of a sealed chunk
that is on disk only first asks the journal to fetch it, before anything is changed: the journal may stop the command
with `Cold`, which is then run again.
"""

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence

from airwave import journal as effects
from airwave.journal import Journal
from airwave.streams import ids as entry_ids
from airwave.streams.chunk import BYTES_MAX, ENTRIES_MAX, Chunk, OpenChunk
from airwave.streams.group import Group
from airwave.streams.idempotency import Producers
from airwave.streams.ids import ID_MAX, SEQ_BITS
from airwave.streams.schedule import PRODUCER, Schedule, Scheduled
from airwave.value import Value

Span = tuple["Chunk | OpenChunk", int, int]
"""Live entries that stand together: a chunk, the position of the first, the position behind the last."""


def _take(spans: list[Span], chunk: "Chunk | OpenChunk", runs: Iterable[tuple[int, int]], left: int) -> int:
    """Add runs of a chunk, at most so many entries; returns how many are still wanted."""
    for start, stop in runs:
        if stop - start >= left:
            if left > 0:
                spans.append((chunk, start, start + left))
            return 0
        if start < stop:
            spans.append((chunk, start, stop))
            left -= stop - start
    return left


class Stream(Value):
    """A stream.

    Attributes:
        sealed: its sealed chunks, oldest first; `firsts`: for each an ID not above its first and above all before it.
        tail: the open chunk.
        length: live entries.
        last_id: the greatest ID it ever had, or that XSETID gave it.
        added: entries ever added.
        max_deleted: the greatest ID ever deleted by XDEL; 0: none.
        lost_id: the greatest ID that was trimmed away in this run of the node; 0: none. It is not kept on disk.
        groups: by name.
        producers: idempotent IDs it remembers.
        schedule: entries that are to be added later; None: nobody has scheduled any.
        trimmed: entries were trimmed since the last commit.
        altered: sealed chunks that lost entries since the journal last wrote them; it empties this.
    """

    __slots__ = (
        "added",
        "altered",
        "firsts",
        "groups",
        "last_group",
        "last_id",
        "length",
        "lost_id",
        "max_deleted",
        "producers",
        "schedule",
        "sealed",
        "tail",
        "trimmed",
    )

    kind = b"stream"

    def __init__(self, number: int, journal: Journal) -> None:
        super().__init__(number, journal)
        self.sealed: list[Chunk] = []
        self.firsts: list[int] = []
        self.tail = OpenChunk()
        self.length = 0
        self.last_id = 0
        self.added = 0
        self.max_deleted = 0
        self.lost_id = 0
        self.groups: dict[bytes, Group] = {}
        self.last_group = 0  # number of the youngest group ever
        self.producers = Producers(journal, number)
        self.schedule: Schedule | None = None
        self.trimmed = False
        self.altered: set[Chunk] = set()

    # --- adding -----------------------------------------------------------------------------------------------------

    def next_id(self, now_ms: int) -> int:
        """The ID of an entry added at this time; above `ID_MAX` when there is none left."""
        entry_id = now_ms << SEQ_BITS
        return entry_id if entry_id > self.last_id else self.last_id + 1

    def append(self, entry_id: int, entry: bytes) -> None:
        """Add an entry at the end.

        Args:
            entry_id: above `last_id`.
            entry: encoded, see `airwave.streams.chunk`.
        """
        tail = self.tail
        tail.members.append(entry_id)
        tail.items.append(entry)
        tail.size += len(entry)
        self.last_id = entry_id
        self.added += 1
        self.length += 1
        if self.clean:
            self.clean = False
            self.journal.touch(self)
        if len(tail.members) >= ENTRIES_MAX or tail.size >= BYTES_MAX:
            self.seal()

    def extend(self, members: range, entries: list[bytes]) -> None:
        """Add several entries at the end, as `append` does.

        Args:
            members: their IDs.
        """
        if self.tail.size + sum(map(len, entries)) >= BYTES_MAX:  # where it is to be sealed is seen entry by entry
            for entry_id, entry in zip(members, entries, strict=True):
                self.append(entry_id, entry)
            return
        self.last_id = members[-1]
        self.added += len(entries)
        self.length += len(entries)
        if self.clean:
            self.clean = False
            self.journal.touch(self)
        while entries:
            tail = self.tail
            room = ENTRIES_MAX - len(tail.members)
            part = entries[:room]
            tail.members += members[:room]
            tail.items += part
            tail.size += sum(map(len, part))
            if len(part) == room:
                self.seal()
            members, entries = members[room:], entries[room:]

    def seal(self) -> None:
        """Close the open chunk, which is not empty."""
        chunk = self.tail.sealed()
        self.tail = OpenChunk()
        self.sealed.append(chunk)
        self.firsts.append(chunk.first)
        self.journal.sealed(self, chunk)

    def changed(self) -> None:
        """Its metadata changed: have the journal look at it."""
        if self.clean:
            self.clean = False
            self.journal.touch(self)

    # --- reading ----------------------------------------------------------------------------------------------------

    @property
    def first_id(self) -> int:
        """The ID of the first live entry; 0 when there is none."""
        if self.sealed:
            return self.sealed[0].first
        return self.tail.members[0] if self.tail.members else 0

    def spans(self, lower: int, upper: int = ID_MAX, limit: int | None = None) -> list[Span]:
        """The first live entries in a range of IDs.

        Args:
            lower, upper: the first and last ID inside.
            limit: at most so many entries; None: all.

        Raises:
            Cold: see `Journal.fetch`.
        """
        # Every read comes here: written for speed, it asks for chunks one by one, and only if one is not in memory
        # finds out first which it will need.
        sealed, tail = self.sealed, self.tail
        members = tail.members
        spans: list[Span] = []
        left = limit if limit is not None else self.length
        place = len(sealed)
        if place and not (members and lower >= members[0]):
            place = max(0, bisect_right(self.firsts, lower) - 1)
        while place < len(sealed) and left > 0:
            chunk = sealed[place]
            place += 1
            if chunk.first > upper:
                return spans
            if chunk.last < lower:
                continue
            if chunk.blob is None:
                self.load(self._candidates(lower, upper, limit))
                return self.spans(lower, upper, limit)
            chunk.used = True
            start = chunk.start if chunk.first >= lower else chunk.position(lower)
            stop = chunk.count if chunk.last <= upper else chunk.position(upper + 1)
            left = _take(spans, chunk, chunk.runs(start, stop) if chunk.dead else ((start, stop),), left)
        if left > 0 and members:
            start = 0 if members[0] >= lower else tail.position(lower)
            stop = len(members) if members[-1] <= upper else tail.position(upper + 1)
            _take(spans, tail, ((start, stop),), left)
        return spans

    def spans_back(self, lower: int, upper: int = ID_MAX, limit: int | None = None) -> list[Span]:
        """The last live entries in a range of IDs, last span first; within a span the order stays ascending."""
        spans: list[Span] = []
        left = limit if limit is not None else self.length
        for chunk in self._candidates_back(lower, upper, limit):
            for start, stop in reversed([*chunk.runs(chunk.position(lower), chunk.position(upper + 1))]):
                if stop - start >= left:
                    if left > 0:
                        spans.append((chunk, stop - left, stop))
                    return spans
                spans.append((chunk, start, stop))
                left -= stop - start
        return spans

    def _candidates(self, lower: int, upper: int, limit: int | None) -> list[Chunk]:
        """The sealed chunks where such entries may be."""
        sealed = self.sealed
        place = max(0, bisect_right(self.firsts, lower) - 1)
        found: list[Chunk] = []
        left = limit if limit is not None else self.length
        while place < len(sealed) and left > 0:
            chunk = sealed[place]
            place += 1
            if chunk.first > upper:
                break
            if chunk.last < lower:
                continue
            found.append(chunk)
            if chunk.first >= lower:
                left -= chunk.live
        return found

    def _candidates_back(self, lower: int, upper: int, limit: int | None) -> list[Chunk | OpenChunk]:
        sealed = self.sealed
        found: list[Chunk | OpenChunk] = []
        left = limit if limit is not None else self.length
        if self.tail.members and upper >= self.tail.members[0]:
            found.append(self.tail)
            if upper >= self.tail.members[-1]:
                left -= self.tail.live
        place = bisect_right(self.firsts, upper) - 1
        while place >= 0 and left > 0:
            chunk = sealed[place]
            place -= 1
            if chunk.last < lower:
                break
            if chunk.first > upper:
                continue
            found.append(chunk)
            if chunk.last <= upper:
                left -= chunk.live
        self.load(found)
        return found

    def load(self, chunks: "Iterable[Chunk | OpenChunk]") -> None:
        """Have the entries of chunks in memory; see `Journal.fetch`."""
        missing = []
        for chunk in chunks:
            if type(chunk) is Chunk:
                chunk.used = True
                if chunk.blob is None:
                    missing.append(chunk)
        if missing:
            self.journal.fetch(missing)

    def entry(self, entry_id: int) -> bytes | None:
        """One live entry, encoded; None when there is none of this ID."""
        spans = self.spans(entry_id, entry_id, 1)
        return spans[0][0].entries(spans[0][1], spans[0][2]) if spans else None

    def has(self, entry_id: int) -> bool:
        """Whether there is a live entry of this ID."""
        return bool(self.spans(entry_id, entry_id, 1))

    def entries(self, wanted: Sequence[int]) -> list[bytes | None]:
        """Live entries by ID, encoded; None for those that there are not."""
        self.load_of(wanted)
        return [self.entry(entry_id) for entry_id in wanted]

    # --- deleting ---------------------------------------------------------------------------------------------------
    # Trimming is in `airwave.streams.trimming`.

    def chunk_of(self, entry_id: int) -> "Chunk | OpenChunk | None":
        """The chunk in which an entry of this ID would be."""
        if self.tail.members and entry_id >= self.tail.members[0]:
            return self.tail
        place = bisect_right(self.firsts, entry_id) - 1
        return self.sealed[place] if place >= 0 else None

    def load_of(self, wanted: Sequence[int]) -> None:
        """Have in memory what `delete` needs; see `Journal.fetch`."""
        if self.sealed:
            self.load({chunk for chunk in map(self.chunk_of, wanted) if chunk is not None})

    def delete(self, wanted: Sequence[int], *, by_trimming: bool = False) -> list[bool]:
        """Delete entries by ID.

        Args:
            by_trimming: they are trimmed away, which leaves `max_deleted` alone.

        Returns:
            For each whether there was one.

        Raises:
            Cold: see `Journal.fetch`.
        """
        self.load_of(wanted)
        deleted = [self._kill(entry_id) for entry_id in wanted]
        gone = [entry_id for entry_id, done in zip(wanted, deleted, strict=True) if done]
        if gone:
            if by_trimming:
                self.lost_id = max(self.lost_id, *gone)
            else:
                self.max_deleted = max(self.max_deleted, *gone)
            self.changed()
            if self.journal.durable:
                self.journal.record((effects.DELETED, self.number, entry_ids.pack(gone)))
        return deleted

    def _kill(self, entry_id: int) -> bool:
        chunk = self.chunk_of(entry_id)
        if chunk is None or not chunk.kill(entry_id):
            return False
        self.length -= 1
        if type(chunk) is Chunk:
            self.altered.add(chunk)
            if not chunk.live:
                self.drop([chunk])
        return True

    def drop(self, chunks: list[Chunk]) -> None:
        """Forget sealed chunks without live entries; they stand together."""
        start = bisect_right(self.firsts, chunks[0].last) - 1
        stop = start + len(chunks)
        assert self.sealed[start:stop] == chunks
        # At once: one by one, 100,000 chunks would take seconds.
        del self.sealed[start:stop], self.firsts[start:stop]
        self.altered.difference_update(chunks)
        self.journal.dropped(self, chunks)

    # --- consumer groups --------------------------------------------------------------------------------------------

    def add_group(self, name: bytes, last_id: int, entries_read: int) -> Group:
        """A consumer group that is new."""
        self.last_group += 1
        group = Group(self.journal, self.number, self.last_group, name, last_id, entries_read)
        self.groups[name] = group
        group.note_position()
        return group

    def remove_group(self, group: Group) -> None:
        """Remove a consumer group with all that is pending in it."""
        del self.groups[group.name]
        if self.journal.durable:
            self.journal.record((effects.UNGROUP, self.number, group.number))

    # --- what is added later ----------------------------------------------------------------------------------------

    def add_later(self, item: Scheduled) -> None:
        """Schedule an entry; its token is not in use."""
        if self.schedule is None:
            self.schedule = Schedule(self.journal, self.number)
        self.schedule.add(item)

    def add_now(self, item: Scheduled, now_ms: int) -> bool:
        """Add an entry whose time has come, and remember its token. False: there is no ID left for it."""
        entry_id = self.next_id(now_ms)
        if entry_id > ID_MAX:
            return False
        self.append(entry_id, item.entry(entry_id))
        if item.named:
            self.producers.remember(PRODUCER, item.token, entry_id, now_ms)
        return True

    # --- all of it --------------------------------------------------------------------------------------------------

    def chunks(self) -> "Iterator[Chunk | OpenChunk]":
        """Its chunks, oldest first; the last is the open one."""
        yield from self.sealed
        yield self.tail

    @property
    def memory_bytes(self) -> int:
        """See `Value`: entries in memory, what is needed to find those that are not, groups and what is pending."""
        entries = sum([chunk.size for chunk in self.sealed if chunk.blob is not None])
        tail = self.tail.size + 100 * self.tail.live
        groups = sum([group.memory_bytes for group in self.groups.values()])
        later = self.schedule.memory_bytes if self.schedule is not None else 0
        kept = self.producers.memory_bytes + later + len(self.key) + 700
        return entries + tail + 150 * len(self.sealed) + groups + kept
