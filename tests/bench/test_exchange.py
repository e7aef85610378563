"""The closed loop counts right, and says so when a reply is missing, too much, or an error."""

import os
import signal
import threading
from itertools import cycle, repeat

import pytest

from airwave.bench import exchange as exchange_module
from airwave.bench.entries import add_batches, adding, key, verify_length
from airwave.bench.errors import BenchError
from airwave.bench.exchange import Batch, Exchange
from airwave.bench.servers import Server
from airwave.bench.wire import request

SHORT_S = 0.05
PING = Batch(request(b"PING"), len(b"+PONG\r\n"), 1)


@pytest.mark.parametrize(("clients", "pipeline"), [(1, 1), (5, 1), (3, 16)])
def test_counts_what_the_server_has(redis: Server, clients: int, pipeline: int) -> None:
    sources = [cycle(add_batches(key(), pipeline)) for _ in range(clients)]
    with Exchange(redis.address, sources, count_lines=True) as exchange:
        runs = [exchange.run(SHORT_S) for _ in range(2)]
    verify_length(redis.address, key(), sum(run.operations for run in runs))
    for run in runs:
        assert run.operations > 0
        assert run.operations % pipeline == 0
        assert run.seconds >= SHORT_S
        assert 0 < run.load_busy <= 1


def test_it_ends_with_its_sources(redis: Server) -> None:
    with Exchange(redis.address, [repeat(PING, 7), repeat(PING, 0), repeat(PING, 5)]) as exchange:
        assert exchange.run().operations == 12
        assert exchange.run().operations == 0


def test_an_error_is_detected_wherever_it_is(redis: Server) -> None:
    good, bad = adding(key(), 1), request(b"XADD", key(), b"*")
    for together in (bad, good + bad, good + bad + good):
        batch = Batch(together, 2 * together.count(b"XADD"), 1)
        with (
            Exchange(redis.address, [cycle([batch])], count_lines=True) as exchange,
            pytest.raises(BenchError, match="unexpected reply: "),
        ):
            exchange.run(SHORT_S)


def test_too_many_bytes_are_detected(redis: Server) -> None:
    with (
        Exchange(redis.address, [repeat(Batch(PING.request, PING.owed - 1, 1))]) as exchange,
        pytest.raises(BenchError, match="unexpected reply: "),
    ):
        exchange.run(SHORT_S)


def test_a_missing_reply_is_detected(redis: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exchange_module, "LATE_NS_MAX", 50_000_000)
    with (
        Exchange(redis.address, [repeat(Batch(PING.request, PING.owed + 1, 1))]) as exchange,
        pytest.raises(BenchError, match=r"^lost: 1 clients wait for replies that never came$"),
    ):
        exchange.run(SHORT_S)


def test_a_dead_server_is_detected(redis: Server) -> None:
    assert redis.pid is not None
    with Exchange(redis.address, [repeat(PING), repeat(PING)]) as exchange:
        killer = threading.Timer(0.1, os.kill, (redis.pid, signal.SIGKILL))
        killer.start()
        with pytest.raises(BenchError, match=r"closed|dropped"):
            exchange.run(30)
        killer.join()
