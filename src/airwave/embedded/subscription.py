"""Subscriptions of the direct API: messages as objects, in a queue with a bound.

A queue is the subscriber's `out`: publishing appends to it, in whatever thread, and reading takes from it, without the
engine's lock. Who waits is woken by the first message, so that a burst of them costs one wake-up.
"""

from collections import deque
from collections.abc import Callable, Iterable
from types import TracebackType
from typing import Literal, Self

from airwave.embedded.message import OBJECTS, Message
from airwave.embedded.node import LocalNode
from airwave.embedded.wakeup import Wakeup
from airwave.pubsub import Subscriber
from airwave.server import log

Overflow = Literal["drop-oldest", "drop-newest", "close"]
OVERFLOWS: tuple[Overflow, ...] = ("drop-oldest", "drop-newest", "close")


class SlowSubscriberError(Exception):
    """A subscription with `overflow="close"` had more waiting than its queue takes, and was ended."""


class _Queue(deque[Message]):
    """The messages that wait, and what happens when there are too many."""

    def __init__(self, maxsize: int, overflow: Overflow, on_full: Callable[[], None]) -> None:
        super().__init__()
        self.maxsize = maxsize
        self.overflow = overflow
        self.wakeup = Wakeup()
        self.dropped = 0
        self._on_full = on_full
        self._add = super().append

    def append(self, message: Message) -> None:
        if len(self) >= self.maxsize and not self._make_room():
            return
        self._add(message)
        if self.wakeup.awaited:
            self.wakeup.wake()

    def _make_room(self) -> bool:
        self.dropped += 1
        if self.dropped == 1:
            self._on_full()
        if self.overflow != "drop-oldest":
            return False
        try:
            self.popleft()
        except IndexError:  # it has just been emptied
            self.dropped -= 1
        return True


class Subscription(Subscriber):
    """Messages of channels and patterns: an iterator, and an asynchronous one. Made by `Engine.subscribe`.

    It may be read by several threads or tasks: each message goes to one of them.

    Attributes:
        closed: nothing more will come.
    """

    __slots__ = ("_node", "_queue", "_too_slow", "closed")

    def __init__(
        self, node: LocalNode, channels: Iterable[bytes], patterns: Iterable[bytes], maxsize: int, overflow: Overflow
    ) -> None:
        super().__init__()
        self.format = OBJECTS
        self._queue = _Queue(maxsize, overflow, self._is_full)
        self.out = self._queue  # type: ignore[assignment]
        self._node = node
        self._too_slow = False
        self.closed = False
        with node.lock:
            node.check()
            node.enter(self)
            for channel in channels:
                node.broker.pubsub.subscribe(self, channel)
            for pattern in patterns:
                node.broker.pubsub.psubscribe(self, pattern)

    # --- the engine's side; its lock is held ------------------------------------------------------------------------

    def flush(self) -> int:
        """See `Subscriber`: there is nothing to write, who waits has been woken already."""
        return 0

    def _is_full(self) -> None:
        names = [*self.channels, *self.patterns]
        log.event("warning", "subscription too slow, its queue is full", policy=self._queue.overflow, names=names)
        if self._queue.overflow == "close":
            self._too_slow = True
            self._node.post(self._leave)

    def _leave(self) -> None:
        if not self.closed:
            self.closed = True
            self._node.broker.pubsub.unsubscribe_all(self)
            self._node.leave(self)
            self._queue.wakeup.wake()

    def engine_ended(self) -> None:
        """See `LocalNode.enter`."""
        self._leave()

    # --- the subscriber's side --------------------------------------------------------------------------------------

    @property
    def dropped(self) -> int:
        """Messages that were lost because the queue was full."""
        return self._queue.dropped

    @property
    def waiting(self) -> int:
        """Messages that wait to be read."""
        return len(self._queue)

    def subscribe(self, *channels: str | bytes) -> None:
        """Add channels."""
        with self._node.lock:
            for channel in channels:
                self._node.broker.pubsub.subscribe(self, as_bytes(channel))

    def psubscribe(self, *patterns: str | bytes) -> None:
        """Add patterns."""
        with self._node.lock:
            for pattern in patterns:
                self._node.broker.pubsub.psubscribe(self, as_bytes(pattern))

    def unsubscribe(self, *names: str | bytes) -> None:
        """Drop channels and patterns of these names."""
        with self._node.lock:
            for name in map(as_bytes, names):
                self._node.broker.pubsub.unsubscribe(self, name)
                self._node.broker.pubsub.punsubscribe(self, name)

    def get(self, timeout: float | None = None) -> Message | None:
        """The next message.

        Args:
            timeout: seconds to wait; None: for ever; 0: not at all.

        Returns:
            None: nothing came in time, or the subscription is closed.

        Raises:
            SlowSubscriberError: it was too slow, and all that was left has been read.
        """
        while True:
            try:
                return self._queue.popleft()
            except IndexError:
                if self._is_over() or timeout == 0 or not self._queue.wakeup.wait(self._ready, timeout):
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
        if self._node.forked:
            self._node.check()
        return bool(self._queue) or self.closed

    def _is_over(self) -> bool:
        if not self.closed or self._queue:
            return False
        if self._too_slow:
            raise SlowSubscriberError(
                f"more than {self._queue.maxsize} messages waited: read faster, or give a larger maxsize"
            )
        return True

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Message:
        try:
            return self._queue.popleft()
        except IndexError:
            message = self.get()
            if message is None:
                raise StopIteration from None
            return message

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Message:
        try:
            return self._queue.popleft()
        except IndexError:
            message = await self.aget()
            if message is None:
                raise StopAsyncIteration from None
            return message

    # --- the end ----------------------------------------------------------------------------------------------------

    def close(self) -> None:
        """End it; what waits can still be read."""
        if not self._node.forked:
            self._node.post(self._leave)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def as_bytes(word: str | bytes | float) -> bytes:
    """A word as it goes over the wire: text in UTF-8, numbers in decimal."""
    if type(word) is bytes:
        return word
    return word.encode() if isinstance(word, str) else bytes(word) if isinstance(word, bytes) else repr(word).encode()
