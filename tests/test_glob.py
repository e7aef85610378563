"""Globs, against a transcription of Redis's matcher and against redis-server itself."""

from collections.abc import Iterator
from re import _parser

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from real_redis import Conversation, real_redis

from airwave import glob


def redis_match(pattern: bytes, data: bytes, nocase: bool = False) -> bool:  # noqa: C901, PLR0912  (as the original)
    """`stringmatchlen` of redis-server 7.0's util.c, line by line (without what only makes it faster)."""

    def signed(byte: int) -> int:
        return byte - 256 if byte > 127 else byte

    def fold(byte: int) -> int:
        return byte + 32 if nocase and ord("A") <= byte <= ord("Z") else byte

    def at(pos: int) -> int:
        return pattern[pos] if pos < len(pattern) else 0  # C strings end with a zero byte

    p, s = 0, 0
    while p < len(pattern) and s < len(data):
        if at(p) == ord("*"):
            while at(p + 1) == ord("*"):
                p += 1
            if p == len(pattern) - 1:
                return True
            return any(redis_match(pattern[p + 1 :], data[start:], nocase) for start in range(s, len(data)))
        if at(p) == ord("?"):
            pass
        elif at(p) == ord("["):
            p += 1
            negated = at(p) == ord("^")
            p += negated
            match = False
            while True:
                left = len(pattern) - p
                if left >= 2 and at(p) == ord("\\"):
                    p += 1
                    match |= at(p) == data[s]
                elif left > 0 and at(p) == ord("]"):
                    break
                elif left == 0:
                    p -= 1
                    break
                elif left >= 3 and at(p + 1) == ord("-"):
                    start, end = sorted((signed(at(p)), signed(at(p + 2))))
                    match |= fold(start) <= fold(signed(data[s])) <= fold(end)
                    p += 2
                else:
                    match |= fold(at(p)) == fold(data[s])
                p += 1
            if match == negated:
                return False
        else:
            if at(p) == ord("\\") and len(pattern) - p >= 2:
                p += 1
            if fold(at(p)) != fold(data[s]):
                return False
        s += 1
        p += 1
        if s == len(data):
            while at(p) == ord("*") and p < len(pattern):
                p += 1
            break
    return p == len(pattern) and s == len(data)


# Few different bytes, so that patterns match often; those at the ends of ranges; and bytes that are negative in C.
BYTES = st.sampled_from([bytes([byte]) for byte in b"aaaabbbbcAZz[]^-\\*?{\n\x00\xff\x80"])
MEMBERS = st.one_of(BYTES, st.tuples(BYTES, st.just(b"-"), BYTES).map(b"".join), BYTES.map(lambda byte: b"\\" + byte))
CLASSES = st.builds(
    lambda start, members, end: start + b"".join(members) + end,
    st.sampled_from([b"[", b"[^"]),
    st.lists(MEMBERS, max_size=3),
    st.sampled_from([b"]", b"]", b"]", b""]),
)
PATTERNS = st.lists(st.one_of(st.just(b"*"), st.just(b"?"), BYTES, CLASSES), max_size=8).map(b"".join)
STRINGS = st.lists(BYTES, max_size=8).map(b"".join)
ASCII = PATTERNS.filter(bytes.isascii)


@pytest.fixture(scope="module")
def redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Conversation]:
    with real_redis(tmp_path_factory.mktemp("redis"), "--save", "") as conversation:
        yield conversation


@settings(max_examples=250)
@example(b"ab*ba", b"aba")  # what matches the ends may not overlap
@example(b"a[ab]*[ab]a", b"aba")
@example(b"a*b*ba", b"aba")
@given(PATTERNS, STRINGS)
def test_agrees_with_the_transcription(pattern: bytes, data: bytes) -> None:
    assert glob.compile(pattern)(data) is redis_match(pattern, data)


@settings(max_examples=250)
@given(ASCII, STRINGS.filter(bytes.isascii))
def test_agrees_with_the_transcription_without_letter_case(pattern: bytes, data: bytes) -> None:
    assert glob.compile(pattern, nocase=True)(data) is redis_match(pattern, data, nocase=True)


