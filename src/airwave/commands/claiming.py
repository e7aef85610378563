"""Taking over what is pending for others: XCLAIM and XAUTOCLAIM. XREADGROUP with CLAIM is in `group_reading.py`.

Order of checks and texts: redis 8 `t_stream.c`.
"""

from itertools import islice

from airwave import resp
from airwave.command import Argv, command
from airwave.commands.groups import consumer_of, find_group
from airwave.commands.parse import integer
from airwave.errors import SYNTAX, CommandError
from airwave.session import Session
from airwave.streams import ids as entry_ids
from airwave.streams.group import DELIVERIES_MAX, Group
from airwave.streams.pending import Delivery
from airwave.streams.stream import Stream

NO_XCLAIM_IDLE = CommandError("ERR Invalid min-idle-time argument for XCLAIM")
NO_IDLE = CommandError("ERR Invalid IDLE option argument for XCLAIM")
NO_TIME = CommandError("ERR Invalid TIME option argument for XCLAIM")
NO_RETRYCOUNT = CommandError("ERR Invalid RETRYCOUNT option argument for XCLAIM")
NO_XAUTOCLAIM_IDLE = CommandError("ERR Invalid min-idle-time argument for XAUTOCLAIM")
NO_COUNT = CommandError("ERR COUNT must be > 0")

_COUNT_DEFAULT = 100
_COUNT_MAX = ((1 << 63) - 1) // 16
_ATTEMPTS_PER_COUNT = 10  # pending entries that XAUTOCLAIM looks at


class _Claim:
    """What XCLAIM is asked.

    Attributes:
        ids: entries.
        at_ms: when they are taken to have been delivered; None: now.
        retrycount: how often; None: once more than before.
        force: also those that are not pending.
        justid: the reply is only IDs, and the entries do not count as delivered once more.
        last_id: the group has been given entries up to this one, at least.
    """

    def __init__(self) -> None:
        self.ids: list[int] = []
        self.at_ms: int | None = None
        self.retrycount: int | None = None
        self.force = self.justid = False
        self.last_id = 0

    def count_after(self, count: int) -> int:
        """How often an entry then counts as delivered."""
        if self.retrycount is not None and self.retrycount >= 0:
            return self.retrycount
        return count if self.justid else min(count + 1, DELIVERIES_MAX)


def _claim_options(args: Argv, now_ms: int) -> _Claim:
    """IDs, then options; the first word that is no ID is an option."""
    claim = _Claim()
    place = 0
    try:
        for place, arg in enumerate(args):  # noqa: B007
            claim.ids.append(entry_ids.parse(arg))
        place = len(args)
    except CommandError:
        pass
    while place < len(args):
        name, behind = args[place].upper(), len(args) - place - 1
        if name == b"FORCE":
            claim.force = True
        elif name == b"JUSTID":
            claim.justid = True
        elif name in (b"IDLE", b"TIME", b"RETRYCOUNT", b"LASTID") and behind:
            place += 1
            _value(claim, name, args[place], now_ms)
        else:
            raise CommandError(b"ERR Unrecognized XCLAIM option '%b'" % args[place])
        place += 1
    return claim


def _value(claim: _Claim, name: bytes, arg: bytes, now_ms: int) -> None:
    if name == b"IDLE":
        claim.at_ms = now_ms - integer(arg, NO_IDLE)
    elif name == b"TIME":
        claim.at_ms = integer(arg, NO_TIME)
    elif name == b"RETRYCOUNT":
        claim.retrycount = integer(arg, NO_RETRYCOUNT)
    else:
        claim.last_id = entry_ids.parse(arg)


def _too_fresh(delivery: Delivery, now_ms: int, min_idle_ms: int) -> bool:
    """Whether an entry has not been pending for so long; one that was given back always may be claimed."""
    return delivery.consumer is not None and min_idle_ms > 0 and now_ms - delivery.at_ms < min_idle_ms


