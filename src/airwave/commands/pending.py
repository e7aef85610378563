"""What was delivered and not yet acknowledged: XACK, XACKDEL, XNACK, XPENDING. Claiming it is in `claiming.py`.

Order of checks and texts: redis 8 `t_stream.c`.
"""

from itertools import islice

from airwave import resp
from airwave.command import Argv, command
from airwave.commands.groups import find_group, wake_readers
from airwave.commands.parse import integer
from airwave.commands.stream_options import ids_block
from airwave.errors import NOT_AN_INTEGER, SYNTAX, CommandError
from airwave.keyspace import STREAM
from airwave.session import Session
from airwave.streams import ids as entry_ids
from airwave.streams import references
from airwave.streams.group import DELIVERIES_MAX
from airwave.streams.references import DELETED, MISSING, REFERENCED

BAD_MODE = CommandError("ERR mode must be SILENT, FAIL, or FATAL")
BAD_NUMIDS = CommandError("ERR numids must be a positive integer")
TOO_FEW_IDS = CommandError("ERR number of IDs doesn't match numids")
NEGATIVE_RETRYCOUNT = CommandError("ERR Invalid RETRYCOUNT value, must be >= 0")
NO_IDS = CommandError("ERR syntax error, expected IDS keyword")

_NUMIDS_MAX = (1 << 31) - 1

_MISSING = resp.integer(MISSING)


@command(
    "XACK",
    arity=-4,
    flags="write fast",
    since="5.0.0",
    group="stream",
    categories="stream",
    syntax="key group id [id ...]",
    keys=(1, 1, 1),
    key_flags="RW update",
)
def xack(session: Session, argv: Argv) -> bytes:
    """Say that entries are done with: they are no longer pending.

    Reply: integer, how many of them were pending.
    Cost: O(1) for each entry.
    Source: https://redis.io/docs/latest/commands/xack/
    """
    stream = session.database.look_stream(argv[1])
    group = stream.groups.get(argv[2]) if stream is not None else None
    if group is None:
        return resp.integer(0)
    return resp.integer(len(group.acknowledge(entry_ids.parse_many(argv[3:]))))


@command(
    "XACKDEL",
    arity=-6,
    flags="write fast",
    since="8.2.0",
    group="stream",
    categories="stream",
    syntax="key group [KEEPREF | DELREF | ACKED] IDS numids id [id ...]",
    keys=(1, 1, 1),
    key_flags="RW update delete",
)
def xackdel(session: Session, argv: Argv) -> bytes:
    """Say that entries are done with, and delete them.

    Reply: for each an integer: 1 acknowledged and deleted, 2 acknowledged, but kept because another group needs it
    (with ACKED), -1 it was not pending.
    Cost: O(1) for each entry and group.
    Source: https://redis.io/docs/latest/commands/xackdel/
    """
    key = argv[1]
    stream = session.database.look_stream(key)
    policy, args = ids_block(argv[3:])
    group = stream.groups.get(argv[2]) if stream is not None else None
    if stream is None or group is None:
        return resp.array([_MISSING] * len(args))
    ids = entry_ids.parse_many(args)
    stream.load_of(ids)
    done = group.acknowledge(ids)
    outcome = dict(zip(done, references.delete(stream, done, policy), strict=True))
    if DELETED in outcome.values():
        session.database.changed(key, STREAM, b"xdel")
    # Pending, but deleted long ago, counts as deleted; of an ID that is given twice only the first was pending.
    answers = {entry_id: REFERENCED if outcome[entry_id] == REFERENCED else DELETED for entry_id in done}
    return resp.array([resp.integer(answers.pop(entry_id, MISSING)) for entry_id in ids])


class _Release:
    """What XNACK is asked.

    Attributes:
        ids: entries.
        retrycount: how often they count as delivered; None: as the mode says.
        force: also those that are not pending.
    """

    def __init__(self) -> None:
        self.ids: Argv | None = None
        self.retrycount: int | None = None
        self.force = False


def _release_options(args: Argv) -> _Release:
    options = _Release()
    place = 0
    while place < len(args):
        name, behind = args[place].upper(), len(args) - place - 1
        if name == b"IDS" and behind:
            count = integer(args[place + 1], BAD_NUMIDS, 1, _NUMIDS_MAX)
            options.ids = args[place + 2 : place + 2 + count]
            if len(options.ids) < count:
                raise TOO_FEW_IDS
            place += 2 + count
        elif name == b"FORCE":
            options.force = True
            place += 1
        elif name == b"RETRYCOUNT" and behind:
            options.retrycount = integer(args[place + 1], NOT_AN_INTEGER)
            if options.retrycount < 0:
                raise NEGATIVE_RETRYCOUNT
            place += 2
        else:
            raise CommandError(b"ERR Unrecognized XNACK option '%b'" % args[place])
    if options.ids is None:
        raise NO_IDS
    return options


