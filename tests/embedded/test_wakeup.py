"""Waking threads and tasks: nobody sleeps through it, whatever the order."""

import asyncio
import threading
from collections import deque

import pytest
from live import DEADLINE_S, wait_for

from airwave.embedded.wakeup import Wakeup, runs_here


def test_waiting_has_an_end() -> None:
    wakeup = Wakeup()
    assert wakeup.wait(lambda: True, None)
    assert not wakeup.wait(lambda: False, 0)
    assert not wakeup.wait(lambda: False, 0.001)


def test_threads_and_tasks_are_woken_together() -> None:
    wakeup = Wakeup()
    ready: list[int] = []
    woken: list[str] = []

    def thread() -> None:
        wakeup.wait(lambda: bool(ready), None)
        woken.append("thread")

    def loop() -> None:
        async def task() -> None:
            await wakeup.wait_async(lambda: bool(ready))
            woken.append("task")

        async def main() -> None:
            async with asyncio.timeout(DEADLINE_S):
                await asyncio.gather(task(), task())

        asyncio.run(main())

    threads = [threading.Thread(target=each) for each in (thread, thread, loop, loop)]
    for each in threads:
        each.start()
    wait_for(lambda: wakeup._threads == 2 and len(wakeup._tasks) == 4, "all to wait")
    wakeup.wake()  # too early: they look, and go on waiting
    wait_for(lambda: wakeup.awaited and len(wakeup._tasks) == 4, "all to wait again")
    ready.append(1)
    wakeup.wake()
    for each in threads:
        each.join(DEADLINE_S)
    assert sorted(woken) == ["task"] * 4 + ["thread"] * 2
    assert not wakeup._tasks
    assert wakeup._threads == 0


def test_a_task_is_woken_by_its_own_loop() -> None:
    async def main() -> None:
        wakeup = Wakeup()
        ready: list[int] = []
        task = asyncio.create_task(wakeup.wait_async(lambda: bool(ready)))
        await asyncio.sleep(0)
        assert wakeup.awaited
        ready.append(1)
        wakeup.wake()
        async with asyncio.timeout(DEADLINE_S):
            await task
        assert runs_here(asyncio.get_running_loop())

    asyncio.run(main())


def test_a_task_that_is_cancelled_leaves_no_trace_and_a_closed_loop_no_error() -> None:
    wakeup = Wakeup()

    async def main() -> None:
        task = asyncio.create_task(wakeup.wait_async(lambda: False))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert not wakeup._tasks

    asyncio.run(main())
    loop = asyncio.new_event_loop()
    wakeup._tasks.append(loop.create_future())
    loop.close()
    assert not runs_here(loop)
    wakeup.wake()


def test_no_order_of_events_loses_a_wake_up() -> None:
    """A queue as subscriptions use it: producers look at `awaited` only, consumers wait whenever it is empty."""
    queue: deque[int] = deque()
    wakeup = Wakeup()
    taken: list[int] = []

    def consume() -> None:
        while wakeup.wait(lambda: bool(queue), DEADLINE_S) and (number := queue.popleft()) >= 0:
            taken.append(number)

    def produce() -> None:
        for number in range(3000):
            queue.append(number)
            if wakeup.awaited:
                wakeup.wake()

    consumer = threading.Thread(target=consume)
    producers = [threading.Thread(target=produce) for _ in range(2)]
    for thread in (consumer, *producers):
        thread.start()
    wait_for(lambda: len(taken) == 6000, "all to be taken")
    queue.append(-1)
    wakeup.wake()
    consumer.join(DEADLINE_S)
    assert sorted(taken) == sorted([*range(3000)] * 2)
