"""Waits between attempts."""

import pytest

from airwave.bus.backoff import constant, exponential


def test_each_wait_is_longer_up_to_a_limit():
    wait_s = exponential(1.0, 60.0, jitter=0)
    assert [wait_s(attempts) for attempts in range(1, 9)] == [1, 2, 4, 8, 16, 32, 60, 60]
    assert wait_s(100_000) == 60


def test_another_factor():
    wait_s = exponential(0.5, 10, factor=3, jitter=0)
    assert [wait_s(attempts) for attempts in (1, 2, 3, 4)] == [0.5, 1.5, 4.5, 10]


def test_a_part_of_the_wait_is_drawn_by_lot():
    wait_s = exponential(8.0, 8.0, jitter=0.25)
    waits = {wait_s(1) for _ in range(200)}
    assert len(waits) > 100
    assert 6.0 <= min(waits) < 7.0 < max(waits) <= 8.0


def test_a_constant_wait():
    assert [constant(2.5)(attempts) for attempts in (1, 2, 50)] == [2.5, 2.5, 2.5]


@pytest.mark.parametrize(
    ("make", "error"),
    [
        (lambda: exponential(-1, 5), "0 <= first_s <= max_s, not -1 and 5"),
        (lambda: exponential(6, 5), "not 6 and 5"),
        (lambda: exponential(1, 5, factor=0.5), "factor must be at least 1, not 0.5"),
        (lambda: exponential(1, 5, jitter=2), "jitter must be between 0 and 1, not 2"),
        (lambda: constant(-1), "must not be negative: -1"),
    ],
)
def test_values_that_make_no_sense(make, error):
    with pytest.raises(ValueError, match=error):
        make()
