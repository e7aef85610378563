"""A command's syntax as Redis's documentation writes it, taken apart into the arguments of COMMAND DOCS.

    key [key ...]                     one argument, to be repeated
    [SETNAME clientname]              one optional argument, with a token before it
    [AUTH username password]          an optional block with a token
    <ON | OFF>                        one of two tokens
    field value [field value ...]     a block, to be repeated

A word without lower-case letters is a token. At the beginning of brackets or of an alternative it belongs to everything
that follows in there, elsewhere to the one argument behind it.
Argument types: https://redis.io/docs/latest/develop/reference/command-arguments/
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache

_WORD = re.compile(r"\.\.\.|[\[\]<>|]|[^\s\[\]<>|]+")
_CLOSING = {"[": "]", "<": ">"}

_TYPES = {
    **dict.fromkeys(("key", "newkey", "source", "destination"), "key"),
    "pattern": "pattern",
    **dict.fromkeys(("client-id", "columns", "count", "index", "numkeys", "numreplicas", "protover"), "integer"),
    **dict.fromkeys(("seconds", "milliseconds", "timeout", "version"), "integer"),
    **dict.fromkeys(("increment", "decrement", "cursor", "db", "destination-db", "index1", "index2"), "integer"),
    **dict.fromkeys(("ttl", "frequency", "ms", "entries-read", "entries-added", "maxcount", "maxsize"), "integer"),
    **dict.fromkeys(("unix-time-seconds", "unix-time-milliseconds"), "unix-time"),
    "delay-seconds": "double",
}


@dataclass(frozen=True)
class Argument:
    """One argument, or several that belong together.

    Attributes:
        kind: `string`, `integer`, `double`, `key`, `pattern`, `pure-token`, `oneof` or `block`.
        token: the word that stands before it, or all there is of a `pure-token`; empty: none.
        parts: the alternatives of a `oneof`, the arguments of a `block`.
    """

    name: str
    kind: str
    token: str = ""
    optional: bool = False
    multiple: bool = False
    parts: tuple["Argument", ...] = ()


@cache
def arguments(syntax: str) -> tuple[Argument, ...]:
    """Take a syntax apart; see the top of this file."""
    words = iter(_WORD.findall(syntax))
    (sequence,) = _alternatives(words, "")
    return tuple(_with_tokens(sequence))


def _alternatives(words: Iterator[str], closing: str) -> list[list[Argument]]:
    """The sequences between `|`, up to the closing bracket."""
    sequences: list[list[Argument]] = [[]]
    for word in words:
        sequence = sequences[-1]
        if word == closing:
            break
        if word == "|":
            sequences.append([])
        elif word == "...":
            sequence[-1] = replace(sequence[-1], multiple=True)
        elif word == "[":
            _add_optional(sequence, _alternatives(words, "]"))
        elif word == "<":
            sequence.append(_group(_alternatives(words, ">")))
        elif word.upper() == word:
            sequence.append(Argument(word.lower(), "pure-token", word))
        else:
            sequence.append(Argument(word, _TYPES.get(word, "string")))
    return sequences


def _add_optional(sequence: list[Argument], inner: list[list[Argument]]) -> None:
    """Add what stands in square brackets; `x y [x y ...]` is one block that may be repeated."""
    *others, last = inner[-1]
    if last.multiple and len(inner) == 1:
        once = [*others, replace(last, multiple=False)]
        if sequence[-len(once) :] == once:
            sequence[-len(once) :] = [replace(_one(once), multiple=True)]
            return
    sequence.append(replace(_group(inner), optional=True))


def _group(inner: list[list[Argument]]) -> Argument:
    """What stands in brackets, as one argument."""
    options = [_one(sequence) for sequence in inner]
    if len(options) == 1:
        return options[0]
    return Argument("_".join([option.name for option in options]), "oneof", parts=tuple(options))


def _one(sequence: list[Argument]) -> Argument:
    first, *rest = sequence
    if first.kind == "pure-token" and rest:
        parts = _with_tokens(rest)
        if len(parts) == 1 and _takes_token(parts[0]):
            return replace(parts[0], token=first.token)
        return Argument(_block_name(parts), "block", first.token, parts=tuple(parts))
    parts = _with_tokens(sequence)
    return parts[0] if len(parts) == 1 else Argument(_block_name(parts), "block", parts=tuple(parts))


def _block_name(parts: list[Argument]) -> str:
    required = [part.name for part in parts if not part.optional]
    return "_".join(required) if len(required) > 1 else "arguments"


def _with_tokens(sequence: list[Argument]) -> list[Argument]:
    """Give each token to the argument behind it."""
    result: list[Argument] = []
    for argument in sequence:
        if result and result[-1].kind == "pure-token" and _takes_token(argument):
            argument = replace(argument, token=result.pop().token)  # noqa: PLW2901
        result.append(argument)
    return result


def _takes_token(argument: Argument) -> bool:
    return not argument.token and not argument.optional
