"""Rounds of contests are interleaved; what goes wrong ends in the result, or in one line before measuring."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import pytest

from airwave.bench import rounds
from airwave.bench.contest import RATE, Contest, Contests
from airwave.bench.errors import BenchError
from airwave.bench.model import Measure, Sample
from airwave.bench.program import Cores


@pytest.fixture(autouse=True)
def unpinned(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tests share the machine."""
    monkeypatch.setattr(Cores, "choose", staticmethod(lambda: Cores(None, None)))


def suite(*contests: Contest, needs: tuple[str, ...] = ()) -> Contests:
    return Contests("small", "small loads", "messages", contests, needs, lambda: {"Other": "7"})


def contest(name: str, order: list[str]) -> Contest:
    @contextmanager
    def opened(_: Cores) -> Iterator[Mapping[str, Measure]]:
        def by(contender: str) -> Measure:
            def measure(seconds: float) -> Sample:
                order.append(f"{contender} {seconds:g}")
                return Sample({RATE: 1.0}, seconds, 1)

            return measure

        yield {"a": by("a"), "b": by("b")}
        order.append("closed")

    return Contest(name, name, {"a": "A", "b": "B"}, opened, slice_s=0.5)


def test_rounds_and_turns_are_interleaved() -> None:
    order: list[str] = []
    result = rounds.run(suite(contest("one", order)), 2, 1.0, lambda _: None)
    warm_up = ["a 0.2", "b 0.2"]
    assert order == [*warm_up, *["a 0.5", "b 0.5", "b 0.5", "a 0.5"] * 2, "closed"]
    assert [len(samples) for samples in result.samples["one"].values()] == [2, 2]
    assert result.samples["one"]["a"][0].seconds == 1.0
    assert result.versions == {"Other": "7"}


def test_a_contest_that_fails_does_not_end_the_others() -> None:
    @contextmanager
    def broken(_: Cores) -> Iterator[Mapping[str, Measure]]:
        raise BenchError("lost: 5 bytes")
        yield

    said: list[str] = []
    both = suite(Contest("broken", "b", {}, broken), contest("one", []))
    result = rounds.run(both, 1, 0.1, said.append)
    assert result.failed == {"broken": "lost: 5 bytes"}
    assert list(result.samples) == ["one"]
    assert "broken: failed: lost: 5 bytes" in said


def test_what_is_missing_is_told_with_the_command_that_brings_it() -> None:
    with pytest.raises(BenchError, match=r"^--suite small needs no_such_module, .*pip install 'airwave\[web,bench\]'$"):
        rounds.run(suite(needs=("json", "no_such_module")), 1, 0.1, lambda _: None)


def test_names_are_chosen_and_checked() -> None:
    both = suite(contest("one", []), contest("two", []))
    assert [each.name for each in rounds.select(both, [])] == ["one", "two"]
    assert [each.name for each in rounds.select(both, ["two"])] == ["two"]
    with pytest.raises(BenchError, match=r"^there is no load named three: choose from one, two$"):
        rounds.select(both, ["two", "three"])
