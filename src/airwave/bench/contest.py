"""Loads that more than two do, or others than Airwave and a Redis: each contender has a name of its own."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from math import inf
from statistics import median

from airwave.bench.model import Measure, Sample
from airwave.bench.program import Cores

RATE, CPU, MEMORY = "rate", "cpu", "memory"
Samples = Mapping[str, Sequence[Sample]]
"""What each contender did, round by round."""


@dataclass(frozen=True)
class Target:
    """How many times as good one contender is as another: more per second, or less CPU, memory or time.

    Attributes:
        about: what the row says.
        by: `RATE`, `CPU`, `MEMORY`, or the key of a time in the samples' values.
        at_least: what must be reached; None: for information.
    """

    about: str
    contender: str
    of: str
    by: str
    at_least: float | None = None

    def value(self, samples: Samples) -> float | None:
        """What was reached: the median over the rounds of the ratio within a round. None: it was not measured.

        What else the machine does changes from round to round more than within one, where contenders take turns.
        """
        pairs = zip(samples.get(self.contender, ()), samples.get(self.of, ()), strict=False)
        ratios = [ratio for one, other in pairs if (ratio := self._ratio(one, other)) is not None]
        return median(ratios) if ratios else None

    def _ratio(self, one: Sample, other: Sample) -> float | None:
        ours, theirs = value_of(one, self.by), value_of(other, self.by)
        if ours is None or theirs is None:
            return None
        better, worse = (ours, theirs) if self.by == RATE else (theirs, ours)
        return better / worse if worse else inf


def value_of(sample: Sample, key: str) -> float | None:
    """A value, or the CPU time per operation in µs; None: it was not measured."""
    return sample.cpu_us if key == CPU else sample.values.get(key)


def middle(samples: Sequence[Sample], key: str) -> float | None:
    """The median of a value over all rounds; None: it was not measured."""
    known = [value for sample in samples if (value := value_of(sample, key)) is not None]
    return median(known) if known else None


Opened = Callable[[Cores], AbstractContextManager[Mapping[str, Measure]]]
"""Starts servers and connects loads for as long as the context lasts, and yields how each contender is measured."""


@dataclass(frozen=True)
class Contest:
    """One load.

    Attributes:
        name: for `--only`.
        about: what is done.
        contenders: who does it: names, and what tables call them.
        slice_s: contenders take turns after so many seconds within a round; `inf`: a round has one turn of each.
    """

    name: str
    about: str
    contenders: Mapping[str, str]
    open: Opened
    targets: Sequence[Target] = ()
    slice_s: float = inf


@dataclass(frozen=True)
class Contests:
    """Loads that belong together, and whose results are kept in one file.

    Attributes:
        operation: what is counted.
        needs: modules that the extras bring; without them it cannot begin.
        versions: tells what ran beside Airwave, name to version.
    """

    name: str
    about: str
    operation: str
    contests: Sequence[Contest]
    needs: Sequence[str]
    versions: Callable[[], dict[str, str]]


def turns(seconds: float, slice_s: float, names: Sequence[str]) -> Iterator[tuple[str, float]]:
    """Who has how many seconds, one after the other: forwards, then backwards, so that what drifts hits all alike."""
    count = max(1, round(seconds / slice_s))
    for number in range(count):
        for name in names if number % 2 == 0 else reversed(names):
            yield name, seconds / count


def joined(parts: Sequence[Sample]) -> Sample:
    """The turns of one contender in one round, as one sample."""
    if len(parts) == 1:
        return parts[0]
    seconds = sum(part.seconds for part in parts)
    operations = sum(part.operations for part in parts)
    return Sample(
        {RATE: operations / seconds},
        seconds,
        operations,
        _sum([None if part.cpu_us is None else part.cpu_us * part.operations / operations for part in parts]),
        _sum([part.waited_s for part in parts]),
        _sum([None if part.load_busy is None else part.load_busy * part.seconds / seconds for part in parts]),
    )


def _sum(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) if len(known) == len(values) else None
