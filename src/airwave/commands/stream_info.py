"""What streams, groups and consumers say of themselves: XINFO."""

from itertools import islice

from airwave import resp
from airwave.command import Argv, command, container
from airwave.commands.parse import help_text, integer
from airwave.errors import NO_SUCH_KEY, CommandError, subcommand_syntax
from airwave.resp import Encoder
from airwave.session import Session
from airwave.streams import ids as entry_ids
from airwave.streams.group import UNKNOWN, Group
from airwave.streams.pending import Consumer
from airwave.streams.position import lag
from airwave.streams.stream import Stream

FULL_COUNT = 10  # entries, and pending ones, that FULL shows if nothing else is said

_ALL = 1 << 62

Pairs = list[tuple[bytes, bytes]]

container("XINFO", since="5.0.0", group="stream", summary="A container for stream introspection commands.")


def _stream(session: Session, argv: Argv) -> Stream:
    stream = session.database.look_stream(argv[2])
    if stream is None:
        raise NO_SUCH_KEY
    return stream


def _head(stream: Stream, now_ms: int) -> Pairs:
    """What is shown of a stream with and without FULL."""
    text, number, entry_id = resp.text, resp.integer, entry_ids.bulk
    producers = stream.producers
    tracked_producers, tracked_iids = producers.tracked(now_ms)
    chunks = len(stream.sealed) + (1 if stream.tail.live else 0)
    return [
        (text("length"), number(stream.length)),
        (text("radix-tree-keys"), number(chunks)),
        (text("radix-tree-nodes"), number(chunks + 1)),
        (text("last-generated-id"), entry_id(stream.last_id)),
        (text("max-deleted-entry-id"), entry_id(stream.max_deleted)),
        (text("entries-added"), number(stream.added)),
        (text("recorded-first-entry-id"), entry_id(stream.first_id)),
        (text("idmp-duration"), number(producers.duration_s)),
        (text("idmp-maxsize"), number(producers.maxsize)),
        (text("pids-tracked"), number(tracked_producers)),
        (text("iids-tracked"), number(tracked_iids)),
        (text("iids-added"), number(producers.added)),
        (text("iids-duplicates"), number(producers.duplicates)),
    ]


@command(
    "XINFO STREAM",
    arity=-3,
    flags="readonly",
    since="5.0.0",
    group="stream",
    syntax="key [FULL [COUNT count]]",
    keys=(2, 2, 1),
    key_flags="RO access",
    categories="stream",
)
def xinfo_stream(session: Session, argv: Argv) -> bytes:
    """Show what is known of a stream.

    Reply: map; with FULL it has the first entries, all groups, their consumers and first pending entries, 10 of each
    or COUNT (0: all), instead of the first and the last entry.
    Cost: O(1); with FULL O(N) for N entries and pending entries shown.
    Source: https://redis.io/docs/latest/commands/xinfo-stream/
    """
    stream = _stream(session, argv)
    encoder = session.encoder
    count = _full_count(argv)
    now_ms = session.broker.keyspace.now_ms()
    if count is not None:
        # Read before the rest is built: it may have to be fetched first.
        items = [each for chunk, start, stop in stream.spans(0, limit=count) for each in chunk.entry_list(start, stop)]
        groups = resp.array([_full_group(encoder, stream, group, count) for _, group in sorted(stream.groups.items())])
        return encoder.map(
            [*_head(stream, now_ms), (resp.text("entries"), resp.array(items)), (resp.text("groups"), groups)]
        )
    first, last = encoder.null, encoder.null
    for chunk, start, stop in stream.spans(0, limit=1):
        first = chunk.entries(start, stop)
    for chunk, start, stop in stream.spans_back(0, limit=1):
        last = chunk.entries(start, stop)
    return encoder.map(
        [
            *_head(stream, now_ms),
            (resp.text("groups"), resp.integer(len(stream.groups))),
            (resp.text("first-entry"), first),
            (resp.text("last-entry"), last),
        ]
    )


def _full_count(argv: Argv) -> int | None:
    """FULL's COUNT; None without FULL."""
    options = argv[3:]
    if not options:
        return None
    words = [option.upper() for option in options]
    if words == [b"FULL"]:
        return FULL_COUNT
    if len(words) != 3 or words[:2] != [b"FULL", b"COUNT"]:
        raise subcommand_syntax("xinfo", argv[1])
    count = integer(options[2])
    return count or _ALL if count >= 0 else FULL_COUNT


