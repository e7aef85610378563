"""`airwave top`: how a server is, at a glance and live."""

# ruff: noqa: PLC0415 (imports inside functions keep `airwave --help` fast)

from __future__ import annotations

import json
import os
import select
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from airwave.cli.client import DEFAULT_URL, Url, connect_raw, display, explain, explained
from airwave.cli.output import emit, output_closed

if TYPE_CHECKING:
    from redis import Redis
    from rich.console import Console

    from airwave.cli.board import Board
    from airwave.cli.vitals import Vitals

_INTERVAL_MIN_S = 0.1
_STREAMS_SHARE = 20  # a look at all streams is made again after so many times as long as it took, at least
_STREAMS_EVERY_S = 5.0
_PIPE_COLUMNS = 120


def top(
    interval: Annotated[
        float, typer.Option(min=_INTERVAL_MIN_S, max=3600, metavar="SECONDS", help="Time between two looks.")
    ] = 1.0,
    once: Annotated[bool, typer.Option("--once", help="One picture, from two looks, and no more.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object for each look, see above.")] = False,
    streams: Annotated[bool, typer.Option(help="Show the streams whose groups are furthest behind.")] = True,
    url: Url = DEFAULT_URL,
) -> None:
    """Show how a server is: messages, clients, memory, CPU, errors, and the streams that are behind.

    Live until q or Ctrl-C. When the connection is lost it is tried again, and shown. What the server does not tell is a
    dash: Redis does not count deliveries and slow subscribers.

    --json prints {"time", "server", "uptime_s", "published", "published_per_s", "delivered", "delivered_per_s",
    "commands", "commands_per_s", "errors", "errors_per_s", "clients", "subscribers", "slow", "memory_bytes", "cpu",
    ...}, with null for what is not known.
    """
    client = connect_raw(url)
    try:
        if as_json:
            _print_json(client, url, interval, once=once)
        elif once or not sys.stdout.isatty():
            _print_frames(client, url, interval, once=once, streams=streams)
        else:
            _show_live(client, url, interval, streams=streams)
    except KeyboardInterrupt:
        if once:
            raise
        # it has no other end, so this one is no failure


class _Watch:
    """Looks at a server again and again.

    Args:
        client: raw, see `connect_raw`.
        board: gets what is seen.
        streams: look at them, too.
    """

    def __init__(self, client: Redis, board: Board, *, streams: bool) -> None:
        self._client = client
        self._board = board
        self._before: Vitals | None = None
        self._streams_at_s = 0.0 if streams else float("inf")

    def look(self) -> None:
        """Look once.

        Raises:
            redis.RedisError
        """
        from airwave.cli.vitals import rates, read

        now = read(self._client)
        self._board.note(now, rates(self._before, now))
        self._before = now
        self._look_at_streams()

    def try_look(self) -> None:
        """Look once; that the server cannot be reached is shown."""
        import redis

        try:
            self.look()
        except redis.RedisError as error:
            self._before = None
            self._board.lost(f"{explain(error, self._board.url)}; trying again")

    def _look_at_streams(self) -> None:
        import redis

        from airwave.cli.board import most_behind
        from airwave.cli.survey import look

        started_s = time.monotonic()
        if started_s < self._streams_at_s:
            return
        try:
            self._board.streams = most_behind(look(self._client))
        except redis.ResponseError:  # a server, or a user, without SCAN or XINFO: there is nothing to show
            self._streams_at_s = float("inf")
            return
        took_s = time.monotonic() - started_s
        self._streams_at_s = started_s + max(_STREAMS_EVERY_S, took_s * _STREAMS_SHARE)


def _board(url: str, interval_s: float) -> Board:
    from airwave.cli.board import Board

    return Board(display(url), interval_s, unicode=(sys.stdout.encoding or "").lower().startswith("utf"))


def _console(width: int | None = None) -> Console:
    from rich.console import Console

    return Console(highlight=False, emoji=False, markup=False, width=width)


def _print_frames(client: Redis, url: str, interval_s: float, *, once: bool, streams: bool) -> None:
    """Frames below each other, for a file or a pipe; the first one has rates already."""
    board = _board(url, interval_s)
    watch = _Watch(client, board, streams=streams)
    console = _console(None if sys.stdout.isatty() else _PIPE_COLUMNS)
    with explained(url):
        watch.look()
    while True:
        time.sleep(interval_s)
        if once:
            with explained(url):
                watch.look()
        else:
            watch.try_look()
        with console.capture() as capture:
            console.print(board.frame())
        for line in capture.get().splitlines():
            emit(line.rstrip())
        if once or output_closed():
            return
        emit("")


def _print_json(client: Redis, url: str, interval_s: float, *, once: bool) -> None:
    from airwave.cli.vitals import rates, read

    with explained(url):
        before = read(client)
        while True:
            time.sleep(interval_s)
            now = read(client)
            emit(json.dumps(facts(now, asdict(rates(before, now)), datetime.now(UTC))))
            before = now
            if once or output_closed():
                return


def facts(now: Vitals, rates: dict[str, float | None], at: datetime) -> dict[str, Any]:
    """A look for programs."""
    made: dict[str, Any] = {"time": at.isoformat(timespec="milliseconds").replace("+00:00", "Z")}
    for name, value in asdict(now).items():
        if name not in ("at_s", "cpu_s"):
            made[name] = value
        rate = rates.get(name)
        if name in rates:
            made[f"{name}_per_s"] = None if rate is None else round(rate, 3)
    made["cpu"] = None if rates["cpu"] is None else round(rates["cpu"], 4)
    return made


def _show_live(client: Redis, url: str, interval_s: float, *, streams: bool) -> None:
    """The frame in place on a screen of its own, until q."""
    from rich.live import Live

    board = _board(url, interval_s)
    watch = _Watch(client, board, streams=streams)
    with explained(url):  # who cannot be reached at all is told so, without a screen
        watch.look()
    with _keys() as wait, Live(board.frame(), console=_console(), screen=True, auto_refresh=False) as live:
        while not wait(interval_s):
            watch.try_look()
            live.update(board.frame(), refresh=True)


@contextmanager
def _keys() -> Iterator[Callable[[float], bool]]:
    """Gives a function that waits so many seconds for a key, and returns whether it is to be the end."""
    descriptor = sys.stdin.fileno() if sys.stdin.isatty() else -1
    if descriptor < 0 or sys.platform == "win32":  # Ctrl-C ends it

        def sleep(seconds: float) -> bool:
            time.sleep(seconds)
            return False

        yield sleep
        return
    import termios
    import tty

    def wait(seconds: float) -> bool:
        ready, _, _ = select.select([descriptor], [], [], seconds)
        if not ready:
            return False
        typed = os.read(descriptor, 64)
        return not typed or b"q" in typed.lower()  # nothing: the terminal is gone

    old = termios.tcgetattr(descriptor)
    try:
        tty.setcbreak(descriptor)  # keys come at once and are not shown; Ctrl-C stays what it is
        yield wait
    finally:
        termios.tcsetattr(descriptor, termios.TCSADRAIN, old)
