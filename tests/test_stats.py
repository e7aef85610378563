"""Counters and rates."""

import pytest

from airwave.stats import LAG_BOUNDS_MS, SAMPLES, Lag, Rate, Stats


def test_a_rate_is_the_mean_of_the_last_samples() -> None:
    rate = Rate()
    assert rate.per_second == 0
    rate.sample(0, 0)
    assert rate.per_second == 0
    rate.sample(100, 1_000_000_000)
    assert rate.per_second == pytest.approx(100)
    for second in range(2, 2 + SAMPLES):
        rate.sample(100, second * 1_000_000_000)
    assert rate.per_second == 0


def test_a_counter_that_begins_anew_gives_no_negative_rate() -> None:
    rate = Rate()
    rate.sample(1000, 0)
    rate.sample(0, 1_000_000_000)
    assert rate.per_second == 0


def test_a_clock_that_stands_still_is_no_division_by_zero() -> None:
    rate = Rate()
    rate.sample(1, 5)
    rate.sample(2, 5)
    assert rate.per_second == 0


def test_error_codes_have_a_bound() -> None:
    stats = Stats()
    for number in range(1000):
        stats.count_error(b"E%d" % number)
    stats.count_error(b"E1")
    assert len(stats.errors) == 128
    assert stats.errors[b"E1"] == 2
    stats.reset()
    assert stats.errors == {}


def test_lag_is_the_worst_of_the_last_samples_and_of_all() -> None:
    lag = Lag()
    assert lag.recent_ns == lag.worst_ns == 0
    lag.note(30_000_000)
    for _ in range(SAMPLES):
        lag.note(2_000_000)
    assert lag.recent_ns == 2_000_000
    assert lag.worst_ns == 30_000_000
    assert lag.total_ns == 30_000_000 + SAMPLES * 2_000_000


def test_a_timer_that_goes_off_early_is_not_late() -> None:
    lag = Lag()
    lag.note(-400_000)
    assert lag.worst_ns == lag.total_ns == 0
    assert lag.buckets[0] == 1


def test_a_bucket_holds_what_is_not_later_than_its_bound() -> None:
    lag = Lag()
    for bound_ms in LAG_BOUNDS_MS:
        lag.note(bound_ms * 1_000_000)
    lag.note(5_000_000_000)
    assert lag.buckets == [1] * (len(LAG_BOUNDS_MS) + 1)
