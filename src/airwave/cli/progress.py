"""A progress bar on standard error, for what may take long."""

# ruff: noqa: PLC0415 (imports inside functions keep `airwave --help` fast)

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol


class Note(Protocol):
    """Called with how much is done, and of how much, as soon as that is known."""

    def __call__(self, done: int, total: int | None = None, /) -> None: ...


@contextmanager
def progress(title: str) -> Iterator[Note]:
    """Show a bar while the block runs, and take it away again; nothing when standard error is no terminal."""
    if not sys.stderr.isatty():
        yield lambda _done, _total=None: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bars:
        task = bars.add_task(title, total=None)
        yield lambda done, total=None: bars.update(task, completed=done, total=total)
