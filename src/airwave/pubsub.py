"""Channels, patterns and shard channels: who gets a message, and the bytes they get.

Layer L1. A `Topic` is one channel or pattern with its subscribers, kept apart by wire format, so that a message is
encoded once for each format in use and the same bytes object goes to every subscriber. A *route* lists the legs, topic
by format, that a channel's messages take. Routes are cached: they refer to the topics' own dicts of subscribers, so
that one who joins or leaves changes no route, unless it is the first of a topic in its format, or the last of a topic.
A route that is not cached is found by looking only at patterns whose literal prefix the channel has.

The loop in `deliver` is the hottest of the program. Whoever adds something to it pays for it once per delivery.
"""

from collections import OrderedDict, deque
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Protocol

from airwave import glob
from airwave.resp import RESP2

Head = bytes | Callable[[bytes], Any]
"""What makes a frame of a message: the bytes in front of the payload, which follows as a bulk string; or a function
that gives whatever the subscribers of that format want to find in `out`."""


class Current:
    """The message of a remembered channel that is being delivered: heads that are functions may look at it.

    Attributes:
        text: the ID of its entry.
    """

    __slots__ = ("text",)

    def __init__(self) -> None:
        self.text = b"0-0"


class Format(Protocol):
    """A wire format; RESP2 and RESP3 are two."""

    def message_head(self, kind: bytes, *names: bytes) -> Head:
        """See `resp.Encoder.message_head`."""

    def entry_head(self, current: Current, kind: bytes, *names: bytes) -> Head:
        """The same for a channel that is remembered: the frame may carry the entry's ID."""


Observer = Callable[[bytes], Callable[[bytes], Any]]
"""Is given a channel, and gives what is to be called with each message published there."""

Subscriptions = dict[bytes, "Topic"]
_NONE: Subscriptions = {}
_NOBODY: dict["Subscriber", int] = {}


class Subscriber:
    """What Pub/Sub needs of a client; `session.Session` is one.

    Attributes:
        out: encoded frames and replies that wait to be written, oldest first. Frames are shared between subscribers.
        format: in which it reads messages.
        channels, patterns, shard_channels: name to topic, in the order of subscription.
    """

    __slots__ = ("channels", "format", "out", "patterns", "shard_channels")

    def __init__(self) -> None:
        self.out: list[bytes] = []
        self.format: Format = RESP2
        # Most clients never subscribe and most subscribers to one kind: the dicts are made on first use.
        self.channels: Subscriptions = _NONE
        self.patterns: Subscriptions = _NONE
        self.shard_channels: Subscriptions = _NONE

    @property
    def subscription_count(self) -> int:
        """Channels and patterns, as confirmations count them; shard channels are counted apart."""
        return len(self.channels) + len(self.patterns)

    def flush(self) -> int:
        """Write what waits in `out`; gives the bytes written."""
        raise NotImplementedError

    def identity(self) -> tuple[int, bytes, str]:
        """Who it is, for those who ask who is on a channel: client ID, name and address, as in CLIENT LIST."""
        return 0, b"", "in-process"


class Topic:
    """One channel or pattern and its subscribers in the order they came, by format."""

    __slots__ = ("formats", "matches")

    def __init__(self, matches: Callable[[bytes], bool]) -> None:
        self.matches = matches  # whether a channel's messages come here
        self.formats: dict[Format, dict[Subscriber, int]] = {}  # since when they are here, Unix ms

    def __len__(self) -> int:
        return sum(map(len, self.formats.values()))

    def add(self, subscriber: Subscriber, since_ms: int) -> bool:
        """Let it have messages from now on, in its format; true if it is the first there: routes lack that leg."""
        subscribers = self.formats.setdefault(subscriber.format, {})
        subscribers[subscriber] = since_ms
        return len(subscribers) == 1

    def remove(self, subscriber: Subscriber) -> int:
        """Stop it; `subscriber.format` must be what it was when added. Gives since when it was here."""
        return self.formats[subscriber.format].pop(subscriber)

    def members(self) -> Iterator[tuple[Subscriber, int]]:
        """Who is here, and since when (Unix ms)."""
        for subscribers in self.formats.values():
            yield from subscribers.items()


