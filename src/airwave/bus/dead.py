"""Dead letters: entries that a worker gave up, in a stream of their own, `<stream>:dead`.

The fields of a dead letter:

    data        the payload; missing if the entry had none
    error       what went wrong: the exception's type and text
    traceback   of the last attempt; empty if the handler was not called
    attempts    how often the handler was called
    id          the entry's ID
    group       whose worker it was
    at          when it was given up, in ms since the epoch
    field:NAME  the entry's other fields

It is written in one transaction with the XACK of the entry, and retried in one with its own removal, so that a crash
leaves one of the two, and never none. What is retried is a new entry of the stream, with a new ID. It carries the field
`for_group`: other groups may have handled the first one well, and their workers pass over it.

In a cluster both keys must have the same hash tag: `{orders}` and so `{orders}:dead`.
"""

import asyncio
import random
import time
import traceback
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import redis
from redis.asyncio import Redis

from airwave.bus.entry import DATA, FOR_GROUP, Entry, fields_of
from airwave.bus.wire import RawClient, raw

ERROR_CHARS_MAX = 2_000
TRACEBACK_CHARS_MAX = 20_000  # the end of it, where the error is

_FIELD = b"field:"
_AT_ONCE = 100
_TRIES_MAX = 100  # of a transaction, while others write dead letters


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A dead letter.

    Attributes:
        id: its own ID in the stream of dead letters.
        entry_id: the ID that the entry had.
        data: the payload; None: the entry had none.
        at_ms: when it was given up, in ms since the epoch.
        fields: the entry's other fields.
    """

    id: str
    entry_id: str
    group: str
    data: bytes | None
    error: str
    traceback: str
    attempts: int
    at_ms: int
    fields: dict[bytes, bytes]


def dead_key(stream: str) -> str:
    """The key of a stream's dead letters."""
    return f"{stream}:dead"


def letter_of(entry: Entry, error: BaseException, attempts: int) -> list[bytes]:
    """The fields of a dead letter, names and values in turn.

    Args:
        attempts: how often the handler was called with the entry.
    """
    trace = "".join(traceback.format_exception(error)) if error.__traceback__ is not None else ""
    about = {
        b"error": described(error).encode(errors="backslashreplace"),
        b"traceback": trace[-TRACEBACK_CHARS_MAX:].encode(errors="backslashreplace"),
        b"attempts": b"%d" % attempts,
        b"id": entry.id.encode(),
        b"group": entry.group.encode(),
        b"at": b"%d" % (time.time_ns() // 1_000_000),
    }
    payload = {DATA: entry.fields[DATA]} if DATA in entry.fields else {}
    others = {_FIELD + name: value for name, value in entry.fields.items() if name not in (DATA, FOR_GROUP)}
    return [word for pair in (payload | about | others).items() for word in pair]


def described(error: BaseException) -> str:
    """Type and text of an exception, of a bounded length."""
    text = str(error)
    return (f"{type(error).__name__}: {text}" if text else type(error).__name__)[:ERROR_CHARS_MAX]


async def list_dead(client: "Redis", stream: str, *, count: int = 100, after: str | None = None) -> list[DeadLetter]:
    """The dead letters of a stream, oldest first.

    Args:
        count: at most so many.
        after: only those behind this one (its own ID); None: from the beginning.
    """
    start = "-" if after is None else f"({after}"
    rows = await raw(client).execute_command("XRANGE", dead_key(stream), start, "+", "COUNT", count)
    return [_letter(row) for row in rows]


async def retry_dead(client: "Redis", stream: str, ids: Sequence[str] | None = None) -> int:
    """Put dead letters back into their stream, where they have all attempts before them again.

    Args:
        ids: their own IDs; None: all that there are now.

    Returns:
        How many there were.
    """
    return await _for_each(raw(client), stream, ids, back=True)


async def drop_dead(client: "Redis", stream: str, ids: Sequence[str] | None = None) -> int:
    """Delete dead letters.

    Args:
        ids: their own IDs; None: all that there are now.

    Returns:
        How many there were.
    """
    return await _for_each(raw(client), stream, ids, back=False)


async def _for_each(client: RawClient, stream: str, ids: Sequence[str] | None, *, back: bool) -> int:
    done = 0
    if ids is not None:
        for start in range(0, len(ids), _AT_ONCE):
            done += await _remove(client, stream, ids[start : start + _AT_ONCE], back=back)
        return done
    newest = await client.execute_command("XREVRANGE", dead_key(stream), "+", "-", "COUNT", 1)
    while newest:
        rows = await client.execute_command("XRANGE", dead_key(stream), "-", newest[0][0], "COUNT", _AT_ONCE)
        if not rows:
            break
        done += await _remove(client, stream, [row[0].decode() for row in rows], back=back)
    return done


async def _remove(client: RawClient, stream: str, ids: Sequence[str], *, back: bool) -> int:
    """Remove some dead letters; with `back` they become entries again. WATCH sees to it that nobody else does."""
    key = dead_key(stream)
    for _ in range(_TRIES_MAX):
        async with client.pipeline(transaction=True) as together:
            await together.execute_command("WATCH", key)
            found = [row for each in ids for row in await together.execute_command("XRANGE", key, each, each)]
            if not found:
                return 0
            together.multi()
            for row in found if back else ():
                together.execute_command("XADD", stream, "*", *_revived(fields_of(row[1])))
            together.execute_command("XDEL", key, *dict.fromkeys(row[0] for row in found))
            try:
                return int((await together.execute())[-1])
            except redis.WatchError:
                pass
        await asyncio.sleep(random.random() * 0.05)
    raise redis.RedisError(f"{key} is being written all the time: try again when fewer entries fail")


def _revived(letter: dict[bytes, bytes]) -> list[bytes]:
    """The fields of the entry that a dead letter becomes."""
    fields = {DATA: letter[DATA]} if DATA in letter else {}
    fields |= {name.removeprefix(_FIELD): value for name, value in letter.items() if name.startswith(_FIELD)}
    if b"group" in letter:
        fields[FOR_GROUP] = letter[b"group"]
    return [word for pair in fields.items() for word in pair]


def _letter(row: Any) -> DeadLetter:
    fields = fields_of(row[1])

    def text(name: bytes) -> str:
        return fields.get(name, b"").decode(errors="backslashreplace")

    return DeadLetter(
        id=row[0].decode(),
        entry_id=text(b"id"),
        group=text(b"group"),
        data=fields.get(DATA),
        error=text(b"error"),
        traceback=text(b"traceback"),
        attempts=int(fields.get(b"attempts", 0)),
        at_ms=int(fields.get(b"at", 0)),
        fields={name.removeprefix(_FIELD): value for name, value in fields.items() if name.startswith(_FIELD)},
    )
