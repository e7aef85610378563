"""The thread that hears invalidations: it subscribes, and does so again whenever the connection is lost."""

import contextlib
import logging
import queue
import random
import threading

from airwave.cache.channel import Channel, Subscription
from airwave.cache.watch import Watch

TICK_S = 0.2  # how long a stop may have to wait until the thread looks up
PAUSE_FIRST_S, PAUSE_MAX_S = 0.05, 2.0

log = logging.getLogger("airwave.cache")


class Listener:
    """Feeds a watch from a channel, in a thread of its own. Holds no reference to the cache.

    Args:
        channel: where invalidations come from.
        watch: told of all that happens.

    Attributes:
        started: the first attempt to subscribe is over, well or not; or nobody waits for it any more.
        error: why the connection was lost or not made; empty: it stands, or nothing went wrong yet.
    """

    def __init__(self, channel: Channel, watch: Watch) -> None:
        self.started = False
        self.error = ""
        self._channel, self._watch = channel, watch
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None
        self._subscription: Subscription | None = None
        self._ready = self._stopping = False
        # A SimpleQueue, because its `put` may be called from a finalizer, whatever its thread is doing just then.
        self._stop: queue.SimpleQueue[None] = queue.SimpleQueue()

    # --- from other threads -----------------------------------------------------------------------------------------

    def start(self) -> None:
        """Start the thread, unless it was started or stopped before."""
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
        """Wait until a stopped thread has ended; not forever, as it may be waiting for a server that says nothing."""
        with self._changed:
            self._changed.notify_all()
            thread = self._thread
        if thread is not None and thread is not threading.current_thread():
            thread.join(self._watch.answer_max_s + 2 * TICK_S)

    def abandon(self) -> None:
        """In a forked child: close its copy of the socket, or the server would not see when the parent has gone."""
        if self._subscription is not None:
            with contextlib.suppress(Exception):
                self._subscription.close()

    # --- the thread -------------------------------------------------------------------------------------------------

    def _run(self) -> None:
        pause_s = PAUSE_FIRST_S
        while not self._stopping:
            self._watch.opened()
            try:
                with contextlib.closing(self._channel.subscribe()) as self._subscription:
                    self._follow(self._subscription)
            except Exception as error:  # whatever it is: without this thread the cache would be of little use
                pause_s = PAUSE_FIRST_S if self._ready else min(2 * pause_s, PAUSE_MAX_S)
                self._lost(error)
                with contextlib.suppress(queue.Empty):
                    # At a random time, so that not all processes come back to a server at once.
                    self._stop.get(timeout=random.uniform(pause_s / 2, pause_s))
        self._watch.lost()
        self._set_ready(False)

    def _follow(self, subscription: Subscription) -> None:
        """Handle what comes, until the connection is lost (an exception) or the listener stopped."""
        wait_s = min(TICK_S, self._watch.interval_s)
        while not self._stopping:
            if event := subscription.receive(wait_s):
                self._watch.hear(*event)
            if self._ready != self._watch.subscribed:
                self._found()
            if token := self._watch.question():
                subscription.ping(token)

    def _found(self) -> None:
        if self.error:
            log.info("the invalidation channel is back")
        self.error = ""
        self._set_ready(True)

    def _lost(self, error: Exception) -> None:
        self._watch.lost()
        text = str(error) or type(error).__name__
        if self._ready:
            log.warning("the invalidation channel is lost, so the cache is emptied: %s", text)
        elif text != self.error:
            log.warning("the invalidation channel cannot be subscribed to, so little is cached: %s", text)
        self.error = text
        self._set_ready(False)

    def _set_ready(self, ready: bool) -> None:
        with self._changed:
            self._ready = ready
            self.started = True
            self._changed.notify_all()
