"""Quoting, and that it never lets a control character through."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airwave.quoting import escaped, quoted, split_args


@given(st.lists(st.binary(max_size=20), max_size=5))
def test_what_was_quoted_is_read_back(args: list[bytes]) -> None:
    assert split_args(" ".join(quoted(arg) for arg in args).encode()) == args


@given(st.binary())
def test_nothing_but_printable_ascii_comes_out(data: bytes) -> None:
    text = escaped(data)
    assert text.isascii()
    assert text.isprintable() or not text


@pytest.mark.parametrize(
    ("line", "args"),
    [
        (b"", []),
        (b" \t\r\n\v\f\0", []),
        (b"a  b", [b"a", b"b"]),
        (b'"a b" c', [b"a b", b"c"]),
        (b"'a b' 'c\\'d\\n'", [b"a b", b"c'd\\n"]),
        (b'"\\x41\\n\\r\\t\\a\\b\\"\\\\\\q"', [b'A\n\r\t\a\b"\\q']),
        (b'"\\x4g"', [b"x4g"]),
        (b'a"b"', [b"ab"]),
        (b'""', [b""]),
        (b'"a', None),
        (b"'a", None),
        (b'"a"b', None),
        (b"'a'b", None),
        (b'"a\\"', None),
    ],
)
def test_lines(line: bytes, args: list[bytes] | None) -> None:
    assert split_args(line) == args


@given(st.binary())
def test_any_line_is_read(line: bytes) -> None:
    split_args(line)
