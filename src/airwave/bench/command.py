"""What `airwave bench` does once its options are parsed."""

import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

from airwave.bench import library
from airwave.bench.errors import BenchError
from airwave.bench.report import save, show, target
from airwave.bench.run import SUITES, Options, run

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

    measure = _library if wishes.suite == library.NAME else _suites
    try:
        failed = measure(wishes, console, progress)
        if wishes.save is not None:
            notes.print(f"saved to {wishes.save}", markup=False, highlight=False)
    except BenchError as error:
        notes.print(f"airwave bench: {error}", markup=False, highlight=False, soft_wrap=True)
        return 2
    except KeyboardInterrupt:
        notes.print("airwave bench: interrupted; the servers it started have been ended")
        return 130
    return 1 if failed else 0


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


def _table(heading: Sequence[str], lines: Sequence[Sequence[str]]) -> Table:
    table = Table(*heading)
    for line in lines:
        table.add_row(*line)
    return table


def _loads() -> Table:
    table = Table("suite", "name", "load", "Airwave / Redis")
    for suite in SUITES:
        for scenario in suite.scenarios:
            targets = ", ".join(target(metric) for metric in scenario.metrics)
            table.add_row(suite.name, scenario.name, scenario.about, targets)
        for check in suite.checks:
            kind = "a check, by name only" if check.by_name_only else "a check"
            table.add_row(suite.name, check.name, check.about, kind)
    for name, about in library.OPERATIONS.items():
        table.add_row(library.NAME, name, f"{about}; six ways to reach an engine", "by --suite library")
    return table
