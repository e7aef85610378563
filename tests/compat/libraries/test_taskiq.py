"""taskiq-redis: a process that sends tasks and workers that run them, each with a broker of its own."""

import asyncio
import gc
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
    "`PubSubBroker`, `RedisAsyncResultBackend`, `RedisScheduleSource`",
    missing="`RedisStreamBroker`: a task arrives, but after each batch the worker uses a script for a lock, fails, "
    "listens again, stops when that has used up its connections; `ListQueueBroker`, `ListRedisScheduleSource` (lists)",
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


@pytest.mark.filterwarnings("ignore:Unclosed client session:ResourceWarning")  # its pipeline, when that fails
def test_the_stream_broker_delivers_and_then_asks_for_a_script(place: Place) -> None:
    async def body() -> None:
        broker = RedisStreamBroker(place.url, queue_name="tq:stream")
        broker.is_worker_process = True
        async with sender(broker) as add, aclosing(broker.listen()) as messages:
            task = await add.kiq(1, 2)
            message = await anext(messages)
            assert task.task_id.encode() in message.data
            await message.ack()
            with place.client() as client:
                assert client.xpending("tq:stream", "taskiq")["pending"] == 0
            with pytest.raises(ResponseError, match="unknown command 'SCRIPT'"):
                await anext(messages)

    run(body())
    gc.collect()


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
