"""Entries that are added to a stream later: XSCHEDULE, XSCHEDULED, XUNSCHEDULE.

Airwave's own, not Redis's; `since` is the version of Airwave.

What waits is part of the stream: it is as durable as the stream's entries, goes where RENAME, MOVE and SWAPDB take the
stream, and is gone with it (DEL, FLUSHALL, expiry). COPY, DUMP and RESTORE leave it out: a copy that added the same
entries once more would do everything twice.
"""

from airwave import errors, resp
from airwave.command import Argv, command
from airwave.commands.parse import integer
from airwave.commands.stream_add import ENTRY_BYTES_MAX
from airwave.errors import EXHAUSTED, SYNTAX, TOO_LARGE, CommandError
from airwave.session import Session
from airwave.streams.schedule import DUE_MS_MAX, ENTRIES_MAX, PRODUCER, TOKEN_BYTES_MAX, Scheduled
from airwave.streams.stream import Stream

NEGATIVE_TIME = CommandError("ERR The time must be a number of milliseconds from 0, behind AT since 1970")
NO_TOKEN = CommandError("ERR The token must not be empty")
LONG_TOKEN = CommandError(f"ERR The token must have at most {TOKEN_BYTES_MAX} bytes")
TOO_MANY = CommandError(
    f"ERR {ENTRIES_MAX} entries are scheduled for this stream, which is the most: wait, or cancel some with XUNSCHEDULE"
)
BAD_COUNT = CommandError("ERR COUNT must be > 0")

_ID_BYTES = 64  # what the ID takes of an entry, at most


def _due_ms(argv: Argv, now_ms: int) -> int:
    """When the entry is due."""
    word = argv[2].upper()
    if word not in (b"AT", b"IN"):
        raise SYNTAX
    ms = integer(argv[3])
    due_ms = ms if word == b"AT" else now_ms + ms
    if ms < 0 or due_ms > DUE_MS_MAX:
        raise NEGATIVE_TIME
    return due_ms


def _token(argv: Argv) -> tuple[bytes, int]:
    """The token that was given, empty when none was; and where the fields begin."""
    if argv[4].upper() != b"ID":
        return b"", 4
    token = argv[5]
    if not token:
        raise NO_TOKEN
    if len(token) > TOKEN_BYTES_MAX:
        raise LONG_TOKEN
    return token, 6


@command(
    "XSCHEDULE",
    arity=-6,
    flags="write denyoom fast",
    since="0.1.0",
    group="stream",
    syntax="key <AT unix-time-milliseconds | IN milliseconds> [ID token] field value [field value ...]",
    keys=(1, 1, 1),
    key_flags="RW insert",
    categories="stream",
    tips=("nondeterministic_output",),
)
def xschedule(session: Session, argv: Argv) -> bytes:
    """Append an entry to a stream at a time to come; a command of Airwave's own, which Redis has not.

    The stream is created now if it is not there. When its time has come the entry is added as `XADD key *` would: it
    gets its ID then, readers that are blocked get it, the notification is `xadd`. Entries are added in the order of
    their times, each once. A time that is over is due at once. While nothing can be written, or CLIENT PAUSE holds
    writes back, entries that are due wait.

    With ID a token names the entry; without, one is made. As long as the token is scheduled, the command changes
    nothing and answers the token: it can be sent again when the reply was lost. Once the entry was added, its token is
    remembered as the idempotent ID of a producer called `schedule`, for as long and as many as with IDMP of XADD
    (XCFGSET sets that), and the command still changes nothing. A first field that is called ID, in any letter case, can
    only be given behind a token.

    What waits is as durable as the entries of the stream. It goes with the stream (RENAME, MOVE, SWAPDB, DEL, expiry);
    COPY, DUMP and RESTORE leave it out. At most 1,000,000 entries wait for a stream; they are kept in memory.

    Reply: the token, for XSCHEDULED and XUNSCHEDULE.
    Cost: O(log(N)) for N scheduled entries of the stream.
    Source: streams.md#later
    """
    keyspace, database, key = session.broker.keyspace, session.database, argv[1]
    now_ms = keyspace.now_ms()
    due_ms = _due_ms(argv, now_ms)
    token, start = _token(argv)
    fields = argv[start:]
    if not fields or len(fields) % 2:
        raise errors.wrong_arity("xschedule")
    stream = database.stream(key)
    if token and stream is not None and _is_known(stream, token, now_ms):
        return resp.bulk(token)
    encoded = resp.bulks(fields)
    if len(encoded) > ENTRY_BYTES_MAX - _ID_BYTES:
        raise TOO_LARGE
    if stream is not None and stream.schedule is not None and len(stream.schedule) >= ENTRIES_MAX:
        raise TOO_MANY
    number = keyspace.next_number()
    item = Scheduled(number, token or _new_token(session, stream, due_ms, number), due_ms, encoded, named=bool(token))
    if stream is None:
        stream = database.create_stream(key)
        database.touched(key, arrived=True)
    waiting = stream.schedule.next() if stream.schedule is not None else None
    if due_ms > now_ms or (waiting is not None and waiting.due_ms <= due_ms):
        stream.add_later(item)
        keyspace.agenda.note(stream)
    elif not database.add_scheduled(stream, item, now_ms):
        raise EXHAUSTED
    return resp.bulk(item.token)


