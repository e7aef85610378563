"""Cancelling tasks that use redis-py.

redis-py sends with `asyncio.wait_for`, which up to Python 3.11 swallows a cancellation that comes in the turn in which
it has just finished: the task goes on as if nothing had been said. Here nothing may depend on that.
"""

import asyncio
from collections.abc import Awaitable, Iterable
from typing import Any, TypeVar

T = TypeVar("T")

AGAIN_S = 1.0
"""A cancelled task that has not ended after so long is cancelled again."""


async def cancel(tasks: Iterable[asyncio.Task[Any]]) -> None:
    """Cancel tasks and wait until they have ended."""
    pending = {task for task in tasks if not task.done()}
    while pending:
        for task in pending:
            task.cancel()
        _, pending = await asyncio.wait(pending, timeout=AGAIN_S)


async def cancellable(awaitable: Awaitable[T]) -> T:
    """Await something that may swallow a cancellation, and make up for it.

    Raises:
        asyncio.CancelledError: this task was cancelled meanwhile.
    """
    task = asyncio.current_task()
    before = task.cancelling() if task else 0
    result = await awaitable
    if task and task.cancelling() > before:
        raise asyncio.CancelledError
    return result
