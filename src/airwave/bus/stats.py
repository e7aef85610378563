"""What workers have done so far, and all of a bus."""

from collections.abc import Iterable
from dataclasses import dataclass, fields

from airwave.bus.events import EventStats


@dataclass(slots=True)
class Stats:
    """Counters of a worker, or of several.

    Attributes:
        running: handlers at work now.
        waiting: failed entries of this process that wait for their next attempt now.
        handled: entries that were handled well.
        failed: handler calls that ended with an error or took too long.
        dead: entries that went to the dead letters.
        claimed: entries taken over from consumers that died.
        released: entries given back because the worker stopped.
        skipped: entries for another group: it retried them from its dead letters.
        deleted: entries deleted from the stream before they were handled.
        delayed: delayed entries moved to the stream when they were due (plain Redis; Airwave does it by itself).
    """

    running: int = 0
    waiting: int = 0
    handled: int = 0
    failed: int = 0
    dead: int = 0
    claimed: int = 0
    released: int = 0
    skipped: int = 0
    deleted: int = 0
    delayed: int = 0


def total(all_stats: Iterable[Stats]) -> Stats:
    """The sum of several."""
    added = Stats()
    for stats in all_stats:
        for field in fields(Stats):
            setattr(added, field.name, getattr(added, field.name) + getattr(stats, field.name))
    return added


@dataclass(frozen=True, slots=True)
class BusStats:
    """What a bus has done since it was made, over all its starts.

    Attributes:
        events: of `on` and `reply` handlers.
        workers: the sum of all workers.
    """

    events: EventStats
    workers: Stats
