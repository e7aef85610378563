"""Results as the documents show them: what stands between the marks of a page, for each kind of suite."""

from collections.abc import Iterable, Sequence
from pathlib import Path

from airwave.bench import library, report, standings
from airwave.bench.contest import Contests

_BENCH_HEAD = ("load", "Airwave", "Redis", "ratio", "target", "server CPU, µs: Airwave / Redis", "")
_VERDICTS = {True: "met", False: "missed", None: ""}


def table_row(cells: Iterable[str]) -> str:
    """One line of a table."""
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |\n"


def _nothing(kept: Path) -> str:
    return f"Nothing is measured yet: `make bench` writes {kept}, `make docs` puts it here.\n"


def bench_section(result: report.Result | None, kept: Path) -> str:
    """What stands between two bench marks: the table, the checks, and where it was measured.

    Args:
        kept: the file that the result is from.
    """
    if result is None:
        return _nothing(kept)
    parts = []
    if result.comparisons:
        parts.append(table_row(_BENCH_HEAD) + "|---|---:|---:|---:|---:|---:|---|\n" + _bench_rows(result))
    parts.extend(map(_checked, result.checks))
    parts.append("".join(f"- {doubt}\n" for doubt in report.doubts(result)))
    parts.append(_where(result, kept))
    return "\n".join(part for part in parts if part)


def _bench_rows(result: report.Result) -> str:
    lines = []
    for comparison in result.comparisons:
        if comparison.error:
            lines.append(table_row([comparison.about, "", "", "", "", "", f"failed: {comparison.error}"]))
        lines.extend(table_row(_bench_cells(row)) for row in report.rows(comparison))
    return "".join(lines)


def _bench_cells(row: report.Row) -> list[str]:
    cpu_us = [row.airwave_cpu_us, row.redis_cpu_us]
    return [
        row.metric.title,
        report.quantity(row.airwave, row.metric.unit),
        report.quantity(row.redis, row.metric.unit),
        f"{row.ratio:.2f}",
        report.target(row.metric),
        "–" if cpu_us == [None, None] else " / ".join("–" if us is None else f"{us:.2f}" for us in cpu_us),
        _VERDICTS[row.met],
    ]


def _checked(check: report.Checked) -> str:
    facts = [f"{key.replace('_', ' ')} {_fact(value)}" for key, value in check.facts.items() if key != "passed"]
    facts += [check.error] if check.error else []
    return f"Check `{check.name}`, {'passed' if check.passed() else 'failed'}: {check.about}. {', '.join(facts)}.\n"


def _fact(value: float | str | bool) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:,}" if isinstance(value, int) else str(value)


def _where(result: report.Result, kept: Path) -> str:
    machine = result.machine
    sides = " against ".join(result.sides.values())
    return (
        f"{sides}, {result.rounds} rounds of {result.seconds:g} s each, interleaved; {result.date[:10]}; "
        f"{machine['cpu']}, cores: {machine['cores']}, {machine['memory_gb']} GB, {machine['kernel']}, "
        f"{machine['python']}, hiredis {machine['hiredis']}, uvloop {machine['uvloop']}; "
        f"`{machine['command_line']}`. Every round is in `{kept}`.\n"
    )


def library_section(result: library.Library | None, kept: Path) -> str:
    """What stands between the marks of the suite `library`: rates, targets, and where it was measured."""
    if result is None:
        return _nothing(kept)
    tables = [_table(lines) for lines in (library.table(result), library.verdicts(result))]
    machine = result.machine
    where = (
        f"Medians of {result.rounds} rounds of {result.seconds:g} s each, interleaved; {result.date[:10]}; "
        f"{machine['cpu']}, cores: {machine['cores']}, {machine['kernel']}, {machine['python']}; "
        f"`{machine['command_line']}`. Every round is in `{kept}`.\n"
    )
    return "\n".join([*tables, where])


def _table(lines: Sequence[Sequence[str]], words: int = 1) -> str:
    """The heading and the lines; the first columns are words, the others numbers."""
    rule = "|" + "---|" * words + "---:|" * (len(lines[0]) - words) + "\n"
    return table_row(lines[0]) + rule + "".join(map(table_row, lines[1:]))


def contests_section(suite: Contests, result: standings.Standings | None, kept: Path) -> str:
    """What stands between the marks of a suite of contests: measurements, targets, and where it was measured."""
    if result is None:
        return _nothing(kept)
    tables = [_table(lines, 2) for lines in (standings.table(suite, result), standings.verdicts(suite, result))]
    doubts = "".join(f"- {doubt}\n" for doubt in standings.doubts(suite, result))
    machine = result.machine
    versions = {"Airwave": machine["airwave"], "uvloop": machine["uvloop"]} | result.versions
    shown = ", ".join([f"{name} {number}" for name, number in versions.items()])
    where = (
        f"Medians of {result.rounds} rounds of {result.seconds:g} s each, interleaved; {result.date[:10]}; "
        f"{machine['cpu']}, cores: {machine['cores']}, {machine['kernel']}, {machine['python']}, "
        f"{shown}; `{machine['command_line']}`. Every round is in `{kept}`.\n"
    )
    return "\n".join(part for part in (*tables, doubts, where) if part)
