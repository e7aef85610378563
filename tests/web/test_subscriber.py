"""A subscriber as the broker sees it, with a transport that can be stuck."""

from typing import Any

from memory import Node, Wire

from airwave.web.events import EventSession
from airwave.web.replay import Replay, Topics, wanted
from airwave.web.subscribers import Subscribers
from airwave.web.takeover import Connection
from airwave.web.visitor import admin

A = Topics([b"a"], [])


class Browser:
    """An event stream in memory."""

    def __init__(self, node: Node, subject: str = "") -> None:
        self.node = node
        self.wire = Wire()
        connection: Any = Connection(self.wire, "127.0.0.1:50001", "127.0.0.1:8379", b"")  # type: ignore[arg-type]
        self.subscribers = Subscribers(node.broker)
        self.session = self.wire.session = EventSession(node.broker, connection, admin(subject), self.subscribers)

    def read(self) -> bytes:
        self.node.settle()
        data, self.wire.data = self.wire.data, b""
        return data


def test_messages_of_one_turn_are_one_write() -> None:
    node = Node()
    browser = Browser(node)
    browser.session.join(A)
    for number in range(100):
        node.broker.pubsub.publish(b"a", b"%d" % number)
    node.broker.wake()
    assert browser.read().count(b"data: ") == 100
    assert browser.wire.writes == 1


def test_all_subscribers_share_one_frame() -> None:
    node = Node()
    browsers = [Browser(node) for _ in range(3)]
    for browser in browsers:
        browser.session.join(A)
    node.broker.pubsub.publish(b"a", b"x")
    first, *others = [browser.session.out[0] for browser in browsers]
    assert all(frame is first for frame in others)


def test_a_replay_goes_on_when_the_transport_can() -> None:
    node = Node(("remember", "a"))
    for _ in range(100):
        node.broker.memory.publish(b"a", b"x" * 10_000)
    browser = Browser(node)
    browser.wire.stuck = True
    begin = wanted("0", node.host.wall_ms())
    browser.session.start_replay(
        Replay(node.broker.memory, browser.session.wire, A, begin, lambda: browser.session.join(A))
    )
    node.settle()
    assert browser.session.waiting_bytes < 400_000
    assert not browser.session.channels
    seen = 0
    while not browser.session.channels:
        browser.wire.unstick()
        browser.wire.stuck = True
        seen += browser.read().count(b"data: ")
    browser.wire.unstick()
    seen += browser.read().count(b"data: ")
    assert seen == 100


def test_a_fault_of_ours_in_a_replay_ends_one_connection() -> None:
    node = Node(("remember", "a"))
    node.host.quiet = False
    browser, other = Browser(node), Browser(node)
    other.session.join(A)
    begin = wanted("0", node.host.wall_ms())
    browser.session.start_replay(Replay(node.broker.memory, browser.session.wire, A, begin, lambda: 1 / 0))  # type: ignore[arg-type, return-value]
    node.broker.memory.publish(b"a", b"x")
    assert b"data: " in other.read()
    assert browser.wire.aborted
    assert node.broker.stats.unexpected_errors == 1


def test_it_is_held_to_the_limits_of_subscribers_also_before_it_subscribes() -> None:
    node = Node(("client-output-buffer-limit", "pubsub 1mb 0 0"))
    node.host.quiet = False
    browser = Browser(node)
    assert browser.session.limit.hard_bytes == 1 << 20
    browser.wire.stuck = True
    for _ in range(30):
        browser.session.say(b"x" * 100_000)
        node.settle()
    assert browser.wire.aborted
    assert node.broker.stats.output_limit_disconnections == 1


def test_names_of_clients_have_no_spaces() -> None:
    assert Browser(Node(), "user 42\n\u00e9").session.name == b"user_42___"
    assert len(Browser(Node(), "x" * 1000).session.name) == 64


def test_nothing_stays_of_one_that_is_gone() -> None:
    node = Node()
    browser = Browser(node)
    browser.session.join(A)
    assert browser.session in browser.subscribers
    browser.session.connection_lost(None)
    assert browser.session not in browser.subscribers
    assert not len(browser.subscribers)
    assert not node.broker.clients
    assert not node.broker.pubsub.channels
