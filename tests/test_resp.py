"""Encoders against hiredis, which decodes; and what differs between the protocols."""

from typing import Any

import hiredis
import pytest
from hypothesis import given
from hypothesis import strategies as st

from airwave import resp
from airwave.resp import RESP2, RESP3


def decoded(frame: bytes) -> Any:
    reader = hiredis.Reader(notEnoughData=...)
    reader.feed(frame)
    value = reader.gets()
    assert reader.gets() is ...
    return value


@given(st.integers(-(1 << 63), (1 << 63) - 1) | st.integers(-10, 5000))
def test_integers(number: int) -> None:
    assert decoded(resp.integer(number)) == number


@given(st.binary())
def test_strings(data: bytes) -> None:
    assert decoded(resp.bulk(data)) == data
    assert decoded(RESP2.verbatim(data)) == data
    assert decoded(RESP3.verbatim(data)) == b"txt:" + data or decoded(RESP3.verbatim(data)) == data


@given(st.lists(st.binary(max_size=5)))
def test_arrays(items: list[bytes]) -> None:
    encoded = [resp.bulk(item) for item in items]
    assert decoded(resp.bulks(items)) == decoded(resp.array(encoded)) == items
    assert decoded(RESP2.set(encoded)) == decoded(RESP2.push(encoded)) == items
    if items:
        push = decoded(RESP3.push(encoded))
        assert isinstance(push, hiredis.PushNotification)
        assert push == items


@given(st.dictionaries(st.binary(max_size=5), st.integers(0, 9)))
def test_maps(mapping: dict[bytes, int]) -> None:
    pairs = [(resp.bulk(key), resp.integer(value)) for key, value in mapping.items()]
    assert decoded(RESP3.map(pairs)) == mapping
    assert decoded(RESP2.map(pairs)) == [part for pair in mapping.items() for part in pair]


@given(st.floats(allow_nan=False))
def test_doubles(number: float) -> None:
    assert decoded(RESP3.double(number)) == number
    assert float(decoded(RESP2.double(number))) == number


@pytest.mark.parametrize(
    ("resp2", "resp3"),
    [
        (RESP2.null, RESP3.null),
        (RESP2.null_array, RESP3.null_array),
        (RESP2.boolean(True), RESP3.boolean(True)),
        (RESP2.boolean(False), RESP3.boolean(False)),
        (RESP2.double(float("inf")), RESP3.double(float("inf"))),
        (RESP2.double(0.5), RESP3.double(0.5)),
        (RESP2.set([b":1\r\n"]), RESP3.set([b":1\r\n"])),
        (RESP2.confirmation(b"unsubscribe", None, 0), RESP3.confirmation(b"unsubscribe", None, 0)),
        (RESP2.confirmation(b"subscribe", b"a", 2), RESP3.confirmation(b"subscribe", b"a", 2)),
    ],
)
def test_what_differs(resp2: bytes, resp3: bytes) -> None:
    assert (resp2, resp3) in {
        (b"$-1\r\n", b"_\r\n"),
        (b"*-1\r\n", b"_\r\n"),
        (b":1\r\n", b"#t\r\n"),
        (b":0\r\n", b"#f\r\n"),
        (b"$3\r\ninf\r\n", b",inf\r\n"),
        (b"$3\r\n0.5\r\n", b",0.5\r\n"),
        (b"*1\r\n:1\r\n", b"~1\r\n:1\r\n"),
        (b"*3\r\n$11\r\nunsubscribe\r\n$-1\r\n:0\r\n", b">3\r\n$11\r\nunsubscribe\r\n_\r\n:0\r\n"),
        (b"*3\r\n$9\r\nsubscribe\r\n$1\r\na\r\n:2\r\n", b">3\r\n$9\r\nsubscribe\r\n$1\r\na\r\n:2\r\n"),
    }


@given(st.binary(), st.binary(), st.binary())
def test_a_message_is_its_head_and_its_payload(pattern: bytes, channel: bytes, message: bytes) -> None:
    for encoder in (RESP2, RESP3):
        tail = resp.bulk(message)
        assert decoded(encoder.message_head(b"message", channel) + tail) == [b"message", channel, message]
        frame = encoder.message_head(b"pmessage", pattern, channel) + tail
        assert decoded(frame) == [b"pmessage", pattern, channel, message]
