"""What a user may write, for `mypy --strict`; it is not run."""

from contextlib import suppress
from typing import assert_type

import redis
import redis.asyncio

import airwave
import airwave.asyncio


def blocking() -> None:
    client = airwave.connect("memory://", decode_responses=True)
    assert_type(client, redis.Redis)
    client.close()
    undo = airwave.register_url_schemes()
    undo()
    with airwave.Engine("file:///data") as engine:
        assert_type(engine.publish("news", b"x"), int)
        engine.publish(b"news", 1.5)
        with engine.subscribe("news", patterns=["n*"], maxsize=10, overflow="close") as subscription:
            for message in subscription:
                assert_type(message, airwave.Message)
                assert_type(message.data, bytes)
                assert_type(message.pattern, bytes | None)
            assert_type(subscription.get(timeout=1.0), airwave.Message | None)
        assert_type(engine.xadd("s", {"f": 1, "g": "x"}, maxlen=10), bytes)
        assert_type(engine.xread({"s": "0"}, block_ms=10), list[airwave.Entry])
        for entry in engine.follow("s"):
            assert_type(entry.fields, dict[bytes, bytes])
        with suppress(airwave.EmbeddedError, airwave.SlowSubscriberError):
            engine.execute("PING")
    airwave.close("memory://")


async def waiting() -> None:
    client = airwave.asyncio.connect("memory://")
    assert_type(client, redis.asyncio.Redis)
    await client.aclose()
    async with airwave.Engine() as engine, engine.subscribe("news") as subscription:
        async for message in subscription:
            assert_type(message, airwave.Message)
        assert_type(await subscription.aget(), airwave.Message | None)
        assert_type(await engine.axread({"s": b"0"}), list[airwave.Entry])
        assert_type(await engine.axreadgroup("g", "c", "s"), list[airwave.Entry])
        await engine.aexecute("PING")
        async for entry in engine.follow("s", "0", count=10):
            assert_type(entry, airwave.Entry)
