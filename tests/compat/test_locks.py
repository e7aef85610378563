"""redis-py's Lock, which ends by scripts, blocking and asyncio, on a server and on an engine in this process."""

import asyncio

import pytest
from live import DEADLINE_S, Node
from redis.exceptions import LockError, LockNotOwnedError

import airwave
import airwave.asyncio
from compat.conftest import ENGINE


@pytest.fixture(params=["tcp", "memory"])
def url(request: pytest.FixtureRequest, shared: Node) -> str:
    return shared.url if request.param == "tcp" else ENGINE


def test_a_lock(url: str, protocol: int) -> None:
    with airwave.connect(url, protocol=protocol) as client, airwave.connect(url, protocol=protocol) as another:
        lock = client.lock("locks:one", timeout=100)
        with lock:
            assert lock.owned()
            assert not another.lock("locks:one", blocking=False).acquire()
            assert lock.extend(1000)
            assert 1090 < client.ttl("locks:one") <= 1100
            assert lock.extend(200, replace_ttl=True)
            assert 190 < client.ttl("locks:one") <= 200
            assert lock.reacquire()
            assert 90 < client.ttl("locks:one") <= 100
        assert not client.exists("locks:one")
        with pytest.raises(LockError):
            lock.release()


def test_a_lock_that_somebody_else_has_by_now(url: str, protocol: int) -> None:
    with airwave.connect(url, protocol=protocol) as client:
        lock = client.lock("locks:lost", timeout=100)
        assert lock.acquire()
        client.set("locks:lost", "somebody else")
        for attempt in lambda: lock.extend(1), lock.reacquire, lock.release:
            with pytest.raises(LockNotOwnedError):
                attempt()
        assert client.delete("locks:lost") == 1


def test_a_lock_in_a_pipeline(url: str) -> None:
    with airwave.connect(url) as client, client.pipeline() as pipeline:
        lock = pipeline.lock("locks:pipeline")
        lock.acquire()
        pipeline.incr("locks:count")
        lock.release()
        assert pipeline.execute()[1:] == [1, 1]
        assert client.delete("locks:pipeline", "locks:count") == 1


def test_a_lock_passes_from_task_to_task(url: str, protocol: int) -> None:
    inside = 0

    async def enter(number: int) -> int:
        nonlocal inside
        async with (
            airwave.asyncio.connect(url, protocol=protocol) as client,
            client.lock("locks:tasks", timeout=100, sleep=0.005) as lock,
        ):
            inside += 1
            assert inside == 1
            assert await lock.extend(5)
            assert await lock.reacquire()
            inside -= 1
        return number

    async def body() -> None:
        async with asyncio.timeout(DEADLINE_S):
            assert await asyncio.gather(*map(enter, range(5))) == [*range(5)]
        async with airwave.asyncio.connect(url) as client:
            assert not await client.exists("locks:tasks")

    asyncio.run(body())
