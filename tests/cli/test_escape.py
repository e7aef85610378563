"""What a terminal is never shown."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airwave.cli.escape import printable


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b'{"a": "b\\n"}', '{"a": "b\\n"}'),
        (b"tab\tline\r\n", r"tab\tline\r\n"),
        (b"\x1b]0;title\x07\x00\x7f", r"\x1b]0;title\x07\x00\x7f"),
        ("\x9b31m".encode(), r"\u009b31m"),
        (b"\x9b31m \xff\xc3", r"\x9b31m \xff\xc3"),
        ("admin\u202egpj.exe\u2066\ufeff".encode(), r"admin\u202egpj.exe\u2066\ufeff"),
        ("a\u2028b\u2029\U000e0041".encode(), r"a\u2028b\u2029\U000e0041"),
        (b"\xed\xa0\x80", r"\xed\xa0\x80"),
        ("\ud83d", r"\ud83d"),
        ("žluťoučký 👨‍👩‍👧 日本 می‌خواهم".encode(), "žluťoučký 👨‍👩‍👧 日本 می‌خواهم"),
    ],
)
def test_printable(data, text):
    assert printable(data) == text


@given(st.one_of(st.binary(), st.text()))
def test_nothing_that_moves_the_cursor_or_hides_text_gets_through(data):
    shown = printable(data)
    shown.encode()
    categories = {unicodedata.category(character) for character in shown if character not in "\u200c\u200d"}
    assert not categories & {"Cc", "Cf", "Cs", "Zl", "Zp"}
