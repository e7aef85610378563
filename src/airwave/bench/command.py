"""What `airwave bench` does once its options are parsed."""

import os
import sys
from collections.abc import Sequence
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
    if wishes.suite == library.NAME:
        return _library(wishes, console, notes)
    try:
        result = run(wishes.options(), lambda line: notes.print(line, style="dim", markup=False, highlight=False))
        show(result, console)
        if wishes.save is not None:
            save(result, wishes.save)
            notes.print(f"saved to {wishes.save}", markup=False, highlight=False)
    except BenchError as error:
        notes.print(f"airwave bench: {error}", markup=False, highlight=False, soft_wrap=True)
        return 2
    except KeyboardInterrupt:
        notes.print("airwave bench: interrupted; the servers it started have been ended")
        return 130
    return 1 if result.failed() else 0


def _library(wishes: Wishes, console: Console, notes: Console) -> int:
    """The suite that has many sides, not two."""
    try:
        unknown = [name for name in wishes.only if name not in library.OPERATIONS]
        if unknown:
            raise BenchError(f"there is no load named {unknown[0]}: choose from {', '.join(library.OPERATIONS)}")
        if wishes.against is not None:
            raise BenchError("--against is not for --suite library, which starts its servers itself")
        options = wishes.options()
        result = library.run(
            options.rounds,
            wishes.seconds or (0.3 if wishes.quick else 1.0),
            lambda line: notes.print(line, style="dim", markup=False, highlight=False),
            wishes.only or tuple(library.OPERATIONS),
        )
        for heading, *lines in (library.table(result), library.verdicts(result)):
            console.print(_table(heading, lines))
        if wishes.save is not None:
            library.save(result, wishes.save)
            notes.print(f"saved to {wishes.save}", markup=False, highlight=False)
    except BenchError as error:
        notes.print(f"airwave bench: {error}", markup=False, highlight=False, soft_wrap=True)
        return 2
    except KeyboardInterrupt:
        notes.print("airwave bench: interrupted; the servers it started have been ended")
        return 130
    return 0


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
