"""Subscriptions of the direct API: what they get, how they wait, and what happens when they are too slow."""

import asyncio
import gc
import threading
from datetime import timedelta

import pytest
from live import DEADLINE_S, wait_for
from redis.exceptions import ResponseError

import airwave
from airwave import Message, SlowSubscriberError


def data(subscription: airwave.Subscription) -> list[bytes]:
    """All that waits."""
    return [message.data for message in iter(lambda: subscription.get(timeout=0), None)]


# --- what they get ----------------------------------------------------------------------------------------------------


def test_channels_and_patterns(engine: airwave.Engine) -> None:
    with engine.subscribe("news", b"more", patterns=["n*", "x"]) as subscription:
        assert engine.publish("news", "a") == 2
        assert engine.publish(b"more", b"b") == 1
        assert engine.publish("nothing", 1.5) == 1
        assert engine.publish("nobody-listens"[1:], "c") == 0
        assert subscription.waiting == 4
        assert [subscription.get() for _ in range(4)] == [
            Message(b"news", b"a"),
            Message(b"news", b"a", b"n*"),
            Message(b"more", b"b"),
            Message(b"nothing", b"1.5", b"n*"),
        ]
        subscription.unsubscribe("news", "n*")
        assert engine.publish("news", "d") == 0
        subscription.subscribe("late")
        subscription.psubscribe("l*")
        assert engine.publish("late", "e") == 2
        assert data(subscription) == [b"e", b"e"]


@pytest.mark.parametrize(
    ("since", "expected"), [("0", 3), ("-2", 2), ("$", 0), ("1h", 3), (timedelta(hours=1), 3), ("second", 1)]
)
def test_it_may_begin_in_the_past(engine: airwave.Engine, since: str | timedelta, expected: int) -> None:
    engine.execute("CONFIG", "SET", "remember", "news:*")
    for number in range(3):
        engine.publish(f"news:{number}", str(number))
    engine.publish("other", "x")
    if since == "second":
        since = engine.xrange("news:1")[0].id.decode()
    with engine.subscribe("news:0", "news:2", patterns=["n*:0", "news:?"], since=since) as subscription:
        assert subscription.waiting == expected
        past = [subscription.get(timeout=0) for _ in range(expected)]
        assert [(each.data, each.pattern) for each in past if each] == [
            *[(b"0", None), (b"1", b"news:?"), (b"2", None)][3 - expected :],
        ]
        assert all(each and [entry.id for entry in engine.xrange(each.channel)] == [each.id] for each in past)
        assert not subscription.gap
        engine.publish("news:2", "live")
        assert data(subscription) == [b"live", b"live"]


def test_what_comes_while_the_past_is_read_comes_behind_it_and_once(engine: airwave.Engine) -> None:
    engine.execute("CONFIG", "SET", "remember", "news")

    def publish() -> None:
        for number in range(20_000):
            engine.publish("news", str(number))

    publisher = threading.Thread(target=publish)
    publisher.start()
    seen: list[bytes] = []
    began = 0
    while not seen or len(seen) < 20_000:
        with engine.subscribe("news", since="0") as subscription:
            began += publisher.is_alive()
            seen = data(subscription)
            assert seen == [b"%d" % number for number in range(len(seen))]
    assert began
    publisher.join()


def test_a_past_that_is_gone_is_told(engine: airwave.Engine) -> None:
    engine.execute("CONFIG", "SET", "remember", "news maxlen 2")
    engine.publish("news", "0")
    [entry] = engine.xrange("news")
    for number in range(1, 5):
        engine.publish("news", str(number))
    with engine.subscribe("news", since=entry.id.decode()) as subscription:
        assert data(subscription) == [b"3", b"4"]
        assert subscription.gap


def test_of_a_long_past_the_newest(engine: airwave.Engine) -> None:
    engine.execute("CONFIG", "SET", "remember", "news")
    for number in range(1000):
        engine.publish("news", str(number))
    with engine.subscribe("news", since="0", maxsize=10) as subscription:
        assert data(subscription) == [b"%d" % number for number in range(990, 1000)]


def test_a_past_that_nobody_remembers_is_an_error(engine: airwave.Engine) -> None:
    with pytest.raises(ResponseError, match="channel 'news' is not remembered"):
        engine.subscribe("news", since="0")
    assert engine.publish("news", "nobody listens") == 0
    with pytest.raises(ValueError, match="write an ID"):
        engine.subscribe("news", since="ten")


