"""Events: which handlers there are for a channel, and what happens with a message from its arrival to its end.

    subscriber --deliver--> the handlers of that channel or pattern --> each one's lane --> payload and fields --> call

Handlers of one channel, or of templates with the same pattern, share one subscription. Each has a lane of its own.
Payloads are decoded in the lane: the subscriber only reads.
"""

import asyncio
import logging
from collections import defaultdict
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

import redis.asyncio

from airwave.bus.handler import FieldError
from airwave.bus.hooks import Failure, Gap, Hooks, Message
from airwave.bus.lane import Lane, WhenFull
from airwave.bus.payload import PayloadError
from airwave.bus.subscriber import Subscriber
from airwave.bus.template import Template

logger = logging.getLogger("airwave.bus")

Target = Callable[[Message, Mapping[str, str]], Awaitable[Any]]
"""What is called with a message and the fields of its channel."""

Work = tuple[Message, Mapping[str, str]]


@dataclass(frozen=True, slots=True)
class EventStats:
    """What became of messages, since the bus was made. A message counts once for each handler.

    Attributes:
        received: messages that came for a handler.
        handled: its handler returned.
        failed: its payload did not decode, or its handler raised.
        dropped: its queue was full, or the bus was stopped before its turn.
        unmatched: its channel fits the pattern, but not the template or its fields' types.
        gaps: how often messages may have been missed.
        queued: messages that wait now.
        running: messages that are being handled now.
    """

    received: int
    handled: int
    failed: int
    dropped: int
    unmatched: int
    gaps: int
    queued: int
    running: int


class Events:
    """The handlers of a bus, and its subscription.

    Args:
        errors: told of each failure.
        gaps: told when messages may have been missed.
    """

    def __init__(self, errors: Hooks, gaps: Hooks) -> None:
        self._errors, self._gaps = errors, gaps
        self._channels: dict[bytes, list[_Listener]] = defaultdict(list)
        self._patterns: dict[bytes, list[_Listener]] = defaultdict(list)
        self._listeners: list[_Listener] = []
        self._subscriber: Subscriber | None = None
        self._gap_count = 0

    def add(
        self, template: Template, name: str, target: Target, *, concurrency: int, queue: int, when_full: WhenFull
    ) -> None:
        """Call a target for each message of a template's channels.

        Raises:
            ValueError: a number below 1, or an unknown choice.
        """
        listener = _Listener(template, name, target, self._errors)

        async def recovered(dropped: int) -> None:
            await self._tell_gap(Gap("queue", (template.text,), listener.full_since, dropped))

        listener.lane = Lane(
            f"handler {name} of {template.text!r}",
            listener.handle,
            concurrency=concurrency,
            queue=queue,
            when_full=when_full,
            overflowed=listener.overflowed,
            recovered=recovered,
        )
        self._listeners.append(listener)
        if template.channel is not None:
            self._channels[template.channel].append(listener)
        elif template.pattern is not None:
            self._patterns[template.pattern].append(listener)

    @property
    def stats(self) -> EventStats:
        listeners = self._listeners
        return EventStats(
            received=sum(one.received for one in listeners),
            handled=sum(one.handled for one in listeners),
            failed=sum(one.failed for one in listeners),
            dropped=sum(one.lane.dropped for one in listeners),
            unmatched=sum(one.unmatched for one in listeners),
            gaps=self._gap_count,
            queued=sum(len(one.lane) for one in listeners),
            running=sum(one.lane.running for one in listeners),
        )

    async def start(self, client: redis.asyncio.Redis) -> None:
        """Subscribe, if there are handlers.

        Raises:
            redis.RedisError: the server cannot be reached, or refuses.
        """
        if self._listeners:
            subscriber = Subscriber(
                client,
                "events",
                list(self._channels),
                list(self._patterns),
                deliver=self._deliver,
                lost=lambda _: None,
                missed=self._missed,
            )
            await subscriber.start()
            self._subscriber = subscriber

    async def stop(self, deadline: float, caller: asyncio.Task[Any] | None = None) -> None:
        """Read no more, and let what waits be handled until a time of the loop's clock.

        Args:
            caller: if this is a task of a handler it is not waited for.
        """
        if self._subscriber is not None:
            await self._subscriber.stop()
            self._subscriber = None
        await asyncio.gather(*[listener.lane.stop(deadline, caller) for listener in self._listeners])

    def abandon(self) -> None:
        """Forget what was left in an event loop that is no more; messages that waited count as dropped."""
        self._subscriber = None
        for listener in self._listeners:
            listener.lane.abandon()

    # --- what the subscriber calls ------------------------------------------------------------------------------------

    async def _deliver(self, pattern: bytes | None, channel: bytes, data: bytes) -> None:
        for listener in self._channels[channel] if pattern is None else self._patterns[pattern]:
            await listener.take(channel, data)

    async def _missed(self, since: datetime, dropped: int | None) -> None:
        reason: Literal["connection", "server"] = "connection" if dropped is None else "server"
        await self._tell_gap(Gap(reason, tuple(one.template.text for one in self._listeners), since, dropped))

    async def _tell_gap(self, gap: Gap) -> None:
        self._gap_count += 1
        await self._gaps.tell(gap)


class _Listener:
    """One handler, its lane, and what became of its messages."""

    lane: Lane[Work]

    def __init__(self, template: Template, name: str, target: Target, errors: Hooks) -> None:
        self.template, self.name = template, name
        self._target, self._errors = target, errors
        self.received = self.handled = self.failed = self.unmatched = 0
        self.full_since = datetime.now(UTC)

    async def take(self, channel: bytes, data: bytes) -> None:
        fields = self.template.match(channel)
        if fields is None:
            self._ignore(channel, "it does not fit the template")
            return
        self.received += 1
        await self.lane.put((Message(channel.decode(errors="surrogateescape"), data, self.template.text), fields))

    async def handle(self, work: Work) -> None:
        message, fields = work
        try:
            await self._target(message, fields)
            self.handled += 1
        except FieldError as error:
            self.received -= 1
            self._ignore(message.channel, error)
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if task is None or task.cancelling():
                raise
            await self._failed(RuntimeError("the handler cancelled itself"), message)
        except Exception as error:
            await self._failed(error, message)

    async def _failed(self, error: Exception, message: Message) -> None:
        self.failed += 1
        expected = isinstance(error, PayloadError)  # a traceback of it would be of this package alone
        logger.error(
            "handler %s failed with a message on %r: %s",
            self.name,
            message.channel,
            str(error) or type(error).__name__,
            exc_info=None if expected else error,
        )
        await self._errors.tell(Failure(error, message, self.name))

    def overflowed(self) -> None:
        self.full_since = datetime.now(UTC)

    def _ignore(self, channel: bytes | str, why: Any) -> None:
        self.unmatched += 1
        logger.debug("handler %s of %r ignores a message on %r: %s", self.name, self.template.text, channel, why)
