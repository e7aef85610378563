"""The loads on streams, what each must reach, and how each is measured."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import cycle

from airwave.bench import mixed, restart
from airwave.bench.entries import (
    add_batches,
    delete,
    entries_reply,
    entry_id,
    fill_known,
    key,
    read_reply,
    tidy,
    verify_length,
)
from airwave.bench.errors import BenchError
from airwave.bench.exchange import Batch, Exchange, Exchanged
from airwave.bench.model import Check, Measure, Metric, Sample, Scenario, Suite
from airwave.bench.program import Appendfsync
from airwave.bench.servers import Cost, Server
from airwave.bench.wake import CROWDS, READERS, Wake
from airwave.bench.wire import ask, connect, expect, request

WRITERS = 50
LENGTH_MAX = 100_000
ENTRIES = 100_000
COUNT = 100
READERS_AT_ONCE = 10
# Reading 100 entries takes a fast server little more than it takes this process to ask for them.
READ_PIPELINE = 4

Answers = Callable[[range], tuple[bytes, bytes]]
"""The request for these entries, and what it is answered with."""


def _sampled(server: Server, run: Callable[[float], Exchanged], seconds: float) -> Sample:
    """Run a load and say what it cost."""
    cost = Cost(server)
    done = run(seconds)
    cpu_us, waited_s = cost.cpu_us_per(done.operations), cost.waited_s()
    rate = {"rate": done.operations / done.seconds}
    return Sample(rate, done.seconds, done.operations, cpu_us, waited_s, done.load_busy)


def _adding(
    name: str,
    about: str,
    target: float,
    pipeline: int,
    *,
    length_max: int | None = None,
    appendfsync: Appendfsync | None = None,
) -> Scenario:
    """Writers append to one stream, which each measurement begins anew.

    Args:
        length_max: entries that it has from the beginning and must keep exactly; None: it begins empty, and grows.
    """

    @contextmanager
    def opened(server: Server, _: float) -> Iterator[Measure]:
        stream = key()
        options = () if length_max is None else (b"MAXLEN", b"=", b"%d" % length_max)
        batches = add_batches(stream, pipeline, *options)
        # Each begins at another place, so that they do not all send the same.
        sources = [cycle(batches[number:] + batches[:number]) for number in range(WRITERS)]

        def measure(seconds: float) -> Sample:
            if length_max is None:
                delete(server.address, stream)
            sample = _sampled(server, load.run, seconds)
            verify_length(server.address, stream, length_max or sample.operations)
            return sample

        if length_max is not None:
            fill_known(server.address, stream, length_max)
        try:
            with Exchange(server.address, sources, count_lines=True) as load:
                yield measure
        finally:
            tidy(server, stream)

    return Scenario(name, about, [Metric("rate", about, "per second", target)], opened, appendfsync=appendfsync)


def _blocks() -> list[range]:
    """All entries, as many together as are read at once."""
    return [range(first, first + COUNT) for first in range(1, ENTRIES + 1, COUNT)]


def _xrange(numbers: range) -> tuple[bytes, bytes]:
    asked = request(b"XRANGE", key(), entry_id(numbers[0]), b"+", b"COUNT", b"%d" % COUNT)
    return asked, entries_reply(numbers)


def _xread(numbers: range) -> tuple[bytes, bytes]:
    asked = request(b"XREAD", b"COUNT", b"%d" % COUNT, b"STREAMS", key(), entry_id(numbers[0] - 1))
    return asked, read_reply(key(), numbers)


def _reading(name: str, about: str, target: float, answers: Answers) -> Scenario:
    """Readers walk through one stream, each from a place of its own, again and again."""

    @contextmanager
    def opened(server: Server, _: float) -> Iterator[Measure]:
        fill_known(server.address, key(), ENTRIES)
        pairs = [answers(numbers) for numbers in _blocks()]
        _verify(server, pairs[len(pairs) // 2])
        batches = [
            Batch(b"".join(asked for asked, _ in group), sum(len(answer) for _, answer in group), COUNT * len(group))
            for group in (pairs[first : first + READ_PIPELINE] for first in range(0, len(pairs), READ_PIPELINE))
        ]
        step = len(batches) // READERS_AT_ONCE
        sources = [cycle(batches[first:] + batches[:first]) for first in range(0, step * READERS_AT_ONCE, step)]
        try:
            with Exchange(server.address, sources) as load:
                yield lambda seconds: _sampled(server, load.run, seconds)
        finally:
            tidy(server, key())

    return Scenario(name, about, [Metric("rate", about, "per second", target)], opened)


def _verify(server: Server, pair: tuple[bytes, bytes]) -> None:
    """See that a request is answered as it must be, to the byte."""
    asked, answer = pair
    with connect(server.address) as sock:
        sock.sendall(asked)
        expect(sock, answer)


def _group_walk(group: bytes) -> Iterator[Batch]:
    """What the one consumer of a group sends: it acknowledges what it has just got, and asks for what follows.

    At the end of the stream, when nothing is pending any more, the group goes back to the beginning.
    """
    stream = key()
    read = request(b"XREADGROUP", b"GROUP", group, b"alice", b"COUNT", b"%d" % COUNT, b"STREAMS", stream, b">")
    rewind = request(b"XGROUP", b"SETID", stream, group, b"0")
    acked, rewound = b":%d\r\n" % COUNT, b"+OK\r\n"
    blocks = _blocks()
    acks = [request(b"XACK", stream, group, *map(entry_id, numbers)) for numbers in blocks]
    got = len(read_reply(stream, blocks[0]))
    yield Batch(read, got, COUNT)
    middle = [Batch(ack + read, len(acked) + got, COUNT) for ack in acks[:-1]]
    end = Batch(acks[-1] + rewind + read, len(acked) + len(rewound) + got, COUNT)
    yield from cycle([*middle, end])


def _groups(name: str, about: str, target: float, appendfsync: Appendfsync | None = None) -> Scenario:
    """Consumers walk through one stream, each in a group of its own, again and again."""

    @contextmanager
    def opened(server: Server, _: float) -> Iterator[Measure]:
        fill_known(server.address, key(), ENTRIES)
        names = [b"group:%02d" % number for number in range(READERS_AT_ONCE)]
        with connect(server.address) as sock:
            for group in names:
                ask(sock, b"XGROUP", b"CREATE", key(), group, b"0")
        try:
            with Exchange(server.address, [_group_walk(group) for group in names]) as load:

                def measure(seconds: float) -> Sample:
                    sample = _sampled(server, load.run, seconds)
                    _verify_pending(server, names)
                    return sample

                yield measure
        finally:
            tidy(server, key())

    return Scenario(name, about, [Metric("rate", about, "per second", target)], opened, appendfsync=appendfsync)


def _verify_pending(server: Server, groups: list[bytes]) -> None:
    """See that every group has exactly what was read last pending: all before it was acknowledged."""
    with connect(server.address) as sock:
        for group in groups:
            pending = ask(sock, b"XPENDING", key(), group)
            if not isinstance(pending, list) or pending[0] != COUNT:
                raise BenchError(f"a group has other entries pending than those read last: {pending!r}")


@contextmanager
def _waking(server: Server, _: float) -> Iterator[Measure]:
    try:
        with Wake(server.address) as load:
            yield lambda seconds: _sampled(server, load.run, seconds)
    finally:
        tidy(server, *map(key, range(CROWDS)))


WAKE_ABOUT = f"one XADD wakes {READERS} clients blocked in XREAD; {CROWDS} streams with {READERS} each"
RESTART_ABOUT = f"restart with {restart.ENTRIES:,} entries on disk: time to the first answer"
LATENCY = f"delivery latency {{}} at {mixed.RATE_PER_S:,.0f} messages/s while others pipeline XADD, everysec"

SCENARIOS = [
    _adding("xadd-c50", f"XADD, {WRITERS} clients wait for each reply", 0.9, 1),
    _adding("xadd-p16", f"XADD, {WRITERS} clients pipeline 16", 0.7, 16),
    _adding(
        "xadd-maxlen",
        f"XADD MAXLEN = {LENGTH_MAX:,}, which is reached, {WRITERS} clients pipeline 16",
        1.2,
        16,
        length_max=LENGTH_MAX,
    ),
    _adding(
        "xadd-everysec",
        f"XADD, {WRITERS} clients pipeline 16, appendfsync everysec",
        0.7,
        16,
        appendfsync="everysec",
    ),
    _adding(
        "xadd-always",
        f"XADD, {WRITERS} clients wait for each reply, appendfsync always",
        0.9,
        1,
        appendfsync="always",
    ),
    _reading("xrange-100", f"XRANGE COUNT {COUNT} through {ENTRIES:,} entries, entries read", 3, _xrange),
    _reading("xread-100", f"XREAD COUNT {COUNT} through {ENTRIES:,} entries, entries read", 3, _xread),
    _groups("group-100", f"XREADGROUP COUNT {COUNT} and XACK of them, entries read", 2),
    _groups(
        "group-100-everysec",
        f"XREADGROUP COUNT {COUNT} and XACK of them, appendfsync everysec, entries read",
        1.5,
        "everysec",
    ),
    Scenario("wake-100", WAKE_ABOUT, [Metric("rate", WAKE_ABOUT, "per second", 1.2)], _waking),
    Scenario(
        "restart-2m",
        RESTART_ABOUT,
        [Metric("restart", RESTART_ABOUT, "ms", 0.2, lower_is_better=True)],
        restart.restarts,
        appendfsync="everysec",
    ),
    Scenario(
        "latency-durable",
        f"from due to received, {mixed.SUBSCRIBERS} subscribers, {mixed.WRITERS} clients pipeline {mixed.PIPELINE} "
        "XADD meanwhile, appendfsync everysec",
        [
            Metric("p50", LATENCY.format("p50"), "ms", None, lower_is_better=True),
            Metric("p99", LATENCY.format("p99"), "ms", 1.2, lower_is_better=True),
            Metric("added", "what these others add meanwhile", "per second", None),
        ],
        mixed.writing,
        appendfsync="everysec",
    ),
]

CHECKS = [Check("open10m", restart.ABOUT_OPEN, restart.run, 180.0, appendfsync="everysec", by_name_only=True)]

STREAMS = Suite("streams", "entries that are kept: adding, reading, groups, waking, restarting", SCENARIOS, CHECKS)
