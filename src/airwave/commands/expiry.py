"""When a key is gone: EXPIRE and its kin. Times are kept as Unix time in ms."""

from dataclasses import dataclass

from airwave import resp
from airwave.command import Argv, command
from airwave.commands.parse import integer
from airwave.database import GENERIC
from airwave.errors import CommandError
from airwave.session import Session

_INT64_MIN, _INT64_MAX = -(1 << 63), (1 << 63) - 1
_CONDITIONS = frozenset((b"NX", b"XX", b"GT", b"LT"))


@dataclass(frozen=True)
class Expiry:
    """How a command says when a key is gone: in seconds or ms, from now on or as Unix time."""

    in_seconds: bool
    absolute: bool


def expiry_of(arg: bytes, expiry: Expiry, now_ms: int, name: str) -> int:
    """The time that SET, GETEX, SETEX or PSETEX asks for, in ms; it must be above 0, also if it is Unix time.

    Raises:
        CommandError: it is no such time.
    """
    time = integer(arg)
    if time <= 0:
        raise _invalid(name)
    return _in_ms(time, expiry, now_ms, name)


def _in_ms(time: int, expiry: Expiry, now_ms: int, name: str) -> int:
    at_ms = time * 1000 if expiry.in_seconds else time
    if not _INT64_MIN <= at_ms <= _INT64_MAX - (0 if expiry.absolute else now_ms):
        raise _invalid(name)
    return at_ms if expiry.absolute else at_ms + now_ms


def _invalid(name: str) -> CommandError:
    return CommandError(f"ERR invalid expire time in '{name}' command")


def _conditions(args: Argv) -> set[bytes]:
    """What must be so for an expiry time to be set, with Redis's errors for what contradicts itself."""
    wanted = set()
    for arg in args:
        word = arg.upper()
        if word not in _CONDITIONS:
            raise CommandError(b"ERR Unsupported option " + arg)
        wanted.add(word)
    if b"NX" in wanted and len(wanted) > 1:
        raise CommandError("ERR NX and XX, GT or LT options at the same time are not compatible")
    if wanted >= {b"GT", b"LT"}:
        raise CommandError("ERR GT and LT options at the same time are not compatible")
    return wanted


def _holds(conditions: set[bytes], current_ms: int, at_ms: int) -> bool:
    """Whether all conditions hold; a key without an expiry time (`current_ms` 0) counts as gone at the end of time."""
    for condition in conditions:
        if condition == b"NX":
            holds = not current_ms
        elif condition == b"XX":
            holds = bool(current_ms)
        elif condition == b"GT":
            holds = bool(current_ms) and at_ms > current_ms
        else:
            holds = not current_ms or at_ms < current_ms
        if not holds:
            return False
    return True


def _expire(session: Session, argv: Argv, name: str, expiry: Expiry) -> bytes:
    conditions = _conditions(argv[3:]) if len(argv) > 3 else set()
    key, database = argv[1], session.database
    now_ms = session.broker.keyspace.now_ms()
    at_ms = _in_ms(integer(argv[2]), expiry, now_ms, name)
    value = database.find(key)
    if value is None or not _holds(conditions, value.expires_ms, at_ms):
        return resp.integer(0)
    if at_ms <= now_ms:
        database.delete(key)
    else:
        database.set_expiry(value, at_ms)
        database.changed(key, GENERIC, b"expire")
    return resp.integer(1)


@command(
    "EXPIRE",
    arity=-3,
    flags="write fast",
    since="1.0.0",
    group="generic",
    syntax="key seconds [NX | XX | GT | LT]",
    keys=(1, 1, 1),
    key_flags="RW update",
    categories="keyspace",
)
def expire(session: Session, argv: Argv) -> bytes:
    """Let a key be gone after so many seconds; at once if that is no future.

    NX: only if it has no expiry time; XX: only if it has one; GT, LT: only if the new one is later, or earlier.

    Reply: integer, 1 if it was set; 0 when the key is not there or the condition does not hold.
    Cost: O(log N) for N keys with an expiry time.
    Source: https://redis.io/docs/latest/commands/expire/
    """
    return _expire(session, argv, "expire", Expiry(in_seconds=True, absolute=False))


@command(
    "PEXPIRE",
    arity=-3,
    flags="write fast",
    since="2.6.0",
    group="generic",
    syntax="key milliseconds [NX | XX | GT | LT]",
    keys=(1, 1, 1),
    key_flags="RW update",
    categories="keyspace",
)
def pexpire(session: Session, argv: Argv) -> bytes:
    """Let a key be gone after so many ms; otherwise as EXPIRE.

    Reply: integer, 1 if it was set; 0 when the key is not there or the condition does not hold.
    Cost: O(log N) for N keys with an expiry time.
    Source: https://redis.io/docs/latest/commands/pexpire/
    """
    return _expire(session, argv, "pexpire", Expiry(in_seconds=False, absolute=False))


