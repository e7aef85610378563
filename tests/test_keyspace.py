"""Databases: what changes them, what the journal is told, who is told of changes, and when keys are gone."""

from typing import Any

import pytest

from airwave import journal as effects
from airwave.database import GENERIC, STREAM, STRING, Database
from airwave.errors import CommandError
from airwave.journal import Journal
from airwave.keyspace import Keyspace
from airwave.streams.stream import Stream
from airwave.value import String, Value


class Recorder(Journal):
    """A journal that keeps what it is told."""

    durable = True

    def __init__(self) -> None:
        self.effects: list[effects.Effect] = []
        self.touched: list[Value] = []

    def record(self, effect: effects.Effect) -> None:
        self.effects.append(effect)

    def touch(self, value: Value) -> None:
        self.touched.append(value)


class Watching:
    """Somebody who WATCHes."""

    watch_broken = False


class Place:
    """A keyspace with a clock that the test moves."""

    def __init__(self, databases: int = 4) -> None:
        self.ms = 1_000_000
        self.journal = Recorder()
        self.published: list[tuple[bytes, bytes]] = []
        self.keyspace = Keyspace(
            self.journal, lambda: self.ms, lambda channel, message: self.published.append((channel, message)), databases
        )
        self.first, self.second = self.keyspace.databases[:2]

    def told(self) -> list[Any]:
        """The effects since the last call."""
        told, self.journal.effects = self.journal.effects, []
        return told


@pytest.fixture
def place() -> Place:
    return Place()


# --- finding and changing ---------------------------------------------------------------------------------------------


def test_a_string_comes_changes_and_goes_and_the_journal_knows(place: Place) -> None:
    value = place.first.set_string(b"k", b"a")
    assert place.told() == [(effects.CREATE, 1, 0, b"k", b"string"), (effects.STRING, 1, b"a")]
    assert place.first.set_string(b"k", b"b") is value
    assert place.told() == [(effects.STRING, 1, b"b")]
    place.first.set_expiry(value, 2_000_000)
    place.first.set_expiry(value, 2_000_000)
    assert place.told() == [(effects.EXPIRE, 1, 2_000_000)]
    assert place.first.expiring == 1
    assert place.first.delete(b"k")
    assert not place.first.delete(b"k")
    assert place.told() == [(effects.GONE, 1)]
    assert place.first.expiring == 0


def test_a_string_in_place_of_a_stream_is_another_value_with_the_same_expiry(place: Place) -> None:
    stream = place.first.create_stream(b"k")
    place.first.set_expiry(stream, 2_000_000)
    place.told()
    value = place.first.set_string(b"k", b"a")
    assert place.told() == [
        (effects.GONE, 1),
        (effects.CREATE, 2, 0, b"k", b"string"),
        (effects.STRING, 2, b"a"),
        (effects.EXPIRE, 2, 2_000_000),
    ]
    assert (value.expires_ms, place.first.expiring) == (2_000_000, 1)


def test_the_wrong_kind_is_an_error(place: Place) -> None:
    place.first.create_stream(b"s")
    place.first.create_string(b"k", b"")
    for look in (place.first.stream, place.first.look_stream):
        assert isinstance(look(b"s"), Stream)
        assert look(b"none") is None
        with pytest.raises(CommandError, match="WRONGTYPE"):
            look(b"k")
    for look_string in (place.first.string, place.first.look_string):
        assert isinstance(look_string(b"k"), String)
        with pytest.raises(CommandError, match="WRONGTYPE"):
            look_string(b"s")


def test_readers_are_counted_and_some_do_not_count_as_use(place: Place) -> None:
    value = place.first.create_string(b"k", b"")
    place.ms += 5000
    place.keyspace.cron(0)
    assert place.first.inspect(b"k") is place.first.peek(b"k") is value
    assert value.used_s == 1000
    assert place.first.look(b"k") is value
    assert value.used_s == 1005
    assert place.first.look(b"x") is place.first.inspect(b"x") is place.first.peek(b"x") is None
    assert (place.keyspace.hits, place.keyspace.misses) == (2, 2)


