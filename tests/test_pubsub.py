"""Routes: who gets a message, that it is encoded once, and that the cache of routes is never stale and has a bound."""

from collections import deque

from hypothesis import given, settings
from hypothesis import strategies as st

from airwave import glob
from airwave.pubsub import Current, Head, PubSub, Subscriber
from airwave.resp import RESP2, RESP3


def make(*, resp3: bool = False) -> Subscriber:
    subscriber = Subscriber()
    subscriber.format = RESP3 if resp3 else RESP2
    return subscriber


def test_a_message_is_encoded_once_for_each_format() -> None:
    pubsub = PubSub(deque())
    crowd = [make(resp3=number % 2 == 1) for number in range(10)]
    for subscriber in crowd:
        pubsub.subscribe(subscriber, b"a")
    assert pubsub.publish(b"a", b"x") == 10
    assert len({id(subscriber.out[0]) for subscriber in crowd}) == 2
    assert crowd[0].out == [b"*3\r\n$7\r\nmessage\r\n$1\r\na\r\n$1\r\nx\r\n"]
    assert crowd[1].out == [b">3\r\n$7\r\nmessage\r\n$1\r\na\r\n$1\r\nx\r\n"]
    assert (pubsub.deliveries, pubsub.delivered_bytes) == (10, 10 * len(crowd[0].out[0]))


class Pairs:
    """A format whose frames are no bytes."""

    def message_head(self, kind: bytes, *names: bytes) -> Head:
        return lambda message: (kind, *names, message)

    def entry_head(self, current: Current, kind: bytes, *names: bytes) -> Head:
        return lambda message: (kind, *names, message, current.text)


def test_a_format_may_make_frames_of_its_own() -> None:
    pubsub = PubSub(deque())
    crowd = [make() for _ in range(3)]
    crowd[0].format = crowd[1].format = Pairs()
    for subscriber in crowd:
        pubsub.subscribe(subscriber, b"a")
    pubsub.psubscribe(crowd[0], b"?")
    assert pubsub.publish(b"a", b"x") == 4
    assert crowd[0].out == [(b"message", b"a", b"x"), (b"pmessage", b"?", b"a", b"x")]
    assert crowd[0].out[0] is crowd[1].out[0]
    assert crowd[2].out == [b"*3\r\n$7\r\nmessage\r\n$1\r\na\r\n$1\r\nx\r\n"]
    assert pubsub.delivered_bytes == 3 * len(b"x") + len(crowd[2].out[0])


def test_who_had_nothing_waiting_joins_the_fan_out_once() -> None:
    fan_out: deque[Subscriber] = deque()
    pubsub = PubSub(fan_out)
    alice, bob = make(), make()
    for subscriber in (alice, bob):
        pubsub.subscribe(subscriber, b"a")
    alice.out.append(b"a reply")
    for _ in range(3):
        pubsub.publish(b"a", b"x")
    assert list(fan_out) == [bob]
    assert len(alice.out) == 4


def test_the_cache_of_routes_has_a_bound() -> None:
    pubsub = PubSub(deque(), route_cache_max=100)
    alice = make()
    pubsub.psubscribe(alice, b"*")
    for number in range(1000):
        pubsub.publish(b"%d" % number, b"x")
    assert pubsub.cached_routes <= 100
    assert len(alice.out) == 1000


def test_nothing_is_left_when_everybody_has_gone() -> None:
    pubsub = PubSub(deque())
    crowd = [make() for _ in range(5)]
    for subscriber in crowd:
        pubsub.subscribe(subscriber, b"a")
        pubsub.psubscribe(subscriber, b"a*")
        pubsub.ssubscribe(subscriber, b"a")
        pubsub.publish(b"a", b"x")
    for subscriber in crowd:
        pubsub.unsubscribe_all(subscriber)
    for left in (pubsub.channels, pubsub.patterns, pubsub.shard_channels):
        assert not left
    assert pubsub.publish(b"a", b"x") == pubsub.publish_shard(b"a", b"x") == 0


CHANNELS = [b"a", b"b", b"ab", b"abc", b""]
PATTERNS = [b"*", b"a*", b"ab*", b"?", b"[ab]", b"a", b"", b"abc*"]
STEPS = st.tuples(
    st.sampled_from(
        ["subscribe", "unsubscribe", "psubscribe", "punsubscribe", "publish", "publish", "format", "forget"]
    ),
    st.integers(0, 2),
    st.integers(0, 99),
)


@settings(max_examples=60)
@given(st.lists(STEPS, min_size=20, max_size=60), st.sampled_from([1, 3, 100]))
def test_routes_are_never_stale(steps: list[tuple[str, int, int]], route_cache_max: int) -> None:
    """Against the simplest model there is: compare every subscription with the channel, each time."""
    pubsub = PubSub(deque(), route_cache_max)
    crowd = [make() for _ in range(3)]
    model: list[set[tuple[bytes, bytes]]] = [set(), set(), set()]
    for what, who, number in steps:
        subscriber, mine = crowd[who], model[who]
        channel, pattern = CHANNELS[number % len(CHANNELS)], PATTERNS[number % len(PATTERNS)]
        if what == "publish":
            expected = []
            for each, subscriptions in zip(crowd, model, strict=True):
                hits = [
                    (kind, name)
                    for kind, name in subscriptions
                    if (name == channel if kind == b"message" else glob.compile(name)(channel))
                ]
                expected.append(len(hits))
                each.out.clear()
            assert pubsub.publish(channel, b"x") == sum(expected)
            assert [len(each.out) for each in crowd] == expected
            mark = {True: b">", False: b"*"}
            assert all(frame[:1] == mark[each.format is RESP3] for each in crowd for frame in each.out)
        elif what == "format":
            pubsub.change_format(subscriber, RESP2 if subscriber.format is RESP3 else RESP3)
        elif what == "forget":
            pubsub.unsubscribe_all(subscriber)
            mine.clear()
        else:
            name = pattern if what.startswith("p") else channel
            getattr(pubsub, what)(subscriber, name)
            change = mine.discard if "unsub" in what else mine.add
            change((b"pmessage" if what.startswith("p") else b"message", name))
