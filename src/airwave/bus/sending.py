"""Sending an entry to a stream: now or later, at most once for a key. (Interface first.)"""

from datetime import datetime

from redis.asyncio import Redis


async def send(
    redis: "Redis",
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
        key: an idempotency key: sending again with the same key adds nothing, and returns what the first returned.
        delay: add it after so many seconds; it survives restarts of everybody.
        at: add it then: a datetime with a time zone, or seconds since the epoch.
        maxlen: keep about so many entries in the stream; None: all. Not with `delay` or `at`.

    Returns:
        The ID of the entry; for a delayed one its token.
    """
    raise NotImplementedError
