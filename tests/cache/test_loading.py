"""Who loads, who waits, and who gets what, when several want the same value."""

import asyncio
import sys
import threading
from collections.abc import Awaitable, Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import ContextVar
from typing import Any

import pytest
from live import wait_for

from airwave.cache import Cache

from .conftest import Clock, MakeCache

DEADLINE_S = 30


class Database:
    """Answers when the test says so.

    Attributes:
        asked: one for each load that has begun; `set_result` or `set_exception` answers.
    """

    def __init__(self) -> None:
        self.asked: list[Future[Any]] = []

    def ask(self) -> Any:
        answer: Future[Any] = Future()
        self.asked.append(answer)
        return answer.result(DEADLINE_S)

    async def ask_async(self) -> Any:
        answer: Future[Any] = Future()
        self.asked.append(answer)
        return await asyncio.wrap_future(answer)


@pytest.fixture
def database() -> Database:
    return Database()


@pytest.fixture
def cache(alone: MakeCache) -> Cache:
    return alone()


@pytest.fixture
def threads() -> Any:
    with ThreadPoolExecutor(10) as pool:
        yield pool


def joined(cache: Cache, number: int) -> None:
    wait_for(lambda: cache.stats.joined == number, f"{number} callers to join")


async def turns() -> None:
    """Let all tasks do what they can."""
    for _ in range(5):
        await asyncio.sleep(0)


# --- threads ----------------------------------------------------------------------------------------------------------


def test_threads_share_a_load(cache: Cache, database: Database, threads: ThreadPoolExecutor) -> None:
    get = cache.cached("key")(database.ask)
    calls = [threads.submit(get) for _ in range(5)]
    joined(cache, 4)
    database.asked[0].set_result("value")
    assert [call.result(DEADLINE_S) for call in calls] == ["value"] * 5
    assert get() == "value"
    assert (cache.stats.hits, cache.stats.misses, cache.stats.loads) == (1, 5, 1)


def test_threads_share_an_error_which_is_not_kept(
    cache: Cache, database: Database, threads: ThreadPoolExecutor
) -> None:
    get = cache.cached("key")(database.ask)
    calls = [threads.submit(get) for _ in range(3)]
    joined(cache, 2)
    database.asked[0].set_exception(LookupError("gone"))
    for call in calls:
        with pytest.raises(LookupError, match="gone"):
            call.result(DEADLINE_S)
    again = threads.submit(get)
    wait_for(lambda: len(database.asked) == 2, "another load")
    database.asked[1].set_result("value")
    assert again.result(DEADLINE_S) == "value"
    assert not cache._store._loading


def test_who_calls_after_an_invalidation_does_not_join_the_load_from_before(
    cache: Cache, database: Database, threads: ThreadPoolExecutor
) -> None:
    get = cache.cached("key")(database.ask)
    before = [threads.submit(get) for _ in range(2)]
    joined(cache, 1)
    cache.invalidate("key")
    after = [threads.submit(get) for _ in range(2)]
    joined(cache, 2)
    database.asked[1].set_result("new")
    assert [call.result(DEADLINE_S) for call in after] == ["new", "new"]
    database.asked[0].set_result("old")
    assert [call.result(DEADLINE_S) for call in before] == ["old", "old"]
    assert get() == "new"
    assert cache.stats.discarded == 1


def test_the_end_of_one_thread_is_not_that_of_the_others(
    cache: Cache, database: Database, threads: ThreadPoolExecutor
) -> None:
    get = cache.cached("key")(database.ask)
    first = threads.submit(get)
    wait_for(lambda: database.asked, "the load")
    second = threads.submit(get)
    joined(cache, 1)
    database.asked[0].set_exception(KeyboardInterrupt())
    with pytest.raises(KeyboardInterrupt):
        first.result(DEADLINE_S)
    wait_for(lambda: len(database.asked) == 2, "the second thread to load")
    database.asked[1].set_result("value")
    assert second.result(DEADLINE_S) == "value"


