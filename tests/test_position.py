"""Positions: after whatever happened, nothing is missing and nothing comes twice, or a gap is told."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airwave import glob
from airwave.position import LAST_MAX, PAGE_BYTES, PAGE_MAX, PAGE_MIN, Position, answered
from airwave.since import Start, id_number, id_text, parse


class FakeServer:
    """Remembers messages; `lost` is the greatest ID that limits have removed."""

    def __init__(self) -> None:
        self.messages: list[tuple[int, bytes, bytes]] = []
        self.lost = 0
        self.clock = 1000
        self.asked: list[tuple[Any, ...]] = []

    def publish(self, channel: bytes = b"a", data: bytes = b"x") -> bytes:
        self.clock += 1
        self.messages.append((self.clock, channel, data))
        return id_text(self.clock).encode()

    def trim(self, length: int) -> None:
        while len(self.messages) > length:
            self.lost = max(self.lost, self.messages.pop(0)[0])

    def ask(self, command: tuple[Any, ...]) -> Any:
        self.asked.append(command)
        if command == ("TIME",):
            return [b"600", b"5000"]
        assert command[:2] == ("PUBSUB", "REPLAY")
        kinds, names = command[4::2], command[5::2]
        globs = [glob.compile(name) if kind == b"PATTERN" else name.__eq__ for kind, name in zip(kinds, names)]  # noqa: B905
        found = [each for each in self.messages if any(matches(each[1]) for matches in globs)]
        if command[2].startswith("-"):
            found = found[-int(command[2][1:]) :]
        else:
            found = [each for each in found if each[0] > id_number(command[2])]
        page = [[channel, id_text(number).encode(), data] for number, channel, data in found[: command[3]]]
        return [id_text(self.lost).encode(), page]


class Reader:
    """Somebody who reads by a position."""

    def __init__(
        self, server: FakeServer, since: str, channels: tuple[bytes, ...] = (b"a",), pattern: str = ""
    ) -> None:
        self.server = server
        self.position = Position(channels, [pattern.encode()] if pattern else [], parse(since))
        answered(self.position.find(), server.ask)
        self.seen: list[int] = []
        self.gaps = 0

    def catch_up(self) -> list[int]:
        """What was missed."""
        answered(self.position.aim(), self.server.ask)
        before, more = len(self.seen), True
        while more:
            gap, messages, more = answered(self.position.page(), self.server.ask)
            self.gaps += gap
            for message in messages:
                self.position.took(message.id)
                self.seen.append(message.id)
        return self.seen[before:]

    def hear(self, entry_id: bytes) -> None:
        """A message comes by subscription."""
        if self.position.takes(entry_id):
            self.position.took(id_number(entry_id))
            self.seen.append(id_number(entry_id))


@pytest.fixture
def server() -> FakeServer:
    return FakeServer()


def published(server: FakeServer, count: int) -> list[int]:
    return [id_number(server.publish()) for _ in range(count)]


@pytest.mark.parametrize(
    ("since", "expected"), [("0", 5), ("0-0", 5), ("-2", 2), ("-9", 5), ("-0", 0), ("$", 0), ("0-1003", 2)]
)
def test_where_it_begins(server: FakeServer, since: str, expected: int) -> None:
    ids = published(server, 5)
    reader = Reader(server, since)
    ids += published(server, 1)  # before the subscription was confirmed
    assert reader.catch_up() == ids[5 - expected :]
    assert reader.gaps == 0


def test_an_age_is_one_by_the_servers_clock(server: FakeServer) -> None:
    server.clock = 500_004 << 64
    ids = published(server, 2)
    server.clock = (500_005 << 64) - 1
    ids += published(server, 2)
    assert Reader(server, "100s").catch_up() == ids[2:]
    assert Reader(server, "1970-01-01T00:08:20.005Z").catch_up() == ids[2:]


def test_it_is_found_once(server: FakeServer) -> None:
    reader = Reader(server, "$")
    server.asked.clear()
    answered(reader.position.find(), server.ask)
    assert server.asked == []


def test_too_many_from_the_end_are_refused() -> None:
    Position([b"a"], [], Start(last=LAST_MAX))
    with pytest.raises(ValueError, match="at most the last 10,000"):
        Position([b"a"], [], Start(last=LAST_MAX + 1))


@pytest.mark.parametrize("count", [0, 1, PAGE_MIN - 1, PAGE_MIN, PAGE_MIN + 1, 3 * PAGE_MIN, 5000])
def test_pages_leave_no_hole_and_no_double(server: FakeServer, count: int) -> None:
    ids = published(server, count)
    reader = Reader(server, "0")
    assert reader.catch_up() == ids
    assert reader.catch_up() == []
    assert reader.catch_up() == []
    assert reader.gaps == 0
    assert max(command[3] for command in server.asked) <= PAGE_MAX + 1


def test_pages_end_also_when_publishers_are_faster(server: FakeServer) -> None:
    ids = published(server, 10 * PAGE_MIN)
    reader = Reader(server, "0")
    answered(reader.position.aim(), server.ask)
    more = True
    while more:
        ids += published(server, 2 * PAGE_MAX)
        _, messages, more = answered(reader.position.page(), server.ask)
        for message in messages:
            reader.hear(id_text(message.id).encode())
    assert ids[10 * PAGE_MIN - 1] in reader.seen
    for each in ids[10 * PAGE_MIN :]:  # by subscription
        reader.hear(id_text(each).encode())
    assert reader.seen == ids


def test_pages_of_large_messages_are_short(server: FakeServer) -> None:
    data = bytes(PAGE_BYTES + 1)
    for _ in range(3 * PAGE_MIN):
        server.publish(data=data)
    reader = Reader(server, "0")
    server.asked.clear()
    assert len(reader.catch_up()) == 3 * PAGE_MIN
    assert server.asked[-1][3] == 1 + 1  # the last message once more, and a new one
    assert server.asked[1][3] == PAGE_MIN


def test_channels_and_patterns_are_one_sequence(server: FakeServer) -> None:
    for channel in b"a", b"p:1", b"b", b"no", b"p:2", b"a":
        server.publish(channel)
    reader = Reader(server, "0", (b"a", b"b"), "p:*")
    assert reader.catch_up() == [1001, 1002, 1003, 1005, 1006]


def test_what_was_replayed_is_not_taken_again(server: FakeServer) -> None:
    first, second = server.publish(), server.publish()
    reader = Reader(server, "0")
    reader.catch_up()
    for entry_id in first, second, server.publish():  # they waited in the connection
        reader.hear(entry_id)
    assert reader.seen == [1001, 1002, 1003]


def test_messages_without_an_id_are_taken_and_remembered_as_such(server: FakeServer) -> None:
    reader = Reader(server, "$")
    reader.hear(server.publish())
    assert not reader.position.partial
    assert reader.position.takes(None)
    assert reader.position.partial
    assert reader.position.last == 1001


# --- gaps -------------------------------------------------------------------------------------------------------------


def test_a_gap_is_told_once_where_it_is(server: FakeServer) -> None:
    published(server, 5)
    reader = Reader(server, "0")
    reader.catch_up()
    published(server, 5)
    server.trim(2)
    assert reader.catch_up() == [1009, 1010]
    assert reader.gaps == 1
    assert reader.catch_up() == []
    assert reader.gaps == 1


def test_what_was_read_may_be_trimmed(server: FakeServer) -> None:
    published(server, 5)
    reader = Reader(server, "0")
    reader.catch_up()
    server.trim(0)
    assert reader.catch_up() == []
    published(server, 1)
    assert reader.catch_up() == [1006]
    assert reader.gaps == 0


def test_a_gap_with_nothing_behind_it(server: FakeServer) -> None:
    reader = Reader(server, "$")
    published(server, 5)
    server.trim(0)
    assert reader.catch_up() == []
    assert reader.catch_up() == []
    assert reader.gaps == 1


def test_trimmed_between_pages(server: FakeServer) -> None:
    ids = published(server, 10 * PAGE_MIN)
    reader = Reader(server, "0")
    gap, messages, more = answered(reader.position.page(), server.ask)
    assert (gap, len(messages), more) == (False, PAGE_MIN, True)
    for message in messages:
        reader.position.took(message.id)
    server.trim(PAGE_MIN)
    assert reader.catch_up() == ids[-PAGE_MIN:]
    assert reader.gaps == 1


@pytest.mark.parametrize(("since", "gaps"), [("0", 0), ("0-0", 0), ("-9", 0), ("$", 0), ("0-1001", 1), ("0-1003", 0)])
def test_history_that_begins_behind_the_start_is_a_gap_if_the_start_is_a_place(
    server: FakeServer, since: str, gaps: int
) -> None:
    published(server, 5)
    server.trim(2)
    reader = Reader(server, since)
    reader.catch_up()
    assert reader.gaps == gaps


def test_history_that_is_younger_than_the_age_asked_for_is_no_gap(server: FakeServer) -> None:
    server.clock = 599_999 << 64
    published(server, 5)
    server.trim(2)
    reader = Reader(server, "10s")
    assert len(reader.catch_up()) == 2
    assert reader.gaps == 0
    published(server, 5)
    server.trim(2)
    assert len(reader.catch_up()) == 2
    assert reader.gaps == 1


def test_a_gap_over_several_channels_is_told_once(server: FakeServer) -> None:
    """What was trimmed of one channel lies behind messages of another one that are still there."""
    reader = Reader(server, "0", (b"a", b"b"))
    reader.hear(server.publish(b"a"))
    for number in range(8 * PAGE_MIN):
        server.publish(b"ab"[number % 2 :][:1])
    server.messages = [each for each in server.messages if each[1] == b"a"]
    server.lost = server.clock
    assert len(reader.catch_up()) == 4 * PAGE_MIN
    assert reader.gaps == 1


def test_a_server_that_has_forgotten_the_last_message_has_forgotten_others(server: FakeServer) -> None:
    published(server, 5)
    reader = Reader(server, "0")
    reader.catch_up()
    server.messages = server.messages[:3]  # power failure, or another server
    assert reader.catch_up() == []
    assert reader.gaps == 1
    server.clock = 1003
    reader.hear(server.publish())
    assert reader.catch_up() == []
    assert reader.gaps == 1
    assert reader.seen == [1001, 1002, 1003, 1004, 1005, 1004]


def test_a_server_that_has_forgotten_everything(server: FakeServer) -> None:
    published(server, 5)
    reader = Reader(server, "0")
    reader.catch_up()
    server.messages.clear()
    assert reader.catch_up() == []
    server.clock = 500
    reader.hear(server.publish())
    published(server, 1)
    assert reader.catch_up() == [502]
    assert reader.gaps == 1
    assert reader.seen[-2:] == [501, 502]


@given(st.data())
def test_whatever_happens(data: st.DataObject) -> None:
    """Publish, trim, lose the connection, hear: what was seen is what was published, in order, unless a gap was told
    where something is missing."""
    server = FakeServer()
    reader = Reader(server, data.draw(st.sampled_from(["0", "$", "-3"])))
    published_ids: list[int] = []
    trimmed = False
    connected = False
    waiting: list[bytes] = []
    for step in data.draw(st.lists(st.sampled_from(["publish"] * 3 + ["burst", "trim", "lose", "connect", "hear"]))):
        if step in ("publish", "burst"):
            for _ in range(1 if step == "publish" else PAGE_MIN + 1):
                entry_id = server.publish()
                published_ids.append(id_number(entry_id))
                waiting += [entry_id] if connected else []
        elif step == "trim":
            server.trim(2)
        elif step == "lose":
            connected = False
            waiting.clear()
        elif step == "connect" and not connected:
            connected = True
            trimmed |= server.lost > max([0, *reader.seen])
            reader.catch_up()
        elif step == "hear":
            for entry_id in waiting:
                reader.hear(entry_id)
            waiting.clear()
    if not connected:
        trimmed |= server.lost > max([0, *reader.seen])
        reader.catch_up()
    for entry_id in waiting:
        reader.hear(entry_id)
    assert reader.seen == sorted(set(reader.seen))
    assert bool(reader.gaps) == trimmed
    if not trimmed:
        assert reader.seen == published_ids
    else:
        assert reader.seen[-1:] == published_ids[-1:] or server.lost == published_ids[-1]
