"""`airwave.Cache`."""

import asyncio
import os
import secrets
import time
import weakref
from collections.abc import Awaitable, Callable, Iterable
from functools import partial
from typing import Any, Literal, Self

from airwave.cache.channel import Channel
from airwave.cache.functions import Decorator
from airwave.cache.keys import Template
from airwave.cache.listener import Listener
from airwave.cache.loading import Loading, Request, forget_waits
from airwave.cache.messages import Invalidation
from airwave.cache.store import FOREVER_S, CacheStats, Store
from airwave.cache.watch import Watch

STALE_MAX_LEAST_S = 0.1
FIRST_WAIT_S = 1.0  # how long the first call waits for the subscription

# On Linux a clock that goes on while the machine sleeps: what was verified before is old when it wakes up.
_clock: Callable[[], float] = (
    partial(time.clock_gettime, time.CLOCK_BOOTTIME) if hasattr(time, "CLOCK_BOOTTIME") else time.monotonic
)
_caches: "weakref.WeakSet[Cache]" = weakref.WeakSet()
_Ttl = float | Literal["cache"] | None


class Cache:
    """A cache in this process that hears what changes elsewhere.

    Every process has a cache of its own; those with the same server and channel hear each other's `invalidate`. See
    docs/cache.md for what is promised. Thread-safe; one cache serves threads and event loops alike. It connects, and
    starts a thread, with the first call of a cached function; a forked child begins with an empty cache and a
    connection of its own.

    Args:
        url: as for `airwave.connect`.
        maxsize: entries; the least recently used goes first.
        ttl: seconds that a value is kept, counted from when its load began; None: until it is invalidated.
        stale_max: seconds. No call is served a value that an invalidation had overtaken longer ago, even when the
            connection was lost and nobody has noticed. The server is asked four times as often whether it is there.
        channel: where invalidations are published.
        clock: the time in seconds, which never goes back; for tests.
        options: redis-py's, for the connections.

    Raises:
        ValueError: a URL that nothing knows, or a number that makes no sense.
    """

    def __init__(
        self,
        url: str = "memory://",
        *,
        maxsize: int = 10_000,
        ttl: float | None = 60.0,
        stale_max: float = 5.0,
        channel: str = "cache:invalidate",
        clock: Callable[[], float] = _clock,
        **options: Any,
    ) -> None:
        if maxsize < 1:
            raise ValueError(f"maxsize={maxsize}: a cache holds at least one entry")
        if stale_max < STALE_MAX_LEAST_S:
            raise ValueError(f"stale_max={stale_max}: at least {STALE_MAX_LEAST_S} s, or the server is asked too often")
        self._ttl_s = _seconds(ttl)
        self._maxsize, self._stale_max_s, self._clock = maxsize, stale_max, clock
        self._make_channel = partial(Channel, url, channel, options, stale_max / 2)
        self._closed = False
        self._set_up()
        _caches.add(self)

    def _set_up(self) -> None:
        self._origin = secrets.token_hex(8)
        self._store = Store(self._maxsize, self._stale_max_s, self._clock)
        self._loading = Loading(self._store)
        self._channel = self._make_channel()
        watch = Watch(self._store, self._origin, self._stale_max_s, self._clock)
        self._listener = Listener(self._channel, watch)
        self._finalizer = weakref.finalize(self, self._listener.stop)

    def _after_fork(self) -> None:
        # The thread is the parent's, and so are the sockets; locks may be held by threads that are not here.
        self._finalizer.detach()
        self._listener.abandon()
        self._set_up()
        if self._closed:
            self.close()

    # --- functions --------------------------------------------------------------------------------------------------

    def cached(
        self,
        key: Template,
        *,
        tags: Iterable[Template] = (),
        ttl: _Ttl = "cache",
        none: bool = True,
    ) -> Decorator:
        """Keep the values of a function, sync or async.

        Calls with the same key share a value, whatever function they call; exceptions are not kept. Loads of one key
        that are wanted at the same time run once: for all threads, and for each event loop.

        Args:
            key: with the function's arguments in braces, as `str.format` has them: `"product:{product_id}"`,
                `"user:{user.id}"`; or a function of the same arguments that returns the key.
            tags: by which many values can be invalidated at once; each as `key`.
            ttl: seconds; None: until it is invalidated; `"cache"`: as the cache has it.
            none: whether None is kept.

        Returns: a decorator. What it makes is called as the function is, and has `key(...)`, `refresh(...)` and
            `invalidate(...)`, with the same arguments; of an async function the last two are to be awaited.

        Raises:
            ValueError: at decoration: the template does not fit the function's arguments.
        """
        if isinstance(tags, str):
            raise TypeError(f"tags={tags!r}: a tuple of tags")
        ttl_s = self._ttl_s if isinstance(ttl, str) else _seconds(ttl)
        return Decorator(self, key, tags, ttl_s, none)

    def find(self, key: str) -> Any:
        """For decorated functions: the value of a key, or `store.MISSING`."""
        return self._store.find(key)

    def load(self, request: Request, function: Callable[[], Any]) -> Any:
        """For decorated functions: a value that was not found."""
        if not self._listener.started:
            self._listen()
        return self._loading.call(request, function)

    async def aload(self, request: Request, function: Callable[[], Awaitable[Any]]) -> Any:
        """For decorated functions: a value that was not found."""
        if not self._listener.started:
            await asyncio.to_thread(self._listen)
        return await self._loading.acall(request, function)

    def _listen(self) -> None:
        """Start listening. The first values wait a little for it: what is loaded earlier is not kept for long."""
        self._listener.start()
        self._listener.wait_started(FIRST_WAIT_S)

    # --- invalidation -----------------------------------------------------------------------------------------------

    def invalidate(self, *keys: str) -> None:
        """These values have changed: drop them here, at once, and in all other caches.

        To be called when the change can be seen by all who load (after the commit).

        Raises:
            redis.RedisError: the message may not have been sent. Here they are dropped; the other caches may serve
                the old values until their `ttl` is over, so call it again.
            RuntimeError: the cache is closed.
            TypeError: a key is no str.
        """
        self._send(Invalidation(keys=keys))

    def invalidate_prefix(self, *prefixes: str) -> None:
        """All values have changed whose keys begin like this; see `invalidate`. Costs a look at every key."""
        self._send(Invalidation(prefixes=prefixes))

    def invalidate_tag(self, *tags: str) -> None:
        """All values with one of these tags have changed; see `invalidate`."""
        self._send(Invalidation(tags=tags))

    def clear(self) -> None:
        """Everything has changed, for all caches of this channel; see `invalidate`."""
        self._send(Invalidation(everything=True))

    async def ainvalidate(self, *keys: str) -> None:
        """`invalidate` for event loops, which publishing would block for a round trip."""
        await self._asend(Invalidation(keys=keys))

    async def ainvalidate_prefix(self, *prefixes: str) -> None:
        """`invalidate_prefix` for event loops."""
        await self._asend(Invalidation(prefixes=prefixes))

    async def ainvalidate_tag(self, *tags: str) -> None:
        """`invalidate_tag` for event loops."""
        await self._asend(Invalidation(tags=tags))

    async def aclear(self) -> None:
        """`clear` for event loops."""
        await self._asend(Invalidation(everything=True))

    def _send(self, invalidation: Invalidation) -> None:
        if payload := self._apply(invalidation):
            self._channel.publish(payload)

    async def _asend(self, invalidation: Invalidation) -> None:
        if payload := self._apply(invalidation):
            await asyncio.to_thread(self._channel.publish, payload)

    def _apply(self, invalidation: Invalidation) -> bytes:
        """Make it true here. Gives the message for the others; empty: there is nothing to say."""
        self._refuse_if_closed()
        if invalidation.is_empty:
            return b""
        payload = invalidation.encode(self._origin)  # before anything is dropped: it may be refused
        self._store.apply(invalidation)
        return payload

    # --- state ------------------------------------------------------------------------------------------------------

    @property
    def stats(self) -> CacheStats:
        """What the cache did so far."""
        return self._store.stats

    def wait_ready(self, timeout: float | None = 10.0) -> None:
        """Start listening, if nothing did yet, and wait until invalidations are heard.

        Args:
            timeout: seconds; None: forever.

        Raises:
            TimeoutError: it took longer; the text says why, as far as it is known.
            RuntimeError: the cache is closed.
        """
        self._refuse_if_closed()
        self._listener.start()
        if not self._listener.wait_ready(timeout):
            self._refuse_if_closed()
            raise TimeoutError(f"no subscription within {timeout} s: {self._listener.error or 'no answer yet'}")

    async def await_ready(self, timeout: float | None = 10.0) -> None:
        """`wait_ready` for event loops."""
        await asyncio.to_thread(self.wait_ready, timeout)

    def close(self) -> None:
        """Stop listening, and keep nothing any more: decorated functions load with every call from now on."""
        self._closed = True
        self._finalizer.detach()
        self._listener.stop()
        self._store.close()
        self._listener.join()
        self._channel.close()

    async def aclose(self) -> None:
        """`close` for event loops."""
        await asyncio.to_thread(self.close)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    def _refuse_if_closed(self) -> None:
        if self._closed:
            raise RuntimeError("the cache is closed")


def _seconds(ttl: float | None) -> float:
    if ttl is None:
        return FOREVER_S
    if not ttl > 0:
        raise ValueError(f"ttl={ttl}: more than 0 seconds, or None")
    return ttl


def _begin_anew_in_child() -> None:
    forget_waits()
    for cache in list(_caches):
        cache._after_fork()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_begin_anew_in_child)
