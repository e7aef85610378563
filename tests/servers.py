"""Server processes for tests: a redis-server, the oracle, and an `airwave serve`. Each ends with its block."""

import contextlib
import os
import shutil
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from ports import free_port

DEADLINE_S = 10.0  # how long anything may take before a test fails; nothing waits that long when all is well

Address = str | tuple[str, int]


class NotStartedError(Exception):
    """The process ended, or said nothing of being ready. The text is what it logged."""


@contextlib.contextmanager
def running(argv: list[str], folder: Path, ready: str) -> Iterator["subprocess.Popen[str]"]:
    """Run a process in `folder` and wait for a line of its output that has `ready` in it.

    Raises:
        NotStartedError: there was no such line.
    """
    log: list[str] = []
    told = threading.Event()
    environment = os.environ | {"PYTHONWARNINGS": "error"}
    with subprocess.Popen(
        argv, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment
    ) as process:
        assert process.stdout is not None
        lines = iter(process.stdout)

        def read() -> None:  # to the end: a pipe that nobody reads would stop the server
            for line in lines:
                log.append(line)
                if ready in line:
                    told.set()
            told.set()

        reader = threading.Thread(target=read, daemon=True)
        reader.start()
        try:
            told.wait(DEADLINE_S)
            if not any(ready in line for line in list(log)):
                raise NotStartedError("".join(log))
            yield process
        finally:
            process.terminate()
            process.wait(DEADLINE_S)
            reader.join(DEADLINE_S)


def need_redis_server() -> None:
    """Skip where there is none; on CI there must be one."""
    if shutil.which("redis-server") is None:
        reason = "redis-server is not installed: apt-get install redis-server"
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)


@contextlib.contextmanager
def redis_server(folder: Path, *args: str) -> Iterator[str]:
    """A redis-server on a Unix socket, whose path this gives. A config file must be the first of `args`."""
    need_redis_server()
    path = folder / "redis.sock"
    command = ["redis-server", *args, "--port", "0", "--unixsocket", str(path)]
    with running(command, folder, "ready to accept connections"):
        yield str(path)


@contextlib.contextmanager
def airwave_server(folder: Path, *args: str) -> Iterator[tuple[str, int]]:
    """An `airwave serve` on a TCP port of its own; gives host and port."""
    with contextlib.ExitStack() as stack:
        for attempt in range(5):
            port = free_port()
            command = [sys.executable, "-m", "airwave", "serve", "--port", str(port), "--bind", "127.0.0.1", *args]
            try:
                stack.enter_context(running(command, folder, "ready: "))
                break
            except NotStartedError as error:  # somebody else may have taken the port meanwhile
                if attempt == 4 or "in use" not in str(error):
                    raise
        yield "127.0.0.1", port


def connected(address: Address) -> socket.socket:
    """A connection to a server; nothing on it waits longer than the deadline."""
    sock = socket.socket(socket.AF_UNIX if isinstance(address, str) else socket.AF_INET)
    sock.settimeout(DEADLINE_S)
    if not isinstance(address, str):
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sock.connect(address)
    return sock
