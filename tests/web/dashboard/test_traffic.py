"""What is published on each channel, measured while somebody looks."""

import pytest
from memory import Node

from airwave.web.dashboard import traffic as module
from airwave.web.dashboard.traffic import KEEP_NS, Traffic


def second(node: Node, traffic: Traffic) -> None:
    node.host.ns += 1_000_000_000
    traffic.settle()


def test_rate_and_last_message_of_a_channel_without_subscribers() -> None:
    node = Node()
    traffic = Traffic(node.broker)
    bob = node.peer("b:1")
    traffic.look()
    for number in range(4):
        bob.do(f"PUBLISH news {number}", 0)
    second(node, traffic)
    flow = traffic.flows[b"news"]
    assert (flow.rate, flow.last, flow.last_ms) == (4, b"3", node.host.wall_ms())
    bob.do("PUBLISH news again", 0)
    second(node, traffic)
    assert 1 < flow.rate < 4
    assert flow.last == b"again"
    for _ in range(20):
        traffic.look()
        second(node, traffic)
    assert flow.rate == 0
    assert flow.last == b"again"


def test_nothing_is_measured_when_nobody_looks_and_nothing_kept() -> None:
    node = Node()
    traffic = Traffic(node.broker)
    bob = node.peer("b:1")
    bob.do("PUBLISH news x", 0)
    second(node, traffic)
    assert not traffic.flows
    traffic.look()
    bob.do("PUBLISH news x", 0)
    second(node, traffic)
    assert traffic.flows
    node.host.ns += KEEP_NS
    second(node, traffic)
    assert not traffic.flows
    bob.do("PUBLISH news x", 0)
    second(node, traffic)
    assert not traffic.flows
    traffic.look()  # and it begins anew
    bob.do("PUBLISH news x", 0)
    second(node, traffic)
    assert traffic.rate(b"news") == 1


def test_only_so_many_channels_are_kept_the_busy_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "CHANNELS_MAX", 3)
    node = Node()
    traffic = Traffic(node.broker)
    bob = node.peer("b:1")
    traffic.look()
    for name in "abcd":
        bob.do(f"PUBLISH {name} x", 0)
    second(node, traffic)
    assert list(traffic.flows) == [b"b", b"c", b"d"]
    bob.do("PUBLISH b x", 0)
    bob.do("PUBLISH a y", 0)  # its route still has the flow that went
    second(node, traffic)
    assert list(traffic.flows) == [b"d", b"b", b"a"]
    assert traffic.flows[b"a"].last == b"y"


def test_a_long_message_is_not_kept() -> None:
    node = Node()
    traffic = Traffic(node.broker)
    traffic.look()
    node.peer("b:1").do(["PUBLISH", "a", "x" * 100_000], 0)
    second(node, traffic)
    assert len(traffic.flows[b"a"].last or b"") < 300


def test_routes_that_are_found_anew_count_on() -> None:
    node = Node()
    traffic = Traffic(node.broker)
    traffic.look()
    alice, bob = node.peer("a:1"), node.peer("b:1")
    bob.do("PUBLISH news 1", 0)
    alice.do("PSUBSCRIBE n*", ["psubscribe", "n*", 1])
    bob.do("PUBLISH news 2", 1)
    second(node, traffic)
    assert traffic.rate(b"news") == 2
    assert traffic.flows[b"news"].last == b"2"
