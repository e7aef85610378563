"""What the node did in each of the last seconds."""

import asyncio
from typing import Any

import msgspec
from memory import Node
from peers import Error

from airwave.web.dashboard.samples import COUNTED_AT_ONCE, KEPT, Samples


def second(node: Node, samples: Samples) -> dict[str, Any]:
    node.host.ns += 1_000_000_000
    return samples.take()


def test_rates_are_those_of_the_second() -> None:
    node = Node()
    samples = Samples(node.broker)
    alice, bob = node.peer("a:1"), node.peer("b:1")
    alice.do("SUBSCRIBE news", ["subscribe", "news", 1])
    alice.do("SUBSCRIBE sport", ["subscribe", "sport", 2])
    for _ in range(3):
        bob.do("PUBLISH news x", 1)
    bob.do("PUBLISH other x", 0)
    bob.do("XADD s * f v", lambda reply: reply is not None)
    bob.do("FOO", lambda reply: isinstance(reply, Error))
    first = second(node, samples)
    assert {name: first[name] for name in ("published", "delivered", "entries", "errors", "dropped")} == {
        "published": 4,
        "delivered": 3,
        "entries": 1,
        "errors": 1,
        "dropped": 0,
    }
    assert (first["clients"], first["subscriptions"], first["slow"]) == (2, 2, 0)
    assert first["memory"] == 20 << 20
    node.host.ns += 1_000_000_000
    bob.do("PUBLISH news x", 1)
    assert second(node, samples)["published"] == 0.5  # two seconds have passed


def test_counters_that_were_reset_give_no_negative_rates() -> None:
    node = Node()
    samples = Samples(node.broker)
    alice = node.peer("a:1")
    alice.do("PUBLISH a x", 0)
    assert second(node, samples)["published"] == 1
    alice.do("CONFIG RESETSTAT", "OK")
    assert second(node, samples)["published"] == 0
    alice.do("PUBLISH a x", 0)
    assert second(node, samples)["published"] == 1


def test_five_minutes_are_kept() -> None:
    node = Node()
    samples = Samples(node.broker)
    for _ in range(KEPT + 5):
        second(node, samples)
    assert len(samples.kept) == KEPT
    assert samples.kept[-1]["at"] - samples.kept[0]["at"] == (KEPT - 1) * 1000


def test_only_who_asks_by_name_is_told() -> None:
    node = Node()
    samples = Samples(node.broker)
    everything, ours = node.peer("a:1"), node.peer("b:1")
    everything.do("PSUBSCRIBE *", ["psubscribe", "*", 1])
    ours.do("PSUBSCRIBE __airwave__:*", ["psubscribe", "__airwave__:*", 1])
    sample = second(node, samples)
    node.broker.tick()
    everything.gets_nothing()
    told = msgspec.json.encode(sample).decode()
    ours.gets(["pmessage", "__airwave__:*", "__airwave__:overview", told])


def test_what_pages_are_told_is_no_traffic() -> None:
    node = Node()
    samples = Samples(node.broker)
    page = node.peer("a:1")
    page.do("SUBSCRIBE __airwave__:overview", ["subscribe", "__airwave__:overview", 1])
    second(node, samples)
    assert node.broker.pubsub.deliveries == 1
    assert second(node, samples)["delivered"] == 0


def test_many_subscriptions_are_counted_less_often() -> None:
    node = Node()
    samples = Samples(node.broker)
    alice = node.peer("a:1")
    second(node, samples)
    for start in range(0, COUNTED_AT_ONCE + 1, 1000):
        names = " ".join(f"c{number}" for number in range(start, start + 1000))
        alice.asks(f"SUBSCRIBE {names}")
    assert second(node, samples)["subscriptions"] == 0
    asyncio.run(samples.recount())
    assert second(node, samples)["subscriptions"] == 2000
