"""Contests: whose turn it is, how turns become a round, and what a target says of it."""

import pytest

from airwave.bench.contest import CPU, RATE, Target, joined, middle, turns
from airwave.bench.model import Sample


def test_turns_go_forwards_and_backwards_so_that_drift_hits_all_alike() -> None:
    assert [*turns(1.0, 0.25, ["a", "b"])] == [(name, 0.25) for name in "abbaabba"]
    assert [*turns(0.1, 0.25, ["a", "b"])] == [("a", 0.1), ("b", 0.1)]
    assert [*turns(2.0, float("inf"), ["a", "b", "c"])] == [("a", 2.0), ("b", 2.0), ("c", 2.0)]


def test_turns_are_joined_by_what_they_did() -> None:
    one = Sample({RATE: 100.0}, 1.0, 100, cpu_us=2.0, waited_s=0.1, load_busy=0.2)
    other = Sample({RATE: 100.0}, 3.0, 300, cpu_us=4.0, waited_s=0.3, load_busy=0.6)
    both = joined([one, other])
    assert both.values == {RATE: 100.0}
    assert (both.seconds, both.operations) == (4.0, 400)
    assert both.cpu_us == pytest.approx(3.5)
    assert both.waited_s == pytest.approx(0.4)
    assert both.load_busy == pytest.approx(0.5)
    assert joined([one]) is one


def test_what_was_not_measured_in_one_turn_is_not_known_of_the_round() -> None:
    parts = [Sample({RATE: 1.0}, 1.0, 1, cpu_us=2.0), Sample({RATE: 1.0}, 1.0, 1)]
    assert joined(parts).cpu_us is None


def test_a_target_tells_how_many_times_as_good_one_is() -> None:
    samples = {
        "quick": [Sample({RATE: 1000.0, "p50": 1.0}, 1.0, cpu_us=1.0)] * 3,
        "slow": [Sample({RATE: 100.0, "p50": 4.0}, 1.0, cpu_us=8.0)] * 3,
    }
    assert Target("", "quick", "slow", RATE).value(samples) == 10
    assert Target("", "quick", "slow", CPU).value(samples) == 8
    assert Target("", "slow", "quick", "p50").value(samples) == 0.25
    assert Target("", "quick", "nobody", RATE).value(samples) is None
    assert Target("", "quick", "slow", "p99").value(samples) is None
    assert middle([], CPU) is None


def test_rounds_are_compared_with_themselves() -> None:
    rates = {"a": (100.0, 10.0, 1000.0), "b": (50.0, 5.0, 1.0)}  # a machine that changes its speed
    samples = {name: [Sample({RATE: rate}, 1.0) for rate in each] for name, each in rates.items()}
    assert Target("", "a", "b", RATE).value(samples) == 2
    assert middle(samples["a"], RATE) == 100


def test_nothing_divides_by_zero() -> None:
    samples = {"a": [Sample({RATE: 1.0}, 1.0)], "b": [Sample({RATE: 0.0}, 1.0)]}
    assert Target("", "a", "b", RATE).value(samples) == float("inf")
