"""Where `airwave tail` begins, and what it does when connections are lost."""

import re

import pytest
import redis
from hypothesis import given
from hypothesis import strategies as st

from airwave.cli import entries, reports
from airwave.cli.entries import follow, parse_start, read
from airwave.cli.failure import Failure
from airwave.since import Start


def test_what_is_not_understood_names_its_option():
    assert parse_start("10m") == Start(ago_ms=600_000)
    with pytest.raises(Failure, match=r"^--from is not understood: write an ID") as failure:
        parse_start("ten")
    assert failure.value.code == 2
    with pytest.raises(Failure, match=r"^--since is not understood: "):
        parse_start("", "--since")


class FakeServer:
    """A raw client of a server with one stream, `s`; `trouble` says before which requests the connection is lost."""

    def __init__(self, ids, kind=b"stream", trouble=()):
        self.ids = sorted(ids)
        self.kind = kind
        self._trouble = iter(trouble)
        self.reads = 0

    def execute_command(self, name, *args):
        if next(self._trouble, False):
            raise redis.ConnectionError("lost")
        return getattr(self, name.lower())(*args)

    def type(self, _):
        return self.kind

    def time(self):
        return [b"5", b"7000"]  # 5007 ms

    def xrange(self, _, lower, upper, __, count):
        return [self._item(each) for each in self.ids if self._id(lower) <= each <= self._id(upper)][:count]

    def xrevrange(self, _, upper, lower, __, count):
        return [self._item(each) for each in reversed(self.ids) if self._id(lower) <= each <= self._id(upper)][:count]

    def xread(self, *args):
        self.reads += 1
        newer = [self._item(each) for each in self.ids if each > self._id(args[-1])][:2]
        return [[b"s", newer]] if newer else None

    @staticmethod
    def _id(text):
        if text in ("-", "+"):
            return (0, 0) if text == "-" else (2**64, 0)
        ms, seq = map(int, re.fullmatch(r"(\d+)-(\d+)", text).groups())
        return ms, seq

    @staticmethod
    def _item(entry_id):
        return [b"%d-%d" % entry_id, [b"n", b"%d" % entry_id[0]]]


@pytest.fixture(autouse=True)
def small_pages(monkeypatch):
    monkeypatch.setattr(entries, "_PAGE_ENTRIES", 3)
    monkeypatch.setattr(entries.time, "sleep", lambda _: None)
    monkeypatch.setattr(reports, "say", lambda _: None)


def found(server, text):
    return [entry.id for entry in read(server, b"s", parse_start(text))]


@pytest.mark.parametrize(
    ("text", "first"),
    [("-4", 17), ("-3", 18), ("-1", 20), ("-99", 1), ("0", 1), ("5-0", 5), ("5-1", 6), ("20-0", 20)],
)
def test_pages_are_read_to_the_end(text, first):
    server = FakeServer([(ms, 0) for ms in range(1, 21)])
    assert found(server, text) == [f"{ms}-0" for ms in range(first, 21)]


def test_nothing_to_read():
    assert found(FakeServer([(1, 0)]), "-0") == []
    assert found(FakeServer([(1, 0)]), "1-1") == []
    assert found(FakeServer([]), "-10") == []


def test_times_before_now_are_by_the_clock_of_the_server():
    assert found(FakeServer([(4006, 9), (4007, 0), (5000, 0)]), "1s") == ["4007-0", "5000-0"]
    assert found(FakeServer([(1, 0)]), "1h") == ["1-0"]


def test_the_last_possible_id_ends_it():
    last = (2**64 - 1, 2**64 - 1)
    assert found(FakeServer([(1, 2**64 - 1), (2, 0), (3, 3), last]), "0")[-1] == f"{last[0]}-{last[1]}"


def followed(server, text, count):
    """The first entries that come."""
    ids = []
    for entry in follow(server, "redis://h", b"s", parse_start(text)):
        if entry is not None:
            ids.append(entry.id)
        if len(ids) == count:
            return ids
        assert server.reads < 1000
    return ids


@given(st.lists(st.booleans(), max_size=40))
def test_every_entry_comes_once_however_often_the_connection_is_lost(trouble):
    server = FakeServer([(ms, ms % 2) for ms in range(1, 21)], trouble=[False, False, False, *trouble])
    assert followed(server, "3-0", 18) == [f"{ms}-{ms % 2}" for ms in range(3, 21)]


def test_entries_that_come_later_are_followed_from_the_end():
    server = FakeServer([(1, 0), (2, 0)])
    found = follow(server, "redis://h", b"s", Start(last=0))
    assert next(found) is None
    server.ids.append((3, 0))
    assert next(found).id == "3-0"
    assert next(found) is None


def test_a_stream_that_is_not_there_yet_is_waited_for():
    server = FakeServer([], kind=b"none")
    found = follow(server, "redis://h", b"s", Start(last=10))
    assert next(found) is None
    server.ids.append((3, 0))
    assert next(found).id == "3-0"


@pytest.mark.parametrize(("oldest", "text"), [(2, "going on where it was"), (9, "trimmed in between may be missing")])
def test_what_was_trimmed_meanwhile_is_told(oldest, text, monkeypatch):
    told = []
    monkeypatch.setattr(reports, "say", told.append)
    server = FakeServer([(1, 0), (2, 0)])
    found = follow(server, "redis://h", b"s", Start(id=0))
    assert [next(found).id, next(found).id, next(found)] == ["1-0", "2-0", None]
    server.ids = [(oldest, 0), (10, 0)]
    server._trouble = iter([True])
    assert next(found).id == ("10-0" if oldest == 2 else "9-0")
    assert text in told[-1]
    assert "lost" in told[-2]


def test_where_it_began_is_no_entry_that_could_be_trimmed(monkeypatch):
    told = []
    monkeypatch.setattr(reports, "say", told.append)
    server = FakeServer([(9, 0)])
    found = follow(server, "redis://h", b"s", Start(id=5 << 64))
    server.ids = []
    assert next(found) is None
    server.ids = [(9, 0)]
    server._trouble = iter([True, True, True])
    assert next(found).id == "9-0"
    assert "lost" in told[-2]
    assert "going on" in told[-1]
    assert len(told) == 3


@pytest.mark.parametrize(("kind", "text"), [(b"none", "no such stream"), (b"string", "of type string")])
def test_what_is_no_stream(kind, text):
    with pytest.raises(Failure, match=text):
        found(FakeServer([], kind=kind), "0")


def test_what_is_no_stream_is_not_followed():
    with pytest.raises(Failure, match="of type string"):
        next(follow(FakeServer([], kind=b"string"), "redis://h", b"s", Start(last=1)))
