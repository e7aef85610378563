"""The suite `history`: what channels that remember cost, those who publish on them and those who do not.

That other channels cost nothing more is measured in one process whose rules are set and removed in turn: two processes
of the same program differ by more than what is looked for here. PUBLISH on a remembered channel is held against XADD
of the same message with the same limit, and stands beside what one would send to Redis: a transaction of both.
"""

import re
import shutil
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from itertools import count, cycle

from airwave.bench.contest import CPU, RATE, Contest, Contests, Opened, Target
from airwave.bench.entries import BATCHES, fields
from airwave.bench.errors import BenchError
from airwave.bench.exchange import ADDED_LINES, Batch, Exchange
from airwave.bench.load import Load
from airwave.bench.model import Measure, Sample
from airwave.bench.plans import Plan, one_channel
from airwave.bench.program import Appendfsync, Cores, airwave_argv, redis_argv
from airwave.bench.servers import Cost, Server, started
from airwave.bench.wire import Address, ask, connect, request

NAME = "history"
CLIENTS = 50
LENGTH_MAX = 10_000
SLICE_S = 0.25
# What is deferred to a thread, or to the next second, must be paid by the one who caused it.
DURABLE_SLICE_S = 1.0

KEPT = b"bench:kept"
PLAIN = b"plain:kept"  # no rule is for it
RULES = b"audit:* ttl 86400 orders:* maxlen 10000 user:*:inbox maxlen 100 ttl 3600 *:log maxlen 1000 bench:* maxlen %d"
RULES %= LENGTH_MAX
# The plan's channel is news:today.
RULES_FOR_NEWS = b"audit:* ttl 86400 news:* maxlen %d" % LENGTH_MAX


# --- channels that are not remembered ---------------------------------------------------------------------------------


def _ruled(plan: Callable[[], Plan], names: tuple[str, str], rules: bytes) -> Opened:
    """One server, with these rules for the first name, and without any for the second."""

    @contextmanager
    def opened(cores: Cores) -> Iterator[Mapping[str, Measure]]:
        with (
            started("airwave", airwave_argv, cores) as server,
            connect(server.address) as control,
            Load(server.address, plan()) as load,
        ):

            def under(setting: bytes) -> Measure:
                def measure(seconds: float) -> Sample:
                    ask(control, b"CONFIG", b"SET", b"remember", setting)
                    cost = Cost(server)
                    done = load.run(seconds)
                    return _sample(cost, done.published, done.seconds, done.load_busy)

                return measure

            yield {names[0]: under(rules), names[1]: under(b"")}

    return opened


def _sample(cost: Cost, operations: int, seconds: float, busy: float) -> Sample:
    cpu_us, waited_s = cost.cpu_us_per(operations), cost.waited_s()
    return Sample({RATE: operations / seconds}, seconds, operations, cpu_us, waited_s, busy)


def _not_remembered(name: str, about: str, at_least: float | None, plan: Callable[[], Plan]) -> Contest:
    return Contest(
        name,
        about,
        {"rules": "Airwave with five rules, none matches", "none": "Airwave without rules"},
        _ruled(plan, ("rules", "none"), RULES),
        [
            Target(f"with rules to without: {about}", "rules", "none", RATE),
            Target(f"with rules to without: {about}", "rules", "none", CPU, at_least),
        ],
        SLICE_S,
    )


def new_channels(publishers: int, pipeline: int) -> Plan:
    """Nobody subscribes, and each message goes to a channel that was never seen before."""
    payload, serials = b"x" * 32, count()

    def batches() -> Iterator[bytes]:
        while True:
            yield b"".join([request(b"PUBLISH", b"room:%010d" % next(serials), payload) for _ in range(pipeline)])

    return Plan((), publishers, pipeline, batches, 0, 0, len(b":0\r\n") * pipeline)


# --- channels that are ------------------------------------------------------------------------------------------------


def publishing(number: int) -> Batch:
    """A message to the remembered channel."""
    return Batch(request(b"PUBLISH", KEPT, fields(number)[1]), 1, 1)


def adding(number: int) -> Batch:
    """The same message as an entry."""
    argv = (b"XADD", PLAIN, b"MAXLEN", b"=", b"%d" % LENGTH_MAX, b"*", b"message", fields(number)[1])
    return Batch(request(*argv), ADDED_LINES, 1)


def both(number: int) -> Batch:
    """The transaction that does the same on Redis."""
    publish, add = publishing(number), adding(number)
    # OK, QUEUED twice, and the array's length, before the two replies.
    lines = 4 + publish.owed + add.owed
    return Batch(b"".join([request(b"MULTI"), publish.request, add.request, request(b"EXEC")]), lines, 1)


def _batches(make: Callable[[int], Batch], pipeline: int) -> list[Batch]:
    """Batches of different messages, to be sent in turn."""
    found = []
    for first in range(0, BATCHES * pipeline, pipeline):
        some = [make(number) for number in range(first, first + pipeline)]
        found.append(Batch(b"".join(one.request for one in some), sum(one.owed for one in some), pipeline))
    return found


