"""What redis-py's asyncio connection sees of an engine: a stream reader and a writer. Loops come and go."""

import asyncio
import contextlib
import gc
import threading
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
import redis
from live import DEADLINE_S, wait_for

import airwave
import airwave.asyncio
from airwave.embedded.async_pipe import AsyncPipe


def play(body: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Run it on a loop of its own, within the deadline."""

    async def bounded() -> None:
        async with asyncio.timeout(DEADLINE_S):
            await body()

    asyncio.run(bounded())


async def blocked(client: Any, count: int = 1) -> None:
    while (await client.info("clients"))["blocked_clients"] != count:
        await asyncio.sleep(0)


def test_a_cancelled_read_takes_nothing_and_the_client_goes_on(url: str) -> None:
    async def body() -> None:
        async with airwave.asyncio.connect(url) as client, airwave.asyncio.connect(url) as other:
            await client.xgroup_create("s", "g", mkstream=True)
            reading = asyncio.create_task(client.xreadgroup("g", "alice", {"s": ">"}, block=0))
            await blocked(other)
            reading.cancel()
            with pytest.raises(asyncio.CancelledError):
                await reading
            await blocked(other, 0)
            await other.xadd("s", {"f": "v"})
            assert (await other.xpending("s", "g"))["pending"] == 0
            assert await client.xreadgroup("g", "alice", {"s": ">"}, block=1000)

    play(body)


def test_a_timeout_ends_a_blocking_read(url: str) -> None:
    async def body() -> None:
        async with airwave.asyncio.connect(url, socket_timeout=0.05) as client, airwave.asyncio.connect(url) as other:
            with pytest.raises(redis.TimeoutError):
                await client.xread({"s": "$"}, block=0)
            await blocked(other, 0)

    play(body)


def test_large_replies_and_a_backlog(url: str) -> None:
    async def body() -> None:
        async with airwave.asyncio.connect(url) as client, client.pubsub(ignore_subscribe_messages=True) as pubsub:
            payload = bytes(range(256)) * 20_000
            await client.set("a", payload)
            assert await client.get("a") == payload
            await pubsub.subscribe("news")
            async with client.pipeline(transaction=False) as pipe:
                for number in range(8000):
                    pipe.publish("news", f"{number:0200}")
                await pipe.execute()
            waiting = pubsub.connection._reader
            assert len(waiting._buffer) < 400_000  # the rest is with the session
            found = []
            while len(found) < 8000:
                if message := await pubsub.get_message(timeout=DEADLINE_S):
                    found.append(int(message["data"]))
            assert found == [*range(8000)]

    play(body)


def test_a_task_that_sends_without_end_is_not_alone(url: str) -> None:
    async def body() -> None:
        async with airwave.asyncio.connect(url) as client:
            turns = 0

            async def other() -> None:
                nonlocal turns
                while True:
                    turns += 1
                    await asyncio.sleep(0)

            task = asyncio.create_task(other())
            for _ in range(50):
                await client.ping()
            task.cancel()
            assert turns >= 50

    play(body)


def test_loops_in_threads_share_an_engine_and_keep_the_order(url: str) -> None:
    """A thread publishes to subscribers in two loops, while both loops publish as well."""
    count = 300
    ready = threading.Barrier(3)
    heard: dict[str, list[str]] = {}
    errors: list[BaseException] = []

    def subscriber(name: str) -> None:
        async def body() -> None:
            heard[name] = []
            client = airwave.asyncio.connect(url, decode_responses=True)
            async with client, client.pubsub(ignore_subscribe_messages=True) as pubsub:
                await pubsub.subscribe("news", name)
                await asyncio.to_thread(ready.wait)
                while len(heard[name]) < 2 * count:
                    if message := await pubsub.get_message(timeout=DEADLINE_S):
                        heard[name].append(message["data"])
                        if message["channel"] == "news":
                            await client.publish(name, f"{name} {message['data']}")

        try:
            play(body)
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=subscriber, args=(name,)) for name in ("one", "two")]
    for thread in threads:
        thread.start()
    with airwave.connect(url) as client:
        ready.wait(DEADLINE_S)
        for number in range(count):
            assert client.publish("news", str(number)) == 2
        for thread in threads:
            thread.join(DEADLINE_S)
    assert errors == []
    for name, messages in heard.items():
        assert [each for each in messages if " " not in each] == [str(number) for number in range(count)]
        assert [each for each in messages if " " in each] == [f"{name} {number}" for number in range(count)]


@pytest.mark.parametrize("moment", ["waiting", "idle", "behind"])
def test_a_loop_that_ends_without_closing_its_client(engine: airwave.Engine, moment: str) -> None:
    """The client stays referred to; the engine finds out with the next message."""
    loop = asyncio.new_event_loop()

    async def subscribe() -> Any:
        pubsub = airwave.asyncio.connect(engine.url).pubsub()
        await pubsub.subscribe("news")
        await pubsub.get_message(timeout=DEADLINE_S)
        return pubsub

    async def listen() -> None:
        await held[0].get_message(timeout=None)

    def forget() -> None:
        held.clear()
        gc.collect()

    held = [loop.run_until_complete(subscribe())]
    if moment == "waiting":
        task = loop.create_task(listen())
        loop.run_until_complete(asyncio.sleep(0))
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            loop.run_until_complete(task)
    elif moment == "behind":
        assert engine.publish("news", "x") == 1  # from outside of the loop, which will never see it
    loop.close()
    wait_for(lambda: engine.publish("news", "x") == 0, "it to be forgotten")
    with pytest.warns(ResourceWarning, match="unclosed Connection"):  # redis-py's
        forget()


def test_a_loop_that_moves_to_another_thread(engine: airwave.Engine) -> None:
    loop = asyncio.new_event_loop()

    async def subscribe() -> Any:
        pubsub = airwave.asyncio.connect(engine.url).pubsub(ignore_subscribe_messages=True)
        await pubsub.subscribe("news")
        await pubsub.get_message(timeout=DEADLINE_S)
        return pubsub

    async def hear() -> Any:
        async with asyncio.timeout(DEADLINE_S):
            while (message := await pubsub.get_message(timeout=DEADLINE_S)) is None:
                pass
        await pubsub.connection_pool.disconnect()
        await pubsub.aclose()
        return message["data"]

    pubsub = loop.run_until_complete(subscribe())
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    hearing = asyncio.run_coroutine_threadsafe(hear(), loop)
    assert engine.publish("news", "from the first thread") == 1
    assert hearing.result(DEADLINE_S) == b"from the first thread"
    loop.call_soon_threadsafe(loop.stop)
    thread.join(DEADLINE_S)
    loop.close()


@pytest.mark.usefixtures("nothing_left")
def test_nothing_is_left(url: str) -> None:
    async def body() -> None:
        async with airwave.asyncio.connect(url) as client, client.pubsub() as pubsub:
            await pubsub.subscribe("news")
            await client.publish("news", "x")

    play(body)


def test_the_end_of_the_engine_is_the_end_of_file(url: str) -> None:
    async def body() -> None:
        async with airwave.asyncio.connect(url) as client:
            reading = asyncio.create_task(client.xread({"s": "$"}, block=0))
            other = airwave.asyncio.connect(url)
            await blocked(other)
            await other.aclose()
            await asyncio.to_thread(airwave.close, url)
            with pytest.raises(redis.ConnectionError):
                await reading
            assert await client.ping()

    play(body)


def test_what_comes_with_the_end_is_read_before_it(url: str) -> None:
    """Another thread writes and closes, just when the reader's loop has found nothing more to take."""

    class Interrupted(AsyncPipe):
        def take(self) -> bytes | None:
            data = super().take()
            if data is None and not self.ended:
                thread = threading.Thread(target=self.say, args=(b"goodbye",), kwargs={"last": True})
                thread.start()
                thread.join(DEADLINE_S)
            return data

        def say(self, words: bytes, *, last: bool) -> None:
            with self.node.use():
                self.write(words)
                if last:
                    self.close()

    async def body() -> None:
        pipe = Interrupted(url)
        await asyncio.to_thread(pipe.say, b"hello, ", last=False)
        assert await pipe.reader.read() == b"hello, goodbye"

    play(body)


def test_uvloop(url: str) -> None:
    uvloop = pytest.importorskip("uvloop")

    async def body() -> None:
        async with airwave.asyncio.connect(url) as client, client.pubsub(ignore_subscribe_messages=True) as pubsub:
            await pubsub.subscribe("news")
            publisher = threading.Thread(target=lambda: [engine.publish("news", f"{n}") for n in range(100)])
            publisher.start()
            found = []
            while len(found) < 100:
                if message := await pubsub.get_message(timeout=DEADLINE_S):
                    found.append(int(message["data"]))
            assert found == [*range(100)]
            await asyncio.to_thread(publisher.join)

    with airwave.Engine(url) as engine, asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(body())
