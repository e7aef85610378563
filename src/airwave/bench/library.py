"""The suite `library`: what a Python program gets, by the way it reaches an engine.

Each measurement is a process of its own on the load's core; servers run on the other one. Rounds are interleaved: every
contender does an operation once, then all again.
"""

import importlib.util
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from statistics import median

from airwave.bench import machine, report
from airwave.bench.errors import BenchError
from airwave.bench.program import Cores, Setup, airwave_argv, redis_argv
from airwave.bench.servers import Server, started

NAME = "library"
FORMAT = 1
WORKER = "airwave.bench.library_worker"
DEADLINE_S = 60.0  # beyond the time of a measurement

OPERATIONS = {
    "publish": "PUBLISH without subscribers",
    "publish-async": "the same, awaited",
    "xadd": "XADD of two fields, trimmed to about 10,000",
    "round-trip": "a message to oneself: PUBLISH, then read it",
    "deliver": "messages from a task that publishes to one that subscribes",
}

CONTENDERS = {
    "engine": "airwave.Engine",
    "memory": "redis-py on memory://",
    "airwave": "redis-py to Airwave over TCP",
    "redis": "redis-py to redis-server over TCP",
    "fakeredis": "fakeredis",
    "fakeredis-tcp": "redis-py to fakeredis over TCP",
}

_NOT_OF_THE_ENGINE = {"publish-async"}  # its publish never waits


@dataclass(frozen=True)
class Target:
    """What must be reached: one contender's rate, as a multiple of another's or in operations per second."""

    about: str
    operation: str
    contender: str
    at_least: float
    of: str = ""


TARGETS = (
    Target("airwave.Engine to redis-py on memory://, PUBLISH", "publish", "engine", 10, "memory"),
    Target("airwave.Engine to redis-py on memory://, delivery", "deliver", "engine", 10, "memory"),
    Target("airwave.Engine, messages/s to an async subscriber", "deliver", "engine", 500_000),
    *(
        Target(f"redis-py on memory:// to redis-py over TCP, {about}", operation, "memory", 1, "airwave")
        for operation, about in OPERATIONS.items()
    ),
    Target("redis-py on memory:// to fakeredis, PUBLISH", "publish", "memory", 1, "fakeredis"),
    Target("redis-py on memory:// to fakeredis, XADD", "xadd", "memory", 1, "fakeredis"),
)


@dataclass
class Library:
    """One run of the suite.

    Attributes:
        rates: operations per second of each round, by operation and contender.
        cpu_us: CPU time of the client's process per operation, likewise; that of a server is not in it.
    """

    date: str
    machine: dict[str, str]
    rounds: int
    seconds: float
    rates: dict[str, dict[str, list[float]]] = field(default_factory=dict)
    cpu_us: dict[str, dict[str, list[float]]] = field(default_factory=dict)

    def rate(self, operation: str, contender: str) -> float | None:
        """The median; None: not measured."""
        rates = self.rates.get(operation, {}).get(contender)
        return median(rates) if rates else None

    def value(self, target: Target) -> float | None:
        """What was reached of a target; None: not measured."""
        rate = self.rate(target.operation, target.contender)
        if rate is None or not target.of:
            return rate
        other = self.rate(target.operation, target.of)
        return rate / other if other else None


def run(
    rounds: int, seconds: float, progress: Callable[[str], None], operations: Sequence[str] = tuple(OPERATIONS)
) -> Library:
    """Measure everything.

    Args:
        rounds: of each contender and operation.
        seconds: how long one measurement lasts.

    Raises:
        BenchError: a measurement failed.
    """
    cores = Cores.choose()
    where = "not pinned" if cores.load is None else f"servers on core {cores.server}, clients on core {cores.load}"
    result = Library(datetime.now(UTC).isoformat(timespec="seconds"), machine.describe(where), rounds, seconds)
    with _servers(cores, progress) as urls:
        for operation in operations:
            for number in range(1, rounds + 1):
                progress(f"{operation}: round {number} of {rounds}")
                for contender, url in urls.items():
                    if contender == "engine" and operation in _NOT_OF_THE_ENGINE:
                        continue
                    rate, cpu_us = _measure(cores, contender, operation, seconds, url)
                    result.rates.setdefault(operation, {}).setdefault(contender, []).append(rate)
                    result.cpu_us.setdefault(operation, {}).setdefault(contender, []).append(cpu_us)
    return result


