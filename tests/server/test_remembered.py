"""Remembered channels on a server with a database: what was answered or delivered is there after kill -9."""

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from live import Node, Peer

Start = Callable[..., Node]


def durable(folder: Path, *options: str) -> tuple[str, ...]:
    return ("--appendonly", "yes", "--dir", str(folder), *options)


def messages(peer: Peer, channel: str) -> list[bytes]:
    return [fields[1] for _, fields in peer.do("XRANGE", channel, "-", "+")]


def replay(peer: Peer, channel: str, count: int) -> list[bytes]:
    """All that is remembered, so many at a time."""
    found: list[bytes] = []
    after: Any = "0"
    while True:
        _, page = peer.do("PUBSUB", "REPLAY", after, count, "CHANNEL", channel)
        found += [message for _, _, message in page]
        if len(page) < count:
            return found
        after = page[-1][1]


def test_what_was_answered_or_delivered_before_kill_9_is_remembered(start: Start, tmp_path: Path) -> None:
    options = durable(tmp_path, "--remember", "news:*")
    node = start(*options)
    answered: list[int] = []
    delivered: list[bytes] = []

    def publish() -> None:
        with node.connect() as peer:
            try:
                for number in range(1_000_000):
                    peer.do("PUBLISH", "news:1", number)
                    answered.append(number)
            except (OSError, EOFError, AssertionError):
                pass

    with node.connect() as subscriber:
        subscriber.do("SUBSCRIBE", "news:1")
        publisher = threading.Thread(target=publish)
        publisher.start()
        while len(delivered) < 300:
            delivered.append(subscriber.read()[2])
        node.kill()
        publisher.join()
    again = start(*options)
    with again.connect() as peer:
        kept = messages(peer, "news:1")
    assert kept == [b"%d" % number for number in range(len(kept))]
    assert len(kept) > answered[-1]
    assert len(kept) >= len(delivered)


def test_rules_set_at_run_time_are_kept_by_config_rewrite(start: Start, tmp_path: Path) -> None:
    file = tmp_path / "airwave.conf"
    file.write_text("# what is kept\nremember old:*\n")
    node = start(str(file))
    with node.connect() as peer:
        assert peer.do("CONFIG", "GET", "remember") == [b"remember", b"old:*"]
        peer.do("CONFIG", "SET", "remember", "news:* maxlen 2 audit:* ttl 3600")
        peer.do("CONFIG", "REWRITE")
    node.stop()
    assert file.read_text().startswith("# what is kept\nremember news:* maxlen 2\n")
    with start(str(file)).connect() as peer:
        assert peer.do("CONFIG", "GET", "remember") == [b"remember", b"news:* maxlen 2 audit:* ttl 3600"]
        for number in range(3):
            peer.do("PUBLISH", "news:1", number)
        assert messages(peer, "news:1") == [b"1", b"2"]


@pytest.mark.slow
def test_a_history_larger_than_memory_is_replayed_from_disk(start: Start, tmp_path: Path) -> None:
    node = start(*durable(tmp_path, "--remember", "*", "--stream-memory", "100kb"))
    with node.connect() as peer:
        for first in range(0, 4000, 100):
            peer.send_raw(
                b"".join([b"PUBLISH a %d%b\r\n" % (number, b"x" * 500) for number in range(first, first + 100)])
            )
            for _ in range(100):
                assert peer.read() == 0
        found = replay(peer, "a", 700)
        assert [int(each.rstrip(b"x")) for each in found] == [*range(4000)]
        assert [int(each.rstrip(b"x")) for each in replay_last(peer, "a", 3000)] == [*range(1000, 4000)]
        peer.do("CONFIG", "SET", "remember", "* maxlen 10")
        peer.do("PUBLISH", "a", "last")
        assert len(replay(peer, "a", 100)) in (10, 4001)  # the chunk to be trimmed may have to be fetched first
        while peer.do("XLEN", "a") != 10:
            peer.do("PUBLISH", "a", "last")
    node.assert_no_fault()


def replay_last(peer: Peer, channel: str, count: int) -> list[bytes]:
    return [message for _, _, message in peer.do("PUBSUB", "REPLAY", -count, count, "CHANNEL", channel)[1]]


def test_xread_follows_a_channel_without_a_hole(start: Start, tmp_path: Path) -> None:
    node = start(*durable(tmp_path, "--remember", "a"))

    def publish() -> None:
        with node.connect() as peer:
            for first in range(0, 500, 10):
                peer.send_raw(b"".join([b"PUBLISH a %d\r\n" % number for number in range(first, first + 10)]))
                for _ in range(10):
                    peer.read()

    found: list[bytes] = []
    last: Any = "0"
    with node.connect() as reader:
        publisher = threading.Thread(target=publish)
        publisher.start()
        while len(found) < 500:
            ((_, entries),) = reader.do("XREAD", "BLOCK", 0, "STREAMS", "a", last)
            last = entries[-1][0]
            found += [fields[1] for _, fields in entries]
        publisher.join()
    assert found == [b"%d" % number for number in range(500)]
