"""A progress bar on standard error, for what may take long."""

# ruff: noqa: PLC0415 (imports inside functions keep `airwave --help` fast)

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

# What is done sooner shows no bar.
_SHOW_AFTER_S = 0.5


class Note(Protocol):
    """Called with how much is done, and of how much, as soon as that is known."""

    def __call__(self, done: int, total: int | None = None, /) -> None: ...


@contextmanager
def progress(title: str) -> Iterator[Note]:
    """Show a bar if the block takes a while, and take it away at the end; none where standard error is no terminal."""
    if not sys.stderr.isatty():
        yield lambda _done, _total=None: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    bars = Progress(*columns, console=Console(stderr=True), transient=True)
    task = bars.add_task(title, total=None)
    show_at = time.monotonic() + _SHOW_AFTER_S

    def note(done: int, total: int | None = None) -> None:
        bars.update(task, completed=done, total=total)
        if not bars.live.is_started and time.monotonic() >= show_at:
            bars.start()

    try:
        yield note
    finally:
        if bars.live.is_started:
            bars.stop()
