"""Numbered databases of keys, expiry, and who wants to know that a key changed.

A *space* is a set of keys with a number of its own; a numbered database shows one space. So SWAPDB exchanges two
numbers, and FLUSHDB shows a new, empty space: both cost nothing on disk, whatever the spaces hold.

Three kinds of parties want to know of changes: clients that WATCH a key, clients that are blocked on one, and
subscribers of keyspace notifications. `Database.alert` says whether there is any, so that a change that interests
nobody costs one test.
"""

import heapq
from collections.abc import Callable, Iterable
from typing import Any, Protocol

from airwave import journal as effects
from airwave.errors import WRONG_TYPE
from airwave.journal import Journal
from airwave.streams.stream import Stream
from airwave.value import String, Value

# Classes of keyspace notifications, by their letters in `notify-keyspace-events`.
GENERIC, STRING, STREAM, EXPIRED, NEW_KEY = "g", "$", "t", "x", "n"

_STALE_MIN = 1000  # outdated items that the heap of expiry times may always have


class Watcher(Protocol):
    """Somebody who WATCHes keys."""

    watch_broken: bool


class Database:
    """A numbered database.

    Attributes:
        index: its number.
        space: the number of the space it shows.
        values: by key; look-ups go through `find` or `look`, which know of expiry.
        expiring: how many of them have an expiry time.
        watchers, waiters: who watches, or is blocked on, a key; in the order in which they came.
        alert: whether anybody wants to know of changes.
    """

    def __init__(self, keyspace: "Keyspace", index: int) -> None:
        self._keyspace = keyspace
        self.index = index
        self.space = index
        self.values: dict[bytes, Value] = {}
        self.expiring = 0
        self.watchers: dict[bytes, dict[Watcher, None]] = {}
        self.waiters: dict[bytes, dict[Any, None]] = {}
        self.alert = False

    # --- finding ----------------------------------------------------------------------------------------------------

    def find(self, key: bytes) -> Value | None:
        """The value of a key, for a command that changes it."""
        value = self.values.get(key)
        if value is None:
            return None
        keyspace = self._keyspace
        if value.expires_ms and value.expires_ms <= keyspace.now_ms():
            self.expire(value)
            return None
        value.used_s = keyspace.now_s
        return value

    def look(self, key: bytes) -> Value | None:
        """The value of a key, for a command that reads it: hits and misses are counted."""
        value = self.find(key)
        if value is None:
            self._keyspace.misses += 1
        else:
            self._keyspace.hits += 1
        return value

    def stream(self, key: bytes) -> Stream | None:
        """The stream of a key, for a command that changes it.

        Raises:
            CommandError: WRONGTYPE.
        """
        value = self.find(key)
        if value is not None and type(value) is not Stream:
            raise WRONG_TYPE
        return value

    def look_stream(self, key: bytes) -> Stream | None:
        """The stream of a key, for a command that reads it; otherwise as `stream`."""
        value = self.look(key)
        if value is not None and type(value) is not Stream:
            raise WRONG_TYPE
        return value

    # --- changing ---------------------------------------------------------------------------------------------------
    # These tell the journal. Telling clients is the commands' part: `changed`, with the event's name.

    def create_stream(self, key: bytes) -> Stream:
        """A new, empty stream; the key is not there."""
        keyspace = self._keyspace
        stream = Stream(keyspace.next_number(), keyspace.journal)
        self.insert(key, stream)
        return stream

    def create_string(self, key: bytes, data: bytes) -> String:
        """A new string; the key is not there."""
        keyspace = self._keyspace
        value = String(keyspace.next_number(), keyspace.journal, data)
        self.insert(key, value)
        keyspace.journal.record((effects.STRING, value.number, data))
        return value

    def insert(self, key: bytes, value: Value) -> None:
        """Put a new value at a key that is not there."""
        self.adopt(key, value)
        self._keyspace.journal.record((effects.CREATE, value.number, self.space, key, value.kind))
        if self.alert:
            self._keyspace.notify(NEW_KEY, b"new", key, self.index)

    def adopt(self, key: bytes, value: Value) -> None:
        """Put a value that the journal knows at a key that is not there."""
        value.key = key
        value.space = self.space
        value.used_s = self._keyspace.now_s
        self.values[key] = value
        if value.expires_ms:
            self.expiring += 1
            self._keyspace.expect(value)

    def remove(self, value: Value) -> None:
        """Take a value away for good."""
        del self.values[value.key]
        self.expiring -= bool(value.expires_ms)
        self._keyspace.journal.record((effects.GONE, value.number))

    def place(self, value: Value, target: "Database", key: bytes) -> None:
        """Give a value another key, here or in another database, where the key is not there."""
        del self.values[value.key]
        self.expiring -= bool(value.expires_ms)
        target.adopt(key, value)
        self._keyspace.journal.record((effects.PLACE, value.number, target.space, key))

    def set_expiry(self, value: Value, at_ms: int) -> None:
        """Let a value be gone at this Unix time; 0: never."""
        if value.expires_ms == at_ms:
            return
        self.expiring += bool(at_ms) - bool(value.expires_ms)
        value.expires_ms = at_ms
        self._keyspace.journal.record((effects.EXPIRE, value.number, at_ms))
        if at_ms:
            self._keyspace.expect(value)

    def expire(self, value: Value) -> None:
        """The time of a value is over: it is removed, and everybody told."""
        self.remove(value)
        self._keyspace.expired += 1
        self.changed(value.key, EXPIRED, b"expired", arrived=True)

    def delete(self, key: bytes) -> bool:
        """DEL: remove a key and tell everybody; False when it is not there."""
        value = self.find(key)
        if value is None:
            return False
        self.remove(value)
        self.changed(key, GENERIC, b"del", arrived=True)
        return True

    # --- telling ----------------------------------------------------------------------------------------------------

    def changed(self, key: bytes, event_class: str, event: bytes, *, arrived: bool = False) -> None:
        """A key has changed.

        Args:
            event_class, event: for keyspace notifications.
            arrived: those who are blocked on it should look: it has more, came to be, or went away.
        """
        if not self.alert:
            return
        self.touched(key, arrived=arrived)
        self._keyspace.notify(event_class, event, key, self.index)

    def touched(self, key: bytes, *, arrived: bool = False) -> None:
        """As `changed`, without a notification."""
        if self.watchers and key in self.watchers:
            for watcher in self.watchers[key]:
                watcher.watch_broken = True
        if arrived and key in self.waiters:
            self._keyspace.ready[self, key] = None

    def all_touched(self, other: "Iterable[bytes]" = ()) -> None:
        """Every key that is here, or among `other`, has changed (FLUSHDB, SWAPDB)."""
        others = set(other)
        for key in [*self.watchers]:
            if key in self.values or key in others:
                self.touched(key)
        for key in self.waiters:
            self._keyspace.ready[self, key] = None

    def watch(self, key: bytes, watcher: Watcher) -> None:
        """WATCH."""
        self.watchers.setdefault(key, {})[watcher] = None
        self.alert = True

    def unwatch(self, key: bytes, watcher: Watcher) -> None:
        """Forget a watcher of a key."""
        self._forget(self.watchers, key, watcher)

    def wait(self, key: bytes, waiter: object) -> None:
        """Somebody blocks on a key."""
        self.waiters.setdefault(key, {})[waiter] = None
        self.alert = True

    def stop_waiting(self, key: bytes, waiter: object) -> None:
        """Somebody does no longer block on a key."""
        self._forget(self.waiters, key, waiter)

    def _forget(self, table: dict[bytes, dict[Any, None]], key: bytes, who: object) -> None:
        parties = table.get(key)
        if parties is not None:
            parties.pop(who, None)
            if not parties:
                del table[key]
        self.look_around()

    def look_around(self) -> None:
        """Find out whether anybody wants to know of changes."""
        self.alert = bool(self.watchers or self.waiters or self._keyspace.notifies)


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
        hits, misses, expired: for INFO.
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
        self._expected: list[tuple[int, int, Value]] = []  # a heap: expiry time, number, value; may be outdated
        self.ready: dict[tuple[Database, bytes], None] = {}
        self.hits = self.misses = self.expired = 0

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