def test_redis_py_and_the_direct_api_share_channels(engine: airwave.Engine) -> None:
    with airwave.connect(engine.url) as client, client.pubsub(ignore_subscribe_messages=True) as pubsub:
        pubsub.subscribe("news")
        with engine.subscribe("news", "__keyevent@0__:set") as subscription:
            assert client.publish("news", "from redis-py") == 2
            assert engine.publish("news", "from here") == 2
            assert data(subscription) == [b"from redis-py", b"from here"]
            heard = [pubsub.get_message(timeout=DEADLINE_S) for _ in range(3)]
            assert [each["data"] for each in heard if each] == [b"from redis-py", b"from here"]
            client.config_set("notify-keyspace-events", "KEA")
            engine.execute("SET", "a", "1")
            assert data(subscription) == [b"a"]
            assert client.pubsub_numsub("news") == [(b"news", 2)]
        assert client.pubsub_numsub("news") == [(b"news", 1)]


def test_pipelined_publishes(engine: airwave.Engine) -> None:
    with airwave.connect(engine.url) as client, engine.subscribe("news") as subscription:
        with client.pipeline(transaction=False) as pipe:
            for number in range(500):
                pipe.publish("news", number)
            assert pipe.execute() == [1] * 500
        assert data(subscription) == [b"%d" % number for number in range(500)]


# --- waiting ----------------------------------------------------------------------------------------------------------


def test_a_thread_iterates(engine: airwave.Engine) -> None:
    heard: list[bytes] = []
    with engine.subscribe("news") as subscription:
        thread = threading.Thread(target=lambda: heard.extend(message.data for message in subscription))
        thread.start()
        for number in range(1000):
            engine.publish("news", str(number))
        wait_for(lambda: len(heard) == 1000, "all messages")
    thread.join(DEADLINE_S)  # closed: the iteration ends
    assert heard == [b"%d" % number for number in range(1000)]
    assert list(subscription) == []


def test_a_task_iterates_while_a_thread_publishes(engine: airwave.Engine) -> None:
    async def listen() -> list[bytes]:
        async with asyncio.timeout(DEADLINE_S), engine.subscribe("news") as subscription:
            publisher = threading.Thread(target=lambda: [engine.publish("news", str(n)) for n in range(3000)])
            publisher.start()
            heard = []
            async for message in subscription:
                heard.append(message.data)
                if len(heard) == 3000:
                    break
            await asyncio.to_thread(publisher.join)
            return heard

    assert asyncio.run(listen()) == [b"%d" % number for number in range(3000)]


def test_threads_and_tasks_of_two_loops_share_the_messages(engine: airwave.Engine) -> None:
    heard: list[bytes] = []
    subscription = engine.subscribe("news")

    def read() -> None:
        heard.extend(message.data for message in subscription)

    def loop() -> None:
        async def task() -> None:
            async for message in subscription:
                heard.append(message.data)  # noqa: PERF401  (while it goes on)

        async def main() -> None:
            async with asyncio.timeout(DEADLINE_S):
                await asyncio.gather(task(), task())

        asyncio.run(main())

    threads = [threading.Thread(target=each) for each in (read, read, loop, loop)]
    for thread in threads:
        thread.start()
    for number in range(2000):
        engine.publish("news", str(number))
    wait_for(lambda: len(heard) == 2000, "all messages")
    subscription.close()
    for thread in threads:
        thread.join(DEADLINE_S)
        assert not thread.is_alive()
    assert sorted(map(int, heard)) == [*range(2000)]


def test_get_waits_no_longer_than_it_may(engine: airwave.Engine) -> None:
    with engine.subscribe("news") as subscription:
        assert subscription.get(timeout=0) is None
        assert subscription.get(timeout=0.01) is None
        engine.publish("news", "x")
        assert subscription.get(timeout=DEADLINE_S) == Message(b"news", b"x")


def test_a_task_that_is_cancelled_takes_no_message(engine: airwave.Engine) -> None:
    async def body() -> None:
        with engine.subscribe("news") as subscription:
            waiting = asyncio.create_task(subscription.aget())
            await asyncio.sleep(0)
            waiting.cancel()
            with pytest.raises(asyncio.CancelledError):
                await waiting
            engine.publish("news", "x")
            assert await subscription.aget() == Message(b"news", b"x")

    asyncio.run(body())


def test_a_task_with_enough_to_read_is_not_alone(engine: airwave.Engine) -> None:
    async def body() -> None:
        turns = 0

        async def other() -> None:
            nonlocal turns
            while True:
                turns += 1
                await asyncio.sleep(0)

        with engine.subscribe("news") as subscription:
            for _ in range(10_000):
                engine.publish("news", "x")
            task = asyncio.create_task(other())
            left = 10_000
            async for _ in subscription:
                left -= 1
                if not left:
                    break
            task.cancel()
        assert turns >= 5

    asyncio.run(body())


