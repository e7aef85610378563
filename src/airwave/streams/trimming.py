"""Trimming: which of the oldest entries go when a stream is to have a length, or to begin at an ID."""

from dataclasses import dataclass
from itertools import islice

from airwave.streams.chunk import Chunk, OpenChunk
from airwave.streams.ids import ID_MAX
from airwave.streams.references import ACKED, DELREF, KEEPREF, forget, is_referenced, unread_after
from airwave.streams.stream import Stream


def trim_to_length(stream: Stream, length: int, *, exact: bool = True, limit: int = 0) -> int:
    """Drop the oldest entries until so many are left.

    Args:
        exact: also within a chunk; False: whole chunks only, so that a few more may stay.
        limit: with `exact` False, at most so many entries are dropped; 0: any number.

    Returns:
        How many were dropped.

    Raises:
        Cold: see `Journal.fetch`; nothing was changed.
    """
    excess = stream.length - length
    if excess <= 0:
        return 0
    if exact and stream.sealed and excess < stream.sealed[0].live:  # the common case, a few at a time
        head = stream.sealed[0]
        head.used = True
        if head.blob is None:
            stream.load((head,))
        stream.lost_id = head.first if excess == 1 else head.nth(excess - 1)
        head.behead(excess)
        stream.length -= excess
        stream.altered.add(head)
        return _trimmed(stream, excess)
    return _trim(stream, excess, 0, exact=exact, limit=limit)


def trim_before(stream: Stream, min_id: int, *, exact: bool = True, limit: int = 0) -> int:
    """Drop the entries below an ID; otherwise as `trim_to_length`."""
    if not stream.length or stream.first_id >= min_id:
        return 0
    return _trim(stream, None, min_id, exact=exact, limit=limit)


def load_edge(stream: Stream, excess: int | None, min_id: int) -> None:
    """Have in memory what exact trimming needs: the chunk of which a part stays.

    Args:
        excess: how many entries are to go; None: all below `min_id`.

    Raises:
        Cold: see `Journal.fetch`.
    """
    whole, removed = _whole_chunks(stream, excess, min_id, 0)
    if whole < len(stream.sealed) and removed != excess:
        stream.load((stream.sealed[whole],))


def _whole_chunks(stream: Stream, excess: int | None, min_id: int, limit: int) -> tuple[int, int]:
    """How many chunks go as a whole, and how many entries are in them."""
    whole = removed = 0
    for chunk in stream.sealed:
        live = chunk.live
        over = removed + live > excess if excess is not None else chunk.last >= min_id
        if over or (limit and removed + live > limit):
            break
        whole += 1
        removed += live
    return whole, removed


def _trim(stream: Stream, excess: int | None, min_id: int, *, exact: bool, limit: int) -> int:
    """Drop whole chunks from the head, then a part of the next: so many entries, or all below an ID."""
    whole, removed = _whole_chunks(stream, excess, min_id, limit)
    rest: Chunk | OpenChunk = stream.sealed[whole] if whole < len(stream.sealed) else stream.tail
    part = 0
    if exact and removed != excess:
        stream.load((rest,))
        if excess is not None:
            part = min(excess - removed, rest.live)
        else:
            part = sum([stop - start for start, stop in rest.runs(0, rest.position(min_id))])
    elif not exact and rest is stream.tail and rest.live:
        # An open chunk is a chunk: it goes if all of it may go.
        live = rest.live
        may = removed + live <= excess if excess is not None else stream.tail.members[-1] < min_id
        part = live if may and not (limit and removed + live > limit) else 0
    if whole:
        stream.lost_id = stream.sealed[whole - 1].last
        stream.drop(stream.sealed[:whole])
    if part:
        stream.lost_id = rest.nth(part - 1)
        rest.behead(part)
        if type(rest) is Chunk:
            stream.altered.add(rest)
            if not rest.live:
                stream.drop([rest])
    stream.length -= removed + part
    return _trimmed(stream, removed + part)


def _trimmed(stream: Stream, count: int) -> int:
    if count:
        stream.trimmed = True
        stream.changed()
    return count


@dataclass(frozen=True, slots=True)
class Trim:
    """What MAXLEN or MINID ask for.

    Attributes:
        max_len: keep at most so many entries; None: MINID decides.
        min_id: remove what is below this ID.
        exact: not only whole chunks. With DELREF and ACKED always so, as in Redis.
        limit: remove at most so many; 0: any number.
        policy: see `airwave.streams.references`.
    """

    max_len: int | None
    min_id: int = 0
    exact: bool = True
    limit: int = 0
    policy: bytes = KEEPREF

    def prepare(self, stream: Stream, added: int = 1) -> None:
        """Bring what `run` needs into memory, before so many entries are added.

        Raises:
            Cold: see `Journal.fetch`.
        """
        if not stream.sealed:
            return
        excess = self._excess(stream, added)
        if self.policy != KEEPREF:
            if excess:
                stream.spans(0, self._upper(stream), self._enough(stream, excess))
        elif self.exact and excess:
            load_edge(stream, None if self.max_len is None else excess, self.min_id)

    def run(self, stream: Stream) -> int:
        """Remove entries; returns how many.

        Raises:
            Cold: see `Journal.fetch`; nothing was changed. Never after `prepare`.
        """
        if self.policy != KEEPREF:
            return self._run_by_entry(stream)
        if self.max_len is not None:
            return trim_to_length(stream, self.max_len, exact=self.exact, limit=self.limit)
        return trim_before(stream, self.min_id, exact=self.exact, limit=self.limit)

    def _excess(self, stream: Stream, added: int = 0) -> int:
        """How many entries may go at most."""
        length = stream.length + added
        excess = max(0, length - self.max_len) if self.max_len is not None else length
        return min(excess, self.limit) if self.limit else excess

    def _upper(self, stream: Stream) -> int:
        """The last ID that may go."""
        upper = ID_MAX if self.max_len is not None else self.min_id - 1
        if self.policy == ACKED and (unread := unread_after(stream)) is not None:
            upper = min(upper, unread)
        return upper

    def _enough(self, stream: Stream, excess: int) -> int:
        """Among so many of the oldest entries are those to go: all, but for what is pending somewhere."""
        if self.policy == DELREF:
            return excess
        return excess + sum([len(group.pending) for group in stream.groups.values()])

    def _run_by_entry(self, stream: Stream) -> int:
        excess, upper = self._excess(stream), self._upper(stream)
        if not excess or upper < 0:
            return 0
        spans = stream.spans(0, upper, self._enough(stream, excess))
        found = (entry_id for chunk, start, stop in spans for entry_id in chunk.ids(start, stop))
        if self.policy == DELREF:
            going = list(islice(found, excess))
            forget(stream, going)
        else:
            going = list(islice((each for each in found if not is_referenced(stream, each)), excess))
        stream.delete(going, by_trimming=True)
        return len(going)
