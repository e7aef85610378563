"""The benchmark: both servers side by side, in interleaved rounds."""

import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime

from airwave.bench import library, machine
from airwave.bench.browsers import BROWSERS
from airwave.bench.errors import BenchError
from airwave.bench.history import HISTORY
from airwave.bench.model import Check, Sample, Scenario
from airwave.bench.program import Appendfsync, Argv, Cores, airwave_argv, redis_argv
from airwave.bench.quiet import quiet, where
from airwave.bench.report import Checked, Comparison, Result
from airwave.bench.scenarios import PUBSUB
from airwave.bench.servers import Server, allow_open_files, running, started
from airwave.bench.streams import STREAMS

SUITES = [PUBSUB, STREAMS]
# These have other sides than Airwave and a Redis, or more; see `rounds`.
CONTESTS = [HISTORY, BROWSERS]

# The largest is `ping`: 5,000 subscribers of each side, and a few more.
OPEN_FILES = 11_000
WARM_UP_S = 0.3
MEMORY_FILESYSTEMS = {"tmpfs", "ramfs"}


@dataclass(frozen=True)
class Options:
    """What to run.

    Attributes:
        suite: name of the suite; None: all of them.
        only: names of scenarios and checks; empty: all that need not be asked for.
        rounds: how often each side is measured.
        seconds: how long one measurement lasts.
        check_seconds: how long a check lasts; None: as long as it wants.
        against: URL of the Redis to compare with; None: start redis-server.
        argv: how to start Airwave.
    """

    suite: str | None = None
    only: Sequence[str] = ()
    rounds: int = 5
    seconds: float = 2.0
    check_seconds: float | None = None
    against: str | None = None
    argv: Argv = airwave_argv


@dataclass(frozen=True)
class Bench:
    """Options that were looked at, and where it all runs."""

    options: Options
    cores: Cores
    scenarios: Sequence[Scenario]
    checks: Sequence[Check]
    progress: Callable[[str], None]

    @contextmanager
    def airwave(self, appendfsync: Appendfsync | None = None) -> Iterator[Server]:
        """A fresh Airwave."""
        with started("airwave", self.options.argv, self.cores, appendfsync) as server:
            yield server

    @contextmanager
    def redis(self, appendfsync: Appendfsync | None = None) -> Iterator[Server]:
        """A fresh redis-server, or the one to compare with."""
        if self.options.against is not None:
            yield running(self.options.against)
        else:
            with started("redis-server", redis_argv, self.cores, appendfsync) as server:
                yield server


def run(options: Options, progress: Callable[[str], None]) -> Result:
    """Run what `options` ask for and return every number.

    Args:
        progress: told, in a line, what is being done.

    Raises:
        BenchError: it cannot begin: not Linux, an unknown name, a missing program. What goes wrong later is part of
            the result.
    """
    if not sys.platform.startswith("linux"):
        raise BenchError("airwave bench measures with epoll and /proc: run it on Linux")
    scenarios, checks = select(options.suite, options.only)
    allow_open_files(OPEN_FILES)
    cores = Cores.choose()
    if cores.load is None:
        progress("only one core: server and load share it, nothing is pinned, and the figures say little")
    if options.against is not None:
        progress("the server at --against keeps its own settings and cores: for a fair ratio pin it as Airwave is")
    folder = tempfile.gettempdir()
    durable = any(one.appendfsync for one in scenarios) or any(one.appendfsync for one in checks)
    if durable and machine.filesystem(folder) in MEMORY_FILESYSTEMS:
        progress(f"{folder} is not on a disk, so syncing costs nothing: name a folder that is with TMPDIR")
    bench = Bench(options, cores, scenarios, checks, progress)
    with quiet(cores):
        result = Result(
            date=datetime.now(UTC).isoformat(timespec="seconds"),
            machine=machine.describe(where(cores)),
            sides=_sides(bench),
            rounds=options.rounds,
            seconds=options.seconds,
        )
        result.comparisons.extend(compare(bench, scenario) for scenario in scenarios)
        result.checks.extend(_check(bench, check) for check in checks)
    return result


