"""From history to live, step by step, in memory."""

import json
from typing import Any

import pytest
from memory import Node

from airwave.web import replay
from airwave.web.formats import SSE
from airwave.web.replay import Replay, Topics, Wanted, position, remembers, resumption, wanted

TOPICS = Topics([b"kept"], [])


class World:
    """A node whose channel `kept` is remembered, and one who is subscribed when the replay is complete."""

    def __init__(self, rule: str = "kept*") -> None:
        self.node = Node(("remember", rule))
        self.memory = self.node.broker.memory
        self.joined = False
        self.started: list[int] = []

    def publish(self, *messages: object, channel: bytes = b"kept") -> list[int]:
        ids = []
        for message in messages:
            self.memory.publish(channel, str(message).encode())
            ids.append(self.memory.last_id)
        return ids

    def replay(self, begin: Wanted, topics: Topics = TOPICS) -> Replay:
        def join() -> None:
            self.joined = True

        return Replay(self.memory, SSE, topics, begin, join, started=self.started.append)

    def run(self, begin: Wanted, topics: Topics = TOPICS) -> list[Any]:
        """All that it brings: data of messages, and of gaps."""
        found, complete = [], False
        steps = self.replay(begin, topics)
        while not complete:
            assert not self.joined
            frames, complete = steps.step()
            found += shown(frames)
        assert self.joined
        return found

    def since(self, text: str) -> Wanted:
        return wanted(text, self.node.host.wall_ms())


def shown(frames: list[bytes]) -> list[Any]:
    found = []
    for frame in frames:
        fields = dict(line.split(": ", 1) for line in frame.decode().strip().split("\n"))
        about = json.loads(fields["data"])
        found.append(about.get("data", about))
    return found


def text(entry_id: int) -> str:
    return f"{entry_id >> 64}-{entry_id & (1 << 64) - 1}"


def test_it_goes_page_by_page_and_the_last_step_subscribes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(replay, "PAGE_MIN", 4)
    monkeypatch.setattr(replay, "PAGE_MAX", 4)
    world = World()
    world.publish(*range(8))
    steps = world.replay(world.since("0"))
    seen: list[Any] = []
    for expected in (False, False):
        frames, complete = steps.step()
        assert complete is expected
        seen += shown(frames)
        world.publish(f"meanwhile {len(seen)}")  # is not missed, as nobody has subscribed yet
    frames, complete = steps.step()
    assert complete
    assert world.joined
    assert seen + shown(frames) == [*map(str, range(8)), "meanwhile 4", "meanwhile 8"]
    assert world.started == [0]


def test_pages_are_as_long_as_messages_are_small() -> None:
    world = World()
    world.publish(*["x" * 50_000] * 100)
    steps = world.replay(world.since("0"))
    for _ in range(5):
        frames, _ = steps.step()
        assert sum(map(len, frames)) < 1 << 20
    small = World()
    small.publish(*range(2000))
    steps = small.replay(small.since("0"))
    steps.step()
    frames, _ = steps.step()
    assert len(frames) > 500


def test_what_is_removed_between_two_pages_is_a_gap(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(replay, "PAGE_MAX", 16)
    world = World("kept maxlen 20")
    ids = world.publish(*range(20))
    steps = world.replay(world.since("0"))
    frames, complete = steps.step()
    assert shown(frames) == [str(number) for number in range(16)]
    assert not complete
    more = world.publish(*range(20, 60))
    frames, _ = steps.step()
    gap, *messages = shown(frames)
    assert gap == {"channels": ["kept"], "patterns": [], "since": text(ids[15]), "lost": text(more[19])}
    assert messages == [str(number) for number in range(40, 56)]


def test_each_subscription_that_fits_gets_it() -> None:
    world = World()
    world.publish("a", channel=b"kept1")
    world.publish("b", channel=b"other")
    world.publish("c", channel=b"kept2")
    assert world.run(world.since("0"), Topics([b"kept1"], [b"kept*", b"k*1"])) == ["a", "a", "a", "c"]


def test_where_to_begin() -> None:
    world = World()
    first = world.publish(*range(5))
    world.node.advance(60)
    world.publish(*range(5, 10))
    for since, expected in (("0", 0), (text(first[2]), 3), ("30s", 5), ("2m", 0), ("-3", 7), ("-100", 0), ("$", 10)):
        world.joined = False
        assert world.run(world.since(since)) == [str(number) for number in range(expected, 10)], since


def test_an_id_that_is_ahead_of_all_is_a_gap_unless_somebody_gave_it() -> None:
    world = World()
    (last,) = world.publish("x")
    ahead = last + (1 << 80)
    assert world.run(resumption(text(ahead)))[0]["since"] == text(ahead)
    world.joined = False
    world.node.peer().ask("XADD", "kept", text(ahead), "f", "v")
    assert world.run(resumption(text(ahead))) == []


def test_what_is_no_position_is_a_gap() -> None:
    world = World()
    world.publish("x")
    for bad in ("?", "é", "\ud800", "5-5-5", ""):
        world.joined = False
        (gap,) = world.run(resumption(bad))
        assert gap["since"] == bad.replace("\ud800", "?")


def test_a_channel_that_is_not_remembered_any_more_is_a_gap() -> None:
    world = World()
    (last,) = world.publish("x")
    world.node.broker.settings.set([(b"remember", b"")])
    (gap,) = world.run(resumption(text(last)))
    assert gap["lost"] is None


def test_where_somebody_is_who_subscribes_now() -> None:
    world = World()
    before = position(world.memory, TOPICS)
    assert world.run(resumption(text(before))) == []
    (last,) = world.publish("x")
    assert before < last == position(world.memory, TOPICS)


def test_what_may_have_a_history() -> None:
    world = World()
    assert remembers(world.memory, Topics([b"kept"], []))
    assert remembers(world.memory, Topics([], [b"x*"]))
    assert not remembers(world.memory, Topics([b"x"], []))
    world.node.broker.settings.set([(b"remember", b"")])
    assert not remembers(world.memory, Topics([b"kept"], [b"x*"]))
