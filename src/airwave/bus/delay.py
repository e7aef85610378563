"""Delayed entries: added to their stream when their time has come, whoever was restarted meanwhile.

On Airwave the server does it: XSCHEDULE. On another server they wait in two keys, and any running worker of the stream
moves what is due, by a script, so that each entry is moved once:

    <stream>:delayed        sorted set: token, and when it is due in ms
    <stream>:delayed:data   hash: token, and the payload

Times are those of the server's clock. In a cluster the keys must have the stream's hash tag: `{orders}`.
"""

import asyncio
import logging
import math
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

import redis
from redis.asyncio import Redis

from airwave.bus.entry import DATA, fields_of
from airwave.bus.features import features_of
from airwave.bus.wire import RawClient, again_s, goes_on, raw

DELAYED_MAX = 1_000_000  # entries that may wait for a stream, as on Airwave
KEY_REMEMBERED_S = 3600  # see `sending`
MOVED_AT_ONCE = 100
MOVE_S_MAX = 0.5  # between two looks at what is due

log = logging.getLogger("airwave.bus")

# Numbers are formatted by hand: Lua would write a time in ms as 1.7e+12.
_NOW = """
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
"""

_SCHEDULE = (
    _NOW
    + """
local token, payload, way, ms = ARGV[1], ARGV[2], ARGV[3], tonumber(ARGV[4])
local known = KEYS[3] and redis.call('GET', KEYS[3])
if known then return known end
if redis.call('ZCARD', KEYS[1]) >= tonumber(ARGV[5]) then
    return redis.error_reply('ERR ' .. ARGV[5] .. ' entries are delayed for this stream, which is the most: wait, or cancel some')
end
local due = way == 'IN' and now + ms or ms
redis.call('ZADD', KEYS[1], string.format('%.0f', due), token)
redis.call('HSET', KEYS[2], token, payload)
if KEYS[3] then
    local keep = math.max(0, math.ceil((due - now) / 1000)) + tonumber(ARGV[6])
    redis.call('SET', KEYS[3], token, 'EX', string.format('%.0f', keep))
end
return token
"""  # noqa: E501  (an error's text is one line)
)

_MOVE = (
    _NOW
    + """
local due = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', string.format('%.0f', now), 'LIMIT', 0, ARGV[1])
for _, token in ipairs(due) do
    local payload = redis.call('HGET', KEYS[2], token)
    if payload then redis.call('XADD', KEYS[3], '*', 'data', payload) end
    redis.call('ZREM', KEYS[1], token)
    redis.call('HDEL', KEYS[2], token)
end
local first = redis.call('ZRANGE', KEYS[1], 0, 0, 'WITHSCORES')
return {#due, first[2] and string.format('%.0f', math.max(0, first[2] - now)) or ''}
"""
)


# The key of an entry that was added already stays remembered.
_CANCEL = """
local cancelled = 0
for number, token in ipairs(ARGV) do
    if redis.call('ZREM', KEYS[1], token) == 1 then
        redis.call('HDEL', KEYS[2], token)
        redis.call('DEL', KEYS[number + 2])
        cancelled = cancelled + 1
    end
end
return cancelled
"""


@dataclass(frozen=True, slots=True)
class Delayed:
    """An entry that waits for its time.

    Attributes:
        token: names it, for `cancel_delayed`.
        due_ms: when it will be added, in ms since the epoch.
    """

    token: str
    due_ms: int
    data: bytes


def way_of(delay: float | None, at: datetime | float | None) -> tuple[str, int]:
    """`IN` or `AT`, and how many ms.

    Raises:
        ValueError: both were given; a time that is none, or has no time zone.
    """
    if delay is not None and at is not None:
        raise ValueError("give either delay or at, not both")
    if isinstance(at, datetime):
        if at.tzinfo is None:
            raise ValueError("at needs a time zone: datetime.now(UTC) + timedelta(...)")
        at = at.timestamp()
    way, seconds = ("IN", delay) if at is None else ("AT", at)
    if seconds is None or not math.isfinite(seconds) or seconds < 0:
        raise ValueError(f"{'delay' if at is None else 'at'} must be a number of seconds from 0, not {seconds}")
    return way, math.ceil(seconds * 1000)


