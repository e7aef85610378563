"""Counters: strings that hold a 64-bit integer. https://redis.io/docs/latest/commands/?group=string"""

from airwave import resp
from airwave.command import Argv, command
from airwave.commands.parse import integer
from airwave.database import STRING
from airwave.errors import CommandError
from airwave.session import Session

_OVERFLOW = CommandError("ERR increment or decrement would overflow")
_INT64_MIN, _INT64_MAX = -(1 << 63), (1 << 63) - 1


def _add(session: Session, key: bytes, increment: int) -> bytes:
    database = session.database
    value = database.string(key)
    number = (integer(value.data) if value is not None else 0) + increment
    if not _INT64_MIN <= number <= _INT64_MAX:
        raise _OVERFLOW
    if value is None:
        database.create_string(key, b"%d" % number)
    else:
        database.change_string(value, b"%d" % number)
    database.changed(key, STRING, b"incrby", arrived=value is None)
    return resp.integer(number)


@command(
    "INCR",
    arity=2,
    flags="write denyoom fast",
    since="1.0.0",
    group="string",
    syntax="key",
    keys=(1, 1, 1),
    key_flags="RW access update",
    categories="string",
)
def incr(session: Session, argv: Argv) -> bytes:
    """Add 1 to the 64-bit integer that a string holds; a key that is not there counts as 0.

    Reply: integer, the new number.
    Cost: O(1)
    Source: https://redis.io/docs/latest/commands/incr/
    """
    return _add(session, argv[1], 1)


@command(
    "DECR",
    arity=2,
    flags="write denyoom fast",
    since="1.0.0",
    group="string",
    syntax="key",
    keys=(1, 1, 1),
    key_flags="RW access update",
    categories="string",
)
def decr(session: Session, argv: Argv) -> bytes:
    """Subtract 1 from the 64-bit integer that a string holds; a key that is not there counts as 0.

    Reply: integer, the new number.
    Cost: O(1)
    Source: https://redis.io/docs/latest/commands/decr/
    """
    return _add(session, argv[1], -1)


@command(
    "INCRBY",
    arity=3,
    flags="write denyoom fast",
    since="1.0.0",
    group="string",
    syntax="key increment",
    keys=(1, 1, 1),
    key_flags="RW access update",
    categories="string",
)
def incrby(session: Session, argv: Argv) -> bytes:
    """Add to the 64-bit integer that a string holds; a key that is not there counts as 0.

    Reply: integer, the new number.
    Cost: O(1)
    Source: https://redis.io/docs/latest/commands/incrby/
    """
    return _add(session, argv[1], integer(argv[2]))


@command(
    "DECRBY",
    arity=3,
    flags="write denyoom fast",
    since="1.0.0",
    group="string",
    syntax="key decrement",
    keys=(1, 1, 1),
    key_flags="RW access update",
    categories="string",
)
def decrby(session: Session, argv: Argv) -> bytes:
    """Subtract from the 64-bit integer that a string holds; a key that is not there counts as 0.

    Reply: integer, the new number.
    Cost: O(1)
    Source: https://redis.io/docs/latest/commands/decrby/
    """
    decrement = integer(argv[2])
    if decrement == _INT64_MIN:
        raise CommandError("ERR decrement would overflow")
    return _add(session, argv[1], -decrement)
