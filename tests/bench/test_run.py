"""Rounds are interleaved, and what goes wrong ends in the result or in one line."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from airwave.bench import machine
from airwave.bench import run as run_module
from airwave.bench.errors import BenchError
from airwave.bench.model import Measure, Metric, Sample, Scenario, Suite
from airwave.bench.plans import one_channel
from airwave.bench.program import Cores, redis_argv
from airwave.bench.run import Options, run, select
from airwave.bench.scenarios import CHECKS, SCENARIOS, _closed_loop
from airwave.bench.servers import Server
from airwave.bench.streams import STREAMS
from airwave.bench.wire import ask, connect


@pytest.fixture(autouse=True)
def unpinned(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tests share the machine."""
    monkeypatch.setattr(Cores, "choose", staticmethod(lambda: Cores(None, None)))


def only(monkeypatch: pytest.MonkeyPatch, *scenarios: Scenario) -> None:
    monkeypatch.setattr(run_module, "SUITES", [Suite("small", "small loads", scenarios, [])])


@pytest.mark.usefixtures("redis_installed")
def test_two_servers_are_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    only(monkeypatch, _closed_loop("small", "a small load", 1.0, lambda: one_channel(10, 2)))
    lines: list[str] = []
    result = run(Options(rounds=2, seconds=0.05, argv=redis_argv), lines.append)
    compared = result.comparisons[0]
    assert compared.error is None
    assert len(compared.airwave) == len(compared.redis) == 2
    assert all(sample.values["rate"] > 0 and (sample.cpu_us or 0) > 0 for sample in compared.airwave)
    assert result.sides["redis"].startswith("Redis ")
    assert "only one core" in lines[0]


@pytest.mark.usefixtures("redis_installed")
def test_rounds_are_interleaved(monkeypatch: pytest.MonkeyPatch) -> None:
    order: list[str] = []

    @contextmanager
    def opened(server: Server, rate_per_s: float) -> Iterator[Measure]:
        def measure(_: float) -> Sample:
            order.append(f"{server.name} at {rate_per_s:g}")
            return Sample({"x": 1.0}, 1.0)

        yield measure

    metrics = [Metric("x", "x", "ms", 1.0)]
    only(monkeypatch, Scenario("s", "s", metrics, opened, calibrate=lambda server: float(len(server.name)), fresh=True))
    run(Options(rounds=2, argv=redis_argv), lambda _: None)
    assert order == ["airwave at 12", "redis-server at 12"] * 2


@pytest.mark.usefixtures("redis_installed")
def test_a_scenario_that_fails_does_not_end_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    @contextmanager
    def broken(_: Server, __: float) -> Iterator[Measure]:
        raise BenchError("lost: 5 bytes")
        yield

    small = _closed_loop("small", "a small load", 1.0, lambda: one_channel(2, 1))
    only(monkeypatch, Scenario("broken", "b", [], broken), small)
    result = run(Options(rounds=1, seconds=0.05, argv=redis_argv), lambda _: None)
    assert [one.error for one in result.comparisons] == ["lost: 5 bytes", None]
    assert result.failed()


@pytest.mark.usefixtures("redis_installed")
def test_a_server_that_does_not_start_ends_it_all() -> None:
    options = Options(argv=lambda _: [sys.executable, "-c", "raise SystemExit('bad option')"])
    with pytest.raises(BenchError, match=r"^airwave ended with code 1 at start: bad option$"):
        run(options, lambda _: None)


def test_names_are_chosen_and_checked() -> None:
    scenarios, checks = select(None, ["ping", "flood", "xadd-c50"])
    assert [one.name for one in scenarios] + [one.name for one in checks] == ["ping", "xadd-c50", "flood"]
    assert select("pubsub", []) == (SCENARIOS, CHECKS)
    assert select(None, [])[0] == [*SCENARIOS, *STREAMS.scenarios]
    with pytest.raises(BenchError, match="there is no load named fast: choose from fanout-1000, "):
        select(None, ["ping", "fast"])
    with pytest.raises(BenchError, match="there is no load named xadd-c50: choose from fanout-1000, "):
        select("pubsub", ["xadd-c50"])
    with pytest.raises(
        BenchError, match=r"^there is no suite named lists: choose from pubsub, streams, history, browsers, library$"
    ):
        select("lists", [])


def test_a_check_of_minutes_is_run_only_when_it_is_named() -> None:
    assert [one.name for one in select(None, [])[1]] == ["flood", "idle10k"]
    assert [one.name for one in select("streams", ["open10m"])[1]] == ["open10m"]


@pytest.mark.usefixtures("redis_installed")
def test_a_durable_scenario_has_servers_that_write_to_a_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[bytes] = []

    @contextmanager
    def opened(server: Server, _: float) -> Iterator[Measure]:
        with connect(server.address) as sock:
            for name in (b"appendonly", b"appendfsync", b"dir"):
                reply = ask(sock, b"CONFIG", b"GET", name)
                assert isinstance(reply, list)
                seen.append(reply[1])
        yield lambda _: Sample({"x": 1.0}, 1.0)

    only(monkeypatch, Scenario("s", "s", [Metric("x", "x", "ms", 1.0)], opened, appendfsync="always"))
    lines: list[str] = []
    monkeypatch.setattr(machine, "filesystem", lambda _: "tmpfs")
    run(Options(rounds=1, argv=redis_argv), lines.append)
    assert seen[:2] == seen[3:5] == [b"yes", b"always"]
    assert seen[2] != seen[5]
    assert not Path(seen[2].decode()).exists()
    assert any("is not on a disk, so syncing costs nothing" in line for line in lines)
