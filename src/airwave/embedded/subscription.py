"""Subscriptions of the direct API: messages as objects, in a queue with a bound.

A queue is the `out` of a subscriber: publishing appends to it, in whatever thread, and reading takes from it, without
the engine's lock. Who waits is woken by the first message, so that a burst of them costs one wake-up.

The engine refers to its side only, a `Mailbox`; so a `Subscription` that its user has forgotten is closed.
"""

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from typing import Any, Literal

from airwave.embedded.closing import Closing
from airwave.embedded.message import OBJECTS, Message
from airwave.embedded.node import EmbeddedError, LocalNode
from airwave.embedded.wakeup import Wakeup
from airwave.embedded.words import as_bytes
from airwave.position import Position, answered
from airwave.pubsub import Subscriber
from airwave.server import log
from airwave.since import id_text

Overflow = Literal["drop-oldest", "drop-newest", "close"]
OVERFLOWS: tuple[Overflow, ...] = ("drop-oldest", "drop-newest", "close")

_TURN_MAX = 1000  # messages that a task reads before the others of its loop have a turn


class SlowSubscriberError(Exception):
    """A subscription with `overflow="close"` had more waiting than its queue takes, and was ended."""


class _Queue(deque[Message]):
    """The messages that wait, and what happens when there are too many."""

    __slots__ = ("_add", "_on_full", "dropped", "maxsize", "overflow", "wakeup")

    def __init__(self, maxsize: int, overflow: Overflow, on_full: Callable[[], None]) -> None:
        super().__init__()
        self.maxsize = maxsize
        self.overflow = overflow
        self.wakeup = Wakeup()
        self.dropped = 0
        self._on_full = on_full
        self._add = super().append

    def append(self, message: Message) -> None:
        # Half of what a delivery costs: 0.1 µs.
        if len(self) < self.maxsize or self._make_room():
            self._add(message)
            if self.wakeup.awaited:
                self.wakeup.wake()

    def _make_room(self) -> bool:
        if self.overflow == "drop-oldest":
            try:
                self.popleft()
            except IndexError:  # it has just been emptied
                return True
        self.dropped += 1
        self._on_full()
        return self.overflow == "drop-oldest"


class Mailbox(Subscriber):
    """The engine's side of a subscription. All its methods are called with the lock held.

    Attributes:
        queue: what waits to be read.
        closed: nothing more will come.
        too_slow: because it was full.
    """

    __slots__ = ("_node", "closed", "queue", "too_slow")

    def __init__(self, node: LocalNode, maxsize: int, overflow: Overflow) -> None:
        super().__init__()
        self.format = OBJECTS
        self.queue = _Queue(maxsize, overflow, self._lose_one)
        self.out = self.queue  # type: ignore[assignment]
        self._node = node
        self.closed = False
        self.too_slow = False
        node.enter(self)

    def flush(self) -> int:
        """See `Subscriber`: there is nothing to write, who waits has been woken already."""
        return 0

    def _lose_one(self) -> None:
        self._node.broker.stats.dropped_messages += 1
        if self.queue.overflow == "close" and not self.too_slow:
            self.too_slow = True
            self._node.post(self.leave)
        if self.queue.dropped == 1:
            log.event(
                "warning",
                "subscription too slow, its queue is full (told once for each; counted in `dropped`)",
                policy=self.queue.overflow,
                maxsize=self.queue.maxsize,
                names=b" ".join([*self.channels, *self.patterns][:10]),
            )

    def leave(self) -> None:
        """Nothing more is to come."""
        if not self.closed:
            self.closed = True
            self._node.broker.pubsub.unsubscribe_all(self)
            self._node.leave(self)
            self.queue.wakeup.wake()

    def engine_ended(self) -> None:
        """See `LocalNode.enter`."""
        self.leave()


