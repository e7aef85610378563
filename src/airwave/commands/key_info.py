"""What a key is like inside, and as bytes to be put elsewhere: OBJECT, DUMP, RESTORE.

MEMORY USAGE is with the rest of MEMORY in `observation.py`.
"""

import re

from airwave import dump, errors, resp
from airwave.command import Argv, command, container
from airwave.commands.keys import put_copy
from airwave.commands.parse import help_text, integer
from airwave.database import GENERIC
from airwave.errors import CommandError
from airwave.session import Session
from airwave.value import String, Value

_NO_LFU = CommandError(
    "ERR An LFU maxmemory policy is not selected, access frequency not tracked. Please note that when switching "
    "between policies at runtime LRU and LFU data will take some time to adjust."
)
_BUSY = CommandError("BUSYKEY Target key name already exists.")
_BAD_TTL = CommandError("ERR Invalid TTL value, must be >= 0")
_BAD_IDLE = CommandError("ERR Invalid IDLETIME value, must be >= 0")
_BAD_FREQ = CommandError("ERR Invalid FREQ value, must be >= 0 and <= 255")
_BAD_DUMP = CommandError("ERR DUMP payload version or checksum are wrong")
_BAD_CONTENT = CommandError("ERR Bad data format")

_INTEGER = re.compile(rb"0|-?[1-9][0-9]{0,18}")
_EMBEDDED_MAX = 44  # bytes of a string that Redis keeps in one piece with its head
_UNSURE = ("nondeterministic_output",)

container("OBJECT", since="2.2.3", group="generic", summary="A container for object introspection commands.")


def _inspected(session: Session, key: bytes) -> Value | None:
    """The value; as in Redis it counts as a look-up, but not as a use, and a miss is told to nobody."""
    value = session.database.peek(key)
    keyspace = session.broker.keyspace
    if value is None:
        keyspace.misses += 1
    else:
        keyspace.hits += 1
    return value


@command(
    "OBJECT ENCODING",
    arity=3,
    flags="readonly",
    since="2.2.3",
    group="generic",
    syntax="key",
    keys=(2, 2, 1),
    key_flags="RO",
    categories="keyspace",
    tips=_UNSURE,
)
def object_encoding(session: Session, argv: Argv) -> bytes:
    """Return what Redis would call the form of a value that was just set; it says nothing about the memory here.

    Reply: `stream`; for a string `int`, `embstr` (up to 44 bytes) or `raw` (also after APPEND); null when the key is
    not there.
    Cost: O(1)
    Source: https://redis.io/docs/latest/commands/object-encoding/
    """
    value = _inspected(session, argv[2])
    if value is None:
        return session.encoder.null
    return resp.bulk(_encoding(value) if isinstance(value, String) else value.kind)


def _encoding(value: String) -> bytes:
    data = value.data
    if value.appended:
        return b"raw"
    if _INTEGER.fullmatch(data) and -(1 << 63) <= int(data) < 1 << 63:
        return b"int"
    return b"embstr" if len(data) <= _EMBEDDED_MAX else b"raw"


@command(
    "OBJECT IDLETIME",
    arity=3,
    flags="readonly",
    since="2.2.3",
    group="generic",
    syntax="key",
    keys=(2, 2, 1),
    key_flags="RO",
    categories="keyspace",
    tips=_UNSURE,
)
def object_idletime(session: Session, argv: Argv) -> bytes:
    """Return how long no command has used a key.

    Reply: integer, seconds; null when the key is not there.
    Cost: O(1)
    Source: https://redis.io/docs/latest/commands/object-idletime/
    """
    value = _inspected(session, argv[2])
    if value is None:
        return session.encoder.null
    return resp.integer(max(0, session.broker.keyspace.now_s - value.used_s))


@command(
    "OBJECT FREQ",
    arity=3,
    flags="readonly",
    since="4.0.0",
    group="generic",
    syntax="key",
    keys=(2, 2, 1),
    key_flags="RO",
    categories="keyspace",
    tips=_UNSURE,
)
def object_freq(session: Session, argv: Argv) -> bytes:
    """Return how often a key is used. Airwave evicts nothing and does not count that.

    Reply: an error, as in a Redis that does not evict by frequency; null when the key is not there.
    Cost: O(1)
    Source: https://redis.io/docs/latest/commands/object-freq/
    """
    if _inspected(session, argv[2]) is None:
        return session.encoder.null
    raise _NO_LFU


