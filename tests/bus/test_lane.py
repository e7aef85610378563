"""A lane: order, concurrency, what happens when its queue is full, and its end."""

import asyncio
import logging
from typing import Any

import pytest

from airwave.bus.lane import Lane
from bus.running import run, until


class Handler:
    """Begins what it gets, and ends it when the test says so."""

    def __init__(self) -> None:
        self.begun: list[int] = []
        self.ended: list[int] = []
        self.events: list[Any] = []
        self.go = asyncio.Semaphore(0)

    async def __call__(self, item: int) -> None:
        self.begun.append(item)
        await self.go.acquire()
        self.ended.append(item)

    def finish(self, count: int) -> None:
        for _ in range(count):
            self.go.release()

    def lane(self, **options: Any) -> Lane[int]:
        async def recovered(dropped: int) -> None:
            self.events.append(dropped)

        options = {"concurrency": 1, "queue": 4, "when_full": "wait"} | options
        return Lane("it", self, overflowed=lambda: self.events.append("full"), recovered=recovered, **options)


def soon() -> float:
    return asyncio.get_running_loop().time()


def late() -> float:
    return soon() + 1e6


def test_one_at_a_time_in_order() -> None:
    async def body() -> None:
        handler = Handler()
        lane = handler.lane()
        for item in range(4):
            await lane.put(item)
        await until(lambda: handler.begun == [0])
        assert (len(lane), lane.running) == (3, 1)
        handler.finish(2)
        await until(lambda: handler.begun == [0, 1, 2])
        handler.finish(2)
        await lane.stop(late())
        assert handler.ended == [0, 1, 2, 3]
        assert (len(lane), lane.running, lane.dropped) == (0, 0, 0)

    run(body())


def test_so_many_at_a_time_begun_in_order() -> None:
    async def body() -> None:
        handler = Handler()
        lane = handler.lane(concurrency=3, queue=10)
        for item in range(8):
            await lane.put(item)
        await until(lambda: len(handler.begun) == 3)
        await asyncio.sleep(0)
        assert handler.begun == [0, 1, 2]
        handler.finish(8)
        await lane.stop(late())
        assert handler.begun == list(range(8))

    run(body())


def test_there_is_no_task_when_there_is_nothing_to_do() -> None:
    async def body() -> None:
        handler = Handler()
        lane = handler.lane()
        handler.finish(2)
        await lane.put(1)
        await until(lambda: not lane.running)
        await lane.put(2)
        await until(lambda: handler.ended == [1, 2] and not lane.running)

    run(body())


async def filled(handler: Handler, **options: Any) -> Lane[int]:
    """A lane that is at work on 0, and whose queue of four is full."""
    lane = handler.lane(**options)
    await lane.put(0)
    await until(lambda: handler.begun == [0])
    for item in range(1, 5):
        await lane.put(item)
    return lane


def test_when_full_wait() -> None:
    async def body() -> None:
        handler = Handler()
        lane = await filled(handler)
        putting = asyncio.create_task(lane.put(5))
        for _ in range(20):
            await asyncio.sleep(0)
        assert not putting.done()
        handler.finish(1)
        await putting
        handler.finish(5)
        await lane.stop(late())
        assert handler.ended == [0, 1, 2, 3, 4, 5]
        assert (lane.dropped, handler.events) == (0, [])

    run(body())


@pytest.mark.parametrize(("when_full", "ended"), [("drop-oldest", [0, 3, 4, 5, 6]), ("drop-newest", [0, 1, 2, 3, 4])])
def test_when_full_drop(when_full: str, ended: list[int], caplog: pytest.LogCaptureFixture) -> None:
    async def body() -> None:
        handler = Handler()
        lane = await filled(handler, when_full=when_full)
        await lane.put(5)
        await lane.put(6)
        assert (lane.dropped, handler.events) == (2, ["full"])
        handler.finish(2)
        await until(lambda: len(handler.ended) == 2)
        assert handler.events == ["full"]  # three wait still: more than half
        handler.finish(3)
        await lane.stop(late())
        assert handler.ended == ended
        assert handler.events == ["full", 2]

    with caplog.at_level(logging.WARNING, "airwave.bus"):
        run(body())
    assert [record.getMessage() for record in caplog.records] == [
        f"it is too slow: 4 messages wait, its queue is full, {when_full}",
        "it keeps up again: 2 messages were dropped",
    ]


def test_a_second_time_is_told_again() -> None:
    async def body() -> None:
        handler = Handler()
        lane = await filled(handler, when_full="drop-newest")
        await lane.put(5)
        handler.finish(5)
        await until(lambda: not lane.running)
        for item in range(7):
            await lane.put(item)
        handler.finish(7)
        await lane.stop(late())
        assert handler.events == ["full", 1, "full", 3]

    run(body())


def test_stop_cancels_what_is_late_and_counts_what_was_not_done(caplog: pytest.LogCaptureFixture) -> None:
    async def body() -> None:
        handler = Handler()
        lane = await filled(handler)
        await lane.stop(soon())
        assert handler.ended == []
        assert (len(lane), lane.running, lane.dropped) == (0, 0, 5)

    with caplog.at_level(logging.WARNING, "airwave.bus"):
        run(body())
    assert caplog.messages == ["it: stopped before it was done: 1 cancelled, 4 never begun"]


def test_it_can_be_used_again_after_a_stop() -> None:
    async def body() -> None:
        handler = Handler()
        lane = handler.lane()
        await lane.put(1)
        await lane.stop(soon())  # its task has not begun yet
        assert (lane.running, lane.dropped) == (0, 1)
        handler.finish(1)
        await lane.put(2)
        await lane.stop(late())
        assert handler.ended == [2]

    run(body())


def test_a_handler_that_stops_its_lane_does_not_wait_for_itself() -> None:
    async def body() -> None:
        stopped = asyncio.Event()

        async def handle(item: int) -> None:
            del item
            await lane.stop(late(), asyncio.current_task())
            stopped.set()

        async def recovered(dropped: int) -> None:
            del dropped

        lane = Lane("it", handle, concurrency=1, queue=1, when_full="wait", overflowed=list, recovered=recovered)
        await lane.put(1)
        await stopped.wait()
        await until(lambda: not lane.running)

    run(body())


def test_a_handler_that_never_waits_leaves_others_their_turn() -> None:
    async def body() -> None:
        handled = 0

        async def handle(item: int) -> None:
            nonlocal handled
            handled += item

        async def recovered(dropped: int) -> None:
            del dropped

        lane = Lane("it", handle, concurrency=1, queue=1000, when_full="wait", overflowed=list, recovered=recovered)
        for _ in range(1000):
            await lane.put(1)
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert 0 < handled < 100
        await lane.stop(late())
        assert handled == 1000

    run(body())


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"concurrency": 0}, "it: concurrency and queue must be at least 1, not 0 and 4"),
        ({"queue": 0}, "not 1 and 0"),
        ({"when_full": "explode"}, "must be one of wait, drop-oldest, drop-newest, not 'explode'"),
    ],
)
def test_options_are_checked(options: dict[str, Any], reason: str) -> None:
    async def body() -> None:
        with pytest.raises(ValueError, match=reason):
            Handler().lane(**options)

    run(body())
