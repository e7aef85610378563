"""10,000 subscribers of one process: they connect, each gets every message, and the loop never stalls for long.

A stall is what a client sees from outside, in three phases: while the crowd connects, one after the other, when a
garbage collector has most to do (the longest SUBSCRIBE); while messages go to all of them, and while nothing happens
(the longest PING, without the time in which this process itself did not run). Beside it stands how long the server
was ready but something else had its core: a stall that this explains is no verdict on the server.
"""

import socket
import time
from collections.abc import Callable
from time import perf_counter_ns

from airwave.bench.load import LATE_NS_MAX, Crowd
from airwave.bench.model import Facts
from airwave.bench.paced import CHANNEL, Listener, PacedPublisher, Prober, drive, percentile, reply_bytes
from airwave.bench.servers import Server
from airwave.bench.wire import close_all, confirmation, connect, expect, request

SUBSCRIBERS = 10_000
PING_MEAN_NS = 1_000_000
MESSAGES_PER_S = 5
STALL_MS_MAX = 5.0

ABOUT = f"{SUBSCRIBERS:,} subscribers connect and get every message; the longest stall that a PING client sees"


def run(server: Server, seconds: float) -> Facts:
    """Connect the crowd, then publish to it for half of `seconds` and leave it alone for the other half.

    Returns:
        what was seen; times in ms, memory in bytes.

    Raises:
        BenchError: a connection failed or a message was lost.
    """
    before_bytes = server.rss_bytes()
    sockets: list[socket.socket] = []
    facts: Facts = {"subscribers": SUBSCRIBERS}
    try:
        facts |= _connect(server, sockets)
        after_bytes = server.rss_bytes()
        if after_bytes is not None and before_bytes is not None:
            facts["bytes_per_subscriber"] = round((after_bytes - before_bytes) / SUBSCRIBERS)
        crowd = Crowd(sockets)
        prober = Prober(server.address, PING_MEAN_NS)
        sockets.append(prober.sock)
        facts |= _stalls("publishing", server, prober, lambda: _publish(server, prober, crowd, seconds / 2))
        facts |= _stalls("idle", server, prober, lambda: _leave_alone(prober, seconds / 2))
    finally:
        close_all(sockets)
    facts["passed"] = "yes" not in (facts["publishing_stalled"], facts["idle_stalled"])
    return facts


def _connect(server: Server, sockets: list[socket.socket]) -> Facts:
    """Fills `sockets`."""
    argv, times_ms = (b"SUBSCRIBE", CHANNEL), []
    start_s = time.perf_counter()
    for _ in range(SUBSCRIBERS):
        sock = connect(server.address)
        sockets.append(sock)
        sent_s = time.perf_counter()
        sock.sendall(request(*argv))
        expect(sock, confirmation(argv))
        times_ms.append((time.perf_counter() - sent_s) * 1e3)
        sock.setblocking(False)
    return {
        "connect_s": round(time.perf_counter() - start_s, 2),
        "connecting_subscribe_ms_p99": round(percentile(sorted(times_ms), 0.99), 3),
        "connecting_subscribe_ms_max": round(max(times_ms), 3),
    }


def _publish(server: Server, prober: Prober, crowd: Crowd, seconds: float) -> Facts:
    publisher = PacedPublisher(server.address, MESSAGES_PER_S, reply_bytes(SUBSCRIBERS))
    with publisher.sock:
        drive([publisher, prober], crowd, seconds)
    expected_bytes = publisher.published * SUBSCRIBERS * len(Listener.FRAME)
    crowd.settle(expected_bytes, perf_counter_ns() + LATE_NS_MAX)
    crowd.verify_quiet(expected_bytes)
    return {"deliveries": publisher.published * SUBSCRIBERS}


def _leave_alone(prober: Prober, seconds: float) -> Facts:
    drive([prober], Crowd([]), seconds)
    return {}


def _stalls(phase: str, server: Server, prober: Prober, run_phase: Callable[[], Facts]) -> Facts:
    """Run a phase, and say how long PINGs took in it."""
    prober.times_ns.clear()
    before_s, start_s = server.waited_s(), time.perf_counter()
    facts = run_phase()
    waited_ms = ((server.waited_s() or 0.0) - (before_s or 0.0)) * 1e3
    waited_share = min(1.0, waited_ms / 1e3 / (time.perf_counter() - start_s))
    times_ms = sorted(time_ns / 1e6 for time_ns in prober.times_ns)
    p99_ms, max_ms = percentile(times_ms, 0.99), times_ms[-1]
    return {
        **facts,
        f"{phase}_pings": len(times_ms),
        f"{phase}_ping_ms_p99": round(p99_ms, 3),
        f"{phase}_ping_ms_max": round(max_ms, 3),
        f"{phase}_server_waited_ms": round(waited_ms, 3),
        f"{phase}_stalled": stalled(p99_ms, max_ms, waited_ms, waited_share),
    }


def stalled(p99_ms: float, max_ms: float, waited_ms: float, waited_share: float) -> str:
    """Whether the server stalled: "yes", "no", or that the machine was too busy to tell.

    Args:
        waited_ms: how long in all it was ready but something else had its core.
        waited_share: the same as a share of the time, 0 to 1.
    """
    if max_ms <= STALL_MS_MAX:
        return "no"
    # Some long PINGs may be due to noise; when many are long, noise only stretched them.
    if p99_ms * (1 - waited_share) > STALL_MS_MAX or max_ms - waited_ms > STALL_MS_MAX:
        return "yes"
    return "unclear: something else had the server's core"