@command(
    "OBJECT REFCOUNT",
    arity=3,
    flags="readonly",
    since="2.2.3",
    group="generic",
    syntax="key",
    keys=(2, 2, 1),
    key_flags="RO",
    categories="keyspace",
    tips=_UNSURE,
)
def object_refcount(session: Session, argv: Argv) -> bytes:
    """Return how many keys share a value: always one. (Redis shares small integers.)

    Reply: integer, 1; null when the key is not there.
    Cost: O(1)
    Source: https://redis.io/docs/latest/commands/object-refcount/
    """
    return session.encoder.null if _inspected(session, argv[2]) is None else resp.integer(1)


@command("OBJECT HELP", arity=2, flags="loading stale", since="6.2.0", group="generic", categories="keyspace")
def object_help(session: Session, argv: Argv) -> bytes:
    """Show the subcommands.

    Reply: array of lines.
    Cost: O(1)
    Source: https://redis.io/docs/latest/commands/object-help/
    """
    del session, argv
    return help_text("object")


@command(
    "DUMP",
    arity=2,
    flags="readonly",
    since="2.6.0",
    group="generic",
    syntax="key",
    keys=(1, 1, 1),
    key_flags="RO access",
    categories="keyspace",
    tips=_UNSURE,
)
def dump_(session: Session, argv: Argv) -> bytes:
    """Return what a key holds as bytes for RESTORE; a stream with its groups and what is pending.

    The form is Airwave's own: Redis cannot read it, nor Airwave what Redis dumps.

    Reply: the bytes; null when the key is not there.
    Cost: O(N) for N bytes.
    Source: https://redis.io/docs/latest/commands/dump/
    """
    value = session.database.look(argv[1])
    return session.encoder.null if value is None else resp.bulk(dump.dumped(value))


class _RestoreOptions:
    """The options of RESTORE; `idle_s` is None when not given."""

    def __init__(self, args: Argv) -> None:
        self.replace = self.absolute = False
        self.idle_s: int | None = None
        frequency: int | None = None
        while args:
            word = args[0].lower()
            if word == b"replace":
                self.replace, args = True, args[1:]
            elif word == b"absttl":
                self.absolute, args = True, args[1:]
            elif word == b"idletime" and len(args) > 1 and frequency is None:
                self.idle_s, args = integer(args[1]), args[2:]
                if self.idle_s < 0:
                    raise _BAD_IDLE
            elif word == b"freq" and len(args) > 1 and self.idle_s is None:
                frequency, args = integer(args[1]), args[2:]
                if not 0 <= frequency <= 255:
                    raise _BAD_FREQ
            else:
                raise errors.SYNTAX


@command(
    "RESTORE",
    arity=-4,
    flags="write denyoom",
    since="2.6.0",
    group="generic",
    syntax="key ttl serialized-value [REPLACE] [ABSTTL] [IDLETIME seconds] [FREQ frequency]",
    keys=(1, 1, 1),
    key_flags="OW update",
    categories="keyspace dangerous",
)
def restore(session: Session, argv: Argv) -> bytes:
    """Put what DUMP returned at a key.

    `ttl`: it is gone after so many ms, 0: never; with ABSTTL at that Unix time. REPLACE: also if the key is there.
    IDLETIME: it was last used so many seconds ago. FREQ is taken and means nothing.

    Reply: `OK`, or the error `BUSYKEY`.
    Cost: O(N) for N bytes.
    Source: https://redis.io/docs/latest/commands/restore/
    """
    key, time, payload = argv[1:4]
    options = _RestoreOptions(argv[4:])
    database, keyspace = session.database, session.broker.keyspace
    if database.find(key) is not None and not options.replace:
        raise _BUSY
    at_ms = integer(time)
    if at_ms < 0:
        raise _BAD_TTL
    try:
        value = dump.restored(payload, keyspace.next_number(), keyspace.journal)
    except dump.BadDump:
        raise _BAD_DUMP from None
    except dump.BadContent:
        raise _BAD_CONTENT from None
    if at_ms and not options.absolute:
        at_ms += keyspace.now_ms()
    if at_ms and at_ms <= keyspace.now_ms():
        database.delete(key)
        return resp.OK
    put_copy(database, key, value, at_ms)
    if options.idle_s is not None:
        value.used_s = keyspace.now_s - options.idle_s
    database.changed(key, GENERIC, b"restore", arrived=True)
    return resp.OK
