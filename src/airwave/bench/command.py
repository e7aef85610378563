"""What `airwave bench` does once its options are parsed."""

import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

from airwave.bench import library, rounds, standings
from airwave.bench.contest import Contest, Contests
from airwave.bench.errors import BenchError
from airwave.bench.report import save, show, target
from airwave.bench.run import CONTESTS, SUITES, Options, run

PIPE_COLUMNS = 160


@dataclass(frozen=True)
class Wishes:
    """The options of the command line; None is what the user left open.

    Attributes:
        seconds: length of a measurement, and of a check.
    """

    suite: str | None = None
    only: Sequence[str] = ()
    list_loads: bool = False
    against: str | None = None
    rounds: int | None = None
    seconds: float | None = None
    save: Path | None = None
    quick: bool = False

    def options(self) -> Options:
        """The same with the defaults filled in."""
        return Options(
            suite=self.suite,
            only=self.only,
            rounds=self.rounds or (2 if self.quick else 5),
            seconds=self.seconds or (0.5 if self.quick else 2.0),
            check_seconds=self.seconds or (5.0 if self.quick else None),
            against=self.against,
        )


def execute(wishes: Wishes) -> int:
    """Run the benchmark and print its results; progress and errors go to standard error.

    Returns:
        the exit code: 0, also when a target was missed; 1 when something broke, such as a lost message; 2 when it
        could not begin; 130 when it was interrupted.
    """
    # In a file or a pipe there is no width to keep to.
    width = None if sys.stdout.isatty() or "COLUMNS" in os.environ else PIPE_COLUMNS
    console, notes = Console(width=width), Console(stderr=True)
    if wishes.list_loads:
        console.print(_loads())
        return 0

    def progress(line: str) -> None:
        notes.print(line, style="dim", markup=False, highlight=False)

    try:
        failed = _measure(wishes, console, progress)
        if wishes.save is not None:
            notes.print(f"saved to {wishes.save}", markup=False, highlight=False)
    except BenchError as error:
        notes.print(f"airwave bench: {error}", markup=False, highlight=False, soft_wrap=True)
        return 2
    except KeyboardInterrupt:
        notes.print("airwave bench: interrupted; the servers it started have been ended")
        return 130
    return 1 if failed else 0


def _measure(wishes: Wishes, console: Console, progress: Callable[[str], None]) -> bool:
    """Whether something broke."""
    if wishes.suite == library.NAME:
        return _library(wishes, console, progress)
    for suite in CONTESTS:
        if wishes.suite == suite.name:
            return _contests(suite, wishes, console, progress)
    return _suites(wishes, console, progress)


def _suites(wishes: Wishes, console: Console, progress: Callable[[str], None]) -> bool:
    """The suites that have two sides; whether something broke."""
    result = run(wishes.options(), progress)
    show(result, console)
    if wishes.save is not None:
        save(result, wishes.save)
    return result.failed()


def _library(wishes: Wishes, console: Console, progress: Callable[[str], None]) -> bool:
    """The suite that has many sides; what breaks there is an error."""
    unknown = [name for name in wishes.only if name not in library.OPERATIONS]
    if unknown:
        raise BenchError(f"there is no load named {unknown[0]}: choose from {', '.join(library.OPERATIONS)}")
    if wishes.against is not None:
        raise BenchError("--against is not for --suite library, which starts its servers itself")
    seconds = wishes.seconds or (0.3 if wishes.quick else 1.0)
    result = library.run(wishes.options().rounds, seconds, progress, wishes.only or tuple(library.OPERATIONS))
    for heading, *lines in (library.table(result), library.verdicts(result)):
        console.print(_table(heading, lines))
    if wishes.save is not None:
        library.save(result, wishes.save)
    return False


def _contests(suite: Contests, wishes: Wishes, console: Console, progress: Callable[[str], None]) -> bool:
    """A suite whose loads have contenders of their own; whether one of them broke."""
    if wishes.against is not None:
        raise BenchError(f"--against is not for --suite {suite.name}, which starts its servers itself")
    options = wishes.options()
    result = rounds.run(suite, options.rounds, options.seconds, progress, wishes.only)
    for heading, *lines in (standings.table(suite, result), standings.verdicts(suite, result)):
        console.print(_table(heading, lines))
    for doubt in standings.doubts(suite, result):
        console.print(doubt, style="yellow")
    if wishes.save is not None:
        standings.save(result, wishes.save)
    return bool(result.failed)


def _table(heading: Sequence[str], lines: Sequence[Sequence[str]]) -> Table:
    table = Table(*heading)
    for line in lines:
        table.add_row(*line)
    return table


def _loads() -> Table:
    table = Table("suite", "name", "load", "target: Airwave / Redis, or as it says")
    for suite in SUITES:
        for scenario in suite.scenarios:
            targets = ", ".join(target(metric) for metric in scenario.metrics)
            table.add_row(suite.name, scenario.name, scenario.about, targets)
        for check in suite.checks:
            kind = "a check, by name only" if check.by_name_only else "a check"
            table.add_row(suite.name, check.name, check.about, kind)
    for contests in CONTESTS:
        for contest in contests.contests:
            table.add_row(contests.name, contest.name, contest.about, _aims(contest))
    for name, about in library.OPERATIONS.items():
        table.add_row(library.NAME, name, f"{about}; six ways to reach an engine", "by --suite library")
    return table


def _aims(contest: Contest) -> str:
    """How good one contender must be next to another, by rate or CPU."""
    wanted = [one for one in contest.targets if one.at_least is not None]
    return ", ".join(dict.fromkeys(f"{one.contender} ≥ {one.at_least:g} × {one.of}" for one in wanted)) or "–"
