"""Counters of one node, and the rates made from them.

Layer L1. CONFIG RESETSTAT sets all of it to zero.
"""

from bisect import bisect_left
from collections import deque

SAMPLES = 16  # as Redis: rates are the mean of the last 16 samples, taken `hz` times a second


class Stats:
    """What INFO stats, INFO clients and INFO errorstats show. Bytes are bytes on the wire."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Begin anew."""
        self.connections_received = 0
        self.rejected_connections = 0
        self.input_bytes = 0
        self.output_bytes = 0
        self.output_limit_disconnections = 0
        self.query_buffer_disconnections = 0
        self.dropped_messages = 0  # under slow-subscriber-policy drop-oldest
        self.accept_pauses = 0  # times that accepting stopped because file descriptors ran out
        self.unexpected_errors = 0  # ours: answered with "internal error"
        self.errors: dict[bytes, int] = {}  # error replies by code
        self.commands_of_rate = Rate()
        self.input_of_rate = Rate()
        self.output_of_rate = Rate()
        self.loop_lag = Lag()

    @property
    def loop_lag_ms(self) -> float:
        """How late the event loop was: the worst of the last samples, so that a look once a second misses nothing."""
        return self.loop_lag.recent_ns / 1e6

    @property
    def loop_lag_max_ms(self) -> float:
        """The latest that the event loop has been since the start or CONFIG RESETSTAT."""
        return self.loop_lag.worst_ns / 1e6

    def count_error(self, code: bytes) -> None:
        """Count an error reply; at most 128 codes are told apart."""
        if code in self.errors or len(self.errors) < 128:
            self.errors[code] = self.errors.get(code, 0) + 1


class Rate:
    """How fast a counter grows, per second, over the last samples."""

    def __init__(self) -> None:
        self._last: tuple[int, int] | None = None
        self._samples: deque[float] = deque(maxlen=SAMPLES)

    def sample(self, value: int, now_ns: int) -> None:
        """Note the counter's value."""
        if self._last is not None and now_ns > self._last[0]:
            self._samples.append((value - self._last[1]) * 1e9 / (now_ns - self._last[0]))
        self._last = (now_ns, value)

    @property
    def per_second(self) -> float:
        """The mean; 0 before the second sample."""
        return max(0.0, sum(self._samples) / len(self._samples)) if self._samples else 0.0


LAG_BOUNDS_MS = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000)


class Lag:
    """How late a timer was each time it went off: what holds the event loop shows here, whatever it is.

    A timer that goes off `hz` times a second sees all that holds the loop for longer than its period, and of what is
    shorter its share. Event loops count in ms: 1 ms and less is nothing.

    Attributes:
        worst_ns: the latest of all.
        total_ns: the sum of all.
        buckets: how often it was later than one of `LAG_BOUNDS_MS` and not later than the next; the last has no bound.
    """

    def __init__(self) -> None:
        self.worst_ns = self.total_ns = 0
        self.buckets = [0] * (len(LAG_BOUNDS_MS) + 1)
        self._recent: deque[int] = deque(maxlen=SAMPLES)

    def note(self, late_ns: int) -> None:
        """The timer was so late; less than 0 is 0."""
        late_ns = max(0, late_ns)
        self._recent.append(late_ns)
        self.worst_ns = max(self.worst_ns, late_ns)
        self.total_ns += late_ns
        self.buckets[bisect_left(LAG_BOUNDS_MS, late_ns / 1e6)] += 1

    @property
    def recent_ns(self) -> int:
        """The worst of the last samples; 0 before the first."""
        return max(self._recent, default=0)
