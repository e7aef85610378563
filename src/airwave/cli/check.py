"""`airwave check`: verify a database and say what is in it."""

# ruff: noqa: PLC0415 (imports inside functions keep `airwave --help` fast)

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from airwave.cli.escape import printable
from airwave.cli.failure import Failure
from airwave.cli.output import emit
from airwave.cli.progress import progress

if TYPE_CHECKING:
    from airwave.store import StoreError
    from airwave.store.maintenance import Report

Directory = Annotated[
    Path,
    typer.Argument(
        metavar="DIR", help="The directory of the database: what --dir of the server is.", show_default=False
    ),
]


def check(
    directory: Directory,
) -> None:
    """Read a whole database, verify it, and say what is in it. Nothing is changed; a server may be using it.

    Exit code 0 when all is well, 1 when something is damaged or the database cannot be opened. What is damaged is
    printed, a line for each, after what was found.
    """
    from airwave.store import StoreError, maintenance

    try:
        with progress("Reading chunks") as note:
            report = maintenance.check(directory, note)
    except StoreError as error:
        raise failure(directory, error) from None
    for line in found(report):
        emit(line)
    for problem in report.problems:
        emit(f"damaged: {printable(problem)}")
    if report.problems:
        where = printable(str(directory))
        raise Failure(f"{len(report.problems)} problem(s) in {where}: keep it as it is, and restore a backup")
    emit("No damage found.")


def failure(directory: Path, error: StoreError) -> Failure:
    """What to tell when nothing could be done."""
    from airwave.store.schema import FILE

    advice = "" if (directory / FILE).exists() else ": name the --dir of a server that runs with --appendonly yes"
    return Failure(f"{printable(str(directory))}: {printable(str(error))}{advice}")


def found(report: Report) -> list[str]:
    """What there is, a line for each thing."""
    return [
        f"format {report.version}, {size(report.file_bytes)}, of which {size(report.free_bytes)} free",
        f"{report.keys:,} key(s): {report.streams:,} stream(s), {report.strings:,} string(s)",
        f"{report.entries:,} entries, {size(report.entries_bytes)}, in {report.chunks:,} chunk(s)",
        f"{report.scheduled:,} scheduled entries",
        f"{report.groups:,} group(s), {report.consumers:,} consumer(s), {report.pending:,} pending",
        f"{report.journal_rows:,} journal row(s), {report.rubbish:,} chunk(s) to be deleted",
    ]


def size(count: int) -> str:
    """A number of bytes for reading."""
    if count < 1024:
        return f"{count} bytes"
    value = float(count)
    for unit in ("KB", "MB", "GB"):
        value /= 1024
        if value < 1024:
            return f"{value:.1f} {unit}"
    return f"{value / 1024:.1f} TB"
