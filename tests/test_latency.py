"""The latency monitor: one sample a second, the worst; so many at most."""

from airwave.latency import HISTORY_MAX, LatencyMonitor


def test_the_worst_of_a_second_counts() -> None:
    monitor = LatencyMonitor()
    for at, ms in ((1, 5), (1, 9), (1, 7), (2, 3)):
        monitor.add("command", at, ms)
    assert list(monitor.events["command"]) == [(1, 9), (2, 3)]
    assert monitor.worst_ms["command"] == 9


def test_history_has_a_bound() -> None:
    monitor = LatencyMonitor()
    for at in range(1000):
        monitor.add("command", at, 1)
    assert len(monitor.events["command"]) == HISTORY_MAX


def test_reset() -> None:
    monitor = LatencyMonitor()
    monitor.add("command", 1, 1)
    monitor.add("fan-out", 1, 1)
    assert monitor.reset(["nosuch", "command"]) == 1
    assert monitor.reset([]) == 1
    assert not monitor.events
