"""A look at the streams of a server, as `airwave streams` takes it."""

from dataclasses import replace

import pytest

from airwave.cli.client import connect_raw
from airwave.cli.survey import GroupLook, StreamLook, look, rate

A = StreamLook(b"a", 3, 10, "5-0", (), 1000)


@pytest.mark.parametrize(
    ("before", "now", "expected"),
    [
        (A, replace(A, added=15, at_ms=1500), 10.0),
        (A, replace(A, at_ms=1500), 0.0),
        (A, replace(A, added=9, at_ms=1500), None),  # made anew
        (A, replace(A, at_ms=1000), None),
        (None, A, None),
        (replace(A, added=None), A, None),
        (A, replace(A, added=None, at_ms=1500), None),
    ],
)
def test_the_rate_is_that_between_two_looks(before, now, expected):
    assert rate(before, now) == expected


@pytest.mark.parametrize("kind", ["redis", "airwave"])
def test_streams_and_groups(make_server, kind, protocol):
    server = make_server(kind=kind)
    client = server.client
    for number in (1, 2, 3):
        client.xadd("b", {"n": number}, id=f"{number}-0")
    client.xgroup_create("b", "readers", "0")
    client.xgroup_create("b", "idle", "$")
    client.xreadgroup("readers", "me", {"b": ">"}, count=2)
    client.xadd("a", {"n": 1}, id="2000000000000-0")
    client.xgroup_create("a", "g", "0")
    client.xreadgroup("g", "me", {"a": ">"})
    client.set("c", "no stream")
    raw = connect_raw(f"{server.url}?protocol={protocol}")
    seen = []
    a, b = look(raw, None, seen.append)
    assert seen == [2]
    assert (a.name, a.length, a.added, a.last_id) == (b"a", 1, 1, "2000000000000-0")
    assert a.groups == (GroupLook(b"g", 1, 1, 0, "2000000000000-0", max(0, a.at_ms - 2_000_000_000_000)),)
    assert b.groups == (GroupLook(b"idle", 0, 0, 0), GroupLook(b"readers", 1, 2, 1, "1-0", None))
    assert [stream.name for stream in look(raw, b"[b-z]")] == [b"b"]


class Vanishing:
    """A raw client of a server where one of two streams is deleted while it looks."""

    def execute_command(self, *_):
        return [b"0", [b"gone", b"here"]]

    def pipeline(self, transaction):
        assert not transaction
        return Pipeline()


class Pipeline:
    def __init__(self):
        self._commands = []

    def execute_command(self, *command):
        self._commands.append(command)

    def execute(self, raise_on_error):
        assert not raise_on_error
        return [self._reply(*command) for command in self._commands]

    def _reply(self, *command):
        if command == ("TIME",):
            return [b"1", b"2000"]
        if b"gone" in command or command[0] == "XPENDING":
            return Exception("ERR no such key")
        if command[1] == "GROUPS":
            return [[b"name", b"g", b"consumers", 1, b"pending", 1]]
        return [b"length", 1, b"last-generated-id", b"1-0"]


def test_what_goes_meanwhile_and_what_old_servers_do_not_say():
    assert look(Vanishing()) == [StreamLook(b"here", 1, None, "1-0", (GroupLook(b"g", 1, 1, None),), 1002)]
