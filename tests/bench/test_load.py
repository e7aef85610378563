"""The load generator counts right, and says so when something is missing or too much."""

import os
import signal
import threading
from dataclasses import replace

import pytest

from airwave.bench import load as load_module
from airwave.bench.errors import BenchError
from airwave.bench.load import Load
from airwave.bench.plans import Plan, one_channel, own_channels, patterns
from airwave.bench.servers import Server
from airwave.bench.wire import ask, connect, request

SHORT_S = 0.05


def published(server: Server) -> int:
    """How many PUBLISH commands the server itself has counted."""
    with connect(server.address) as sock:
        stats = ask(sock, b"INFO", b"commandstats")
    assert isinstance(stats, bytes)
    line = next(line for line in stats.decode().splitlines() if line.startswith("cmdstat_publish:"))
    return int(line.partition("calls=")[2].partition(",")[0])


@pytest.mark.parametrize(
    ("plan", "audience"),
    [
        (one_channel(30, 3), 30),
        (one_channel(5, 1, 16, 1024), 5),
        (one_channel(1, 1), 1),
        (own_channels(20, 3, 4), 1),
        (own_channels(7, 2, 4), 1),
        (patterns(new_channels=False), 1),
        (patterns(new_channels=True), 1),
    ],
    ids=["one-channel", "pipelined-1k", "single", "own-channels", "uneven", "patterns", "patterns-new"],
)
def test_counts_what_the_server_counted(redis: Server, plan: Plan, audience: int) -> None:
    with Load(redis.address, plan) as load:
        runs = [load.run(SHORT_S) for _ in range(2)]
    assert sum(run.published for run in runs) == published(redis)
    for run in runs:
        assert run.published > 0
        assert run.deliveries == run.published * audience
        assert run.seconds >= SHORT_S
        assert 0 < run.load_busy <= 1


def test_missing_bytes_are_detected(redis: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(load_module, "LATE_NS_MAX", 100_000_000)
    plan = one_channel(5, 1)
    with (
        Load(redis.address, replace(plan, delivery_bytes=plan.delivery_bytes + 1)) as load,
        pytest.raises(BenchError, match=r"^lost: .* bytes never reached their subscribers"),
    ):
        load.run(SHORT_S)


def test_too_many_bytes_are_detected(redis: Server) -> None:
    plan = one_channel(5, 1)
    with (
        Load(redis.address, replace(plan, delivery_bytes=plan.delivery_bytes - 1)) as load,
        pytest.raises(BenchError, match="instead of"),
    ):
        load.run(SHORT_S)


def test_a_message_from_elsewhere_is_detected(redis: Server) -> None:
    with Load(redis.address, one_channel(5, 1)) as load:
        load.run(SHORT_S)
        with connect(redis.address) as stranger:
            assert ask(stranger, b"PUBLISH", b"news:today", b"!") == 5
        with pytest.raises(BenchError, match="instead of"):
            load.run(SHORT_S)


def test_a_lost_subscriber_is_detected(redis: Server) -> None:
    with Load(redis.address, one_channel(5, 1)) as load:
        with connect(redis.address) as stranger:
            assert ask(stranger, b"CLIENT", b"KILL", b"TYPE", b"pubsub") == 5
        with pytest.raises(BenchError, match=r"closed a subscriber's connection|unexpected reply to PUBLISH|dropped"):
            load.run(SHORT_S)


def test_an_error_reply_is_detected(redis: Server) -> None:
    plan = replace(one_channel(1, 1), batches=lambda: iter([request(b"PUBLISH", b"c")] * 1000))
    with Load(redis.address, plan) as load, pytest.raises(BenchError, match='unexpected reply to PUBLISH: b"-ERR'):
        load.run(SHORT_S)


def test_a_dead_server_is_detected(redis: Server) -> None:
    assert redis.pid is not None
    with Load(redis.address, one_channel(5, 1)) as load:
        killer = threading.Timer(0.1, os.kill, (redis.pid, signal.SIGKILL))
        killer.start()
        with pytest.raises(BenchError, match=r"closed|dropped"):
            load.run(30)
        killer.join()