@contextmanager
def _servers(cores: Cores, progress: Callable[[str], None]) -> Iterator[dict[str, str]]:
    """Start the servers; gives the URL of each contender that can be measured here, in their order."""
    urls = {"engine": "memory://bench", "memory": "memory://bench"}
    with ExitStack() as stack:
        urls["airwave"] = _url(stack.enter_context(started("airwave", airwave_argv, cores)))
        if shutil.which("redis-server"):
            urls["redis"] = _url(stack.enter_context(started("redis-server", redis_argv, cores)))
        else:
            progress("redis-server is not installed: it is left out")
        if importlib.util.find_spec("fakeredis"):
            urls["fakeredis"] = ""
            urls["fakeredis-tcp"] = _url(stack.enter_context(started("fakeredis", _fakeredis_argv, cores)))
        else:
            progress("fakeredis is not installed (airwave[compat] has it): it is left out")
        yield urls


def _fakeredis_argv(setup: Setup) -> list[str]:
    return [sys.executable, "-m", WORKER, "serve-fakeredis", str(setup.port)]


def _url(server: Server) -> str:
    return f"redis://{server.address.host}:{server.address.port}"


def _measure(cores: Cores, contender: str, operation: str, seconds: float, url: str) -> tuple[float, float]:
    """Operations per second, and µs of CPU per operation."""
    argv = [sys.executable, "-m", WORKER, contender, operation, str(seconds), url]
    try:
        done = subprocess.run(
            argv,
            capture_output=True,
            text=True,
            timeout=seconds + DEADLINE_S,
            check=False,
            preexec_fn=cores.pin_load,
            env=os.environ | {"PYTHONHASHSEED": "0"},
        )
        result = json.loads(done.stdout)
    except subprocess.TimeoutExpired:
        raise BenchError(f"{operation} by {CONTENDERS[contender]} does not end") from None
    except ValueError:
        last = done.stderr.strip().splitlines()[-1:] or ["no output"]
        raise BenchError(f"{operation} by {CONTENDERS[contender]}: {last[0]}") from None
    done_in_all = result["operations"]
    return done_in_all / result["seconds"], result["cpu_s"] * 1e6 / done_in_all


def save(result: Library, path: Path) -> None:
    """Write the JSON to `path`; see `report.write`."""
    report.write(json.dumps({"format": FORMAT, **asdict(result)}, indent=1) + "\n", path)


def from_json(text: str) -> Library:
    """What `save` wrote.

    Raises:
        BenchError: it is not that.
    """
    try:
        document = report.kept(text, FORMAT)
        return Library(**document)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise BenchError(f"not a result of airwave bench --suite library ({error})") from error


def table(result: Library) -> list[list[str]]:
    """The heading, then a line for each operation: medians of rates, and of the client's CPU time per operation."""
    contenders = [name for name in CONTENDERS if any(name in rates for rates in result.rates.values())]
    lines = [["operations/s (client CPU)", *(CONTENDERS[name] for name in contenders)]]
    for operation, about in OPERATIONS.items():
        if operation in result.rates:
            lines.append([about, *(_cell(result, operation, name) for name in contenders)])
    return lines


def _cell(result: Library, operation: str, contender: str) -> str:
    rate = result.rate(operation, contender)
    if rate is None:
        return "–"
    cpu_us = result.cpu_us.get(operation, {}).get(contender)
    return f"{rate / 1e3:,.1f} k" + (f" ({median(cpu_us):,.1f} µs)" if cpu_us else "")


def verdicts(result: Library) -> list[list[str]]:
    """Targets as a table: the heading, then what, measured, target, and whether it was met."""
    lines = [["target", "measured", "at least", ""]]
    for target in TARGETS:
        value = result.value(target)
        if value is not None:
            shown = f"{value:.2f}" if target.of else f"{value:,.0f}"
            verdict = "met" if value >= target.at_least else "missed"
            lines.append([target.about, shown, f"{target.at_least:,g}", verdict])
    return lines
