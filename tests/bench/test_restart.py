"""A restart is timed to the first right answer, and nothing may be lost."""

from collections.abc import Iterator

import pytest

from airwave.bench import restart
from airwave.bench.entries import delete, key
from airwave.bench.errors import BenchError
from airwave.bench.program import Cores, redis_argv
from airwave.bench.servers import Server, started
from airwave.bench.wire import Address

UNPINNED = Cores(None, None)


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("ENTRIES", "ENTRIES_OPENED"):
        monkeypatch.setattr(restart, name, 2000)
    monkeypatch.setattr(restart, "STREAMS", 2)


@pytest.fixture
def durable(request: pytest.FixtureRequest) -> Iterator[Server]:
    """A fresh redis-server with a log on disk."""
    request.getfixturevalue("redis_installed")
    with started("redis-server", redis_argv, UNPINNED, "everysec") as server:
        yield server


def test_it_is_ended_and_started_each_time(durable: Server) -> None:
    with restart.restarts(durable, 0.0) as measure:
        samples = [measure(2.0) for _ in range(2)]
    for sample in samples:
        assert 0 < sample.values["restart"] < 60_000
        assert sample.operations == 2000
        assert (sample.cpu_us or 0) > 0


def test_what_was_seen_is_told(durable: Server) -> None:
    facts = restart.run(durable, 1.0)
    assert facts["passed"] is True
    assert facts["entries"] == 2000
    disk_mb, rss_mb = facts["disk_mb"], facts["rss_mb"]
    assert isinstance(disk_mb, float)
    assert isinstance(rss_mb, float)
    assert disk_mb > 0.1
    assert rss_mb > 1


def test_too_much_memory_is_not_passed(durable: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(restart, "OPENED_BYTES_MAX", 1000)
    assert restart.run(durable, 1.0)["passed"] is False


def test_lost_entries_are_detected(durable: Server) -> None:
    with restart.restarts(durable, 0.0) as measure:
        delete(durable.address, key())
        with pytest.raises(BenchError, match=r"answered b':0\\r\\n' after a restart, instead of 1,000 entries"):
            measure(1.0)


def test_a_server_in_memory_has_lost_all(redis: Server) -> None:
    with restart.restarts(redis, 0.0) as measure, pytest.raises(BenchError, match="after a restart, instead of"):
        measure(1.0)


def test_a_server_that_was_not_started_here_is_left_alone() -> None:
    elsewhere = Server("elsewhere", Address("127.0.0.1", 1), None)
    with (
        pytest.raises(BenchError, match="only a server that was started here can be restarted"),
        restart.restarts(elsewhere, 0.0),
    ):
        pass
