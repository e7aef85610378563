"""Commands from HTTP into the core.

A *line* is a session without a client: words go in by `Session.request`, the reply comes out of the tick that committed
it, as for every client. Several requests may be under way on a line, whose replies come in their order. One that has to
wait (for the disk, for the end of CLIENT PAUSE, because it blocks) holds up what is behind it: meanwhile its line gets
no more, and another one is used.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Any

import hiredis
from aiohttp import web

from airwave.broker import Broker
from airwave.session import Session

LINES_MAX = 256

Reply = Any
"""A reply as hiredis gives it: bytes, int, float, bool, None, lists, and dicts for maps (RESP3)."""


class CommandFailed(Exception):  # noqa: N818  (the name says it)
    """A command was answered with an error.

    Attributes:
        code: its first word: `WRONGTYPE`.
    """

    @property
    def code(self) -> str:
        return str(self).partition(" ")[0]


Done = Callable[["Reply | CommandFailed", int], None]
"""Gets the reply, and the ID of the entry that the command made on a remembered channel; 0: none."""


class Lines:
    """The lines of a node.

    Args:
        broker: the node.
    """

    def __init__(self, broker: Broker) -> None:
        self._broker = broker
        self._lines: list[_Line] = []
        self._backlog: deque[tuple[list[bytes], Done]] = deque()

    async def execute(self, *words: str | bytes | int) -> Reply:
        """Run a command; not one that changes the state of a connection (MULTI, SUBSCRIBE, SELECT, ...).

        Returns:
            The reply; what the command has changed is as durable as for every client.

        Raises:
            CommandFailed: the reply is an error.
        """
        reply, _ = await self.execute_noting_entry(*words)
        return reply

    async def execute_noting_entry(self, *words: str | bytes | int) -> tuple[Reply, int]:
        """As `execute`, with the ID of the entry that the command made on a remembered channel; 0: none."""
        waiter: asyncio.Future[tuple[Reply, int]] = asyncio.get_running_loop().create_future()

        def done(reply: Reply, entry_id: int) -> None:
            if not waiter.done():
                if isinstance(reply, CommandFailed):
                    waiter.set_exception(reply)
                else:
                    waiter.set_result((reply, entry_id))

        self.start([_bytes(word) for word in words], done)
        return await waiter

    def start(self, argv: list[bytes], done: Done) -> None:
        """Run a command; `done` is called when the reply is there, which is never before this returns."""
        line = self._idle_line()
        if line is None:
            self._backlog.append((argv, done))
        else:
            line.start(argv, done)

    def close(self) -> None:
        """Whoever waits for a reply gets an error."""
        for line in self._lines:
            line.session.disconnect()
            line.fail()
        for _, done in self._backlog:
            done(CommandFailed("ERR the server is stopping"), 0)
        self._backlog.clear()

    def _idle_line(self) -> "_Line | None":
        for line in self._lines:
            if not line.session.stalled:
                return line
        if len(self._lines) >= LINES_MAX:
            return None
        self._lines.append(_Line(self._broker, self._line_moved))
        return self._lines[-1]

    def _line_moved(self, line: "_Line") -> None:
        """A line has given a reply, or has ended."""
        if line.ended:
            self._lines.remove(line)
        while self._backlog and (idle := self._idle_line()) is not None:
            idle.start(*self._backlog.popleft())


class _Line:
    """One line: the transport of its session."""

    def __init__(self, broker: Broker, moved: Callable[["_Line"], None]) -> None:
        self._moved = moved
        self._reader = hiredis.Reader(replyError=CommandFailed, notEnoughData=...)
        self._awaited: deque[Done] = deque()
        self.ended = False
        self.session = _LineSession(broker, self)

    def start(self, argv: list[bytes], done: Done) -> None:
        self._awaited.append(done)
        self.session.request(argv)

    def fail(self) -> None:
        while self._awaited:
            self._awaited.popleft()(CommandFailed("ERR the command was cut off"), 0)

    # --- what the session sees: airwave.client.Transport ------------------------------------------------------------

    def write(self, data: bytes, /) -> None:
        self._reader.feed(data)
        while (reply := self._reader.gets()) is not ...:
            self._awaited.popleft()(reply, self.session.entries.popleft())
        self._moved(self)

    def close(self) -> None:
        if not self.ended:
            self.ended = True
            self.session.connection_lost(None)
            self.fail()
            self._moved(self)

    abort = close

    def pause_reading(self) -> None: ...

    def resume_reading(self) -> None: ...

    def get_write_buffer_size(self) -> int:
        return 0

    def get_extra_info(self, name: str, /) -> Any:
        del name

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None: ...


class _LineSession(Session):
    """The session of a line: no client, so that it is neither listed nor counted.

    Attributes:
        entries: for each reply that is to come, the ID of the entry that its command made.
    """

    __slots__ = ("entries",)

    def __init__(self, broker: Broker, transport: _Line) -> None:
        self.entries: deque[int] = deque()
        super().__init__(broker, transport, "web:0", "web:0")
        del broker.clients[self.id]
        broker.stats.connections_received -= 1
        self.set_protocol(3)
        self.authenticate()

    @property
    def stalled(self) -> bool:
        """Whether a command waits, and with it what would come behind."""
        return self._input is not None or self.wait is not None

    def _execute(self, argv: list[bytes], before: int) -> int:
        self.choose_table()  # no client: nobody tells it that the state has changed
        memory = self.broker.memory
        last_id = memory.last_id
        now = super()._execute(argv, before)
        if self._input is None or self.wait is not None:  # else it will be run again
            self.entries.append(memory.last_id if memory.last_id != last_id else 0)
        return now


LINES = web.AppKey("lines", Lines)


def _bytes(word: str | bytes | int) -> bytes:
    return word if isinstance(word, bytes) else str(word).encode("utf-8", "surrogateescape")
