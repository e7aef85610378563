"""Strings: locks and results beside the streams. Counters are in `counters.py`. https://redis.io/docs/latest/commands/?group=string"""

from collections.abc import Mapping

from airwave import errors, resp
from airwave.command import Argv, command
from airwave.commands.expiry import Expiry, expiry_of
from airwave.commands.parse import pairs
from airwave.database import GENERIC, STRING
from airwave.errors import CommandError
from airwave.session import Session
from airwave.value import String

_TOO_LONG = CommandError("ERR string exceeds maximum allowed size (proto-max-bulk-len)")

_TIMES = {
    b"EX": Expiry(in_seconds=True, absolute=False),
    b"PX": Expiry(in_seconds=False, absolute=False),
    b"EXAT": Expiry(in_seconds=True, absolute=True),
    b"PXAT": Expiry(in_seconds=False, absolute=True),
}


class _Options:
    """The options of SET and GETEX.

    Attributes:
        words: those without an argument: NX, XX, GET, KEEPTTL, PERSIST.
        expiry, time: EX and its kind, with the argument; None: none is given.
    """

    def __init__(self, args: Argv, excluding: Mapping[bytes, frozenset[bytes]]) -> None:
        """Read options.

        Args:
            excluding: the words allowed, each with those that it does not go with. The words of time go with none of
                each other.
        """
        self.words: set[bytes] = set()
        self.expiry: Expiry | None = None
        self.time = b""
        place = 0
        while place < len(args):
            word = args[place].upper()
            if word in _TIMES and place + 1 < len(args) and self.expiry in (None, _TIMES[word]):
                place += 1
                self.expiry, self.time = _TIMES[word], args[place]
            elif word in excluding:
                self.words.add(word)
            else:
                raise errors.SYNTAX
            place += 1
        for word in self.words:
            if self.words & excluding[word] or (self.expiry is not None and b"EX" in excluding[word]):
                raise errors.SYNTAX

    def at_ms(self, session: Session, name: str) -> int:
        """The expiry time asked for; 0: none."""
        if self.expiry is None:
            return 0
        return expiry_of(self.time, self.expiry, session.broker.keyspace.now_ms(), name)


_SET_OPTIONS = {
    b"NX": frozenset({b"XX"}),
    b"XX": frozenset({b"NX"}),
    b"GET": frozenset[bytes](),
    b"KEEPTTL": frozenset({b"EX"}),
}
_GETEX_OPTIONS = {b"PERSIST": frozenset({b"EX"})}


@command(
    "SET",
    arity=-3,
    flags="write denyoom",
    since="1.0.0",
    group="string",
    syntax="key value [NX | XX] [GET] [EX seconds | PX milliseconds | EXAT unix-time-seconds | "
    "PXAT unix-time-milliseconds | KEEPTTL]",
    keys=(1, 1, 1),
    key_flags="RW access update variable_flags",
    categories="string",
)
def set_(session: Session, argv: Argv) -> bytes:
    """Set a key to a string, whatever it held before.

    NX: only if the key is not there; XX: only if it is. EX, PX, EXAT, PXAT: it is gone after a time or at a time;
    KEEPTTL: when it was to be gone before; without one of them never.

    Reply: `OK`, or null when NX or XX kept it from happening. With GET the string that was there before, or null.
    Cost: O(1)
    Source: https://redis.io/docs/latest/commands/set/
    """
    key = argv[1]
    database = session.database
    if len(argv) == 3:
        _set(session, key, argv[2], 0)
        return resp.OK
    options = _Options(argv[3:], _SET_OPTIONS)
    words = options.words
    at_ms = options.at_ms(session, "set")
    reply = resp.OK
    if b"GET" in words:
        before = database.look_string(key)
        reply = session.encoder.null if before is None else resp.bulk(before.data)
    if words & {b"NX", b"XX"} and (database.find(key) is None) != (b"NX" in words):
        return reply if b"GET" in words else session.encoder.null
    _set(session, key, argv[2], at_ms, keep=b"KEEPTTL" in words)
    return reply


