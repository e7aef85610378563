"""Buckets: how much a client may ask for."""

import pytest

from airwave.settings import Settings
from airwave.web import limits
from airwave.web.limits import FAILURES_MAX, Buckets, Limits


class Clock:
    now_ns = 0

    def __call__(self) -> int:
        return self.now_ns

    def pass_s(self, seconds: float) -> None:
        self.now_ns += int(seconds * 1e9)


def test_a_bucket_is_emptied_and_fills_again() -> None:
    clock = Clock()
    buckets = Buckets(clock)
    assert [buckets.take("a", 2, 4) for _ in range(5)] == [True] * 4 + [False]
    assert buckets.take("b", 2, 4)
    clock.pass_s(0.5)
    assert [buckets.take("a", 2, 4) for _ in range(2)] == [True, False]
    clock.pass_s(100)
    assert [buckets.take("a", 2, 4) for _ in range(5)] == [True] * 4 + [False]


def test_buckets_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "BUCKETS_MAX", 3)
    buckets = Buckets(Clock())
    for name in "abcd":
        assert buckets.take(name, 1, 1)
    assert not buckets.take("d", 1, 1)
    assert buckets.take("a", 1, 1)  # forgotten


def test_the_rate_is_that_of_the_settings() -> None:
    clock, settings = Clock(), Settings()
    found = Limits(settings, clock)
    settings.http_rate_limit = 1
    assert [found.admits("a") for _ in range(11)] == [True] * 10 + [False]
    assert found.refused == 1
    settings.http_rate_limit = 0
    assert found.admits("a")


def test_sign_ins_may_fail_a_few_times() -> None:
    clock = Clock()
    found = Limits(Settings(), clock)
    for _ in range(FAILURES_MAX):
        assert found.may_sign_in("a")
        found.sign_in_failed("a")
    assert not found.may_sign_in("a")
    assert found.may_sign_in("b")
    clock.pass_s(11)
    assert found.may_sign_in("a")
