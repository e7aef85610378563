"""taskiq-redis: a process that sends tasks and workers that run them, each with a broker of its own."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from typing import Any

import pytest
from live import DEADLINE_S
from redis.exceptions import ResponseError
from taskiq import AsyncBroker, ScheduledTask
from taskiq.api import run_receiver_task
from taskiq.exceptions import SendTaskError
from taskiq_redis import (
    ListQueueBroker,
    ListRedisScheduleSource,
    PubSubBroker,
    RedisAsyncResultBackend,
    RedisScheduleSource,
    RedisStreamBroker,
)

from compat.libraries.loops import Place, run, until
from compat.libraries.table import library

pytestmark = library(
    "taskiq-redis",
    "`PubSubBroker`; `RedisStreamBroker`, two workers of a group, and a task that a worker left behind; "
    "`RedisAsyncResultBackend`, `RedisScheduleSource`",
    missing="`ListQueueBroker`, `ListRedisScheduleSource` (lists)",
)

SCHEDULE = ScheduledTask(task_name="add", labels={}, args=[1, 2], kwargs={}, cron="* * * * *", schedule_id="one")

Done = list[tuple[int, int]]


@asynccontextmanager
async def worker(broker: AsyncBroker) -> AsyncIterator[Done]:
    """Gives what it has done."""
    done: Done = []

    @broker.task("add")
    async def add(one: int, other: int) -> int:
        done.append((one, other))
        return one + other

    receiver = asyncio.create_task(run_receiver_task(broker, run_startup=True))
    try:
        yield done
    finally:
        receiver.cancel()
        await asyncio.wait([receiver])
        await broker.shutdown()


@asynccontextmanager
async def sender(broker: AsyncBroker) -> AsyncIterator[Any]:
    """Gives the task to be sent."""

    @broker.task("add")
    async def add(one: int, other: int) -> int:
        raise AssertionError(f"{one} and {other} are for the worker to add")

    await broker.startup()
    try:
        yield add
    finally:
        await broker.shutdown()


def test_every_worker_gets_a_task_and_results_come_back(place: Place) -> None:
    def broker() -> AsyncBroker:
        results = RedisAsyncResultBackend(place.url, result_ex_time=60)
        return PubSubBroker(place.url, queue_name="tq:pubsub").with_result_backend(results)

    async def body() -> None:
        async with worker(broker()) as one, worker(broker()) as other, sender(broker()) as add:
            await place.subscribers("tq:pubsub", 2)
            tasks = [await add.kiq(number, 1) for number in range(10)]
            for number, task in enumerate(tasks):
                result = await task.wait_result(check_interval=0.005, timeout=DEADLINE_S)
                assert result.return_value == number + 1
            await until(lambda: one == other == [(number, 1) for number in range(10)])

    run(body())


def test_schedules_are_kept(place: Place) -> None:
    async def body() -> None:
        with pytest.warns(DeprecationWarning, match="ListRedisScheduleSource"):
            source = RedisScheduleSource(place.url, prefix="tq:schedules")
        await source.add_schedule(SCHEDULE)
        await source.add_schedule(SCHEDULE.model_copy(update={"schedule_id": "other"}))
        assert sorted(kept.schedule_id for kept in await source.get_schedules()) == ["one", "other"]
        await source.delete_schedule("one")
        assert [kept.args for kept in await source.get_schedules()] == [[1, 2]]
        await source.shutdown()

    run(body())


def test_workers_share_the_tasks_of_a_stream(place: Place) -> None:
    def broker() -> AsyncBroker:
        results = RedisAsyncResultBackend(place.url, result_ex_time=60)
        return RedisStreamBroker(place.url, queue_name="tq:stream", xread_block=50).with_result_backend(results)

    async def body() -> None:
        async with worker(broker()) as one, worker(broker()) as other, sender(broker()) as add:
            tasks = [await add.kiq(number, 1) for number in range(20)]
            for number, task in enumerate(tasks):
                result = await task.wait_result(check_interval=0.005, timeout=DEADLINE_S)
                assert result.return_value == number + 1
            assert sorted(one + other) == [(number, 1) for number in range(20)]
            with place.client() as client:
                await until(lambda: client.xpending("tq:stream", "taskiq")["pending"] == 0)

    run(body())


def test_a_task_that_a_worker_left_behind_is_done_by_another(place: Place) -> None:
    def broker() -> RedisStreamBroker:
        made = RedisStreamBroker(place.url, queue_name="tq:left", xread_block=50, idle_timeout=0)
        made.is_worker_process = True
        return made

    async def body() -> None:
        leaver, other = broker(), broker()
        await other.startup()
        async with sender(leaver) as add:
            left = await add.kiq(1, 2)
            async with aclosing(leaver.listen()) as messages:
                assert left.task_id.encode() in (await anext(messages)).data
            await add.kiq(3, 4)  # with a new one a worker looks for those that nobody has acknowledged
            async with aclosing(other.listen()) as messages:
                new, again = await anext(messages), await anext(messages)
                assert left.task_id.encode() in again.data
                await new.ack()
                await again.ack()
        with place.client() as client:
            assert client.xpending("tq:left", "taskiq")["pending"] == 0
            assert not client.exists("autoclaim:taskiq:tq:left")  # the lock around it
        await other.shutdown()

    run(body())


def test_lists_get_an_error_that_names_the_command(place: Place) -> None:
    async def body() -> None:
        async with sender(ListQueueBroker(place.url, queue_name="tq:list")) as add:
            with pytest.raises(SendTaskError) as raised:
                await add.kiq(1, 2)
            assert "unknown command 'LPUSH'" in str(raised.value.__cause__)
        source = ListRedisScheduleSource(place.url, prefix="tq:list:schedules")
        with pytest.raises(ResponseError, match="unknown command 'RPUSH'"):
            await source.add_schedule(SCHEDULE)
        await source._connection_pool.disconnect()  # it has no shutdown of its own

    run(body())
