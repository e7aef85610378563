"""Publish/Subscribe: https://redis.io/docs/latest/develop/pubsub/"""

from collections.abc import Callable
from itertools import islice

from airwave import resp
from airwave.command import BATCH_MAX, Argv, command, container
from airwave.commands.parse import help_text
from airwave.errors import SSUBSCRIBE_WHILE_EXECUTING, CommandError, subcommand_syntax
from airwave.pubsub import Subscriber, Topic, names
from airwave.resp import SMALL_INTEGERS
from airwave.session import Session

_NOBODY = resp.integer(0)

# A batch ends when so many messages have been put out, so that a fan-out does not hold up the other clients.
_BATCH_DELIVERIES_MAX = 4096


def _publish_remembered(session: Session, requests: list[Argv], first: int) -> int:
    """PUBLISH for pipelines, as long as it is to one channel that is remembered. One reply stands for all of them."""
    broker = session.broker
    memory = broker.memory
    spelling, channel = requests[first][:2]
    rule = memory.rule(channel)
    if rule is None or broker.keyspace.databases[0].alert:
        return 0  # whoever waits for the first of them is served before the second
    messages: list[bytes] = []
    for argv in islice(requests, first, first + BATCH_MAX):
        if len(argv) != 3 or argv[0] != spelling or argv[1] != channel:
            break
        messages.append(argv[2])
    del messages[max(1, _BATCH_DELIVERIES_MAX // (memory.audience(channel) or 1)) :]
    if len(messages) < 2:
        return 0
    try:
        receivers = memory.keep_many(channel, messages, rule)
    except CommandError:  # one by one it is told
        return 0
    session.note_reply(len(messages))
    session.out.append(b"".join(map(resp.integer, receivers)))
    return len(messages)


def _publish_batch(session: Session, requests: list[Argv], first: int) -> int:
    """PUBLISH for pipelines: no look-up, checks, clock and counters for each request, only for the batch."""
    memory, pubsub = session.broker.memory, session.broker.pubsub
    route_of = pubsub.routes.get
    if memory.rules and route_of(requests[first][1]) is None and memory.rule(requests[first][1]) is not None:
        return _publish_remembered(session, requests, first)
    append = session.out.append
    spelling = requests[first][0]  # of PUBLISH, else this would not have been called
    last = first
    deliveries = 0
    try:
        for name, channel, message in islice(requests, first, first + BATCH_MAX):
            if name != spelling:
                break
            route = route_of(channel)
            if route is None:
                if memory.rules and memory.rule(channel) is not None:
                    break
                route = pubsub.find_route(channel)
            if route:
                receivers = pubsub.deliver(route, message)
                append(SMALL_INTEGERS[receivers] if receivers < 4096 else resp.integer(receivers))
                deliveries += receivers
                if deliveries > _BATCH_DELIVERIES_MAX:
                    return last + 1 - first
            else:
                append(_NOBODY)
            last += 1
    except ValueError:  # a wrong number of arguments
        pass
    return last - first


@command(
    "PUBLISH",
    arity=3,
    flags="pubsub loading stale fast may_replicate",
    since="2.0.0",
    group="pubsub",
    syntax="channel message",
    batch=_publish_batch,
)
def publish(session: Session, argv: Argv) -> bytes:
    """Post a message to a channel.

    Reply: integer, the number of subscriptions on this node that got the message.
    Cost: O(N+M) for N subscribers of the channel and M matching patterns; which patterns match is remembered per
    channel. On a channel with history (`remember`) also that of an XADD.
    Source: https://redis.io/docs/latest/commands/publish/
    """
    _, channel, message = argv
    broker = session.broker
    route = broker.pubsub.routes.get(channel)
    if route is None:
        memory = broker.memory
        if memory.rules and (rule := memory.rule(channel)) is not None:
            session.note_reply()
            return resp.integer(memory.keep(channel, message, rule))
        route = broker.pubsub.find_route(channel)
    return resp.integer(broker.pubsub.deliver(route, message)) if route else _NOBODY


@command(
    "SPUBLISH",
    arity=3,
    flags="pubsub loading stale fast may_replicate",
    since="7.0.0",
    group="pubsub",
    syntax="shardchannel message",
    keys=(1, 1, 1),
)
def spublish(session: Session, argv: Argv) -> bytes:
    """Post a message to a shard channel.

    Reply: integer, the number of subscribers on this node that got the message. Patterns never see it.
    Cost: O(N) for N subscribers of the shard channel.
    Source: https://redis.io/docs/latest/commands/spublish/
    """
    _, channel, message = argv
    return resp.integer(session.broker.pubsub.publish_shard(channel, message))


def _join(
    session: Session, kind: bytes, wanted: Argv, add: Callable[[Subscriber, bytes], None], count: Callable[[], int]
) -> bytes:
    frames = []
    for name in wanted:
        add(session, name)
        frames.append(session.encoder.confirmation(kind, name, count()))
    session.subscriptions_changed()
    return b"".join(frames)


def _leave(
    session: Session, kind: bytes, wanted: Argv, drop: Callable[[Subscriber, bytes], None], count: Callable[[], int]
) -> bytes:
    frames = []
    for name in wanted:
        drop(session, name)
        frames.append(session.encoder.confirmation(kind, name, count()))
    session.subscriptions_changed()
    return b"".join(frames) or session.encoder.confirmation(kind, None, count())


@command(
    "SUBSCRIBE",
    arity=-2,
    flags="pubsub noscript loading stale",
    since="2.0.0",
    group="pubsub",
    syntax="channel [channel ...]",
)
def subscribe(session: Session, argv: Argv) -> bytes:
    """Listen for messages published to channels.

    Reply: for each channel a confirmation `subscribe`, the channel and the number of channels and patterns now
    subscribed.
    Cost: O(N) for N channels.
    Source: https://redis.io/docs/latest/commands/subscribe/
    """
    return _join(session, b"subscribe", argv[1:], session.broker.pubsub.subscribe, lambda: session.subscription_count)


@command(
    "UNSUBSCRIBE",
    arity=-1,
    flags="pubsub noscript loading stale",
    since="2.0.0",
    group="pubsub",
    syntax="[channel [channel ...]]",
)
def unsubscribe(session: Session, argv: Argv) -> bytes:
    """Stop listening to channels, to all when none is given.

    Reply: for each channel a confirmation; one with a null name when there was none.
    Cost: O(N) for N channels.
    Source: https://redis.io/docs/latest/commands/unsubscribe/
    """
    wanted = argv[1:] or list(session.channels)
    return _leave(
        session, b"unsubscribe", wanted, session.broker.pubsub.unsubscribe, lambda: session.subscription_count
    )


@command(
    "PSUBSCRIBE",
    arity=-2,
    flags="pubsub noscript loading stale",
    since="2.0.0",
    group="pubsub",
    syntax="pattern [pattern ...]",
)
def psubscribe(session: Session, argv: Argv) -> bytes:
    """Listen for messages published to channels that match patterns.

    Reply: for each pattern a confirmation. Patterns are globs: `?`, `*`, `[abc]`, `[^a]`, `[a-z]`, a backslash before a
    character that stands for itself.
    Cost: O(N) for N patterns.
    Source: https://redis.io/docs/latest/commands/psubscribe/
    """
    return _join(session, b"psubscribe", argv[1:], session.broker.pubsub.psubscribe, lambda: session.subscription_count)


@command(
    "PUNSUBSCRIBE",
    arity=-1,
    flags="pubsub noscript loading stale",
    since="2.0.0",
    group="pubsub",
    syntax="[pattern [pattern ...]]",
)
def punsubscribe(session: Session, argv: Argv) -> bytes:
    """Stop listening to patterns, to all when none is given.

    Reply: for each pattern a confirmation; one with a null name when there was none.
    Cost: O(N) for N patterns.
    Source: https://redis.io/docs/latest/commands/punsubscribe/
    """
    wanted = argv[1:] or list(session.patterns)
    return _leave(
        session, b"punsubscribe", wanted, session.broker.pubsub.punsubscribe, lambda: session.subscription_count
    )


@command(
    "SSUBSCRIBE",
    arity=-2,
    flags="pubsub noscript loading stale",
    since="7.0.0",
    group="pubsub",
    syntax="shardchannel [shardchannel ...]",
    keys=(1, -1, 1),
)
def ssubscribe(session: Session, argv: Argv) -> bytes:
    """Listen for messages published to shard channels.

    Reply: for each shard channel a confirmation with the number of shard channels now subscribed.
    Cost: O(N) for N shard channels.
    Source: https://redis.io/docs/latest/commands/ssubscribe/
    """
    if session.broker.executing:  # Redis allows the other two kinds in a transaction
        raise SSUBSCRIBE_WHILE_EXECUTING
    return _join(
        session, b"ssubscribe", argv[1:], session.broker.pubsub.ssubscribe, lambda: len(session.shard_channels)
    )


@command(
    "SUNSUBSCRIBE",
    arity=-1,
    flags="pubsub noscript loading stale",
    since="7.0.0",
    group="pubsub",
    syntax="[shardchannel [shardchannel ...]]",
    keys=(1, -1, 1),
)
def sunsubscribe(session: Session, argv: Argv) -> bytes:
    """Stop listening to shard channels, to all when none is given.

    Reply: for each shard channel a confirmation; one with a null name when there was none.
    Cost: O(N) for N shard channels.
    Source: https://redis.io/docs/latest/commands/sunsubscribe/
    """
    wanted = argv[1:] or list(session.shard_channels)
    return _leave(
        session, b"sunsubscribe", wanted, session.broker.pubsub.sunsubscribe, lambda: len(session.shard_channels)
    )


def _list_channels(topics: dict[bytes, Topic], argv: Argv) -> bytes:
    if len(argv) > 3:
        raise subcommand_syntax("pubsub", argv[1])
    return resp.bulks(names(topics, argv[2] if len(argv) == 3 else None))


def _count_subscribers(topics: dict[bytes, Topic], channels: Argv) -> bytes:
    items = []
    for channel in channels:
        items += [resp.bulk(channel), resp.integer(len(topics.get(channel, ())))]
    return resp.array(items)


container("PUBSUB", since="2.8.0", group="pubsub", summary="A container for Pub/Sub commands.")


@command("PUBSUB CHANNELS", arity=-2, flags="pubsub loading stale", since="2.8.0", group="pubsub", syntax="[pattern]")
def pubsub_channels(session: Session, argv: Argv) -> bytes:
    """List the channels that have subscribers.

    Reply: array of channels with at least one subscriber that named it; subscribers of patterns do not count.
    Cost: O(N) for N channels.
    Source: https://redis.io/docs/latest/commands/pubsub-channels/
    """
    return _list_channels(session.broker.pubsub.channels, argv)


@command(
    "PUBSUB SHARDCHANNELS", arity=-2, flags="pubsub loading stale", since="7.0.0", group="pubsub", syntax="[pattern]"
)
def pubsub_shardchannels(session: Session, argv: Argv) -> bytes:
    """List the shard channels that have subscribers.

    Reply: array of shard channels.
    Cost: O(N) for N shard channels.
    Source: https://redis.io/docs/latest/commands/pubsub-shardchannels/
    """
    return _list_channels(session.broker.pubsub.shard_channels, argv)


@command(
    "PUBSUB NUMSUB",
    arity=-2,
    flags="pubsub loading stale",
    since="2.8.0",
    group="pubsub",
    syntax="[channel [channel ...]]",
)
def pubsub_numsub(session: Session, argv: Argv) -> bytes:
    """Count the subscribers of channels.

    Reply: flat array of each channel and its number of subscribers, in both protocols.
    Cost: O(N) for N channels.
    Source: https://redis.io/docs/latest/commands/pubsub-numsub/
    """
    return _count_subscribers(session.broker.pubsub.channels, argv[2:])


@command(
    "PUBSUB SHARDNUMSUB",
    arity=-2,
    flags="pubsub loading stale",
    since="7.0.0",
    group="pubsub",
    syntax="[shardchannel [shardchannel ...]]",
)
def pubsub_shardnumsub(session: Session, argv: Argv) -> bytes:
    """Count the subscribers of shard channels.

    Reply: flat array of each shard channel and its number of subscribers, in both protocols.
    Cost: O(N) for N shard channels.
    Source: https://redis.io/docs/latest/commands/pubsub-shardnumsub/
    """
    return _count_subscribers(session.broker.pubsub.shard_channels, argv[2:])


@command("PUBSUB NUMPAT", arity=2, flags="pubsub loading stale", since="2.8.0", group="pubsub")
def pubsub_numpat(session: Session, argv: Argv) -> bytes:
    """Count the patterns that are subscribed to.

    Reply: integer, the number of different patterns.
    Cost: O(1)
    Source: https://redis.io/docs/latest/commands/pubsub-numpat/
    """
    del argv
    return resp.integer(len(session.broker.pubsub.patterns))


@command("PUBSUB HELP", arity=2, flags="loading stale", since="6.2.0", group="pubsub")
def pubsub_help(session: Session, argv: Argv) -> bytes:
    """Show the subcommands.

    Reply: array of lines.
    Cost: O(1)
    Source: https://redis.io/docs/latest/commands/pubsub-help/
    """
    del session, argv
    return help_text("pubsub")
