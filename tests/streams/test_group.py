"""What a consumer group tells the journal, and how it counts what is pending for whom."""

import pytest

from airwave import journal as effects
from airwave.journal import Journal
from airwave.streams.group import DELIVERIES_MAX, Group
from airwave.streams.ids import pack
from airwave.streams.pending import Delivery
from airwave.streams.stream import Stream


class Recorder(Journal):
    """A journal that keeps what it is told in a list."""

    durable = True

    def __init__(self):
        self.effects = []

    def record(self, effect):
        self.effects.append(effect)

    def told(self):
        told, self.effects = self.effects, []
        return told


@pytest.fixture
def journal():
    return Recorder()


@pytest.fixture
def group(journal):
    return Group(journal, 7, 3, b"g", 5)


def counts(group):
    """Pending entries of each consumer, as it counts them; that must be what there is."""
    owners = [delivery.consumer for _, delivery in group.pending.range()]
    for consumer in group.consumers.values():
        assert consumer.pending == owners.count(consumer)
    released = [entry_id for entry_id, delivery in group.pending.range() if delivery.consumer is None]
    assert sorted(group.released) == released
    return {name: consumer.pending for name, consumer in group.consumers.items()}


def test_groups_are_numbered_and_never_anew(journal):
    stream = Stream(7, journal)
    first, second = stream.add_group(b"a", 5, 2), stream.add_group(b"b", 6, -1)
    assert journal.told() == [
        (effects.GROUP, 7, 1, b"a", pack([5]), 2),
        (effects.GROUP, 7, 2, b"b", pack([6]), -1),
    ]
    stream.remove_group(second)
    assert journal.told() == [(effects.UNGROUP, 7, 2)]
    assert stream.add_group(b"b", 0, -1).number == 3
    assert stream.groups[b"a"] is first


def test_position(group, journal):
    group.move_to(9, 4)
    assert (group.last_id, group.entries_read) == (9, 4)
    assert journal.told() == [(effects.GROUP, 7, 3, b"g", pack([9]), 4)]


def test_consumers(group, journal):
    consumer = group.add_consumer(b"c", 1000)
    assert journal.told() == [(effects.CONSUMER, 7, 3, 1, b"c", 1000, -1)]
    group.deliver([1, 2, 3], consumer, 1100)
    group.deliver([4], group.add_consumer(b"d", 1000), 1100)
    journal.told()
    assert group.remove_consumer(consumer) == 3
    assert journal.told() == [(effects.UNCONSUMER, 7, 3, 1)]
    assert counts(group) == {b"d": 1}
    assert group.add_consumer(b"c", 1200).number == 3


def test_deliveries(group, journal):
    first, second = group.add_consumer(b"1", 0), group.add_consumer(b"2", 0)
    journal.told()
    group.deliver([1, 2, 3], first, 100)
    group.deliver([4, 5], second, 200, pack([4, 5]))
    group.deliver([2, 3, 4], second, 300)  # the group was set back
    assert journal.told() == [
        (effects.PENDING, 7, 3, 1, 100, 1, pack([1, 2, 3])),
        (effects.PENDING, 7, 3, 2, 200, 1, pack([4, 5])),
        (effects.PENDING, 7, 3, 2, 300, 1, pack([2, 3, 4])),
    ]
    assert counts(group) == {b"1": 1, b"2": 4}
    assert (first.active_ms, second.active_ms) == (100, 300)


def test_release_and_claim(group, journal):
    consumer = group.add_consumer(b"c", 0)
    group.deliver([1, 2, 3, 4], consumer, 100)
    journal.told()
    group.assign_each([(3, 1), (2, 1), (1, 9), (3, 1)], None, 0)
    assert journal.told() == [
        (effects.PENDING, 7, 3, 0, 0, 1, pack([3, 2])),
        (effects.PENDING, 7, 3, 0, 0, 9, pack([1])),
        (effects.PENDING, 7, 3, 0, 0, 1, pack([3])),
    ]
    assert list(group.released) == [2, 1, 3]
    assert counts(group) == {b"c": 1}
    group.assign([1], Delivery(consumer, 500, 2))
    group.assign_each([(9, DELIVERIES_MAX + 1)], consumer, 600)  # it was not pending
    assert list(group.released) == [2, 3]
    assert counts(group) == {b"c": 3}
    assert group.pending.get(9).count == DELIVERIES_MAX


def test_acknowledge(group, journal):
    first, second = group.add_consumer(b"1", 0), group.add_consumer(b"2", 0)
    group.deliver([1, 2, 3], first, 100)
    group.deliver([4, 5, 6], second, 100)
    group.assign_each([(3, 1), (6, 1)], None, 0)
    journal.told()
    assert group.acknowledge([8, 9]) == []
    assert journal.told() == []
    assert group.acknowledge([1, 8, 4, 6, 1]) == [1, 4, 6]
    assert journal.told() == [(effects.ACKED, 7, 3, pack([1, 4, 6]))]
    assert counts(group) == {b"1": 1, b"2": 1}
    assert list(group.released) == [3]
    assert group.acknowledge([2]) == [2]
    assert counts(group) == {b"1": 0, b"2": 1}
