"""How arguments are read, with Redis's errors."""

from collections.abc import Sequence

from airwave import resp
from airwave.command import COMMANDS
from airwave.errors import NOT_AN_INTEGER, SYNTAX, CommandError


def integer(
    arg: bytes, error: CommandError = NOT_AN_INTEGER, minimum: int = -(1 << 63), maximum: int = (1 << 63) - 1
) -> int:
    """A decimal 64-bit integer as Redis reads it: no spaces, no plus sign, no leading zeros.

    Raises:
        CommandError: `error`, also when the number is out of bounds.
    """
    digits = arg[1:] if arg[:1] == b"-" else arg
    if not digits.isdigit() or len(digits) > 19 or (digits[:1] == b"0" and arg != b"0"):
        raise error
    value = int(arg)
    if not minimum <= value <= maximum:
        raise error
    return value


def yes_no(arg: bytes) -> bool:
    """`yes` or `no`, `on` or `off`, in any letter case; anything else is a syntax error."""
    word = arg.lower()
    if word not in (b"on", b"off", b"yes", b"no"):
        raise SYNTAX
    return word in (b"on", b"yes")


def help_text(container: str) -> bytes:
    """The reply to `CONTAINER HELP`, made from the table: Redis's form, an array of statuses."""
    lines = [f"{container.upper()} <subcommand> [<arg> [value] [opt] ...]. Subcommands are:"]
    for row in sorted(COMMANDS[container].subcommands.values(), key=lambda row: row.name):
        name = row.name.partition("|")[2].upper()
        if name != "HELP":
            lines.append(f"{name} {row.syntax}".rstrip())
            lines.append(f"    {row.summary}.")
    lines += ["HELP", "    Print this help."]
    return resp.array([resp.simple(line.encode()) for line in lines])


def pairs(args: Sequence[bytes]) -> list[tuple[bytes, bytes]]:
    """Two and two; an odd one out is a syntax error."""
    if len(args) % 2:
        raise SYNTAX
    return list(zip(args[::2], args[1::2], strict=True))
