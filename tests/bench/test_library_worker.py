"""One measurement of the suite `library`: every operation is really done, by who is in this process."""

from itertools import product

import pytest

import airwave
from airwave.bench import library_worker
from airwave.bench.library import OPERATIONS


@pytest.fixture(autouse=True)
def _closed() -> object:
    yield
    airwave.close("memory://bench")


# An engine's publish never waits: the suite leaves it out.
MEASURED = [
    pair for pair in product(["engine", "memory", "fakeredis"], OPERATIONS) if pair != ("engine", "publish-async")
]


@pytest.mark.parametrize(("contender", "operation"), MEASURED)
def test_operations_are_counted(contender: str, operation: str) -> None:
    done = library_worker.measure(contender, operation, 0.02, "memory://bench")
    assert done["operations"] > 0
    assert done["seconds"] > 0
    assert done["cpu_s"] > 0


def test_what_is_added_is_there_and_trimmed() -> None:
    with airwave.Engine("memory://bench") as engine:
        added = library_worker.xadd(engine, 0.05)
        assert 0 < engine.xlen(library_worker.STREAM) <= min(added, library_worker.MAXLEN + 100)


def test_all_operations_have_a_worker() -> None:
    assert set(OPERATIONS) == set(library_worker.SYNC) | set(library_worker.ASYNC)
