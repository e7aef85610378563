"""What takes a look at everything: streams with their groups, and subscriptions.

A node may have a million keys. They are looked at a slice at a time, others have a turn between two slices, and what is
kept has a bound: of streams and of groups those with most to do.
"""

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass, field
from heapq import heappush, heappushpop, nlargest
from typing import Generic, NamedTuple, TypeVar

from airwave.broker import Broker
from airwave.pubsub import Topic
from airwave.streams.group import Group
from airwave.streams.ids import SEQ_BITS
from airwave.streams.position import lag
from airwave.streams.stream import Stream

SLICE = 200  # keys looked at before others have a turn; ten thousand streams with two groups each take 50 turns of 1 ms
_TIME_MS_MIN = 10**12  # IDs below it (2001-09-09) are numbers that somebody chose, and no times

T = TypeVar("T")


class Most(Generic[T]):
    """The few with the highest scores among many; of equal ones those that came first.

    Args:
        bound: how many are kept.

    Attributes:
        seen: how many there were.
    """

    def __init__(self, bound: int) -> None:
        self._bound = bound
        self._heap: list[tuple[tuple[int, int], int, T]] = []
        self.seen = 0

    def add(self, score: tuple[int, int], item: T) -> None:
        """One more."""
        self.seen += 1
        if len(self._heap) < self._bound:
            heappush(self._heap, (score, -self.seen, item))
        elif self._bound:
            heappushpop(self._heap, (score, -self.seen, item))

    @property
    def left_out(self) -> int:
        """How many are not kept."""
        return self.seen - len(self._heap)

    def kept(self) -> list[T]:
        """The highest first."""
        return [item for _, _, item in nlargest(self._bound, self._heap)]


class Place(NamedTuple):
    """A stream, and the number of the database where it was when it was looked at."""

    database: int
    stream: Stream


@dataclass(frozen=True, eq=False, slots=True)
class GroupPlace:
    """A consumer group of a stream.

    Attributes:
        lag: entries that it has not read; None: that cannot be known.
    """

    database: int
    stream: Stream
    group: Group
    lag: int | None


@dataclass(slots=True)
class Survey:
    """What there is.

    Attributes:
        lag, pending, entries: sums over all streams, also those that are left out.
        subscriptions: by kind: `channel`, `pattern`, `shard_channel`.
    """

    streams: Most[Place]
    groups: Most[GroupPlace]
    lag: int = 0
    pending: int = 0
    entries: int = 0
    subscriptions: dict[str, int] = field(default_factory=dict)

    def note(self, stream: Stream, database: int) -> None:
        """Look at a stream and its groups."""
        late = waiting = 0
        for group in stream.groups.values():
            behind, pending = lag(stream, group), len(group.pending)
            late += behind or 0
            waiting += pending
            self.groups.add(
                ((behind or 0) + pending, len(group.consumers)), GroupPlace(database, stream, group, behind)
            )
        self.lag += late
        self.pending += waiting
        self.entries += stream.length
        self.streams.add((late + waiting, stream.length), Place(database, stream))


def oldest_pending_s(group: Group, now_ms: int) -> float | None:
    """The age of the lowest ID that is pending; None: nothing is, or IDs are no times."""
    first = group.pending.first
    if first is None or first >> SEQ_BITS < _TIME_MS_MIN:
        return None
    return max(0, now_ms - (first >> SEQ_BITS)) / 1000


async def look(broker: Broker, streams_max: int) -> Survey:
    """Look at everything, a slice at a time; what changes meanwhile is seen before or after."""
    survey = Survey(Most(streams_max), Most(streams_max))
    for database in broker.keyspace.databases:
        if not database.values:
            continue
        for part in _slices(database.values.values()):
            for value in part:
                if type(value) is Stream:
                    survey.note(value, database.index)
            await asyncio.sleep(0)
    pubsub = broker.pubsub
    for kind, topics in (
        ("channel", pubsub.channels),
        ("pattern", pubsub.patterns),
        ("shard_channel", pubsub.shard_channels),
    ):
        survey.subscriptions[kind] = await _count(topics.values())
    return survey


async def _count(topics: Iterable[Topic]) -> int:
    total = 0
    for part in _slices(topics):
        total += sum(map(len, part))
        await asyncio.sleep(0)
    return total


def _slices(items: Iterable[T]) -> Iterable[list[T]]:
    """Parts of what there is now. The copy is one of references: 8 ms for a million."""
    present = list(items)
    return (present[start : start + SLICE] for start in range(0, len(present), SLICE))