def _kept(pipeline: int, appendfsync: Appendfsync | None) -> Opened:
    """An Airwave for PUBLISH and XADD, in turn, and a Redis if it is installed.

    With a log on disk there are two Airwaves, and one is always on the one on which the other is not: what one defers
    must not be paid by the other, and two processes of the same program may differ by more than the two commands.
    """

    @contextmanager
    def opened(cores: Cores) -> Iterator[Mapping[str, Measure]]:
        with ExitStack() as stack:
            airwaves = []
            for _ in range(1 if appendfsync is None else 2):
                server = stack.enter_context(started("airwave", airwave_argv, cores, appendfsync))
                with connect(server.address) as sock:
                    ask(sock, b"CONFIG", b"SET", b"remember", RULES)
                airwaves.append(server)
            measures = {
                "publish": stack.enter_context(_way(airwaves, publishing, KEPT, pipeline)),
                "xadd": stack.enter_context(_way(airwaves[::-1], adding, PLAIN, pipeline)),
            }
            if shutil.which("redis-server"):
                redis = stack.enter_context(started("redis-server", redis_argv, cores, appendfsync))
                measures["redis"] = stack.enter_context(_way([redis], both, PLAIN, pipeline))
            yield measures

    return opened


@contextmanager
def _way(servers: Sequence[Server], make: Callable[[int], Batch], stream: bytes, pipeline: int) -> Iterator[Measure]:
    """Clients that send the same to one server after the other, each time to the next."""
    batches = _batches(make, pipeline)
    sources = [cycle(batches[number:] + batches[:number]) for number in range(CLIENTS)]
    with ExitStack() as stack:
        loads = [stack.enter_context(Exchange(each.address, sources, count_lines=True)) for each in servers]
        turns = cycle(zip(servers, loads, strict=True))

        def measure(seconds: float) -> Sample:
            server, load = next(turns)
            before = _added(server.address, stream)
            cost = Cost(server)
            done = load.run(seconds)
            sample = _sample(cost, done.operations, done.seconds, done.load_busy)
            verify(server.address, stream, before + done.operations)
            return sample

        yield measure


def _added(address: Address, stream: bytes) -> int:
    """Entries that a stream ever had."""
    with connect(address) as sock:
        if not ask(sock, b"EXISTS", stream):
            return 0
        info = ask(sock, b"XINFO", b"STREAM", stream)
    assert isinstance(info, list)
    return int(info[info.index(b"entries-added") + 1])


def verify(address: Address, stream: bytes, expected: int) -> None:
    """See that every message became an entry, and that the limit was kept.

    Raises:
        BenchError: it is not so.
    """
    added = _added(address, stream)
    with connect(address) as sock:
        length = ask(sock, b"XLEN", stream)
    if added != expected or length != min(expected, LENGTH_MAX):
        raise BenchError(f"lost: the stream got {added:,} entries instead of {expected:,}, and has {length}")


def _remembered(name: str, about: str, pipeline: int, appendfsync: Appendfsync | None = None) -> Contest:
    return Contest(
        name,
        about,
        {
            "publish": "Airwave: PUBLISH, remembered",
            "xadd": "Airwave: XADD of the same",
            "redis": "Redis: MULTI, PUBLISH, XADD, EXEC",
        },
        _kept(pipeline, appendfsync),
        [
            Target(f"PUBLISH to XADD: {about}", "publish", "xadd", RATE),
            Target(f"PUBLISH to XADD: {about}", "publish", "xadd", CPU, 1.0),
            Target(f"PUBLISH to Redis's transaction: {about}", "publish", "redis", RATE),
            Target(f"PUBLISH to Redis's transaction: {about}", "publish", "redis", CPU),
        ],
        SLICE_S if appendfsync is None else DURABLE_SLICE_S,
    )


def versions() -> dict[str, str]:
    """What runs beside Airwave."""
    program = shutil.which("redis-server")
    if program is None:
        return {}
    said = subprocess.run([program, "--version"], capture_output=True, text=True, check=False).stdout
    number = re.search(r"v=([\d.]+)", said)
    return {"Redis": number[1] if number else "unknown"}


AT_LEAST = 0.98
WAITING, PIPELINED = f"{CLIENTS} clients wait for each reply", f"{CLIENTS} clients pipeline 16"
KEEPING = f"the last {LENGTH_MAX:,} are kept"

HISTORY = Contests(
    NAME,
    "channels that remember, and what they cost the others",
    "messages",
    [
        _not_remembered("plain", f"nobody subscribes, {WAITING}", AT_LEAST, lambda: one_channel(0, CLIENTS)),
        _not_remembered("plain-16", f"nobody subscribes, {PIPELINED}", AT_LEAST, lambda: one_channel(0, CLIENTS, 16)),
        _not_remembered(
            "plain-100", "100 subscribers, 10 clients wait for each reply", AT_LEAST, lambda: one_channel(100, 10)
        ),
        _not_remembered(
            "plain-100-16", "100 subscribers, 10 clients pipeline 16", AT_LEAST, lambda: one_channel(100, 10, 16)
        ),
        _not_remembered("plain-new", f"every channel is new, {PIPELINED}", None, lambda: new_channels(CLIENTS, 16)),
        _remembered("kept", f"{KEEPING}, {WAITING}", 1),
        _remembered("kept-16", f"{KEEPING}, {PIPELINED}", 16),
        _remembered("kept-everysec", f"{KEEPING}, {WAITING}, appendfsync everysec", 1, "everysec"),
        _remembered("kept-16-everysec", f"{KEEPING}, {PIPELINED}, appendfsync everysec", 16, "everysec"),
        Contest(
            "kept-100",
            "100 subscribers, 10 clients wait for each reply",
            {"kept": "Airwave: PUBLISH, remembered", "plain": "Airwave: PUBLISH, not remembered"},
            _ruled(lambda: one_channel(100, 10), ("kept", "plain"), RULES_FOR_NEWS),
            [
                Target("PUBLISH, remembered to not: 100 subscribers, 10 clients wait", "kept", "plain", by)
                for by in (RATE, CPU)
            ],
            SLICE_S,
        ),
    ],
    (),
    versions,
)
