"""Async tests of the bus: a deadline, and nothing left behind."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from live import DEADLINE_S


def run(main: Coroutine[Any, Any, None]) -> None:
    """Run a test body on a loop of its own; it must leave no task."""

    async def bounded() -> None:
        async with asyncio.timeout(DEADLINE_S):
            await main
        left = asyncio.all_tasks() - {asyncio.current_task()}
        assert not left, left

    asyncio.run(bounded())


async def until(condition: Callable[[], Any]) -> None:
    """Let others run until it is true; the deadline is that of the whole body."""
    while not condition():
        await asyncio.sleep(0.001)
