"""Streams of the direct API: the words of reading commands, and their replies as `Entry` objects."""

from collections.abc import Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Self

from redis.exceptions import ResponseError

from airwave.embedded.call import LineCutError
from airwave.embedded.message import Entry

if TYPE_CHECKING:
    from airwave.embedded.engine import Engine

Name = str | bytes


def _options(count: int | None, block_ms: int | None) -> list[Any]:
    words: list[Any] = [] if count is None else ["COUNT", count]
    return words if block_ms is None else [*words, "BLOCK", block_ms]


def read_words(streams: Mapping[Name, Name], count: int | None, block_ms: int | None) -> list[Any]:
    """The words of an XREAD."""
    return ["XREAD", *_options(count, block_ms), "STREAMS", *streams.keys(), *streams.values()]


def group_words(
    group: Name, consumer: Name, stream: Name, *, count: int | None, block_ms: int | None, claim_ms: int | None
) -> list[Any]:
    """The words of an XREADGROUP for what is new, and with `claim_ms` for what was left."""
    claim = [] if claim_ms is None else ["CLAIM", claim_ms]
    return ["XREADGROUP", "GROUP", group, consumer, *_options(count, block_ms), *claim, "STREAMS", stream, ">"]


def create_group(engine: "Engine", stream: Name, group: Name, since: Name) -> bool:
    """Create a group with its stream; False: it was there already."""
    try:
        engine.execute("XGROUP", "CREATE", stream, group, since, "MKSTREAM")
    except ResponseError as error:
        if str(error).startswith("BUSYGROUP"):
            return False
        raise
    return True


def _entry(stream: bytes, item: Any) -> Entry:
    words = item[1] or ()  # None: a pending entry that has been deleted
    fields = dict(zip(words[::2], words[1::2], strict=True))
    return Entry(stream, item[0], fields, item[3] if len(item) > 3 else None)


def of_range(stream: bytes, reply: Any) -> list[Entry]:
    """The entries of an XRANGE."""
    return [_entry(stream, item) for item in reply]


def of_read(reply: Any) -> list[Entry]:
    """The entries of an XREAD or XREADGROUP, stream by stream; empty when there were none."""
    return [_entry(stream, item) for stream, items in reply or () for item in items]


class Follower:
    """The entries of a stream, one after the other, without end. Made by `Engine.follow`.

    Attributes:
        position: the ID of the last entry that was read from the engine.
    """

    def __init__(self, engine: "Engine", stream: bytes, since: bytes, count: int) -> None:
        self._engine = engine
        self._stream = stream
        self._count = count
        self._read: list[Entry] = []  # the next one last
        self.position = engine.last_id(stream) if since == b"$" else since

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Entry:
        while not self._read:
            with suppress(LineCutError):  # nothing is lost: the next one reads on from the same place
                self._take(self._engine.xread({self._stream: self.position}, count=self._count, block_ms=0))
        return self._read.pop()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Entry:
        while not self._read:
            with suppress(LineCutError):
                self._take(await self._engine.axread({self._stream: self.position}, count=self._count, block_ms=0))
        return self._read.pop()

    def _take(self, read: list[Entry]) -> None:
        if read:
            self.position = read[-1].id
            self._read = read[::-1]
