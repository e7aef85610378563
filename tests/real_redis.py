"""A real redis-server for tests: the oracle. It listens on a Unix socket, so that no port can be taken."""

import contextlib
import socket
from collections.abc import Iterator
from pathlib import Path

import hiredis
from servers import redis_server

Command = tuple[bytes | str, ...]


@contextlib.contextmanager
def real_redis(folder: Path, *args: str) -> Iterator["Conversation"]:
    """Start redis-server in `folder` (empty but for a config file) and talk to it; it ends with the block.

    Args:
        args: its command line; a config file must be the first.
    """
    with redis_server(folder, *args) as path, contextlib.closing(Conversation(path)) as conversation:
        yield conversation


class Conversation:
    """One RESP3 connection; replies are as hiredis reads them, and what is pushed is read and dropped."""

    def __init__(self, path: str) -> None:
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.connect(path)
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
