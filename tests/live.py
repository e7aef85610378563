"""A real `airwave serve` process for tests, raw connections to it, and what the kernel says about it."""

import os
import resource
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Self

import hiredis
from ports import HOST, free_port

# How long anything may take before a test fails, in seconds. Nothing waits that long when all is well.
DEADLINE_S = 30.0
_ENVIRONMENT = {"PYTHONUTF8": "1", "PYTHONWARNINGS": "error"}


def wait_for(condition: Callable[[], Any], what: str, deadline_s: float = DEADLINE_S) -> Any:
    """Ask until it is true, and return what it gave. The deadline decides, not the pause between two questions."""
    deadline = time.monotonic() + deadline_s
    while not (value := condition()):
        assert time.monotonic() < deadline, f"waited too long for {what}"
        time.sleep(0.005)
    return value


class Node:
    """An `airwave serve` process; its log is read line by line.

    Args:
        options: of `airwave serve`; a port is added unless one is among them.
        port: listen on this one; None: a free one.
        descriptors: soft and hard limit of its file descriptors; None: the test's own.
        stdin: what it reads from standard input.
        host: where `connect` goes.
        wait: return when it is ready; otherwise at once.
    """

    def __init__(
        self,
        *options: str,
        port: int | None = None,
        descriptors: tuple[int, int] | None = None,
        stdin: bytes = b"",
        host: str = HOST,
        wait: bool = True,
    ) -> None:
        self.port = free_port() if port is None else port
        self.host = host
        command = [sys.executable, "-m", "airwave", "serve", *options, "--port", str(self.port)]
        if descriptors:
            soft, hard = descriptors
            command = ["sh", "-c", f'ulimit -Sn {soft} && ulimit -Hn {hard} && exec "$@"', "sh", *command]
        self.process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=os.environ | _ENVIRONMENT,
        )
        assert self.process.stdin is not None
        with suppress(BrokenPipeError), self.process.stdin as pipe:
            pipe.write(stdin)
        self.log: list[str] = []
        self._changed = threading.Condition()
        self._ended = False
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        if wait:
            try:
                self.wait_for_line("ready:")
            except AssertionError:
                self.kill()
                raise

    @property
    def pid(self) -> int:
        return self.process.pid

    @property
    def url(self) -> str:
        return f"redis://{self.host}:{self.port}"

    # --- the log ----------------------------------------------------------------------------------------------------

    def _read(self) -> None:
        assert self.process.stdout is not None
        with self.process.stdout as stream:
            for line in stream:
                with self._changed:
                    self.log.append(line.decode("utf-8", "backslashreplace").rstrip("\n"))
                    self._changed.notify_all()
        with self._changed:
            self._ended = True
            self._changed.notify_all()

    def lines(self, *words: str) -> list[str]:
        """The log lines so far that contain all the words."""
        with self._changed:
            return [line for line in self.log if all(word in line for word in words)]

    def wait_for_line(self, *words: str) -> str:
        with self._changed:
            self._changed.wait_for(
                lambda: self._ended or any(all(word in line for word in words) for line in self.log), DEADLINE_S
            )
        found = self.lines(*words)
        assert found, f"no log line with {words}: {self.log}"
        return found[0]

    def assert_no_fault(self) -> None:
        """Nothing that it logged is a fault of its own, and no client was answered with one."""
        faults = [line for line in self.log if "internal error" in line or "Traceback" in line or " ! " in line]
        assert not faults, "\n".join([*faults, *self.log[-20:]])

    # --- clients ----------------------------------------------------------------------------------------------------

    def connect(self, *, resp3: bool = False, receive_bytes: int = 0) -> "Peer":
        peer = Peer((self.host, self.port), receive_bytes=receive_bytes)
        if resp3:
            peer.do("HELLO", "3")
        return peer

    def info(self, section: str = "everything") -> dict[str, str]:
        with self.connect() as peer:
            return peer.info(section)

    # --- the process ------------------------------------------------------------------------------------------------

    @property
    def rss_bytes(self) -> int:
        return int(Path(f"/proc/{self.pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")

    @property
    def descriptors(self) -> int:
        return len(os.listdir(f"/proc/{self.pid}/fd"))

    @property
    def cpu_s(self) -> float:
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def signal(self, number: int) -> None:
        self.process.send_signal(number)

    def wait(self) -> int:
        """Wait until it has ended; returns its exit code."""
        code = self.process.wait(DEADLINE_S)
        self._reader.join(DEADLINE_S)
        return code

    def stop(self) -> int:
        if self.process.poll() is None:
            self.signal(signal.SIGTERM)
        return self.wait()

    def kill(self) -> None:
        """As `kill -9`, and wait until it is gone."""
        self.process.kill()
        self.wait()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()


class Peer:
    """A raw connection: bytes as the test wants them, replies as hiredis reads them.

    Args:
        address: host and port, or the path of a Unix socket.
        receive_bytes: size of the kernel's receive buffer; 0: the system's.
        timeout_s: how long one read or write may take.
    """

    def __init__(
        self, address: tuple[str, int] | str, *, receive_bytes: int = 0, timeout_s: float = DEADLINE_S
    ) -> None:
        if isinstance(address, str):
            self.socket = socket.socket(socket.AF_UNIX)
        else:
            self.socket = socket.socket(socket.AF_INET6 if ":" in address[0] else socket.AF_INET)
        try:
            if receive_bytes:  # must be set before the connection is there
                self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
            self.socket.settimeout(timeout_s)
            self.socket.connect(address)
        except OSError:
            self.socket.close()
            raise
        self._reader = hiredis.Reader(notEnoughData=...)

    @property
    def name(self) -> str:
        """Its address as the server shows it."""
        host, port = self.socket.getsockname()[:2]
        return f"{host}:{port}"

    def send(self, *args: bytes | str | int) -> None:
        self.socket.sendall(hiredis.pack_command(args))

    def send_raw(self, data: bytes) -> None:
        self.socket.sendall(data)

    def read(self) -> Any:
        """The next reply or message.

        Raises:
            EOFError: the server closed the connection.
        """
        while (reply := self._reader.gets()) is ...:
            try:
                data = self.socket.recv(1 << 18)
            except ConnectionResetError:
                data = b""
            if not data:
                raise EOFError
            self._reader.feed(data)
        return reply

    def read_raw(self) -> bytes:
        """All bytes until the server closes."""
        parts = []
        with suppress(ConnectionResetError):
            while data := self.socket.recv(1 << 20):
                parts.append(data)
        return b"".join(parts)

    def do(self, *args: bytes | str | int) -> Any:
        """Send a command and return its reply; an error reply comes back as an exception object."""
        self.send(*args)
        return self.read()

    def info(self, section: str = "everything") -> dict[str, str]:
        text = bytes(self.do("INFO", section)).decode()
        return dict(line.split(":", 1) for line in text.split("\r\n") if line and not line.startswith("#"))

    def write_until_cut_off(self, data: bytes, bytes_max: int = 1 << 28) -> None:
        """Write the same again and again, and read nothing, until the server closes the connection."""
        with suppress(ConnectionResetError, BrokenPipeError):
            for _ in range(bytes_max // len(data)):
                self.socket.sendall(data)
            raise AssertionError(f"the server took {bytes_max} bytes")

    def is_closed(self) -> bool:
        """Whether the server has closed the connection; waits until it has, and drops what comes before."""
        self.read_raw()
        return True

    def close(self) -> None:
        self.socket.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


@contextmanager
def descriptors_for_test(wanted: int) -> Iterator[None]:
    """Let this process have so many file descriptors.

    Raises:
        OSError: the system does not allow that many.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < wanted:
        raise OSError(f"only {hard} file descriptors are allowed")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, wanted), hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


Start = Callable[..., Node]
"""The fixture `start`: starts a node with the options of `airwave serve`; it is killed when the test ends."""
