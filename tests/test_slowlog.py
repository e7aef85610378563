"""The slow log: bounded in its length and in what it keeps of a command."""

from airwave.slowlog import SlowLog


def test_the_oldest_go() -> None:
    log = SlowLog(3)
    for number in range(5):
        log.add(number, number, [b"PING"], "peer", b"")
    assert [entry.id for entry in log.entries] == [4, 3, 2]
    log.resize(1)
    assert [entry.id for entry in log.entries] == [4]
    log.resize(3)
    log.add(5, 5, [b"PING"], "peer", b"")
    assert [entry.id for entry in log.entries] == [5, 4]


def test_a_length_of_zero_keeps_nothing() -> None:
    log = SlowLog(0)
    log.add(1, 1, [b"PING"], "peer", b"")
    assert not log.entries


def test_commands_are_shortened_as_redis_does() -> None:
    log = SlowLog(1)
    log.add(1, 1, [b"x" * 200, *[b"a"] * 39], "peer", b"")
    (entry,) = log.entries
    assert entry.argv[0] == b"x" * 128 + b"... (72 more bytes)"
    assert len(entry.argv) == 32
    assert entry.argv[-1] == b"... (9 more arguments)"
