"""Channels that remember, and who is on a channel: PUBSUB HISTORY, REMEMBERED, REPLAY, SUBSCRIBERS.

Airwave's own, not Redis's; `since` is the version of Airwave. What is remembered is also a stream in database 0, for
XRANGE, XREAD and groups; these commands are for subscribers, whatever database they have selected.
"""

import airwave.commands.pubsub  # noqa: F401  (it has the container)
from airwave import resp
from airwave.command import Argv, command
from airwave.commands.parse import integer
from airwave.errors import SYNTAX, CommandError
from airwave.session import Session
from airwave.streams import ids as entry_ids

COUNT_MAX = 10_000  # messages of one reply
BAD_COUNT = CommandError(f"ERR count must be between 1 and {COUNT_MAX}")
_FLAGS = "readonly pubsub loading stale"


@command("PUBSUB HISTORY", arity=3, flags=_FLAGS, since="0.1.0", group="pubsub", syntax="channel")
def pubsub_history(session: Session, argv: Argv) -> bytes:
    """Tell what is remembered of a channel.

    Reply: map of `remembered` (1 or 0), `rule` (the glob, or nil), `maxlen` and `ttl` (seconds) of the rule (0: no
    limit), `length`, `first-id`, `last-id`, and `lost-id`: who has seen less than this ID may have missed something.
    Cost: O(1)
    Source: remember.md#pubsub-history
    """
    channel = argv[2]
    memory = session.broker.memory
    rule = memory.rule(channel)
    stream = memory.stream(channel) if rule is not None else None
    facts = [
        (b"remembered", resp.integer(rule is not None)),
        (b"rule", resp.bulk(rule.glob) if rule is not None else session.encoder.null),
        (b"maxlen", resp.integer(rule.maxlen if rule is not None else 0)),
        (b"ttl", resp.integer(rule.ttl if rule is not None else 0)),
        (b"length", resp.integer(stream.length if stream is not None else 0)),
        (b"first-id", entry_ids.bulk(stream.first_id if stream is not None else 0)),
        (b"last-id", entry_ids.bulk(stream.last_id if stream is not None else 0)),
        (b"lost-id", entry_ids.bulk(memory.lost([channel], []) if rule is not None else 0)),
    ]
    session.note_reply()
    return session.encoder.map([(resp.bulk(name), value) for name, value in facts])


@command("PUBSUB REMEMBERED", arity=-2, flags=_FLAGS, since="0.1.0", group="pubsub", syntax="[pattern]")
def pubsub_remembered(session: Session, argv: Argv) -> bytes:
    """List the channels that have a history.

    Reply: array of channels.
    Cost: O(N) for N channels; a pattern that was asked for before costs O(M) for the M channels that match.
    Source: remember.md#pubsub-remembered
    """
    if len(argv) > 3:
        raise SYNTAX
    memory = session.broker.memory
    session.note_reply()
    return resp.bulks([each for each in memory.channels(*argv[2:]) if memory.stream(each) is not None])


@command(
    "PUBSUB REPLAY",
    arity=-6,
    flags=_FLAGS,
    since="0.1.0",
    group="pubsub",
    syntax="<after-id | -last | $> count <CHANNEL channel | PATTERN pattern> [CHANNEL channel | PATTERN pattern ...]",
)
def pubsub_replay(session: Session, argv: Argv) -> bytes:
    """Return messages that were remembered: of several channels in the order in which they were published.

    Reply: array of the ID below which messages may have been lost (`0-0`: none), and an array of messages, each an
    array of channel, entry ID and message. They are those behind `after-id`, the last so many (`-100`), or none (`$`);
    at most `count`, fewer only if there are no more.
    Cost: O(N) for N messages returned, and O(M) for M channels.
    Source: remember.md#pubsub-replay
    """
    channels, patterns = _wanted(argv[4:])
    count = integer(argv[3], BAD_COUNT, 1, COUNT_MAX)
    memory = session.broker.memory
    for channel in channels:
        if memory.rule(channel) is None:
            shown = channel.decode("utf-8", "backslashreplace")
            raise CommandError(
                f"ERR channel '{shown}' is not remembered: add a rule for it to the setting remember, as in CONFIG SET "
                "remember 'GLOB maxlen 1000'"
            )
    start = argv[2]
    if start == b"$":
        after = memory.last_id
    elif start[:1] == b"-":
        after = memory.last(channels, patterns, integer(start[1:], BAD_COUNT, 0, COUNT_MAX))
    else:
        after = entry_ids.parse(start)
    found = memory.replay(channels, patterns, after, count)
    session.note_reply()
    messages = [
        resp.array([resp.bulk(channel), entry_ids.bulk(entry_id), resp.bulk(message)])
        for entry_id, channel, message in found
    ]
    return resp.array([entry_ids.bulk(memory.lost(channels, patterns)), resp.array(messages)])


def _wanted(words: Argv) -> tuple[Argv, Argv]:
    """The channels and patterns that are named."""
    channels: Argv = []
    patterns: Argv = []
    if len(words) % 2:
        raise SYNTAX
    for kind, name in zip(words[::2], words[1::2], strict=True):
        if kind.upper() not in (b"CHANNEL", b"PATTERN"):
            raise SYNTAX
        (channels if kind.upper() == b"CHANNEL" else patterns).append(name)
    return channels, patterns


@command("PUBSUB SUBSCRIBERS", arity=3, flags="pubsub loading stale", since="0.1.0", group="pubsub", syntax="channel")
def pubsub_subscribers(session: Session, argv: Argv) -> bytes:
    """List who gets the messages of a channel.

    Reply: array of maps of `id`, `name` (CLIENT SETNAME, or the subject of a browser's token) and `addr` of the client,
    `since` (Unix time in ms), and `pattern`: the pattern by which it gets the channel, or nil.
    Cost: O(N+M) for N subscribers and M patterns.
    Source: remember.md#pubsub-subscribers
    """
    encoder = session.encoder
    maps = [
        encoder.map(
            [
                (resp.bulk(b"id"), resp.integer(one.client_id)),
                (resp.bulk(b"name"), resp.bulk(one.name)),
                (resp.bulk(b"addr"), resp.bulk(one.address.encode("utf-8", "surrogateescape"))),
                (resp.bulk(b"since"), resp.integer(one.since_ms)),
                (resp.bulk(b"pattern"), encoder.null if one.pattern is None else resp.bulk(one.pattern)),
            ]
        )
        for one in session.broker.presence.of(argv[2])
    ]
    return resp.array(maps)