@command(
    "EXPIREAT",
    arity=-3,
    flags="write fast",
    since="1.2.0",
    group="generic",
    syntax="key unix-time-seconds [NX | XX | GT | LT]",
    keys=(1, 1, 1),
    key_flags="RW update",
    categories="keyspace",
)
def expireat(session: Session, argv: Argv) -> bytes:
    """Let a key be gone at a Unix time in seconds; otherwise as EXPIRE.

    Reply: integer, 1 if it was set; 0 when the key is not there or the condition does not hold.
    Cost: O(log N) for N keys with an expiry time.
    Source: https://redis.io/docs/latest/commands/expireat/
    """
    return _expire(session, argv, "expireat", Expiry(in_seconds=True, absolute=True))


@command(
    "PEXPIREAT",
    arity=-3,
    flags="write fast",
    since="2.6.0",
    group="generic",
    syntax="key unix-time-milliseconds [NX | XX | GT | LT]",
    keys=(1, 1, 1),
    key_flags="RW update",
    categories="keyspace",
)
def pexpireat(session: Session, argv: Argv) -> bytes:
    """Let a key be gone at a Unix time in ms; otherwise as EXPIRE.

    Reply: integer, 1 if it was set; 0 when the key is not there or the condition does not hold.
    Cost: O(log N) for N keys with an expiry time.
    Source: https://redis.io/docs/latest/commands/pexpireat/
    """
    return _expire(session, argv, "pexpireat", Expiry(in_seconds=False, absolute=True))


@command(
    "PERSIST",
    arity=2,
    flags="write fast",
    since="2.2.0",
    group="generic",
    syntax="key",
    keys=(1, 1, 1),
    key_flags="RW update",
    categories="keyspace",
)
def persist(session: Session, argv: Argv) -> bytes:
    """Let a key never be gone by itself.

    Reply: integer, 1 if it had an expiry time, else 0.
    Cost: O(1)
    Source: https://redis.io/docs/latest/commands/persist/
    """
    key, database = argv[1], session.database
    value = database.find(key)
    if value is None or not value.expires_ms:
        return resp.integer(0)
    database.set_expiry(value, 0)
    database.changed(key, GENERIC, b"persist")
    return resp.integer(1)


# --- asking -----------------------------------------------------------------------------------------------------------


def _asked(session: Session, key: bytes, unit_ms: int, *, absolute: bool) -> bytes:
    """The reply of TTL and its kin; seconds are rounded, as in Redis."""
    value = session.database.inspect(key)
    if value is None:
        return resp.integer(-2)
    if not value.expires_ms:
        return resp.integer(-1)
    time = value.expires_ms if absolute else max(0, value.expires_ms - session.broker.keyspace.now_ms())
    return resp.integer((time + unit_ms // 2) // unit_ms)


@command(
    "TTL",
    arity=2,
    flags="readonly fast",
    since="1.0.0",
    group="generic",
    syntax="key",
    keys=(1, 1, 1),
    key_flags="RO access",
    categories="keyspace",
    tips=("nondeterministic_output",),
)
def ttl(session: Session, argv: Argv) -> bytes:
    """Return after how many seconds a key is gone.

    Reply: integer; -1: never, -2: the key is not there.
    Cost: O(1)
    Source: https://redis.io/docs/latest/commands/ttl/
    """
    return _asked(session, argv[1], 1000, absolute=False)


@command(
    "PTTL",
    arity=2,
    flags="readonly fast",
    since="2.6.0",
    group="generic",
    syntax="key",
    keys=(1, 1, 1),
    key_flags="RO access",
    categories="keyspace",
    tips=("nondeterministic_output",),
)
def pttl(session: Session, argv: Argv) -> bytes:
    """Return after how many ms a key is gone.

    Reply: integer; -1: never, -2: the key is not there.
    Cost: O(1)
    Source: https://redis.io/docs/latest/commands/pttl/
    """
    return _asked(session, argv[1], 1, absolute=False)


@command(
    "EXPIRETIME",
    arity=2,
    flags="readonly fast",
    since="7.0.0",
    group="generic",
    syntax="key",
    keys=(1, 1, 1),
    key_flags="RO access",
    categories="keyspace",
)
def expiretime(session: Session, argv: Argv) -> bytes:
    """Return when a key is gone, as Unix time in seconds.

    Reply: integer; -1: never, -2: the key is not there.
    Cost: O(1)
    Source: https://redis.io/docs/latest/commands/expiretime/
    """
    return _asked(session, argv[1], 1000, absolute=True)


@command(
    "PEXPIRETIME",
    arity=2,
    flags="readonly fast",
    since="7.0.0",
    group="generic",
    syntax="key",
    keys=(1, 1, 1),
    key_flags="RO access",
    categories="keyspace",
)
def pexpiretime(session: Session, argv: Argv) -> bytes:
    """Return when a key is gone, as Unix time in ms.

    Reply: integer; -1: never, -2: the key is not there.
    Cost: O(1)
    Source: https://redis.io/docs/latest/commands/pexpiretime/
    """
    return _asked(session, argv[1], 1, absolute=True)
