"""The suite `browsers`: contenders are measured in the same way, and each delivery is counted."""

import pytest

from airwave.bench import browsers, rounds
from airwave.bench.browsers import BROWSERS, CONTENDERS, Measured, fan_out, latency, memory, one_by_one
from airwave.bench.contest import CPU, MEMORY, RATE
from airwave.bench.errors import BenchError
from airwave.bench.program import Cores

UNPINNED = Cores(None, None)
CLIENTS = 40


@pytest.mark.slow
@pytest.mark.parametrize("name", CONTENDERS)
@pytest.mark.parametrize(
    ("measured", "keys"),
    [
        (fan_out(CLIENTS, 2), {RATE}),
        (one_by_one(CLIENTS), {RATE}),
        (latency(CLIENTS, 4, 100.0), {"p50", "p99"}),
    ],
    ids=["fan-out", "one-by-one", "latency"],
)
def test_deliveries_are_counted(name: str, measured: Measured, keys: set[str]) -> None:
    with measured(name, UNPINNED) as measure:
        samples = [measure(0.1) for _ in range(2)]
    for sample in samples:
        assert sample.values.keys() == keys
        assert all(value > 0 for value in sample.values.values())
        assert sample.operations > 0
        assert sample.operations % CLIENTS == 0
        assert (sample.cpu_us or 0) > 0


@pytest.mark.slow
def test_a_client_is_weighed() -> None:
    with memory(200)("sse", UNPINNED) as measure:
        sample = measure(0.1)
    assert sample.operations == 200
    assert 500 < sample.values[MEMORY] < 50_000
    assert (sample.cpu_us or 0) > 0


def test_airwave_must_be_eight_times_as_good_for_both_kinds_of_browsers() -> None:
    wanted = {
        (target.contender, target.of, target.by, target.at_least)
        for contest in BROWSERS.contests
        for target in contest.targets
        if target.at_least is not None
    }
    assert wanted == {(kind, f"starlette-{kind}", by, 8.0) for kind in ("sse", "ws") for by in (RATE, CPU)}
    assert all(contest.contenders is CONTENDERS for contest in BROWSERS.contests)


def test_versions_of_all_that_runs_are_told() -> None:
    assert browsers.versions().keys() == {"aiohttp", "starlette", "sse-starlette", "uvicorn", "httptools", "websockets"}


def test_without_the_extras_it_says_how_to_get_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rounds.importlib.util, "find_spec", lambda name: None if name == "sse_starlette" else True)
    with pytest.raises(BenchError, match=r"needs sse_starlette, .*: pip install 'airwave\[web,bench\]'$"):
        rounds.run(BROWSERS, 1, 0.1, lambda _: None)
