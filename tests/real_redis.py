"""A real redis-server for tests: the oracle. It listens on a Unix socket, so that no port can be taken."""

import contextlib
import os
import shutil
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import hiredis
import pytest

Command = tuple[bytes | str, ...]


@contextlib.contextmanager
def real_redis(folder: Path, *args: str) -> Iterator["Conversation"]:
    """Start redis-server in `folder` (empty but for a config file) and talk to it; it ends with the block.

    Args:
        args: its command line; a config file must be the first.
    """
    if shutil.which("redis-server") is None:
        if os.environ.get("CI") == "true":
            pytest.fail("redis-server is needed in CI")
        pytest.skip("redis-server is not installed")
    path = folder / "redis.sock"
    command = ["redis-server", *args, "--port", "0", "--unixsocket", str(path)]
    with subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout is not None
            log = []
            for line in server.stdout:
                log.append(line)
                if "ready to accept connections" in line:
                    break
            else:
                pytest.fail("redis-server did not start: " + "".join(log))
            with contextlib.closing(Conversation(path)) as conversation:
                yield conversation
        finally:
            server.terminate()
            server.communicate()


class Conversation:
    """One RESP3 connection; replies are as hiredis reads them, and what is pushed is read and dropped."""

    def __init__(self, path: Path) -> None:
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.connect(str(path))
        self._reader = hiredis.Reader()
        self.do("HELLO", "3")

    def close(self) -> None:
        self._socket.close()

    def do(self, *args: bytes | str) -> object:
        """Send one command and return its reply."""
        (reply,) = self.do_all([args])
        return reply

    def do_all(self, commands: list[Command], before: Command = (), after: Command = ()) -> list[object]:
        """Send the commands at once and return their replies.

        Args:
            before, after: a command sent in the same write that has no reply: it is answered by pushes, or not at all.
        """
        sent = [command for command in (before, *commands, after) if command]
        self._socket.sendall(b"".join(hiredis.pack_command(command) for command in sent))
        replies: list[object] = []
        while len(replies) < len(commands):
            reply = self._reader.gets()
            if reply is False:
                data = self._socket.recv(1 << 16)
                assert data, "redis-server closed the connection"
                self._reader.feed(data)
            elif not isinstance(reply, hiredis.PushNotification):
                replies.append(reply)
        return replies
