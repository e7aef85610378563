"""Entries that failed and wait for their next attempt."""

from collections.abc import Iterable
from heapq import heappop, heappush

_Due = tuple[float, int, str]  # when, a number of its own, and the ID


class Retries:
    """What a worker waits for: IDs and when they are due, by a clock that only goes forward, in seconds.

    Args:
        size_max: more than that should not wait; the worker then takes no new entries.

    Attributes:
        far: those due later than the server could be told; the heartbeat tells it when it can.
    """

    def __init__(self, size_max: int) -> None:
        self.size_max = size_max
        self.far: set[str] = set()
        self._due: dict[str, _Due] = {}
        self._heap: list[_Due] = []  # has also those that were discarded, until they come up
        self._added = 0

    def __len__(self) -> int:
        return len(self._due)

    def __contains__(self, entry_id: str) -> bool:
        return entry_id in self._due

    @property
    def full(self) -> bool:
        """Whether so many wait that nothing new should be begun."""
        return len(self._due) >= self.size_max

    def add(self, entry_id: str, due_s: float, *, far: bool = False) -> None:
        """An entry is to be tried again then."""
        self._added += 1
        due = self._due[entry_id] = (due_s, self._added, entry_id)
        heappush(self._heap, due)
        if far:
            self.far.add(entry_id)
        if len(self._heap) > 2 * self.size_max + 100:
            self._heap = sorted(self._due.values())

    def discard(self, entry_id: str) -> None:
        """Nobody waits for it any more."""
        self._due.pop(entry_id, None)
        self.far.discard(entry_id)

    def next_due_s(self) -> float | None:
        """When the first is due; None: nothing waits."""
        heap = self._heap
        while heap and self._due.get(heap[0][2]) is not heap[0]:
            heappop(heap)
        return heap[0][0] if heap else None

    def due(self, now_s: float, count: int) -> list[str]:
        """Up to so many that are due, the longest due first. They stay until they are discarded."""
        found: list[_Due] = []
        while len(found) < count and (next_s := self.next_due_s()) is not None and next_s <= now_s:
            found.append(heappop(self._heap))
        for each in found:
            heappush(self._heap, each)
        return [entry_id for _, _, entry_id in found]

    def left_s(self, ids: Iterable[str], now_s: float) -> dict[str, float]:
        """For each of some that wait, in how many seconds it is due."""
        return {each: max(0.0, self._due[each][0] - now_s) for each in ids if each in self._due}
