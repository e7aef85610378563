"""Writers write while a steady load is timed, and every entry of theirs is there."""

from airwave.bench.entries import key, verify_length
from airwave.bench.load import Crowd
from airwave.bench.mixed import PIPELINE, RATE_PER_S, SUBSCRIBERS, Writer, writing
from airwave.bench.paced import drive
from airwave.bench.servers import Server


def test_a_writer_adds_until_it_is_stopped(redis: Server) -> None:
    writer = Writer(redis.address, key())
    with writer.sock:
        drive([writer], Crowd([]), 0.05)
        assert writer.settled()
    assert writer.added > PIPELINE
    verify_length(redis.address, key(), writer.added)


def test_latency_is_taken_beside_writers(redis: Server) -> None:
    with writing(redis, 0.0) as measure:
        samples = [measure(0.1) for _ in range(2)]
    for sample in samples:
        assert 0 < sample.values["p50"] <= sample.values["p99"]
        added = sample.values["added"] * sample.seconds
        assert added > 0
        published = (sample.operations - round(added)) / SUBSCRIBERS
        assert 1 <= published <= RATE_PER_S * 0.1 + 1
        assert (sample.cpu_us or 0) > 0