async def schedule(client: RawClient, stream: str, payload: bytes, when: tuple[str, int], key: str | None) -> str:
    """Add an entry later; see `sending.send`.

    Args:
        client: a raw client.
        when: `IN` or `AT`, and ms.

    Returns:
        The token.
    """
    way, ms = when
    if (await features_of(client)).xschedule:
        named = ("ID", key) if key is not None else ()
        token = await client.execute_command("XSCHEDULE", stream, way, ms, *named, DATA, payload)
    else:
        keys = [*_keys(stream), *([guard_key(stream, key)] if key is not None else [])]
        name = uuid.uuid4().hex if key is None else key
        token = await client.execute_command(
            "EVAL", _SCHEDULE, len(keys), *keys, name, payload, way, ms, DELAYED_MAX, KEY_REMEMBERED_S
        )
    return str(token.decode())


async def list_delayed(client: "Redis", stream: str, *, count: int = 100) -> list[Delayed]:
    """The entries that wait, the first due first.

    Args:
        count: at most so many.
    """
    wire = raw(client)
    if (await features_of(wire)).xschedule:
        rows = await wire.execute_command("XSCHEDULED", stream, "COUNT", count)
        return [Delayed(row[0].decode(), int(row[1]), fields_of(row[2]).get(DATA, b"")) for row in rows]
    waiting, data = _keys(stream)
    flat = await wire.execute_command("ZRANGE", waiting, 0, count - 1, "WITHSCORES")
    pairs = flat if flat and isinstance(flat[0], list) else list(zip(flat[::2], flat[1::2], strict=True))
    payloads = await wire.execute_command("HMGET", data, *[token for token, _ in pairs]) if pairs else []
    return [
        Delayed(token.decode(), int(float(due)), payload)
        for (token, due), payload in zip(pairs, payloads, strict=True)
        if payload is not None  # moved between the two commands
    ]


async def cancel_delayed(client: "Redis", stream: str, tokens: Sequence[str]) -> int:
    """Cancel entries that wait; returns how many did. The others were added already, or never delayed."""
    if not tokens:
        return 0
    wire = raw(client)
    if (await features_of(wire)).xschedule:
        return int(await wire.execute_command("XUNSCHEDULE", stream, *tokens))
    keys = [*_keys(stream), *[guard_key(stream, token) for token in tokens]]
    return int(await wire.execute_command("EVAL", _CANCEL, len(keys), *keys, *tokens))


async def move_due(client: RawClient, stream: str) -> tuple[int, float | None]:
    """Move what is due to the stream, on a server that does not do it by itself.

    Args:
        client: a raw client.

    Returns:
        How many entries, and in how many seconds the next is due; None: there is none.
    """
    moved, wait_ms = await client.execute_command("EVAL", _MOVE, 3, *_keys(stream), stream, MOVED_AT_ONCE)
    return int(moved), int(wait_ms) / 1000 if wait_ms else None


async def keep_moving(client: RawClient, stream: str, on_moved: Callable[[int], None], ended: asyncio.Event) -> None:
    """Move what is due, when it is due, until the end.

    Args:
        client: a raw client.
        on_moved: called with how many entries were moved.
    """
    failures = 0
    pause_s = 0.0
    while await goes_on(pause_s, ended):
        try:
            moved, wait_s = await move_due(client, stream)
            on_moved(moved)
            failures = 0
            pause_s = MOVE_S_MAX if wait_s is None else min(wait_s, MOVE_S_MAX)
        except (redis.RedisError, OSError) as error:
            failures += 1
            if failures == 1:
                log.warning("cannot move delayed entries, trying again: stream=%s: %s", stream, error)
            pause_s = again_s(failures)


def guard_key(stream: str, key: str) -> str:
    """Where an idempotency key is remembered, on a server whose XADD does not do it."""
    return f"{stream}:key:{key}"


def _keys(stream: str) -> tuple[str, str]:
    return f"{stream}:delayed", f"{stream}:delayed:data"
