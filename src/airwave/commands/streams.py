"""Streams read and changed as a whole: https://redis.io/docs/latest/develop/data-types/streams/

XADD is in `stream_add.py`, XINFO in `stream_info.py`; XREAD and what consumer groups do have files of their own.
"""

from airwave import resp
from airwave.command import Argv, command
from airwave.commands.parse import integer
from airwave.commands.stream_options import ids_block, trim_options
from airwave.errors import NO_SUCH_KEY, SYNTAX, CommandError
from airwave.keyspace import STREAM
from airwave.session import Session
from airwave.streams import ids as entry_ids
from airwave.streams.idempotency import DURATION_S_MAX, MAXSIZE_MAX
from airwave.streams.ids import parse, parse_bound, parse_many
from airwave.streams.references import DELETED, MISSING, delete
from airwave.streams.stream import Stream

NEGATIVE_ADDED = CommandError("ERR entries_added must be positive")
BELOW_GIVEN_DELETED = CommandError("ERR The ID specified in XSETID is smaller than the provided max_deleted_entry_id")
BELOW_DELETED = CommandError("ERR The ID specified in XSETID is smaller than current max_deleted_entry_id")
BELOW_TOP = CommandError("ERR The ID specified in XSETID is smaller than the target stream top item")
BELOW_LENGTH = CommandError("ERR The entries_added specified in XSETID is smaller than the target stream length")
DURATION_RANGE = CommandError("ERR IDMP-DURATION must be between 1 and 86400 seconds")
MAXSIZE_RANGE = CommandError("ERR IDMP-MAXSIZE must be between 1 and 10000 entries")
TWO_DURATIONS = CommandError("ERR IDMP-DURATION specified multiple times")
TWO_MAXSIZES = CommandError("ERR IDMP-MAXSIZE specified multiple times")
NO_PARAMETER = CommandError("ERR At least one parameter must be specified")


# --- reading ----------------------------------------------------------------------------------------------------------


@command(
    "XLEN",
    arity=2,
    flags="readonly fast",
    since="5.0.0",
    group="stream",
    syntax="key",
    keys=(1, 1, 1),
    key_flags="RO",
    categories="stream",
)
def xlen(session: Session, argv: Argv) -> bytes:
    """Count the entries of a stream.

    Reply: integer, 0 when the key is not there.
    Cost: O(1)
    Source: https://redis.io/docs/latest/commands/xlen/
    """
    stream = session.database.look_stream(argv[1])
    return resp.integer(stream.length if stream is not None else 0)


def _count(options: Argv) -> int | None:
    """XRANGE's COUNT; None: it is not given."""
    count = None
    while options:
        if options[0].upper() != b"COUNT" or len(options) < 2:
            raise SYNTAX
        count = max(0, integer(options[1]))
        options = options[2:]
    return count


def entries_between(stream: Stream, lower: int, upper: int, limit: int | None) -> bytes:
    """Entries of a stream as an array."""
    spans = stream.spans(lower, upper, limit)
    if len(spans) == 1:
        ((chunk, start, stop),) = spans
        return b"*%d\r\n%b" % (stop - start, chunk.entries(start, stop))
    total = sum([stop - start for _, start, stop in spans])
    return b"*%d\r\n%b" % (total, b"".join([chunk.entries(start, stop) for chunk, start, stop in spans]))


@command(
    "XRANGE",
    arity=-4,
    flags="readonly",
    since="5.0.0",
    group="stream",
    syntax="key start end [COUNT count]",
    keys=(1, 1, 1),
    key_flags="RO access",
    categories="stream",
)
def xrange(session: Session, argv: Argv) -> bytes:
    """Read the entries of a stream between two IDs, oldest first.

    Reply: array of entries, each an array of ID and fields; nil for a COUNT of 0.
    Cost: O(log N+M) for M entries of the reply.
    Source: https://redis.io/docs/latest/commands/xrange/
    """
    lower, upper = parse_bound(argv[2], upper=False), parse_bound(argv[3], upper=True)
    limit = _count(argv[4:])
    stream = session.database.look_stream(argv[1])
    if stream is None:
        return resp.EMPTY_ARRAY
    if limit == 0:
        return session.encoder.null_array
    return entries_between(stream, lower, upper, limit)


