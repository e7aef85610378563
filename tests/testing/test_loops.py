"""`airwave_async_client` in every kind of event loop; warnings are errors in each of the suites."""

import pytest

pytest_plugins = ["pytester"]


@pytest.fixture(autouse=True)
def _a_suite(pytester: pytest.Pytester) -> None:
    pytester.makeini("[pytest]\nfilterwarnings = error\naddopts = -p no:cacheprovider\n")


def test_in_every_kind_of_loop(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        test_run="""
import asyncio, threading
import pytest, uvloop

async def use(client):
    await asyncio.gather(*[client.incr("n") for _ in range(20)])
    pubsub = client.pubsub()
    await pubsub.subscribe("news")              # neither is closed by the test
    assert (await pubsub.get_message(timeout=30))["type"] == "subscribe"
    return int(await client.get("n"))

def test_run(airwave_async_client):
    assert asyncio.run(use(airwave_async_client)) == 20
    assert asyncio.run(use(airwave_async_client)) == 40         # one loop after the other

def test_uvloop(airwave_async_client):
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        assert runner.run(use(airwave_async_client)) == 20

def test_who_closes_it_may_go_on(airwave_async_client):
    async def main():
        await use(airwave_async_client)
        await airwave_async_client.aclose()
        assert await use(airwave_async_client) == 40
    asyncio.run(main())

def test_who_does_not_use_it(airwave_async_client):
    pass

def test_with_a_task_that_is_left(airwave_async_client):
    async def main():
        asyncio.create_task(airwave_async_client.xread({"s": "$"}, block=0))
        await use(airwave_async_client)
    asyncio.run(main())

@pytest.fixture
def loop():
    # Begins before the client and ends behind it, as those of plugins may.
    with asyncio.Runner() as runner:
        yield runner

def test_a_loop_that_lives_longer(loop, airwave_async_client):
    assert loop.run(use(airwave_async_client)) == 20

@pytest.fixture
def busy():
    # A loop that runs in another thread all the time.
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    yield loop
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.run_until_complete(loop.shutdown_asyncgens())
    loop.close()

def test_a_loop_in_another_thread(busy, airwave_async_client):
    assert asyncio.run_coroutine_threadsafe(use(airwave_async_client), busy).result() == 20
""",
        test_anyio="""
import pytest

pytestmark = pytest.mark.anyio

@pytest.fixture(scope="module")
def anyio_backend():
    return "asyncio"

@pytest.fixture
async def seeded(airwave_async_client):
    await airwave_async_client.set("k", "v")

@pytest.mark.parametrize("turn", [1, 2])
async def test_anyio(seeded, airwave_async_client, turn):
    assert await airwave_async_client.keys() == [b"k"]
    assert await airwave_async_client.get("k") == b"v"
""",
    )
    pytester.runpytest_inprocess().assert_outcomes(passed=9)
