"""Every kind of scenario works, in small, against a real server."""

import shutil

import pytest

from airwave.bench import crowd, scenarios
from airwave.bench.errors import BenchError
from airwave.bench.model import Sample, Scenario
from airwave.bench.plans import one_channel
from airwave.bench.servers import Server
from airwave.bench.wire import Address


def measured(scenario: Scenario, server: Server, rate_per_s: float = 0.0) -> Sample:
    with scenario.open(server, rate_per_s) as measure:
        sample = measure(0.1)
    assert set(sample.values) == {metric.key for metric in scenario.metrics}
    assert all(value >= 0 for value in sample.values.values())
    return sample


def named(name: str) -> Scenario:
    return next(one for one in scenarios.SCENARIOS if one.name == name)


def test_names_are_unique() -> None:
    names = [one.name for one in scenarios.SCENARIOS] + [one.name for one in scenarios.CHECKS]
    assert len(set(names)) == len(names) == 14


@pytest.mark.parametrize("name", ["publish", "publish-16"])
def test_redis_benchmark_is_the_load(redis: Server, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    sample = measured(named(name), redis)
    assert sample.operations >= 1000
    assert (sample.cpu_us or 0) > 0
    monkeypatch.setattr(shutil, "which", lambda _: None)
    with pytest.raises(BenchError, match="redis-benchmark is not installed"):
        measured(named(name), redis)


def test_memory(redis: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scenarios, "IDLE_SUBSCRIBERS", 200)
    monkeypatch.setattr(scenarios, "SETTLE_S", 0)
    assert measured(named("memory"), redis).values["fresh"] > 1000
    elsewhere = Server(redis.name, redis.address, None)
    with pytest.raises(BenchError, match="only of a server on this machine"):
        measured(named("memory"), elsewhere)


def test_latency(redis: Server) -> None:
    scenario = named("latency")
    sample = measured(scenario, redis, 100.0)
    assert 0 < sample.values["p50"] <= sample.values["p99"]
    assert sample.operations % 100 == 0


def test_ping(redis: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scenarios, "PING_MEAN_NS", 200_000)
    small = scenarios.paced(20, scenarios._ping_times)
    with small(redis, 50.0) as measure:
        assert measure(0.1).values["ping_p99"] > 0


def test_calibration_is_half_of_the_rate(redis: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scenarios, "CALIBRATE_S", 0.1)
    assert scenarios._half_of_sustainable(one_channel(10, 1))(redis) > 0


def test_a_server_elsewhere_is_measured_without_cpu(redis: Server) -> None:
    elsewhere = Server(redis.name, Address("127.0.0.1", redis.address.port), None)
    small = scenarios._closed_loop("s", "s", 1.0, lambda: one_channel(3, 1))
    sample = measured(small, elsewhere)
    assert (sample.cpu_us, sample.waited_s) == (None, None)


@pytest.mark.parametrize(
    ("p99_ms", "max_ms", "waited_ms", "waited_share", "verdict"),
    [
        (0.3, 4.9, 0.0, 0.0, "no"),
        (0.3, 9.0, 1.0, 0.001, "yes"),
        (0.3, 9.0, 50.0, 0.05, "unclear: something else had the server's core"),
        (150.0, 157.0, 1400.0, 0.5, "yes"),
    ],
)
def test_what_counts_as_a_stall(
    p99_ms: float, max_ms: float, waited_ms: float, waited_share: float, verdict: str
) -> None:
    assert crowd.stalled(p99_ms, max_ms, waited_ms, waited_share) == verdict


def test_a_crowd_connects_and_gets_everything(redis: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(crowd, "SUBSCRIBERS", 100)
    facts = crowd.run(redis, 0.4)
    assert isinstance(facts["deliveries"], int)
    assert facts["deliveries"] % 100 == 0
    assert facts["deliveries"] > 0
    assert facts["idle_stalled"] in {"no", "yes", "unclear: something else had the server's core"}
