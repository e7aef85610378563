"""See test_staleness.py for the promise as a whole."""

from typing import Any

import pytest

from airwave.cache.messages import Invalidation
from airwave.cache.store import FOREVER_S, MISSING, Store

from .conftest import Clock

STALE_MAX_S = 5.0


@pytest.fixture
def store(clock: Clock) -> Store:
    store = Store(3, STALE_MAX_S, clock)
    store.covered(clock())
    return store


def put(store: Store, key: str, value: Any = "value", *tags: str, ttl_s: float = FOREVER_S) -> None:
    load = store.begin(key, tags)
    store.keep(load, value, ttl_s)
    store.end(load)


def found(store: Store, *keys: str) -> list[str]:
    return [key for key in keys if store.find(key) is not MISSING]


def test_what_was_used_longest_ago_goes_first(store: Store) -> None:
    for key in "abc":
        put(store, key, key, "tag")
    assert store.find("a") == "a"
    put(store, "d")
    assert found(store, *"abcd") == ["a", "c", "d"]
    assert (store.stats.evictions, store.stats.size) == (1, 3)


def test_none_is_a_value(store: Store) -> None:
    put(store, "a", None)
    assert store.find("a") is None
    assert store.find("b") is MISSING


def test_time_to_live_counts_from_the_begin_of_the_load(store: Store, clock: Clock) -> None:
    load = store.begin("a", ())
    clock.advance(2)
    store.keep(load, "value", 3.0)
    store.end(load)
    clock.advance(0.9)
    assert store.find("a") == "value"
    clock.advance(0.1)
    assert store.find("a") is MISSING
    assert (store.stats.expirations, store.stats.size) == (1, 0)


def test_what_took_longer_to_load_than_it_may_live_is_not_kept(store: Store, clock: Clock) -> None:
    load = store.begin("a", ())
    clock.advance(3)
    store.keep(load, "value", 3.0)
    assert store.stats.size == 0


@pytest.mark.parametrize(
    ("invalidation", "left"),
    [
        (Invalidation(keys=("p:1", "unknown")), ["p:2", "q:1"]),
        (Invalidation(prefixes=("p:", "x")), ["q:1"]),
        (Invalidation(tags=("odd", "unknown")), ["p:2"]),
        (Invalidation(keys=("q:1",), tags=("even",)), ["p:1"]),
        (Invalidation(everything=True), []),
        (Invalidation(), ["p:1", "p:2", "q:1"]),
    ],
)
def test_invalidations_drop_what_they_name(store: Store, invalidation: Invalidation, left: list[str]) -> None:
    loads = []
    for key, tag in (("p:1", "odd"), ("p:2", "even"), ("q:1", "odd")):
        put(store, key, key, tag)
        loads.append(store.begin(key, (tag,)))
    store.apply(invalidation)
    assert found(store, "p:1", "p:2", "q:1") == left
    assert [load.key for load in loads if load.valid] == left
    assert [load.key for load in loads if store.may_join(load)] == left
    for load in loads:
        store.keep(load, "new", FOREVER_S)
    assert found(store, "p:1", "p:2", "q:1") == left
    assert (store.stats.discarded, store.stats.invalidations) == (3 - len(left), 1)


@pytest.mark.parametrize(
    "invalidation", [Invalidation(keys=("p:1",)), Invalidation(prefixes=("p",)), Invalidation(tags=("odd",))]
)
def test_a_load_is_overtaken_though_nothing_was_kept_before(store: Store, invalidation: Invalidation) -> None:
    load, other = store.begin("p:1", ("odd",)), store.begin("q:1", ("even",))
    store.apply(invalidation)
    assert (load.valid, other.valid) == (False, True)


def test_tags_are_forgotten_with_their_entries(store: Store, clock: Clock) -> None:
    put(store, "a", 1, "x", "y", ttl_s=1.0)
    put(store, "a", 2, "y", ttl_s=1.0)
    put(store, "b", 1, "y", ttl_s=1.0)
    assert store._tagged == {"y": {"a", "b"}}
    store.apply(Invalidation(keys=("a",)))
    clock.advance(1)
    assert store.find("b") is MISSING
    assert store._tagged == {}
    for number in range(10):
        put(store, f"{number}", 1, f"tag:{number}")
    assert set(store._tagged) == {"tag:7", "tag:8", "tag:9"}
    store.apply(Invalidation(everything=True))
    assert store._tagged == {}
    assert store._loading == {}