@command(
    "XCLAIM",
    arity=-6,
    flags="write fast",
    since="5.0.0",
    group="stream",
    categories="stream",
    syntax="key group consumer min-idle-time id [id ...] [IDLE ms] [TIME unix-time-milliseconds] [RETRYCOUNT count] "
    "[FORCE] [JUSTID] [LASTID lastid]",
    keys=(1, 1, 1),
    key_flags="RW update",
    tips=("nondeterministic_output",),
)
def xclaim(session: Session, argv: Argv) -> bytes:
    """Make pending entries those of another consumer, if they have been pending for so many milliseconds.

    Reply: array of the entries claimed, or with JUSTID of their IDs. Entries that were deleted are left out, and no
    longer pending.
    Cost: O(1) for each entry.
    Source: https://redis.io/docs/latest/commands/xclaim/
    """
    stream, group = find_group(session, argv[1], argv[2])
    min_idle_ms = integer(argv[4], NO_XCLAIM_IDLE)
    now_ms = session.broker.keyspace.now_ms()
    claim = _claim_options(argv[5:], now_ms)
    entries = stream.entries(claim.ids)
    if claim.last_id > group.last_id:
        group.move_to(claim.last_id, group.entries_read)
    at_ms = now_ms if claim.at_ms is None or not 0 <= claim.at_ms <= now_ms else claim.at_ms
    consumer = consumer_of(session, argv[1], group, argv[3], now_ms)
    shown: list[bytes] = []
    for entry_id, entry in zip(claim.ids, entries, strict=True):  # one by one: an ID may be given twice
        before = group.pending.get(entry_id)
        if entry is None:
            if before is not None:
                group.acknowledge((entry_id,))
            continue
        if before is None and not claim.force:
            continue
        if before is not None and _too_fresh(before, now_ms, min_idle_ms):
            continue
        count = claim.count_after(before.count if before is not None else 1)
        group.assign((entry_id,), Delivery(consumer, at_ms, count))
        consumer.active_ms = now_ms
        shown.append(entry_ids.bulk(entry_id) if claim.justid else entry)
    return resp.array(shown)


class _Scan:
    """What XAUTOCLAIM finds.

    Attributes:
        claimed: IDs, and how often each was delivered.
        entries: of the same.
        deleted: pending entries that the stream no longer has.
        next_id: where to go on; 0: that was all.
    """

    def __init__(self) -> None:
        self.claimed: list[tuple[int, int]] = []
        self.entries: list[bytes] = []
        self.deleted: list[int] = []
        self.next_id = 0


def _scan(stream: Stream, group: Group, start: int, count: int, latest_ms: int | None) -> _Scan:
    """Find what can be claimed from an ID on.

    Args:
        count: at most so many, those that were deleted included.
        latest_ms: what was delivered later is too fresh; None: nothing is.
    """
    found = _Scan()
    likely = [entry_id for entry_id, _ in islice(group.pending.range(start), count)]
    stream.load_of(likely)
    attempts = count * _ATTEMPTS_PER_COUNT
    for entry_id, delivery in group.pending.range(start):
        if not attempts or not count:
            found.next_id = entry_id
            break
        attempts -= 1
        entry = stream.entry(entry_id)
        if entry is None:
            found.deleted.append(entry_id)
        elif latest_ms is not None and delivery.consumer is not None and delivery.at_ms > latest_ms:
            continue
        else:
            found.claimed.append((entry_id, delivery.count))
            found.entries.append(entry)
        count -= 1
    return found


def _autoclaim_options(args: Argv) -> tuple[int, bool]:
    """COUNT, and whether JUSTID is there."""
    count, justid = _COUNT_DEFAULT, False
    place = 0
    while place < len(args):
        name = args[place].upper()
        if name == b"COUNT" and place + 1 < len(args):
            count = integer(args[place + 1], NO_COUNT, 1, _COUNT_MAX)
            place += 1
        elif name == b"JUSTID":
            justid = True
        else:
            raise SYNTAX
        place += 1
    return count, justid


@command(
    "XAUTOCLAIM",
    arity=-6,
    flags="write fast",
    since="6.2.0",
    group="stream",
    categories="stream",
    syntax="key group consumer min-idle-time start [COUNT count] [JUSTID]",
    keys=(1, 1, 1),
    key_flags="RW delete",
    tips=("nondeterministic_output",),
)
def xautoclaim(session: Session, argv: Argv) -> bytes:
    """Make entries that have been pending for so many milliseconds those of another consumer, from an ID on.

    Reply: array of the ID where to go on (0-0 at the end), the entries claimed (with JUSTID their IDs), and the IDs of
    entries that were deleted and are no longer pending.
    Cost: O(N) for N pending entries looked at, at most ten times COUNT.
    Source: https://redis.io/docs/latest/commands/xautoclaim/
    """
    min_idle_ms = integer(argv[4], NO_XAUTOCLAIM_IDLE)
    start = entry_ids.parse_bound(argv[5], upper=False)
    count, justid = _autoclaim_options(argv[6:])
    stream, group = find_group(session, argv[1], argv[2])
    now_ms = session.broker.keyspace.now_ms()
    found = _scan(stream, group, start, count, now_ms - min_idle_ms if min_idle_ms > 0 else None)
    consumer = consumer_of(session, argv[1], group, argv[3], now_ms)
    if found.claimed:
        counts = [(each, times if justid else times + 1) for each, times in found.claimed]
        group.assign_each(counts, consumer, now_ms)
        consumer.active_ms = now_ms
    group.acknowledge(found.deleted)
    shown = [entry_ids.bulk(each) for each, _ in found.claimed] if justid else found.entries
    gone = [entry_ids.bulk(each) for each in found.deleted]
    return resp.array([entry_ids.bulk(found.next_id), resp.array(shown), resp.array(gone)])