@command(
    "XREVRANGE",
    arity=-4,
    flags="readonly",
    since="5.0.0",
    group="stream",
    syntax="key end start [COUNT count]",
    keys=(1, 1, 1),
    key_flags="RO access",
    categories="stream",
)
def xrevrange(session: Session, argv: Argv) -> bytes:
    """Read the entries of a stream between two IDs, newest first.

    Reply: array of entries, each an array of ID and fields; nil for a COUNT of 0.
    Cost: O(log N+M) for M entries of the reply.
    Source: https://redis.io/docs/latest/commands/xrevrange/
    """
    lower, upper = parse_bound(argv[3], upper=False), parse_bound(argv[2], upper=True)
    limit = _count(argv[4:])
    stream = session.database.look_stream(argv[1])
    if stream is None:
        return resp.EMPTY_ARRAY
    if limit == 0:
        return session.encoder.null_array
    items: list[bytes] = []
    for chunk, start, stop in stream.spans_back(lower, upper, limit):
        items += reversed(chunk.entry_list(start, stop))
    return resp.array(items)


# --- removing ---------------------------------------------------------------------------------------------------------


@command(
    "XDEL",
    arity=-3,
    flags="write fast",
    since="5.0.0",
    group="stream",
    syntax="key id [id ...]",
    keys=(1, 1, 1),
    key_flags="RW delete",
    categories="stream",
)
def xdel(session: Session, argv: Argv) -> bytes:
    """Delete entries of a stream.

    Reply: integer, how many were there.
    Cost: O(log N) for each entry.
    Source: https://redis.io/docs/latest/commands/xdel/
    """
    stream = session.database.stream(argv[1])
    if stream is None:
        return resp.integer(0)
    deleted = sum(stream.delete(parse_many(argv[2:])))
    if deleted:
        session.database.changed(argv[1], STREAM, b"xdel")
    return resp.integer(deleted)


@command(
    "XDELEX",
    arity=-5,
    flags="write fast",
    since="8.2.0",
    group="stream",
    syntax="key [KEEPREF | DELREF | ACKED] IDS numids id [id ...]",
    keys=(1, 1, 1),
    key_flags="RW delete",
    categories="stream",
)
def xdelex(session: Session, argv: Argv) -> bytes:
    """Delete entries of a stream, and say what becomes of the references that consumer groups have to them.

    Reply: array with an integer for each ID: 1 deleted, -1 there was none, 2 kept because of a reference (ACKED).
    Cost: O(log N) for each entry, with DELREF and ACKED for each group too.
    Source: https://redis.io/docs/latest/commands/xdelex/
    """
    stream = session.database.stream(argv[1])
    policy, wanted = ids_block(argv[2:])
    if stream is None:
        return resp.array([resp.integer(MISSING)] * len(wanted))
    results = delete(stream, parse_many(wanted), policy)
    if DELETED in results:
        session.database.changed(argv[1], STREAM, b"xdel")
    return resp.array([*map(resp.integer, results)])


@command(
    "XTRIM",
    arity=-4,
    flags="write",
    since="5.0.0",
    group="stream",
    syntax="key <MAXLEN | MINID> [= | ~] threshold [LIMIT count] [KEEPREF | DELREF | ACKED]",
    keys=(1, 1, 1),
    key_flags="RW delete",
    categories="stream",
    tips=("nondeterministic_output",),
)
def xtrim(session: Session, argv: Argv) -> bytes:
    """Remove the oldest entries of a stream.

    Reply: integer, how many were removed.
    Cost: O(N) for N entries removed; whole chunks of them cost O(1).
    Source: https://redis.io/docs/latest/commands/xtrim/
    """
    trim = trim_options(argv)
    stream = session.database.stream(argv[1])
    if stream is None:
        return resp.integer(0)
    trimmed = trim.run(stream)
    if trimmed:
        session.database.changed(argv[1], STREAM, b"xtrim")
    return resp.integer(trimmed)


