"""The slow log: the last commands that took longer than `slowlog-log-slower-than`.

Layer L1. What is kept of a command is bounded as in Redis: 32 arguments of 128 bytes.
"""

from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

from airwave.settings import is_secret

if TYPE_CHECKING:
    from airwave.command import Command

ARGS_MAX = 32
ARG_BYTES_MAX = 128


@dataclass(frozen=True, slots=True)
class SlowCommand:
    """One entry.

    Attributes:
        id: unique and growing, also over SLOWLOG RESET.
        at: Unix time in seconds.
        us: duration in µs.
        argv: the command, shortened.
        peer: address of the client.
        client_name: as it called itself.
    """

    id: int
    at: int
    us: int
    argv: list[bytes]
    peer: str
    client_name: bytes


class SlowLog:
    """The entries, newest first.

    Args:
        length_max: entries kept.
    """

    def __init__(self, length_max: int) -> None:
        self._next_id = 0
        self.entries: deque[SlowCommand] = deque(maxlen=length_max)

    def resize(self, length_max: int) -> None:
        """Keep at most so many; the oldest go."""
        self.entries = deque(list(self.entries)[:length_max], maxlen=length_max)

    def add(self, at: int, us: int, argv: list[bytes], peer: str, client_name: bytes) -> None:
        """Note a command; see `SlowCommand`."""
        shown = [_shortened(arg) for arg in argv[:ARGS_MAX]]
        if len(argv) > ARGS_MAX:
            shown[-1] = b"... (%d more arguments)" % (len(argv) - ARGS_MAX + 1)
        if self.entries.maxlen:  # appendleft drops the oldest at the right end
            self.entries.appendleft(SlowCommand(self._next_id, at, us, shown, peer, client_name))
        self._next_id += 1


def _shortened(arg: bytes) -> bytes:
    if len(arg) <= ARG_BYTES_MAX:
        return arg
    return b"%b... (%d more bytes)" % (arg[:ARG_BYTES_MAX], len(arg) - ARG_BYTES_MAX)


def row_shown(row: "Command", argv: list[bytes]) -> list[bytes]:
    """The request as logs may show it: passwords are left out."""
    hidden: set[int] = set()
    if row.name == "auth":
        hidden.update(range(1, len(argv)))
    elif row.name == "hello":
        for place, arg in enumerate(argv):
            if arg.lower() == b"auth":
                hidden.update((place + 1, place + 2))
    elif row.name == "config|set":
        hidden.update(place for place in range(3, len(argv), 2) if is_secret(argv[place - 1]))
    return [b"(redacted)" if place in hidden else arg for place, arg in enumerate(argv)] if hidden else argv