# One topic in one format: the frame's head, and who gets it. The dict is the topic's own, so it stays true.
Leg = tuple[Head, dict[Subscriber, int]]
Route = tuple[Leg, ...]

HEADERS = tuple(b"$%d\r\n" % size for size in range(4096))
_CACHED_NAME_BYTES_MAX = 512  # a route of a longer channel is not kept, so that the cache's memory has a bound


def _legs(topic: Topic, current: Current | None, kind: bytes, *names: bytes) -> Iterator[Leg]:
    for wire_format, subscribers in topic.formats.items():
        if not subscribers:
            continue
        if current is None:
            yield wire_format.message_head(kind, *names), subscribers
        else:
            yield wire_format.entry_head(current, kind, *names), subscribers


class PubSub:
    """All subscriptions of a node.

    Args:
        fan_out: where a subscriber is put when its `out` was empty before a message; the broker flushes it.
        route_cache_max: channels whose routes are kept; the oldest goes when one more comes.
        now_ms: gives Unix time in ms.

    Attributes:
        presence: called with `join` or `leave`, who, which channel, and since when they are there (Unix ms).
        deliveries: messages put into an `out` since the start (one message to ten subscribers counts ten).
        delivered_bytes: their bytes on the wire.
        routes: those in the cache, by channel; `kept_routes`: those of channels that are remembered.
    """

    def __init__(
        self, fan_out: deque[Subscriber], route_cache_max: int = 10_000, now_ms: Callable[[], int] = lambda: 0
    ) -> None:
        self.fan_out = fan_out
        self.route_cache_max = route_cache_max
        self.deliveries = 0
        self.delivered_bytes = 0
        self.channels: dict[bytes, Topic] = {}
        self.patterns: dict[bytes, Topic] = {}
        self.shard_channels: dict[bytes, Topic] = {}
        # Ordered, because a plain dict finds its oldest key by passing over all that were deleted before it.
        self.routes: OrderedDict[bytes, Route] = OrderedDict()
        self.kept_routes: OrderedDict[bytes, Route] = OrderedDict()
        self.presence: Callable[[str, Subscriber, bytes, int], None] = lambda *_: None
        self._now_ms = now_ms
        self._observer: Observer | None = None
        self._patterns_by_prefix: dict[bytes, dict[bytes, Topic]] = {}
        self._length_counts: dict[int, int] = {}  # length of a literal prefix: how many prefixes have it
        self._prefix_lengths: list[int] = []

    # --- publishing -------------------------------------------------------------------------------------------------

    def publish(self, channel: bytes, message: bytes) -> int:
        """Give a message to the channel's subscribers and to those of each matching pattern.

        Returns:
            How many subscriptions got it: a client that has the channel and two matching patterns counts three times.
        """
        route = self.routes.get(channel)
        if route is None:
            route = self.find_route(channel)
        return self.deliver(route, message) if route else 0

    def publish_shard(self, channel: bytes, message: bytes) -> int:
        """Give a message to the shard channel's subscribers; patterns never see it."""
        topic = self.shard_channels.get(channel)
        return self.deliver(tuple(_legs(topic, None, b"smessage", channel)), message) if topic else 0

    def deliver(self, route: Route, message: bytes) -> int:
        """Encode a message once for each leg of a route, and give it to the subscribers there."""
        size = len(message)
        # Joining with a header from a table takes half the time of formatting, once for each message and leg.
        header = HEADERS[size] if size < 4096 else b"$%d\r\n" % size
        queue = self.fan_out.append
        receivers = 0
        for head, subscribers in route:
            if isinstance(head, bytes):
                frame = b"".join((head, header, message, b"\r\n"))
                frame_size = len(frame)
            else:
                frame, frame_size = head(message), size
            for subscriber in subscribers:
                out = subscriber.out
                if not out:
                    queue(subscriber)
                out.append(frame)
            count = len(subscribers)
            receivers += count
            self.delivered_bytes += frame_size * count
        self.deliveries += receivers
        return receivers

    def find_route(self, channel: bytes, current: Current | None = None) -> Route:
        """Where a channel's messages go, empty if nowhere; kept in `routes` until a topic comes or goes.

        Args:
            current: of a channel that is remembered, whose route goes to `kept_routes`.
        """
        legs: list[Leg] = []
        if self._observer is not None:
            legs.append((self._observer(channel), _NOBODY))
        if topic := self.channels.get(channel):
            legs += _legs(topic, current, b"message", channel)
        for pattern, topic in self.matching(channel):
            legs += _legs(topic, current, b"pmessage", pattern, channel)
        route = tuple(legs)
        if len(channel) <= _CACHED_NAME_BYTES_MAX:
            routes = self.routes if current is None else self.kept_routes
            if len(routes) >= self.route_cache_max:
                routes.popitem(last=False)
            routes[channel] = route
        return route

    def matching(self, channel: bytes, shortest: int = 0) -> Iterator[tuple[bytes, Topic]]:
        """The patterns that a channel matches, with their topics; those with so long a literal prefix."""
        for length in self._prefix_lengths:
            if length > len(channel):
                break
            if length >= shortest:
                for pattern, topic in self._patterns_by_prefix.get(channel[:length], _NONE).items():
                    if topic.matches(channel):
                        yield pattern, topic

    def is_asked(self, channel: bytes, prefix: bytes) -> bool:
        """Whether `tell` would find somebody."""
        return channel in self.channels or next(self.matching(channel, len(prefix)), None) is not None

    def tell(self, channel: bytes, message: bytes, prefix: bytes) -> int:
        """Give a message to those only who have asked for it by a name, or a pattern, that begins with `prefix`."""
        legs: list[Leg] = []
        if topic := self.channels.get(channel):
            legs += _legs(topic, None, b"message", channel)
        for pattern, topic in self.matching(channel, len(prefix)):
            legs += _legs(topic, None, b"pmessage", pattern, channel)
        return self.deliver(tuple(legs), message) if legs else 0

    def observe(self, observer: Observer | None) -> None:
        """Have somebody see every message that is published from now on, also where nobody is subscribed; None: nobody.

        It costs nothing while there is none.
        """
        self._observer = observer
        self.forget_routes()

    def forget_routes(self) -> None:
        """Find all routes anew: what they depend on has changed."""
        self.routes.clear()
        self.kept_routes.clear()

    def _forget_route(self, channel: bytes) -> None:
        self.routes.pop(channel, None)
        if self.kept_routes:
            self.kept_routes.pop(channel, None)

    # --- subscribing ------------------------------------------------------------------------------------------------

    def subscribe(self, subscriber: Subscriber, channel: bytes) -> None:
        """Add a channel; nothing happens when the client has it already."""
        if channel in subscriber.channels:
            return
        topic = self.channels.get(channel)
        if topic is None:
            topic = self.channels[channel] = Topic(channel.__eq__)
        since_ms = self._now_ms()
        if topic.add(subscriber, since_ms):
            self._forget_route(channel)
        if subscriber.channels is _NONE:
            subscriber.channels = {}
        subscriber.channels[channel] = topic
        self.presence("join", subscriber, channel, since_ms)

    def unsubscribe(self, subscriber: Subscriber, channel: bytes) -> None:
        """Drop a channel; nothing happens when the client does not have it."""
        if (topic := subscriber.channels.pop(channel, None)) is not None:
            since_ms = topic.remove(subscriber)
            if not topic:
                del self.channels[channel]
                self._forget_route(channel)
            self.presence("leave", subscriber, channel, since_ms)

    def psubscribe(self, subscriber: Subscriber, pattern: bytes) -> None:
        """Add a pattern; nothing happens when the client has it already."""
        if pattern in subscriber.patterns:
            return
        topic = self.patterns.get(pattern)
        if topic is None:
            topic = self.patterns[pattern] = Topic(glob.compile(pattern))
            self._index(pattern, topic)
        if topic.add(subscriber, self._now_ms()):
            # Which cached channels the pattern matches is not worth finding out: a route is found again in
            # microseconds.
            self.forget_routes()
        if subscriber.patterns is _NONE:
            subscriber.patterns = {}
        subscriber.patterns[pattern] = topic

    def punsubscribe(self, subscriber: Subscriber, pattern: bytes) -> None:
        """Drop a pattern; nothing happens when the client does not have it."""
        if (topic := subscriber.patterns.pop(pattern, None)) is not None:
            topic.remove(subscriber)
            if not topic:
                del self.patterns[pattern]
                self._unindex(pattern)

    def ssubscribe(self, subscriber: Subscriber, channel: bytes) -> None:
        """Add a shard channel; nothing happens when the client has it already."""
        if channel in subscriber.shard_channels:
            return
        topic = self.shard_channels.get(channel)
        if topic is None:
            topic = self.shard_channels[channel] = Topic(channel.__eq__)
        topic.add(subscriber, self._now_ms())
        if subscriber.shard_channels is _NONE:
            subscriber.shard_channels = {}
        subscriber.shard_channels[channel] = topic

    def sunsubscribe(self, subscriber: Subscriber, channel: bytes) -> None:
        """Drop a shard channel; nothing happens when the client does not have it."""
        if (topic := subscriber.shard_channels.pop(channel, None)) is not None:
            topic.remove(subscriber)
            if not topic:
                del self.shard_channels[channel]

    def unsubscribe_all(self, subscriber: Subscriber) -> None:
        """Forget a client that has gone."""
        for channel in list(subscriber.channels):
            self.unsubscribe(subscriber, channel)
        for pattern in list(subscriber.patterns):
            self.punsubscribe(subscriber, pattern)
        for channel in list(subscriber.shard_channels):
            self.sunsubscribe(subscriber, channel)

    def change_format(self, subscriber: Subscriber, wire_format: Format) -> None:
        """Let a client that said HELLO go on in another format."""
        topics = [*subscriber.channels.values(), *subscriber.patterns.values(), *subscriber.shard_channels.values()]
        since_ms = [topic.remove(subscriber) for topic in topics]
        subscriber.format = wire_format
        for topic, each_ms in zip(topics, since_ms, strict=True):
            topic.add(subscriber, each_ms)
        if topics:
            self.forget_routes()

    def _index(self, pattern: bytes, topic: Topic) -> None:
        prefix = glob.literal_prefix(pattern)
        if prefix not in self._patterns_by_prefix:
            self._patterns_by_prefix[prefix] = {}
            self._count_length(len(prefix), +1)
        self._patterns_by_prefix[prefix][pattern] = topic

    def _unindex(self, pattern: bytes) -> None:
        prefix = glob.literal_prefix(pattern)
        del self._patterns_by_prefix[prefix][pattern]
        if not self._patterns_by_prefix[prefix]:
            del self._patterns_by_prefix[prefix]
            self._count_length(len(prefix), -1)
        self.forget_routes()

    def _count_length(self, length: int, change: int) -> None:
        counts = self._length_counts
        counts[length] = counts.get(length, 0) + change
        if not counts[length]:
            del counts[length]
        if len(counts) != len(self._prefix_lengths):
            self._prefix_lengths = sorted(counts)

    # --- introspection ----------------------------------------------------------------------------------------------

    @property
    def cached_routes(self) -> int:
        """Channels whose route is in the cache."""
        return len(self.routes)


def names(topics: Iterable[bytes], pattern: bytes | None) -> list[bytes]:
    """Channels that match a glob; all of them when it is None."""
    if pattern is None:
        return list(topics)
    matches = glob.compile(pattern)
    return [name for name in topics if matches(name)]
