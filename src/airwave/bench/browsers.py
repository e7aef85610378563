"""The suite `browsers`: one channel to thousands of browsers, next to the same with Starlette, and to RESP clients.

Every contender has a server of its own on the server's core, and its clients stay connected for all rounds. Those that
are not measured have nothing to do.
"""

import select
import socket
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import replace
from importlib.metadata import version
from itertools import cycle
from time import perf_counter_ns

from airwave.bench.audience import (
    CHANNEL,
    HttpPublisher,
    Learned,
    Way,
    event_clients,
    learn,
    post_request,
    publish_request,
    resp_clients,
    subscribe_frame,
    websocket_clients,
)
from airwave.bench.contest import CPU, MEMORY, RATE, Contest, Contests, Opened, Target
from airwave.bench.load import LATE_NS_MAX, Crowd, Load, Publisher
from airwave.bench.model import Measure, Sample
from airwave.bench.paced import PAYLOAD, Listener, PacedPublisher, drive, percentile
from airwave.bench.plans import one_channel
from airwave.bench.program import Cores, Setup, airwave_argv, free_port
from airwave.bench.servers import Cost, Server, await_listening, started
from airwave.bench.wire import Address, close_all

NAME = "browsers"
APP = "airwave.bench.starlette_app"
CLIENTS = 2000
PUBLISHERS = 10
TARGET = 8.0
FIRST_CLIENTS = 10  # they pay for what a server has once
LISTENERS = 20
RATE_PER_S = 10.0

CONTENDERS = {
    "resp": "Airwave, RESP2",
    "sse": "Airwave, SSE",
    "ws": "Airwave, WebSocket",
    "starlette-sse": "Starlette, SSE (sse-starlette)",
    "starlette-ws": "Starlette, WebSocket",
}


@contextmanager
def _airwave(cores: Cores) -> Iterator[tuple[Server, Address]]:
    """An Airwave, and where it serves browsers. Pings and limits of requests are out of the way."""
    http = Address("127.0.0.1", free_port())

    def argv(setup: Setup) -> list[str]:
        options = {"http-port": str(http.port), "http-rate-limit": "0", "http-heartbeat": "3600"}
        return airwave_argv(setup) + [word for name, value in options.items() for word in (f"--{name}", value)]

    with started("airwave", argv, cores) as server:
        assert server.program is not None
        await_listening(server.program, http)
        yield server, http


def _starlette_argv(setup: Setup) -> list[str]:
    return [sys.executable, "-m", APP, str(setup.port)]


@contextmanager
def way(name: str, cores: Cores) -> Iterator[tuple[Server, Way]]:
    """Start a contender's server, and say how to get to it."""
    if name.startswith("starlette"):
        with started("starlette", _starlette_argv, cores) as server:
            at = server.address
            kinds = {
                "starlette-sse": lambda count: event_clients(at, "/events", count),
                "starlette-ws": lambda count: websocket_clients(at, "/ws", count),
            }
            yield server, Way(at, kinds[name], post_request, HttpPublisher)
    else:
        with _airwave(cores) as (server, http):
            kinds = {
                "resp": lambda count: resp_clients(server.address, count),
                "sse": lambda count: event_clients(http, f"/events?channel={CHANNEL.decode()}", count),
                "ws": lambda count: websocket_clients(http, "/ws", count, subscribe_frame()),
            }
            yield server, Way(server.address, kinds[name], publish_request, Publisher)


# --- deliveries per second --------------------------------------------------------------------------------------------

Measured = Callable[[str, Cores], AbstractContextManager[Measure]]


def _each(measured: Measured) -> Opened:
    """All contenders, connected for as long as it lasts."""

    @contextmanager
    def opened(cores: Cores) -> Iterator[Mapping[str, Measure]]:
        with ExitStack() as stack:
            yield {name: stack.enter_context(measured(name, cores)) for name in CONTENDERS}

    return opened


