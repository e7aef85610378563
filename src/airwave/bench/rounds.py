"""Contests are held: rounds of all contenders, interleaved."""

import importlib.util
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime

from airwave.bench import machine
from airwave.bench.contest import Contest, Contests, joined, turns
from airwave.bench.errors import BenchError
from airwave.bench.model import Measure, Sample
from airwave.bench.program import Cores
from airwave.bench.quiet import quiet, where
from airwave.bench.servers import allow_open_files
from airwave.bench.standings import Standings

# 2,000 subscribers of five contenders, and a few more.
OPEN_FILES = 11_000
WARM_UP_S = 0.2


def run(
    suite: Contests, rounds: int, seconds: float, progress: Callable[[str], None], only: Sequence[str] = ()
) -> Standings:
    """Measure everything; what goes wrong in a contest is part of the result.

    Args:
        rounds: of each contender and contest.
        seconds: that each contender has in a round.
        only: names of contests; empty: all.

    Raises:
        BenchError: it cannot begin: something is not installed, or there is no such contest.
    """
    chosen = select(suite, only)
    for module in suite.needs:
        if importlib.util.find_spec(module) is None:
            raise BenchError(f"--suite {suite.name} needs {module}, which is missing: pip install 'airwave[web,bench]'")
    allow_open_files(OPEN_FILES)
    cores = Cores.choose()
    with quiet(cores):
        result = Standings(
            suite.name,
            datetime.now(UTC).isoformat(timespec="seconds"),
            machine.describe(where(cores)),
            suite.versions(),
            rounds,
            seconds,
        )
        for contest in chosen:
            try:
                result.samples[contest.name] = _hold(contest, cores, rounds, seconds, progress)
            except BenchError as error:
                progress(f"{contest.name}: failed: {error}")
                result.failed[contest.name] = str(error)
    return result


def select(suite: Contests, only: Sequence[str]) -> list[Contest]:
    """The contests of these names, in the order of the suite; without names all.

    Raises:
        BenchError: there is no such name.
    """
    names = [contest.name for contest in suite.contests]
    unknown = [name for name in only if name not in names]
    if unknown:
        raise BenchError(f"there is no load named {unknown[0]}: choose from {', '.join(names)}")
    return [contest for contest in suite.contests if not only or contest.name in only]


def _hold(
    contest: Contest, cores: Cores, rounds: int, seconds: float, progress: Callable[[str], None]
) -> dict[str, list[Sample]]:
    progress(f"{contest.name}: connecting")
    with contest.open(cores) as measures:
        for measure in measures.values():
            measure(WARM_UP_S)
        samples: dict[str, list[Sample]] = {name: [] for name in measures}
        for number in range(1, rounds + 1):
            progress(f"{contest.name}: round {number} of {rounds}")
            for name, sample in _round(contest, measures, seconds).items():
                samples[name].append(sample)
    return samples


def _round(contest: Contest, measures: Mapping[str, Measure], seconds: float) -> dict[str, Sample]:
    parts: dict[str, list[Sample]] = {name: [] for name in measures}
    for name, slice_s in turns(seconds, contest.slice_s, list(measures)):
        parts[name].append(measures[name](slice_s))
    return {name: joined(each) for name, each in parts.items()}
