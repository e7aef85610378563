"""All databases of keys, and expiry. A single database is in `airwave.database`.

A *space* is a set of keys with a number of its own; a numbered database shows one space. So SWAPDB exchanges two
numbers, and FLUSHDB shows a new, empty space: both cost nothing on disk, whatever the spaces hold.
"""

import heapq
from collections.abc import Callable, Iterable

from airwave import journal as effects
from airwave.database import GENERIC, STREAM, STRING, Database
from airwave.journal import Journal
from airwave.streams.schedule import Agenda
from airwave.streams.stream import Stream
from airwave.value import Value

__all__ = ["GENERIC", "STREAM", "STRING", "Database", "Keyspace"]

_SAMPLES = 100  # values with an expiry time that INFO looks at
_DUE_MAX = 200  # scheduled entries that are added at once, and their bytes: others have a turn before there are more
_DUE_BYTES_MAX = 1 << 20
_AGAIN_MS = 10_000  # until a stream is looked at again that has no ID left for what is due
_STALE_MIN = 1000  # outdated items that the heap of expiry times may always have


class Keyspace:
    """All databases.

    Args:
        journal: is told of every change.
        now_ms: gives Unix time in ms.
        publish: takes channel and message of a keyspace notification.
        databases: how many.

    Attributes:
        now_s: Unix time as of the last `cron`, for what needs no precision.
        ready: keys on which somebody is blocked who should look; the broker empties it.
        agenda: when scheduled entries of streams are due.
        hits, misses, expired: for INFO.
        frozen: nothing may change, because nothing can be written: keys whose time is over are hidden, not removed.
    """

    def __init__(
        self,
        journal: Journal,
        now_ms: Callable[[], int],
        publish: Callable[[bytes, bytes], object],
        databases: int = 16,
    ) -> None:
        self.journal = journal
        self.now_ms = now_ms
        self.now_s = now_ms() // 1000
        self._publish = publish
        self.notifies: frozenset[str] = frozenset()  # letters of `notify-keyspace-events`, `A` resolved
        self.databases = [Database(self, index) for index in range(databases)]
        self.last_space = databases - 1
        self.last_number = 0
        self.last_order = 0  # of values put at keys, see `Value.order`
        self._expected: list[tuple[int, int, Value]] = []  # a heap: expiry time, number, value; may be outdated
        self.ready: dict[tuple[Database, bytes], None] = {}
        self.agenda = Agenda()
        self.hits = self.misses = self.expired = 0
        self.frozen = False

    def next_number(self) -> int:
        """A number for a new value."""
        self.last_number += 1
        return self.last_number

    def set_notifies(self, letters: frozenset[str]) -> None:
        """Which keyspace notifications are sent."""
        self.notifies = letters
        for database in self.databases:
            database.look_around()

    def notify(self, event_class: str, event: bytes, key: bytes, index: int) -> None:
        """Publish a keyspace notification, if it is wanted."""
        notifies = self.notifies
        if event_class not in notifies:
            return
        if "K" in notifies:
            self._publish(b"__keyspace@%d__:%b" % (index, key), event)
        if "E" in notifies:
            self._publish(b"__keyevent@%d__:%b" % (index, event), key)

    # --- several keys -----------------------------------------------------------------------------------------------

    def swap(self, first: Database, second: Database) -> None:
        """SWAPDB."""
        if first is second:
            return
        first.all_touched(second.values)
        second.all_touched(first.values)
        first.values, second.values = second.values, first.values
        first.expiring, second.expiring = second.expiring, first.expiring
        first.space, second.space = second.space, first.space
        self._note_spaces()

    def flush(self, databases: Iterable[Database]) -> int:
        """FLUSHDB, FLUSHALL: returns how many keys were removed."""
        removed = 0
        for database in databases:
            database.all_touched()
            if database.values:
                removed += len(database.values)
                database.values = {}
                database.expiring = 0
                self.last_space += 1
                database.space = self.last_space
        if removed:
            self.agenda.forget_others([database.space for database in self.databases])
            self._note_spaces()
        return removed

    def _note_spaces(self) -> None:
        self.journal.record((effects.SPACES, [database.space for database in self.databases]))

    # --- expiry -----------------------------------------------------------------------------------------------------

    def expect(self, value: Value) -> None:
        """A value has an expiry time."""
        heapq.heappush(self._expected, (value.expires_ms, value.number, value))
        if len(self._expected) > 2 * sum([database.expiring for database in self.databases]) + _STALE_MIN:
            self._expected = [
                (value.expires_ms, value.number, value)
                for database in self.databases
                for value in database.values.values()
                if value.expires_ms
            ]
            heapq.heapify(self._expected)

    def mean_ttl_ms(self, database: Database) -> int:
        """For INFO: in how long a key is gone on average, judged by some of those that will be."""
        expected = self._expected
        now_ms = self.now_ms()
        left_ms = [
            at_ms - now_ms
            for at_ms, _, value in expected[:: len(expected) // _SAMPLES + 1]
            if value.expires_ms == at_ms and database.values.get(value.key) is value
        ]
        return max(0, sum(left_ms) // len(left_ms)) if left_ms else 0

    def cron(self, limit: int) -> None:
        """Remove at most so many keys whose time is over; `hz` times a second."""
        now_ms = self.now_ms()
        self.now_s = now_ms // 1000
        expected = self._expected
        if not expected or expected[0][0] > now_ms:
            return
        spaces = {database.space: database for database in self.databases}
        while expected and expected[0][0] <= now_ms and limit:
            at_ms, _, value = heapq.heappop(expected)
            database = spaces.get(value.space)
            if database is not None and value.expires_ms == at_ms and database.values.get(value.key) is value:
                database.expire(value)
                limit -= 1

    # --- what is scheduled ------------------------------------------------------------------------------------------

    def add_due(self) -> None:
        """Add to their streams the entries whose time has come, in the order of their times, up to a bound."""
        now_ms = self.now_ms()
        agenda = self.agenda
        coming = agenda.next()
        if coming is None or coming[0] > now_ms:
            return
        spaces = {database.space: database for database in self.databases}
        count, size = _DUE_MAX, _DUE_BYTES_MAX
        while coming is not None and coming[0] <= now_ms and count > 0 and size > 0:
            count -= 1
            size -= self._add_next(coming[1], spaces[coming[1].space], now_ms)
            coming = agenda.next()

    def _add_next(self, stream: Stream, database: Database, now_ms: int) -> int:
        """Add the first of the entries that are scheduled for a stream; returns its size in bytes."""
        if stream.expires_ms and stream.expires_ms <= now_ms:
            database.expire(stream)
            return 0
        schedule = stream.schedule
        item = schedule.next() if schedule is not None else None
        if schedule is None or item is None or item.due_ms > now_ms:
            self.agenda.note(stream)
            return 0
        if not database.add_scheduled(stream, item, now_ms):
            self.agenda.look_at(stream, now_ms + _AGAIN_MS)
            return 0
        schedule.remove(item)
        self.agenda.note(stream)
        return len(item.fields)
