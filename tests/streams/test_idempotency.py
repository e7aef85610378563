"""Which idempotent IDs are remembered, and for how long."""

from itertools import permutations

from airwave.journal import IDEMPOTENT, IDMP
from airwave.streams.idempotency import Producers, digest
from airwave.streams.ids import SEQ_BITS

from .disk import SlowDisk


def entry(ms):
    return ms << SEQ_BITS


def listed(producers):
    return [(producer, iid, entry_id >> SEQ_BITS) for producer, iid, entry_id in producers.items()]


def test_the_digest_does_not_depend_on_the_order_of_pairs():
    pairs = [(b"a", b"1"), (b"b", b"2"), (b"a", b"1"), (b"", b"")]
    assert len({digest([word for pair in order for word in pair]) for order in permutations(pairs)}) == 1
    assert len(digest([b"a", b"1"])) == 16


def test_the_digest_depends_on_all_else():
    messages = [
        [b"a", b"1"],
        [b"1", b"a"],
        [b"a1", b""],
        [b"", b"a1"],
        [b"a", b"1", b"a", b"1"],
        [b"a", b"1", b"a", b"1", b"a", b"1"],
        [b"a", b"1", b"b", b"2"],
        [b"a", b"2", b"b", b"1"],
    ]
    assert len({digest(message) for message in messages}) == len(messages)


def test_an_iid_belongs_to_its_producer():
    producers = Producers(SlowDisk(), 1)
    producers.remember(b"p", b"1", entry(5), 5)
    assert producers.known(b"p", b"1", 5) == entry(5)
    assert producers.known(b"p", b"2", 5) is None
    assert producers.known(b"q", b"1", 5) is None
    assert producers.tracked(5) == (1, 1)
    assert producers.added == 1
    assert producers.memory_bytes > 0


def test_the_oldest_go_when_there_are_too_many():
    producers = Producers(SlowDisk(), 1)
    for ms in range(1, 103):
        producers.remember(b"p", b"%d" % ms, entry(ms), ms)
    producers.remember(b"q", b"1", entry(103), 103)
    assert producers.tracked(103) == (2, 101)
    assert producers.known(b"p", b"2", 103) is None
    assert producers.known(b"p", b"3", 103) == entry(3)


def test_they_are_forgotten_with_time():
    producers = Producers(SlowDisk(), 1)
    for ms, producer in ((1000, b"p"), (2000, b"q"), (3000, b"p"), (4000, b"r")):
        producers.remember(producer, b"%d" % ms, entry(ms), ms)
    assert producers.known(b"p", b"1000", 100_999) == entry(1000)
    assert producers.known(b"p", b"1000", 101_000) is None
    assert producers.tracked(100_999) == (3, 4)
    assert producers.tracked(101_000) == (3, 3)
    assert producers.tracked(102_000) == (2, 2)
    producers.remember(b"r", b"x", entry(103_500), 103_500)
    assert listed(producers) == [(b"r", b"4000", 4000), (b"r", b"x", 103_500)]
    producers.remember(b"r", b"4000", entry(104_000), 104_000)
    assert listed(producers) == [(b"r", b"x", 103_500), (b"r", b"4000", 104_000)]
    assert producers.tracked(10**9) == (0, 0)


def test_other_limits_forget_everything():
    disk = SlowDisk()
    producers = Producers(disk, 7)
    producers.remember(b"p", b"1", entry(5), 5)
    producers.configure(100, 100)
    assert producers.tracked(5) == (1, 1)
    producers.configure(50, 100)
    assert producers.tracked(5) == (0, 0)
    assert producers.added == 1
    assert disk.effects == [(IDEMPOTENT, 7, b"p", b"1", bytes(7) + b"\5" + bytes(8), 5), (IDMP, 7, 50, 100)]


def test_restored_as_they_were():
    producers = Producers(SlowDisk(), 1)
    for ms, producer in ((1, b"p"), (2, b"q"), (3, b"p")):
        producers.remember(producer, b"%d" % ms, entry(ms), ms)
    disk = SlowDisk()
    again = Producers(disk, 1)
    again.restore_limits(9, 9)
    for item in producers.items():
        again.restore(*item)
    assert listed(again) == listed(producers)
    assert (again.duration_s, again.maxsize) == (9, 9)
    assert not disk.effects
