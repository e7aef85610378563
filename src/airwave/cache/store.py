"""What a cache holds, and what of it may still be served.

All times are seconds of one local clock that never goes back. Two times decide what may be served:

- `started_s` of an entry: when its load began. Whatever was invalidated before that, the loaded value knows it.
- `verified_s` of the store: when a PING was sent that has been answered on the subscribed connection. The answer comes
  behind all messages from before, so every invalidation that the server took until then has been applied here.

An entry is served while either is at most `stale_max_s` ago. So whatever happens to the connection, noticed or not, a
value that is served was overtaken by an invalidation at most `stale_max_s` ago. The rest is keeping entries and loads
honest:

    covered    the subscription is confirmed: entries and loads from before may have missed something and are dropped;
               from here on all is heard
    verified   a PING was answered
    apply      an invalidation came: its entries are dropped, and loads of theirs that are under way are not kept
    lost       the connection is gone: everything is dropped; what is loaded from now on counts by `started_s` alone
"""

import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Final

from airwave.cache.messages import Invalidation

NEVER_S = float("-inf")
FOREVER_S = float("inf")


class _Missing:
    """The type of `MISSING`."""


MISSING: Final = _Missing()
"""There is no value that may be served; None is a value."""


@dataclass(frozen=True)
class CacheStats:
    """What a cache did since it was made (in a forked child: since the fork).

    Attributes:
        hits: calls served from the cache.
        misses: all other calls; each of them started a load, or joined one.
        loads: how often a decorated function ran.
        joined: calls that waited for a load that was under way already.
        discarded: loaded values that were not kept, because they may have been overtaken while they were loaded.
        invalidations: messages applied, its own and those of others.
        evictions: entries that had to go because there were `maxsize` others used since.
        expirations: entries found older than their `ttl`.
        gaps: how often the connection was lost, so that messages may have been missed.
        undecodable: messages that meant nothing; each of them emptied the cache.
        connected: whether it is subscribed just now, as far as it knows.
        size: entries just now.
    """

    hits: int
    misses: int
    loads: int
    joined: int
    discarded: int
    invalidations: int
    evictions: int
    expirations: int
    gaps: int
    undecodable: int
    connected: bool
    size: int


class Load:
    """A value that is being loaded.

    Attributes:
        valid: nothing was heard since `started_s` that could have changed it.
    """

    __slots__ = ("key", "started_s", "tags", "valid")

    def __init__(self, key: str, tags: tuple[str, ...], started_s: float) -> None:
        self.key, self.tags, self.started_s = key, tags, started_s
        self.valid = True


class _Entry:
    __slots__ = ("expires_s", "started_s", "tags", "value")

    def __init__(self, value: Any, tags: tuple[str, ...], started_s: float, expires_s: float) -> None:
        self.value, self.tags, self.started_s, self.expires_s = value, tags, started_s, expires_s