@given(st.lists(PATTERNS, min_size=1, max_size=20, unique=True), st.lists(STRINGS, min_size=1, max_size=20))
def test_agrees_with_redis_server(redis: Conversation, patterns: list[bytes], channels: list[bytes]) -> None:
    compiled = [glob.compile(pattern) for pattern in patterns]
    # PSUBSCRIBE and PUNSUBSCRIBE are answered by pushes alone: only PUBLISH has replies.
    counts = redis.do_all(
        [("PUBLISH", channel, "") for channel in channels],
        before=("PSUBSCRIBE", *patterns),
        after=("PUNSUBSCRIBE",),
    )
    assert counts == [sum(matches(channel) for matches in compiled) for channel in channels]


NAME_PATTERNS = st.lists(
    st.sampled_from(["*", "?", "[^", "[", "]", "-", "\\", "A", "c", "L", "t", "S-e", "e"]), max_size=8
)


@given(st.lists(NAME_PATTERNS.map("".join).map(str.encode), min_size=1, max_size=20))
def test_agrees_with_redis_server_without_letter_case(redis: Conversation, patterns: list[bytes]) -> None:
    names, *found = redis.do_all(
        [("COMMAND", "LIST"), *(("COMMAND", "LIST", "FILTERBY", "PATTERN", pattern) for pattern in patterns)]
    )
    for pattern, expected in zip(patterns, found, strict=True):
        matches = glob.compile(pattern, nocase=True)
        assert {name for name in names if matches(name)} == set(expected)


@given(PATTERNS, STRINGS)
def test_what_matches_begins_with_the_literal_prefix(pattern: bytes, data: bytes) -> None:
    prefix = glob.literal_prefix(pattern)
    if redis_match(pattern, data):
        assert data.startswith(prefix)
    if glob.is_literal(pattern):
        assert redis_match(pattern, prefix)
        assert redis_match(pattern, data) is (data == prefix)


@pytest.mark.parametrize(
    ("pattern", "prefix", "literal"),
    [
        (b"news", b"news", True),
        (b"news.*", b"news.", False),
        (rb"a\*[b]c", b"a*bc", True),
        (b"a[bc]d", b"a", False),
        (b"a?", b"a", False),
        (b"*", b"", False),
        (b"", b"", True),
        (b"a\\", b"a\\", True),
    ],
)
def test_literal_prefix(pattern: bytes, prefix: bytes, literal: bool) -> None:
    assert glob.literal_prefix(pattern) == prefix
    assert glob.is_literal(pattern) is literal


class _Counted(glob._Segment):
    """Counts the steps that searches may take at most: places tried, times bytes compared at each."""

    searches = 0
    steps = 0

    def find(self, data: bytes, pos: int, end: int) -> int:
        found = super().find(data, pos, end)
        type(self).searches += 1
        type(self).steps += ((found if found >= 0 else end) - pos + 1) * self.length
        return found


@pytest.mark.parametrize(
    "pattern",
    [
        b"a*" * 60 + b"b",
        b"*a?" * 60 + b"b",
        b"*[ab]" * 60 + b"*c",
        b"*" * 5000 + b"b",
        b"a" + b"*?" * 60 + b"*b*",
        b"*aab*",
    ],
)
@pytest.mark.parametrize("data", [b"a" * 20_000, b"ab" * 10_000])
def test_steps_are_bounded(monkeypatch: pytest.MonkeyPatch, pattern: bytes, data: bytes) -> None:
    monkeypatch.setattr(glob, "_Segment", _Counted)
    monkeypatch.setattr(_Counted, "searches", 0)
    monkeypatch.setattr(_Counted, "steps", 0)
    glob.compile(pattern)(data)
    segments = [len(segment) for segment in glob._segments(pattern, nocase=False)]
    assert _Counted.searches <= len(segments)
    assert _Counted.steps <= (len(data) + len(segments)) * 3  # no segment here is longer than 3 bytes


@given(PATTERNS)
def test_regexes_have_nothing_to_backtrack_into(pattern: bytes) -> None:
    for parts in glob._segments(pattern, nocase=False):
        segment = glob._Segment(parts)
        if segment.text is None:
            regex = segment.regex
            operations = {str(operation) for operation, _ in _parser.parse(regex.pattern, regex.flags)}
            assert operations <= {"LITERAL", "NOT_LITERAL", "ANY", "IN"}
