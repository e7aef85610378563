"""What `airwave top` shows: the numbers of a server in a few lines, with the last minute beside them."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from airwave.cli.escape import printable
from airwave.cli.streams import duration
from airwave.cli.survey import StreamLook
from airwave.cli.vitals import Rates, Vitals

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.text import Text

UNKNOWN = "–"
HISTORY_S = 60
_HISTORY_MAX = 60  # samples, and columns
_BLOCKS = " ▁▂▃▄▅▆▇█"
_PLAIN = " .:-=+*#%"  # for terminals without Unicode
_STREAMS_SHOWN = 5
_LAG_BAD_MS = 100


@dataclass
class Board:
    """The numbers that are shown, and those of the last minute.

    Args:
        url: of the server, safe to print.
        interval_s: time between two looks.

    Attributes:
        trouble: why there is no connection; empty: there is one.
        unicode: the terminal can show it.
    """

    url: str
    interval_s: float
    unicode: bool = True
    trouble: str = ""
    reconnects: int = 0
    now: Vitals | None = None
    rates: Rates = field(default_factory=Rates)
    streams: Sequence[StreamLook] = ()
    _published: deque[float] = field(default_factory=deque)
    _delivered: deque[float] = field(default_factory=deque)
    _commands: deque[float] = field(default_factory=deque)
    _cpu: deque[float] = field(default_factory=deque)

    def __post_init__(self) -> None:
        length = max(1, min(_HISTORY_MAX, round(HISTORY_S / self.interval_s)))
        self._published, self._delivered, self._commands, self._cpu = (deque(maxlen=length) for _ in range(4))

    def note(self, now: Vitals, rates: Rates) -> None:
        """A look at the server."""
        self.now, self.rates, self.trouble = now, rates, ""
        for history, value in (
            (self._published, rates.published),
            (self._delivered, rates.delivered),
            (self._commands, rates.commands),
            (self._cpu, rates.cpu),
        ):
            if value is not None:
                history.append(value)

    def lost(self, reason: str) -> None:
        """There is no connection."""
        if not self.trouble:
            self.reconnects += 1
        self.trouble = reason
        self.rates = Rates()

    # --- what is shown ----------------------------------------------------------------------------------------------

    def frame(self) -> RenderableType:
        """All of it."""
        from rich.console import Group  # noqa: PLC0415 (keeps `airwave --help` fast)
        from rich.table import Table  # noqa: PLC0415

        head = self._head()
        if self.now is None:
            return head
        lines = Table.grid(padding=(0, 2))
        for title, *cells in self._lines(self.now, self.rates):
            lines.add_row(_styled(title, "bold"), *cells)
        parts: list[RenderableType] = [head, "", lines]
        if self.streams:
            parts += ["", _streams_table(self.streams)]
        return Group(*parts)

    def _head(self) -> Text:
        head = _styled(printable(self.now.server) if self.now else "airwave top", "bold")
        head.append(f"  {self.url}", style="")
        if self.now is not None and self.now.uptime_s is not None:
            head.append(f"  up {duration(self.now.uptime_s * 1000)}", style="")
        if self.reconnects:
            head.append(f"  reconnects {self.reconnects}", style="yellow")
        if self.trouble:
            head.append(f"\n{self.trouble}", style="bold red")
        return head

    def _lines(self, now: Vitals, rates: Rates) -> Iterable[tuple[str | Text, ...]]:
        yield "published", _rate(rates.published), self._line(self._published)
        yield "delivered", _rate(rates.delivered), self._line(self._delivered)
        yield "commands", _rate(rates.commands), self._line(self._commands)
        yield "CPU", _percent(rates.cpu), self._line(self._cpu)
        yield "memory", size(now.memory_bytes), _facts(("keys", now.keys, ""))
        yield "loop lag", _ms(now.loop_lag_ms), _facts(("worst", _ms(now.loop_lag_max_ms), _lag_style(now.loop_lag_ms)))
        yield (
            "clients",
            count(now.clients),
            _facts(
                ("of", count(now.clients_max), ""),
                ("subscribers", count(now.subscribers), ""),
                ("slow", count(now.slow), "yellow" if now.slow else ""),
                ("blocked", count(now.blocked), ""),
            ),
        )
        yield (
            "subscribed",
            "",
            _facts(
                ("channels", count(now.channels), ""),
                ("patterns", count(now.patterns), ""),
                ("shard channels", count(now.shard_channels), ""),
            ),
        )
        yield (
            "network",
            "",
            _facts(("in", f"{size(rates.received_bytes)}/s", ""), ("out", f"{size(rates.sent_bytes)}/s", "")),
        )
        yield (
            "errors",
            _rate(rates.errors),
            _facts(("in all", count(now.errors), ""), ("slow log", count(now.slow_commands), "")),
        )
        yield (
            "lost",
            "",
            _facts(
                ("cut off", count(now.cut_off), "red" if now.cut_off else ""),
                ("dropped", count(now.dropped), "red" if now.dropped else ""),
                ("rejected", count(now.rejected), "red" if now.rejected else ""),
            ),
        )
        if not now.writes_ok:
            yield "disk", "", _styled("the last write to the disk failed", "bold red")

    def _line(self, history: Sequence[float]) -> Text:
        return _styled(sparkline(history, _BLOCKS if self.unicode else _PLAIN), "cyan")


def sparkline(values: Sequence[float], marks: str = _BLOCKS) -> str:
    """Columns from zero to the greatest of them; what is not zero is never shown as nothing."""
    top = max(values, default=0)
    if top <= 0:
        return marks[0] * len(values)
    steps = len(marks) - 1
    return "".join([marks[max(1, round(value / top * steps))] if value > 0 else marks[0] for value in values])


def count(value: int | None) -> str:
    """A number for reading."""
    return UNKNOWN if value is None else f"{value:,}"


def size(value: float | None) -> str:
    """Bytes for reading."""
    if value is None:
        return UNKNOWN
    for unit in ("B", "KB", "MB", "GB"):
        if value < 1024:
            return f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"
        value /= 1024
    return f"{value:.1f} TB"


def _rate(value: float | None) -> str:
    if value is None:
        return f"{UNKNOWN}/s"
    return f"{value:,.1f}/s" if 0 < value < 10 else f"{value:,.0f}/s"


def _percent(value: float | None) -> str:
    return UNKNOWN if value is None else f"{value * 100:.0f}%"


def _ms(value: float | None) -> str:
    return UNKNOWN if value is None else f"{value:,.1f} ms"


def _lag_style(lag_ms: float | None) -> str:
    return "red" if lag_ms is not None and lag_ms >= _LAG_BAD_MS else ""


def _styled(text: str | Text, style: str) -> Text:
    from rich.text import Text  # noqa: PLC0415 (keeps `airwave --help` fast)

    return Text(text, style=style) if isinstance(text, str) else text


def _facts(*facts: tuple[str, object, str]) -> Text:
    """`of 10,000  subscribers 12  slow 1`: names dimmed, values in their style."""
    line = _styled("", "")
    for place, (name, value, style) in enumerate(facts):
        line.append("   " if place else "")
        line.append(f"{name} ", style="dim")
        line.append(f"{value:,}" if isinstance(value, int) else str(value), style=style or "")
    return line


def most_behind(streams: Iterable[StreamLook]) -> list[StreamLook]:
    """The streams whose groups have most to do, the most first."""

    def work(stream: StreamLook) -> tuple[int, int]:
        return sum([(group.lag or 0) + group.pending for group in stream.groups]), stream.length

    return sorted(streams, key=work, reverse=True)[:_STREAMS_SHOWN]


def _streams_table(streams: Sequence[StreamLook]) -> RenderableType:
    from airwave.cli.streams import table  # noqa: PLC0415

    return table([(stream, None) for stream in streams], rates=False)
