"""`airwave streams`: a table of the streams, how fast they grow, and how far their groups are."""

# ruff: noqa: PLC0415 (imports inside functions keep `airwave --help` fast)

from __future__ import annotations

import base64
import json
import os
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from airwave.cli.client import DEFAULT_URL, Url, connect_raw, explained
from airwave.cli.escape import printable
from airwave.cli.output import emit, output_closed, say
from airwave.cli.survey import GroupLook, StreamLook, look, rate

if TYPE_CHECKING:
    from rich.table import Table

Rated = tuple[StreamLook, float | None]

_RATE = "entries/s"
_COLUMNS = ("stream", "length", _RATE, "group", "consumers", "lag", "pending", "oldest pending")
_UNKNOWN = "–"
# Wide enough for any table: what goes into a pipe is not cut to a width.
_PIPE_COLUMNS = 10_000
# --watch looks no oftener than this, in seconds, whatever --interval says: each look costs the server some work.
_WATCH_MIN_S = 0.1


def streams(
    pattern: Annotated[
        str | None, typer.Argument(metavar="PATTERN", help="Only streams whose name matches this glob.")
    ] = None,
    watch: Annotated[bool, typer.Option("--watch", "-w", help="Look again and again, until Ctrl-C.")] = False,
    interval: Annotated[
        float,
        typer.Option(min=0, max=3600, metavar="SECONDS", help="Time between two looks; 0: one look, and no rate."),
    ] = 1.0,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object for each stream, see above.")] = False,
    url: Url = DEFAULT_URL,
) -> None:
    """Show the streams of a database with their consumer groups: a line for each group.

    entries/s is how fast entries are added; it takes two looks at the server, --interval apart. lag is how many entries
    a group has not read; pending, how many were delivered and not acknowledged; oldest pending, the age of the first of
    these (or its ID, when IDs are no times). What the server does not know is shown as a dash.

    --json prints {"stream", "time", "length", "entries_per_s", "entries_added", "last_id", "groups": [{"name",
    "consumers", "lag", "pending", "oldest_pending", "oldest_pending_age_ms"}]}, with null for what is not known. A name
    that is not UTF-8 comes as base64 under "stream_base64" or "name_base64".

    Needs Redis 6.2 or newer, entries/s and lag Redis 7.
    """
    looks = _looks(url, os.fsencode(pattern) if pattern is not None else None, interval, watch=watch)
    try:
        if as_json:
            for rows in looks:
                for row in rows:
                    emit(json_line(row))
        elif watch and sys.stdout.isatty():
            _show_live(looks)
        else:
            for rows in looks:
                _show(rows)
    except KeyboardInterrupt:
        if not watch:
            raise
        # it has no other end, so this one is no failure


def _looks(url: str, pattern: bytes | None, interval_s: float, *, watch: bool) -> Iterator[list[Rated]]:
    """What is to be shown: once, or with `watch` again and again."""
    from airwave.cli.progress import progress

    client = connect_raw(url)
    interval_s = max(interval_s, _WATCH_MIN_S) if watch else interval_s
    with explained(url):
        with progress("Looking at streams") as note:
            seen = look(client, pattern, note)
        if watch or not interval_s or not seen:
            yield [(stream, None) for stream in seen]
        while watch or (interval_s and seen):
            time.sleep(interval_s)
            before = {stream.name: stream for stream in seen}
            seen = look(client, pattern)
            yield [(stream, rate(before.get(stream.name), stream)) for stream in seen]
            if not watch or output_closed():
                return


def _show(rows: list[Rated]) -> None:
    """Print the table, or say that there is nothing."""
    from rich.console import Console

    if not rows:
        say("There are no such streams.")
        return
    console = Console(highlight=False, emoji=False, markup=False, width=None if sys.stdout.isatty() else _PIPE_COLUMNS)
    with console.capture() as capture:
        console.print(table(rows))
    for line in capture.get().splitlines():
        emit(line.rstrip())


def _show_live(looks: Iterator[list[Rated]]) -> None:
    """Show the table in place, anew with each look."""
    from rich.console import Console
    from rich.live import Live

    console = Console(highlight=False, emoji=False, markup=False)
    with Live(console=console, auto_refresh=False) as live:
        for rows in looks:
            live.update(table(rows), refresh=True)


def table(rows: list[Rated], *, rates: bool = True) -> Table:
    """What people read: a line for each group, and for each stream without one.

    Args:
        rates: with how fast they grow.
    """
    from rich.table import Table
    from rich.text import Text

    made = Table(box=None, pad_edge=False, header_style="bold")
    for name in [name for name in _COLUMNS if rates or name != _RATE]:
        made.add_column(name, justify="left" if name in ("stream", "group") else "right", overflow="fold")
    for stream, per_s in rows:
        about = [printable(stream.name), f"{stream.length:,}"]
        if rates:
            about.append(_UNKNOWN if per_s is None else f"{per_s:,.1f}")
        for group in stream.groups or (None,):
            made.add_row(*map(Text, about + (_group_cells(group) if group else [_UNKNOWN] * 5)))
            about = [""] * len(about)
    return made


def _group_cells(group: GroupLook) -> list[str]:
    return [
        printable(group.name),
        f"{group.consumers:,}",
        _UNKNOWN if group.lag is None else f"{group.lag:,}",
        f"{group.pending:,}",
        _oldest(group),
    ]


def _oldest(group: GroupLook) -> str:
    if group.oldest_pending is None:
        return _UNKNOWN
    if group.oldest_pending_age_ms is None:
        return group.oldest_pending
    return duration(group.oldest_pending_age_ms)


def duration(ms: int) -> str:
    """A time span for reading, in its two largest units."""
    seconds = ms / 1000
    if seconds < 60:
        return f"{seconds:.1f}s"
    minutes = int(seconds) // 60
    if minutes < 60:
        return f"{minutes}m {int(seconds) % 60:02}s"
    hours = minutes // 60
    return f"{hours}h {minutes % 60:02}m" if hours < 24 else f"{hours // 24}d {hours % 24:02}h"


def json_line(row: Rated) -> str:
    """A stream for programs."""
    stream, per_s = row
    at = datetime.fromtimestamp(stream.at_ms / 1000, UTC)
    line: dict[str, Any] = {
        **_named("stream", stream.name),
        "time": at.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "length": stream.length,
        "entries_per_s": None if per_s is None else round(per_s, 3),
        "entries_added": stream.added,
        "last_id": stream.last_id,
        "groups": [_named("name", group.name) | _facts(group) for group in stream.groups],
    }
    return json.dumps(line).replace("\x7f", "\\u007f")  # DEL is the one control character that json leaves alone


def _facts(group: GroupLook) -> dict[str, Any]:
    return {name: value for name, value in asdict(group).items() if name != "name"}


def _named(key: str, name: bytes) -> dict[str, str]:
    try:
        return {key: name.decode()}
    except UnicodeDecodeError:
        return {f"{key}_base64": base64.b64encode(name).decode()}