def test_refresh_loads_whatever_is_there_or_under_way(
    cache: Cache, database: Database, threads: ThreadPoolExecutor, clock: Clock
) -> None:
    get = cache.cached("key")(database.ask)
    slow = threads.submit(get)
    wait_for(lambda: database.asked, "the load")
    clock.advance(0.1)
    fresh = threads.submit(get.refresh)
    wait_for(lambda: len(database.asked) == 2, "the other load")
    joins_the_newer = threads.submit(get)
    joined(cache, 1)
    database.asked[1].set_result("fresh")
    assert (fresh.result(DEADLINE_S), joins_the_newer.result(DEADLINE_S)) == ("fresh", "fresh")
    database.asked[0].set_result("slow")
    assert slow.result(DEADLINE_S) == "slow"
    assert get() == "fresh"


def test_a_coroutine_is_no_value(cache: Cache, database: Database) -> None:
    @cache.cached("key")
    def get() -> Awaitable[Any]:
        return database.ask_async()

    with pytest.raises(TypeError, match="what loads 'key' returned a coroutine: decorate the async function itself"):
        get()


# --- event loops ------------------------------------------------------------------------------------------------------


def test_tasks_share_a_load(cache: Cache, database: Database) -> None:
    get = cache.cached("key")(database.ask_async)

    async def main() -> None:
        calls = [asyncio.create_task(get()) for _ in range(5)]
        await turns()
        assert cache.stats.joined == 4
        database.asked[0].set_result("value")
        assert await asyncio.gather(*calls) == ["value"] * 5
        assert await get() == "value"

    asyncio.run(main())
    assert (cache.stats.hits, cache.stats.misses, cache.stats.loads) == (1, 5, 1)


def test_tasks_share_an_error_which_is_not_kept(cache: Cache, database: Database) -> None:
    get = cache.cached("key")(database.ask_async)

    async def main() -> None:
        calls = [asyncio.create_task(get()) for _ in range(3)]
        await turns()
        database.asked[0].set_exception(LookupError("gone"))
        assert [str(error) for error in await asyncio.gather(*calls, return_exceptions=True)] == ["gone"] * 3
        again = asyncio.create_task(get())
        await turns()
        database.asked[1].set_result("value")
        assert await again == "value"

    asyncio.run(main())
    assert not cache._store._loading


def test_cancelling_the_first_caller_does_not_fail_the_others(cache: Cache, database: Database) -> None:
    get = cache.cached("key")(database.ask_async)

    async def main() -> None:
        first, second = asyncio.create_task(get()), asyncio.create_task(get())
        await turns()
        first.cancel()
        await turns()
        assert first.cancelled()
        database.asked[0].set_result("value")
        assert await second == "value"

    asyncio.run(main())
    assert cache.stats.loads == 1


def test_when_the_last_caller_has_gone_the_load_is_cancelled(cache: Cache, database: Database) -> None:
    get = cache.cached("key")(database.ask_async)

    async def main() -> None:
        calls = [asyncio.create_task(get()) for _ in range(2)]
        await turns()
        for call in calls:
            call.cancel()
        await turns()
        assert database.asked[0].cancelled()
        assert not cache._store._loading
        again = asyncio.create_task(get())
        await turns()
        database.asked[1].set_result("value")
        assert await again == "value"

    asyncio.run(main())


@pytest.mark.parametrize("turns_before", [0, 1, 2, 3])
def test_cancelling_at_any_moment_leaves_nothing_behind(cache: Cache, database: Database, turns_before: int) -> None:
    get = cache.cached("key")(database.ask_async)

    async def main() -> None:
        call = asyncio.create_task(get())
        for _ in range(turns_before):
            await asyncio.sleep(0)
        call.cancel()
        await turns()
        assert call.cancelled()
        assert len(asyncio.all_tasks()) == 1

    asyncio.run(main())
    assert not cache._store._loading


