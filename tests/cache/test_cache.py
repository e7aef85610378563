"""Caches with servers, in threads, event loops, forks and other processes."""

import asyncio
import contextlib
import gc
import json
import threading
import time
from typing import Any

import pytest
import redis
from live import DEADLINE_S, HOST, Node, free_port, wait_for

import airwave
from airwave.cache import Cache

from .conftest import PATIENT, Clock, MakeCache, cache_threads

pytestmark = pytest.mark.usefixtures("with_servers")

ONCE = {"retry": None}  # redis-py tries for seconds otherwise


def publish(url: str, channel: str, payload: bytes | str) -> None:
    with contextlib.closing(airwave.connect(url)) as client:
        client.publish(channel, payload)


# --- what changes elsewhere -------------------------------------------------------------------------------------------


def test_an_invalidation_reaches_every_cache(url: str, channel: str) -> None:
    database = {1: "old"}
    with Cache(url, channel=channel, **PATIENT) as here, Cache(url, channel=channel, **PATIENT) as there:

        def load(number: int) -> str:
            return database[number]

        gets = [cache.cached("product:{number}", tags=("catalog",))(load) for cache in (here, there)]
        there.wait_ready()
        for invalidate in (
            lambda: here.invalidate("product:1"),
            lambda: here.invalidate_prefix("prod"),
            lambda: here.invalidate_tag("catalog"),
            here.clear,
            lambda: asyncio.run(here.ainvalidate("product:1")),
            lambda: asyncio.run(here.ainvalidate_prefix("prod")),
            lambda: asyncio.run(here.ainvalidate_tag("catalog")),
            lambda: asyncio.run(here.aclear()),
        ):
            assert [get(1) for get in gets] == [database[1]] * 2
            heard = there.stats.invalidations
            database[1] += "er"
            invalidate()
            assert gets[0](1) == database[1]
            wait_for(lambda heard=heard: there.stats.invalidations > heard, "the message")  # type: ignore[misc]
            assert gets[1](1) == database[1]
        assert (here.stats.invalidations, there.stats.invalidations) == (8, 8)
        assert here.stats.discarded == 0  # its own messages do not come back to disturb it


@pytest.mark.parametrize(
    "payload", ['{"key": "product:1"}', '{"prefix": "product:"}', '{"tag": "catalog"}', '{"all": true}', "product:1"]
)
def test_any_publisher_is_understood(url: str, channel: str, payload: str) -> None:
    with Cache(url, channel=channel, **PATIENT) as cache:
        get = cache.cached("product:{number}", tags=("catalog",))(lambda number: [number])
        cache.wait_ready()
        before = get(1)
        publish(url, channel, payload)
        wait_for(lambda: cache.stats.invalidations + cache.stats.undecodable, "the message")
        assert get(1) is not before


def test_the_channel_has_the_name_of_the_issue(url: str) -> None:
    with Cache(url, **PATIENT) as cache:
        cache.wait_ready()
        publish(url, "cache:invalidate", '{"key": "product:42"}')
        wait_for(lambda: cache.stats.invalidations, "the message")


def test_async_functions(url: str, channel: str) -> None:
    database = {1: "old"}

    async def main() -> None:
        async with Cache(url, channel=channel, **PATIENT) as here, Cache(url, channel=channel, **PATIENT) as there:

            async def get(number: int) -> str:
                await asyncio.sleep(0)
                return database[number]

            a, b = (cache.cached("product:{number}")(get) for cache in (here, there))
            assert await asyncio.gather(a(1), a(1), b(1)) == ["old"] * 3
            await there.await_ready()
            assert await asyncio.gather(a(1), a(1), b(1)) == ["old"] * 3
            database[1] = "new"
            await a.invalidate(1)
            assert await a(1) == "new"
            while not there.stats.invalidations:
                await asyncio.sleep(0.005)
            assert await b(1) == "new"

    asyncio.run(asyncio.wait_for(main(), DEADLINE_S))


def test_the_first_call_waits_for_the_subscription_so_that_its_value_is_kept(url: str, channel: str) -> None:
    for _ in range(4):
        with Cache(url, channel=channel, **PATIENT) as cache:
            get = cache.cached("key")(object)
            assert get() is get()
            assert cache.stats.connected


# --- own invalidations ------------------------------------------------------------------------------------------------


