"""Bytes in JSON."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from airwave.web.dashboard.shown import shown


@given(st.binary(max_size=40), st.integers(1, 40))
def test_what_is_shown_is_the_beginning_of_what_there_is(data: bytes, size_max: int) -> None:
    found = shown(data, size_max)
    part = found["text"].encode() if "text" in found else bytes.fromhex(found["hex"])
    assert data.startswith(part)
    assert len(part) == found["shown"] <= size_max
    assert found["size"] == len(data)
    assert found["cut"] is (len(part) < len(data))
    msgspec.json.encode(found)


PRINTED = st.characters(min_codepoint=0x20, exclude_characters="\x7f", codec="utf-8")


@given(st.text(PRINTED, max_size=40), st.integers(4, 40))
def test_text_stays_text_wherever_it_is_cut(text: str, size_max: int) -> None:
    found = shown(text.encode(), size_max)
    assert text.startswith(found["text"])
    assert found["shown"] > size_max - 4 or not found["cut"]


@pytest.mark.parametrize("data", [b"\x00", b"a\x1b[31m", b"\xff\xfe", b"\xc3", b"a\x7f", "\x85".encode("latin-1")])
def test_what_no_text_has_makes_it_bytes(data: bytes) -> None:
    assert shown(data)["hex"] == data.hex()


def test_lines_and_tabs_are_text() -> None:
    assert shown(b"a\tb\r\nc")["text"] == "a\tb\r\nc"