def test_memory_grows_with_what_is_kept(place: Place) -> None:
    small, large = place.first.create_string(b"a", b"x"), place.first.create_string(b"b", b"x" * 1000)
    assert large.memory_bytes - small.memory_bytes == 999
    with pytest.raises(NotImplementedError):
        Value(1, place.journal).memory_bytes  # noqa: B018


# --- spaces -----------------------------------------------------------------------------------------------------------


def test_placing_swapping_and_flushing_cost_the_journal_one_effect(place: Place) -> None:
    value = place.first.create_string(b"k", b"")
    place.first.set_expiry(value, 2_000_000)
    place.told()
    place.first.place(value, place.second, b"other")
    assert place.told() == [(effects.PLACE, 1, 1, b"other")]
    assert (place.first.expiring, place.second.expiring) == (0, 1)
    assert (value.space, value.key) == (1, b"other")
    place.keyspace.swap(place.first, place.second)
    assert place.told() == [(effects.SPACES, [1, 0, 2, 3])]
    assert place.first.find(b"other") is value
    assert (place.first.expiring, place.second.expiring) == (1, 0)
    assert place.keyspace.flush(place.keyspace.databases) == 1
    assert place.told() == [(effects.SPACES, [4, 0, 2, 3])]
    assert place.keyspace.flush(place.keyspace.databases) == 0
    place.keyspace.swap(place.first, place.first)
    assert place.told() == []
    assert place.first.create_string(b"k", b"").space == 4


# --- expiry -----------------------------------------------------------------------------------------------------------


def test_a_key_whose_time_is_over_is_gone_for_everybody(place: Place) -> None:
    place.keyspace.set_notifies(frozenset("Ex"))
    for look in (place.first.find, place.first.peek, place.first.look, place.first.inspect):
        place.first.set_expiry(place.first.create_string(b"k", b""), place.ms + 10)
        place.ms += 9
        assert b"k" in place.first.values
        assert place.first.peek(b"k") is not None
        place.ms += 1
        assert look(b"k") is None
        assert b"k" not in place.first.values
    assert place.published == [(b"__keyevent@0__:expired", b"k")] * 4
    assert place.keyspace.expired == 4


def test_cron_removes_what_nobody_looks_at_a_bounded_number_at_a_time(place: Place) -> None:
    for number in range(10):
        database = place.keyspace.databases[number % 2]
        database.set_expiry(database.create_string(b"%d" % number, b""), place.ms + number)
    place.keyspace.swap(place.first, place.second)
    place.ms += 7
    place.keyspace.cron(5)
    assert len(place.first.values) + len(place.second.values) == 5
    place.keyspace.cron(5)
    assert {*place.first.values, *place.second.values} == {b"8", b"9"}
    place.keyspace.cron(5)
    assert place.keyspace.expired == 8


def test_an_expiry_time_that_was_changed_or_belongs_to_what_is_gone_does_nothing(place: Place) -> None:
    kept = place.first.create_string(b"kept", b"")
    place.first.set_expiry(kept, place.ms + 5)
    place.first.set_expiry(kept, 0)
    place.first.set_expiry(place.first.create_string(b"again", b""), place.ms + 5)
    place.first.delete(b"again")
    place.first.create_string(b"again", b"")
    place.first.set_expiry(place.second.create_string(b"flushed", b""), place.ms + 5)
    place.keyspace.flush([place.second])
    place.ms += 10
    place.keyspace.cron(100)
    assert {*place.first.values} == {b"kept", b"again"}
    assert place.keyspace.expired == 0


def test_expiry_times_that_change_all_the_time_take_no_memory(place: Place) -> None:
    value = place.first.create_string(b"k", b"")
    for number in range(5000):
        place.first.set_expiry(value, place.ms + number + 1)
    assert len(place.keyspace._expected) <= 1002


