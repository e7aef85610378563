"""Ratios, verdicts, the table and the JSON."""

import io
import json
from pathlib import Path

import pytest
from rich.console import Console

from airwave.bench import report
from airwave.bench.errors import BenchError
from airwave.bench.model import Metric, Sample, Unit
from airwave.bench.report import Checked, Comparison, Result

RATE = Metric("rate", "many subscribers", "per second", 2.0)
TIME = Metric("p99", "a latency", "ms", 0.5, lower_is_better=True)


def sample(rate: float, p99: float = 1.0, waited_s: float | None = 0.0) -> Sample:
    return Sample({"rate": rate, "p99": p99}, 2.0, 1000, rate / 1000, waited_s, 0.25)


def result(*, rounds: int = 5, error: str | None = None) -> Result:
    compared = Comparison(
        "many",
        "many subscribers",
        [RATE, TIME],
        airwave=[sample(3000, 1.0), sample(9000, 5.0), sample(2500, 0.5)],
        redis=[sample(1000, 4.0), sample(1100, 4.0), sample(1, 4.0)],
    )
    broken = Comparison("few", "few subscribers", [RATE], error=error)
    checks = [Checked("flood", "a flood", {"published": 1234567, "memory_bounded": True, "passed": True})]
    comparisons = [compared, broken] if error else [compared]
    return Result(
        "2030-01-01T00:00:00+00:00",
        {"cpu": "Z80"},
        {"airwave": "Airwave 1", "redis": "Redis 7"},
        rounds,
        2.0,
        comparisons,
        checks,
    )


def shown(one: Result) -> str:
    out = io.StringIO()
    report.show(one, Console(file=out, width=160))
    return out.getvalue()


def test_ratio_is_of_medians_and_lower_can_be_better() -> None:
    rate, time = report.rows(result().comparisons[0])
    assert (rate.airwave, rate.redis, rate.ratio, rate.met) == (3000, 1000, 3, True)
    assert (time.airwave, time.redis, time.ratio, time.met) == (1.0, 4.0, 0.25, True)
    assert (rate.airwave_cpu_us, rate.redis_cpu_us, rate.load_busy) == (3.0, 1.0, 0.25)


@pytest.mark.parametrize(
    ("metric", "ratio", "met"),
    [
        (RATE, 2.0, True),
        (RATE, 1.99, False),
        (TIME, 0.5, True),
        (TIME, 0.51, False),
        (Metric("x", "x", "ms", None), 1.0, None),
    ],
)
def test_verdict(metric: Metric, ratio: float, met: bool | None) -> None:
    assert metric.met(ratio) is met


def test_table_says_it_all() -> None:
    text = shown(result())
    for words in (
        "many subscribers",
        "≥ 2",
        "3.0 k/s",
        "1.0 k/s",
        "3.00/1.00",
        "3.00",
        "25%",
        "met",
        "≤ 0.5",
        "4.000 ms",
        "0.25",
    ):
        assert words in text
    assert "flood passed: a flood" in text
    assert "published: 1,234,567" in text
    assert "memory bounded: yes" in text


def test_a_narrow_terminal_gets_names_and_all_figures() -> None:
    out = io.StringIO()
    report.show(result(error="lost: 5 bytes"), Console(file=out, width=80))
    many, p99, few = [line for line in out.getvalue().splitlines() if line.lstrip().startswith(("many", "few"))]
    assert many.split() == ["many", "rate", "≥", "2", "3.0", "k/s", "1.0", "k/s", "3.00", "3.00/1.00", "25%", "met"]
    assert p99.split()[:4] == ["many", "p99", "≤", "0.5"]
    assert few.split()[0::7] == ["few", "failed"]


@pytest.mark.parametrize(
    ("value", "unit", "words"),
    [
        (1_234_567, "per second", "1.23 M/s"),
        (45_600, "per second", "45.6 k/s"),
        (2_940, "bytes", "2.9 KB"),
        (0.1234, "ms", "0.123 ms"),
        (4567.8, "ms", "4.57 s"),
    ],
)
def test_quantities(value: float, unit: Unit, words: str) -> None:
    assert report.quantity(value, unit) == words


def test_a_failure_shows_and_counts() -> None:
    text = shown(result(error="lost: 5 bytes"))
    assert "few subscribers" in text
    assert "failed" in text
    assert result(error="lost: 5 bytes").failed()
    assert not result().failed()


def test_missed_is_not_failed() -> None:
    missed = result()
    missed.comparisons[0] = Comparison("a", "a", [RATE], airwave=[sample(1)], redis=[sample(1)])
    assert "missed" in shown(missed)
    assert not missed.failed()


def test_doubts_are_told() -> None:
    few = result(rounds=2)
    few.comparisons[0] = Comparison("a", "a", [RATE], airwave=[sample(1, waited_s=1.0)], redis=[sample(1)])
    few_rounds, noise = report.doubts(few)
    assert "Fewer than 5 rounds" in few_rounds
    assert "for up to 50% of a measurement" in noise
    assert report.doubts(result()) == []


def test_what_was_not_measured_is_a_dash() -> None:
    bare = result()
    bare.comparisons[0] = Comparison("a", "a", [RATE], airwave=[Sample({"rate": 1}, 1)], redis=[Sample({"rate": 2}, 1)])
    row = report.rows(bare.comparisons[0])[0]
    assert (row.airwave_cpu_us, row.redis_cpu_us, row.load_busy) == (None, None, None)
    line = next(line for line in shown(bare).splitlines() if "many" in line)
    assert line.split()[-3:] == ["–", "–", "missed"]


def test_json_round_trip(tmp_path: Path) -> None:
    path = tmp_path / "new" / "pubsub.json"
    report.save(result(error="lost: 5 bytes"), path)
    text = path.read_text(encoding="utf-8")
    assert report.to_json(report.from_json(text)) == text
    document = json.loads(text)
    assert document["comparisons"][0]["rows"][0]["ratio"] == 3
    assert len(document["comparisons"][0]["airwave"]) == 3
    assert document["machine"] == {"cpu": "Z80"}


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"format": 99}', '{"format": 1, "comparisons": [{}]}'])
def test_other_json_is_refused(text: str) -> None:
    with pytest.raises(BenchError, match="not a result of airwave bench"):
        report.from_json(text)


def test_a_file_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(BenchError, match=r"^cannot write .*: Is a directory$"):
        report.save(result(), tmp_path)
