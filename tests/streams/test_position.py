"""How far a group has read, and how far behind it is."""

import pytest

from airwave.journal import Journal
from airwave.streams.group import UNKNOWN
from airwave.streams.position import entries_read_after, estimate_entries_read, has_tombstone, lag
from airwave.streams.stream import Stream
from airwave.streams.trimming import trim_to_length


def stream_of(count):
    stream = Stream(1, Journal())
    if count:
        stream.extend(range(10, 10 * count + 1, 10), [b"x"] * count)
    return stream


def group_at(stream, last_id, read=UNKNOWN):
    return stream.add_group(b"g", last_id, read)


def test_an_empty_stream():
    stream = stream_of(0)
    assert estimate_entries_read(stream, 0) == 0
    assert lag(stream, group_at(stream, 0)) == 0
    stream = stream_of(3)
    trim_to_length(stream, 0)
    assert estimate_entries_read(stream, 20) == 3
    assert estimate_entries_read(stream, 40) == UNKNOWN
    assert lag(stream, group_at(stream, 10)) == 0


def test_the_ends_are_known():
    stream = stream_of(5)
    assert [estimate_entries_read(stream, each) for each in (0, 9, 10, 11, 40, 50, 51)] == [0, 0, 1, -1, -1, 5, -1]
    trim_to_length(stream, 3)
    assert [estimate_entries_read(stream, each) for each in (0, 20, 30, 40, 50)] == [2, 2, 3, -1, 5]


def test_deleted_entries_make_it_unknown():
    stream = stream_of(5)
    stream.delete([30])
    assert [estimate_entries_read(stream, each) for each in (0, 10, 30, 40, 50)] == [-1, -1, -1, -1, 5]
    assert [has_tombstone(stream, each) for each in (0, 29, 30, 31)] == [True, True, True, False]
    trim_to_length(stream, 2)
    assert estimate_entries_read(stream, 40) == 4


@pytest.mark.parametrize(("last_id", "read", "behind"), [(0, UNKNOWN, 5), (20, 2, 3), (20, UNKNOWN, None), (50, 9, -4)])
def test_lag(last_id, read, behind):
    stream = stream_of(5)
    assert lag(stream, group_at(stream, last_id, read)) == behind


def test_lag_and_deleted_entries():
    stream = stream_of(5)
    group = group_at(stream, 20, 2)
    stream.delete([10])
    assert lag(stream, group) == 3
    stream.delete([30])
    assert lag(stream, group) is None
    group.move_to(50, UNKNOWN)
    assert lag(stream, group) == 0


def test_reading_on():
    stream = stream_of(5)
    group = group_at(stream, 0)
    assert entries_read_after(stream, group, [10]) == 1
    assert entries_read_after(stream, group, [10, 20, 30]) == 3
    assert entries_read_after(stream, group, []) == UNKNOWN
    group.move_to(20, 2)
    assert entries_read_after(stream, group, [30, 40]) == 4
    group.move_to(20, UNKNOWN)
    assert entries_read_after(stream, group, [30, 40]) == UNKNOWN
    assert entries_read_after(stream, group, [30, 40, 50]) == 5
    stream.delete([30])
    group.move_to(20, 2)
    assert entries_read_after(stream, group, [40]) == UNKNOWN
    assert entries_read_after(stream, group, [40, 50]) == 5
