"""`remember`: rules that say which channels have a history, and how much of it is kept."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from airwave.settings.kinds import Kind, quote

_LIMITS = ("maxlen", "ttl")
_COUNT = re.compile(r"[1-9][0-9]{0,14}")
_PLAIN = re.compile(r"[^\s\"'#]+")
RULES_MAX = 1000


@dataclass(frozen=True, slots=True)
class RememberRule:
    """A rule.

    Attributes:
        glob: the channels it is for, as PSUBSCRIBE takes it.
        maxlen: messages that are kept of each channel; 0: any number.
        ttl: seconds that a message is kept; 0: for ever.
    """

    glob: bytes
    maxlen: int = 0
    ttl: int = 0

    @property
    def text(self) -> str:
        """The rule as CONFIG GET shows it, and CONFIG SET takes it."""
        limits = [f" {name} {value}" for name, value in zip(_LIMITS, (self.maxlen, self.ttl), strict=True) if value]
        return self.glob.decode("utf-8", "surrogateescape") + "".join(limits)

    @property
    def line(self) -> str:
        """The rule as it stands in a config file."""
        shown = self.glob.decode("utf-8", "surrogateescape")
        return (shown if _PLAIN.fullmatch(shown) else quote(shown)) + self.text[len(shown) :]


Rules = tuple[RememberRule, ...]


class RememberRules(Kind[Rules]):
    """Rules one behind the other: `GLOB [maxlen N] [ttl SECONDS]`. Each line of a file adds to those before it."""

    many = True

    def parse(self, args: Sequence[str], current: Rules) -> Rules:
        """CONFIG SET: these rules take the place of all there were; an empty value removes all."""
        del current
        words = [*args] if any(args) else []
        rules: list[RememberRule] = []
        while words:
            rules.append(_take(words))
        return _checked(rules)

    def add(self, args: Sequence[str], current: Rules) -> Rules:
        """A line of a file, or an option: one more rule; an empty value removes those before it."""
        return _checked([*current, *self.parse(args, ())]) if any(args) else ()

    def format(self, value: Rules) -> str:
        return " ".join([rule.text for rule in value])

    def lines(self, name: str, value: Rules, default: Rules) -> list[tuple[str, bool]]:
        del default
        return [(f"{name} {rule.line}", True) for rule in value]

    def values(self) -> str:
        return "GLOB [maxlen N] [ttl SECONDS], several times"


def _take(words: list[str]) -> RememberRule:
    """Take one rule from the front of the words."""
    glob = words.pop(0)
    if not glob:
        raise ValueError("a rule begins with a glob: GLOB [maxlen N] [ttl SECONDS]")
    limits: dict[str, int] = {}
    while words and words[0].lower() in _LIMITS:
        name = words.pop(0).lower()
        value = words.pop(0) if words else ""
        if name in limits or not _COUNT.fullmatch(value):
            raise ValueError(f"{name} takes one positive integer: GLOB [maxlen N] [ttl SECONDS]")
        limits[name] = int(value)
    return RememberRule(glob.encode("utf-8", "surrogateescape"), **limits)


def _checked(rules: Sequence[RememberRule]) -> Rules:
    if len(rules) > RULES_MAX:
        raise ValueError(f"at most {RULES_MAX} rules")
    globs = [rule.glob for rule in rules]
    for rule in rules:
        if globs.count(rule.glob) > 1:
            raise ValueError(f"two rules for {rule.text.partition(' ')[0]}: only the first would ever be used")
    return tuple(rules)
