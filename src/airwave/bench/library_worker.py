"""One measurement of the suite `library`, in a process of its own: `python -m airwave.bench.library_worker`.

It prints one line of JSON: how many operations were done, in how many seconds, with how much CPU time of this process.
"""

import asyncio
import contextlib
import json
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

from airwave import connecting
from airwave.asyncio import connect as connect_async
from airwave.embedded import Engine

CHANNEL = "bench:channel"
STREAM = "bench:stream"
PAYLOAD = b"x" * 32
FIELDS: dict[Any, Any] = {"event": b"updated", "id": b"12345"}
MAXLEN = 10_000
LOOK_EVERY = 64  # operations between two looks at the clock
BURST = 100  # messages that a publisher sends before its subscriber has a turn

Step = Callable[[], object]


def _turns(seconds: float) -> Iterator[None]:
    """Once, and again until so much time is over."""
    end = time.perf_counter() + seconds
    yield
    while time.perf_counter() < end:
        yield


def _timed(step: Step, seconds: float) -> int:
    """Repeat for so long; returns how often."""
    done = 0
    for _ in _turns(seconds):
        for _ in range(LOOK_EVERY):
            step()
        done += LOOK_EVERY
    return done


# --- one thread -------------------------------------------------------------------------------------------------------


def publish(client: Any, seconds: float) -> int:
    """PUBLISH without subscribers."""
    return _timed(lambda: client.publish(CHANNEL, PAYLOAD), seconds)


def xadd(client: Any, seconds: float) -> int:
    """XADD of two fields, trimmed to about 10,000."""
    return _timed(lambda: client.xadd(STREAM, FIELDS, maxlen=MAXLEN), seconds)


def round_trip(client: Any, seconds: float) -> int:
    """Publish a message, and read it from a subscription."""
    if isinstance(client, Engine):
        with client.subscribe(CHANNEL) as subscription:

            def step() -> None:
                client.publish(CHANNEL, PAYLOAD)
                assert subscription.get(timeout=5) is not None

            return _timed(step, seconds)
    pubsub = client.pubsub(ignore_subscribe_messages=True)
    pubsub.subscribe(CHANNEL)
    pubsub.get_message(timeout=5)

    def step_of_redis() -> None:
        client.publish(CHANNEL, PAYLOAD)
        assert pubsub.get_message(timeout=5) is not None

    try:
        return _timed(step_of_redis, seconds)
    finally:
        pubsub.close()


# --- asyncio ----------------------------------------------------------------------------------------------------------


async def publish_async(client: Any, seconds: float) -> int:
    """PUBLISH without subscribers, awaited."""
    done = 0
    for _ in _turns(seconds):
        for _ in range(LOOK_EVERY):
            await client.publish(CHANNEL, PAYLOAD)
        done += LOOK_EVERY
    return done


async def deliver(client: Any, seconds: float) -> int:
    """Messages from a publishing task to a subscribed one."""
    if isinstance(client, Engine):
        return await _deliver_direct(client, seconds)
    pubsub = client.pubsub(ignore_subscribe_messages=True)
    await pubsub.subscribe(CHANNEL)
    await pubsub.get_message(timeout=5)
    published = received = 0

    async def receive() -> None:
        nonlocal received
        async for _ in pubsub.listen():
            received += 1

    task = asyncio.create_task(receive())
    for _ in _turns(seconds):
        await client.publish(CHANNEL, PAYLOAD)
        published += 1
    while received < published:
        await asyncio.sleep(0.001)
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
    await pubsub.aclose()
    return received


async def _deliver_direct(client: Engine, seconds: float) -> int:
    received = 0

    async def receive() -> None:
        nonlocal received
        async for _ in subscription:
            received += 1

    with client.subscribe(CHANNEL) as subscription:
        task = asyncio.create_task(receive())
        published = 0
        for _ in _turns(seconds):
            for _ in range(BURST):
                client.publish(CHANNEL, PAYLOAD)
            published += BURST
            await asyncio.sleep(0)
        assert subscription.dropped == 0
    await task
    assert received == published
    return received


# --- who is measured --------------------------------------------------------------------------------------------------

SYNC = {"publish": publish, "xadd": xadd, "round-trip": round_trip}
ASYNC = {"publish-async": publish_async, "deliver": deliver}


def _client(contender: str, url: str, *, asynchronous: bool) -> Any:
    if contender == "engine":
        return Engine("memory://bench")
    if contender == "fakeredis":
        import fakeredis  # type: ignore[import-not-found,unused-ignore]  # noqa: PLC0415  (an extra)

        return fakeredis.FakeAsyncRedis() if asynchronous else fakeredis.FakeRedis()
    return connect_async(url) if asynchronous else connecting.connect(url)


def measure(contender: str, operation: str, seconds: float, url: str) -> dict[str, float]:
    """Do it for so many seconds: operations, seconds, and CPU seconds of this process."""
    if operation in SYNC:
        client = _client(contender, url, asynchronous=False)
        SYNC[operation](client, seconds / 10)
        started, cpu_s = time.perf_counter(), time.process_time()
        done = SYNC[operation](client, seconds)
        result = _result(done, started, cpu_s)
        client.close()
        return result
    return asyncio.run(_measure_async(contender, operation, seconds, url))


async def _measure_async(contender: str, operation: str, seconds: float, url: str) -> dict[str, float]:
    client = _client(contender, url, asynchronous=True)
    await ASYNC[operation](client, seconds / 10)
    started, cpu_s = time.perf_counter(), time.process_time()
    done = await ASYNC[operation](client, seconds)
    result = _result(done, started, cpu_s)
    if isinstance(client, Engine):
        client.close()
    else:
        await client.aclose()
    return result


def _result(done: int, started: float, cpu_s: float) -> dict[str, float]:
    return {
        "operations": done,
        "seconds": time.perf_counter() - started,
        "cpu_s": time.process_time() - cpu_s,
    }


def serve_fakeredis(port: int) -> None:
    """Be fakeredis's TCP server until the process is ended."""
    from fakeredis import TcpFakeServer  # type: ignore[import-not-found,unused-ignore]  # noqa: PLC0415  (an extra)

    TcpFakeServer(("127.0.0.1", port), server_type="redis").serve_forever()


if __name__ == "__main__":
    if sys.argv[1] == "serve-fakeredis":
        serve_fakeredis(int(sys.argv[2]))
    else:
        who, what, how_long, where = sys.argv[1:]
        print(json.dumps(measure(who, what, float(how_long), where)))
