"""Real processes: a server, and the command line as a user runs it."""

import os
import queue
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import IO, Any, Self

import pytest
import redis
from ports import HOST, free_port
from redis.backoff import NoBackoff
from redis.retry import Retry

# How long anything may take before a test fails, in seconds. Nothing waits that long when all is well.
DEADLINE_S = 30.0


def redis_command(port: int, *options: str) -> list[str]:
    """The command line of a redis-server that keeps nothing on disk."""
    return ["redis-server", "--port", str(port), "--bind", HOST, "--save", "", "--appendonly", "no", *options]


def serve_command(port: int, *options: str) -> list[str]:
    """The command line of an Airwave that keeps nothing on disk, unless the options say otherwise."""
    return [sys.executable, "-m", "airwave", "serve", "--port", str(port), "--bind", HOST, *options]


SERVERS = {"redis": redis_command, "airwave": serve_command}


def wait_for(condition: Callable[[], Any], what: str) -> None:
    """Ask until it is true. The pause between two questions is no guess: the deadline decides."""
    deadline = time.monotonic() + DEADLINE_S
    while not condition():
        assert time.monotonic() < deadline, f"waited too long for {what}"
        time.sleep(0.01)


def client(port: int, password: str | None = None) -> redis.Redis:
    """A client that says at once when something fails."""
    return redis.Redis(host=HOST, port=port, password=password, retry=Retry(NoBackoff(), 0))


class Server:
    """A server on a port of its own that can be stopped and started again."""

    def __init__(self, directory: Path, *options: str, password: str | None = None, kind: str = "redis") -> None:
        self.port = free_port()
        self.url = f"redis://{HOST}:{self.port}"
        self.client = client(self.port, password)
        self._directory, self._options = directory, [*options, "--requirepass", password or ""]
        self._command = SERVERS[kind]

    def start(self) -> None:
        self._process = subprocess.Popen(
            self._command(self.port, *self._options), cwd=self._directory, stdout=subprocess.DEVNULL
        )
        wait_for(self.answers, "the server")

    def answers(self) -> bool:
        with suppress(redis.RedisError):
            return bool(self.client.ping())
        return False

    def subscribers(self, *channels: str) -> list[int]:
        return [count for _, count in self.client.pubsub_numsub(*channels)]

    def signal(self, number: signal.Signals) -> None:
        self._process.send_signal(number)

    def stop(self) -> None:
        self._process.terminate()
        self._process.wait(DEADLINE_S)


def need_redis_server() -> None:
    if shutil.which("redis-server") is None:
        reason = "redis-server is not installed: apt-get install redis-server"
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)


@pytest.fixture
def make_server(tmp_path: Path) -> Iterator[Callable[..., Server]]:
    servers: list[Server] = []

    def make(*options: str, password: str | None = None, kind: str = "redis") -> Server:
        if kind == "redis":
            need_redis_server()
        server = Server(tmp_path, *options, password=password, kind=kind)
        servers.append(server)
        server.start()
        return server

    yield make
    for server in servers:
        server.stop()
        server.client.close()


@pytest.fixture
def server(make_server: Callable[..., Server]) -> Server:
    return make_server()


@pytest.fixture
def url(server: Server) -> str:
    return server.url


class Process:
    """A command that runs beside the test; its output is read line by line."""

    def __init__(self, command: list[str], **options: Any) -> None:
        options = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE} | options
        self.popen = subprocess.Popen(command, env=environment(), **options)
        self._readers: list[threading.Thread] = []
        self.out = self._lines(self.popen.stdout)
        self.err = self._lines(self.popen.stderr)

    def _lines(self, stream: IO[bytes] | None) -> "queue.Queue[str | None]":
        """A queue of lines, None at the end."""
        lines: queue.Queue[str | None] = queue.Queue()

        def read(stream: IO[bytes]) -> None:
            with stream:
                for line in stream:
                    lines.put(line.decode().removesuffix("\n"))
            lines.put(None)

        if stream is not None:
            self._readers.append(threading.Thread(target=read, args=(stream,), daemon=True))
            self._readers[-1].start()
        return lines

    def line(self) -> str | None:
        """The next line of standard output, None at its end."""
        return self.out.get(timeout=DEADLINE_S)

    def note(self) -> str | None:
        """The next line of standard error, None at its end."""
        return self.err.get(timeout=DEADLINE_S)

    def send(self, data: bytes) -> None:
        assert self.popen.stdin is not None
        self.popen.stdin.write(data)
        self.popen.stdin.flush()

    def close_input(self) -> None:
        assert self.popen.stdin is not None
        self.popen.stdin.close()

    def interrupt(self) -> None:
        """What Ctrl-C does."""
        self.popen.send_signal(signal.SIGINT)

    def wait(self) -> int:
        return self.popen.wait(DEADLINE_S)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self.popen.poll() is None:
            self.popen.kill()
        self.popen.wait()
        if self.popen.stdin is not None:
            with suppress(BrokenPipeError):
                self.popen.stdin.close()
        for reader in self._readers:
            reader.join(DEADLINE_S)


def environment(**more: str) -> dict[str, str]:
    """The environment of a command: nothing of the developer's own, UTF-8, no colours forced upon pipes."""
    dropped = {"AIRWAVE_URL", "AIRWAVE_TRACEBACK", "FORCE_COLOR", "NO_COLOR", "GITHUB_ACTIONS", "COLUMNS"}
    kept = {name: value for name, value in os.environ.items() if name not in dropped}
    return kept | {"PYTHONUTF8": "1", "PYTHONWARNINGS": "error"} | more


def airwave_command(*arguments: str | bytes) -> list[Any]:
    return [sys.executable, "-m", "airwave", *arguments]


def airwave(
    *arguments: str | bytes, stdin: bytes = b"", env: dict[str, str] | None = None
) -> "subprocess.CompletedProcess[str]":
    """Run `airwave` to its end."""
    done = subprocess.run(
        airwave_command(*arguments),
        input=stdin,
        capture_output=True,
        env=environment(**env or {}),
        timeout=DEADLINE_S,
        check=False,
    )
    return subprocess.CompletedProcess(done.args, done.returncode, done.stdout.decode(), done.stderr.decode())


def start_airwave(*arguments: str | bytes, **options: Any) -> Process:
    """Run `airwave` beside the test."""
    return Process(airwave_command(*arguments), **options)
