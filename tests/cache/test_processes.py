"""Forks, programs that end, and other processes."""

import contextlib
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from random import Random

import pytest
import redis
from live import DEADLINE_S, Node, wait_for

import airwave
from airwave.cache import Cache, loading

from .conftest import PATIENT, cache_threads

pytestmark = pytest.mark.usefixtures("with_servers")


def in_child(test: Callable[[], object]) -> None:
    """Run it in a forked child.

    Raises:
        AssertionError: it failed there; pytest shows the traceback among what was captured.
    """
    child = os.fork()
    if not child:
        code = 1
        try:
            signal.alarm(int(DEADLINE_S))
            test()
            code = 0
        except BaseException:
            sys.excepthook(*sys.exc_info())
        finally:
            os._exit(code)
    assert os.waitpid(child, 0)[1] == 0


@pytest.mark.parametrize("closed", [False, True])
def test_a_forked_child_has_an_empty_cache_and_a_connection_of_its_own(channel: str, closed: bool) -> None:
    with Node() as node, Cache(node.url, channel=channel, **PATIENT) as cache:
        get = cache.cached("key")(object)
        before = get()
        if closed:
            cache.close()

        def child() -> None:
            assert get() is not before
            if closed:
                assert not cache.stats.connected
                return
            assert cache.stats.loads == 1
            assert get() is get()
            assert len(cache_threads()) == 1
            cache.invalidate("key")
            cache.close()

        in_child(child)
        if not closed:
            wait_for(lambda: cache.stats.invalidations, "the child's message")
            assert get() is not before


def test_a_parent_that_was_killed_is_gone_for_the_server_though_its_child_lives(channel: str) -> None:
    with Node() as node, contextlib.closing(airwave.connect(node.url)) as client:
        until, end = os.pipe()
        parent = os.fork()
        if not parent:
            try:
                cache = Cache(node.url, channel=channel, **PATIENT)
                cache.wait_ready()
                if not os.fork():
                    os.close(end)
                    os.read(until, 1)
                    os._exit(0)
                os.kill(os.getpid(), signal.SIGKILL)
            finally:
                os._exit(1)
        os.close(until)
        try:
            assert os.waitpid(parent, 0)[1] == signal.SIGKILL
            wait_for(lambda: client.pubsub_numsub(channel) == [(channel.encode(), 0)], "the subscription to end")
        finally:
            os.close(end)


def test_a_forked_child_is_refused_the_engine_of_its_parent_but_keeps_its_promise(channel: str) -> None:
    with Cache("memory://cache-forks", channel=channel, **PATIENT) as cache:
        get = cache.cached("key")(object)
        before = get()

        def child() -> None:
            value = get()
            assert value is not before
            assert get() is value  # for as long as the bound
            with pytest.raises(redis.ConnectionError, match="in the process this one was forked from"):
                cache.invalidate("key")
            assert get() is not value
            cache.close()

        in_child(child)
        assert get() is before
        assert cache.stats.connected


def test_a_fork_while_another_thread_holds_the_locks(channel: str) -> None:
    held, release = threading.Event(), threading.Event()
    with Node() as node, Cache(node.url, channel=channel) as cache:
        inner = cache.cached("inner")(lambda: "value")
        outer = cache.cached("outer")(lambda: [inner()])
        outer()

        def hold() -> None:
            with loading._graph, cache._store.lock:
                held.set()
                release.wait(DEADLINE_S)

        holder = threading.Thread(target=hold)
        holder.start()
        try:
            held.wait(DEADLINE_S)
            in_child(outer)
        finally:
            release.set()
            holder.join()


def test_a_fork_while_other_threads_are_at_work(channel: str) -> None:
    stop = threading.Event()
    with Node() as node, Cache(node.url, channel=channel, **PATIENT) as cache:
        get = cache.cached("{number}")(lambda number: [number])

        @cache.cached("outer:{number}")
        def outer(number: int) -> list[int]:
            return get(number)

        def work() -> None:
            random = Random(1)
            while not stop.is_set():
                outer(random.randrange(5))
                cache._store.lost()

        workers = [threading.Thread(target=work) for _ in range(3)]
        for worker in workers:
            worker.start()
        try:
            for _ in range(10):
                in_child(lambda: outer(1))
        finally:
            stop.set()
            for worker in workers:
                worker.join()


PROGRAM = """
import sys, airwave
cache = airwave.Cache(sys.argv[1], stale_max=60)
cache.wait_ready(60)

@cache.cached("key")
def get():
    return "value"

print(get(), get(), cache.stats.hits)
"""


def test_a_program_that_does_not_close_it_ends_all_the_same(url: str, tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text(PROGRAM)
    command = [sys.executable, "-W", "error", "-X", "dev", str(program), url]
    run = subprocess.run(command, capture_output=True, text=True, timeout=DEADLINE_S, check=False)
    assert (run.stdout, run.stderr, run.returncode) == ("value value 1\n", "", 0)
