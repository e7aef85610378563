"""Servers are started, recognised and ended, and errors say in one line what to do."""

import os
import resource
import sys
from pathlib import Path

import pytest

from airwave.bench.errors import BenchError
from airwave.bench.program import Cores, Setup, redis_argv
from airwave.bench.servers import Server, allow_open_files, running, started
from airwave.bench.wire import Address, ask, connect

UNPINNED = Cores(None, None)


def alive(pid: int) -> bool:
    """Whether there is such a process."""
    return Path(f"/proc/{pid}").exists()


@pytest.mark.usefixtures("redis_installed")
def test_it_is_ended_also_after_an_error() -> None:
    def fail() -> int:
        with started("redis-server", redis_argv, UNPINNED) as server:
            assert server.pid is not None
            pids.append(server.pid)
            assert alive(server.pid)
            raise RuntimeError("broken")

    pids: list[int] = []
    with pytest.raises(RuntimeError, match="broken"):
        fail()
    assert not alive(pids[0])


def test_cpu_and_memory_are_measured(redis: Server) -> None:
    before_s = redis.cpu_s()
    with connect(redis.address) as sock:
        ask(sock, b"PING")
        for _ in range(200):
            ask(sock, b"INFO")
    after_s = redis.cpu_s()
    assert before_s is not None
    assert after_s is not None
    assert after_s > before_s
    assert (redis.rss_bytes() or 0) > 1_000_000


def test_a_running_server_is_recognised_as_a_process_of_this_machine(redis: Server) -> None:
    found = running(f"redis://localhost:{redis.address.port}")
    assert found.pid == redis.pid
    assert found.address.host in {"127.0.0.1", "::1"}


def test_a_program_that_ends_at_once_is_reported_with_its_last_words() -> None:
    words = "print('starting'); raise SystemExit('no such option')"
    with (
        pytest.raises(BenchError, match=r"^airwave ended with code 1 at start: no such option$"),
        started("airwave", lambda _: [sys.executable, "-c", words], UNPINNED),
    ):
        pass


def test_a_missing_program_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    with (
        pytest.raises(BenchError, match=r"^cannot start airwave: No such file or directory \(/no/airwave\)$"),
        started("airwave", lambda _: ["/no/airwave"], UNPINNED),
    ):
        pass
    monkeypatch.setenv("PATH", "")
    with pytest.raises(BenchError, match="redis-server is not installed: install it, or compare with --against"):
        redis_argv(Setup(1, Path()))


@pytest.mark.parametrize("url", ["", "localhost", "http://localhost:6379", "redis://:1", "redis://h:99999"])
def test_an_unusable_url_is_reported(url: str) -> None:
    with pytest.raises(BenchError, match="--against needs a URL like redis://"):
        running(url)


def test_an_open_file_limit_that_is_too_low_is_reported() -> None:
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    if hard == resource.RLIM_INFINITY:
        pytest.skip("there is no limit of open files")
    with pytest.raises(BenchError, match="raise it with `ulimit -n"):
        allow_open_files(hard + 1)


def test_a_dead_server_has_no_memory() -> None:
    pid = os.spawnv(os.P_NOWAIT, sys.executable, [sys.executable, "-c", ""])
    os.waitpid(pid, 0)
    assert not Path(f"/proc/{pid}").exists()
    with pytest.raises(BenchError, match="has died"):
        Server("airwave", Address("127.0.0.1", 1), pid).rss_bytes()
