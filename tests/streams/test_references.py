"""Policies for entries that consumer groups refer to."""

import pytest

from airwave.journal import ACKED as ACKED_EFFECT
from airwave.journal import DELETED as DELETED_EFFECT
from airwave.journal import Journal
from airwave.streams.chunk import Cold
from airwave.streams.references import ACKED, DELREF, KEEPREF, delete, forget, is_referenced, unread_after
from airwave.streams.stream import Stream

from .disk import SlowDisk


def stream_with_groups(journal=None, count=10):
    """Group a has read all and has 1 and 2 pending; group b has read up to 5 and has 2 and 3 pending."""
    stream = Stream(1, journal or Journal())
    stream.extend(range(1, count + 1), [b"x"] * count)
    for name, last, pending in ((b"a", count, [1, 2]), (b"b", 5, [2, 3])):
        group = stream.add_group(name, last, last)
        group.deliver(pending, group.add_consumer(b"c", 0), 0)
    return stream


def pending(stream):
    return {name: [each for each, _ in group.pending.range()] for name, group in stream.groups.items()}


def test_what_is_a_reference():
    stream = stream_with_groups()
    assert [each for each in range(1, 13) if is_referenced(stream, each)] == [1, 2, 3, 6, 7, 8, 9, 10, 11, 12]
    assert unread_after(stream) == 5
    assert not is_referenced(Stream(1, Journal()), 1)
    assert unread_after(Stream(1, Journal())) is None


def test_released_entries_are_referenced():
    stream = stream_with_groups()
    group = stream.groups[b"a"]
    delivery = group.pending.get(1)
    delivery.consumer = None
    assert is_referenced(stream, 1)


def test_forgetting():
    stream = stream_with_groups()
    forget(stream, [2, 9])
    assert pending(stream) == {b"a": [1], b"b": [3]}
    assert stream.groups[b"a"].consumers[b"c"].pending == 1


def test_deleting():
    stream = stream_with_groups()
    assert delete(stream, [2, 2, 11], KEEPREF) == [1, -1, -1]
    assert pending(stream) == {b"a": [1, 2], b"b": [2, 3]}
    assert delete(stream, [2, 3, 4], DELREF) == [-1, 1, 1]
    assert pending(stream) == {b"a": [1], b"b": []}
    assert delete(stream, [1, 5, 2, 6, 99], ACKED) == [2, 1, -1, 2, 2]
    assert stream.length == 6
    assert stream.max_deleted == 5


def test_nothing_changes_before_the_disk_was_read():
    disk = SlowDisk()
    stream = stream_with_groups(disk, 300)
    disk.put_away()
    disk.effects.clear()
    with pytest.raises(Cold):
        delete(stream, [2, 200], DELREF)
    assert pending(stream) == {b"a": [1, 2], b"b": [2, 3]}
    assert not disk.effects
    disk.warm()
    assert delete(stream, [2, 200], DELREF) == [1, 1]
    assert {effect[0] for effect in disk.effects} == {ACKED_EFFECT, DELETED_EFFECT}
