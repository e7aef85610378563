"""A server's process: how it is started, on which core, and how it is ended and started again with what it has on disk.

Only what was started here is ever ended, by its process id.
"""

import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from airwave.bench.errors import BenchError

# More than the largest crowd (10,000 subscribers and a few more); both servers refuse clients past it.
CLIENTS_MAX = 15_000
STOP_S_MAX = 10.0

Appendfsync = Literal["everysec", "always"]


@dataclass(frozen=True)
class Setup:
    """How a server is to be started.

    Attributes:
        port: of 127.0.0.1.
        directory: its own, empty at first.
        appendfsync: when what is appended to its log on disk is synced; None: nothing is on disk.
    """

    port: int
    directory: Path
    appendfsync: Appendfsync | None = None


Argv = Callable[[Setup], Sequence[str]]
"""Makes a server's command line."""


@dataclass(frozen=True)
class Cores:
    """Which core the server runs on and which the load; both None when there is only one core."""

    server: int | None
    load: int | None

    @staticmethod
    def choose() -> "Cores":
        """The first two cores that this process may use."""
        usable = sorted(os.sched_getaffinity(0))
        return Cores(usable[0], usable[1]) if len(usable) > 1 else Cores(None, None)

    def pin_load(self) -> None:
        """Move this process, and what it starts from now on, to the load's core."""
        if self.load is not None:
            os.sched_setaffinity(0, {self.load})

    def pin_server(self) -> None:
        """Move this process, and what it starts from now on, to the server's core."""
        if self.server is not None:
            os.sched_setaffinity(0, {self.server})

    def release(self) -> None:
        """Let this process run on both cores again."""
        if self.server is not None and self.load is not None:
            os.sched_setaffinity(0, {self.server, self.load})


def airwave_argv(setup: Setup) -> list[str]:
    """Airwave as it is measured: Pub/Sub output limits off, as for Redis."""
    return [sys.executable, "-m", "airwave", "serve", *_options(setup)]


def redis_argv(setup: Setup) -> list[str]:
    """redis-server as it is measured.

    Raises:
        BenchError: redis-server is not installed.
    """
    program = shutil.which("redis-server")
    if program is None:
        raise BenchError("redis-server is not installed: install it, or compare with --against redis://HOST:PORT")
    # Rewriting its log would take the core of the server away from it for seconds, in some rounds and not in others.
    rewriting = [] if setup.appendfsync is None else ["--auto-aof-rewrite-percentage", "0"]
    return [program, *_options(setup), *rewriting]


def _options(setup: Setup) -> list[str]:
    options = {
        "port": str(setup.port),
        "bind": "127.0.0.1",
        "client-output-buffer-limit": "pubsub 0 0 0",
        "maxclients": str(CLIENTS_MAX),
        "save": "",
        "loglevel": "warning",
    }
    if setup.appendfsync is None:
        options |= {"appendonly": "no"}
    else:
        options |= {"dir": str(setup.directory), "appendonly": "yes", "appendfsync": setup.appendfsync}
    return [word for name, value in options.items() for word in (f"--{name}", value)]


class Program:
    """One server on one port, which can be ended and started again.

    Attributes:
        name: what messages call it.
        setup: as it was, and will be, started.
    """

    def __init__(self, name: str, argv: Argv, setup: Setup, log: Path, cores: Cores) -> None:
        """Nothing is started yet.

        Args:
            log: the file that its output is added to.
        """
        self.name = name
        self.setup = setup
        self._argv = argv
        self._log = log
        self._cores = cores
        self._process: subprocess.Popen[bytes] | None = None

    def begin(self) -> int:
        """Start it, pinned to its core, and return its process id; it may not listen yet.

        Raises:
            BenchError: it cannot be started.
        """
        argv = self._argv(self.setup)
        with open(self._log, "ab") as log:
            # A child inherits the affinity, so all its threads are pinned from their first instruction.
            self._cores.pin_server()
            try:
                self._process = subprocess.Popen(
                    argv, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT, cwd=self.setup.directory
                )
            except OSError as error:
                raise BenchError(f"cannot start {self.name}: {error.strerror} ({argv[0]})") from error
            finally:
                self._cores.pin_load()
        return self._process.pid

    def end(self, seconds: float = STOP_S_MAX) -> bool:
        """Ask it to end; False when it had to be killed, after `seconds`. Nothing happens when it has not begun."""
        process, self._process = self._process, None
        if process is None:
            return True
        process.terminate()
        try:
            process.wait(seconds)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            return False
        return True

    def check_alive(self) -> None:
        """See that it still runs.

        Raises:
            BenchError: it has ended; the text has its last line of output.
        """
        code = self._process.poll() if self._process is not None else None
        if code is not None:
            raise BenchError(f"{self.name} ended with code {code} at start: {self.last_words()}")

    def last_words(self) -> str:
        """The last line of its output."""
        return (self._log.read_text(errors="replace").strip().splitlines() or ["it said nothing"])[-1]


def free_port() -> int:
    """A TCP port of 127.0.0.1 on which nothing listens right now."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
        return port
