"""Counters of one node, and the rates made from them.

Layer L1. CONFIG RESETSTAT sets all of it to zero.
"""

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
