"""The stream reader and writer that redis-py's asyncio connection gets of an embedded engine."""

import asyncio
from collections.abc import Iterable
from typing import Any

from airwave.client import HIGH_WATER_BYTES
from airwave.embedded.pipe import Pipe
from airwave.embedded.registry import opened
from airwave.embedded.wakeup import runs_here


class AsyncPipe(Pipe):
    """A pipe that a task reads, of the event loop that runs now.

    Attributes:
        reader, writer: the client's end.
    """

    def __init__(self, url: str) -> None:
        self._loop = asyncio.get_running_loop()
        self._called = False  # `_feed_later` is going to be called
        self._full = False  # the reader has more than it wants
        # A reader asks its transport to pause when it has twice its limit.
        self.reader = asyncio.StreamReader(limit=HIGH_WATER_BYTES // 2, loop=self._loop)
        self.reader.set_transport(_Flow(self))
        with opened(url) as node:
            super().__init__(node)
        self.writer = PipeWriter(self)

    def get_write_buffer_size(self) -> int:
        """See `Pipe`. What is in the reader counts only as its being full: its size is its own affair."""
        return super().get_write_buffer_size() + (self._high_bytes + 1 if self._full else 0)

    def _wake(self) -> None:
        if runs_here(self._loop):
            self._feed()
        elif self._loop.is_closed():
            self.hang_up()  # nobody will ever read
        elif not self._called:
            self._called = True
            try:
                self._loop.call_soon_threadsafe(self._feed_later)
            except RuntimeError:  # it has just been closed
                self.hang_up()

    def _feed_later(self) -> None:
        self._called = False
        self._feed()

    def _feed(self) -> None:
        """Give the reader what came; in the loop's thread only, so that the order stays."""
        reader = self.reader
        ended = self.ended  # first: what comes with the end may be written right behind the last `take`
        while (data := self.take()) is not None:
            reader.feed_data(data)
            self.taken(len(data))
        if ended:
            reader.feed_eof()

    def fill(self, *, full: bool) -> None:
        """The reader has had enough, or has room again."""
        self._full = full
        self.go_on()


class _Flow(asyncio.ReadTransport):
    """The transport of a stream reader: it is asked to pause when the reader has enough."""

    def __init__(self, pipe: AsyncPipe) -> None:
        super().__init__()
        self._pipe = pipe

    def pause_reading(self) -> None:
        self._pipe.fill(full=True)

    def resume_reading(self) -> None:
        self._pipe.fill(full=False)


class PipeWriter:
    """What redis-py uses of an asyncio.StreamWriter."""

    def __init__(self, pipe: AsyncPipe) -> None:
        self._pipe = pipe

    def __del__(self) -> None:
        self._pipe.hang_up()

    def write(self, data: bytes) -> None:
        """Run what is in `data`."""
        self._pipe.send(data)

    def writelines(self, pieces: Iterable[bytes]) -> None:
        """Run what the pieces make together."""
        self._pipe.send(b"".join(pieces))

    async def drain(self) -> None:
        """Let others have a turn: a task that sends without end must not be alone in its loop."""
        await asyncio.sleep(0)

    def is_closing(self) -> bool:
        """Whether it is closed; by whom does not matter."""
        return self._pipe.closed or self._pipe.ended

    def close(self) -> None:
        """Hang up."""
        self._pipe.hang_up()

    async def wait_closed(self) -> None:
        """It is closed at once."""

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """There is no socket to tell of."""
        del name
        return default
