"""Going to the background: the shell has its prompt back once the server serves, or is told why it does not."""

import os
import sys

_SERVING = b"serving"
_PROBLEM_MAX = 4096  # bytes; a pipe takes that much in one piece


class Report:
    """What a child tells its parent, once."""

    def __init__(self, pipe: int) -> None:
        self._pipe = pipe

    def serving(self) -> None:
        """The parent may end with success."""
        self._send(_SERVING)

    def failed(self, problem: str) -> None:
        """The parent says what was wrong and ends."""
        self._send(problem.encode("utf-8", "backslashreplace")[:_PROBLEM_MAX])

    def _send(self, data: bytes) -> None:
        if self._pipe >= 0:
            os.write(self._pipe, data)
            os.close(self._pipe)
            self._pipe = -1


def problem(said: bytes) -> str | None:
    """What a child has reported: None when it serves; empty when it ended without a word."""
    return None if said == _SERVING else said.decode("utf-8", "replace")


def detach() -> Report | str:
    """Go on in a child of its own session, without a terminal.

    Returns:
        In the child: where to report. In the parent, once the child has reported: the problem, empty when it serves.
    """
    sys.stdout.flush()
    reading, writing = os.pipe()
    if os.fork():
        os.close(writing)
        with open(reading, "rb") as pipe:
            said = pipe.read()
        found = problem(said)
        return "" if found is None else found or "the server ended while it started"
    os.close(reading)
    os.setsid()
    null = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(null, descriptor)
    os.close(null)
    return Report(writing)