def _set(session: Session, key: bytes, data: bytes, at_ms: int, *, keep: bool = False) -> None:
    """Set a key and tell everybody.

    Args:
        at_ms: when it is gone; 0: never.
        keep: it is gone when it was to be gone before.
    """
    database = session.database
    value = database.set_string(key, data)
    if not keep:
        database.set_expiry(value, at_ms)
    database.changed(key, STRING, b"set", arrived=True)
    if at_ms:
        database.changed(key, GENERIC, b"expire")


@command(
    "GET",
    arity=2,
    flags="readonly fast",
    since="1.0.0",
    group="string",
    syntax="key",
    keys=(1, 1, 1),
    key_flags="RO access",
    categories="string",
)
def get(session: Session, argv: Argv) -> bytes:
    """Return a string.

    Reply: the string; null when the key is not there.
    Cost: O(1)
    Source: https://redis.io/docs/latest/commands/get/
    """
    value = session.database.look_string(argv[1])
    return session.encoder.null if value is None else resp.bulk(value.data)


@command(
    "GETDEL",
    arity=2,
    flags="write fast",
    since="6.2.0",
    group="string",
    syntax="key",
    keys=(1, 1, 1),
    key_flags="RW access delete",
    categories="string",
)
def getdel(session: Session, argv: Argv) -> bytes:
    """Return a string and remove its key.

    Reply: the string; null when the key is not there.
    Cost: O(1)
    Source: https://redis.io/docs/latest/commands/getdel/
    """
    value = session.database.look_string(argv[1])
    if value is None:
        return session.encoder.null
    session.database.delete(argv[1])
    return resp.bulk(value.data)


@command(
    "GETEX",
    arity=-2,
    flags="write fast",
    since="6.2.0",
    group="string",
    syntax="key [EX seconds | PX milliseconds | EXAT unix-time-seconds | PXAT unix-time-milliseconds | PERSIST]",
    keys=(1, 1, 1),
    key_flags="RW access update",
    categories="string",
)
def getex(session: Session, argv: Argv) -> bytes:
    """Return a string and set when its key is gone, as SET does; PERSIST: never. Without an option it is a GET.

    Reply: the string; null when the key is not there.
    Cost: O(1)
    Source: https://redis.io/docs/latest/commands/getex/
    """
    key = argv[1]
    database = session.database
    options = _Options(argv[2:], _GETEX_OPTIONS)
    value = database.look_string(key)
    if value is None:
        return session.encoder.null
    at_ms = options.at_ms(session, "getex")
    if at_ms and at_ms <= session.broker.keyspace.now_ms():
        database.delete(key)
    elif at_ms:
        database.set_expiry(value, at_ms)
        database.changed(key, GENERIC, b"expire")
    elif options.words and value.expires_ms:
        database.set_expiry(value, 0)
        database.changed(key, GENERIC, b"persist")
    return resp.bulk(value.data)


@command(
    "SETEX",
    arity=4,
    flags="write denyoom",
    since="2.0.0",
    group="string",
    syntax="key seconds value",
    keys=(1, 1, 1),
    key_flags="OW update",
    categories="string",
)
def setex(session: Session, argv: Argv) -> bytes:
    """Set a key to a string that is gone after so many seconds; SET with EX does the same.

    Reply: `OK`.
    Cost: O(1)
    Source: https://redis.io/docs/latest/commands/setex/
    """
    _, key, time, data = argv
    _set(session, key, data, expiry_of(time, _TIMES[b"EX"], session.broker.keyspace.now_ms(), "setex"))
    return resp.OK


@command(
    "PSETEX",
    arity=4,
    flags="write denyoom",
    since="2.6.0",
    group="string",
    syntax="key milliseconds value",
    keys=(1, 1, 1),
    key_flags="OW update",
    categories="string",
)
def psetex(session: Session, argv: Argv) -> bytes:
    """Set a key to a string that is gone after so many ms; SET with PX does the same.

    Reply: `OK`.
    Cost: O(1)
    Source: https://redis.io/docs/latest/commands/psetex/
    """
    _, key, time, data = argv
    _set(session, key, data, expiry_of(time, _TIMES[b"PX"], session.broker.keyspace.now_ms(), "psetex"))
    return resp.OK