def _is_known(stream: Stream, token: bytes, now_ms: int) -> bool:
    """Whether the entry of a token is scheduled, or was added not long ago."""
    if stream.schedule is not None and token in stream.schedule.by_token:
        return True
    if stream.producers.known(PRODUCER, token, now_ms) is None:
        return False
    stream.producers.duplicates += 1
    return True


def _new_token(session: Session, stream: Stream | None, due_ms: int, number: int) -> bytes:
    """A token that was never made before, and is not one that a client has chosen.

    Args:
        number: one that was never given before.
    """
    in_use = stream.schedule.by_token if stream is not None and stream.schedule is not None else {}
    while (token := b"%d-%d" % (due_ms, number)) in in_use:
        number = session.broker.keyspace.next_number()
    return token


@command(
    "XSCHEDULED",
    arity=-2,
    flags="readonly",
    since="0.1.0",
    group="stream",
    syntax="key [token | COUNT count]",
    keys=(1, 1, 1),
    key_flags="RO access",
    categories="stream",
)
def xscheduled(session: Session, argv: Argv) -> bytes:
    """List the entries that XSCHEDULE has scheduled for a stream, or one of them; a command of Airwave's own.

    COUNT: those that are due first, so many.

    Reply: array, in the order in which they are due: of each the token, the Unix time in ms, and an array of fields and
    values. Empty when there are none, or none of that token.
    Cost: O(M*log(M)) for M entries in the reply.
    Source: streams.md#later
    """
    count = ENTRIES_MAX
    if len(argv) > 4 or (len(argv) == 4 and argv[2].upper() != b"COUNT"):
        raise SYNTAX
    if len(argv) == 4 and (count := integer(argv[3])) <= 0:
        raise BAD_COUNT
    stream = session.database.look_stream(argv[1])
    if stream is None or stream.schedule is None:
        return resp.EMPTY_ARRAY
    if len(argv) == 3:
        item = stream.schedule.by_token.get(argv[2])
        return resp.array([] if item is None else [_shown(item)])
    return resp.array([*map(_shown, stream.schedule.first(count))])


def _shown(item: Scheduled) -> bytes:
    return b"*3\r\n%b:%d\r\n%b" % (resp.bulk(item.token), item.due_ms, item.fields)


@command(
    "XUNSCHEDULE",
    arity=-3,
    flags="write fast",
    since="0.1.0",
    group="stream",
    syntax="key token [token ...]",
    keys=(1, 1, 1),
    key_flags="RW delete",
    categories="stream",
)
def xunschedule(session: Session, argv: Argv) -> bytes:
    """Cancel entries that XSCHEDULE has scheduled for a stream; a command of Airwave's own.

    Reply: integer, how many were cancelled; the others were added already, or never scheduled.
    Cost: O(N) for N tokens.
    Source: streams.md#later
    """
    stream = session.database.stream(argv[1])
    if stream is None or stream.schedule is None:
        return resp.integer(0)
    schedule = stream.schedule
    cancelled = 0
    for token in argv[2:]:
        if (item := schedule.by_token.get(token)) is not None:
            schedule.remove(item)
            cancelled += 1
    session.broker.keyspace.agenda.note(stream)
    return resp.integer(cancelled)
