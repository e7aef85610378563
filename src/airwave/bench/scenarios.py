"""The Pub/Sub loads, what each must reach, and how each is measured."""

import csv
import io
import resource
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager

from airwave.bench import crowd, flood
from airwave.bench.errors import BenchError
from airwave.bench.load import LATE_NS_MAX, Crowd, Load
from airwave.bench.model import Check, Measure, Metric, Sample, Scenario, Suite
from airwave.bench.paced import CHANNEL, Listener, PacedPublisher, Prober, Source, drive, percentile, reply_bytes
from airwave.bench.plans import Plan, one_channel, own_channels, patterns
from airwave.bench.servers import Cost, Server
from airwave.bench.wire import close_all, subscribe_all

CALIBRATE_S = 1.0
LISTENERS = 10
PING_MEAN_NS = 2_000_000
IDLE_SUBSCRIBERS = 5000
# redis-server 7.0 takes this long to give the buffers of idle clients back to the system: 9.8 KB per subscriber right
# after they subscribed, the same for 3 s, 1.9 KB after 12 s.
SETTLE_S = 14.0

Opened = Callable[[Server, float], AbstractContextManager[Measure]]


def _closed_loop(name: str, about: str, target: float, plan: Callable[[], Plan]) -> Scenario:
    @contextmanager
    def opened(server: Server, _: float) -> Iterator[Measure]:
        with Load(server.address, plan()) as load:

            def measure(seconds: float) -> Sample:
                cost = Cost(server)
                done = load.run(seconds)
                return Sample(
                    {"rate": done.deliveries / done.seconds},
                    done.seconds,
                    done.deliveries,
                    cost.cpu_us_per(done.deliveries),
                    cost.waited_s(),
                    done.load_busy,
                )

            yield measure

    return Scenario(name, about, [Metric("rate", about, "per second", target)], opened)


def _redis_benchmark(name: str, about: str, target: float, pipeline: int) -> Scenario:
    @contextmanager
    def opened(server: Server, _: float) -> Iterator[Measure]:
        rate = _benchmark(server, pipeline, 20_000)[0]

        def measure(seconds: float) -> Sample:
            requests = max(1000, int(rate * seconds))
            cost = Cost(server)
            per_second, busy = _benchmark(server, pipeline, requests)
            cpu_us, waited_s = cost.cpu_us_per(requests), cost.waited_s()
            return Sample({"rate": per_second}, requests / per_second, requests, cpu_us, waited_s, busy)

        yield measure

    return Scenario(name, about, [Metric("rate", about, "per second", target)], opened)


