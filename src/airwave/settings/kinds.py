"""The kinds of value a setting may have: how each is read, checked and written.

A kind is used in both directions and in two places. `parse` reads the arguments of a directive
(config file, command line, CONFIG SET) and raises `ValueError` with Redis's own words; `format` gives the text of
CONFIG GET; `lines` gives what CONFIG REWRITE writes into the file. Texts and bounds were taken from redis-server 7.0.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Generic, TypeVar

from airwave.quoting import quoted

T = TypeVar("T")

UINT32_MAX = 4294967295
INT32_MAX = 2147483647
INT64_MAX = 9223372036854775807
INT64_MIN = -9223372036854775808

_INTEGER = re.compile(r"-?[1-9][0-9]{0,18}|0")
_MEMORY = re.compile(r"([0-9]{0,30})([a-z]*)")
_NUMBER = re.compile(r"[0-9]+(\.[0-9]*)?|\.[0-9]+")
_UNITS = {
    "": 1,
    "b": 1,
    "k": 1000,
    "kb": 1 << 10,
    "m": 1000**2,
    "mb": 1 << 20,
    "g": 1000**3,
    "gb": 1 << 30,
}


def quote(text: str) -> str:
    """`text` as a quoted word of a config file."""
    return quoted(text.encode("utf-8", "surrogateescape"))


def memory_text(size_bytes: int) -> str:
    """Write a size as Redis does: with the largest unit that divides it (`64mb`, `1025`)."""
    for unit in "gb", "mb", "kb":
        if size_bytes and size_bytes % _UNITS[unit] == 0:
            return f"{size_bytes // _UNITS[unit]}{unit}"
    return str(size_bytes)


def _integer(text: str) -> int:
    if not _INTEGER.fullmatch(text) or not INT64_MIN <= int(text) <= INT64_MAX:
        raise ValueError("argument couldn't be parsed into an integer")
    return int(text)


def _memory(text: str) -> int:
    match = _MEMORY.fullmatch(text.lower())
    if match is None or match[2] not in _UNITS:
        raise ValueError("argument must be a memory value")
    return int(match[1] or 0) * _UNITS[match[2]]  # Redis also reads "" and "mb" as nothing


def _within(value: int, low: int, high: int) -> int:
    if not low <= value <= high:
        raise ValueError(f"argument must be between {low} and {high} inclusive")
    return value


class Kind(Generic[T]):
    """A kind whose directive takes exactly one argument; see `Words` for the others."""

    many = False  # True: several arguments, which may also come as one argument with spaces between them
    unit = ""

    def parse(self, args: Sequence[str], current: T) -> T:
        """Turn a directive's arguments into a value; `current` is what a partial directive leaves alone.

        Raises:
            ValueError: with Redis's text for what is wrong.
        """
        del current
        if len(args) != 1:
            raise ValueError("wrong number of arguments")
        return self.read(args[0])

    def add(self, args: Sequence[str], current: T) -> T:
        """As `parse`, for a line of a config file: a directive that may stand there several times adds to `current`."""
        return self.parse(args, current)

    def read(self, text: str) -> T:
        """Turn the one argument into a value, or raise ValueError."""
        raise NotImplementedError

    def format(self, value: T) -> str:
        """The text of CONFIG GET."""
        return str(value)

    def written(self, value: T) -> str:
        """The arguments as CONFIG REWRITE puts them into the file."""
        return self.format(value)

    def lines(self, name: str, value: T, default: T) -> list[tuple[str, bool]]:
        """The lines of CONFIG REWRITE, each with whether it must be added when the file has no such line yet."""
        return [(f"{name} {self.written(value)}", value != default)]

    def values(self) -> str:
        """What may be given, for the reference page."""
        raise NotImplementedError


@dataclass(frozen=True)
class Integer(Kind[int]):
    """A whole number from `low` to `high`; with `clamp`, one outside is moved to the nearest, as Redis does for hz."""

    low: int
    high: int
    unit: str = ""
    clamp: bool = False

    def read(self, text: str) -> int:
        value = _integer(text)
        if self.clamp:
            return min(max(_within(value, 0, INT32_MAX), self.low), self.high)
        return _within(value, self.low, self.high)

    def values(self) -> str:
        top = "" if self.high >= INT32_MAX else f" to {self.high}"
        return f"integer, {self.low}{top or ' or more'}"


@dataclass(frozen=True)
class Octal(Kind[int]):
    """File permissions, as chmod takes them."""

    high: int

    def read(self, text: str) -> int:
        if not re.fullmatch(r"[0-7]{1,20}", text):
            raise ValueError("argument couldn't be parsed as an octal number")
        value = int(text, 8)
        if value > self.high:
            raise ValueError(f"argument must be between 0 and {self.high:o} inclusive")
        return value

    def format(self, value: int) -> str:
        return f"{value:o}"

    def values(self) -> str:
        return f"octal, 0 to {self.high:o}"


@dataclass(frozen=True)
class Memory(Kind[int]):
    """A size in bytes, written with or without a unit: 1k is 1000, 1kb is 1024; also m, mb, g, gb."""

    low: int = 0
    high: int = INT64_MAX
    unit: str = "bytes"

    def read(self, text: str) -> int:
        return _within(_memory(text), self.low, self.high)

    def written(self, value: int) -> str:
        return memory_text(value)

    def values(self) -> str:
        return f"size, {memory_text(self.low)} or more" if self.low else "size"


class Bool(Kind[bool]):
    """yes or no."""

    def read(self, text: str) -> bool:
        if text.lower() not in ("yes", "no"):
            raise ValueError("argument must be 'yes' or 'no'")
        return text.lower() == "yes"

    def format(self, value: bool) -> str:
        return "yes" if value else "no"

    def values(self) -> str:
        return "yes or no"


class Choice(Kind[str]):
    """One of a few words, in any letter case."""

    def __init__(self, *words: str) -> None:
        self.words = words

    def read(self, text: str) -> str:
        if text.lower() not in self.words:
            raise ValueError(f"argument(s) must be one of the following: {', '.join(self.words)}")
        return text.lower()

    def values(self) -> str:
        return ", ".join(self.words[:-1]) + f" or {self.words[-1]}"


class Text(Kind[str]):
    """Any text. With `optional`, an empty value means "not set" and has no line in the file, as in Redis."""

    def __init__(self, values: str = "text", optional: bool = False) -> None:
        self._values = values
        self._optional = optional

    def read(self, text: str) -> str:
        return text

    def written(self, value: str) -> str:
        return quote(value)

    def lines(self, name: str, value: str, default: str) -> list[tuple[str, bool]]:
        return [] if self._optional and not value else super().lines(name, value, default)

    def values(self) -> str:
        return self._values


class Secret(Kind[bytes]):
    """A password, in bytes because it is compared with what comes over the wire. Empty: none."""

    def read(self, text: str) -> bytes:
        return text.encode("utf-8", "surrogateescape")

    def format(self, value: bytes) -> str:
        return value.decode("utf-8", "surrogateescape")

    def written(self, value: bytes) -> str:
        return quote(self.format(value))

    def lines(self, name: str, value: bytes, default: bytes) -> list[tuple[str, bool]]:
        return super().lines(name, value, default) if value else []

    def values(self) -> str:
        return "text"


class Words(Kind[tuple[str, ...]]):
    """Words with spaces between them; none at all is the empty value."""

    many = True

    def format(self, value: tuple[str, ...]) -> str:
        return " ".join(value)

    def written(self, value: tuple[str, ...]) -> str:
        return self.format(value) or '""'

    def lines(self, name: str, value: tuple[str, ...], default: tuple[str, ...]) -> list[tuple[str, bool]]:
        return super().lines(name, value, default) if value != default else []


class Addresses(Words):
    """Addresses to listen on: `*` is every IPv4, `-` before one means that it may be missing on this machine."""

    high = 16  # Redis's CONFIG_BINDADDR_MAX

    def parse(self, args: Sequence[str], current: tuple[str, ...]) -> tuple[str, ...]:
        del current
        if len(args) > self.high:
            raise ValueError("Too many bind addresses specified.")
        return tuple(args) if any(args) else ()

    def values(self) -> str:
        return f"up to {self.high} addresses"


class Percentiles(Kind[tuple[float, ...]]):
    """Percentiles, each from 0 to 100; none at all is allowed."""

    many = True

    def parse(self, args: Sequence[str], current: tuple[float, ...]) -> tuple[float, ...]:
        del current
        if not any(args):
            return ()
        if not all(_NUMBER.fullmatch(arg) for arg in args):
            raise ValueError("Invalid latency-tracking-info-percentiles parameters")
        numbers = tuple(float(arg) for arg in args)
        if not all(0 <= number <= 100 for number in numbers):
            raise ValueError("latency-tracking-info-percentiles parameters should sit between [0.0,100.0]")
        return numbers

    def format(self, value: tuple[float, ...]) -> str:
        return " ".join(f"{number:.6f}".rstrip("0").rstrip(".") for number in value)

    def written(self, value: tuple[float, ...]) -> str:
        return self.format(value) or '""'

    def values(self) -> str:
        return "numbers from 0 to 100"


@dataclass(frozen=True, slots=True)
class BufferLimit:
    """How much may wait for one client before it is cut off; 0 means no limit.

    Attributes:
        hard_bytes: cut off at once beyond this.
        soft_bytes: cut off when beyond this for `soft_seconds` without a break.
        soft_seconds: see `soft_bytes`.
    """

    hard_bytes: int
    soft_bytes: int
    soft_seconds: int


@dataclass(frozen=True, slots=True)
class BufferLimits:
    """The limits of client-output-buffer-limit by class of client. `replica` is kept only to be shown."""

    normal: BufferLimit = BufferLimit(0, 0, 0)
    replica: BufferLimit = BufferLimit(256 << 20, 64 << 20, 60)
    pubsub: BufferLimit = BufferLimit(32 << 20, 8 << 20, 60)


class OutputLimits(Kind[BufferLimits]):
    """Groups of four words: class, hard limit, soft limit, soft seconds. Classes not named keep what they have."""

    many = True
    _classes = ("normal", "replica", "pubsub")

    def parse(self, args: Sequence[str], current: BufferLimits) -> BufferLimits:
        if not any(args):
            return current
        if len(args) % 4:
            raise ValueError("Wrong number of arguments in buffer limit configuration.")
        for start in range(0, len(args), 4):
            name, hard, soft, seconds = args[start : start + 4]
            name = name.lower().replace("slave", "replica")
            if name not in self._classes:
                raise ValueError("Invalid client class specified in buffer limit configuration.")
            try:
                limit = BufferLimit(_memory(hard), _memory(soft), _within(_integer(seconds), 0, INT32_MAX))
            except ValueError:
                text = "Error in hard, soft or soft_seconds setting in buffer limit configuration."
                raise ValueError(text) from None
            current = replace(current, **{name: limit})
        return current

    def format(self, value: BufferLimits) -> str:
        # CONFIG GET still says "slave"; redis.conf and CONFIG REWRITE say "replica".
        groups = (("normal", value.normal), ("slave", value.replica), ("pubsub", value.pubsub))
        return " ".join(f"{name} {it.hard_bytes} {it.soft_bytes} {it.soft_seconds}" for name, it in groups)

    def written(self, value: BufferLimits) -> str:
        return " ".join(self._group(name, value) for name in self._classes)

    def lines(self, name: str, value: BufferLimits, default: BufferLimits) -> list[tuple[str, bool]]:
        groups = [(self._group(each, value), self._group(each, default)) for each in self._classes]
        return [(f"{name} {group}", group != default_group) for group, default_group in groups]

    def _group(self, name: str, value: BufferLimits) -> str:
        limit: BufferLimit = getattr(value, name)
        return f"{name} {memory_text(limit.hard_bytes)} {memory_text(limit.soft_bytes)} {limit.soft_seconds}"

    def values(self) -> str:
        return "groups of class (normal, pubsub or replica), hard limit, soft limit, seconds"


class SavePoints(Kind[str]):
    """`save`: only the empty value, because there are no snapshots."""

    many = True

    def parse(self, args: Sequence[str], current: str) -> str:
        del current
        if not any(args):
            return ""
        if len(args) % 2 or not all(arg.isdecimal() for arg in args):
            raise ValueError("Invalid save parameters")
        raise ValueError('Airwave makes no snapshots, appendonly keeps everything: only save "" is possible')

    def written(self, value: str) -> str:
        return quote(value)

    def values(self) -> str:
        return 'only ""'
