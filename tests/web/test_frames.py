"""Frames: what a client may send, in any pieces, and what it may not."""

import os
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st
from websockets.frames import Frame, Opcode

from airwave.web import frames
from airwave.web.frames import (
    BINARY,
    CLOSE,
    CONTINUATION,
    NOT_UTF8,
    PING,
    PROTOCOL_ERROR,
    TEXT,
    TOO_BIG,
    FrameError,
    Frames,
    Message,
    close_code,
    close_frame,
    control_frame,
    text_frame,
)


def sent(opcode: int, payload: bytes, *, final: bool = True) -> bytes:
    """A frame as a client sends it, made by somebody else."""
    return Frame(Opcode(opcode), payload, fin=final).serialize(mask=True)


def read(data: bytes, size_max: int = 1 << 20, step: int = 1 << 30) -> list[Message]:
    reader = Frames(size_max)
    return [message for at in range(0, len(data), step) for message in reader.feed(data[at : at + step])]


def refused(data: bytes, size_max: int = 1000) -> int:
    with pytest.raises(FrameError) as caught:
        read(data, size_max)
    return caught.value.code


@given(
    st.lists(st.tuples(st.sampled_from([TEXT, BINARY]), st.text(max_size=70_000).map(str.encode)), max_size=4),
    st.integers(1, 5000),
)
def test_messages_come_out_as_they_went_in_however_they_are_cut(said: list[tuple[int, bytes]], step: int) -> None:
    data = b"".join(sent(*each) for each in said)
    assert read(data, step=step) == said


def test_a_message_in_pieces_with_a_ping_in_between() -> None:
    data = sent(TEXT, "hé".encode()[:2], final=False) + sent(PING, b"?") + sent(CONTINUATION, "hé".encode()[2:])
    assert read(data, step=1) == [(PING, b"?"), (TEXT, "hé".encode())]


@pytest.mark.parametrize("size", [0, 1, 125, 126, 65535, 65536])
def test_our_frames_are_what_others_expect(size: int) -> None:
    payload = b"x" * size
    assert text_frame(payload) == Frame(Opcode.TEXT, payload).serialize(mask=False)


def test_control_frames() -> None:
    assert control_frame(PING, b"?") == Frame(Opcode.PING, b"?").serialize(mask=False)
    long = "é" * 200
    frame = close_frame(1002, long)
    assert frame[:4] == bytes([0x80 | CLOSE, 124]) + (1002).to_bytes(2)  # not half an é
    assert frame[4:].decode() == "é" * 61


@pytest.mark.parametrize(
    "data",
    [
        Frame(Opcode.TEXT, b"x").serialize(mask=False),
        bytes([0xC1, 0x80]),  # a reserved bit
        bytes([0x83, 0x80]),  # no such opcode
        bytes([0x8B, 0x80]),
        bytes([0x09, 0x80]),  # a ping in pieces
        bytes([0x89, 0xFE, 0, 126]),  # a long ping
        sent(CONTINUATION, b"x"),
        sent(TEXT, b"x", final=False) + sent(TEXT, b"y"),
    ],
    ids=["unmasked", "reserved bit", "opcode 3", "opcode 11", "ping in pieces", "long ping", "no beginning", "no end"],
)
def test_what_breaks_the_rules_is_refused(data: bytes) -> None:
    assert refused(data) == PROTOCOL_ERROR


def test_text_that_is_not_utf8_is_refused() -> None:
    assert refused(sent(TEXT, b"\xff")) == NOT_UTF8


def test_what_is_too_long_is_refused_before_it_has_come() -> None:
    assert read(sent(BINARY, b"x" * 1000), 1000)
    assert refused(bytes([0x82, 0xFF]) + (1 << 62).to_bytes(8)) == TOO_BIG
    assert refused(bytes([0x82, 0xFE]) + (1001).to_bytes(2)) == TOO_BIG
    assert refused(sent(BINARY, b"x" * 600, final=False) + sent(CONTINUATION, b"x" * 600)) == TOO_BIG


def test_empty_pieces_come_to_an_end() -> None:
    assert refused(sent(TEXT, b"", final=False) + sent(CONTINUATION, b"", final=False) * 2000) == TOO_BIG


def test_what_waits_is_counted() -> None:
    reader = Frames(1000)
    assert not list(reader.feed(sent(TEXT, b"abc", final=False) + sent(CONTINUATION, b"def")[:3]))
    assert 3 + 3 <= reader.buffered_bytes <= 3 + 3 + 1


@given(st.binary(max_size=200))
def test_garbage_is_refused_or_waits(data: bytes) -> None:
    with suppress(FrameError):
        read(data, 100)


def test_unmasking_any_length() -> None:
    for size in (0, 1, 3, 4, 5, 1000):
        payload, mask = os.urandom(size), os.urandom(4)
        masked = bytes(byte ^ mask[at % 4] for at, byte in enumerate(payload))
        assert frames._unmasked(masked, mask) == payload


def test_close_codes() -> None:
    assert close_code(b"") == 1000
    assert close_code((1001).to_bytes(2) + b"bye") == 1001
    assert close_code((4000).to_bytes(2)) == 4000
    for bad in (
        b"x",
        (999).to_bytes(2),
        (1005).to_bytes(2),
        (1006).to_bytes(2),
        (2999).to_bytes(2),
        (5000).to_bytes(2),
    ):
        with pytest.raises(FrameError):
            close_code(bad)
