"""The thread, with scripts in place of servers. test_cache.py has it with real ones."""

import queue
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from live import wait_for

from airwave.cache.channel import Event
from airwave.cache.listener import Listener
from airwave.cache.store import Store
from airwave.cache.watch import Watch

from .conftest import Clock

STALE_MAX_S = 5.0
SUBSCRIBED = ("subscribe", b"1")


class Script:
    """A channel, and its subscription: what happens is what the test puts into it. An exception is raised."""

    def __init__(self) -> None:
        self.attempts = self.subscriptions = self.closed = 0
        self.asked: list[bytes] = []
        self.refuse: Exception | None = None
        self._events: queue.SimpleQueue[Event | Exception] = queue.SimpleQueue()
        self.put = self._events.put

    def subscribe(self) -> "Script":
        self.attempts += 1
        if self.refuse:
            raise self.refuse
        self.subscriptions += 1
        return self

    def receive(self, timeout_s: float) -> Event | None:
        try:
            event = self._events.get(timeout=min(timeout_s, 0.01))
        except queue.Empty:
            return None
        if isinstance(event, Exception):
            raise event
        return event

    def ping(self, token: bytes) -> None:
        self.asked.append(token)

    def close(self) -> None:
        self.closed += 1


@pytest.fixture
def script() -> Script:
    return Script()


@pytest.fixture
def store(clock: Clock) -> Store:
    return Store(10, STALE_MAX_S, clock)


@pytest.fixture
def listener(script: Script, store: Store, clock: Clock) -> Iterator[Listener]:
    listener: Any = Listener(script, Watch(store, "me", STALE_MAX_S, clock))  # type: ignore[arg-type]
    yield listener
    listener.stop()
    listener.join()
    wait_for(lambda: not threads(), "the thread to end")
    assert script.closed == script.subscriptions


def threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "airwave-cache"]


def test_one_thread_however_often_it_is_started(listener: Listener, script: Script) -> None:
    listener.start()
    listener.start()
    assert len(threads()) == 1
    script.put(SUBSCRIBED)
    assert listener.wait_ready(30)
    listener.start()
    assert script.subscriptions == 1


def test_it_subscribes_again_when_the_connection_is_lost(
    listener: Listener, script: Script, store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "airwave.cache")
    listener.start()
    script.put(SUBSCRIBED)
    assert listener.wait_ready(30)
    assert store.stats.connected
    script.put(ConnectionError("reset by peer"))
    wait_for(lambda: store.stats.gaps, "the gap")
    script.put(SUBSCRIBED)
    wait_for(lambda: store.stats.connected, "another subscription")
    wait_for(lambda: "the invalidation channel is back" in caplog.messages, "the log")
    assert "the invalidation channel is lost, so the cache is emptied: reset by peer" in caplog.messages
    assert script.subscriptions == 2


def test_silence_is_a_lost_connection(listener: Listener, script: Script, store: Store, clock: Clock) -> None:
    listener.start()
    script.put(SUBSCRIBED)
    assert listener.wait_ready(30)
    clock.advance(STALE_MAX_S / 4)
    wait_for(lambda: script.asked, "a question")
    clock.advance(STALE_MAX_S / 2 + 0.1)
    wait_for(lambda: script.subscriptions == 2, "another connection")
    assert store.stats.gaps == 1
    assert "no answer from the server" in listener.error


def test_a_subscription_that_is_refused_is_told_once(
    listener: Listener, script: Script, caplog: pytest.LogCaptureFixture
) -> None:
    script.refuse = PermissionError("no")
    listener.start()
    listener.wait_started(30)
    wait_for(lambda: script.attempts >= 3, "some attempts")
    assert not listener.wait_ready(0)
    assert listener.error == "no"
    assert len(caplog.messages) == 1
    script.refuse = None
    script.put(SUBSCRIBED)
    assert listener.wait_ready(30)
    assert not listener.error


def test_the_first_wait_is_over_after_its_time(listener: Listener) -> None:
    listener.start()
    listener.wait_started(0.001)
    assert listener.started
    listener.wait_started(30)  # returns at once


@pytest.mark.parametrize("wait", [lambda each: each.wait_ready(30), lambda each: each.wait_started(30)])
def test_a_stop_ends_all_waiting(listener: Listener, wait: Callable[[Listener], object]) -> None:
    waiting = threading.Thread(target=wait, args=(listener,))
    waiting.start()
    listener.stop()
    listener.join()
    waiting.join(30)
    assert not waiting.is_alive()
    listener.start()  # no effect
    assert not threads()