@contextmanager
def _audience(name: str, cores: Cores, clients: int) -> Iterator[tuple[Server, Way, list[socket.socket], Learned]]:
    """A contender's server with all its clients, and what they get."""
    with way(name, cores) as (server, reached):
        sockets = reached.connect(clients)
        try:
            yield server, reached, sockets, learn(reached, sockets, PAYLOAD)
        finally:
            close_all(sockets)


def fan_out(clients: int, publishers: int) -> Measured:
    """Publishers that wait for each answer, as fast as they can."""

    @contextmanager
    def measured(name: str, cores: Cores) -> Iterator[Measure]:
        with _audience(name, cores, clients) as (server, reached, sockets, learned):
            plan = replace(
                one_channel(clients, publishers),
                batches=lambda: cycle([reached.request(PAYLOAD)]),
                delivery_bytes=clients * len(learned.frame),
                reply_bytes=learned.reply_bytes,
            )
            with Load(reached.publish_at, plan, sockets, reached.publisher) as load:

                def measure(seconds: float) -> Sample:
                    cost = Cost(server)
                    done = load.run(seconds)
                    return _sample(cost, done.deliveries, done.seconds, done.load_busy)

                yield measure

    return measured


def one_by_one(clients: int) -> Measured:
    """A message goes out when everybody has the last one: nothing can be written together."""

    @contextmanager
    def measured(name: str, cores: Cores) -> Iterator[Measure]:
        with _audience(name, cores, clients) as (server, reached, sockets, learned):
            crowd, publisher = Crowd(sockets), reached.publisher(reached.publish_at, learned.reply_bytes)
            # Looking at all sockets while they are written to would make writing dearer.
            last = select.poll()
            last.register(sockets[-1], select.POLLIN)

            def measure(seconds: float) -> Sample:
                published, before_bytes, cost = 0, crowd.received_bytes, Cost(server)
                start_ns = perf_counter_ns()
                while (now_ns := perf_counter_ns()) < start_ns + seconds * 1e9:
                    publisher.send(reached.request(PAYLOAD))
                    published += 1
                    last.poll(LATE_NS_MAX / 1e6)
                    crowd.settle(before_bytes + published * clients * len(learned.frame), now_ns + LATE_NS_MAX)
                    publisher.finish(LATE_NS_MAX / 1e9)
                elapsed_s = (perf_counter_ns() - start_ns) / 1e9
                sample = _sample(cost, published * clients, elapsed_s, None)
                crowd.verify_quiet(before_bytes + published * clients * len(learned.frame))
                return sample

            with publisher.sock:
                yield measure

    return measured


def _sample(cost: Cost, deliveries: int, seconds: float, busy: float | None) -> Sample:
    cpu_us, waited_s = cost.cpu_us_per(deliveries), cost.waited_s()
    return Sample({RATE: deliveries / seconds}, seconds, deliveries, cpu_us, waited_s, busy)


# --- latency ----------------------------------------------------------------------------------------------------------


