"""Results of contests become tables, are held to their targets, and are kept."""

from contextlib import nullcontext
from pathlib import Path

import pytest

from airwave.bench import standings
from airwave.bench.contest import CPU, MEMORY, RATE, Contest, Contests, Target
from airwave.bench.errors import BenchError
from airwave.bench.model import Sample
from airwave.bench.standings import Standings

TARGETS = [
    Target("A to B", "a", "b", RATE, 8.0),
    Target("A to B", "a", "b", CPU, 8.0),
    Target("A to nobody", "a", "c", RATE, 1.0),
    Target("B to A", "b", "a", RATE),
]
SUITE = Contests(
    "small",
    "small loads",
    "deliveries",
    [
        Contest("one", "a load", {"a": "A", "b": "B"}, lambda _: nullcontext({}), TARGETS),
        Contest("late", "how late", {"a": "A"}, lambda _: nullcontext({}), [Target("late", "a", "b", "p50", 1.0)]),
        Contest("heavy", "how heavy", {"a": "A"}, lambda _: nullcontext({})),
        Contest("broken", "a broken load", {}, lambda _: nullcontext({})),
    ],
    (),
    dict,
)


def result(rounds: int = 5) -> Standings:
    found = Standings("small", "2026-12-01T03:00:00+00:00", {"cpu": "?"}, {"Other": "7"}, rounds, 1.0)
    quick = Sample({RATE: 900e3}, 1.0, 900_000, cpu_us=1.0, waited_s=0.0, load_busy=0.95)
    slow = Sample({RATE: 100e3}, 1.0, 100_000, cpu_us=9.876, waited_s=0.0, load_busy=0.5)
    found.samples = {
        "one": {"a": [quick] * rounds, "b": [slow] * rounds},
        "heavy": {"a": [Sample({MEMORY: 2500.0}, 1.0, 10, cpu_us=80.0)] * rounds},
        "late": {"a": [Sample({"p50": 1.5, "p99": 20.25}, 1.0)] * rounds},
    }
    found.failed = {"broken": "lost: 5 bytes"}
    return found


def test_the_table_has_a_line_for_each_contender() -> None:
    assert standings.table(SUITE, result()) == [
        ["load", "by", "deliveries/s, time or memory", "server CPU, µs", "load busy"],
        ["a load", "A", "900.0 k/s", "1.00", "95%"],
        ["", "B", "100.0 k/s", "9.88", "50%"],
        ["how late", "A", "p50 1.500 ms, p99 20.250 ms", "–", "–"],
        ["how heavy", "A", "2.5 KB", "80.00", "–"],
        ["a broken load", "", "failed: lost: 5 bytes", "", ""],
    ]


def test_targets_are_held_against_medians() -> None:
    assert standings.verdicts(SUITE, result()) == [
        ["how many times as good", "by", "measured", "at least", ""],
        ["A to B", "rate", "9.00", "8", "met"],
        ["A to B", "server CPU", "9.88", "8", "met"],
        ["B to A", "rate", "0.11", "–", ""],
    ]
    slower = result()
    slower.samples["one"]["a"] = [Sample({RATE: 700e3}, 1.0)]
    assert standings.verdicts(SUITE, slower)[1] == ["A to B", "rate", "7.00", "8", "missed"]


def test_doubts_name_the_load_that_was_the_limit() -> None:
    assert standings.doubts(SUITE, result()) == [
        "The load's core was the limit, so that CPU is what to compare: one by a."
    ]
    noisy = result(2)
    noisy.samples["one"] = {"b": [Sample({RATE: 1.0}, 1.0, waited_s=0.3, load_busy=0.1)]}
    few, noise = standings.doubts(SUITE, noisy)
    assert few.startswith("Fewer than 5 rounds")
    assert "up to 30% of a measurement" in noise


def test_a_result_is_kept(tmp_path: Path) -> None:
    standings.save(result(), tmp_path / "results" / "small.json")
    assert standings.from_json((tmp_path / "results" / "small.json").read_text()) == result()


@pytest.mark.parametrize("text", ["", "[]", '{"format": 2}', '{"format": 1, "samples": {}}', '{"format": 1}'])
def test_what_is_no_result_is_refused(text: str) -> None:
    with pytest.raises(BenchError, match="not a result of airwave bench with contests"):
        standings.from_json(text)
