"""Events: which handlers there are for a channel, and what happens with a message from its arrival to its end.

    subscriber --deliver--> the handlers of that channel or pattern --> each one's lane --> payload and fields --> call

Handlers of one channel, or of templates with the same pattern, share one subscription. Each has a lane of its own.
Payloads are decoded in the lane: the subscriber only reads.

A handler with `since` has a position as well, that of the last message that was put into its lane. What is behind it is
replayed before the subscriber reads on: at the start, when the connection is back, and when the server has dropped
messages.
"""

import asyncio
import logging
from collections import defaultdict
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

import redis.asyncio
from redis.exceptions import ResponseError

from airwave.bus.handler import FieldError
from airwave.bus.history import History, position_of, time_of
from airwave.bus.hooks import Failure, Gap, Hooks, Message
from airwave.bus.lane import TURN, Lane, WhenFull
from airwave.bus.payload import PayloadError
from airwave.bus.subscriber import Subscriber
from airwave.bus.template import Template
from airwave.position import Position
from airwave.since import Since, id_number, id_text

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
        self._client: redis.asyncio.Redis | None = None
        self._subscriber: Subscriber | None = None
        self._gap_count = 0

    def add(
        self,
        template: Template,
        name: str,
        target: Target,
        *,
        since: Since | None = None,
        concurrency: int,
        queue: int,
        when_full: WhenFull,
    ) -> None:
        """Call a target for each message of a template's channels.

        Args:
            since: where to begin; after losses it goes on where it was. None: with what comes.

        Raises:
            ValueError: a number below 1, or an unknown choice.
        """
        position = None if since is None else position_of(template, since)
        listener = _Listener(template, name, target, self._errors, position)

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
            self._client = client
            await self._find_positions()
            subscriber = Subscriber(
                client,
                "events",
                list(self._channels),
                list(self._patterns),
                deliver=self._deliver,
                lost=lambda _: None,
                missed=self._missed,
                begin=self._catch_up,
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

    async def _deliver(self, pattern: bytes | None, channel: bytes, data: bytes, entry_id: bytes | None) -> None:
        for listener in self._channels[channel] if pattern is None else self._patterns[pattern]:
            if listener.position is None or listener.position.takes(entry_id):
                await listener.take(channel, data, None if entry_id is None else id_number(entry_id))

    async def _missed(self, since: datetime, dropped: int | None) -> None:
        reason: Literal["connection", "server"] = "connection" if dropped is None else "server"
        without = [one for one in self._listeners if one.position is None or one.position.partial]
        if without:
            await self._tell_gap(Gap(reason, tuple(one.template.text for one in without), since, dropped))
        await self._catch_up()

    async def _tell_gap(self, gap: Gap) -> None:
        self._gap_count += 1
        if gap.reason != "queue":  # the lane has said so
            logger.warning("messages may have been missed (%s): %s", gap.reason, ", ".join(gap.channels))
        await self._gaps.tell(gap)

    # --- what is remembered -------------------------------------------------------------------------------------------

    async def _find_positions(self) -> None:
        await self._ask_history(lambda history, listener, position: history.find(position, listener.template.text))

    async def _catch_up(self) -> None:
        """Replay what was missed. Nothing that came since is delivered before."""
        await self._ask_history(self._replay)

    async def _ask_history(self, question: "Callable[[History, _Listener, Position], Awaitable[None]]") -> None:
        """Do something for each handler that has a position."""
        asking = [(one, one.position) for one in self._listeners if one.position is not None]
        if asking:
            assert self._client is not None
            async with History(self._client) as history:
                for listener, position in asking:
                    await question(history, listener, position)

    async def _replay(self, history: History, listener: "_Listener", position: Position) -> None:
        try:
            await history.aim(position)
            more = True
            while more:
                more = await self._replay_page(history, listener, position)
        except ResponseError as error:  # rules have changed, or it is another server: live messages come all the same
            logger.warning("%s: history cannot be read any more: %s", listener.lane.name, error)
            await self._tell_gap(Gap("history", (listener.template.text,), time_of(position), None))

    async def _replay_page(self, history: History, listener: "_Listener", position: Position) -> bool:
        since = time_of(position)
        gap, messages, more = await history.page(position)
        if gap:
            await self._tell_gap(Gap("history", (listener.template.text,), since, None))
        for number, (entry_id, channel, data) in enumerate(messages, 1):
            await listener.take(channel, data, entry_id)
            if number % TURN == 0:  # as in the subscriber: handlers need their turn
                await asyncio.sleep(0)
        return more


class _Listener:
    """One handler, its lane, and what became of its messages."""

    lane: Lane[Work]

    def __init__(self, template: Template, name: str, target: Target, errors: Hooks, position: Position | None) -> None:
        self.template, self.name, self.position = template, name, position
        self._target, self._errors = target, errors
        self.received = self.handled = self.failed = self.unmatched = 0
        self.full_since = datetime.now(UTC)

    async def take(self, channel: bytes, data: bytes, entry_id: int | None) -> None:
        fields = self.template.match(channel)
        if fields is None:
            self._ignore(channel, "it does not fit the template")
        else:
            self.received += 1
            shown = None if entry_id is None else id_text(entry_id)
            message = Message(channel.decode(errors="surrogateescape"), data, self.template.text, shown)
            await self.lane.put((message, fields))
        if entry_id is not None and self.position is not None:  # not before: who is cancelled above has not got it
            self.position.took(entry_id)

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
