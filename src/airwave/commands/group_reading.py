"""XREADGROUP: reading as a consumer of a group.

First it is found out what each stream has to give, which may have to wait for the disk (`Cold`) and changes nothing;
then the groups are told what was given.
Order of checks and texts: redis 8 `t_stream.c`, xreadCommand and streamReplyWithRange.
"""

from collections.abc import Iterator
from itertools import chain, islice

from airwave.command import Argv, command
from airwave.commands.groups import consumer_of
from airwave.commands.reading import Options, Reply, bytes_of, count_of, read_options
from airwave.errors import CommandError
from airwave.session import Session
from airwave.streams import ids as entry_ids
from airwave.streams.group import Group
from airwave.streams.ids import ID_MAX
from airwave.streams.pending import Consumer, Delivery
from airwave.streams.position import entries_read_after
from airwave.streams.stream import Span, Stream

# With CLAIM and nothing pending, another consumer may be given something that soon can be claimed, which wakes nobody:
# a blocked reader looks again after the minimum idle time, but not more often than this.
_LOOK_AGAIN_MS_MIN = 10

_FRESH = b":0\r\n:0\r\n"  # with CLAIM, how long ago and how often a new entry was delivered
_CLAIMED_AT_ONCE = 100  # without COUNT, what is brought into memory together


def _meaningless(wanted: str) -> CommandError:
    return CommandError(
        f"ERR The {wanted} ID is meaningless in the context of XREADGROUP: you want to read the history of this "
        f"consumer by specifying a proper ID, or use the > ID to get new messages. The {wanted} ID would just return "
        "an empty result set."
    )


def _no_group(key: bytes, group: bytes) -> CommandError:
    return CommandError(
        b"NOGROUP No such key '%b' or consumer group '%b' in XREADGROUP with GROUP option" % (key, group)
    )


class _Share:
    """What XREADGROUP gives of one stream.

    Attributes:
        new: entries not yet delivered.
        again: entries delivered before, and how often they then have been: claimed, or of the consumer's history.
        claimed: they were claimed.
        wake_ms: when something can be claimed; 0: nothing is waited for.
    """

    __slots__ = ("again", "claimed", "group", "key", "new", "stream", "wake_ms")

    def __init__(self, key: bytes, stream: Stream, group: Group) -> None:
        self.key = key
        self.stream = stream
        self.group = group
        self.new: list[Span] = []
        self.again: list[tuple[int, int]] = []
        self.claimed = False
        self.wake_ms = 0


def _find_share(session: Session, options: Options, key: bytes) -> _Share:
    stream = session.database.look_stream(key)
    group = stream.groups.get(options.group) if stream is not None else None
    if stream is None or group is None:
        raise _no_group(key, options.group)
    return _Share(key, stream, group)


def _behind(wanted: bytes) -> int:
    """The ID behind which a consumer is to read its history; ID_MAX: it wants what is new."""
    if wanted == b">":
        return ID_MAX
    if wanted in (b"$", b"+"):
        raise _meaningless(wanted.decode())
    return entry_ids.parse(wanted)


# --- what there is to give --------------------------------------------------------------------------------------------


def _add_history(share: _Share, reply: Reply, consumer: Consumer | None, behind: int, null_array: bytes) -> None:
    """Give a consumer again what is pending for it. Entries that were deleted have no fields, and stay as they are."""
    held = share.group.pending.held_by(consumer, behind + 1) if consumer is not None else iter(())
    items = list(islice(held, reply.limit))
    entries = share.stream.entries([entry_id for entry_id, _ in items])
    reply.open(share.key)
    body: list[bytes] = []
    for (entry_id, delivery), entry in zip(items, entries, strict=True):
        shown = entry or b"*2\r\n%b%b" % (entry_ids.bulk(entry_id), null_array)
        if not reply.fits(shown, len(body)):
            break
        body.append(shown)
        if entry is not None:
            share.again.append((entry_id, delivery.count + 1))
    reply.add(len(body), b"".join(body))


def _add_new(share: _Share, reply: Reply, position: int) -> None:
    """Give what was added behind an ID."""
    if position >= share.stream.last_id:
        return
    spans = share.stream.spans(position + 1, ID_MAX, reply.limit)
    if spans:
        reply.open(share.key)
        share.new = spans = reply.spans(spans)
        reply.add(count_of(spans), bytes_of(spans))


def _pending(share: _Share, latest_ms: int, limit: int | None) -> Iterator[tuple[int, Delivery, bytes]]:
    """What may be claimed: released entries, then those that somebody has, oldest delivery first; not deleted ones.

    Args:
        latest_ms: entries delivered later are too fresh.
        limit: so many are likely to be asked for.
    """
    stream, pending = share.stream, share.group.pending
    released = ((entry_id, delivery) for entry_id in share.group.released if (delivery := pending.get(entry_id)))
    found = chain(released if latest_ms >= 0 else (), pending.oldest(latest_ms))
    first = list(islice(found, limit or _CLAIMED_AT_ONCE))
    stream.load_of([entry_id for entry_id, _ in first])
    for entry_id, delivery in chain(first, found):
        entry = stream.entry(entry_id)
        if entry is not None:
            yield entry_id, delivery, entry


