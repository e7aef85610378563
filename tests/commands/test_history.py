"""PUBSUB HISTORY, REMEMBERED, REPLAY, SUBSCRIBERS and CLIENT CAPA, on the core in memory and over TCP."""

from typing import Any

import pytest
from peers import Error

pytestmark = pytest.mark.unlike_redis_7_0("Airwave's own")


@pytest.fixture
def alice(peers: Any) -> Any:
    (alice,) = peers(1)
    alice.do(("CONFIG", "SET", "remember", "news:* maxlen 4 old:* ttl 100"), "OK")
    return alice


def publish(peer: Any, channel: str, count: int, first: int = 0) -> list[bytes]:
    """Publish numbers; the IDs that they were given."""
    for number in range(first, first + count):
        peer.do(f"PUBLISH {channel} {number}", 0)
    return [entry_id for entry_id, _ in peer.ask(f"XRANGE {channel} - +")]


def pairs(flat: list[Any]) -> dict[Any, Any]:
    return dict(zip(flat[::2], flat[1::2], strict=True))


def test_history_tells_rule_length_and_what_is_lost(alice: Any) -> None:
    ids = [publish(alice, "news:1", 1, number)[-1].decode() for number in range(6)]
    facts = ["rule", "news:*", "maxlen", 4, "ttl", 0, "length", 4]
    ends = ["first-id", ids[2], "last-id", ids[5]]
    reply = alice.ask("PUBSUB HISTORY news:1")
    known = pairs(reply)
    assert known[b"remembered"] == 1
    assert [word.encode() if isinstance(word, str) else word for word in facts + ends] == reply[2:-2]
    assert known[b"lost-id"] >= ids[1].encode()  # greater where the node began later than that


def test_history_of_what_is_not_remembered(alice: Any) -> None:
    nothing = ["length", 0, "first-id", "0-0", "last-id", "0-0", "lost-id", "0-0"]
    alice.do("PUBSUB HISTORY other", ["remembered", 0, "rule", None, "maxlen", 0, "ttl", 0, *nothing])


def test_remembered_channels_are_those_with_a_stream(alice: Any) -> None:
    alice.do("PUBSUB REMEMBERED", [])
    for channel in ("news:1", "news:2", "old:1", "other"):
        alice.do(f"PUBLISH {channel} x", 0)
    assert sorted(alice.ask("PUBSUB REMEMBERED")) == [b"news:1", b"news:2", b"old:1"]
    alice.do("PUBSUB REMEMBERED old*", ["old:1"])
    alice.do("DEL old:1", 1)
    alice.do("PUBSUB REMEMBERED old*", [])
    alice.do("PUBSUB REMEMBERED a b", Error("ERR syntax error"))


def test_replay_gives_what_is_behind_an_id_or_the_last_so_many(alice: Any) -> None:
    ids = [each.decode() for each in publish(alice, "news:1", 3)]
    other = publish(alice, "news:2", 1)[0].decode()

    def messages(*words: str) -> Any:
        return alice.ask("PUBSUB", "REPLAY", *words)[1]

    first = [[b"news:1", ids[number].encode(), b"%d" % number] for number in range(3)]
    last = [b"news:2", other.encode(), b"0"]
    assert messages("0", "10", "PATTERN", "news:*") == [*first, last]
    assert messages(ids[0], "10", "CHANNEL", "news:1", "CHANNEL", "news:2") == [*first[1:], last]
    assert messages("0", "2", "CHANNEL", "news:1", "PATTERN", "news:?") == first[:2]
    assert messages("-2", "10", "PATTERN", "news:*") == [first[2], last]
    assert messages("$", "10", "PATTERN", "news:*") == []
    alice.do("SELECT 5", "OK")  # channels know no databases
    assert messages("-1", "10", "CHANNEL", "news:1") == [first[2]]


@pytest.mark.parametrize(
    ("words", "error"),
    [
        ("0 10 CHANNEL other", "ERR channel 'other' is not remembered: add a rule for it to the setting remember"),
        ("0 0 CHANNEL news:1", "ERR count must be between 1 and 10000"),
        ("0 10001 CHANNEL news:1", "ERR count must be between 1 and 10000"),
        ("0 x CHANNEL news:1", "ERR count must be between 1 and 10000"),
        ("0 10 CHANNEL", "ERR wrong number of arguments for 'pubsub|replay' command"),
        ("0 10 CHANNEL news:1 PATTERN", "ERR syntax error"),
        ("0 10 STREAM news:1", "ERR syntax error"),
        ("x 10 CHANNEL news:1", "ERR Invalid stream ID specified as stream command argument"),
        ("-x 10 CHANNEL news:1", "ERR count must be between 1 and 10000"),
    ],
)
def test_replay_says_what_is_wrong(alice: Any, words: str, error: str) -> None:
    reply = alice.ask(f"PUBSUB REPLAY {words}")
    assert str(reply).startswith(error)


def test_subscribers_are_listed_with_name_address_and_since(peers: Any, protocol: int) -> None:
    anna, ben = peers(2, protocol)
    anna.do("CLIENT SETNAME anna", "OK")
    anna.asks("SUBSCRIBE chat")
    anna.hears()
    anna.asks("PSUBSCRIBE c*")
    anna.hears()
    listed = ben.ask("PUBSUB SUBSCRIBERS chat")
    if protocol == 2:
        listed = [pairs(one) for one in listed]
    assert [one[b"pattern"] for one in listed] == [None, b"c*"]
    assert {one[b"name"] for one in listed} == {b"anna"}
    assert all(one[b"id"] > 0 and b":" in one[b"addr"] and one[b"since"] > 1_700_000_000_000 for one in listed)
    ben.do("PUBSUB SUBSCRIBERS nobody", [])


def test_capabilities_that_are_not_known_are_ignored(alice: Any) -> None:
    alice.do("CLIENT CAPA redirect whatever", "OK")
    alice.do("SUBSCRIBE news:1", ["subscribe", "news:1", 1])
