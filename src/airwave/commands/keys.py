"""Keys, whatever they hold: removing, naming, copying. https://redis.io/docs/latest/commands/?group=generic

What is about all keys of a database is in `databases.py`, expiry in `expiry.py`.
"""

from airwave import dump, errors, resp
from airwave.command import Argv, command
from airwave.commands.parse import integer
from airwave.database import GENERIC, Database
from airwave.errors import CommandError
from airwave.session import Session
from airwave.value import Value

_SAME = CommandError("ERR source and destination objects are the same")
_MULTI_SHARD = ("request_policy:multi_shard", "response_policy:agg_sum")


@command(
    "DEL",
    arity=-2,
    flags="write",
    since="1.0.0",
    group="generic",
    syntax="key [key ...]",
    keys=(1, -1, 1),
    key_flags="RM delete",
    categories="keyspace",
    tips=_MULTI_SHARD,
)
def del_(session: Session, argv: Argv) -> bytes:
    """Remove keys.

    Reply: integer, how many there were.
    Cost: O(N) for N keys, and for the chunks of a stream.
    Source: https://redis.io/docs/latest/commands/del/
    """
    return resp.integer(sum(map(session.database.delete, argv[1:])))


@command(
    "UNLINK",
    arity=-2,
    flags="write fast",
    since="4.0.0",
    group="generic",
    syntax="key [key ...]",
    keys=(1, -1, 1),
    key_flags="RM delete",
    categories="keyspace",
    tips=_MULTI_SHARD,
)
def unlink(session: Session, argv: Argv) -> bytes:
    """Remove keys, as DEL does.

    Reply: integer, how many there were.
    Cost: O(N) for N keys, and for the chunks of a stream.
    Source: https://redis.io/docs/latest/commands/unlink/
    """
    return resp.integer(sum(map(session.database.delete, argv[1:])))


@command(
    "EXISTS",
    arity=-2,
    flags="readonly fast",
    since="1.0.0",
    group="generic",
    syntax="key [key ...]",
    keys=(1, -1, 1),
    key_flags="RO",
    categories="keyspace",
    tips=_MULTI_SHARD,
)
def exists(session: Session, argv: Argv) -> bytes:
    """Count how many keys are there; one that is named twice counts twice.

    Reply: integer.
    Cost: O(N) for N keys.
    Source: https://redis.io/docs/latest/commands/exists/
    """
    inspect = session.database.inspect
    return resp.integer(sum([inspect(key) is not None for key in argv[1:]]))


@command(
    "TYPE",
    arity=2,
    flags="readonly fast",
    since="1.0.0",
    group="generic",
    syntax="key",
    keys=(1, 1, 1),
    key_flags="RO",
    categories="keyspace",
)
def type_(session: Session, argv: Argv) -> bytes:
    """Return what a key holds.

    Reply: status, `stream`, `string`, or `none` when it is not there.
    Cost: O(1)
    Source: https://redis.io/docs/latest/commands/type/
    """
    value = session.database.inspect(argv[1])
    return resp.simple(Value.kind if value is None else value.kind)


@command(
    "TOUCH",
    arity=-2,
    flags="readonly fast",
    since="3.2.1",
    group="generic",
    syntax="key [key ...]",
    keys=(1, -1, 1),
    key_flags="RO",
    categories="keyspace",
    tips=_MULTI_SHARD,
)
def touch(session: Session, argv: Argv) -> bytes:
    """Note that keys were used just now, as OBJECT IDLETIME shows it.

    Reply: integer, how many are there.
    Cost: O(N) for N keys.
    Source: https://redis.io/docs/latest/commands/touch/
    """
    look = session.database.look
    return resp.integer(sum([look(key) is not None for key in argv[1:]]))


# --- names ------------------------------------------------------------------------------------------------------------


def _rename(session: Session, argv: Argv, *, replace: bool) -> bool:
    """Whether the key has its new name; False when that is taken and may not be replaced."""
    _, key, new_key = argv
    database = session.database
    value = database.find(key)
    if value is None:
        raise errors.NO_SUCH_KEY
    if key == new_key:
        return replace
    there = database.find(new_key)
    if there is not None:
        if not replace:
            return False
        database.remove(there)
    database.place(value, database, new_key)
    database.changed(key, GENERIC, b"rename_from", arrived=True)
    database.changed(new_key, GENERIC, b"rename_to", arrived=True)
    return True