# --- too slow ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("overflow", "kept"), [("drop-oldest", [b"3", b"4"]), ("drop-newest", [b"0", b"1"])])
def test_a_full_queue_drops(
    engine: airwave.Engine,
    caplog: pytest.LogCaptureFixture,
    overflow: airwave.embedded.subscription.Overflow,
    kept: list[bytes],
) -> None:
    with engine.subscribe("news", maxsize=2, overflow=overflow) as subscription:
        for number in range(5):
            assert engine.publish("news", str(number)) == 1
        assert subscription.dropped == 3
        assert data(subscription) == kept
        engine.publish("news", "again")
        assert data(subscription) == [b"again"]
    lines = [record.getMessage() for record in caplog.records]
    assert len(lines) == 1
    assert "subscription too slow, its queue is full (told once for each; counted in `dropped`)" in lines[0]
    assert f"policy={overflow} maxsize=2 names=news" in lines[0]
    assert b"\r\ndropped_messages:3\r\n" in engine.execute("INFO", "stats")  # type: ignore[operator]


def test_a_full_queue_ends_the_subscription(engine: airwave.Engine, caplog: pytest.LogCaptureFixture) -> None:
    subscription = engine.subscribe("news", patterns=["n*"], maxsize=3, overflow="close")
    other = engine.subscribe("news")
    assert engine.publish("news", "a") == 3
    assert engine.publish("news", "b") == 3  # the fourth and last message fits no more
    assert engine.publish("news", "c") == 1
    assert subscription.closed
    assert [subscription.get().data for _ in range(3)] == [b"a", b"a", b"b"]  # type: ignore[union-attr]
    for _ in range(2):
        with pytest.raises(SlowSubscriberError, match="more than 3 messages waited: read faster, or give a larger max"):
            subscription.get()
    with pytest.raises(SlowSubscriberError):
        next(iter(subscription))

    async def read() -> None:
        async for _ in subscription:
            raise AssertionError

    with pytest.raises(SlowSubscriberError):
        asyncio.run(read())
    assert subscription.dropped == 1
    assert len(caplog.records) == 1
    assert data(other) == [b"a", b"b", b"c"]
    other.close()


# --- the end ----------------------------------------------------------------------------------------------------------


def test_closing_wakes_who_waits(engine: airwave.Engine) -> None:
    subscription = engine.subscribe("news")
    ended: list[object] = []
    thread = threading.Thread(target=lambda: ended.append(subscription.get()))
    thread.start()

    async def body() -> None:
        waiting = asyncio.create_task(subscription.aget())
        await asyncio.sleep(0)
        engine.publish("other", "x")
        subscription.close()
        async with asyncio.timeout(DEADLINE_S):
            assert await waiting is None

    asyncio.run(body())
    thread.join(DEADLINE_S)
    assert ended == [None]


def test_what_waits_can_be_read_after_closing(engine: airwave.Engine) -> None:
    with engine.subscribe("news") as subscription:
        engine.publish("news", "x")
    subscription.close()
    assert engine.publish("news", "y") == 0
    assert subscription.closed
    assert [message.data for message in subscription] == [b"x"]
    for use in (subscription.subscribe, subscription.psubscribe):
        with pytest.raises(airwave.EmbeddedError, match="this subscription was closed: make another one"):
            use("news")
    subscription.unsubscribe("news")
    assert engine.publish("news", "y") == 0


def test_the_end_of_the_engine_ends_it(engine: airwave.Engine) -> None:
    subscription = engine.subscribe("news")
    engine.publish("news", "x")
    airwave.close(engine.url)
    assert subscription.closed
    assert [message.data for message in subscription] == [b"x"]
    with pytest.raises(airwave.EmbeddedError, match="was closed"):
        subscription.subscribe("more")


def test_one_that_is_forgotten_is_closed(engine: airwave.Engine) -> None:
    subscription = engine.subscribe("news")
    for message in subscription if engine.publish("news", "x") else ():
        assert message.data == b"x"
        break
    assert engine.publish("news", "y") == 1
    del subscription, message
    gc.collect()
    assert engine.publish("news", "z") == 0


def test_one_that_waits_is_not_forgotten(engine: airwave.Engine) -> None:
    async def body() -> None:
        async def hear() -> bytes:
            async for message in engine.subscribe("news"):
                return message.data
            raise AssertionError

        task = asyncio.create_task(hear())
        await asyncio.sleep(0)
        gc.collect()
        assert engine.publish("news", "x") == 1
        assert await task == b"x"

    asyncio.run(body())
