"""A numbered database: finding and changing its keys, and telling who wants to know.

Three kinds of parties want to know of changes: clients that WATCH a key, clients that are blocked on one, and
subscribers of keyspace notifications. `Database.alert` says whether there is any, so that a change that interests
nobody costs one test.
"""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Protocol

from airwave import journal as effects
from airwave.errors import WRONG_TYPE
from airwave.keylist import KeyList
from airwave.streams.schedule import Scheduled
from airwave.streams.stream import Stream
from airwave.value import String, Value

if TYPE_CHECKING:
    from airwave.keyspace import Keyspace

# Classes of keyspace notifications, by their letters in `notify-keyspace-events`.
GENERIC, STRING, STREAM, EXPIRED, NEW_KEY, KEY_MISS = "g", "$", "t", "x", "n", "m"


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
        self._key_list = KeyList()

    # --- finding ----------------------------------------------------------------------------------------------------

    def find(self, key: bytes) -> Value | None:
        """The value of a key, for a command that changes it."""
        value = self.values.get(key)
        if value is None:
            return None
        keyspace = self._keyspace
        if value.expires_ms and value.expires_ms <= keyspace.now_ms():
            if not keyspace.frozen:
                self.expire(value)
            return None
        value.used_s = keyspace.now_s
        return value

    def peek(self, key: bytes) -> Value | None:
        """The value of a key, for a command that does not count as a use of it (SCAN, OBJECT)."""
        value = self.values.get(key)
        if value is not None and value.expires_ms and value.expires_ms <= self._keyspace.now_ms():
            self.expire(value)
            return None
        return value

    def look(self, key: bytes) -> Value | None:
        """The value of a key, for a command that reads it: hits and misses are counted."""
        value = self.find(key)
        if value is None:
            self._miss(key)
        else:
            self._keyspace.hits += 1
        return value

    def inspect(self, key: bytes) -> Value | None:
        """The value of a key, for a command that reads it without using it (EXISTS, TYPE, TTL)."""
        value = self.peek(key)
        if value is None:
            self._miss(key)
        else:
            self._keyspace.hits += 1
        return value

    def _miss(self, key: bytes) -> None:
        self._keyspace.misses += 1
        if self.alert:
            self._keyspace.notify(KEY_MISS, b"keymiss", key, self.index)

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

    def string(self, key: bytes) -> String | None:
        """The string of a key, for a command that changes it.

        Raises:
            CommandError: WRONGTYPE.
        """
        value = self.find(key)
        if value is not None and type(value) is not String:
            raise WRONG_TYPE
        return value

    def look_string(self, key: bytes) -> String | None:
        """The string of a key, for a command that reads it; otherwise as `string`."""
        value = self.look(key)
        if value is not None and type(value) is not String:
            raise WRONG_TYPE
        return value

    def key_list(self, *, extended: bool) -> KeyList:
        """Its keys in an order that SCAN can follow; with those that came since a scan began only if `extended`."""
        if extended:
            self._key_list.extend(self.values)
        else:
            self._key_list.follow(self.values)
        return self._key_list

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
        return self._put_string(key, data, new=True)

    def set_string(self, key: bytes, data: bytes) -> String:
        """A string at a key, whatever was there; its expiry time, if it had one, stays."""
        value = self.find(key)
        if type(value) is String:
            self.change_string(value, data)
            return value
        if value is None:
            return self._put_string(key, data, new=True)
        self.remove(value)
        string = self._put_string(key, data, new=False)
        self.set_expiry(string, value.expires_ms)
        return string

    def change_string(self, value: String, data: bytes) -> None:
        """Give a string another content."""
        value.data = data
        value.appended = False
        self._keyspace.journal.record((effects.STRING, value.number, data))

    def _put_string(self, key: bytes, data: bytes, *, new: bool) -> String:
        keyspace = self._keyspace
        value = String(keyspace.next_number(), keyspace.journal, data)
        self.insert(key, value, new=new)
        keyspace.journal.record((effects.STRING, value.number, data))
        return value

    def add_scheduled(self, stream: Stream, item: Scheduled, now_ms: int) -> bool:
        """Add to a stream of its own what waits no longer, and tell everybody; False: there is no ID left for it."""
        if not stream.add_now(item, now_ms):
            return False
        stream.used_s = self._keyspace.now_s
        self.changed(stream.key, STREAM, b"xadd", arrived=True)
        return True

    def insert(self, key: bytes, value: Value, *, new: bool = True) -> None:
        """Put a new value at a key that is not there.

        Args:
            new: the key is new as well: False when the value replaces another one.
        """
        self.adopt(key, value)
        self._keyspace.journal.record((effects.CREATE, value.number, self.space, key, value.kind))
        if new and self.alert:
            self._keyspace.notify(NEW_KEY, b"new", key, self.index)

    def adopt(self, key: bytes, value: Value) -> None:
        """Put a value that the journal knows at a key that is not there."""
        value.key = key
        value.space = self.space
        keyspace = self._keyspace
        value.used_s = keyspace.now_s
        keyspace.last_order += 1
        value.order = keyspace.last_order
        self.values[key] = value
        if value.expires_ms:
            self.expiring += 1
            keyspace.expect(value)

    def remove(self, value: Value) -> None:
        """Take a value away for good."""
        del self.values[value.key]
        if type(value) is Stream and value.schedule is not None:
            self._keyspace.agenda.forget(value)
        self.expiring -= bool(value.expires_ms)
        self._keyspace.journal.record((effects.GONE, value.number))

    def place(self, value: Value, target: "Database", key: bytes) -> None:
        """Give a value another key, here or in another database, where the key is not there."""
        del self.values[value.key]
        self.expiring -= bool(value.expires_ms)
        target.adopt(key, value)
        self._keyspace.journal.record((effects.PLACE, value.number, target.space, key))
        if target.alert:
            self._keyspace.notify(NEW_KEY, b"new", key, target.index)

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