@command(
    "RENAME",
    arity=3,
    flags="write",
    since="1.0.0",
    group="generic",
    syntax="key newkey",
    keys=(1, 2, 1),
    key_flags="RW access delete | OW update",
    categories="keyspace",
)
def rename(session: Session, argv: Argv) -> bytes:
    """Give a key another name; a key that has it is replaced.

    Reply: `OK`; an error when the key is not there.
    Cost: O(1)
    Source: https://redis.io/docs/latest/commands/rename/
    """
    _rename(session, argv, replace=True)
    return resp.OK


@command(
    "RENAMENX",
    arity=3,
    flags="write fast",
    since="1.0.0",
    group="generic",
    syntax="key newkey",
    keys=(1, 2, 1),
    key_flags="RW access delete | OW insert",
    categories="keyspace",
)
def renamenx(session: Session, argv: Argv) -> bytes:
    """Give a key another name if no key has it.

    Reply: integer, 1 if it was renamed, else 0; an error when the key is not there.
    Cost: O(1)
    Source: https://redis.io/docs/latest/commands/renamenx/
    """
    return resp.integer(_rename(session, argv, replace=False))


@command(
    "MOVE",
    arity=3,
    flags="write fast",
    since="1.0.0",
    group="generic",
    syntax="key db",
    keys=(1, 1, 1),
    key_flags="RW access update",
    categories="keyspace",
)
def move(session: Session, argv: Argv) -> bytes:
    """Move a key to another database, if no key has its name there.

    Reply: integer, 1 if it was moved, else 0.
    Cost: O(1)
    Source: https://redis.io/docs/latest/commands/move/
    """
    _, key, index = argv
    database = session.database
    target = database_of(session, index)
    if target is database:
        raise _SAME
    value = database.find(key)
    if value is None or target.find(key) is not None:
        return resp.integer(0)
    database.place(value, target, key)
    database.changed(key, GENERIC, b"move_from", arrived=True)
    target.changed(key, GENERIC, b"move_to", arrived=True)
    return resp.integer(1)


def database_number(index: bytes, invalid: CommandError | None = None) -> int:
    """A 32-bit number; see `database_of`."""
    number = integer(index, invalid or errors.NOT_AN_INTEGER)
    if not -(1 << 31) <= number < 1 << 31:
        raise invalid or errors.NOT_AN_INT
    return number


def database_of(session: Session, index: bytes, invalid: CommandError | None = None) -> Database:
    """The database of this number.

    Args:
        invalid: the error for what is no 32-bit number; None: Redis's usual ones.
    """
    number = database_number(index, invalid)
    databases = session.broker.keyspace.databases
    if not 0 <= number < len(databases):
        raise errors.DB_INDEX_RANGE
    return databases[number]


# --- copies -----------------------------------------------------------------------------------------------------------


@command(
    "COPY",
    arity=-3,
    flags="write denyoom",
    since="6.2.0",
    group="generic",
    syntax="source destination [DB destination-db] [REPLACE]",
    keys=(1, 2, 1),
    key_flags="RO access | OW update",
    categories="keyspace",
)
def copy(session: Session, argv: Argv) -> bytes:
    """Copy what a key holds to another one, with its expiry time; a stream with its groups and what is pending.

    DB: in another database. REPLACE: also if the destination is there.

    Reply: integer, 1 if it was copied, else 0.
    Cost: O(N) for N chunks and pending entries of a stream; entries are shared.
    Source: https://redis.io/docs/latest/commands/copy/
    """
    key, new_key = argv[1:3]
    database, target, replace = session.database, session.database, False
    options = argv[3:]
    while options:
        word = options[0].lower()
        if word == b"replace":
            replace, options = True, options[1:]
        elif word == b"db" and len(options) > 1:
            target, options = database_of(session, options[1]), options[2:]
        else:
            raise errors.SYNTAX
    if target is database and key == new_key:
        raise _SAME
    value = database.look(key)
    if value is None:
        return resp.integer(0)
    there = target.find(new_key)
    if there is not None and not replace:
        return resp.integer(0)
    keyspace = session.broker.keyspace
    put_copy(target, new_key, dump.copied(value, keyspace.next_number(), keyspace.journal), value.expires_ms)
    target.changed(new_key, GENERIC, b"copy_to", arrived=True)
    return resp.integer(1)


def put_copy(database: Database, key: bytes, value: Value, expires_ms: int) -> None:
    """Put what a dump became at a key, whatever was there, and tell the journal."""
    there = database.find(key)
    if there is not None:
        database.remove(there)
    database.insert(key, value)
    dump.record(value)
    database.set_expiry(value, expires_ms)