def test_the_mean_of_what_is_left(place: Place) -> None:
    assert place.keyspace.mean_ttl_ms(place.first) == 0
    for number in range(1000):
        place.first.set_expiry(place.first.create_string(b"%d" % number, b""), place.ms + 4000)
    place.first.create_string(b"k", b"")
    assert place.keyspace.mean_ttl_ms(place.first) == 4000
    assert place.keyspace.mean_ttl_ms(place.second) == 0


# --- telling ----------------------------------------------------------------------------------------------------------


def test_notifications_come_by_key_and_by_event_and_only_those_asked_for(place: Place) -> None:
    place.first.changed(b"k", STRING, b"set")
    place.keyspace.set_notifies(frozenset("KE$"))
    place.first.changed(b"k", STRING, b"set")
    place.first.changed(b"k", GENERIC, b"del")
    place.keyspace.set_notifies(frozenset("Kgnm"))
    place.second.create_string(b"k", b"")
    place.second.look(b"x")
    place.second.changed(b"k", GENERIC, b"del")
    place.second.changed(b"k", STREAM, b"xadd")
    assert place.published == [
        (b"__keyspace@0__:k", b"set"),
        (b"__keyevent@0__:set", b"k"),
        (b"__keyspace@1__:k", b"new"),
        (b"__keyspace@1__:x", b"keymiss"),
        (b"__keyspace@1__:k", b"del"),
    ]


def test_nobody_who_wants_to_know_costs_nothing(place: Place) -> None:
    watcher = Watching()
    assert not place.first.alert
    place.first.watch(b"k", watcher)
    assert place.first.alert
    assert not place.second.alert
    place.first.unwatch(b"k", watcher)
    assert not place.first.alert
    place.first.wait(b"k", watcher)
    place.first.wait(b"k", "other")
    place.first.stop_waiting(b"k", watcher)
    assert place.first.alert
    place.first.stop_waiting(b"k", "other")
    place.first.stop_waiting(b"k", "nobody")
    assert not place.first.alert
    assert not place.first.watchers
    assert not place.first.waiters


def test_who_is_blocked_looks_only_when_something_arrived(place: Place) -> None:
    place.first.wait(b"k", "waiter")
    place.first.changed(b"k", GENERIC, b"expire")
    place.first.changed(b"x", STRING, b"set", arrived=True)
    assert not place.keyspace.ready
    place.first.changed(b"k", STRING, b"set", arrived=True)
    assert [*place.keyspace.ready] == [(place.first, b"k")]


@pytest.mark.parametrize("change", ["set", "delete", "expire", "flush", "swap in", "swap away"])
def test_what_breaks_a_watch(place: Place, change: str) -> None:
    watchers = {key: Watching() for key in (b"k", b"other", b"none")}
    place.first.create_string(b"k", b"") if change != "swap in" else place.second.create_string(b"k", b"")
    for key, watcher in watchers.items():
        place.first.watch(key, watcher)
    if change == "set":
        place.first.changed(b"k", STRING, b"set")
    elif change == "delete":
        place.first.delete(b"k")
    elif change == "expire":
        place.first.expire(place.first.values[b"k"])
    elif change == "flush":
        place.keyspace.flush([place.first])
    else:
        place.keyspace.swap(place.first, place.second)
    assert [watcher.watch_broken for watcher in watchers.values()] == [True, False, False]


def test_flushing_and_swapping_wake_all_who_wait(place: Place) -> None:
    place.first.wait(b"k", "waiter")
    place.second.wait(b"k", "waiter")
    place.keyspace.flush([place.first])
    assert [*place.keyspace.ready] == [(place.first, b"k")]
    place.keyspace.swap(place.first, place.second)
    assert {*place.keyspace.ready} == {(place.first, b"k"), (place.second, b"k")}


def test_a_database_knows_its_number(place: Place) -> None:
    assert [database.index for database in place.keyspace.databases] == [0, 1, 2, 3]
    assert isinstance(place.first, Database)
