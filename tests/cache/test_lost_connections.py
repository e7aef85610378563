"""Caches that lose their server, with real ones. test_staleness.py has every order of events, under its own clock."""

import asyncio
import contextlib
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from random import Random

import pytest
from live import HOST, Node, free_port, wait_for
from servers import redis_server

import airwave
from airwave.cache import Cache, CachedFunction

from .conftest import PATIENT

pytestmark = pytest.mark.usefixtures("with_servers")


def test_a_lost_connection_empties_the_cache(url: str, channel: str) -> None:
    with Cache(url, channel=channel, **PATIENT) as cache, contextlib.closing(airwave.connect(url)) as client:
        get = cache.cached("key")(object)
        before = get()
        client.client_kill_filter(_type="pubsub")
        wait_for(lambda: cache.stats.gaps, "the gap")
        wait_for(lambda: cache.stats.connected, "the connection")
        after = get()
        assert after is not before
        assert get() is after
        assert cache.stats.gaps == 1


Starts = Callable[[], AbstractContextManager[str]]


@pytest.fixture(params=["airwave", "redis"])
def starts(request: pytest.FixtureRequest, tmp_path: Path) -> Starts:
    """Starts a server, always in the same place; gives its URL, and stops it at the end."""
    port = free_port()

    @contextlib.contextmanager
    def start() -> Iterator[str]:
        if request.param == "airwave":
            with Node(port=port) as node:
                yield node.url
        else:
            with redis_server(tmp_path, "--save", "") as path:
                yield f"unix://{path}"

    return start


def test_a_server_that_comes_back(starts: Starts, channel: str) -> None:
    with contextlib.ExitStack() as stack:
        with starts() as url:
            cache = stack.enter_context(Cache(url, channel=channel, **PATIENT))
            get = cache.cached("key")(object)
            assert get() is get()
        wait_for(lambda: not cache.stats.connected, "the loss")
        assert (cache.stats.size, cache.stats.gaps) == (0, 1)
        between = get()
        assert get() is between  # for as long as the bound
        stack.enter_context(starts())
        cache.wait_ready()
        assert get() is not between
        assert get() is get()


def test_a_server_that_stops_in_silence(channel: str) -> None:
    """As when the network drops everything: nothing says that the connection is gone."""
    with Node() as node, Cache(node.url, channel=channel, stale_max=0.5) as cache:
        get = cache.cached("key")(object)
        before = get()
        node.signal(signal.SIGSTOP)
        wait_for(lambda: get() is not before, "the bound")
        wait_for(lambda: cache.stats.gaps, "the loss to be noticed")
        node.signal(signal.SIGCONT)
        cache.wait_ready()


def test_a_server_that_accepts_and_says_nothing(channel: str) -> None:
    with socket.create_server((HOST, 0)) as server:
        url = f"redis://{HOST}:{server.getsockname()[1]}"
        with Cache(url, channel=channel, stale_max=0.2) as cache:
            with pytest.raises(TimeoutError, match="no subscription within"):
                cache.wait_ready(0.3)
            assert cache.cached("key")(lambda: "value")() == "value"
            assert not cache.stats.connected


def test_a_subscription_that_is_refused(channel: str) -> None:
    with Node("--requirepass", "secret") as node:
        with Cache(node.url, channel=channel, **PATIENT) as cache:
            cache.cached("key")(object)()  # waits until the first attempt is over
            with pytest.raises(TimeoutError, match="authenticat"):
                cache.wait_ready(0.01)
        with Cache(node.url, channel=channel, password="secret", **PATIENT) as cache:
            cache.wait_ready()


class Traffic:
    """Writers, readers and a killer, each a thread. Times are taken so that neither haste nor delay proves anything.

    Attributes:
        problems: values that a call got after the bound.
    """

    KEYS, STALE_MAX_S, WRITES = ("a", "b"), 0.3, 150

    def __init__(self, url: str, caches: list[Cache]) -> None:
        self.problems: list[str] = []
        self._url, self._caches, self._clock = url, caches, caches[0]._clock
        # By key and number of the value: when it was known that an invalidation had been published; None: not yet.
        self._overtaken_s: dict[str, list[float | None]] = {key: [None] for key in self.KEYS}
        self._lock, self._done = threading.Lock(), threading.Event()

    def newest(self, key: str) -> int:
        return len(self._overtaken_s[key]) - 1

    def getter(self, cache: Cache) -> CachedFunction[[str], int]:
        return cache.cached("{key}")(self.newest)

    def run(self) -> None:
        writers = [threading.Thread(target=self._write, args=(cache, seed)) for seed, cache in enumerate(self._caches)]
        others = [threading.Thread(target=self._read, args=(cache,)) for cache in self._caches]
        others += [threading.Thread(target=asyncio.run, args=(self._aread(cache),)) for cache in self._caches]
        others.append(threading.Thread(target=self._kill))
        for thread in (*writers, *others):
            thread.start()
        for thread in writers:
            thread.join()
        try:
            wait_for(lambda: all(cache.stats.gaps for cache in self._caches), "a kill")
        finally:
            self._done.set()
            for thread in others:
                thread.join()

    def _write(self, cache: Cache, seed: int) -> None:
        random, get = Random(seed), self.getter(cache)
        for _ in range(self.WRITES):
            key = random.choice(self.KEYS)
            with self._lock:
                number = self.newest(key)
                self._overtaken_s[key].append(None)
            cache.invalidate(key)
            self._overtaken_s[key][number] = self._clock()
            if (got := get(key)) <= number:
                self.problems.append(f"{key} {got}: after {number} was invalidated here")

    def _read(self, cache: Cache) -> None:
        get = self.getter(cache)
        while not self._done.wait(0.001):
            for key in self.KEYS:
                began_s = self._clock()
                self._check(key, get(key), began_s)

    async def _aread(self, cache: Cache) -> None:
        @cache.cached("{key}")
        async def get(key: str) -> int:
            number = self.newest(key)
            await asyncio.sleep(0.001)
            return number

        async def check(key: str) -> None:
            began_s = self._clock()
            self._check(key, await get(key), began_s)

        while not self._done.is_set():
            await asyncio.gather(*map(check, 2 * self.KEYS), asyncio.sleep(0.001))

    def _check(self, key: str, number: int, began_s: float) -> None:
        overtaken_s = self._overtaken_s[key][number]
        if overtaken_s is not None and began_s - overtaken_s > self.STALE_MAX_S:
            self.problems.append(f"{key} {number}: overtaken {began_s - overtaken_s} s before the call")

    def _kill(self) -> None:
        with contextlib.closing(airwave.connect(self._url)) as client:
            while not self._done.wait(0.05):
                client.client_kill_filter(_type="pubsub")


@pytest.mark.slow
def test_the_bound_holds_while_connections_are_killed(url: str, channel: str) -> None:
    with contextlib.ExitStack() as stack:
        caches = [stack.enter_context(Cache(url, channel=channel, stale_max=Traffic.STALE_MAX_S)) for _ in range(3)]
        for cache in caches:
            cache.wait_ready()
        traffic = Traffic(url, caches)
        traffic.run()
        assert not traffic.problems
        for cache in caches:
            cache.wait_ready()
            get = traffic.getter(cache)
            for key in traffic.KEYS:
                wait_for(lambda get=get, key=key: get(key) == traffic.newest(key), "the last value")  # type: ignore[misc]
                wait_for(lambda get=get, key=key, cache=cache: get(key) and cache.stats.hits, "a hit")  # type: ignore[misc]