def _add_claimed_and_new(share: _Share, reply: Reply, position: int, now_ms: int, claim_ms: int) -> None:
    """Give what has been pending for so long, then what was added behind an ID. All entries say when they were
    delivered, and how often.
    """
    limit = reply.limit
    idle = _pending(share, now_ms - claim_ms, limit)
    first = next(idle, None)
    spans = share.stream.spans(position + 1, ID_MAX, limit) if position < share.stream.last_id else []
    if first is None and not spans:
        oldest = next(_pending(share, ID_MAX, 1), None)
        at_ms = now_ms + max(claim_ms, _LOOK_AGAIN_MS_MIN) if oldest is None else oldest[1].at_ms + claim_ms
        share.wake_ms = max(at_ms, now_ms + 1)
        return
    reply.open(share.key)
    body: list[bytes] = []
    for entry_id, delivery, entry in chain((first,) if first is not None else (), idle):
        shown = b"*4\r\n%b:%d\r\n:%d\r\n" % (entry[4:], now_ms - delivery.at_ms, delivery.count)
        if not reply.fits(shown, len(body)):
            break
        body.append(shown)
        share.again.append((entry_id, delivery.count + 1))
        if len(body) == limit:
            break
    share.claimed = bool(body)
    left = None if limit is None else limit - len(body)
    if spans and left != 0:
        spans = share.stream.spans(position + 1, ID_MAX, left)
        share.new = reply.spans(spans, extra=_FRESH, given=len(body))
        for chunk, start, stop in share.new:
            body += [b"*4\r\n%b%b" % (entry[4:], _FRESH) for entry in chunk.entry_list(start, stop)]
    reply.add(len(body), b"".join(body))


# --- giving it --------------------------------------------------------------------------------------------------------


def _hand_out(session: Session, options: Options, share: _Share, now_ms: int) -> None:
    """Tell the group what its consumer was given."""
    stream, group = share.stream, share.group
    consumer = consumer_of(session, share.key, group, options.consumer, now_ms)
    if share.again:
        group.assign_each(share.again, consumer, now_ms)
        if share.claimed:
            consumer.active_ms = now_ms
    if share.new:
        given: list[int] = []
        for chunk, start, stop in share.new:
            given += chunk.ids(start, stop)
        read = entries_read_after(stream, group, given)
        if not options.noack:
            packed = None
            if stream.journal.durable:
                packed = b"".join([chunk.packed_ids(start, stop) for chunk, start, stop in share.new])
            group.deliver(given, consumer, now_ms, packed)
        group.move_to(given[-1], read)


@command(
    "XREADGROUP",
    arity=-7,
    flags="write blocking movablekeys",
    since="5.0.0",
    group="stream",
    categories="stream",
    syntax="GROUP group consumer [COUNT count] [MAXCOUNT maxcount] [MAXSIZE maxsize] [BLOCK milliseconds] "
    "[CLAIM min-idle-time] [NOACK] STREAMS key [key ...] id [id ...]",
    key_flags="RO access",
    key_word=("STREAMS", 4),
)
def xreadgroup(session: Session, argv: Argv) -> bytes | None:
    """Read entries as a consumer of a group, or wait for some.

    Reply: as XREAD. The ID `>` asks for entries that nobody of the group has got, which become pending; with CLAIM
    first for those that have been pending for that many milliseconds, and all entries have two more items:
    milliseconds since they were delivered, and how often they were. Any other ID asks for what is pending for this
    consumer; entries deleted meanwhile then have a null instead of fields.
    Cost: O(N) for N entries. With CLAIM, and for what is pending, O(P) more for P pending entries, at 256 a step.
    Source: https://redis.io/docs/latest/commands/xreadgroup/
    """
    options = read_options(session, argv, grouped=True)
    asked: list[tuple[_Share, int]] = []
    for key, wanted in zip(options.keys, options.wanted, strict=True):
        asked.append((_find_share(session, options, key), _behind(wanted)))
    now_ms = session.broker.keyspace.now_ms()
    reply = Reply(session, options)
    shares = _shares(session, options, asked, reply, now_ms)
    for share in shares:
        _hand_out(session, options, share, now_ms)
    if reply.served:
        return reply.encoded()
    if options.timeout_ms is None:
        return session.encoder.null_array
    wake_ms = min([share.wake_ms for share in shares if share.wake_ms], default=0)
    return session.block(options.keys, argv, options.timeout_ms, wake_ms=wake_ms)


def _last_of(spans: list[Span]) -> int:
    chunk, _, stop = spans[-1]
    return chunk.ids(stop - 1, stop)[0]


def _shares(
    session: Session, options: Options, asked: list[tuple[_Share, int]], reply: Reply, now_ms: int
) -> list[_Share]:
    """Find out what there is to give, and put it into the reply; returns the streams looked at."""
    claim_ms = options.claim_ms
    shares: list[_Share] = []
    positions: dict[Group, int] = {}  # where groups will stand, should a stream be asked for more than once
    for share, behind in asked:
        if reply.full:
            break
        shares.append(share)
        group = share.group
        if behind != ID_MAX:
            claim_ms = None  # Redis: neither here nor for the streams behind it
            _add_history(share, reply, group.consumers.get(options.consumer), behind, session.encoder.null_array)
            continue
        position = positions.get(group, group.last_id)
        if claim_ms is None or group in positions:
            _add_new(share, reply, position)
        else:
            _add_claimed_and_new(share, reply, position, now_ms, claim_ms)
        if len(asked) > 1:
            positions[group] = _last_of(share.new) if share.new else position
    return shares
