"""The fan-out queue: subscribers that have something to be flushed, a slice of them in each tick.

The backlog is bounded: the queue is flushed in *sweeps* (from the client at its head to the one that was last when the
sweep began). When a sweep has become too old, or too much has been published during it, each slice is twice as large
as the one before until the sweep is over, so that ever less input is read meanwhile. So publishers that outrun their
subscribers are slowed down, not buffered, and nobody else meets one long stop.
"""

from collections import deque

from airwave.pubsub import PubSub, Subscriber


class Sweeps:
    """When which subscribers are flushed.

    Args:
        queue: the fan-out queue, oldest first; it is shared with `pubsub`, which adds to it.
        pubsub: counts what is published.

    Attributes:
        slice_max: clients flushed in one tick as long as all is well.
        backlog_max, backlog_bytes_max, backlog_max_ns: deliveries, bytes and time from which on a sweep hurries.
    """

    def __init__(self, queue: deque[Subscriber], pubsub: PubSub) -> None:
        self.slice_max = 1
        self.backlog_max = self.backlog_bytes_max = self.backlog_max_ns = 0
        self._queue = queue
        self._pubsub = pubsub
        self._left = 0  # clients of this sweep
        self._slice = 1  # clients flushed in one tick
        self._since_ns = 0
        self._deliveries = 0
        self._bytes = 0

    def begin_anew(self) -> None:
        """The counters of what is published were reset."""
        self._left = 0

    def flush_slice(self, now_ns: int) -> int:
        """Flush the next clients; returns the bytes written."""
        queue = self._queue
        clients = min(self._slice_size(now_ns), len(queue))
        pop = queue.popleft
        written = 0
        for _ in range(clients):
            client = pop()
            if client.out:
                written += client.flush()
        self._left -= clients
        return written

    def _slice_size(self, now_ns: int) -> int:
        """How many clients to flush in this tick."""
        pubsub = self._pubsub
        if self._left <= 0:
            self._left = len(self._queue)
            self._since_ns = now_ns
            self._deliveries = pubsub.deliveries
            self._bytes = pubsub.delivered_bytes
            self._slice = self.slice_max
        elif (
            pubsub.deliveries - self._deliveries > self.backlog_max
            or pubsub.delivered_bytes - self._bytes > self.backlog_bytes_max
            or now_ns - self._since_ns > self.backlog_max_ns
        ):
            self._slice *= 2
        return self._slice

    def flush_all(self) -> int:
        """Flush every client; returns the bytes written."""
        written = 0
        while self._queue:
            client = self._queue.popleft()
            if client.out:
                written += client.flush()
        return written
