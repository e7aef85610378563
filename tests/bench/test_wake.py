"""Readers are blocked when an entry comes, each gets it, and they are blocked again afterwards."""

import pytest

from airwave.bench import wake
from airwave.bench.entries import key, verify_length
from airwave.bench.errors import BenchError
from airwave.bench.servers import Server
from airwave.bench.wake import Wake
from airwave.bench.wire import ask, connect

CROWDS, READERS = 2, 5


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wake, "CROWDS", CROWDS)
    monkeypatch.setattr(wake, "READERS", READERS)


def counted(server: Server) -> tuple[int, int]:
    """How many clients are blocked, and how often XADD was called."""
    with connect(server.address) as sock:
        text = b""
        for section in (b"clients", b"commandstats"):
            reply = ask(sock, b"INFO", section)
            assert isinstance(reply, bytes)
            text += reply
    lines = dict(line.split(":", 1) for line in text.decode().splitlines() if ":" in line)
    return int(lines["blocked_clients"]), int(lines["cmdstat_xadd"].split("calls=")[1].split(",")[0])


def test_one_entry_wakes_all_of_its_stream(redis: Server) -> None:
    with Wake(redis.address) as load:
        runs = [load.run(0.05) for _ in range(2)]
        blocked, added = counted(redis)
    assert sum(run.operations for run in runs) == added * READERS
    assert all(run.operations >= CROWDS * READERS and 0 < run.load_busy <= 1 for run in runs)
    assert blocked == CROWDS * READERS


def test_an_entry_from_elsewhere_is_detected(redis: Server) -> None:
    with Wake(redis.address) as load:
        load.run(0.02)
        with connect(redis.address) as stranger:
            ask(stranger, b"XADD", key(1), b"*", b"a", b"b")
        with pytest.raises(BenchError, match="unexpected reply"):
            load.run(0.02)


def test_a_run_begins_with_empty_streams(redis: Server) -> None:
    with Wake(redis.address) as load:
        load.run(0.01)
    with Wake(redis.address):
        verify_length(redis.address, key(0), 0)


def test_a_dead_reader_is_detected(redis: Server) -> None:
    with Wake(redis.address) as load:
        with connect(redis.address) as stranger:
            ask(stranger, b"CLIENT", b"KILL", b"TYPE", b"normal")
        with pytest.raises(BenchError, match=r"closed|dropped"):
            load.run(1)
