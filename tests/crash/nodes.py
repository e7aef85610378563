"""The servers that are killed: `airwave serve`, and redis-server, on which one sees that the tests are right."""

import shutil
import signal
import subprocess
from contextlib import suppress
from pathlib import Path
from typing import Protocol, Self

import live
from live import Peer, wait_for


class Server(Protocol):
    """What there is to do with a server process."""

    def connect(self) -> Peer: ...

    def kill(self) -> None: ...

    def stop(self) -> int: ...


class RedisNode:
    """A redis-server on a Unix socket; the interface of `live.Node`.

    Args:
        folder: where its socket is, and its data.
        options: of redis-server.
    """

    def __init__(self, folder: Path, *options: str) -> None:
        self._path = str(folder / "redis.sock")
        command = ["redis-server", "--port", "0", "--unixsocket", self._path, "--save", "", "--dir", str(folder)]
        with suppress(FileNotFoundError):
            Path(self._path).unlink()
        self.process = subprocess.Popen([*command, *options], stdout=subprocess.DEVNULL)
        wait_for(self._serves, "redis-server")

    def _serves(self) -> bool:
        assert self.process.poll() is None, "redis-server ended"
        with suppress(OSError), self.connect() as peer:
            return peer.do("PING") == b"PONG"  # an error while it loads
        return False

    def connect(self) -> Peer:
        """See `live.Node`."""
        return Peer(self._path)

    def kill(self) -> None:
        """See `live.Node`."""
        self.process.kill()
        self.process.wait(live.DEADLINE_S)

    def stop(self) -> int:
        """See `live.Node`."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(live.DEADLINE_S)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()


def durable(kind: str, folder: Path, appendfsync: str, *options: str) -> Server:
    """A server that keeps its data in a folder.

    Args:
        kind: `airwave` or `redis`.
        folder, appendfsync: see `--dir` and `--appendfsync`.
        options: more of them.
    """
    keep = ("--appendonly", "yes", "--appendfsync", appendfsync, *options)
    if kind == "redis":
        return RedisNode(folder, *keep)
    return live.Node("--dir", str(folder), *keep)


def forgetful(kind: str, folder: Path) -> Server:
    """A server that keeps nothing."""
    return RedisNode(folder) if kind == "redis" else live.Node("--dir", str(folder))


def has_redis() -> bool:
    """Whether redis-server is installed."""
    return shutil.which("redis-server") is not None
