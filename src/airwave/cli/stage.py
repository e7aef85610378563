"""The transcript of the demo: who sends and receives what, one line each."""

from __future__ import annotations

import sys

from rich.console import Console
from rich.highlighter import JSONHighlighter
from rich.text import Text

from airwave.cli.escape import printable

_ACTOR_WIDTH = 14
_COLOURS = ("cyan", "magenta", "yellow", "green", "blue", "bright_red", "bright_cyan", "bright_magenta")


class Stage:
    """Prints the transcript: coloured and wrapped on a terminal, plain lines otherwise."""

    def __init__(self) -> None:
        self._console = Console(highlight=False, emoji=False, markup=False)
        self._colours: dict[str, str] = {}
        fancy = _can_print("→←•✓")
        self._send, self._receive, self._remark, self._tick = "→←•✓" if fancy else "><*+"

    def say(self, text: str = "", style: str = "") -> None:
        """A line of its own, across the whole width."""
        self._console.print(Text(printable(text), style=style), soft_wrap=True)

    def act(self, title: str) -> None:
        """Begin a part of the story."""
        self.say()
        self.say(title, "bold")

    def done(self, text: str) -> None:
        """A good end."""
        self.say()
        self.say(f"{self._tick} {text}", "bold green")

    def sends(self, actor: str, text: str) -> None:
        """An actor sends something to the server."""
        self._line(actor, self._send, text, "green")

    def receives(self, actor: str, text: str) -> None:
        """An actor gets something from the server."""
        self._line(actor, self._receive, text, "yellow")

    def remarks(self, actor: str, text: str) -> None:
        """Something happens inside an actor."""
        self._line(actor, self._remark, text, "dim")

    def _line(self, actor: str, sign: str, text: str, sign_style: str) -> None:
        colour = self._colours.setdefault(actor, _COLOURS[len(self._colours) % len(_COLOURS)])
        text = printable(text)
        payload_at = text.find("{") % (len(text) + 1)  # at the end if there is none
        body = Text(text[:payload_at]) + JSONHighlighter()(Text(text[payload_at:]))
        first = Text.assemble((f"{actor:>{_ACTOR_WIDTH}}", f"bold {colour}"), "  ", (sign, f"bold {sign_style}"), "  ")
        lines = [body]
        if self._console.is_terminal:
            lines = list(body.wrap(self._console, max(20, self._console.width - len(first))))
        for number, line in enumerate(lines):
            prefix = Text(" " * len(first)) if number else first
            self._console.print(prefix + line, soft_wrap=True)


def _can_print(text: str) -> bool:
    try:
        text.encode(sys.stdout.encoding or "ascii")
    except UnicodeEncodeError:
        return False
    return True
