"""Results: what they hold, as a table for people and as JSON for keeping."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table

from airwave.bench.errors import BenchError
from airwave.bench.model import Facts, Metric, Sample, Unit

FORMAT = 1
NOISE_SHARE_MAX = 0.05
TITLES_FROM_COLUMNS = 130
VERDICTS = {True: "[green]met[/]", False: "[red]missed[/]", None: ""}


@dataclass(frozen=True)
class Comparison:
    """All rounds of one scenario.

    Attributes:
        rate_per_s: the rate at which both sides were driven, messages per second; 0: as fast as they could.
        airwave, redis: one sample per round, in the order in which they were taken, A B A B.
        error: why there are no samples, or None.
    """

    name: str
    about: str
    metrics: Sequence[Metric]
    rate_per_s: float = 0.0
    airwave: Sequence[Sample] = ()
    redis: Sequence[Sample] = ()
    error: str | None = None


@dataclass(frozen=True)
class Checked:
    """What a check saw. `error` says what broke, or is None."""

    name: str
    about: str
    facts: Facts
    error: str | None = None

    def passed(self) -> bool:
        """The verdict."""
        return self.error is None and bool(self.facts.get("passed"))


@dataclass(frozen=True)
class Result:
    """One run of the benchmark.

    Attributes:
        date: ISO 8601, UTC.
        machine: what `machine.describe` says.
        sides: the versions of both servers.
        rounds: how many each side had.
        seconds: how long one measurement lasted.
    """

    date: str
    machine: dict[str, str]
    sides: dict[str, str]
    rounds: int
    seconds: float
    comparisons: list[Comparison] = field(default_factory=list)
    checks: list[Checked] = field(default_factory=list)

    def failed(self) -> bool:
        """Whether something broke (a missed target is a result, not a failure)."""
        return any(one.error for one in self.comparisons) or not all(check.passed() for check in self.checks)


@dataclass(frozen=True)
class Row:
    """One line of the table: medians over all rounds; None is what was not measured.

    Attributes:
        ratio: Airwave's value divided by Redis's.
        load_busy: the highest share of the two sides, 0 to 1.
    """

    metric: Metric
    airwave: float
    redis: float
    ratio: float
    met: bool | None
    airwave_cpu_us: float | None
    redis_cpu_us: float | None
    load_busy: float | None


def rows(comparison: Comparison) -> list[Row]:
    """The lines of one comparison: ratios of medians. Empty when it failed."""
    if comparison.error or not comparison.airwave:
        return []
    ours, theirs = comparison.airwave, comparison.redis
    busy = [share for side in (ours, theirs) if (share := _median([s.load_busy for s in side])) is not None]
    found = []
    for metric in comparison.metrics:
        airwave, redis = (median(sample.values[metric.key] for sample in side) for side in (ours, theirs))
        ratio = airwave / redis if redis else float("inf")
        found.append(
            Row(
                metric=metric,
                airwave=airwave,
                redis=redis,
                ratio=ratio,
                met=metric.met(ratio),
                airwave_cpu_us=_median([sample.cpu_us for sample in ours]),
                redis_cpu_us=_median([sample.cpu_us for sample in theirs]),
                load_busy=max(busy, default=None),
            )
        )
    return found


def _median(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return median(known) if known else None


def show(result: Result, console: Console) -> None:
    """Print everything."""
    if result.comparisons:
        console.print(_table(result, with_titles=console.width >= TITLES_FROM_COLUMNS))
        console.print(
            "Ratio is Airwave / Redis, of medians; rates are deliveries, PUBLISH where nobody subscribes, or entries "
            "of streams. CPU is that of the server, per each of these, Airwave / Redis. Busy is the load generator's "
            "share of its core, the higher of both sides: near 100% it was the bottleneck, and CPU is what to compare.",
            style="dim",
        )
    for check in result.checks:
        verdict = "[green]passed[/]" if check.passed() else "[red]failed[/]"
        console.print(f"\n[bold]{check.name}[/] {verdict}: {check.about}")
        for key, value in {**check.facts, **({"error": check.error} if check.error else {})}.items():
            if key != "passed":
                console.print(f"  {key.replace('_', ' ')}: {_fact(value)}", markup=False)
    for doubt in doubts(result):
        console.print(doubt, style="yellow")


def doubts(result: Result) -> list[str]:
    """Reasons not to trust the result, a line each."""
    samples = [sample for one in result.comparisons for sample in (*one.airwave, *one.redis)]
    return doubts_of(samples, result.rounds) if result.comparisons else []


def doubts_of(samples: Sequence[Sample], rounds: int) -> list[str]:
    """The same of any samples."""
    found = []
    if rounds < 5:
        found.append("Fewer than 5 rounds: good for a look, not for quoting.")
    shares = [sample.waited_s / sample.seconds for sample in samples if sample.waited_s is not None]
    if shares and max(shares) > NOISE_SHARE_MAX:
        found.append(
            f"Noise: something else had the server's core for up to {max(shares):.0%} of a measurement "
            f"(median {median(shares):.0%}); end other programs and measure again."
        )
    return found


def _fact(value: float | str | bool) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:,}" if isinstance(value, int) else str(value)


def _table(result: Result, *, with_titles: bool) -> Table:
    sides = " / ".join(result.sides.values())
    title = f"{sides}: {result.rounds} rounds of {result.seconds:g} s each, interleaved"
    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, collapse_padding=True, pad_edge=False)
    for heading in ("load", "target", "airwave", "redis", "ratio", "CPU µs a/r", "busy", ""):
        table.add_column(heading, justify="left" if heading in {"load", ""} else "right", no_wrap=True)
    for comparison in result.comparisons:
        if comparison.error:
            table.add_row(comparison.about if with_titles else comparison.name, *["–"] * 6, "[red]failed[/]")
        for row in rows(comparison):
            metrics = comparison.metrics
            name = comparison.name if len(metrics) == 1 else f"{comparison.name} {row.metric.key}"
            table.add_row(row.metric.title if with_titles else name, *_cells(row))
    return table


def _cells(row: Row) -> list[str]:
    metric = row.metric
    cpu_us = (row.airwave_cpu_us, row.redis_cpu_us)
    return [
        target(metric),
        quantity(row.airwave, metric.unit),
        quantity(row.redis, metric.unit),
        f"{row.ratio:.2f}",
        "–" if cpu_us == (None, None) else "/".join("–" if us is None else f"{us:.2f}" for us in cpu_us),
        "–" if row.load_busy is None else f"{row.load_busy:.0%}",
        VERDICTS[row.met],
    ]


def target(metric: Metric) -> str:
    """The ratio to reach: `≥ 4.5` or `≤ 0.5`; `–` when there is none."""
    if metric.target is None:
        return "–"
    return f"{'≤' if metric.lower_is_better else '≥'} {metric.target:g}"


def quantity(value: float, unit: Unit) -> str:
    """A value as people read it: `1.23 M/s`, `45.6 k/s`, `3.0 KB`, `0.123 ms`, `1.23 s`."""
    if unit == "bytes":
        return f"{value / 1e3:.1f} KB"
    if unit == "ms":
        return f"{value:.3f} ms" if value < 1000 else f"{value / 1e3:.2f} s"
    return f"{value / 1e6:.2f} M/s" if value >= 1e6 else f"{value / 1e3:.1f} k/s"


def to_json(result: Result) -> str:
    """Everything, raw rounds included, with the medians and verdicts in front of them."""
    document = {"format": FORMAT, **asdict(result)}
    for comparison, entry in zip(result.comparisons, document["comparisons"], strict=True):
        entry["rows"] = [asdict(row) | {"metric": row.metric.key} for row in rows(comparison)]
    for check, entry in zip(result.checks, document["checks"], strict=True):
        entry["passed"] = check.passed()
    return json.dumps(document, indent=1, ensure_ascii=False) + "\n"


def kept(text: str, wanted: object) -> dict[str, Any]:
    """A result that was kept as JSON, in this format.

    Raises:
        ValueError: it is in another one, or no JSON.
        KeyError, TypeError, AttributeError: it is no result.
    """
    document: dict[str, Any] = json.loads(text)
    if document.pop("format") != wanted:
        raise ValueError("another format")
    return document


def from_json(text: str) -> Result:
    """What `to_json` wrote.

    Raises:
        BenchError: it is not that.
    """
    try:
        document = kept(text, FORMAT)
        comparisons = [_comparison(entry) for entry in document.pop("comparisons")]
        checks = [Checked(e["name"], e["about"], e["facts"], e["error"]) for e in document.pop("checks")]
        return Result(**document, comparisons=comparisons, checks=checks)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise BenchError(f"not a result of airwave bench ({error})") from error


def _comparison(entry: dict[str, Any]) -> Comparison:
    plain = {key: value for key, value in entry.items() if key != "rows"}
    plain["metrics"] = [Metric(**metric) for metric in entry["metrics"]]
    for side in ("airwave", "redis"):
        plain[side] = [Sample(**sample) for sample in entry[side]]
    return Comparison(**plain)


def save(result: Result, path: Path) -> None:
    """Write the JSON to `path`; see `write`."""
    write(to_json(result), path)


def write(text: str, path: Path) -> None:
    """Write to `path`, whose folder is made if need be.

    Raises:
        BenchError: it cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise BenchError(f"cannot write {path}: {error.strerror}") from error
