"""The open loop sends at its rate, and takes a time for each message and each PING."""

import pytest

from airwave.bench.errors import BenchError
from airwave.bench.load import Crowd
from airwave.bench.paced import CHANNEL, Listener, PacedPublisher, Prober, drive, percentile, reply_bytes
from airwave.bench.servers import Server
from airwave.bench.wire import close_all, subscribe_all


def test_every_message_and_ping_is_timed(redis: Server) -> None:
    sockets = subscribe_all(redis.address, [(b"SUBSCRIBE", CHANNEL)] * 4)
    publisher = PacedPublisher(redis.address, 1000, reply_bytes(4))
    prober = Prober(redis.address, 1_000_000)
    listeners = [Listener(sock, publisher) for sock in sockets[:2]]
    rest = Crowd(sockets[2:])

    busy = drive([publisher, prober, *listeners], rest, 0.1)

    # Messages are due at 0, 1, 2, … ms; how late the loop gets to them does not change their number by much.
    assert 1 <= publisher.published <= 101
    assert [len(listener.times_ns) for listener in listeners] == [publisher.published] * 2
    assert all(time_ns > 0 for listener in listeners for time_ns in listener.times_ns)
    assert prober.times_ns
    assert 0 < busy <= 1
    rest.verify_quiet(publisher.published * 2 * len(Listener.FRAME))
    close_all([*sockets, publisher.sock, prober.sock])


def test_percentiles() -> None:
    values = [float(value) for value in range(1, 101)]
    assert percentile(values, 0.5) == 51
    assert percentile(values, 0.99) == 100
    assert percentile([7.0], 0.99) == 7
    with pytest.raises(BenchError, match="nothing was measured"):
        percentile([], 0.5)
