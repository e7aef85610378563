"""The entries of a stream from a place on: where that is, and reading across reconnections without hole or double."""

# ruff: noqa: PLC0415 (imports inside functions keep `airwave --help` fast)

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

from airwave.cli.client import display, explain
from airwave.cli.failure import Failure
from airwave.cli.reports import Reports
from airwave.since import ID_MAX, Start, first_id_at, id_number, id_text, parse

if TYPE_CHECKING:
    from redis import Redis

# What one request asks for, in entries: round trips do not count, and large entries still fit.
_PAGE_ENTRIES = 100
# How often the caller of `follow` gets a turn while nothing comes, in ms: less than the timeout of the connection.
_TURN_MS = 1000

Field = tuple[bytes, bytes]


class Entry(NamedTuple):
    """An entry: its ID as it is written, its fields in order."""

    id: str
    fields: list[Field]


# --- where to begin ---------------------------------------------------------------------------------------------------


def parse_start(text: str, option: str = "--from") -> Start:
    """What an option says: `-10`, an ID, `10m`, an ISO time, Unix seconds or ms.

    Raises:
        Failure: it is none of these.
    """
    try:
        return parse(text)
    except ValueError as error:
        raise Failure(f"{option} is not understood: {error}", code=2) from None


def _first_id(client: Redis, key: bytes, start: Start) -> int:
    """The lowest ID that an entry may have to be among those wanted."""
    if start.id is not None:
        return start.id
    if start.at_ms is not None:
        return first_id_at(start.at_ms)
    if start.ago_ms is not None:
        seconds, us = _ask(client, "TIME")
        return first_id_at(int(seconds) * 1000 + int(us) // 1000 - start.ago_ms)
    return _first_of_last(client, key, start.last or 0)


def _first_of_last(client: Redis, key: bytes, count: int) -> int:
    """The ID of the last entry but `count - 1`; with 0 the ID behind the last."""
    if count == 0:
        newest = _ask(client, "XREVRANGE", key, "+", "-", "COUNT", 1)
        return _after(id_number(newest[0][0])) if newest else 0
    upper, found = "+", 0
    while count > 0:
        page = _ask(client, "XREVRANGE", key, upper, "-", "COUNT", min(count, _PAGE_ENTRIES))
        if not page:
            return 0
        found = id_number(page[-1][0])
        count -= len(page)
        upper = id_text(_before(found))
    return found


# --- reading ----------------------------------------------------------------------------------------------------------


def read(client: Redis, key: bytes, start: Start) -> Iterator[Entry]:
    """The entries from the start to what is the last one now.

    Args:
        client: raw, see `connect_raw`.

    Raises:
        Failure: there is no such stream.
        redis.RedisError
    """
    _expect_stream(client, key, missing=False)
    first = _first_id(client, key, start)
    newest = _ask(client, "XREVRANGE", key, "+", "-", "COUNT", 1)
    if not newest:
        return
    last = id_number(newest[0][0])  # writers may be faster than the reader of a terminal: that is what --follow is for
    while True:
        page = _ask(client, "XRANGE", key, id_text(first), id_text(last), "COUNT", _PAGE_ENTRIES)
        yield from map(_entry, page)
        if not page or id_number(page[-1][0]) >= last:
            return
        first = _after(id_number(page[-1][0]))


def follow(client: Redis, url: str, key: bytes, start: Start) -> Iterator[Entry | None]:
    """The entries from the start, and those that come; never ends by itself, and outlives its connections.

    Yields:
        Entries; None once a second while nothing comes, so that the caller gets a turn.

    Raises:
        Failure: the first connection does not work, or the server refuses (password, access rules, no stream).
    """
    import redis

    reports = Reports(url)
    position: int | None = None  # what is wanted comes behind it
    seen = False  # it is that of an entry
    while True:
        try:
            if position is None:
                _expect_stream(client, key, missing=True)
                position = _before(_first_id(client, key, start))
            trimmed = _trimmed(client, key, position) and seen  # asked in any case: it shows that there is a connection
            reports.connected(
                f"Following the stream at {display(url)}: Ctrl-C ends",
                "entries trimmed in between may be missing" if trimmed else "going on where it was",
            )
            while True:
                page = _newer(client, key, position)
                for item in page:
                    yield _entry(item)
                    position, seen = id_number(item[0]), True
                if not page:
                    yield None
        except (redis.AuthenticationError, redis.ResponseError) as error:
            raise Failure(explain(error, url)) from None
        except (redis.RedisError, OSError) as error:
            time.sleep(reports.lost(error))


def _newer(client: Redis, key: bytes, position: int) -> list[Any]:
    """The next entries; empty when none has come for a while."""
    arguments = ("XREAD", "COUNT", _PAGE_ENTRIES, "BLOCK", _TURN_MS, "STREAMS", key, id_text(position))
    reply = _ask(client, *arguments)
    if not reply:
        return []
    streams = reply if isinstance(reply, dict) else dict(reply)
    return list(streams[key])


def _trimmed(client: Redis, key: bytes, position: int) -> bool:
    """Whether what followed this entry may be gone: the stream begins behind it."""
    oldest = _ask(client, "XRANGE", key, "-", "+", "COUNT", 1)
    return bool(oldest) and id_number(oldest[0][0]) > position


def _expect_stream(client: Redis, key: bytes, *, missing: bool) -> None:
    """Raises Failure for a key that is no stream; or that is not there, unless it may be `missing`."""
    kind = _ask(client, "TYPE", key)
    if kind == b"none" and not missing:
        raise Failure("there is no such stream: `airwave streams` lists them, --follow waits for it")
    if kind not in (b"stream", b"none"):
        raise Failure(f"this key is no stream but of type {kind.decode()}: `airwave streams` lists the streams")


def _ask(client: Redis, *command: Any) -> Any:
    return client.execute_command(*command)  # type: ignore[no-untyped-call]


def _entry(item: Any) -> Entry:
    entry_id, flat = item
    return Entry(entry_id.decode(), list(zip(flat[::2], flat[1::2], strict=True)))


def _after(entry_id: int) -> int:
    """The next possible ID; of the last one, itself."""
    return min(entry_id + 1, ID_MAX)


def _before(entry_id: int) -> int:
    """The ID before; of the first one, itself."""
    return max(entry_id - 1, 0)
