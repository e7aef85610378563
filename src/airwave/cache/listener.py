"""The thread that hears invalidations, and tells the store when it may have missed some.

It subscribes, and then asks the server every `interval_s` whether it is still there. An answer proves that all
messages up to the question have come (see `store`). No answer within `answer_max_s`, or any error: the connection is
lost, and another is made, after a pause that grows while that fails.
"""

import contextlib
import itertools
import logging
import queue
import random
import threading
import time
from collections.abc import Callable

from airwave.cache.channel import Channel, Subscription
from airwave.cache.messages import PayloadError, decode
from airwave.cache.store import NEVER_S, Store

TICK_S = 0.2  # how long a stop may have to wait for the thread to look up
PAUSE_FIRST_S, PAUSE_MAX_S = 0.05, 2.0
COMPLAIN_EVERY_S = 60.0

log = logging.getLogger("airwave.cache")


class Listener:
    """Feeds a store from a channel, in a thread of its own. Holds no reference to the cache.

    Args:
        channel: where invalidations come from.
        store: told of all that happens.
        origin: messages that say to be from here are not applied: they were, before they were sent.
        stale_max_s: of the store; questions come four times as often, and are given half of it.
        clock: of the store.

    Attributes:
        started: the first attempt to subscribe is over, well or not.
        error: why the last connection was lost or not made; empty: nothing went wrong yet.
    """

    def __init__(
        self, channel: Channel, store: Store, origin: str, stale_max_s: float, clock: Callable[[], float]
    ) -> None:
        self.started = False
        self.error = ""
        self._channel, self._store, self._origin, self._clock = channel, store, origin, clock
        self._interval_s, self._answer_max_s = stale_max_s / 4, stale_max_s / 2
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None
        self._complained_s = NEVER_S
        self._ready = self._stopping = False
        # A SimpleQueue, because its `put` may be called from a finalizer, whatever this thread is doing just then.
        self._stop: queue.SimpleQueue[None] = queue.SimpleQueue()

    # --- from other threads -----------------------------------------------------------------------------------------

    def start(self) -> None:
        """Start the thread unless it runs or was stopped."""
        with self._changed:
            if self._thread is None and not self._stopping:
                self._thread = threading.Thread(target=self._run, name="airwave-cache", daemon=True)
                self._thread.start()

    def wait_started(self, timeout_s: float) -> None:
        """Wait until the first attempt to subscribe is over, at most so long; later calls do not wait."""
        with self._changed:
            self._changed.wait_for(lambda: self.started or self._stopping, timeout_s)
            self.started = True

    def wait_ready(self, timeout_s: float | None) -> bool:
        """Wait until the subscription stands; False: it took too long, or the listener was stopped."""
        with self._changed:
            self._changed.wait_for(lambda: self._ready or self._stopping, timeout_s)
            return self._ready

    def stop(self) -> None:
        """Have the thread end soon. Waits for nothing, and may be called from a finalizer."""
        self._stopping = True
        self._stop.put(None)

    def join(self) -> None:
        """Wait until a stopped thread has ended."""
        self._set_ready(False)
        thread = self._thread
        if thread is not None and thread is not threading.current_thread():
            thread.join(self._answer_max_s + 2 * TICK_S)  # it may be waiting for a server that does not answer

    # --- the thread -------------------------------------------------------------------------------------------------

    def _run(self) -> None:
        pause_s = PAUSE_FIRST_S
        while not self._stopping:
            try:
                with contextlib.closing(self._channel.subscribe()) as subscription:
                    self._follow(subscription)
            except Exception as error:  # whatever it is: without this thread the cache would be of little use
                pause_s = PAUSE_FIRST_S if self._ready else min(2 * pause_s, PAUSE_MAX_S)
                self._lose(error)
                with contextlib.suppress(queue.Empty):
                    # At a random time, so that not all processes come back to a server at once.
                    self._stop.get(timeout=random.uniform(pause_s / 2, pause_s))
        self._set_ready(False)

    def _follow(self, subscription: Subscription) -> None:
        """Handle what comes, until the connection is lost (an exception) or the listener stopped."""
        tokens = (str(number).encode() for number in itertools.count())
        asked_s, token, waiting = self._clock(), b"", True  # the first question is the subscription itself
        wait_s = min(TICK_S, self._interval_s)
        while not self._stopping:
            event = subscription.receive(wait_s)
            if event is not None:
                kind, data = event
                if kind == "message":
                    self._hear(data)
                elif kind == "subscribe":
                    self._store.covered(asked_s)
                    self._set_ready(True)
                    waiting = False
                elif kind == "pong" and data == token:
                    self._store.verified(asked_s)
                    waiting = False
            since_s = self._clock() - asked_s
            if waiting and since_s > self._answer_max_s:
                raise TimeoutError(f"no answer for {since_s:.3g} s")
            if not waiting and since_s >= self._interval_s:
                asked_s, token, waiting = self._clock(), next(tokens), True
                subscription.ping(token)

    def _hear(self, payload: bytes) -> None:
        try:
            invalidation = decode(payload)
        except PayloadError as error:
            self._store.apply_undecodable()
            self._complain(payload, error)
            return
        if invalidation.origin != self._origin:
            self._store.apply(invalidation)

    def _complain(self, payload: bytes, error: PayloadError) -> None:
        now_s = time.monotonic()
        if now_s - self._complained_s >= COMPLAIN_EVERY_S:
            self._complained_s = now_s
            log.warning(
                "a message on the invalidation channel is not understood, so the cache is emptied; send "
                '{"key": "..."} (told once a minute; all are counted in stats.undecodable): %s: %.200r',
                error,
                payload,
            )

    def _lose(self, error: Exception) -> None:
        was_ready = self._ready
        self._store.lost()
        text = str(error) or type(error).__name__
        if was_ready:
            log.warning("the invalidation channel is lost, so the cache is emptied: %s", text)
        elif text != self.error:
            log.warning("the invalidation channel cannot be subscribed to; little is cached until then: %s", text)
        self.error = text
        self._set_ready(False)

    def _set_ready(self, ready: bool) -> None:
        with self._changed:
            if ready and self.error and not self._ready:
                log.info("the invalidation channel is back")
                self.error = ""
            self._ready = ready
            self.started = True
            self._changed.notify_all()