@command(
    "SETNX",
    arity=3,
    flags="write denyoom fast",
    since="1.0.0",
    group="string",
    syntax="key value",
    keys=(1, 1, 1),
    key_flags="OW insert",
    categories="string",
)
def setnx(session: Session, argv: Argv) -> bytes:
    """Set a key to a string if it is not there; SET with NX does the same.

    Reply: integer, 1 if it was set, 0 if not.
    Cost: O(1)
    Source: https://redis.io/docs/latest/commands/setnx/
    """
    _, key, data = argv
    if session.database.find(key) is not None:
        return resp.integer(0)
    _set(session, key, data, 0)
    return resp.integer(1)


@command(
    "MGET",
    arity=-2,
    flags="readonly fast",
    since="1.0.0",
    group="string",
    syntax="key [key ...]",
    keys=(1, -1, 1),
    key_flags="RO access",
    categories="string",
    tips=("request_policy:multi_shard",),
)
def mget(session: Session, argv: Argv) -> bytes:
    """Return several strings.

    Reply: array, for each key the string; null when the key is not there or holds something else.
    Cost: O(N) for N keys.
    Source: https://redis.io/docs/latest/commands/mget/
    """
    null = session.encoder.null
    values = map(session.database.look, argv[1:])
    return resp.array([resp.bulk(value.data) if type(value) is String else null for value in values])


@command(
    "MSET",
    arity=-3,
    flags="write denyoom",
    since="1.0.1",
    group="string",
    syntax="key value [key value ...]",
    keys=(1, -1, 2),
    key_flags="OW update",
    categories="string",
    tips=("request_policy:multi_shard", "response_policy:all_succeeded"),
)
def mset(session: Session, argv: Argv) -> bytes:
    """Set several keys to strings at once.

    Reply: `OK`.
    Cost: O(N) for N keys.
    Source: https://redis.io/docs/latest/commands/mset/
    """
    if len(argv) % 2 == 0:
        raise errors.wrong_arity("mset")
    for key, data in pairs(argv[1:]):
        _set(session, key, data, 0)
    return resp.OK


# --- text -------------------------------------------------------------------------------------------------------------


@command(
    "APPEND",
    arity=3,
    flags="write denyoom fast",
    since="2.0.0",
    group="string",
    syntax="key value",
    keys=(1, 1, 1),
    key_flags="RW insert",
    categories="string",
)
def append(session: Session, argv: Argv) -> bytes:
    """Add to the end of a string; a key that is not there counts as empty.

    Reply: integer, the new length in bytes.
    Cost: O(N) for a string of N bytes.
    Source: https://redis.io/docs/latest/commands/append/
    """
    _, key, data = argv
    database = session.database
    value = database.string(key)
    if value is None:
        value = database.create_string(key, data)
        database.changed(key, STRING, b"append", arrived=True)
        return resp.integer(len(data))
    if len(value.data) + len(data) > session.broker.limits.bulk_max:
        raise _TOO_LONG
    database.change_string(value, value.data + data)
    value.appended = True
    database.changed(key, STRING, b"append")
    return resp.integer(len(value.data))


@command(
    "STRLEN",
    arity=2,
    flags="readonly fast",
    since="2.2.0",
    group="string",
    syntax="key",
    keys=(1, 1, 1),
    key_flags="RO",
    categories="string",
)
def strlen(session: Session, argv: Argv) -> bytes:
    """Return the length of a string.

    Reply: integer, bytes; 0 when the key is not there.
    Cost: O(1)
    Source: https://redis.io/docs/latest/commands/strlen/
    """
    value = session.database.look_string(argv[1])
    return resp.integer(0 if value is None else len(value.data))