def _full_group(encoder: Encoder, stream: Stream, group: Group, count: int) -> bytes:
    text, number = resp.text, resp.integer
    pending = [
        resp.array(
            [
                entry_ids.bulk(entry_id),
                resp.bulk(delivery.consumer.name if delivery.consumer is not None else b""),
                number(delivery.at_ms if delivery.consumer is not None else 0),
                number(delivery.count),
            ]
        )
        for entry_id, delivery in islice(group.pending.range(), count)
    ]
    consumers = [_full_consumer(encoder, group, consumer, count) for _, consumer in sorted(group.consumers.items())]
    return encoder.map(
        [
            (text("name"), resp.bulk(group.name)),
            (text("last-delivered-id"), entry_ids.bulk(group.last_id)),
            *_position(encoder, stream, group),
            (text("pel-count"), number(len(group.pending))),
            (text("nacked-count"), number(len(group.released))),
            (text("pending"), resp.array(pending)),
            (text("consumers"), resp.array(consumers)),
        ]
    )


def _full_consumer(encoder: Encoder, group: Group, consumer: Consumer, count: int) -> bytes:
    text, number = resp.text, resp.integer
    # A consumer has no list of its own: the group's is looked through until as many are found as are to be shown.
    own = ((entry_id, delivery) for entry_id, delivery in group.pending.range() if delivery.consumer is consumer)
    pending = [
        resp.array([entry_ids.bulk(entry_id), number(delivery.at_ms), number(delivery.count)])
        for entry_id, delivery in islice(own, min(count, consumer.pending))
    ]
    return encoder.map(
        [
            (text("name"), resp.bulk(consumer.name)),
            (text("seen-time"), number(consumer.seen_ms)),
            (text("active-time"), number(consumer.active_ms)),
            (text("pel-count"), number(consumer.pending)),
            (text("pending"), resp.array(pending)),
        ]
    )


def _position(encoder: Encoder, stream: Stream, group: Group) -> Pairs:
    behind = lag(stream, group)
    read = resp.integer(group.entries_read) if group.entries_read != UNKNOWN else encoder.null
    return [
        (resp.text("entries-read"), read),
        (resp.text("lag"), resp.integer(behind) if behind is not None else encoder.null),
    ]


@command(
    "XINFO GROUPS",
    arity=3,
    flags="readonly",
    since="5.0.0",
    group="stream",
    syntax="key",
    keys=(2, 2, 1),
    key_flags="RO access",
    categories="stream",
)
def xinfo_groups(session: Session, argv: Argv) -> bytes:
    """List the consumer groups of a stream.

    Reply: array of a map for each group, ordered by name.
    Cost: O(N log N) for N groups.
    Source: https://redis.io/docs/latest/commands/xinfo-groups/
    """
    stream = _stream(session, argv)
    text, number, encoder = resp.text, resp.integer, session.encoder
    return resp.array(
        [
            encoder.map(
                [
                    (text("name"), resp.bulk(name)),
                    (text("consumers"), number(len(group.consumers))),
                    (text("pending"), number(len(group.pending))),
                    (text("last-delivered-id"), entry_ids.bulk(group.last_id)),
                    *_position(encoder, stream, group),
                ]
            )
            for name, group in sorted(stream.groups.items())
        ]
    )


@command(
    "XINFO CONSUMERS",
    arity=4,
    flags="readonly",
    since="5.0.0",
    group="stream",
    syntax="key group",
    keys=(2, 2, 1),
    key_flags="RO access",
    categories="stream",
    tips=("nondeterministic_output",),
)
def xinfo_consumers(session: Session, argv: Argv) -> bytes:
    """List the consumers of a group.

    Reply: array of a map for each consumer, ordered by name; times in ms.
    Cost: O(N log N) for N consumers.
    Source: https://redis.io/docs/latest/commands/xinfo-consumers/
    """
    group = _stream(session, argv).groups.get(argv[3])
    if group is None:
        raise CommandError(b"NOGROUP No such consumer group '%b' for key name '%b'" % (argv[3], argv[2]))
    text, number, encoder = resp.text, resp.integer, session.encoder
    now_ms = session.broker.keyspace.now_ms()

    def since(then_ms: int) -> bytes:
        return number(max(0, now_ms - then_ms) if then_ms >= 0 else -1)

    return resp.array(
        [
            encoder.map(
                [
                    (text("name"), resp.bulk(name)),
                    (text("pending"), number(consumer.pending)),
                    (text("idle"), since(consumer.seen_ms)),
                    (text("inactive"), since(consumer.active_ms)),
                ]
            )
            for name, consumer in sorted(group.consumers.items())
        ]
    )


@command("XINFO HELP", arity=2, flags="loading stale", since="5.0.0", group="stream", categories="stream")
def xinfo_help(session: Session, argv: Argv) -> bytes:
    """Show the subcommands.

    Reply: array of lines.
    Cost: O(1)
    Source: https://redis.io/docs/latest/commands/xinfo-help/
    """
    del session, argv
    return help_text("xinfo")
