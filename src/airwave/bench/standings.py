"""Results of contests: as tables for people and as JSON for keeping."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from airwave.bench import report
from airwave.bench.contest import CPU, MEMORY, RATE, Contest, Contests, middle
from airwave.bench.errors import BenchError
from airwave.bench.model import Sample

FORMAT = 1
# From here on the load, not the server, may be what sets the rate.
BUSY_SHARE_MAX = 0.9


@dataclass
class Standings:
    """One run of a suite of contests.

    Attributes:
        versions: of what ran beside Airwave.
        samples: of each round, by contest and contender.
        failed: contests that broke, and how.
    """

    suite: str
    date: str
    machine: dict[str, str]
    versions: dict[str, str]
    rounds: int
    seconds: float
    samples: dict[str, dict[str, list[Sample]]] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)


def table(suite: Contests, result: Standings) -> list[list[str]]:
    """The heading, then a line for each contender of each load: medians of what it did and of its server's CPU time."""
    lines = [["load", "by", f"{suite.operation}/s, time or memory", "server CPU, µs", "load busy"]]
    for contest in suite.contests:
        if contest.name in result.failed:
            lines.append([contest.about, "", f"failed: {result.failed[contest.name]}", "", ""])
        about = contest.about
        for name, samples in result.samples.get(contest.name, {}).items():
            lines.append([about, contest.contenders.get(name, name), *_cells(samples)])
            about = ""
    return lines


def _cells(samples: Sequence[Sample]) -> list[str]:
    cpu_us, busy = middle(samples, CPU), _busy(samples)
    return [
        _measured(samples),
        "–" if cpu_us is None else f"{cpu_us:.2f}",
        "–" if busy is None else f"{busy:.0%}",
    ]


def _measured(samples: Sequence[Sample]) -> str:
    rate, memory_bytes = middle(samples, RATE), middle(samples, MEMORY)
    if rate is not None:
        return report.quantity(rate, "per second")
    if memory_bytes is not None:
        return report.quantity(memory_bytes, "bytes")
    found = {key: middle(samples, key) for sample in samples for key in sample.values}
    return ", ".join(f"{key} {report.quantity(value, 'ms')}" for key, value in found.items() if value is not None)


def _busy(samples: Sequence[Sample]) -> float | None:
    known = sorted(sample.load_busy for sample in samples if sample.load_busy is not None)
    return known[len(known) // 2] if known else None


def verdicts(suite: Contests, result: Standings) -> list[list[str]]:
    """Targets as a table: the heading, then what, how many times as good, target, and whether it was met."""
    lines = [["how many times as good", "by", "measured", "at least", ""]]
    for contest in suite.contests:
        for target in contest.targets:
            value = target.value(result.samples.get(contest.name, {}))
            if value is None:
                continue
            at_least = target.at_least
            verdict = "" if at_least is None else "met" if value >= at_least else "missed"
            by = {RATE: "rate", CPU: "server CPU"}.get(target.by, target.by)
            lines.append([target.about, by, f"{value:.2f}", "–" if at_least is None else f"{at_least:g}", verdict])
    return lines


def doubts(suite: Contests, result: Standings) -> list[str]:
    """Reasons not to trust the result, a line each."""
    found = report.doubts_of([each for _, _, samples in _each(suite, result) for each in samples], result.rounds)
    busy = [f"{contest.name} by {name}" for contest, name, samples in _each(suite, result) if _is_bottleneck(samples)]
    if busy:
        found.append(f"The load's core was the limit, so that CPU is what to compare: {', '.join(busy)}.")
    return found


def _is_bottleneck(samples: Sequence[Sample]) -> bool:
    return middle(samples, RATE) is not None and (_busy(samples) or 0.0) > BUSY_SHARE_MAX


def _each(suite: Contests, result: Standings) -> list[tuple[Contest, str, list[Sample]]]:
    return [
        (contest, name, samples)
        for contest in suite.contests
        for name, samples in result.samples.get(contest.name, {}).items()
    ]


def save(result: Standings, path: Path) -> None:
    """Write the JSON to `path`; see `report.write`."""
    report.write(json.dumps({"format": FORMAT, **asdict(result)}, indent=1) + "\n", path)


def from_json(text: str) -> Standings:
    """What `save` wrote.

    Raises:
        BenchError: it is not that.
    """
    try:
        document = report.kept(text, FORMAT)
        document["samples"] = {contest: _samples(kept) for contest, kept in document["samples"].items()}
        return Standings(**document)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise BenchError(f"not a result of airwave bench with contests ({error})") from error


def _samples(kept: dict[str, list[dict[str, Any]]]) -> dict[str, list[Sample]]:
    return {name: [Sample(**sample) for sample in samples] for name, samples in kept.items()}