def _benchmark(server: Server, pipeline: int, requests: int) -> tuple[float, float]:
    """Run redis-benchmark; returns requests per second and the share of a core it used."""
    program = shutil.which("redis-benchmark")
    if program is None:
        raise BenchError("redis-benchmark is not installed: install redis, or leave this load out with --only")
    address = server.address
    argv = [program, "-h", address.host, "-p", str(address.port), "-c", "50", "-P", str(pipeline)]
    if address.password is not None:
        argv += ["-a", address.password] + (["--user", address.username] if address.username else [])
    argv += ["-n", str(requests), "--csv", "PUBLISH", "news:today", "x" * 32]
    before, start_s = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    done = subprocess.run(argv, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
    elapsed_s = time.perf_counter() - start_s
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    rows = list(csv.DictReader(io.StringIO(done.stdout)))
    if done.returncode or not rows:
        raise BenchError(f"redis-benchmark failed: {(done.stderr or done.stdout).strip().splitlines()[-1:]}")
    used_s = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return float(rows[0]["rps"]), min(1.0, used_s / elapsed_s)


@contextmanager
def _idle(server: Server, _: float) -> Iterator[Measure]:
    def measure(_: float) -> Sample:
        start_s = time.perf_counter()
        # The first few pay for tables and pools that a server has once.
        sockets = subscribe_all(server.address, [(b"SUBSCRIBE", CHANNEL)] * 10)
        try:
            before_bytes = _rss_bytes(server)
            sockets += subscribe_all(server.address, [(b"SUBSCRIBE", CHANNEL)] * IDLE_SUBSCRIBERS)
            fresh_bytes = _rss_bytes(server) - before_bytes
            # The one sleep that is a measurement: nothing tells from outside when a server has tidied up.
            time.sleep(SETTLE_S)
            settled_bytes = _rss_bytes(server) - before_bytes
        finally:
            close_all(sockets)
        values = {"fresh": fresh_bytes / IDLE_SUBSCRIBERS, "settled": settled_bytes / IDLE_SUBSCRIBERS}
        return Sample(values, time.perf_counter() - start_s)

    yield measure


def _rss_bytes(server: Server) -> int:
    rss_bytes = server.rss_bytes()
    if rss_bytes is None:
        raise BenchError("memory can be measured only of a server on this machine: leave it out with --only")
    return rss_bytes


def _half_of_sustainable(plan: Plan) -> Callable[[Server], float]:
    """Half the rate, in messages a second, at which a server can publish `plan` with its publishers never waiting."""

    def calibrate(server: Server) -> float:
        with Load(server.address, plan) as load:
            load.run(CALIBRATE_S / 4)
            done = load.run(CALIBRATE_S)
        return done.published / done.seconds / 2

    return calibrate


def paced(subscribers: int, take_times: "TakeTimes", listeners: int = 0) -> Opened:
    """A steady publisher and its subscribers, of which some are listeners: read at once, not lazily."""

    @contextmanager
    def opened(server: Server, rate_per_s: float) -> Iterator[Measure]:
        sockets = subscribe_all(server.address, [(b"SUBSCRIBE", CHANNEL)] * subscribers)
        try:
            # Spread over the order of subscription, which is the order in which a server delivers.
            step = subscribers // listeners if listeners else 0
            heard = sockets[step // 2 :: step] if listeners else []
            lazy = [sock for sock in sockets if sock not in heard]
            rest = Crowd(lazy)

            def measure(seconds: float) -> Sample:
                publisher = PacedPublisher(server.address, rate_per_s, reply_bytes(subscribers))
                cost, start_s, before_bytes = Cost(server), time.perf_counter(), rest.received_bytes
                with publisher.sock:
                    values, busy = take_times(server, publisher, heard, rest, seconds)
                expected_bytes = before_bytes + publisher.published * len(lazy) * len(Listener.FRAME)
                rest.settle(expected_bytes, time.perf_counter_ns() + LATE_NS_MAX)
                elapsed_s, deliveries = time.perf_counter() - start_s, publisher.published * subscribers
                cpu_us, waited_s = cost.cpu_us_per(deliveries), cost.waited_s()
                rest.verify_quiet(expected_bytes)
                return Sample(values, elapsed_s, deliveries, cpu_us, waited_s, busy)

            yield measure
        finally:
            close_all(sockets)

    return opened


TakeTimes = Callable[[Server, PacedPublisher, list[socket.socket], Crowd, float], tuple[dict[str, float], float]]
"""Drives the load for some seconds; returns the values and the load's busy share."""


def _ping_times(
    server: Server, publisher: PacedPublisher, _: list[socket.socket], rest: Crowd, seconds: float
) -> tuple[dict[str, float], float]:
    prober = Prober(server.address, PING_MEAN_NS)
    with prober.sock:
        busy = drive([publisher, prober], rest, seconds)
    return {"ping_p99": percentile(sorted(prober.times_ns), 0.99) / 1e6}, busy


def delivery_times(
    _: Server,
    publisher: PacedPublisher,
    heard: list[socket.socket],
    rest: Crowd,
    seconds: float,
    others: Sequence[Source] = (),
) -> tuple[dict[str, float], float]:
    """Percentiles of how long messages took to the subscribers of `heard`, in ms, and the load's busy share.

    Args:
        others: who else sends meanwhile.
    """
    listeners = [Listener(sock, publisher) for sock in heard]
    busy = drive([publisher, *listeners, *others], rest, seconds)
    times_ns = sorted(time_ns for listener in listeners for time_ns in listener.times_ns)
    return {"p50": percentile(times_ns, 0.5) / 1e6, "p99": percentile(times_ns, 0.99) / 1e6}, busy


SCENARIOS = [
    _closed_loop(
        "fanout-1000",
        "1,000 subscribers of one channel, 10 publishers wait for each reply",
        4.5,
        lambda: one_channel(1000, 10),
    ),
    _closed_loop("fanout-100", "100 subscribers, 1 publisher waits for each reply", 3, lambda: one_channel(100, 1)),
    _closed_loop("pipelined-100", "100 subscribers, 1 publisher pipelines 16", 1.8, lambda: one_channel(100, 1, 16)),
    _closed_loop(
        "pipelined-1k", "100 subscribers, 1 KiB, 1 publisher pipelines 16", 1.8, lambda: one_channel(100, 1, 16, 1024)
    ),
    _closed_loop(
        "channels-1000",
        "1,000 channels of one subscriber, 50 publishers pipeline 4",
        1.5,
        lambda: own_channels(1000, 50, 4),
    ),
    _redis_benchmark("publish", "PUBLISH without subscribers, 50 clients (redis-benchmark)", 0.95, 1),
    _redis_benchmark("publish-16", "PUBLISH without subscribers, 50 clients pipeline 16 (redis-benchmark)", 1.0, 16),
    _closed_loop(
        "patterns",
        "1,000 patterns, one matches; 1,000 recurring channels, 10 publishers pipeline 16",
        10,
        lambda: patterns(new_channels=False),
    ),
    _closed_loop(
        "patterns-new",
        "1,000 patterns, one matches; every channel is new, 10 publishers pipeline 16",
        2,
        lambda: patterns(new_channels=True),
    ),
    Scenario(
        "memory",
        f"growth of RSS over {IDLE_SUBSCRIBERS:,} subscribers of one channel, at once and {SETTLE_S:.0f} s later",
        [
            Metric("fresh", f"memory of an idle subscriber: RSS over {IDLE_SUBSCRIBERS:,}", "bytes", 0.5, True),
            Metric("settled", f"the same after {SETTLE_S:.0f} s without traffic", "bytes", None, True),
        ],
        _idle,
        fresh=True,
    ),
    Scenario(
        "ping",
        "PING of another client while messages go to 5,000 subscribers at half of Redis's rate",
        [Metric("ping_p99", "PING p99 while 5,000 subscribers are served", "ms", 0.2, lower_is_better=True)],
        paced(5000, _ping_times),
        _half_of_sustainable(one_channel(5000, 1)),
    ),
    Scenario(
        "latency",
        "from due to received at half of Redis's rate, 100 subscribers, 10 of them take times",
        [
            Metric("p50", "delivery latency p50 at half of Redis's rate", "ms", 1.1, lower_is_better=True),
            Metric("p99", "delivery latency p99 at half of Redis's rate", "ms", 1.1, lower_is_better=True),
        ],
        paced(100, delivery_times, LISTENERS),
        _half_of_sustainable(one_channel(100, 1, 16)),
    ),
]

CHECKS = [
    Check("flood", flood.ABOUT, flood.run, 60.0),
    Check("idle10k", crowd.ABOUT, crowd.run, 10.0),
]

PUBSUB = Suite("pubsub", "messages from publishers to subscribers", SCENARIOS, CHECKS)
