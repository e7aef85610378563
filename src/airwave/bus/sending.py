"""Sending an entry to a stream: now or later, and once for each idempotency key.

Where XADD knows idempotent IDs (Airwave, Redis 8.6) the stream remembers the keys, as those of the producer that
XSCHEDULE remembers its tokens for. On other servers a script looks and adds in one go, and a key of its own,
`<stream>:key:<key>`, remembers.
"""

from datetime import datetime

import redis
from redis.asyncio import Redis

from airwave.bus.delay import KEY_REMEMBERED_S, guard_key, schedule, way_of
from airwave.bus.entry import DATA
from airwave.bus.features import features_of
from airwave.bus.wire import RawClient, raw

KEYS_MAX = 10_000  # that a stream remembers; the most that XADD's IDMP does

_PRODUCER = "schedule"
_NEW_GROUP = "airwave-bus-new"  # made and removed in one transaction, to make an empty stream

_ADD_ONCE = """
local known = redis.call('GET', KEYS[2])
if known then return known end
local added = redis.call('XADD', KEYS[1], unpack(ARGV, 2))
redis.call('SET', KEYS[2], added, 'EX', ARGV[1])
return added
"""


async def send(
    client: "Redis",
    stream: str,
    payload: bytes,
    *,
    key: str | None = None,
    delay: float | None = None,
    at: datetime | float | None = None,
    maxlen: int | None = None,
) -> str:
    """Add an entry to a stream, with the payload as its field `data`.

    Args:
        key: an idempotency key: sending again with the same key adds nothing. Keys are remembered for an hour after the
            entry was added, at least the last 10,000 of a stream. On Redis from version 8.6 send again in the same way,
            now or later: its XADD does not know what is delayed.
        delay: add it after so many seconds; it survives restarts of everybody.
        at: add it then: a datetime with a time zone, or seconds since the epoch. Both are for the server's clock, and
            precise to half a second on a server without XSCHEDULE.
        maxlen: keep about so many entries in the stream; None: all. Not with `delay` or `at`.

    Returns:
        The ID of the entry; for a delayed one its token, which is the key if there is one.

    Raises:
        ValueError: arguments that make no sense, or not together.
        redis.RedisError: the server cannot be reached, or refuses.
    """
    if key == "":
        raise ValueError("the idempotency key must not be empty")
    wire = raw(client)
    trim = () if maxlen is None else ("MAXLEN", "~", maxlen)
    if delay is not None or at is not None:
        when = way_of(delay, at)
        if trim:
            raise ValueError("maxlen cannot be given together with delay or at")
        if key is not None and (await features_of(wire)).xschedule:
            await _remember_longer(wire, stream)
        return await schedule(wire, stream, payload, when, key)
    if key is None:
        added = await wire.execute_command("XADD", stream, *trim, "*", DATA, payload)
    elif (await features_of(wire)).claim:
        added = await _add_once(wire, stream, ("IDMP", _PRODUCER, key, *trim, "*", DATA, payload))
    else:
        words = (KEY_REMEMBERED_S, *trim, "*", DATA, payload)
        added = await wire.execute_command("EVAL", _ADD_ONCE, 2, stream, guard_key(stream, key), *words)
    return str(added.decode())


async def _add_once(client: RawClient, stream: str, words: tuple[str | int | bytes, ...]) -> bytes:
    """XADD with IDMP to a stream that remembers keys for as long as we promise."""
    async with client.pipeline(transaction=True) as together:
        together.execute_command("XCFGSET", stream, *_LIMITS)
        together.execute_command("XADD", stream, "NOMKSTREAM", *words)
        configured, added = await together.execute(raise_on_error=False)
    if isinstance(added, Exception):
        raise added
    if added is None:  # there is no stream
        await _remember_longer(client, stream)
        added = await client.execute_command("XADD", stream, *words)
    elif isinstance(configured, Exception):
        raise configured
    return bytes(added)


_LIMITS = ("IDMP-DURATION", KEY_REMEMBERED_S, "IDMP-MAXSIZE", KEYS_MAX)


async def _remember_longer(client: RawClient, stream: str) -> None:
    """Have a stream remember keys for as long as we promise; makes an empty one if there is none.

    Setting what is set already changes nothing; another value would make the stream forget the keys it has.
    """
    async with client.pipeline(transaction=True) as together:
        together.execute_command("XGROUP", "CREATE", stream, _NEW_GROUP, "$", "MKSTREAM")
        together.execute_command("XGROUP", "DESTROY", stream, _NEW_GROUP)
        together.execute_command("XCFGSET", stream, *_LIMITS)
        for reply in await together.execute(raise_on_error=False):
            if isinstance(reply, redis.ResponseError):
                raise reply
