r"""Channels that remember: what is published on them is an entry of the stream of the same name as well.

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
from collections.abc import Callable, Collection, Iterator, Sequence
from functools import lru_cache
from typing import NamedTuple

from airwave import errors, glob
from airwave.database import STREAM, Database
from airwave.errors import CommandError
from airwave.keyspace import Keyspace
from airwave.pubsub import HEADERS, Current, PubSub
from airwave.settings import RememberRule
from airwave.streams.chunk import Cold
from airwave.streams.ids import ID_MAX, SEQ_BITS, SEQ_MAX
from airwave.streams.stream import Stream
from airwave.streams.trimming import trim_before, trim_to_length

FIELD = b"*2\r\n$7\r\nmessage\r\n$"
MESSAGE_BYTES_MAX = (512 << 20) - 128  # as long as an entry may be
RESERVED = b"__"  # how channels begin that are never remembered
PAGE = 100  # entries of a stream that are read at once
_ID_BULK_BYTES_MAX = 64
_SPARE = 1000  # channels that are known beside those that have a stream
_MATCHES_MAX = 256  # patterns whose channels are known
_RETRY_MS = 1000  # until a stream is looked at again whose oldest entries had to be fetched from disk

Replayed = tuple[int, bytes, bytes]
"""A message that was remembered: the ID of its entry, its channel, and what was published."""


class Said(NamedTuple):
    """A message that was published in this turn, and has left for nobody yet."""

    channel: bytes
    entry_id: bytes
    message: bytes


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
        self._pubsub = pubsub
        self._wake = wake
        self._current = Current()
        self._durable = keyspace.journal.durable
        self._matchers: list[tuple[Callable[[bytes], bool], RememberRule]] = []
        self._rule_of: dict[bytes, RememberRule | None] = {}  # of channels that were asked for
        self._known: dict[bytes, RememberRule] = {}  # channels that have, or had, a stream
        self._due: list[tuple[int, bytes]] = []  # a heap: Unix ms, channel whose oldest message is too old then
        self._matching: dict[bytes, list[bytes]] = {}  # by pattern: which of the known channels match
        # What is lost with the process: who has seen less than this cannot know what was published since.
        self._born_id = 0 if self._durable else keyspace.now_ms() << SEQ_BITS

    # --- rules --------------------------------------------------------------------------------------------------------

    def set_rules(self, rules: tuple[RememberRule, ...]) -> None:
        """The setting was changed."""
        self.rules = rules
        self._matchers = [(glob.compile(rule.glob), rule) for rule in rules]
        self.begin(lost=False)

    def begin(self, *, lost: bool = True) -> None:
        """Find the streams of remembered channels: of other rules, or of a keyspace that was read from disk.

        Args:
            lost: what was trimmed before is no longer known.
        """
        self._rule_of.clear()
        self._known.clear()
        self._due.clear()
        self._pubsub.forget_routes()
        self._matching.clear()
        if not self.rules:
            return
        soon = self._keyspace.now_ms() + _RETRY_MS << SEQ_BITS
        for channel, value in self._database.values.items():
            if type(value) is Stream and (rule := self._find_rule(channel)) is not None:
                if lost and value.added > value.length:  # all that may have been trimmed
                    value.lost_id = value.first_id - 1 if value.length else value.last_id
                if value.last_id < soon:
                    self.last_id = max(self.last_id, value.last_id)
                self._learn(channel, rule, value)

    def rule(self, channel: bytes) -> RememberRule | None:
        """The rule for a channel; None: it is not remembered."""
        try:
            return self._rule_of[channel]
        except KeyError:
            if len(self._rule_of) > len(self._known) + _SPARE:
                self._rule_of.clear()
            found = self._rule_of[channel] = self._find_rule(channel)
            return found

    def _find_rule(self, channel: bytes) -> RememberRule | None:
        if channel.startswith(RESERVED):
            return None
        return next((rule for matches, rule in self._matchers if matches(channel)), None)

    @property
    def _database(self) -> Database:
        return self._keyspace.databases[0]

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
        if rule is None:
            return self._pubsub.publish(channel, message)
        entry_id = self._keep(channel, message, rule)
        self._wake()
        pubsub, current = self._pubsub, self._current
        current.text = entry_id
        route = pubsub.kept_routes.get(channel)
        if route is None:
            route = pubsub.find_route(channel, current)
        if self._durable:
            self.turn.append(Said(channel, entry_id, message))
        return pubsub.deliver(route, message) if route else 0

    def _keep(self, channel: bytes, message: bytes, rule: RememberRule) -> bytes:
        """Append a message to its stream; gives the ID as text."""
        if self.refusal is not None:
            raise self.refusal
        size = len(message)
        if size > MESSAGE_BYTES_MAX:
            raise errors.TOO_LARGE
        database = self._database
        stream = database.stream(channel)
        now_ms = self._keyspace.now_ms()
        if stream is None:
            stream = database.create_stream(channel)
            self._learn(channel, rule, stream, now_ms)
        entry_id = self._next_id(stream, now_ms)
        shown = b"%d-%d" % (entry_id >> SEQ_BITS, entry_id & SEQ_MAX)
        header = HEADERS[size] if size < 4096 else b"$%d\r\n" % size
        stream.append(
            entry_id,
            b"".join((_id_head(len(shown)), shown, b"\r\n*2\r\n$7\r\nmessage\r\n", header, message, b"\r\n")),
        )
        trimmed = self._limit(stream, rule, now_ms)
        if database.alert:
            database.changed(channel, STREAM, b"xadd", arrived=True)
            if trimmed:
                database.changed(channel, STREAM, b"xtrim")
        return shown

    def _next_id(self, stream: Stream, now_ms: int) -> int:
        entry_id = now_ms << SEQ_BITS
        if entry_id <= self.last_id:
            entry_id = self.last_id + 1
        if entry_id <= stream.last_id:  # somebody adds to it with XADD, too
            entry_id = stream.last_id + 1
            if entry_id > ID_MAX:
                raise errors.EXHAUSTED
            if entry_id >> SEQ_BITS > now_ms:  # with IDs of their own, which the other channels need not follow
                return entry_id
        self.last_id = entry_id
        return entry_id

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
            for head, subscribers in self._pubsub.kept_routes.get(channel, ()):
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
        found = [
            _messages(channel, stream, after, min(count, PAGE))
            for channel, stream in self._streams(channels, patterns)
            if stream.last_id > after
        ]
        merged = found[0] if len(found) == 1 else heapq.merge(*found)
        return [each for each, _ in zip(merged, range(count), strict=False)]

    def last(self, channels: Sequence[bytes], patterns: Sequence[bytes], count: int) -> int:
        """The ID behind which the last so many messages are; 0 when there are not more.

        Raises:
            Cold: see `replay`.
        """
        latest: list[int] = []  # a heap of the greatest IDs, one more than wanted
        streams = [stream for _, stream in self._streams(channels, patterns)]
        for stream in sorted(streams, key=lambda each: each.last_id, reverse=True):
            if len(latest) > count and stream.last_id <= latest[0]:
                break
            for chunk, start, stop in stream.spans_back(0, ID_MAX, count + 1):
                for entry_id in chunk.ids(start, stop):
                    heapq.heappush(latest, entry_id)
                    if len(latest) > count + 1:
                        heapq.heappop(latest)
        return latest[0] if len(latest) > count else 0

    def lost(self, channels: Sequence[bytes], patterns: Sequence[bytes]) -> int:
        """The greatest ID that may be missing: who has seen less has a gap."""
        lost_id = self._born_id
        for channel in channels:
            rule = self.rule(channel)
            if rule is not None and rule.ttl and self.stream(channel) is None:  # removed as it was empty for so long
                lost_id = max(lost_id, self._keyspace.now_ms() - 2 * rule.ttl * 1000 << SEQ_BITS)
        return max([lost_id, *[stream.lost_id for _, stream in self._streams(channels, patterns)]])


@lru_cache(64)
def _id_head(size: int) -> bytes:
    return b"*2\r\n$%d\r\n" % size


def _take_back(out: list[bytes], frame: bytes) -> None:
    """Remove a frame that was added not long ago."""
    for place in range(len(out) - 1, -1, -1):
        if out[place] == frame:
            del out[place]
            return


def _messages(channel: bytes, stream: Stream, after: int, count: int) -> Iterator[Replayed]:
    """The messages of a stream behind an ID, read so many at a time."""
    while True:
        read = 0
        for chunk, start, stop in stream.spans(after + 1, ID_MAX, count):
            ids = chunk.ids(start, stop)
            for entry_id, entry in zip(ids, chunk.entry_list(start, stop), strict=True):
                if (message := message_of(entry)) is not None:
                    yield entry_id, channel, message
            read += len(ids)
            after = ids[-1]
        if read < count:
            return


def message_of(entry: bytes) -> bytes | None:
    """What was published, from an entry; None: this one was added by something else than PUBLISH."""
    at = entry.find(FIELD, 0, _ID_BULK_BYTES_MAX + len(FIELD))
    if at < 0:
        return None
    begin = at + len(FIELD)
    end = entry.index(b"\r\n", begin)
    return entry[end + 2 : end + 2 + int(entry[begin:end])]