def test_a_load_that_goes_on_after_it_was_cancelled_is_not_kept(cache: Cache) -> None:
    go_on = threading.Event()

    @cache.cached("key")
    async def stubborn() -> str:
        try:
            await asyncio.sleep(DEADLINE_S)
        except asyncio.CancelledError:
            while not go_on.is_set():
                await asyncio.sleep(0)
        return "old"

    async def main() -> None:
        call = asyncio.create_task(stubborn())
        await turns()
        call.cancel()
        await turns()
        cache.invalidate("key")
        go_on.set()
        await turns()

    asyncio.run(main())
    assert cache.stats.size == 0


def test_an_error_that_nobody_waits_for_is_not_complained_about(cache: Cache) -> None:
    problems: list[Any] = []

    @cache.cached("key")
    async def get() -> None:
        try:
            await asyncio.sleep(DEADLINE_S)
        except asyncio.CancelledError:
            raise LookupError from None

    async def main() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda _, context: problems.append(context))
        call = asyncio.create_task(get())
        await turns()
        call.cancel()
        await turns()

    asyncio.run(main())
    assert problems == []


def test_a_load_that_cancels_itself_cancels_its_callers(cache: Cache) -> None:
    @cache.cached("key")
    async def get() -> None:
        raise asyncio.CancelledError

    async def main() -> None:
        calls = [asyncio.create_task(get()) for _ in range(2)]
        await asyncio.wait(calls)
        assert all(call.cancelled() for call in calls)

    asyncio.run(main())


def test_who_calls_after_an_invalidation_does_not_join_the_task_from_before(cache: Cache, database: Database) -> None:
    get = cache.cached("key")(database.ask_async)

    async def main() -> None:
        before = asyncio.create_task(get())
        await turns()
        await cache.ainvalidate("key")
        after = asyncio.create_task(get())
        await turns()
        database.asked[0].set_result("old")
        database.asked[1].set_result("new")
        assert (await before, await after, await get()) == ("old", "new", "new")

    asyncio.run(main())


def test_every_event_loop_loads_for_itself(cache: Cache, database: Database, threads: ThreadPoolExecutor) -> None:
    get = cache.cached("key")(database.ask_async)
    sync_get = cache.cached("key")(database.ask)

    async def main() -> Any:
        return await get()

    calls = [threads.submit(lambda: asyncio.run(main())) for _ in range(2)]
    calls.append(threads.submit(sync_get))
    wait_for(lambda: len(database.asked) == 3, "three loads")
    for answer in database.asked:
        answer.set_result("value")
    assert [call.result(DEADLINE_S) for call in calls] == ["value"] * 3
    assert sync_get() == "value"


def test_a_loop_that_was_closed_over_a_load_is_forgotten(cache: Cache, database: Database) -> None:
    get = cache.cached("key")(database.ask_async)
    loop = asyncio.new_event_loop()
    task = loop.create_task(get())
    loop.run_until_complete(turns())
    load = next(iter(cache._loading._loops[loop].values())).task
    loop.close()
    assert cache._store._loading

    async def main() -> Any:
        call = asyncio.create_task(get())
        await turns()
        database.asked[1].set_result("value")
        return await call

    assert asyncio.run(main()) == "value"
    assert not cache._store._loading
    assert loop not in cache._loading._loops
    for left in task, load:  # asyncio complains of tasks that never end
        left._log_destroy_pending = False  # type: ignore[union-attr]
        left.get_coro().close()  # type: ignore[union-attr]


def test_the_loader_has_the_context_of_its_caller(cache: Cache) -> None:
    user: ContextVar[str] = ContextVar("user", default="nobody")

    @cache.cached("key")
    async def get() -> str:
        return user.get()

    async def main() -> str:
        user.set("alice")
        return await get()

    assert asyncio.run(main()) == "alice"


# --- loads within loads -----------------------------------------------------------------------------------------------


