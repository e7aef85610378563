"""Cancelling what swallows it."""

import asyncio

import pytest

from airwave.bus import tasks as module
from airwave.bus.tasks import cancel, cancellable
from bus.running import run, until


async def swallow(begun: asyncio.Event) -> str:
    """As `wait_for` of Python 3.11 in a bad moment."""
    try:
        begun.set()
        await asyncio.Event().wait()
    except asyncio.CancelledError:
        pass
    return "went on"


def test_a_cancellation_that_was_swallowed_is_made_up_for() -> None:
    async def body() -> None:
        begun = asyncio.Event()
        task = asyncio.create_task(cancellable(swallow(begun)))
        await begun.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.001):
                await cancellable(swallow(begun))

    run(body())


def test_what_is_not_cancelled_gives_its_result() -> None:
    async def body() -> None:
        async def result() -> int:
            return 1

        assert await cancellable(result()) == 1

    run(body())


def test_who_does_not_end_is_cancelled_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "AGAIN_S", 0.001)

    async def body() -> None:
        times = 0

        async def stubborn() -> None:
            nonlocal times
            for _ in range(3):
                await swallow(asyncio.Event())
                times += 1

        task = asyncio.create_task(stubborn())
        ready = asyncio.create_task(asyncio.sleep(0))
        await until(ready.done)
        await cancel([task, ready])
        assert times == 3
        await cancel([])

    run(body())
