"""The entries of a stream from a place on: where that is, and reading across reconnections without hole or double."""

# ruff: noqa: PLC0415 (imports inside functions keep `airwave --help` fast)

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from datetime import datetime
from typing import TYPE_CHECKING, Any, NamedTuple

from airwave.cli.client import display, explain
from airwave.cli.failure import Failure
from airwave.cli.reports import Reports

if TYPE_CHECKING:
    from redis import Redis

# What one request asks for, in entries: round trips do not count, and large entries still fit.
_PAGE_ENTRIES = 100
# How often the caller of `follow` gets a turn while nothing comes, in ms: less than the timeout of the connection.
_TURN_MS = 1000

_PART_MAX = 2**64 - 1
_FROM_SECONDS_MAX = 10**11  # a whole number below it is Unix seconds (to the year 5138), above it ms
_UNITS_MS = {"ms": 1, "s": 1000, "m": 60_000, "h": 3_600_000, "d": 86_400_000, "w": 604_800_000}

EntryId = tuple[int, int]
Field = tuple[bytes, bytes]


class Entry(NamedTuple):
    """An entry: its ID as it is written, its fields in order."""

    id: str
    fields: list[Field]


class Start(NamedTuple):
    """Where to begin; one of these is given, the others are None.

    Attributes:
        last: with the last so many entries.
        id: with the first entry whose ID is not below this one.
        ago_ms: with the first entry that is not older.
    """

    last: int | None = None
    id: EntryId | None = None
    ago_ms: int | None = None


# --- where to begin ---------------------------------------------------------------------------------------------------


def parse_start(text: str) -> Start:
    """What `--from` says: `-10`, an ID, `10m`, an ISO time, Unix seconds or ms.

    Raises:
        Failure: it is none of these.
    """
    if match := re.fullmatch(r"-(\d+)", text):
        return Start(last=int(match[1]))
    if match := re.fullmatch(r"(\d+)-(\d+)", text):
        entry_id = (int(match[1]), int(match[2]))
        if max(entry_id) <= _PART_MAX:
            return Start(id=entry_id)
    elif match := re.fullmatch(r"(\d+(?:\.\d+)?)(ms|[smhdw])", text):
        return Start(ago_ms=round(float(match[1]) * _UNITS_MS[match[2]]))
    elif (at_ms := _time_ms(text)) is not None and at_ms <= _PART_MAX:
        return Start(id=(max(0, at_ms), 0))
    raise Failure(
        "--from is not understood: write an ID (1700000000000-0), a time (10m, 2026-11-24T08:00, Unix seconds) "
        "or the last entries (-10)",
        code=2,
    )


def _time_ms(text: str) -> int | None:
    if re.fullmatch(r"\d+", text):
        return int(text) * (1000 if int(text) < _FROM_SECONDS_MAX else 1)
    if re.fullmatch(r"\d+\.\d+", text):
        return round(float(text) * 1000)
    try:
        return round(datetime.fromisoformat(text).timestamp() * 1000)  # without a zone it is local time
    except (ValueError, OverflowError, OSError):
        return None


def _first_id(client: Redis, key: bytes, start: Start) -> EntryId:
    """The lowest ID that an entry may have to be among those wanted."""
    if start.id is not None:
        return start.id
    if start.ago_ms is not None:
        seconds, us = _ask(client, "TIME")
        return max(0, int(seconds) * 1000 + int(us) // 1000 - start.ago_ms), 0
    return _first_of_last(client, key, start.last or 0)


def _first_of_last(client: Redis, key: bytes, count: int) -> EntryId:
    """The ID of the last entry but `count - 1`; with 0 the ID behind the last."""
    if count == 0:
        newest = _ask(client, "XREVRANGE", key, "+", "-", "COUNT", 1)
        return _after(_parsed(newest[0][0])) if newest else (0, 0)
    upper, found = "+", (0, 0)
    while count > 0:
        page = _ask(client, "XREVRANGE", key, upper, "-", "COUNT", min(count, _PAGE_ENTRIES))
        if not page:
            return (0, 0)
        found = _parsed(page[-1][0])
        count -= len(page)
        upper = _written(_before(found))
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
    last = _parsed(newest[0][0])  # writers may be faster than the reader of a terminal: that is what --follow is for
    while True:
        page = _ask(client, "XRANGE", key, _written(first), _written(last), "COUNT", _PAGE_ENTRIES)
        yield from map(_entry, page)
        if not page or _parsed(page[-1][0]) >= last:
            return
        first = _after(_parsed(page[-1][0]))


def follow(client: Redis, url: str, key: bytes, start: Start) -> Iterator[Entry | None]:
    """The entries from the start, and those that come; never ends by itself, and outlives its connections.

    Yields:
        Entries; None once a second while nothing comes, so that the caller gets a turn.

    Raises:
        Failure: the first connection does not work, or the server refuses (password, access rules, no stream).
    """
    import redis

    reports = Reports(url)
    position: EntryId | None = None  # what is wanted comes behind it
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
                    position, seen = _parsed(item[0]), True
                if not page:
                    yield None
        except (redis.AuthenticationError, redis.ResponseError) as error:
            raise Failure(explain(error, url)) from None
        except (redis.RedisError, OSError) as error:
            time.sleep(reports.lost(error))


def _newer(client: Redis, key: bytes, position: EntryId) -> list[Any]:
    """The next entries; empty when none has come for a while."""
    arguments = ("XREAD", "COUNT", _PAGE_ENTRIES, "BLOCK", _TURN_MS, "STREAMS", key, _written(position))
    reply = _ask(client, *arguments)
    if not reply:
        return []
    streams = reply if isinstance(reply, dict) else dict(reply)
    return list(streams[key])


def _trimmed(client: Redis, key: bytes, position: EntryId) -> bool:
    """Whether what followed this entry may be gone: the stream begins behind it."""
    oldest = _ask(client, "XRANGE", key, "-", "+", "COUNT", 1)
    return bool(oldest) and _parsed(oldest[0][0]) > position


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


def _parsed(entry_id: bytes) -> EntryId:
    ms, _, seq = entry_id.partition(b"-")
    return int(ms), int(seq)


def _written(entry_id: EntryId) -> str:
    return f"{entry_id[0]}-{entry_id[1]}"


def _after(entry_id: EntryId) -> EntryId:
    """The next possible ID; of the last one, itself."""
    ms, seq = entry_id
    if seq < _PART_MAX:
        return ms, seq + 1
    return (ms + 1, 0) if ms < _PART_MAX else entry_id


def _before(entry_id: EntryId) -> EntryId:
    """The ID before; of the first one, itself."""
    ms, seq = entry_id
    if seq:
        return ms, seq - 1
    return (ms - 1, _PART_MAX) if ms else entry_id
