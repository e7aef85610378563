"""Entries that are on disk only."""

import queue
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from airwave.errors import CommandError
from airwave.store.residence import AT_ONCE_MAX, memory_share
from airwave.streams.chunk import Cold
from airwave.streams.stream import Stream
from store.worlds import World


class Loop:
    """Runs what a thread asks it to, when it is told."""

    def __init__(self) -> None:
        self._calls: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        self.fetched = 0

    def call_soon(self, call: Callable[[], None]) -> None:
        self._calls.put(call)

    def run_one(self) -> None:
        self._calls.get(timeout=30)()

    def on_fetched(self) -> None:
        self.fetched += 1


@pytest.fixture
def loop() -> Loop:
    return Loop()


@pytest.fixture
def made(tmp_path: Path, loop: Loop) -> Iterator[World]:
    """A stream of 5,000 entries, of which the memory takes a few."""
    world = World(tmp_path, memory_bytes=20_000, call_soon=loop.call_soon, on_fetched=loop.on_fetched)
    for start in range(1, 5000, 500):
        world.do_together(*[f"XADD s {number} f v" for number in range(start, start + 500)])
    world.commit(10)
    yield world
    world.close()


def stream_of(world: World) -> Stream:
    stream = world.keyspace.databases[0].stream(b"s")
    assert stream is not None
    return stream


def resident(world: World) -> list[bool]:
    return [chunk.blob is not None for chunk in stream_of(world).sealed]


def test_the_oldest_chunks_are_put_away(made: World) -> None:
    there = resident(made)
    assert there == sorted(there)
    assert 0 < sum(there) < len(there) / 2
    facts = made.journal.facts()
    assert 0 < facts["resident_bytes"] <= facts["resident_bytes_max"] == 20_000


def test_what_is_read_stays_longer(made: World) -> None:
    stream = stream_of(made)
    place = resident(made).index(True)
    for number in range(5001, 5301):
        assert stream.entry(stream.sealed[place].first)
        made.do(f"XADD s {number} f v")
    assert resident(made)[place]
    assert not resident(made)[place + 1]


def test_a_few_are_read_at_once(made: World, loop: Loop) -> None:
    reply = made.do("XRANGE s 1 3")
    assert [entry_id for entry_id, _ in reply] == [b"1-0", b"2-0", b"3-0"]
    assert loop.fetched == 0
    assert made.journal.facts()["fetched_chunks"] == 1


def test_many_are_read_by_a_thread(made: World, loop: Loop) -> None:
    stream = stream_of(made)
    with pytest.raises(Cold):
        stream.spans(0, limit=2000)
    with pytest.raises(Cold):  # asked again, it is not read again
        stream.spans(0, limit=1900)
    loop.run_one()
    assert loop.fetched == 1
    made.commit(100)  # they are not put away before somebody looked
    assert sum([stop - start for _, start, stop in stream.spans(0, limit=2000)]) == 2000
    made.commit(100)
    assert made.journal.facts()["resident_bytes"] <= 20_000


def test_in_a_transaction_everything_is_read_at_once(made: World, loop: Loop) -> None:
    made.journal.patient = True
    assert len(stream_of(made).spans(0)) > AT_ONCE_MAX
    assert loop.fetched == 0


def test_what_the_thread_cannot_read_is_told_to_the_client(made: World, loop: Loop) -> None:
    made.journal._db.execute("DELETE FROM entries WHERE chunk = ?", (stream_of(made).sealed[0].number,))
    with pytest.raises(Cold):
        stream_of(made).spans(0)
    loop.run_one()
    with pytest.raises(CommandError, match="cannot be read from disk: the database is damaged"):
        stream_of(made).spans(0)


def test_the_budget_can_be_changed(made: World) -> None:
    made.journal.set_memory(1)
    made.commit(10)
    assert not any(resident(made))
    made.journal.set_memory(0)
    assert made.journal.facts()["resident_bytes_max"] == memory_share() > 1 << 20