def test_of_two_loads_the_one_that_began_later_wins(store: Store, clock: Clock) -> None:
    old = store.begin("a", ())
    clock.advance(1)
    put(store, "a", "new")
    store.keep(old, "old", FOREVER_S)
    assert store.find("a") == "new"


def test_what_a_load_brings_after_its_end_is_not_kept(store: Store) -> None:
    load = store.begin("a", ())
    store.end(load)
    store.apply(Invalidation(keys=("a",)))  # it is told nothing any more
    store.keep(load, "old", FOREVER_S)
    assert store.find("a") is MISSING


def test_without_an_answer_only_what_was_just_loaded_is_served(store: Store, clock: Clock) -> None:
    put(store, "a")
    clock.advance(STALE_MAX_S)
    put(store, "b")
    assert found(store, "a", "b") == ["a", "b"]
    clock.advance(0.1)
    assert found(store, "a", "b") == ["b"]
    store.verified(clock())
    assert found(store, "a", "b") == ["a", "b"]
    clock.advance(STALE_MAX_S + 0.1)
    assert found(store, "a", "b") == []


def test_a_load_is_not_joined_when_its_value_could_be_too_old(store: Store, clock: Clock) -> None:
    load = store.begin("a", ())
    clock.advance(STALE_MAX_S)
    assert store.may_join(load)
    clock.advance(0.1)
    assert not store.may_join(load)
    store.verified(clock())
    assert store.may_join(load)


@pytest.mark.parametrize("event", ["lost", "covered", "apply_undecodable", "close"])
def test_what_was_there_before_a_gap_is_dropped(store: Store, clock: Clock, event: str) -> None:
    put(store, "a")
    load = store.begin("b", ())
    getattr(store, event)(*([clock()] if event == "covered" else []))
    store.keep(load, "value", FOREVER_S)
    assert found(store, "a", "b") == []
    assert not store.may_join(load)


def test_without_an_answer_the_age_of_a_value_counts_from_the_begin_of_its_load(store: Store, clock: Clock) -> None:
    store.lost()
    load = store.begin("a", ())
    clock.advance(3)
    store.keep(load, "value", FOREVER_S)
    store.end(load)
    clock.advance(STALE_MAX_S - 3)
    assert found(store, "a") == ["a"]
    clock.advance(0.1)
    assert found(store, "a") == []


def test_after_a_loss_values_live_as_long_as_the_bound(store: Store, clock: Clock) -> None:
    store.lost()
    store.verified(clock())  # an answer of a connection that was given up
    put(store, "a")
    clock.advance(STALE_MAX_S)
    assert found(store, "a") == ["a"]
    clock.advance(0.1)
    assert found(store, "a") == []
    assert not store.stats.connected


def test_gaps_are_counted(clock: Clock) -> None:
    store = Store(3, STALE_MAX_S, clock)
    store.lost()
    store.lost()
    assert store.stats.gaps == 0  # it was never there
    store.covered(clock())
    store.lost()
    store.lost()
    store.covered(clock())
    assert store.stats.gaps == 1
    store.covered(clock())  # the client has reconnected by itself
    assert store.stats.gaps == 2
    assert store.stats.connected


def test_a_closed_store_keeps_nothing(store: Store) -> None:
    store.close()
    put(store, "a")
    assert store.stats.size == 0


def test_a_value_may_come_back_when_it_is_dropped(store: Store) -> None:
    class Value:
        def __del__(self) -> None:
            put(store, "from within", 1, "tag")

    put(store, "a", Value(), "tag")
    store.apply(Invalidation(tags=("tag",)))
    assert store.find("from within") == 1
    put(store, "a", Value(), "tag")
    store.lost()
    assert store.find("from within") == 1
    store.apply(Invalidation(tags=("tag",)))
    assert store.find("from within") is MISSING
    assert store._tagged == {}
