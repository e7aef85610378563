"""What the buses of `airwave worker` have done, in one line."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterable
from dataclasses import asdict, dataclass, fields
from typing import Any, TextIO


@dataclass(frozen=True, slots=True)
class Tally:
    """Messages and entries of a bus, or of several, taken together.

    Attributes:
        handled: those whose handler returned.
        running: those that are being handled now.
        waiting: messages in queues, and entries that wait for their next attempt.
        failed: calls of handlers that failed.
        dead: entries that went to the dead letters.
    """

    handled: int = 0
    running: int = 0
    waiting: int = 0
    failed: int = 0
    dead: int = 0

    def encoded(self) -> bytes:
        """A line for the process that supervises this one."""
        return json.dumps(asdict(self)).encode() + b"\n"

    def at_rest(self) -> Tally:
        """What counts of a process that has ended."""
        return Tally(handled=self.handled, failed=self.failed, dead=self.dead)


def tally_of(bus: Any) -> Tally:
    """What a bus has done."""
    workers, events = bus.stats.workers, bus.stats.events
    return Tally(
        handled=workers.handled + events.handled,
        running=workers.running + events.running,
        waiting=workers.waiting + events.queued,
        failed=workers.failed + events.failed,
        dead=workers.dead,
    )


def decoded(line: bytes) -> Tally:
    """A tally from the line of another process."""
    return Tally(**json.loads(line))


def added(tallies: Iterable[Tally]) -> Tally:
    """The sum of several."""
    each = list(tallies)
    return Tally(*(sum(getattr(tally, field.name) for tally in each) for field in fields(Tally)))


class StatusLine:
    """Shows tallies: on a terminal in one line that is written anew, with other lines above it; else now and then.

    Args:
        stream: where; None: standard error.
        every_s: seconds between two lines where it is no terminal, if something has changed.
    """

    def __init__(self, stream: TextIO | None = None, every_s: float = 10.0) -> None:
        self._stream = stream or sys.stderr
        self._live = self._stream.isatty()
        self._every_s = every_s
        self._shown = ""
        self._said: tuple[float, Tally] = (time.monotonic(), Tally())
        self._before: tuple[float, int] | None = None

    def show(self, tally: Tally, processes: int = 1) -> None:
        """Show how things are now."""
        now_s = time.monotonic()
        before_s, before = self._before or (now_s, tally.handled)
        rate = max(0, tally.handled - before) / max(now_s - before_s, 0.001)
        text = _text(tally, rate, processes)
        if self._live:
            self._before = (now_s, tally.handled)
            self._stream.write(f"\r\x1b[K{text}")
            self._stream.flush()
            self._shown = text
        elif now_s - self._said[0] >= self._every_s:
            self._before = (now_s, tally.handled)
            if tally != self._said[1]:
                self.line(text)
            self._said = (now_s, tally)
        elif self._before is None:
            self._before = (now_s, tally.handled)

    def line(self, text: str) -> None:
        """Write a line that stays, above the live one."""
        if self._shown:
            self._stream.write(f"\r\x1b[K{text}\n{self._shown}")
        else:
            self._stream.write(f"{text}\n")
        self._stream.flush()

    def end(self) -> None:
        """Leave the last state where it is."""
        if self._shown:
            self._stream.write("\n")
            self._stream.flush()
            self._shown = ""


def _text(tally: Tally, rate: float, processes: int) -> str:
    who = f"{processes} processes: " if processes > 1 else ""
    return (
        f"{who}{tally.handled:,} handled ({rate:,.1f}/s), {tally.running:,} running, {tally.waiting:,} waiting, "
        f"{tally.failed:,} failed, {tally.dead:,} dead"
    )
