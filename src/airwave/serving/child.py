"""A node in a child process, seen from the parent.

The child's standard input is its lifeline: the parent writes one line of JSON, which says what to serve, and then keeps
the pipe open. When it is closed, be it by `stop` or because the parent is gone in whatever way, the child stops.
Passwords go this way rather than by the command line, which everybody on the machine can read.

The child logs JSON to its standard output, unless it has a log file; a thread here hands the lines to the logger
"airwave". How the start went comes through a pipe of its own.
"""

import contextlib
import json
import os
import socket
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Sequence

from airwave.server import daemon, log
from airwave.serving import lifetime
from airwave.serving.errors import ServerError
from airwave.serving.options import Directives

NOW = b"now"  # what the parent writes before it closes the lifeline, when slow clients are not to be waited for
LINES_KEPT = 20  # of what it wrote, for the error when it ends while it starts
LINE_MAX = 65536  # bytes; the rest of a longer one is a line of its own


class ChildNode:
    """A process that serves, until it is stopped or a client shuts it down.

    Args:
        directives: its settings.
        sockets: they listen; the child gets them, and they are closed here.

    Raises:
        ServerError: it cannot start; nothing of it is left.
    """

    def __init__(self, directives: Directives, sockets: Sequence[socket.socket]) -> None:
        if not sys.executable or getattr(sys, "frozen", False):
            raise ServerError("process=True needs a Python interpreter to start (sys.executable): use process=False")
        self._last: deque[str] = deque(maxlen=LINES_KEPT)
        self._serving = False  # it has started, and nobody has asked it to stop
        reading, writing = os.pipe()
        handed = [sock.fileno() for sock in sockets]
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-m", "airwave.serving"],  # -P: no module from wherever this is run
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                pass_fds=[*handed, writing],
                start_new_session=True,  # Ctrl-C in the terminal is for this process, which then stops the child
            )
        except OSError as error:
            os.close(reading)
            raise ServerError(f"cannot start {sys.executable}: {error.strerror}") from None
        finally:
            os.close(writing)
            for sock in sockets:
                sock.close()
        self._log = threading.Thread(target=self._forward, name=f"airwave log {self._process.pid}", daemon=True)
        lifetime.add(self)
        self._log.start()
        self._start({"directives": directives, "sockets": handed, "report": writing}, reading)

    def _start(self, request: dict[str, object], report: int) -> None:
        try:
            with open(report, "rb") as pipe:
                assert self._process.stdin is not None
                with contextlib.suppress(BrokenPipeError):
                    self._process.stdin.write(json.dumps(request).encode() + b"\n")
                    self._process.stdin.flush()
                problem = daemon.problem(pipe.read())
        except BaseException:  # Ctrl-C
            self.end()
            raise
        self._serving = problem is None
        if problem is not None:
            self.end()
            raise ServerError(problem or f"the server process ended while it started: {' '.join(self._last)}")

    def _forward(self) -> None:
        """Hand its log on, and see to its end."""
        assert self._process.stdout is not None
        with self._process.stdout as output:
            while line := output.readline(LINE_MAX):
                _log(line.decode("utf-8", "backslashreplace").rstrip(), self._last)
        code = self._process.wait()
        lifetime.remove(self)
        if code and self._serving:
            log.event("error", "the server process has ended by itself", pid=self._process.pid, code=code)

    def alive(self) -> bool:
        """See `Running`."""
        return self._log.is_alive()

    def stop(self, *, now: bool) -> None:
        """See `Running`."""
        self._serving = False
        assert self._process.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            if now and not self._process.stdin.closed:
                self._process.stdin.write(NOW)
            self._process.stdin.close()

    def join(self, timeout_s: float) -> bool:
        """See `Running`."""
        self._log.join(timeout_s)
        return not self._log.is_alive()

    def end(self) -> bool:
        """See `Running`."""
        self.stop(now=False)
        self._process.kill()
        return self.join(lifetime.EXIT_WAIT_S)

    def abandon(self) -> None:
        """See `Running`."""
        pipes = [pipe for pipe in (self._process.stdin, self._process.stdout) if pipe is not None and not pipe.closed]
        lifetime.let_go([pipe.fileno() for pipe in pipes])
        self._process.returncode = 0  # not a child of this process: there is nothing to wait for


def _log(line: str, last: deque[str]) -> None:
    try:
        fields = json.loads(line)
        level, message, _ = fields.pop("level"), fields.pop("event"), fields.pop("time")
        log.event(level, message, **fields)
    except (ValueError, KeyError, TypeError, AttributeError):  # not of our log: the interpreter's own words
        last.append(line)
        log.event("error", "the server process wrote", text=line)
