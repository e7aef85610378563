"""A server in a child process, for the demo."""

from __future__ import annotations

import errno
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from types import FrameType
from typing import IO

from airwave.cli.escape import printable
from airwave.cli.failure import Failure

HOST = "127.0.0.1"

_START_S = 15.0
_STOP_S = 10.0
_PROBE_S = 0.05
# How much of the server's output is kept for an error message, in lines.
_TAIL_LINES = 20


class Child:
    """A running server.

    It is in a process group of its own: a Ctrl-C on the terminal reaches only the demo, which then stops the server
    when its clients are done.
    """

    def __init__(self, command: Sequence[str]) -> None:
        group = None if sys.platform == "win32" else 0
        self._process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, process_group=group
        )
        self._tail: deque[bytes] = deque(maxlen=_TAIL_LINES)
        assert self._process.stdout is not None
        self._reader = threading.Thread(target=self._read, args=(self._process.stdout,), daemon=True)
        self._reader.start()

    def _read(self, output: IO[bytes]) -> None:
        # The server must never block on a full pipe, however long the demo keeps serving.
        with output:
            self._tail.extend(output)

    def wait_until(self, ready: Callable[[], bool]) -> None:
        """Return when `ready()` is true; it is asked again and again while the server starts.

        Raises:
            Failure: the server ended, or was not ready in time.
        """
        deadline = time.monotonic() + _START_S
        while time.monotonic() < deadline:
            if ready() and self._process.poll() is None:
                return
            if self._ended(_PROBE_S):
                raise self.unexpected_end()
        raise Failure(f"the server did not answer within {_START_S:g} s{self._last_words()}")

    def _ended(self, timeout_s: float | None) -> bool:
        try:
            self._process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            return False
        return True

    def wait(self) -> None:
        """Wait until the server ends."""
        self._ended(None)

    def unexpected_end(self) -> Failure:
        """What to raise when the server ended though nobody stopped it."""
        self._reader.join(_STOP_S)
        return Failure(f"the server ended with code {self._process.returncode}{self._last_words()}")

    def _last_words(self) -> str:
        lines = [printable(line.strip()) for line in self._tail if line.strip()]
        return f"; its last words: {lines[-1]}" if lines else ""

    def stop(self) -> None:
        """Ask the server to end, wait for a bounded time, then insist."""
        self._process.terminate()
        try:
            self._process.wait(_STOP_S)
        except (subprocess.TimeoutExpired, KeyboardInterrupt):  # an impatient second Ctrl-C
            self._process.kill()
            self._process.wait()
        self._reader.join(_STOP_S)


@contextmanager
def running(command: Sequence[str]) -> Iterator[Child]:
    """Start a server and stop it again however the block is left, also by Ctrl-C, SIGTERM or a closed terminal."""
    numbers = [getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]
    # What is ignored stays ignored: nohup means it.
    before = {number: signal.signal(number, _exit) for number in numbers if signal.getsignal(number) != signal.SIG_IGN}
    try:
        child = Child(command)
        try:
            yield child
        finally:
            child.stop()
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _exit(signum: int, _: FrameType | None) -> None:
    raise SystemExit(128 + signum)


def free_port(wanted: int, *, other_than: int = 0) -> int:
    """The wanted TCP port if a server on this machine's own addresses can have it, else a free one; 0 wants any."""
    port = _port(HOST, wanted)
    # Clients of "localhost" try ::1 first: they would end up at somebody else's server there.
    if port is None or port == other_than or (wanted and _port("::1", wanted) is None):
        port = _port(HOST, 0)
    if port is None:
        raise Failure("there is no free TCP port on this machine: end a program that holds many connections")
    return port


def _port(host: str, port: int) -> int | None:
    """The port, if it can be listened on; 0 stands for any free one. An address that does not exist is free."""
    try:
        with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
            if sys.platform != "win32":
                # As servers do: connections that have just been closed do not occupy a port.
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((host, port))
            return int(probe.getsockname()[1])
    except OSError as error:
        return port if error.errno in (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT) else None
