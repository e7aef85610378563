"""What MAXLEN and MINID ask for; that trimming does it is in test_stream.py."""

import pytest

from airwave.journal import Journal
from airwave.streams.chunk import ENTRIES_MAX, Cold
from airwave.streams.references import ACKED, DELREF, KEEPREF
from airwave.streams.stream import Stream
from airwave.streams.trimming import Trim

from .disk import SlowDisk

COUNT = 3 * ENTRIES_MAX + 10


def filled(journal):
    stream = Stream(1, journal)
    stream.extend(range(1, COUNT + 1), [b"%d" % number for number in range(1, COUNT + 1)])
    return stream


def members(stream):
    return [each for chunk, start, stop in stream.spans(0) for each in chunk.ids(start, stop)]


@pytest.mark.parametrize("policy", [KEEPREF, DELREF, ACKED])
@pytest.mark.parametrize("trim", [Trim(5), Trim(COUNT - 1), Trim(200), Trim(0), Trim(None, 200), Trim(None, COUNT + 9)])
def test_once_prepared_it_never_waits(policy, trim):
    trim = Trim(trim.max_len, trim.min_id, policy=policy)
    disk = SlowDisk()
    stream = filled(disk)
    disk.put_away()
    for _ in range(10):
        try:
            trim.prepare(stream)
            break
        except Cold:
            disk.warm()
    stream.append(COUNT + 1, b"x")
    trim.run(stream)
    left = range(COUNT + 2 - trim.max_len, COUNT + 2) if trim.max_len is not None else range(trim.min_id, COUNT + 2)
    disk.wanted = stream.sealed
    disk.warm()
    assert members(stream) == list(left)
    assert stream.max_deleted == 0


def test_with_references_about_is_exact_but_for_the_limit():
    for policy in (DELREF, ACKED):
        stream = filled(Journal())
        assert Trim(COUNT - 5, exact=False, policy=policy).run(stream) == 5
        assert Trim(5, exact=False, limit=20, policy=policy).run(stream) == 20
        assert Trim(5, exact=False, limit=20).run(stream) == 0


def test_acked_skips_what_is_pending_and_goes_on():
    stream = filled(Journal())
    group = stream.add_group(b"g", 0, -1)
    trim = Trim(COUNT - 10, policy=ACKED)
    assert trim.run(stream) == 0  # nothing was read
    consumer = group.add_consumer(b"c", 0)
    group.deliver(range(1, 101), consumer, 0)
    group.move_to(100, 100)
    assert trim.run(stream) == 0
    group.acknowledge([*range(2, 7), *range(50, 100)])
    assert trim.run(stream) == 10
    assert members(stream)[:2] == [1, 7]
    assert members(stream)[43:45] == [49, 55]
    assert Trim(0, policy=ACKED).run(stream) == 45
    group.acknowledge(range(1, 101))
    assert Trim(0, policy=ACKED).run(stream) == 45
    assert members(stream)[0] == 101