def select(suite: str | None, only: Sequence[str]) -> tuple[list[Scenario], list[Check]]:
    """The scenarios and checks of these names, in the order of the tables.

    Args:
        suite: where they are looked for; None: in all suites.
        only: their names; empty: all, without the checks that must be asked for.

    Raises:
        BenchError: there is no such name.
    """
    suites = [one for one in SUITES if suite in {None, one.name}]
    if not suites:
        suite_names = [*(one.name for one in SUITES), *(one.name for one in CONTESTS), library.NAME]
        raise BenchError(f"there is no suite named {suite}: choose from {', '.join(suite_names)}")
    scenarios = [scenario for one in suites for scenario in one.scenarios]
    checks = [check for one in suites for check in one.checks]
    names = [scenario.name for scenario in scenarios] + [check.name for check in checks]
    unknown = [name for name in only if name not in names]
    if unknown:
        raise BenchError(f"there is no load named {unknown[0]}: choose from {', '.join(names)}")
    return (
        [scenario for scenario in scenarios if not only or scenario.name in only],
        [check for check in checks if check.name in only or (not only and not check.by_name_only)],
    )


def _sides(bench: Bench) -> dict[str, str]:
    """Name and version of both servers; also finds out whether they start at all, before anything takes long."""
    with bench.airwave() as ours, bench.redis() as theirs:
        return {"airwave": _product(ours, "Airwave"), "redis": _product(theirs, "Redis")}


def _product(server: Server, default: str) -> str:
    """Name and version, as its INFO has them. Redis's relatives say `redis_version` as well, so it comes last."""
    info = server.info()
    for name in ("Airwave", "Valkey", "Redis"):
        if number := info.get(f"{name.lower()}_version"):
            return f"{name} {number}"
    return default


def compare(bench: Bench, scenario: Scenario) -> Comparison:
    """Measure a scenario on both sides, A B A B; what goes wrong is in the result."""
    try:
        with ExitStack() as stack:
            rate_per_s = 0.0
            if scenario.calibrate is not None:
                bench.progress(f"{scenario.name}: finding the rate that Redis can sustain")
                with bench.redis(scenario.appendfsync) as server:
                    rate_per_s = scenario.calibrate(server)
            measure = _fresh if scenario.fresh else _lasting
            sides = measure(bench, scenario, rate_per_s, stack)
            ours, theirs = [], []
            for number in range(1, bench.options.rounds + 1):
                bench.progress(f"{scenario.name}: round {number} of {bench.options.rounds}")
                ours.append(sides[0](bench.options.seconds))
                theirs.append(sides[1](bench.options.seconds))
            return Comparison(scenario.name, scenario.about, scenario.metrics, rate_per_s, ours, theirs)
    except BenchError as error:
        bench.progress(f"{scenario.name}: failed: {error}")
        return Comparison(scenario.name, scenario.about, scenario.metrics, error=str(error))


Sides = tuple[Callable[[float], Sample], Callable[[float], Sample]]


def _lasting(bench: Bench, scenario: Scenario, rate_per_s: float, stack: ExitStack) -> Sides:
    """Both servers and their loads stay connected for all rounds; the one that is not measured has nothing to do."""
    servers = [stack.enter_context(side(scenario.appendfsync)) for side in (bench.airwave, bench.redis)]
    first, second = (stack.enter_context(scenario.open(server, rate_per_s)) for server in servers)
    for side in (first, second):
        side(WARM_UP_S)
    return first, second


def _fresh(bench: Bench, scenario: Scenario, rate_per_s: float, _: ExitStack) -> Sides:
    """A server is started for each measurement, and ended after it."""

    def airwave(seconds: float) -> Sample:
        with bench.airwave(scenario.appendfsync) as server, scenario.open(server, rate_per_s) as measure:
            return measure(seconds)

    def redis(seconds: float) -> Sample:
        with bench.redis(scenario.appendfsync) as server, scenario.open(server, rate_per_s) as measure:
            return measure(seconds)

    return airwave, redis


def _check(bench: Bench, check: Check) -> Checked:
    seconds = bench.options.check_seconds or check.seconds
    bench.progress(f"{check.name}: about {seconds:g} s")
    try:
        with bench.airwave(check.appendfsync) as server:
            return Checked(check.name, check.about, check.run(server, seconds))
    except BenchError as error:
        bench.progress(f"{check.name}: failed: {error}")
        return Checked(check.name, check.about, {}, str(error))
