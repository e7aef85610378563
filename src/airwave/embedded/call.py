"""Requests of the direct API: words in, a reply as Python objects out, without redis-py in between.

A request needs a session to itself as long as it waits (XREAD with BLOCK), so each is run by a `Line`, which an engine
keeps for the next one. A line is a pipe whose client's end is here.
"""

from typing import cast

import hiredis
from redis._parsers.base import BaseParser
from redis.exceptions import ResponseError

from airwave.command import Argv
from airwave.embedded.node import EmbeddedError, LocalNode
from airwave.embedded.pipe import Pipe
from airwave.embedded.wakeup import Wakeup

# They change the state of a connection, and the next request may go through another one.
_STATEFUL = frozenset(
    (
        *(b"subscribe", b"psubscribe", b"ssubscribe", b"unsubscribe", b"punsubscribe", b"sunsubscribe", b"monitor"),
        *(b"multi", b"exec", b"discard", b"watch", b"unwatch", b"select", b"hello", b"auth", b"reset", b"quit"),
    )
)

_NOT_ENOUGH = object()

Reply = bytes | int | float | list["Reply"] | None
"""Bulk strings and status replies are bytes, maps are flat lists (RESP2)."""


class LineCutError(EmbeddedError):
    """The connection of a request was closed by somebody; the command may have run."""


def stateless(argv: Argv) -> Argv:
    """A request that a line can run.

    Raises:
        ValueError: it is not.
    """
    name = argv[0].lower() if argv else b""
    if not name or name in _STATEFUL or (name == b"client" and len(argv) > 1 and argv[1].lower() == b"reply"):
        shown = name.decode("ascii", "replace").upper() or "nothing"
        raise ValueError(f"{shown} is not for execute, which has no connection of its own: use airwave.connect")
    return argv


def failure(text: bytes) -> ResponseError:
    """An error reply as redis-py would raise it."""
    return cast(ResponseError, BaseParser.parse_error(text.decode(errors="replace")))  # type: ignore[no-untyped-call]


class Line(Pipe):
    """One request at a time.

    Args:
        node: the engine.
        db: the numbered database.

    Attributes:
        asked: there is a request whose reply has not been taken.

    Raises:
        EmbeddedError: the engine cannot be used, or has no such database.
    """

    def __init__(self, node: LocalNode, db: int) -> None:
        self.asked = False
        self._wakeup = Wakeup()
        self._reader = hiredis.Reader(replyError=BaseParser.parse_error, notEnoughData=_NOT_ENOUGH)
        with node.use() as broker:
            databases = broker.keyspace.databases
            if not 0 <= db < len(databases):
                raise EmbeddedError(f"{node.url} has {len(databases)} databases, and no database {db}: see ?databases=")
            super().__init__(node)
            self._session.database = databases[db]
            self._session.authenticate()  # who is in the process needs no password

    def _wake(self) -> None:
        if self._wakeup.awaited:
            self._wakeup.wake()

    def start(self, argv: Argv) -> bool:
        """Run a request; False: the line has been cut, and nothing was run.

        Raises:
            EmbeddedError: the engine cannot be used.
        """
        node = self.node
        if node.unusable or node.held():
            node.check()
        with node.lock:
            if node.posted:
                node.catch_up()
            if self.ended:
                return False
            self.asked = True
            self._session.request(argv)
            node.settle()
        if node.posted:
            node.run_posted()
        return True

    def wait(self) -> None:
        """Wait for the reply in this thread."""
        if not self.inbox:
            self._wakeup.wait(self._has_come, None)

    async def wait_async(self) -> None:
        """Wait for the reply in this task."""
        if not self.inbox:
            await self._wakeup.wait_async(self._has_come)

    def _has_come(self) -> bool:
        if self.node.forked:
            self.node.check()
        return bool(self.inbox) or self.ended

    def reply(self) -> Reply:
        """The reply that has come.

        Raises:
            ResponseError: it is an error.
            LineCutError: the line was cut.
            EmbeddedError: the engine has ended.
        """
        reader = self._reader
        while True:
            data = self.take()
            if data is None:
                self.node.check()
                raise LineCutError(f"{self.node.url}: the connection was cut (CLIENT KILL) before the reply came")
            self.taken(len(data))
            reader.feed(data)
            reply = reader.gets()
            if reply is not _NOT_ENOUGH:
                break
        self.asked = False
        if isinstance(reply, ResponseError):
            raise reply
        return cast(Reply, reply)
