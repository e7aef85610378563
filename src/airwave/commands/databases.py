"""All keys of a database: listing, counting, removing, exchanging."""

import re
from itertools import count

from airwave import errors, glob, resp
from airwave.command import Argv, command
from airwave.commands.keys import database_number, database_of
from airwave.commands.parse import integer
from airwave.database import Database
from airwave.errors import CommandError
from airwave.session import Session

_ALL_SHARDS_SUM = ("request_policy:all_shards", "response_policy:agg_sum")
_ALL_SHARDS_SUCCEEDED = ("request_policy:all_shards", "response_policy:all_succeeded")

_CURSOR = re.compile(rb"([+-]?[0-9]+)?")  # what strtoul takes, nothing included
_CURSOR_BITS = 64
_INVALID_CURSOR = CommandError("ERR invalid cursor")
_INVALID_FIRST = CommandError("ERR invalid first DB index")
_INVALID_SECOND = CommandError("ERR invalid second DB index")


@command(
    "KEYS",
    arity=2,
    flags="readonly",
    since="1.0.0",
    group="generic",
    syntax="pattern",
    categories="keyspace dangerous",
    tips=("request_policy:all_shards", "nondeterministic_output_order"),
)
def keys(session: Session, argv: Argv) -> bytes:
    """List the keys that a glob fits, all at once: SCAN does not hold other clients as long.

    Reply: array of keys.
    Cost: O(N) for N keys.
    Source: https://redis.io/docs/latest/commands/keys/
    """
    database = session.database
    found = [*database.values]
    if argv[1] != b"*":
        matches = glob.compile(argv[1])
        found = [key for key in found if matches(key)]
    return resp.bulks([key for key in found if database.peek(key) is not None])


@command(
    "SCAN",
    arity=-2,
    flags="readonly",
    since="2.8.0",
    group="generic",
    syntax="cursor [MATCH pattern] [COUNT count] [TYPE type]",
    categories="keyspace",
    tips=("nondeterministic_output", "request_policy:special"),
)
def scan(session: Session, argv: Argv) -> bytes:
    """List keys, some with each call: begin with the cursor 0, go on with the one of the reply until that is 0.

    A key that is there all the time is returned, one that comes or goes meanwhile may be, some perhaps twice. COUNT:
    how many keys are looked at in one call (10); MATCH, TYPE: only those are returned that the glob fits, or that hold
    this.

    Reply: array of the cursor and an array of keys.
    Cost: O(N) for N keys looked at; to begin, for the keys that came since the last scan began.
    Source: https://redis.io/docs/latest/commands/scan/
    """
    if not _CURSOR.fullmatch(argv[1]) or abs(cursor := int(argv[1] or 0)) >= 1 << _CURSOR_BITS:
        raise _INVALID_CURSOR
    pattern, kind, limit = b"*", None, 10
    options = argv[2:]
    while options:
        word = options[0].lower()
        if len(options) == 1:
            raise errors.SYNTAX
        if word == b"count":
            limit = integer(options[1])
            if limit < 1:
                raise errors.SYNTAX
        elif word == b"match":
            pattern = options[1]
        elif word == b"type":
            kind = options[1].lower()
        else:
            raise errors.SYNTAX
        options = options[2:]
    cursor %= 1 << _CURSOR_BITS
    cursor, found = session.database.key_list(extended=not cursor).after(cursor, limit)
    return resp.array([resp.bulk(b"%d" % cursor), resp.bulks(_filtered(session.database, found, pattern, kind))])


def _filtered(database: Database, found: list[bytes], pattern: bytes, kind: bytes | None) -> list[bytes]:
    """Those that are there, fit a glob, and are of a kind."""
    if pattern != b"*":
        matches = glob.compile(pattern)
        found = [key for key in found if matches(key)]
    left = []
    for key in found:
        value = database.peek(key)
        if value is not None and kind in (None, value.kind):
            left.append(key)
    return left


_draws = count()


@command(
    "RANDOMKEY",
    arity=1,
    flags="readonly",
    since="1.0.0",
    group="generic",
    categories="keyspace",
    tips=("request_policy:all_shards", "nondeterministic_output"),
)
def randomkey(session: Session, argv: Argv) -> bytes:
    """Return a key, each as likely as any other.

    Reply: the key; null when there is none.
    Cost: O(1), and for the keys that came since the last call.
    Source: https://redis.io/docs/latest/commands/randomkey/
    """
    del argv
    database = session.database
    while database.values:
        listed = database.key_list(extended=True)
        # The core has no randomness of its own: a number that nobody can tell without the clock, well mixed.
        drawn = (session.broker.clock() + next(_draws)) * 0x9E3779B97F4A7C15 % (1 << 64) * len(listed) >> 64
        key = listed[drawn]
        if database.peek(key) is not None:
            return resp.bulk(key)
    return session.encoder.null


@command(
    "DBSIZE",
    arity=1,
    flags="readonly fast",
    since="1.0.0",
    group="server",
    categories="keyspace",
    tips=_ALL_SHARDS_SUM,
)
def dbsize(session: Session, argv: Argv) -> bytes:
    """Count the keys of the selected database.

    Reply: integer.
    Cost: O(1)
    Source: https://redis.io/docs/latest/commands/dbsize/
    """
    del argv
    return resp.integer(len(session.database.values))


def _check_flush(argv: Argv) -> None:
    if len(argv) > 2 or (len(argv) == 2 and argv[1].lower() not in (b"sync", b"async")):
        raise errors.SYNTAX


@command(
    "FLUSHALL",
    arity=-1,
    flags="write",
    since="1.0.0",
    group="server",
    syntax="[ASYNC | SYNC]",
    categories="keyspace dangerous",
    tips=_ALL_SHARDS_SUCCEEDED,
)
def flushall(session: Session, argv: Argv) -> bytes:
    """Remove all keys of all databases. Subscriptions are no keys and stay.

    Reply: `OK`.
    Cost: O(N) for N keys.
    Source: https://redis.io/docs/latest/commands/flushall/
    """
    _check_flush(argv)
    keyspace = session.broker.keyspace
    keyspace.flush(keyspace.databases)
    return resp.OK


@command(
    "FLUSHDB",
    arity=-1,
    flags="write",
    since="1.0.0",
    group="server",
    syntax="[ASYNC | SYNC]",
    categories="keyspace dangerous",
    tips=_ALL_SHARDS_SUCCEEDED,
)
def flushdb(session: Session, argv: Argv) -> bytes:
    """Remove all keys of the selected database.

    Reply: `OK`.
    Cost: O(N) for N keys.
    Source: https://redis.io/docs/latest/commands/flushdb/
    """
    _check_flush(argv)
    session.broker.keyspace.flush([session.database])
    return resp.OK


@command(
    "SWAPDB",
    arity=3,
    flags="write fast",
    since="4.0.0",
    group="server",
    syntax="index1 index2",
    categories="keyspace dangerous",
)
def swapdb(session: Session, argv: Argv) -> bytes:
    """Exchange two databases: clients of one see the keys of the other at once.

    Reply: `OK`.
    Cost: O(N) for N keys that are watched, or on which clients are blocked.
    Source: https://redis.io/docs/latest/commands/swapdb/
    """
    database_number(argv[1], _INVALID_FIRST)  # Redis reads both before it asks whether they are there
    database_number(argv[2], _INVALID_SECOND)
    first, second = database_of(session, argv[1]), database_of(session, argv[2])
    session.broker.keyspace.swap(first, second)
    return resp.OK
