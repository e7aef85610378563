"""Blobs of values, pages and positions."""

from airwave.journal import Journal
from airwave.store import states
from airwave.streams.pending import Consumer, Delivery, Page
from airwave.streams.stream import Stream
from airwave.value import String


def test_a_string() -> None:
    value = String(7, Journal(), b"data")
    value.space, value.key, value.expires_ms = 3, b"key", 99
    found, groups = states.restored_value(7, states.value_state(value), Journal())
    assert isinstance(found, String)
    assert (found.number, found.space, found.key, found.expires_ms, found.data) == (7, 3, b"key", 99, b"data")
    assert groups == []


def test_a_stream_with_groups_and_idempotent_ids() -> None:
    stream = Stream(8, Journal())
    stream.key, stream.last_id, stream.added, stream.max_deleted = b"s", (1 << 128) - 1, 12, 5
    stream.producers.restore_limits(9, 8)
    stream.producers.restore(b"producer", b"iid", 77)
    group = stream.add_group(b"g", 4, -1)
    gone = group.add_consumer(b"gone", 1)
    group.remove_consumer(gone)
    group.add_consumer(b"here", 2)
    group.released = {6: None, 5: None}
    found, (group_state,) = states.restored_value(8, states.value_state(stream), Journal())
    assert isinstance(found, Stream)
    assert (found.last_id, found.added, found.max_deleted, found.last_group) == ((1 << 128) - 1, 12, 5, 1)
    assert (found.producers.duration_s, found.producers.maxsize) == (9, 8)
    assert [*found.producers.items()] == [(b"producer", b"iid", 77)]
    again, consumers = states.restored_group(Journal(), 8, group_state)
    assert (again.number, again.name, again.last_id, again.entries_read) == (1, b"g", 4, -1)
    assert [*again.released] == [6, 5]
    assert [*consumers] == [2]
    assert again.add_consumer(b"next", 3).number == 3  # numbers are never given again


def test_a_page() -> None:
    alice, unknown = Consumer(1, b"alice", 0), Consumer(2, b"?", 0)
    together = Delivery(alice, 5, 1)
    page = Page({1: together, 2: Delivery(unknown, 6, 2), 3: together, 4: Delivery(None, 7, 3)}, 5)
    consumers = {1: alice}
    items = states.page_items(states.page_blob(page), consumers)
    assert [*items] == [1, 2, 3, 4]
    assert items[1] is items[3]
    assert items[1].consumer is alice
    assert (items[2].consumer, items[2].at_ms, items[2].count) == (consumers[2], 6, 2)
    assert items[4].consumer is None


def test_positions() -> None:
    assert states.dead_blob(None) is None
    assert states.dead_blob({3, 1}) == bytes([1, 0, 0, 0, 3, 0, 0, 0])
    assert states.dead_set(states.dead_blob({3, 1})) == {1, 3}
    assert states.dead_set(None) is None