def test_a_loader_may_ask_for_other_values(cache: Cache) -> None:
    @cache.cached("factorial:{n}")
    def factorial(n: int) -> int:
        return n * factorial(n - 1) if n else 1

    assert factorial(20) == 2432902008176640000
    assert (factorial(19), cache.stats.loads) == (121645100408832000, 21)


def test_a_loader_that_asks_for_its_own_value_runs_again(cache: Cache) -> None:
    depth = 0

    @cache.cached("key")
    def get() -> str:
        nonlocal depth
        depth += 1
        return get() if depth < 3 else "value"

    assert get() == "value"
    assert depth == 3


def test_an_async_loader_that_asks_for_its_own_value_runs_again(cache: Cache) -> None:
    depth = 0

    @cache.cached("key")
    async def get() -> str:
        nonlocal depth
        depth += 1
        if depth < 3:
            return (await asyncio.gather(get(), asyncio.to_thread(lambda: asyncio.run(get_later()))))[0]
        return "value"

    async def get_later() -> str:
        return "later"

    assert asyncio.run(get()) == "value"  # type: ignore[arg-type]
    assert depth == 3


def test_endless_recursion_is_an_error(cache: Cache) -> None:
    @cache.cached("key")
    def own() -> Any:
        return own()

    @cache.cached("key:{n}")
    async def other(n: int) -> Any:
        return await other(n + 1)

    @cache.cached("async key")
    async def async_own() -> Any:
        return await async_own()

    with pytest.raises(RecursionError):
        own()
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(200)
    try:
        for get in async_own, lambda: other(0):
            with pytest.raises(RecursionError):
                asyncio.run(get())  # type: ignore[arg-type]
    finally:
        sys.setrecursionlimit(limit)
    assert not cache._store._loading


def test_threads_that_would_wait_for_each_other_do_not(cache: Cache, threads: ThreadPoolExecutor) -> None:
    both = threading.Barrier(2)

    met = threading.Event()

    def load(name: str, other: Callable[[], str]) -> str:
        if met.is_set():
            return name
        both.wait(DEADLINE_S)
        met.set()
        return f"{name}({other()})"

    @cache.cached("a")
    def a() -> str:
        return load("a", b)

    @cache.cached("b")
    def b() -> str:
        return load("b", a)

    results = [call.result(DEADLINE_S) for call in [threads.submit(a), threads.submit(b)]]
    assert sorted(results) in (["a(b(a))", "b(a)"], ["a(b)", "b(a(b))"])


def test_tasks_that_would_wait_for_each_other_do_not(cache: Cache, alone: MakeCache) -> None:
    other_cache = alone()
    depth = 0

    async def load(name: str, other: Callable[[], Awaitable[str]]) -> str:
        nonlocal depth
        depth += 1
        await turns()
        return f"{name}({await other()})" if depth <= 2 else name

    @cache.cached("a")
    async def a() -> str:
        return await load("a", b)

    @other_cache.cached("b")
    async def b() -> str:
        return await load("b", a)

    async def main() -> list[str]:
        return await asyncio.wait_for(asyncio.gather(a(), b()), DEADLINE_S)

    assert len(asyncio.run(main())) == 2


def test_a_task_that_a_loader_left_behind_may_wait_for_the_next_load(cache: Cache, database: Database) -> None:
    left: list[asyncio.Task[Any]] = []
    release = asyncio.Event()

    async def later() -> Any:
        await release.wait()
        return await get()

    @cache.cached("key")
    async def get() -> Any:
        if not left:
            left.append(asyncio.create_task(later()))
        return await database.ask_async()

    async def main() -> None:
        call = asyncio.create_task(get())
        await turns()
        database.asked[0].set_result("first")
        assert await call == "first"
        await cache.ainvalidate("key")
        call = asyncio.create_task(get())
        await turns()
        release.set()
        await turns()
        assert cache.stats.joined == 1
        database.asked[1].set_result("second")
        assert (await call, await left[0]) == ("second", "second")

    asyncio.run(main())