class Store:
    """Entries by key, least recently used first. Thread-safe; nothing in it waits.

    Args:
        maxsize: entries; the least recently used goes first.
        stale_max_s: see the head of this file.
        clock: the time in seconds; never goes back.

    Attributes:
        lock: held by every method; whoever holds it sees several of them as one.
        misses, loads, joined: counted by whoever loads, see `CacheStats`.
    """

    def __init__(self, maxsize: int, stale_max_s: float, clock: Callable[[], float]) -> None:
        # Reentrant, because a value that is dropped may have a `__del__` that comes here.
        self.lock = threading.RLock()
        self.misses = self.loads = self.joined = 0
        self._maxsize, self._stale_max_s, self._clock = maxsize, stale_max_s, clock
        self._entries: OrderedDict[str, _Entry] = OrderedDict()
        self._tagged: dict[str, set[str]] = {}
        self._loading: dict[str, set[Load]] = {}
        self._verified_s = NEVER_S
        self._connected = self._closed = False
        self._hits = self._discarded = self._invalidations = 0
        self._evictions = self._expirations = self._gaps = self._undecodable = 0

    # --- values -----------------------------------------------------------------------------------------------------

    def find(self, key: str) -> Any:
        """The value, if there is one that may be served, or `MISSING`."""
        with self.lock:
            entry = self._entries.get(key)
            if entry is None:
                return MISSING
            now_s = self._clock()
            if now_s >= entry.expires_s:
                self._expirations += 1
                self._remove(key)
                return MISSING
            if not self._is_fresh(entry.started_s, now_s):
                return MISSING
            self._entries.move_to_end(key)
            self._hits += 1
            return entry.value

    def begin(self, key: str, tags: tuple[str, ...]) -> Load:
        """A load of this key begins; it must be ended by `end`."""
        with self.lock:
            self.loads += 1
            load = Load(key, tags, self._clock())
            self._loading.setdefault(key, set()).add(load)
            return load

    def may_join(self, load: Load) -> bool:
        """Whether a caller of this moment may have the value that a load will bring."""
        with self.lock:
            return load.valid and self._is_fresh(load.started_s, self._clock())

    def keep(self, load: Load, value: Any, ttl_s: float) -> None:
        """Keep what a load brought, unless it may have been overtaken meanwhile.

        Args:
            ttl_s: for how long after its load began.
        """
        with self.lock:
            if not load.valid:
                self._discarded += 1
                return
            other = self._entries.get(load.key)
            expires_s = load.started_s + ttl_s
            if self._closed or expires_s <= self._clock() or (other and other.started_s > load.started_s):
                return
            self._remove(load.key)
            self._entries[load.key] = _Entry(value, load.tags, load.started_s, expires_s)
            for tag in load.tags:
                self._tagged.setdefault(tag, set()).add(load.key)
            if len(self._entries) > self._maxsize:
                self._evictions += 1
                self._remove(next(iter(self._entries)))

    def end(self, load: Load) -> None:
        """A load is over, well or not; what it still brings is not kept."""
        with self.lock:
            load.valid = False  # nothing can be heard of it any more
            loads = self._loading.get(load.key, set())
            loads.discard(load)
            if not loads:
                self._loading.pop(load.key, None)

    # --- what is heard ----------------------------------------------------------------------------------------------

    def apply(self, invalidation: Invalidation) -> None:
        """Drop what an invalidation names. By prefix: looks at every key."""
        with self.lock:
            self._invalidations += 1
            if invalidation.everything:
                self._drop_all()
                return
            for key in invalidation.keys:
                self._drop(key)
            if prefixes := invalidation.prefixes:
                for key in [key for key in self._entries if key.startswith(prefixes)]:
                    self._drop(key)
                for key in [key for key in self._loading if key.startswith(prefixes)]:
                    self._drop(key)
            for tag in invalidation.tags:
                for key in tuple(self._tagged.get(tag, ())):
                    self._drop(key)
                for loads in self._loading.values():
                    _spoil(load for load in loads if tag in load.tags)

    def apply_undecodable(self) -> None:
        """Somebody said something that nobody understands: it may be about anything."""
        with self.lock:
            self._undecodable += 1
            self._drop_all()

    def covered(self, asked_s: float) -> None:
        """The subscription that was asked for at this time is confirmed."""
        with self.lock:
            if self._connected:  # the client reconnected by itself
                self._gaps += 1
            self._drop_all()
            self._connected = True
            self._verified_s = asked_s

    def verified(self, asked_s: float) -> None:
        """A PING that was sent at this time, over the subscribed connection, is answered."""
        with self.lock:
            if self._connected:
                self._verified_s = max(self._verified_s, asked_s)

    def lost(self) -> None:
        """The connection is gone."""
        with self.lock:
            if self._connected:
                self._gaps += 1
            self._connected = False
            self._verified_s = NEVER_S
            self._drop_all()

    def close(self) -> None:
        """Drop everything, and keep nothing any more."""
        with self.lock:
            self._closed = True
            self._connected = False
            self._verified_s = NEVER_S
            self._drop_all()

    @property
    def stats(self) -> CacheStats:
        """All counters, as of one moment."""
        with self.lock:
            return CacheStats(
                hits=self._hits,
                misses=self.misses,
                loads=self.loads,
                joined=self.joined,
                discarded=self._discarded,
                invalidations=self._invalidations,
                evictions=self._evictions,
                expirations=self._expirations,
                gaps=self._gaps,
                undecodable=self._undecodable,
                connected=self._connected,
                size=len(self._entries),
            )

    # --- inside -----------------------------------------------------------------------------------------------------

    def _is_fresh(self, started_s: float, now_s: float) -> bool:
        return now_s - max(started_s, self._verified_s) <= self._stale_max_s

    def _remove(self, key: str) -> None:
        entry = self._entries.pop(key, None)
        for tag in entry.tags if entry else ():
            keys = self._tagged[tag]
            keys.discard(key)
            if not keys:
                del self._tagged[tag]

    def _drop(self, key: str) -> None:
        self._remove(key)
        _spoil(self._loading.get(key, ()))

    def _drop_all(self) -> None:
        dropped = self._entries
        self._entries, self._tagged = OrderedDict(), {}
        for loads in self._loading.values():
            _spoil(loads)
        del dropped  # last, so that a value's `__del__` that comes here finds everything in order


def _spoil(loads: Iterable[Load]) -> None:
    for load in loads:
        load.valid = False