# --- what is known of the stream --------------------------------------------------------------------------------------


def _set_id_options(options: Argv, last_id: int) -> tuple[int | None, int]:
    """ENTRIESADDED (None: not given) and MAXDELETEDID (0: not given)."""
    added, max_deleted = None, 0
    while options:
        word = options[0].upper()
        if word == b"ENTRIESADDED" and len(options) > 1:
            added = integer(options[1])
            if added < 0:
                raise NEGATIVE_ADDED
        elif word == b"MAXDELETEDID" and len(options) > 1:
            max_deleted = parse(options[1])
            if last_id < max_deleted:
                raise BELOW_GIVEN_DELETED
        else:
            raise SYNTAX
        options = options[2:]
    return added, max_deleted


@command(
    "XSETID",
    arity=-3,
    flags="write denyoom fast",
    since="5.0.0",
    group="stream",
    syntax="key last-id [ENTRIESADDED entries-added] [MAXDELETEDID max-deleted-id]",
    keys=(1, 1, 1),
    key_flags="RW update",
    categories="stream",
)
def xsetid(session: Session, argv: Argv) -> bytes:
    """Set the last ID of a stream, and what it says of entries that are no more.

    Reply: `OK`.
    Cost: O(1), and O(G) for G groups with ENTRIESADDED.
    Source: https://redis.io/docs/latest/commands/xsetid/
    """
    last_id = parse(argv[2])
    added, max_deleted = _set_id_options(argv[3:], last_id)
    stream = session.database.stream(argv[1])
    if stream is None:
        raise NO_SUCH_KEY
    if last_id < stream.max_deleted:
        raise BELOW_DELETED
    if stream.length:
        if last_id < _top_id(stream):
            raise BELOW_TOP
        if added is not None and added < stream.length:
            raise BELOW_LENGTH
    stream.last_id = last_id
    if added is not None:
        stream.added = added
        for group in stream.groups.values():
            if group.entries_read > added:
                group.move_to(group.last_id, added)
    stream.max_deleted = max_deleted or stream.max_deleted
    stream.changed()
    # As in Redis, who watches the key is not told.
    session.broker.keyspace.notify(STREAM, b"xsetid", argv[1], session.database.index)
    return resp.OK


def _top_id(stream: Stream) -> int:
    """The ID of the last live entry; there is one."""
    ((chunk, start, stop),) = stream.spans_back(0, entry_ids.ID_MAX, 1)
    return chunk.ids(start, stop)[0]


@command(
    "XCFGSET",
    arity=-2,
    flags="write fast",
    since="8.6.0",
    group="stream",
    syntax="key [IDMP-DURATION idmp-duration] [IDMP-MAXSIZE idmp-maxsize]",
    keys=(1, 1, 1),
    key_flags="RW update",
    categories="stream",
)
def xcfgset(session: Session, argv: Argv) -> bytes:
    """Set for how many seconds, and how many for each producer, a stream remembers idempotent IDs.

    Reply: `OK`. Another value than before makes the stream forget those it remembers.
    Cost: O(1)
    Source: https://redis.io/docs/latest/commands/xcfgset/
    """
    stream = session.database.stream(argv[1])
    if stream is None:
        raise NO_SUCH_KEY
    duration_s = maxsize = None
    options = argv[2:]
    while options:
        word = options[0].upper()
        if word == b"IDMP-DURATION" and len(options) > 1:
            if duration_s is not None:
                raise TWO_DURATIONS
            duration_s = integer(options[1], DURATION_RANGE, 1, DURATION_S_MAX)
        elif word == b"IDMP-MAXSIZE" and len(options) > 1:
            if maxsize is not None:
                raise TWO_MAXSIZES
            maxsize = integer(options[1], MAXSIZE_RANGE, 1, MAXSIZE_MAX)
        else:
            raise SYNTAX
        options = options[2:]
    if duration_s is None and maxsize is None:
        raise NO_PARAMETER
    producers = stream.producers
    producers.configure(duration_s or producers.duration_s, maxsize or producers.maxsize)
    return resp.OK
