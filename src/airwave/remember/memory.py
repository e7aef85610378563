r"""The memory of a node: which channels are remembered, what PUBLISH does on them, and how much is kept.

    PUBLISH --> not remembered: pubsub alone, which this costs nothing
            \-> remembered: `Memory.publish`: ID, entry, limits; then the same message to the subscribers

Streams are in database 0, whatever the publisher has selected, because channels know no databases. An entry has one
field, `message`. Entry IDs of all remembered channels of a node are one increasing sequence: what a subscriber of
several channels has seen is told by one ID, that of the last message. Channels whose names begin with `__` (keyspace
notifications, presence) are never remembered.

Age is a limit of messages, not of keys: each goes when its time is over, by the next message of its channel or by
`cron`. A stream that has been empty for as long again is removed.
"""

import heapq
from collections.abc import Callable, Collection, Sequence
from itertools import repeat

from airwave import errors, glob
from airwave.database import STREAM
from airwave.errors import CommandError
from airwave.keyspace import Keyspace
from airwave.pubsub import Current, PubSub, Route
from airwave.remember.entries import MESSAGE_BYTES_MAX, Replayed, before_last, entry_of, replayed
from airwave.settings import RememberRule
from airwave.streams.chunk import Cold
from airwave.streams.ids import ID_MAX, SEQ_BITS, SEQ_MAX
from airwave.streams.stream import Stream
from airwave.streams.trimming import trim_before, trim_to_length

RESERVED = b"__"  # how channels begin that are never remembered
_SPARE = 1000  # channels that may be known beside those that have a stream
_MATCHES_MAX = 256  # patterns whose channels are known
_RETRY_MS = 1000  # until a stream is looked at again whose oldest entries had to be fetched from disk


Said = tuple[bytes, bytes, bytes]
"""A message that was published in this turn, and has left for nobody yet: channel, ID of its entry, message."""


