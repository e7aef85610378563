"""Messages as browsers get them."""

import json
from base64 import b64decode
from typing import Any

import pytest

from airwave.pubsub import Current
from airwave.web.formats import SSE, WS, data_fields


def of_sse(frame: bytes) -> tuple[dict[str, str], Any]:
    text = frame.decode()
    assert text.endswith("\n\n")
    fields = dict(line.split(": ", 1) for line in text.rstrip("\n").split("\n"))
    return fields, json.loads(fields["data"])


def of_ws(frame: bytes) -> Any:
    size = frame[1]
    start = 2 if size < 126 else 4
    return json.loads(frame[start:])


MESSAGES = [b"", b"hello", 'hé \u2028 "q" \\ \r\n\t\0'.encode(), b"data: x\n\nevent: y\n\n"]


@pytest.mark.parametrize("message", MESSAGES)
def test_text_stays_text_and_one_line(message: bytes) -> None:
    for push in (
        of_sse(SSE.message_head(b"message", b"a")(message))[1],
        of_ws(WS.message_head(b"message", b"a")(message)),
    ):
        assert push == {"channel": "a", "data": message.decode()}


def test_a_pattern_is_told() -> None:
    push = {"channel": "a1", "pattern": "a*", "data": "x"}
    assert of_sse(SSE.message_head(b"pmessage", b"a*", b"a1")(b"x"))[1] == push
    assert of_ws(WS.message_head(b"pmessage", b"a*", b"a1")(b"x")) == push


def test_what_is_not_text_comes_in_base64() -> None:
    push = of_ws(WS.message_head(b"message", b"a")(b"\xff\0"))
    assert b64decode(push["data64"]) == b"\xff\0"
    assert "data" not in push
    assert data_fields(b"\xff\0") == {"data64": push["data64"]}
    assert data_fields(b"x") == {"data": "x"}


def test_a_name_that_is_not_text_can_be_told_from_others() -> None:
    push = of_ws(WS.message_head(b"message", b"a\xff")(b"x"))
    assert push["channel"] == "a\N{REPLACEMENT CHARACTER}"
    assert b64decode(push["channel64"]) == b"a\xff"


def test_entries_carry_their_id() -> None:
    current = Current()
    heads = SSE.entry_head(current, b"message", b"a"), WS.entry_head(current, b"pmessage", b"*", b"a")
    for entry in (b"5-1", b"6-0"):
        current.text = entry
        fields, push = of_sse(heads[0](b"x"))
        assert fields["id"] == push["entry"] == entry.decode()
        assert of_ws(heads[1](b"x")) == {"channel": "a", "pattern": "*", "data": "x", "entry": entry.decode()}


def test_other_events() -> None:
    fields, about = of_sse(SSE.gap({"lost": "5-0"}, 5 << 64))
    assert (fields["event"], fields["id"], about) == ("gap", "5-0", {"lost": "5-0"})
    assert of_ws(WS.gap({"lost": "5-0"}, 5 << 64)) == {"gap": {"lost": "5-0", "entry": "5-0"}}
    assert "id" not in of_sse(SSE.event("expired", {}))[0]


@pytest.mark.parametrize("wire", [SSE, WS])
def test_messages_may_be_dropped_and_nothing_else(wire: Any) -> None:
    for message in (b"x", b"\nevent: gap\n", b"x" * 200, b"x" * 70_000):
        assert wire.is_message(wire.message_head(b"message", b"a")(message))
        assert wire.is_message(wire.entry_head(Current(), b"pmessage", b"*", b"a")(message))
    assert not wire.is_message(wire.gap({"dropped": 1}))
    assert not wire.is_message(wire.gap({"channels": ["a"]}, 5 << 64))
