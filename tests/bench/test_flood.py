"""The flood's log accepts one order of messages and nothing else."""

import random
from collections.abc import Sequence

import pytest

from airwave.bench import flood
from airwave.bench.errors import BenchError
from airwave.bench.flood import CHANNEL, FRAME, PAYLOAD, Log
from airwave.bench.servers import Server
from airwave.bench.wire import message


def stream(*messages: tuple[int, int]) -> bytes:
    """What a subscriber receives for these (publisher, sequence number)."""
    return b"".join(message(CHANNEL, PAYLOAD % one) for one in messages)


GOOD = [(0, 0), (1, 0), (0, 1), (0, 2), (1, 1), (1, 2), (0, 3)]


def test_frames_have_one_size() -> None:
    assert len(stream((3, 10**11))) == len(FRAME)
    assert len(FRAME) == len(message(CHANNEL, b"x" * 32))


@pytest.mark.parametrize("seed", range(5))
def test_one_order_in_any_pieces_is_accepted(seed: int) -> None:
    dice, log, positions, whole = random.Random(seed), Log(2), [0] * 4, stream(*GOOD)
    while min(positions) < len(whole):
        who, size = dice.randrange(4), dice.randrange(1, 200)
        chunk = memoryview(whole)[positions[who] : positions[who] + size]
        log.check(positions[who], chunk)
        positions[who] += len(chunk)
        log.forget(min(positions))
    assert log.end == len(whole)


@pytest.mark.parametrize(
    "bad",
    [
        [(0, 0), (0, 2)],
        [(0, 0), (0, 0)],
        [(0, 1), (0, 0)],
        [(0, 0), (1, 1)],
    ],
    ids=["missing", "twice", "swapped", "first-missing"],
)
def test_a_wrong_sequence_is_detected(bad: Sequence[tuple[int, int]]) -> None:
    with pytest.raises(BenchError, match="damaged or out of order"):
        Log(2).check(0, memoryview(stream(*bad)))


def test_another_order_than_the_others_saw_is_detected() -> None:
    log = Log(2)
    log.check(0, memoryview(stream((0, 0), (1, 0))))
    with pytest.raises(BenchError, match="something else than the others"):
        log.check(0, memoryview(stream((1, 0), (0, 0))))


def test_damage_is_detected() -> None:
    with pytest.raises(BenchError, match="damaged"):
        Log(1).check(0, memoryview(stream((0, 0)).replace(b"xx", b"xy")))


def test_a_flood_reaches_everybody(redis: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(flood, "SUBSCRIBERS", 20)
    facts = flood.run(redis, 0.3)
    published = facts["published"]
    assert isinstance(published, int)
    assert published >= flood.BLOCK * flood.PUBLISHERS
    assert facts["every_message_in_order"] is True


@pytest.mark.parametrize(
    ("rss_mb", "bounded"), [([30, 90, 95, 92], True), ([30, 90, 150, 300], False), ([1500, 1500, 1500, 1500], False)]
)
def test_memory_verdict(rss_mb: list[int], bounded: bool) -> None:
    facts = flood._memory([mb * 1_000_000 for mb in rss_mb])
    assert facts["passed"] is bounded
