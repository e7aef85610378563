import logging

import pytest

from airwave.cache.store import FOREVER_S, MISSING, Store
from airwave.cache.watch import Watch

from .conftest import Clock

STALE_MAX_S = 8.0


class Watched:
    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.store = Store(10, STALE_MAX_S, clock)
        self.watch = Watch(self.store, "me", STALE_MAX_S, clock)
        self.watch.opened()

    def subscribed(self) -> "Watched":
        self.watch.hear("subscribe", b"1")
        return self

    def put(self, key: str) -> None:
        load = self.store.begin(key, ())
        self.store.keep(load, "value", FOREVER_S)
        self.store.end(load)

    def has(self, key: str) -> bool:
        return self.store.find(key) is not MISSING


@pytest.fixture
def watched(clock: Clock) -> Watched:
    return Watched(clock)


def test_a_question_four_times_in_the_bound(watched: Watched, clock: Clock) -> None:
    watched.subscribed()
    assert watched.watch.question() is None
    clock.advance(STALE_MAX_S / 4)
    first = watched.watch.question()
    assert first
    assert watched.watch.question() is None
    watched.watch.hear("pong", first)
    clock.advance(STALE_MAX_S / 4)
    assert watched.watch.question() not in (None, first)


def test_an_answer_verifies_the_time_of_its_question(watched: Watched, clock: Clock) -> None:
    watched.subscribed().put("a")
    clock.advance(STALE_MAX_S / 4)
    token = watched.watch.question()
    assert token
    clock.advance(3)
    watched.watch.hear("pong", token)
    clock.advance(STALE_MAX_S - 3)
    assert watched.has("a")
    clock.advance(0.1)
    assert not watched.has("a")


@pytest.mark.parametrize("data", [b"", b"redis-py-health-check", b"airwave-cache-0"])
def test_other_answers_mean_nothing(watched: Watched, clock: Clock, data: bytes) -> None:
    watched.subscribed().put("a")
    clock.advance(STALE_MAX_S / 2)
    assert watched.watch.question()
    watched.watch.hear("pong", data)
    clock.advance(STALE_MAX_S / 2 + 0.1)
    assert not watched.has("a")
    with pytest.raises(TimeoutError):
        watched.watch.question()


def test_silence_is_an_error(watched: Watched, clock: Clock) -> None:
    clock.advance(STALE_MAX_S / 2)
    assert watched.watch.question() is None
    clock.advance(0.1)
    with pytest.raises(TimeoutError, match=r"no answer from the server for 4\.1 s"):
        watched.watch.question()  # to the subscription
    watched.watch.opened()
    watched.subscribed()
    clock.advance(STALE_MAX_S / 4)
    assert watched.watch.question()
    clock.advance(STALE_MAX_S / 2 + 0.1)
    with pytest.raises(TimeoutError):
        watched.watch.question()


def test_messages_are_applied_but_for_its_own(watched: Watched) -> None:
    watched.subscribed()
    for key in "ab":
        watched.put(key)
    watched.watch.hear("message", b'{"key": "a", "origin": "me"}')
    assert watched.has("a")
    watched.watch.hear("message", b'{"key": "a", "origin": "another"}')
    watched.watch.hear("unsubscribe", b"0")
    assert (watched.has("a"), watched.has("b")) == (False, True)
    assert watched.store.stats.invalidations == 1


def test_a_message_that_means_nothing_empties_the_cache_and_is_told(
    watched: Watched, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING, "airwave.cache")
    watched.subscribed()
    for _ in range(3):
        watched.put("a")
        watched.watch.hear("message", b"product:42")
        assert not watched.has("a")
    assert watched.store.stats.undecodable == 3
    assert len(caplog.messages) == 1
    assert "b'product:42'" in caplog.text
    clock.advance(60)
    watched.watch.hear("message", b"product:43" * 1000)
    assert len(caplog.messages) == 2
    assert len(caplog.messages[1]) < 600
