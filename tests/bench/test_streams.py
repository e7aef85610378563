"""Every load on streams works, in small, against a real server."""

from dataclasses import replace

import pytest

from airwave.bench import exchange, mixed, streams
from airwave.bench.entries import key
from airwave.bench.errors import BenchError
from airwave.bench.model import Sample, Scenario
from airwave.bench.servers import Server
from airwave.bench.wire import ask, connect, request

LENGTH = 1000


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "ENTRIES", LENGTH)
    monkeypatch.setattr(streams, "READERS_AT_ONCE", 2)


def named(name: str) -> Scenario:
    return next(one for one in streams.SCENARIOS if one.name == name)


def measured(scenario: Scenario, server: Server, rounds: int = 2) -> list[Sample]:
    with scenario.open(server, 0.0) as measure:
        samples = [measure(0.05) for _ in range(rounds)]
    for sample in samples:
        assert set(sample.values) == {metric.key for metric in scenario.metrics}
        assert all(value > 0 for value in sample.values.values())
        assert sample.operations > 0
        assert (sample.cpu_us or 0) > 0
    return samples


def test_names_are_unique() -> None:
    names = [one.name for one in (*streams.SCENARIOS, *streams.CHECKS)]
    assert len(set(names)) == len(names) == 13


def test_durable_loads_say_so() -> None:
    durable = {one.name: one.appendfsync for one in (*streams.SCENARIOS, *streams.CHECKS) if one.appendfsync}
    assert durable.pop("xadd-always") == "always"
    assert durable.keys() == {"xadd-everysec", "group-100-everysec", "restart-2m", "latency-durable", "open10m"}
    assert set(durable.values()) == {"everysec"}


@pytest.mark.parametrize("name", ["xadd-c50", "xadd-p16"])
def test_each_measurement_of_adding_begins_with_an_empty_stream(redis: Server, name: str) -> None:
    last = measured(named(name), redis)[-1]
    with connect(redis.address) as sock:
        assert ask(sock, b"XLEN", key()) == last.operations


def test_a_stream_keeps_its_length_exactly(redis: Server) -> None:
    measured(streams._adding("s", "s", 1.0, 16, length_max=LENGTH), redis)
    with connect(redis.address) as sock:
        assert ask(sock, b"XLEN", key()) == LENGTH


@pytest.mark.parametrize("name", ["xrange-100", "xread-100"])
def test_readers_get_all_they_ask_for(redis: Server, name: str) -> None:
    for sample in measured(named(name), redis):
        assert sample.operations % streams.COUNT == 0


def test_another_answer_than_redis_gives_is_detected(redis: Server) -> None:
    def wrong(numbers: range) -> tuple[bytes, bytes]:
        asked, answer = streams._xrange(numbers)
        return asked, answer.replace(b"user", b"uses")

    scenario = streams._reading("s", "s", 1.0, wrong)
    with pytest.raises(BenchError, match="unexpected reply"), scenario.open(redis, 0.0):
        pass


def test_groups_go_round_the_stream(redis: Server) -> None:
    read = 0
    with named("group-100").open(redis, 0.0) as measure:
        while read <= 2 * 2 * LENGTH:  # two groups: each comes to the end, and begins again
            done = measure(0.05).operations
            assert done
            read += done
    with connect(redis.address) as sock:
        assert ask(sock, b"XPENDING", key(), b"group:00") != [0, None, None, None]


def test_what_is_not_acknowledged_is_detected(redis: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exchange, "LATE_NS_MAX", 100_000_000)
    with named("group-100").open(redis, 0.0) as measure:
        measure(0.01)
        streams._verify_pending(redis, [b"group:00"])
        with connect(redis.address) as sock:
            stolen = request(b"XREADGROUP", b"GROUP", b"group:00", b"bob", b"COUNT", b"101", b"STREAMS", key(), b">")
            # From the start again: the group may just have come to the end of the stream.
            sock.sendall(request(b"XGROUP", b"SETID", key(), b"group:00", b"0") + stolen)
            assert sock.recv(5) == b"+OK\r\n"
            assert sock.recv(1) == b"*"
        with pytest.raises(BenchError, match="other entries pending than those read last"):
            streams._verify_pending(redis, [b"group:00"])


def test_waking(redis: Server) -> None:
    for sample in measured(named("wake-100"), redis):
        assert sample.operations % 100 == 0


def test_a_server_elsewhere_is_measured_without_cpu_and_left_clean(redis: Server) -> None:
    elsewhere = replace(redis, pid=None, program=None)
    for name in ("xadd-p16", "xread-100", "group-100"):
        with named(name).open(elsewhere, 0.0) as measure:
            sample = measure(0.02)
        assert (sample.cpu_us, sample.waited_s) == (None, None)
    with mixed.writing(elsewhere, 0.0) as measure:
        assert measure(0.05).cpu_us is None
    with connect(redis.address) as sock:
        assert ask(sock, b"DBSIZE") == 0