class Subscription(Closing):
    """Messages of channels and patterns: an iterator, and an asynchronous one. Made by `Engine.subscribe`.

    It may be read by several threads or tasks: each message goes to one of them. It ends when it is closed: by its
    user, with its engine, or because nobody refers to it any more.

    Attributes:
        gap: it was to begin behind an ID, and history did not reach back so far.
    """

    def __init__(
        self, node: LocalNode, channels: Iterable[bytes], patterns: Iterable[bytes], maxsize: int, overflow: Overflow
    ) -> None:
        self._node = node
        with node.use() as broker:
            self._mailbox = mailbox = Mailbox(node, maxsize, overflow)
            for channel in channels:
                broker.pubsub.subscribe(mailbox, channel)
            for pattern in patterns:
                broker.pubsub.psubscribe(mailbox, pattern)
        self._queue = mailbox.queue
        self.gap = False

    def replay(self, position: Position, ask: Callable[[tuple[Any, ...]], Any]) -> None:
        """Put what is behind a position in front of what has come since; for whoever has just made it.

        Args:
            ask: runs a command.

        Raises:
            redis.exceptions.ResponseError: a channel is not remembered.
        """
        answered(position.find(), ask)
        answered(position.aim(), ask)
        past: deque[Message] = deque(maxlen=self._queue.maxsize)
        channels, more = set(self._mailbox.channels), True
        patterns = [(topic.matches, pattern) for pattern, topic in self._mailbox.patterns.items()]
        while more:
            gap, messages, more = answered(position.page(), ask)
            self.gap |= gap
            for entry_id, channel, data in messages:
                matching = (pattern for matches, pattern in patterns if matches(channel))
                pattern = None if channel in channels else next(matching, None)
                past.append(Message(channel, data, pattern, id_text(entry_id).encode()))
                position.took(entry_id)
        with self._node.use():
            live = [message for message in self._queue if position.takes(message.id)]
            self._queue.clear()
            self._queue.extend(past)
            for message in live:
                self._queue.append(message)

    @property
    def closed(self) -> bool:
        """Whether nothing more will come."""
        return self._mailbox.closed

    @property
    def dropped(self) -> int:
        """Messages that were lost because the queue was full."""
        return self._queue.dropped

    @property
    def waiting(self) -> int:
        """Messages that wait to be read."""
        return len(self._queue)

    # --- what it gets -----------------------------------------------------------------------------------------------

    def subscribe(self, *channels: str | bytes) -> None:
        """Add channels."""
        names = [as_bytes(channel) for channel in channels]
        with self._node.use() as broker:
            self._check_open()
            for name in names:
                broker.pubsub.subscribe(self._mailbox, name)

    def psubscribe(self, *patterns: str | bytes) -> None:
        """Add patterns."""
        names = [as_bytes(pattern) for pattern in patterns]
        with self._node.use() as broker:
            self._check_open()
            for name in names:
                broker.pubsub.psubscribe(self._mailbox, name)

    def unsubscribe(self, *names: str | bytes) -> None:
        """Drop channels and patterns of these names."""
        words = [as_bytes(name) for name in names]
        with self._node.use() as broker:
            for word in words:
                broker.pubsub.unsubscribe(self._mailbox, word)
                broker.pubsub.punsubscribe(self._mailbox, word)

    def _check_open(self) -> None:
        if self._mailbox.closed:
            raise EmbeddedError("this subscription was closed: make another one")

    # --- reading ----------------------------------------------------------------------------------------------------

    def get(self, timeout: float | None = None) -> Message | None:
        """The next message.

        Args:
            timeout: seconds to wait; None: for ever; 0: not at all.

        Returns:
            None: nothing came in time, or the subscription is closed.

        Raises:
            SlowSubscriberError: it was too slow, and all that was left has been read.
            EmbeddedError: this process was forked from the one of the engine.
        """
        deadline = None if timeout is None else time.monotonic() + timeout
        while True:
            try:
                return self._queue.popleft()
            except IndexError:
                left = None if deadline is None else max(0, deadline - time.monotonic())
                if self._is_over() or not self._queue.wakeup.wait(self._ready, left):
                    return None

    async def aget(self) -> Message | None:
        """The next message; None: the subscription is closed. Raises as `get`."""
        while True:
            try:
                return self._queue.popleft()
            except IndexError:
                if self._is_over():
                    return None
                await self._queue.wakeup.wait_async(self._ready)

    def _ready(self) -> bool:
        return bool(self._queue) or self._mailbox.closed

    def _is_over(self) -> bool:
        if self._node.forked:
            self._node.check()
        if not self._mailbox.closed or self._queue:
            return False
        if self._mailbox.too_slow:
            raise SlowSubscriberError(
                f"more than {self._queue.maxsize} messages waited: read faster, or give a larger maxsize"
            )
        return True

    def __iter__(self) -> Iterator[Message]:
        take = self._queue.popleft
        while True:
            try:
                message: Message | None = take()
            except IndexError:
                message = self.get()
                if message is None:
                    return
            yield message  # type: ignore[misc]

    async def __aiter__(self) -> AsyncIterator[Message]:
        take = self._queue.popleft
        while True:
            for _ in range(_TURN_MAX):
                try:
                    message: Message | None = take()
                except IndexError:
                    message = await self.aget()
                    if message is None:
                        return
                yield message  # type: ignore[misc]
            await asyncio.sleep(0)

    # --- the end ----------------------------------------------------------------------------------------------------

    def close(self) -> None:
        """End it; what waits can still be read."""
        if not self._node.forked:
            self._node.post(self._mailbox.leave)

    def __del__(self) -> None:
        if hasattr(self, "_mailbox"):  # it could be had
            self.close()
