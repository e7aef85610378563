"""One call of a worker's handler."""

import asyncio
from collections.abc import Awaitable, Callable

from airwave.bus.entry import DATA, Entry
from airwave.bus.payload import PayloadError

Handler = Callable[[bytes, Entry], Awaitable[None]]


async def attempt(handler: Handler, entry: Entry, timeout_s: float | None) -> BaseException | None:
    """Call the handler; returns what it raised.

    Args:
        timeout_s: then it is cancelled, and has failed; None: it may take any time.

    Raises:
        asyncio.CancelledError: the caller's task was cancelled, and the handler did not succeed nevertheless.
    """
    task = asyncio.current_task()
    assert task is not None
    limit = asyncio.timeout(timeout_s)
    try:
        if DATA not in entry.fields:
            raise PayloadError(f"the entry has no field `{DATA.decode()}`")
        async with limit:
            await handler(entry.fields[DATA], entry)
    except (Exception, asyncio.CancelledError) as error:
        if task.cancelling():
            raise asyncio.CancelledError from None
        if isinstance(error, TimeoutError) and limit.expired():
            return TimeoutError(f"the handler took longer than {timeout_s:g} s").with_traceback(error.__traceback__)
        return error
    return None
