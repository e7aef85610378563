"""Presence: who is told of those who come and go, and who is on a channel."""

import json

import pytest
from memory import MemoryPeer, Node

from airwave.presence import PREFIX


def events(peer: MemoryPeer) -> list[tuple[str, str, str]]:
    """What a listener to presence was told: event, channel, name."""
    told: list[tuple[str, str, str]] = []
    data = peer.reads()
    while (at := data.find(b"{")) >= 0:
        end = data.index(b"}", at) + 1
        event = json.loads(data[at:end])
        told.append((event["event"], event["channel"], event["name"]))
        data = data[end:]
    return told


@pytest.fixture
def node() -> Node:
    return Node()


def listener(node: Node, command: str) -> MemoryPeer:
    peer = node.peer()
    peer.raw(command)
    return peer


@pytest.mark.parametrize("command", ["SUBSCRIBE __presence__:chat", "PSUBSCRIBE __presence__:*"])
def test_those_who_asked_are_told_of_joining_leaving_and_connections_that_end(node: Node, command: str) -> None:
    listening = listener(node, command)
    anna, ben = node.peer(), node.peer()
    for peer, name in ((anna, "anna"), (ben, "ben")):
        peer.raw(f"CLIENT SETNAME {name}")
        peer.raw("SUBSCRIBE chat")
    anna.raw("SUBSCRIBE chat")  # it is there already
    anna.raw("UNSUBSCRIBE chat")
    ben.close()
    told = events(listening)
    assert told == [(event, "chat", name) for event, name in (("join", "anna"), ("join", "ben"))] + [
        (event, "chat", name) for event, name in (("leave", "anna"), ("leave", "ben"))
    ]


def test_an_event_tells_who_it_is_about(node: Node) -> None:
    listening = listener(node, "SUBSCRIBE __presence__:chat")
    anna = node.peer("10.1.2.3:44")
    anna.raw("SUBSCRIBE chat")
    about = json.dumps(
        {
            "event": "join",
            "channel": "chat",
            "id": anna.session.id,
            "name": "",
            "addr": "10.1.2.3:44",
            "since": node.host.wall_ms(),
        }
    )
    listening.gets(["message", "__presence__:chat", about])


def test_who_did_not_ask_is_not_told(node: Node) -> None:
    everything, another = listener(node, "PSUBSCRIBE *"), listener(node, "SUBSCRIBE __presence__:other")
    node.peer().raw("SUBSCRIBE chat")
    everything.gets_nothing()
    another.gets_nothing()


def test_nobody_is_told_of_those_who_listen_to_presence(node: Node) -> None:
    listening = listener(node, "PSUBSCRIBE __presence__:*")
    listener(node, "SUBSCRIBE __presence__:chat")
    listener(node, "PSUBSCRIBE chat*")  # joins no channel
    listening.gets_nothing()


def test_names_that_are_no_utf_8_are_told_readably(node: Node) -> None:
    listening = listener(node, "PSUBSCRIBE __presence__:*")
    node.peer().raw("SUBSCRIBE", b"\xff")
    assert events(listening) == [("join", "\N{REPLACEMENT CHARACTER}", "")]


def test_who_is_on_a_channel(node: Node) -> None:
    anna, ben = node.peer("1.1.1.1:1"), node.peer("2.2.2.2:2")
    anna.raw("CLIENT SETNAME anna")
    anna.raw("SUBSCRIBE chat")
    before_ms = node.host.wall_ms()
    node.host.ns += 5_000_000_000
    ben.raw("HELLO 3")
    ben.raw("PSUBSCRIBE ch* other*")
    anna.raw("HELLO 3")  # another format, the same subscription
    assert [*node.broker.presence.of(b"chat")] == [
        (anna.session.id, b"anna", "1.1.1.1:1", before_ms, None),
        (ben.session.id, b"", "2.2.2.2:2", before_ms + 5000, b"ch*"),
    ]
    assert [*node.broker.presence.of(PREFIX)] == []
