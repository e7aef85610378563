"""Trimming: which of the oldest entries go when a stream is to have a length, or to begin at an ID."""

from dataclasses import dataclass
from itertools import islice

from airwave.streams.ids import ID_MAX
from airwave.streams.references import ACKED, DELREF, KEEPREF, forget, is_referenced, unread_after
from airwave.streams.stream import Stream


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
            stream.load_edge(None if self.max_len is None else excess, self.min_id)

    def run(self, stream: Stream) -> int:
        """Remove entries; returns how many.

        Raises:
            Cold: see `Journal.fetch`; nothing was changed. Never after `prepare`.
        """
        if self.policy != KEEPREF:
            return self._run_by_entry(stream)
        if self.max_len is not None:
            return stream.trim_to_length(self.max_len, exact=self.exact, limit=self.limit)
        return stream.trim_before(self.min_id, exact=self.exact, limit=self.limit)

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
