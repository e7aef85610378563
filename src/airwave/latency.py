"""The latency monitor: when something held the loop for `latency-monitor-threshold` ms or longer.

Layer L1. Events, as in Redis: `command`, `fast-command`; of our own `fan-out` (one slice of deliveries).
"""

from collections import deque

HISTORY_MAX = 160  # samples of one event, as Redis


class LatencyMonitor:
    """Samples `(Unix time in seconds, ms)` by event, oldest first; at most one a second, the worst."""

    def __init__(self) -> None:
        self.events: dict[str, deque[tuple[int, int]]] = {}
        self.worst_ms: dict[str, int] = {}

    def add(self, event: str, at: int, ms: int) -> None:
        """Note that `event` took `ms` at Unix time `at`."""
        history = self.events.setdefault(event, deque(maxlen=HISTORY_MAX))
        self.worst_ms[event] = max(ms, self.worst_ms.get(event, 0))
        if history and history[-1][0] == at:
            history[-1] = (at, max(ms, history[-1][1]))
        else:
            history.append((at, ms))

    def reset(self, events: list[str]) -> int:
        """Forget some events, or all when none is named; gives how many were known."""
        known = [event for event in (events or list(self.events)) if event in self.events]
        for event in known:
            del self.events[event], self.worst_ms[event]
        return len(known)