@command(
    "XNACK",
    arity=-7,
    flags="write fast",
    since="8.8.0",
    group="stream",
    categories="stream",
    syntax="key group <SILENT | FAIL | FATAL> IDS numids id [id ...] [RETRYCOUNT count] [FORCE]",
    keys=(1, 1, 1),
    key_flags="RW update",
)
def xnack(session: Session, argv: Argv) -> bytes:
    """Give pending entries back: nobody has them, and they are the first to be claimed.

    Reply: integer, how many were given back. SILENT takes back that they were delivered, FAIL does not, FATAL says that
    they were delivered too often. With FORCE also entries that are not pending become so.
    Cost: O(1) for each entry.
    Source: https://redis.io/docs/latest/commands/xnack/
    """
    stream, group = find_group(session, argv[1], argv[2])
    mode = argv[3].upper()
    if mode not in (b"SILENT", b"FAIL", b"FATAL"):
        raise BAD_MODE
    options = _release_options(argv[4:])
    ids = entry_ids.parse_many(options.ids or [])
    if options.force:
        stream.load_of(ids)
    counts: dict[int, int] = {}  # by then
    released: list[tuple[int, int]] = []
    for entry_id in ids:
        if entry_id in counts:
            count = counts[entry_id]
        elif (delivery := group.pending.get(entry_id)) is not None:
            count = delivery.count
        elif options.force and stream.has(entry_id):
            count = 0
        else:
            continue
        if options.retrycount is not None:
            count = options.retrycount
        elif mode == b"FATAL":
            count = DELIVERIES_MAX
        elif mode == b"SILENT":
            count = max(0, count - 1)
        counts[entry_id] = count
        released.append((entry_id, count))
    if released:
        group.assign_each(released, None, 0)
        wake_readers(session, argv[1])
    return resp.integer(len(released))


@command(
    "XPENDING",
    arity=-3,
    flags="readonly",
    since="5.0.0",
    group="stream",
    categories="stream",
    syntax="key group [[IDLE min-idle-time] start end count [consumer]]",
    keys=(1, 1, 1),
    key_flags="RO access",
    tips=("nondeterministic_output",),
)
def xpending(session: Session, argv: Argv) -> bytes:
    """Show what is pending in a group.

    Reply: an array of the number of pending entries, the smallest and the greatest ID, and for each consumer its name
    and number of entries. With a range, an array of arrays: ID, consumer (empty for an entry given back by XNACK),
    milliseconds since it was delivered (-1), how often it was.
    Cost: O(C) for C consumers; with a range O(N) for N entries looked at.
    Source: https://redis.io/docs/latest/commands/xpending/
    """
    if len(argv) == 3:
        return _summary(session, argv)
    if not 6 <= len(argv) <= 9:
        raise SYNTAX
    args = argv[3:]
    min_idle_ms = 0
    if args[0].upper() == b"IDLE":
        min_idle_ms = integer(args[1])
        if len(args) < 5:
            raise SYNTAX
        args = args[2:]
    count = integer(args[2])
    lower, upper = entry_ids.parse_bound(args[0], upper=False), entry_ids.parse_bound(args[1], upper=True)
    _, group = find_group(session, argv[1], argv[2])
    found = group.pending.range(lower, upper)
    if len(args) > 3:
        consumer = group.consumers.get(args[3])
        found = group.pending.held_by(consumer, lower, upper) if consumer is not None else iter(())
    now_ms = session.broker.keyspace.now_ms()
    items = []
    old = (item for item in found if item[1].consumer is None or now_ms - item[1].at_ms >= min_idle_ms)
    for entry_id, delivery in islice(old if min_idle_ms > 0 else found, max(0, count)):
        name, idle_ms = b"", -1
        if delivery.consumer is not None:
            name, idle_ms = delivery.consumer.name, max(0, now_ms - delivery.at_ms)
        parts = (entry_ids.bulk(entry_id), resp.bulk(name), resp.integer(idle_ms), resp.integer(delivery.count))
        items.append(resp.array(parts))
    return resp.array(items)


def _summary(session: Session, argv: Argv) -> bytes:
    _, group = find_group(session, argv[1], argv[2])
    pending, encoder = group.pending, session.encoder
    first, last = pending.first, pending.last
    if first is None or last is None:
        return resp.array([resp.integer(0), encoder.null, encoder.null, encoder.null_array])
    owners = sorted([(name, consumer.pending) for name, consumer in group.consumers.items() if consumer.pending])
    shown = resp.array([resp.bulks((name, b"%d" % count)) for name, count in owners])
    return resp.array([resp.integer(len(pending)), entry_ids.bulk(first), entry_ids.bulk(last), shown])
