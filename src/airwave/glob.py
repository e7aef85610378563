r"""Redis globs in linear time: `*`, `?`, `[abc]`, `[^a]`, `[a-z]`, `\x`, over bytes.

Layer L0. The meaning is that of `stringmatchlen` in redis-server 7.0's util.c, with its corners:

- a class that is not closed ends with the pattern; `[]` matches no byte, `[^]` and a final `[^` any byte;
- a range may be written backwards; its end may be `]` or `\`, so `[a-]` is an unclosed class with a range; bytes
  compare as signed chars, so `[a-\xff]` is -1 to 97;
- a final `\` stands for itself; inside a class `\x` matches letter case even when the rest ignores it;
- the empty string is matched by the empty pattern only, not by `*`.

**Bound.** A pattern is cut at its stars into segments, each of a fixed length. The first is compared at the start,
the last at the end, each other one is searched leftmost behind the one before, and nothing is ever tried again: a match
of a string of n bytes takes at most one search per segment, and all searches together n·k steps for a longest segment
of k bytes (n + k for segments of plain bytes). That k is chosen by who sends the pattern: `*` and a megabyte of `[ab]`
against a megabyte is as slow here as in Redis. What cannot happen is the exponential growth of `a*a*a*a*b`.
Making a matcher is linear in the pattern as well: about 1 µs for each of its parts at once, and up to 10 µs for each
class (to compile its regex) when the first string comes that is long enough to match.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import lru_cache
from itertools import takewhile
from operator import methodcaller

# The order of the alternatives is the order of Redis's cases, and decides the corners. The possessive `*+` has nothing
# to go back to, so a long class needs no memory for it.
_TOKEN = re.compile(
    rb"(?P<stars>\*+)|(?P<any>\?)|\[(?P<negated>\^?)(?P<class>(?:\\.|[^\]]-.|[^\]])*+)\]?|\\(?P<escaped>.)|[^*?\[\\]+|\\",
    re.DOTALL,
)
_MEMBER = re.compile(rb"\\(?P<escaped>.)|(?P<first>[^\]])-(?P<last>.)|(?P<one>.)", re.DOTALL)

# A set of bytes is an integer with bit (byte ^ 0x80) set: the order of signed chars, in which Redis compares ranges.
_ANY = (1 << 256) - 1
_LOWER = ((1 << 26) - 1) << (ord("a") ^ 0x80)
_UPPER = _LOWER >> 32
_STAR = None

Part = bytes | int
"""Plain bytes, or a set for one byte."""

_REGEX_KEPT_MAX = 4096


class _Segment:
    """What stands between two stars: a fixed number of bytes."""

    __slots__ = ("_parts", "_regex", "length", "text")

    def __init__(self, parts: list[Part]) -> None:
        plain = b"".join([part for part in parts if isinstance(part, bytes)])
        self.length = len(plain) + sum([isinstance(part, int) for part in parts])
        self.text = plain if len(plain) == self.length else None
        self._parts = parts
        self._regex: re.Pattern[bytes] | None = None

    def at(self, data: bytes, pos: int) -> bool:
        """Whether it stands at `pos`."""
        if self.text is not None:
            return data.startswith(self.text, pos)
        return self.regex.match(data, pos) is not None

    def find(self, data: bytes, pos: int, end: int) -> int:
        """Where it stands first between `pos` and `end`; -1 when nowhere."""
        if self.text is not None:
            return data.find(self.text, pos, end)
        match = self.regex.search(data, pos, end)
        return -1 if match is None else match.start()

    @property
    def regex(self) -> re.Pattern[bytes]:
        """Neither alternation nor repetition: it has one way to match, so it cannot backtrack."""
        if self._regex is None:
            self._regex = re.compile(b"".join(map(_as_regex, self._parts)), re.DOTALL)
            if self.length > _REGEX_KEPT_MAX:
                re.purge()  # it keeps the last 512, whatever their size
        return self._regex


def compile(pattern: bytes, nocase: bool = False) -> Callable[[bytes], bool]:  # noqa: A001  (as re.compile)
    """Make a function that tells whether a string matches `pattern`.

    Args:
        nocase: ignore the case of ASCII letters.
    """
    first, *others = map(_Segment, _segments(pattern, nocase))
    if not others:
        if first.text is not None:
            return first.text.__eq__
        return lambda data: len(data) == first.length and first.at(data, 0)
    *middle, last = others
    if not middle and first.text is not None and last.text is not None:
        return _literal_ends(first.text, last.text)
    length_min = sum(segment.length for segment in (first, *others))

    def matches(data: bytes) -> bool:
        if len(data) < length_min:
            return False
        pos, end = first.length, len(data) - last.length
        if not first.at(data, 0) or not last.at(data, end):
            return False
        for segment in middle:
            found = segment.find(data, pos, end)
            if found < 0:
                return False
            pos = found + segment.length
        return True

    return matches


def literal_prefix(pattern: bytes) -> bytes:
    """The longest start that every string which matches must have; an index of patterns can go by it."""
    return b"".join(takewhile(lambda part: isinstance(part, bytes), _parts(pattern, nocase=False)))  # type: ignore[arg-type]


def is_literal(pattern: bytes) -> bool:
    """Whether one string only can match: `literal_prefix(pattern)`."""
    return all(isinstance(part, bytes) for part in _parts(pattern, nocase=False))


def _literal_ends(prefix: bytes, suffix: bytes) -> Callable[[bytes], bool]:
    """`prefix*suffix`: the shape of nearly all patterns in use."""
    if not suffix:
        return methodcaller("startswith", prefix) if prefix else bool  # without a frame of its own: half the time
    if not prefix:
        return methodcaller("endswith", suffix)
    length_min = len(prefix) + len(suffix)
    return lambda data: len(data) >= length_min and data.startswith(prefix) and data.endswith(suffix)


def _segments(pattern: bytes, nocase: bool) -> list[list[Part]]:
    """The parts of each segment. Only the first and the last may have none."""
    segments: list[list[Part]] = [[]]
    for part in _parts(pattern, nocase):
        if part is _STAR:
            segments.append([])
        else:
            segments[-1].append(part)
    return segments


def _parts(pattern: bytes, nocase: bool) -> Iterator[Part | None]:
    """The parts in order, with _STAR for one or more stars."""
    for token in _TOKEN.finditer(pattern):
        kind = token.lastgroup
        if kind == "stars":
            yield _STAR
        elif kind == "any":
            yield _ANY
        elif kind == "class":
            members = token["class"]
            # Most patterns repeat few short classes; a long one is not worth its memory.
            parse = _class if len(members) <= 32 else _class.__wrapped__
            yield parse(members, bool(token["negated"]), nocase)
        else:
            text = token["escaped"] if kind == "escaped" else token[0]
            if nocase:
                yield from [_plain_if_one(_either_case(_bit(byte))) for byte in text]
            else:
                yield text


@lru_cache(maxsize=1024)
def _class(members: bytes, negated: bool, nocase: bool) -> Part:
    """What stands between `[` or `[^` and `]`."""
    accepted = 0
    for escaped, first, last, one in _MEMBER.findall(members):
        if first:
            accepted |= _range(first[0], last[0], nocase)
        elif escaped:
            accepted |= _bit(escaped[0])  # in Redis an escaped byte keeps its case
        else:
            accepted |= _either_case(_bit(one[0])) if nocase else _bit(one[0])
    return _plain_if_one(accepted ^ _ANY if negated else accepted)


def _range(start: int, stop: int, nocase: bool) -> int:
    low, high = sorted((start ^ 0x80, stop ^ 0x80))
    if not nocase:
        return (1 << (high + 1)) - (1 << low)
    # Redis makes both ends lower case after it has put them in order: [Z-a] becomes z to a, which is nothing.
    low, high = (place + 32 if _UPPER >> place & 1 else place for place in (low, high))
    span = (1 << (high + 1)) - (1 << low) if low <= high else 0
    return span & ~_UPPER | (span & _LOWER) >> 32


def _bit(byte: int) -> int:
    return 1 << (byte ^ 0x80)


def _either_case(accepted: int) -> int:
    return accepted | (accepted & _LOWER) >> 32 | (accepted & _UPPER) << 32


def _plain_if_one(accepted: int) -> Part:
    return bytes([accepted.bit_length() - 1 ^ 0x80]) if accepted.bit_count() == 1 else accepted


def _as_regex(part: Part) -> bytes:
    return re.escape(part) if isinstance(part, bytes) else _set_as_regex(part)


@lru_cache(maxsize=1024)
def _set_as_regex(accepted: int) -> bytes:
    if accepted == _ANY:
        return b"."
    members = b"".join(b"\\x%02x" % byte for byte in range(256) if accepted & _bit(byte))
    return b"[%b]" % members if members else b"[^\\x00-\\xff]"