class Memory:
    """The history of a node's channels.

    Args:
        keyspace: where the streams are.
        pubsub: who gets the messages.
        wake: makes sure that a tick comes.

    Attributes:
        rules: see the setting `remember`.
        last_id: the greatest ID that was given.
        turn: what a durable node has published in this turn; the commit empties it.
        refusal: why nothing can be remembered, while the disk fails.
    """

    def __init__(self, keyspace: Keyspace, pubsub: PubSub, wake: Callable[[], None]) -> None:
        self.rules: tuple[RememberRule, ...] = ()
        self.last_id = 0
        self.turn: list[Said] = []
        self.refusal: CommandError | None = None
        self._keyspace = keyspace
        self._database = keyspace.databases[0]
        self._pubsub = pubsub
        self._wake = wake
        self._current = Current()
        self._durable = keyspace.journal.durable
        self._matchers: list[tuple[Callable[[bytes], bool], RememberRule]] = []
        self._prefixes: tuple[bytes, ...] = ()  # what the channels of any rule begin with
        self._known: dict[bytes, RememberRule] = {}  # channels that have, or had, a stream
        self._due: list[tuple[int, bytes]] = []  # a heap: Unix ms, channel whose oldest message is too old then
        self._matching: dict[bytes, list[bytes]] = {}  # by pattern: which of the known channels match
        self._removed: dict[
            bytes, int
        ] = {}  # by glob of a rule: what was lost of streams that were removed, up to this ID
        # What is lost with the process: who has seen less than this cannot know what was published since.
        self._born_id = 0 if self._durable else (keyspace.now_ms() << SEQ_BITS) - 1  # before the first of this ms

    # --- rules --------------------------------------------------------------------------------------------------------

    def set_rules(self, rules: tuple[RememberRule, ...]) -> None:
        """The setting was changed."""
        self.rules = rules
        self._matchers = [(glob.compile(rule.glob), rule) for rule in rules]
        self._prefixes = tuple([glob.literal_prefix(rule.glob) for rule in rules])
        self._removed = {rule.glob: self._removed.get(rule.glob, 0) for rule in rules}
        self.begin(lost=False)

    def begin(self, *, lost: bool = True) -> None:
        """Find the streams of remembered channels: of other rules, or of a keyspace that was read from disk.

        Args:
            lost: what was trimmed before is no longer known.
        """
        self._known.clear()
        self._due.clear()
        self._pubsub.forget_routes()
        self._matching.clear()
        if not self.rules:
            return
        now_ms = self._keyspace.now_ms()
        soon = now_ms + _RETRY_MS << SEQ_BITS
        if lost:
            self._removed = {rule.glob: _idle_since(rule, now_ms) for rule in self.rules if rule.ttl}
        for channel, value in self._database.values.items():
            if type(value) is Stream and (rule := self._find_rule(channel)) is not None:
                if lost and value.added > value.length:  # all that may have been trimmed
                    value.lost_id = value.first_id - 1 if value.length else value.last_id
                if value.last_id < soon:
                    self.last_id = max(self.last_id, value.last_id)
                self._learn(channel, rule, value)

    def rule(self, channel: bytes) -> RememberRule | None:
        """The rule for a channel; None: it is not remembered.

        Channels that are not remembered are asked for once, as long as their routes are cached.
        """
        # Most begin with nothing that a rule is for: one look at all prefixes takes less than matching.
        if not channel.startswith(self._prefixes):
            return None
        return self._known.get(channel) or self._find_rule(channel)

    def _find_rule(self, channel: bytes) -> RememberRule | None:
        for matches, rule in self._matchers:
            if matches(channel):
                return None if channel.startswith(RESERVED) else rule
        return None

    # --- publishing ---------------------------------------------------------------------------------------------------

    def publish(self, channel: bytes, message: bytes) -> int:
        """Give a message to all who are subscribed, and remember it if a rule says so.

        Returns:
            How many subscriptions got it.

        Raises:
            CommandError: it cannot be remembered, and nobody got it: the key holds no stream, the stream has no ID
                left, the message is too large, or nothing can be written.
        """
        rule = self.rule(channel) if self.rules else None
        return self._pubsub.publish(channel, message) if rule is None else self.keep(channel, message, rule)

    def keep(self, channel: bytes, message: bytes, rule: RememberRule) -> int:
        """The same for a channel that is remembered, by this rule."""
        stream, now_ms = self._stream_of(channel, rule, len(message))
        entry_id = self._next_ids(stream, now_ms, 1)
        shown = b"%d-%d" % (entry_id >> SEQ_BITS, entry_id & SEQ_MAX)
        stream.append(entry_id, entry_of(shown, message))
        self._added(stream, rule, now_ms, 1)
        if self._durable:
            self.turn.append((channel, shown, message))
        route = self._route(channel)
        self._current.text = shown
        return self._pubsub.deliver(route, message) if route else 0

    def keep_many(self, channel: bytes, messages: list[bytes], rule: RememberRule) -> list[int]:
        """The same for several messages: all of them, or none.

        In a pipeline a message costs less than half of what it does alone: the stream is found and limited once.

        Returns:
            For each message how many subscriptions got it.
        """
        stream, now_ms = self._stream_of(channel, rule, max(map(len, messages)))
        first_id = self._next_ids(stream, now_ms, len(messages))
        ms, seq = b"%d-" % (first_id >> SEQ_BITS), first_id & SEQ_MAX
        ids = [b"%b%d" % (ms, number) for number in range(seq, seq + len(messages))]
        stream.extend(range(first_id, first_id + len(messages)), [*map(entry_of, ids, messages)])
        self._added(stream, rule, now_ms, len(messages))
        if self._durable:
            self.turn += zip(repeat(channel), ids, messages)
        route = self._route(channel)
        if not route:
            return [0] * len(messages)
        deliver, current = self._pubsub.deliver, self._current
        receivers: list[int] = []
        for current.text, message in zip(ids, messages, strict=True):
            receivers.append(deliver(route, message))
        return receivers

    def _route(self, channel: bytes) -> Route:
        route = self._pubsub.kept_routes.get(channel)
        return self._pubsub.find_route(channel, self._current) if route is None else route

    def audience(self, channel: bytes) -> int:
        """How many subscriptions a message of a remembered channel would go to."""
        return sum([len(subscribers) for _, subscribers in self._route(channel)])

    def _stream_of(self, channel: bytes, rule: RememberRule, size: int) -> tuple[Stream, int]:
        """The stream that a message of so many bytes goes to, and what time it is (Unix ms); a tick will come."""
        if self.refusal is not None:
            raise self.refusal
        if size > MESSAGE_BYTES_MAX:
            raise errors.TOO_LARGE
        now_ms = self._keyspace.now_ms()
        stream = self._database.stream(channel)
        if stream is None:
            stream = self._database.create_stream(channel)
            self._learn(channel, rule, stream, now_ms)
        elif channel not in self._known:  # XADD or XGROUP has made it
            self._learn(channel, rule, stream, now_ms)
        self._wake()
        return stream, now_ms

    def _added(self, stream: Stream, rule: RememberRule, now_ms: int, count: int) -> None:
        """Hold a stream to its limits after so many messages were added, and tell of it."""
        trimmed = self._limit(stream, rule, now_ms) if rule.maxlen or rule.ttl else 0
        database = self._database
        if database.alert:
            for _ in range(count):
                database.changed(stream.key, STREAM, b"xadd", arrived=True)
            if trimmed:
                database.changed(stream.key, STREAM, b"xtrim")

    def _next_ids(self, stream: Stream, now_ms: int, count: int) -> int:
        """The first of so many IDs that follow each other."""
        first_id = now_ms << SEQ_BITS
        if first_id <= self.last_id:
            first_id = self.last_id + 1
        far = False
        if first_id <= stream.last_id:  # somebody adds to it with XADD, too
            first_id = stream.last_id + 1
            far = first_id >> SEQ_BITS > now_ms  # with IDs of their own, which the other channels need not follow
        if (first_id & SEQ_MAX) + count - 1 > SEQ_MAX:  # they would not be of one ms
            first_id = (first_id >> SEQ_BITS) + 1 << SEQ_BITS
        if first_id > ID_MAX:
            raise errors.EXHAUSTED
        if not far:
            self.last_id = first_id + count - 1
        return first_id

    # --- limits -------------------------------------------------------------------------------------------------------

    def _limit(self, stream: Stream, rule: RememberRule, now_ms: int) -> int:
        """Let go of what is too much or too old; gives how many entries."""
        trimmed = 0
        try:
            if rule.maxlen and stream.length > rule.maxlen:
                trimmed = trim_to_length(stream, rule.maxlen)
            if rule.ttl and stream.first_id >> SEQ_BITS < now_ms - rule.ttl * 1000:
                trimmed += trim_before(stream, now_ms - rule.ttl * 1000 << SEQ_BITS)
        except Cold:  # it is being fetched from disk: the next message does it, or cron
            pass
        return trimmed

    def _learn(self, channel: bytes, rule: RememberRule, stream: Stream, now_ms: int = 0) -> None:
        """A channel has a stream now."""
        if channel not in self._known:
            self._matching.clear()
        self._known[channel] = rule
        if rule.ttl:
            heapq.heappush(self._due, ((stream.first_id >> SEQ_BITS or now_ms) + rule.ttl * 1000, channel))

    def cron(self, channels_max: int) -> None:
        """Let go of messages whose time is over; `hz` times a second, for at most so many channels."""
        now_ms = self._keyspace.now_ms()
        due = self._due
        while due and due[0][0] <= now_ms and channels_max and self.refusal is None:
            channels_max -= 1
            _, channel = heapq.heappop(due)
            rule = self._known.get(channel)
            value = self._database.values.get(channel)
            if rule is not None and type(value) is Stream:
                again_ms = self._age(channel, rule, value, now_ms)
                if again_ms:
                    heapq.heappush(due, (again_ms, channel))
                    continue
            self._forget(channel)
        if len(self._known) > 2 * len(self._database.values) + _SPARE:  # their keys were deleted
            for channel in [each for each in self._known if each not in self._database.values]:
                self._forget(channel)

    def _forget(self, channel: bytes) -> None:
        if self._known.pop(channel, None) is not None:
            self._matching.clear()

    def _age(self, channel: bytes, rule: RememberRule, stream: Stream, now_ms: int) -> int:
        """Hold a channel to its age; gives when it is to be looked at again, 0: never, it was removed."""
        ttl_ms = rule.ttl * 1000
        trimmed = self._limit(stream, rule, now_ms)
        if trimmed:
            self._database.changed(channel, STREAM, b"xtrim")
            self._wake()
        if stream.length:
            return max((stream.first_id >> SEQ_BITS) + ttl_ms + 1, now_ms + (0 if trimmed else _RETRY_MS))
        gone_ms = (stream.last_id >> SEQ_BITS) + 2 * ttl_ms
        if gone_ms > now_ms or stream.groups or stream.schedule is not None or channel in self._database.waiters:
            return max(gone_ms, now_ms + ttl_ms)
        self._removed[rule.glob] = max(self._removed.get(rule.glob, 0), stream.lost_id)
        self._database.delete(channel)
        self._wake()
        return 0

    # --- a turn that could not be written -----------------------------------------------------------------------------

    def retract(self) -> None:
        """What this turn has published was not written: take it back from all who were to get it.

        Nothing has left yet. The frames are made again, and those that are equal go.
        """
        said, self.turn = self.turn, []
        for channel, entry_id, message in said:
            self._current.text = entry_id
            header = b"$%d\r\n" % len(message)
            for head, subscribers in self._route(channel):
                if not subscribers:  # an observer
                    continue
                frame = b"".join((head, header, message, b"\r\n")) if isinstance(head, bytes) else head(message)
                for subscriber in subscribers:
                    _take_back(subscriber.out, frame)

    # --- reading ------------------------------------------------------------------------------------------------------

    def channels(self, pattern: bytes | None = None) -> list[bytes]:
        """Channels that have a stream; those that match a glob."""
        if pattern is None:
            return [*self._known]
        found = self._matching.get(pattern)
        if found is None:
            if len(self._matching) >= _MATCHES_MAX:
                self._matching.clear()
            matches = glob.compile(pattern)
            found = self._matching[pattern] = [channel for channel in self._known if matches(channel)]
        return found

    def stream(self, channel: bytes) -> Stream | None:
        """The stream of a channel that is remembered, None: there is none."""
        value = self._database.find(channel)
        return value if type(value) is Stream else None

    def _streams(self, channels: Collection[bytes], patterns: Sequence[bytes]) -> list[tuple[bytes, Stream]]:
        wanted = dict.fromkeys(channels)
        for pattern in patterns:
            wanted.update(dict.fromkeys(self.channels(pattern)))
        return [(channel, stream) for channel in wanted if (stream := self.stream(channel)) is not None]

    def replay(self, channels: Sequence[bytes], patterns: Sequence[bytes], after: int, count: int) -> list[Replayed]:
        """Messages with greater IDs than `after`, in the order of IDs, each once; at most so many.

        Fewer than `count`: there are no more.

        Raises:
            Cold: they are being fetched from disk; see `Journal.fetch`.
        """
        return replayed(self._streams(channels, patterns), after, count)

    def last(self, channels: Sequence[bytes], patterns: Sequence[bytes], count: int) -> int:
        """The ID behind which the last so many messages are; 0 when there are not more.

        Raises:
            Cold: see `replay`.
        """
        return before_last([stream for _, stream in self._streams(channels, patterns)], count)

    def lost(self, channels: Sequence[bytes], patterns: Sequence[bytes]) -> int:
        """The greatest ID that may be missing: who has seen less has a gap."""
        lost_id = self._born_id
        for channel in channels:
            rule = self.rule(channel)
            if rule is not None and rule.ttl and self.stream(channel) is None:  # removed as it was empty for so long
                lost_id = max(lost_id, _idle_since(rule, self._keyspace.now_ms()))
        for pattern in patterns:
            prefix = glob.literal_prefix(pattern)
            for rule_glob, removed_id in self._removed.items():
                if removed_id > lost_id and _may_meet(prefix, glob.literal_prefix(rule_glob)):
                    lost_id = removed_id
        return max([lost_id, *[stream.lost_id for _, stream in self._streams(channels, patterns)]])


def _idle_since(rule: RememberRule, now_ms: int) -> int:
    """The ID before which a stream of a rule with an age must have got its last message that was removed by now."""
    return max(0, now_ms - 2 * rule.ttl * 1000) << SEQ_BITS


def _may_meet(one: bytes, other: bytes) -> bool:
    """Whether a channel may begin with both."""
    return one.startswith(other) or other.startswith(one)


def _take_back(out: list[bytes], frame: bytes) -> None:
    """Remove a frame that was added not long ago."""
    for place in range(len(out) - 1, -1, -1):
        if out[place] == frame:
            del out[place]
            return
