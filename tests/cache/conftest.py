"""Caches without a server, under a clock of the test's own, and URLs of real servers."""

import itertools
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from live import DEADLINE_S, wait_for

from airwave.cache import Cache

_numbers = itertools.count(1)


class Clock:
    """Seconds that pass when the test says so."""

    def __init__(self) -> None:
        self.now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s

    def advance(self, seconds: float) -> None:
        self.now_s += seconds


@pytest.fixture
def clock() -> Clock:
    return Clock()


class Silent:
    """A channel that keeps what is published."""

    def __init__(self) -> None:
        self.published: list[bytes] = []

    def publish(self, payload: bytes) -> None:
        self.published.append(payload)

    def close(self) -> None:
        pass


MakeCache = Callable[..., Cache]


@pytest.fixture
def alone(clock: Clock) -> Iterator[MakeCache]:
    """Makes caches that have no thread and no server, and believe that they are subscribed.

    What they publish is in `cache._channel.published`.
    """
    made: list[Cache] = []

    def make(**options: Any) -> Cache:
        cache = Cache("memory://nobody", **{"clock": clock, **options})
        cache._channel = Silent()  # type: ignore[assignment]
        cache._listener.started = True
        cache._store.covered(clock())
        made.append(cache)
        return cache

    yield make
    for cache in made:
        cache.close()


@pytest.fixture
def channel() -> str:
    """A channel of this test's own."""
    return f"cache:invalidate:{next(_numbers)}"


@pytest.fixture(params=["airwave", "redis", "memory"])
def url(request: pytest.FixtureRequest) -> str:
    """A server, or an engine in this process."""
    if request.param == "memory":
        return "memory://cache-tests"
    address = request.getfixturevalue(request.param).address
    return f"unix://{address}" if isinstance(address, str) else f"redis://{address[0]}:{address[1]}"


def cache_threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "airwave-cache"]


PATIENT = {"stale_max": 2 * DEADLINE_S}  # so long that no test depends on how fast anything is


@pytest.fixture
def with_servers(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """For tests whose caches have a thread: they wait for subscriptions as long as it takes, and no thread is left."""
    monkeypatch.setattr("airwave.cache.cache.FIRST_WAIT_S", DEADLINE_S)
    for wait in Cache.wait_ready, Cache.await_ready:
        monkeypatch.setattr(wait, "__defaults__", (DEADLINE_S,))
    monkeypatch.setattr("airwave.cache.listener.TICK_S", 0.02)  # every `close` waits for it
    yield
    wait_for(lambda: not cache_threads(), "the threads to end")