def latency(clients: int, listeners: int, rate_per_s: float) -> Measured:
    """A steady publisher; some of the clients are read at once, and take times."""

    @contextmanager
    def measured(name: str, cores: Cores) -> Iterator[Measure]:
        with _audience(name, cores, clients) as (server, reached, sockets, learned):
            # Spread over the order of subscription, which is the order in which a server delivers.
            step = clients // listeners
            heard = sockets[step // 2 :: step]
            rest = Crowd([sock for sock in sockets if sock not in heard])

            def measure(seconds: float) -> Sample:
                publisher = PacedPublisher(
                    reached.publish_at, rate_per_s, learned.reply_bytes, reached.request(PAYLOAD)
                )
                cost, before_bytes = Cost(server), rest.received_bytes
                with publisher.sock:
                    ears = [Listener(sock, publisher, learned.frame) for sock in heard]
                    busy = drive([publisher, *ears], rest, seconds)
                expected_bytes = before_bytes + publisher.published * (clients - len(heard)) * len(learned.frame)
                rest.settle(expected_bytes, perf_counter_ns() + LATE_NS_MAX)
                deliveries = publisher.published * clients
                cpu_us, waited_s = cost.cpu_us_per(deliveries), cost.waited_s()
                rest.verify_quiet(expected_bytes)
                times_ms = sorted(time_ns / 1e6 for ear in ears for time_ns in ear.times_ns)
                values = {"p50": percentile(times_ms, 0.5), "p99": percentile(times_ms, 0.99)}
                return Sample(values, seconds, deliveries, cpu_us, waited_s, busy)

            yield measure

    return measured


# --- memory -----------------------------------------------------------------------------------------------------------


def memory(clients: int) -> Measured:
    """What a client takes that has got a message and waits for the next, and the CPU time of its connecting.

    Each time on a new server: what one has given back is used again without growing.
    """

    @contextmanager
    def measured(name: str, cores: Cores) -> Iterator[Measure]:
        def measure(_: float) -> Sample:
            start_s = time.perf_counter()
            with way(name, cores) as (server, reached):
                sockets = reached.connect(FIRST_CLIENTS)
                try:
                    learn(reached, sockets, PAYLOAD)
                    before_bytes, cost = server.rss_bytes() or 0, Cost(server)
                    sockets += reached.connect(clients)
                    cpu_us, waited_s = cost.cpu_us_per(clients), cost.waited_s()
                    learn(reached, sockets, PAYLOAD)
                    grown_bytes = (server.rss_bytes() or 0) - before_bytes
                finally:
                    close_all(sockets)
            seconds = time.perf_counter() - start_s
            return Sample({MEMORY: grown_bytes / clients}, seconds, clients, cpu_us, waited_s)

        yield measure

    return measured


# --- the suite --------------------------------------------------------------------------------------------------------


def versions() -> dict[str, str]:
    """What runs beside Airwave, and under it."""
    beside = ("aiohttp", "starlette", "sse-starlette", "uvicorn", "httptools", "websockets")
    return {name: version(name) for name in beside}


def _targets(about: str, keys: Sequence[str], at_least: float | None) -> list[Target]:
    return [
        Target(f"{kind} of Airwave to Starlette's: {about}", ours, f"starlette-{ours}", key, at_least)
        for ours, kind in (("sse", "SSE"), ("ws", "WebSocket"))
        for key in keys
    ]


def _fan_out(name: str, about: str, publishers: int) -> Contest:
    targets = _targets(about, (RATE, CPU), TARGET)
    return Contest(name, about, CONTENDERS, _each(fan_out(CLIENTS, publishers)), targets)


SINGLY = f"{CLIENTS:,} clients, a message when all have the last one"
HEAVY = f"memory and CPU to connect, each of {CLIENTS:,} clients"
STEADY = f"{CLIENTS:,} clients, {RATE_PER_S:g} messages a second"

BROWSERS = Contests(
    NAME,
    "one channel to thousands of browsers, next to Starlette",
    "deliveries",
    [
        _fan_out("browsers-1", f"{CLIENTS:,} clients, 1 publisher waits for each reply", 1),
        _fan_out("browsers-10", f"{CLIENTS:,} clients, {PUBLISHERS} publishers wait for each reply", PUBLISHERS),
        Contest(
            "browsers-singly",
            SINGLY,
            CONTENDERS,
            _each(one_by_one(CLIENTS)),
            _targets(SINGLY, (RATE, CPU), None),
        ),
        Contest(
            "browsers-memory",
            HEAVY,
            CONTENDERS,
            _each(memory(CLIENTS)),
            _targets(HEAVY, (MEMORY, CPU), None),
        ),
        Contest(
            "browsers-latency",
            f"from due to received: {STEADY}",
            CONTENDERS,
            _each(latency(CLIENTS, LISTENERS, RATE_PER_S)),
            _targets(STEADY, ("p50", "p99"), None),
        ),
    ],
    ("aiohttp", "starlette", "sse_starlette", "uvicorn", "httptools", "websockets"),
    versions,
)