def test_what_is_not_understood_elsewhere_is_refused_here(alone: MakeCache) -> None:
    cache = alone()
    get = cache.cached("key")(object)
    value = get()
    for wrong in (["key"], 42, b"key"):
        with pytest.raises(TypeError):
            cache.invalidate(wrong)  # type: ignore[arg-type]
    with pytest.raises(ValueError):
        cache.invalidate("key", "\ud800")
    cache.invalidate()
    assert get() is value
    cache.invalidate("key", "other")
    (message,) = (json.loads(each) for each in cache._channel.published)  # type: ignore[attr-defined]
    assert message["keys"] == ["key", "other"]


def test_an_invalidation_that_was_not_sent_is_an_error_but_true_here(channel: str) -> None:
    cache = Cache(f"redis://{HOST}:{free_port()}", channel=channel, **PATIENT, **ONCE)
    with cache:
        get = cache.cached("key")(object)
        value = get()
        assert get() is value  # for as long as the bound
        with pytest.raises(redis.ConnectionError):
            cache.invalidate("key")
        assert get() is not value
        with pytest.raises(redis.ConnectionError):
            asyncio.run(cache.ainvalidate("key"))
        with pytest.raises(TimeoutError, match=r"no subscription within 0\.01 s: Error 111"):
            cache.wait_ready(0.01)


# --- beginning and end ------------------------------------------------------------------------------------------------


def test_nothing_is_started_before_it_is_needed(url: str, channel: str) -> None:
    with Cache(url, channel=channel, **PATIENT) as cache:
        cache.cached("key")(object)
        cache.invalidate("key")
        assert not cache_threads()


def test_a_closed_cache_keeps_nothing_and_sends_nothing(url: str, channel: str) -> None:
    cache = Cache(url, channel=channel, **PATIENT)
    get = cache.cached("key")(object)
    assert get() is get()
    cache.close()
    cache.close()
    assert not cache_threads()
    assert get() is not get()
    assert not cache.stats.connected
    for use in (lambda: cache.invalidate("key"), cache.clear, cache.wait_ready):
        with pytest.raises(RuntimeError, match="the cache is closed"):
            use()


def test_a_closed_cache_has_no_connection(channel: str) -> None:
    with Node() as node, contextlib.closing(airwave.connect(node.url)) as client:
        cache = Cache(node.url, channel=channel, **PATIENT)
        cache.wait_ready()
        cache.invalidate("key")
        assert len(client.client_list()) == 3
        cache.close()
        wait_for(lambda: len(client.client_list()) == 1, "the connections to end")


def test_a_cache_that_nobody_has_any_more_ends_its_thread(url: str, channel: str) -> None:
    cache = Cache(url, channel=channel, **PATIENT)
    cache.wait_ready()
    assert cache_threads()
    del cache
    gc.collect()
    wait_for(lambda: not cache_threads(), "the thread to end")


def test_two_threads_may_close_it(url: str, channel: str) -> None:
    cache = Cache(url, channel=channel, **PATIENT)
    cache.wait_ready()
    closers = [threading.Thread(target=cache.close) for _ in range(2)]
    for closer in closers:
        closer.start()
    for closer in closers:
        closer.join(DEADLINE_S)
        assert not closer.is_alive()


def test_numbers_that_make_no_sense_are_refused() -> None:
    for options, problem in (
        ({"maxsize": 0}, "at least one entry"),
        ({"stale_max": 0.05}, "at least 0.1 s"),
        ({"stale_max": 0}, "at least 0.1 s"),
        ({"ttl": 0}, "more than 0 seconds, or None"),
    ):
        with pytest.raises(ValueError, match=problem):
            Cache("memory://", **options)  # type: ignore[arg-type]


def test_the_clock_goes_on_while_the_machine_sleeps() -> None:
    with Cache() as cache:
        assert abs(cache._clock() - time.clock_gettime(time.CLOCK_BOOTTIME)) < DEADLINE_S


def test_the_public_name() -> None:
    assert airwave.Cache is Cache
    assert airwave.Cache.__init__.__kwdefaults__["channel"] == "cache:invalidate"


def test_many_entries(alone: MakeCache, clock: Clock) -> None:
    cache = alone(maxsize=100)
    get = cache.cached("{number}", tags=("{number}", "all"))(lambda number: number)
    for number in range(1000):
        get(number)
        clock.advance(0.001)
    assert (cache.stats.size, cache.stats.evictions) == (100, 900)
    values: list[Any] = [get(number) for number in range(900, 1000)]
    assert values == list(range(900, 1000))
    assert cache.stats.hits == 100
