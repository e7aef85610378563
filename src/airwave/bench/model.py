"""What a benchmark is made of, and what it yields."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Literal

from airwave.bench.program import Appendfsync
from airwave.bench.servers import Server

Unit = Literal["per second", "bytes", "ms"]


@dataclass(frozen=True)
class Metric:
    """One row of the table.

    Attributes:
        key: names its value in a `Sample`.
        title: what the row says.
        unit: of the value.
        target: the ratio Airwave / Redis to reach: at least, or at most when `lower_is_better`. None: for information.
    """

    key: str
    title: str
    unit: Unit
    target: float | None
    lower_is_better: bool = False

    def met(self, ratio: float) -> bool | None:
        """Whether `ratio` reaches the target; None when there is none."""
        if self.target is None:
            return None
        return ratio <= self.target if self.lower_is_better else ratio >= self.target


@dataclass(frozen=True)
class Sample:
    """What one server did in one round.

    Attributes:
        values: by the metric's key.
        seconds: how long the measurement took.
        operations: what `cpu_us` is divided by: deliveries, entries, or requests where there are neither; 0: none.
        cpu_us: the server's CPU time per operation, in µs; None when it was not measured.
        waited_s: how long the server was ready to run but something else had its core: noise. None: not measured.
        load_busy: share of the time in which the load generator was busy, 0 to 1; None when there is no load.
    """

    values: dict[str, float]
    seconds: float
    operations: int = 0
    cpu_us: float | None = None
    waited_s: float | None = None
    load_busy: float | None = None


Measure = Callable[[float], Sample]
"""Measures for about that many seconds."""


@dataclass(frozen=True)
class Scenario:
    """A load that both servers get, in turn.

    Attributes:
        name: for `--only`.
        about: what is done, in a line or two.
        open: connects the load to a server for as long as the context lasts, and yields its `Measure`. The number is
            what `calibrate` found, or 0.
        calibrate: measures on the Redis side, before all rounds, the rate at which both sides are then driven.
        fresh: every measurement gets a server started for it.
        appendfsync: how the servers write to disk; None: not at all.
    """

    name: str
    about: str
    metrics: Sequence[Metric]
    open: Callable[[Server, float], AbstractContextManager[Measure]]
    calibrate: Callable[[Server], float] | None = None
    fresh: bool = False
    appendfsync: Appendfsync | None = None


Facts = dict[str, float | str | bool]


@dataclass(frozen=True)
class Check:
    """A load that Airwave must stand, without a comparison.

    Attributes:
        run: does it for about that many seconds and says what it saw; `"passed"` is the verdict.
        seconds: how long, unless the user says otherwise.
        appendfsync: how Airwave writes to disk; None: not at all.
        by_name_only: it takes minutes, so it is run only when it is asked for by its name.
    """

    name: str
    about: str
    run: Callable[[Server, float], Facts]
    seconds: float
    appendfsync: Appendfsync | None = None
    by_name_only: bool = False


@dataclass(frozen=True)
class Suite:
    """Loads that belong together, and whose results are kept in one file."""

    name: str
    about: str
    scenarios: Sequence[Scenario]
    checks: Sequence[Check]
