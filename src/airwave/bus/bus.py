"""`airwave.Bus`: typed event handlers, workers, requests.

This file is the front: what is registered, and the life of it all. What is done is in `events`, `requests`, `worker`
and `sending`.

    made --start--> running --stop--> made        the client belongs to the event loop that first used it, until stop
"""

import asyncio
import logging
from collections.abc import Callable
from datetime import datetime
from types import UnionType
from typing import Any, Literal, Self, TypeVar, overload

import redis.asyncio

from airwave.bus.backoff import Backoff
from airwave.bus.client import LoopClient
from airwave.bus.entry import Entry
from airwave.bus.events import Events, Target
from airwave.bus.handler import Handler
from airwave.bus.hooks import Failure, Gap, Hooks, Message
from airwave.bus.lane import WhenFull
from airwave.bus.main import run
from airwave.bus.options import Options
from airwave.bus.payload import encode
from airwave.bus.requests import Requests, Responder
from airwave.bus.sending import send
from airwave.bus.stats import BusStats, Stats, total
from airwave.bus.tasks import cancellable
from airwave.bus.template import Template
from airwave.bus.worker import Worker
from airwave.since import Since

logger = logging.getLogger("airwave.bus")

T = TypeVar("T")
F = TypeVar("F", bound=Callable[..., Any])
ErrorHook = TypeVar("ErrorHook", bound=Callable[[Failure], Any])
GapHook = TypeVar("GapHook", bound=Callable[[Gap], Any])


class Bus:
    """Events, workers and requests over any server that speaks Redis.

    Handlers are registered first, then the bus is started: `async with bus`, `await bus.start()` or `bus.run()`.
    `publish`, `send` and `request` work without a start as well; `stop` is needed then, too, to close the connections.

    Args:
        url: as of `airwave.connect`: `memory://`, `file:///folder`, `redis://`, `rediss://`, `unix://`.
        client: a client of redis-py's asyncio side to use instead of a URL. It is not closed by the bus.
        grace: seconds that handlers have to finish when the bus is stopped; then they are cancelled.
        options: redis-py's, for the client that is made.

    Raises:
        TypeError: both a URL and a client.
    """

    def __init__(
        self, url: str | None = None, *, client: redis.asyncio.Redis | None = None, grace: float = 30.0, **options: Any
    ) -> None:
        self._client = LoopClient(url, client, options)
        self._grace = grace
        self._state: Literal["made", "starting", "running", "stopping"] = "made"
        self._errors, self._gaps = Hooks("on_error"), Hooks("on_gap")
        self._events = Events(self._errors, self._gaps)
        self._requests = Requests()
        self._handlers: list[Handler] = []
        self._make_workers: list[Callable[[redis.asyncio.Redis], Worker]] = []
        self._workers: list[Worker] = []
        self._past = Stats()  # of workers of earlier runs

    # --- registration -------------------------------------------------------------------------------------------------

    def on(
        self,
        channel: str,
        *,
        since: Since | None = None,
        concurrency: int = 1,
        queue: int = 1000,
        when_full: WhenFull = "wait",
    ) -> Callable[[F], F]:
        """Call a function for each message of a channel.

        Args:
            channel: its name, or a template: `user:{user_id}` are all channels of the pattern `user:*` that have one
                piece there, `log:{path...}` takes all the rest. The function gets the fields that it has parameters
                for, converted to their annotations; channels whose fields do not fit are ignored.
            since: None: what comes while there is a connection. Otherwise an Airwave server must remember the channels:
                their messages are replayed, those that come follow, and after a lost connection it goes on where it
                was. An ID: behind that message; "10m", a timedelta, a datetime: what is not older; "-100": the last
                100; "0": all; "$": nothing that is past.
            concurrency: so many messages at a time. 1: a message is begun when the one before has been handled.
            queue: so many messages may wait.
            when_full: what then: "wait" (nobody reads on: nothing is lost, but the server may cut the connection of a
                reader that is too slow, which is a gap), "drop-oldest" or "drop-newest".

        Returns:
            A decorator. The function is async, or an ordinary one that is run in a thread; its first parameter that is
            no field gets the payload, one annotated with `Message` the message itself.

        Raises:
            ValueError: not a template, a number below 1, or a `since` that is nothing of that.
            TypeError: nothing would be given to a parameter, or its annotation is nothing a payload can be read as.
            RuntimeError: the bus runs already.
        """

        def target(handler: Handler) -> Target:
            return lambda message, fields: handler(message.data, fields, message)

        return self._listen(channel, target, since=since, concurrency=concurrency, queue=queue, when_full=when_full)

    def reply(
        self, channel: str, *, concurrency: int = 16, queue: int = 1000, when_full: WhenFull = "wait"
    ) -> Callable[[F], F]:
        """Answer the requests on a channel with what a function returns; what it raises goes to the requester as well.

        Arguments and errors are those of `on`.
        """

        def target(handler: Handler) -> Target:
            return Responder(handler, self._publish)

        return self._listen(channel, target, concurrency=concurrency, queue=queue, when_full=when_full)

    def worker(
        self,
        stream: str,
        *,
        group: str,
        retries: int = 5,
        backoff: Backoff | None = None,
        timeout: float | None = 30.0,
        concurrency: int = 8,
        claim_after: float = 30.0,
        gone_after: float = 300.0,
        dead_maxlen: int = 10_000,
        waiting_max: int = 1000,
    ) -> Callable[[F], F]:
        """Call a function for each entry of a stream, at least once; entries are acknowledged when it returns.

        Args:
            stream: its key.
            group: the consumer group; it is made if need be, together with the stream.
            retries: when it raises, so many more attempts; then the entry goes to the dead letters, `STREAM:dead`.
            backoff: how long to wait before each; None: `exponential(1.0, 60.0)`.
            timeout: seconds that an attempt may take; None: any.
            concurrency: so many entries at a time.
            claim_after: an entry whose worker has not been heard of for so many seconds is taken over by another.
            gone_after: a consumer without entries that has not been heard of for so many seconds is removed.
            dead_maxlen: about so many dead letters are kept; when there are more, the oldest are dropped.
            waiting_max: when so many entries wait for their next attempt, no new ones are taken.

        Returns:
            A decorator. The function is async, or an ordinary one that is run in a thread; its first parameter gets
            the payload, one annotated with `Entry` the entry itself.

        Raises:
            ValueError: a value out of its range.
            TypeError: nothing would be given to a parameter, or its annotation is nothing a payload can be read as.
            RuntimeError: the bus runs already.
        """
        options = Options(
            retries=retries,
            backoff=backoff,
            timeout=timeout,
            concurrency=concurrency,
            claim_after=claim_after,
            gone_after=gone_after,
            dead_maxlen=dead_maxlen,
            waiting_max=waiting_max,
        )

        def register(function: F) -> F:
            self._need_made(f"register a worker for {stream!r}")
            handler = Handler(function, context=Entry, threads=concurrency)
            self._handlers.append(handler)

            async def handle(data: bytes, entry: Entry) -> None:
                await handler(data, {}, entry)

            self._make_workers.append(
                lambda client: Worker(client, stream=stream, group=group, handler=handle, options=options)
            )
            return function

        return register

    def on_error(self, function: ErrorHook) -> ErrorHook:
        """Call a function with a `Failure` when a payload does not decode or a handler of `on` or `reply` raises."""
        self._errors.add(function)
        return function

    def on_gap(self, function: GapHook) -> GapHook:
        """Call a function with a `Gap` when messages may have been missed.

        That is after each loss of the connection, when all is subscribed again and before anything new is handled; and
        when a handler keeps up again whose queue was full, so that messages were dropped. Handlers with `since` have
        missed nothing when a connection is lost, unless the server does not remember it any more.
        """
        self._gaps.add(function)
        return function

    def _listen(self, channel: str, target: Callable[[Handler], Target], **options: Any) -> Callable[[F], F]:
        """Register a handler; the options are those of `Events.add`."""

        def register(function: F) -> F:
            self._need_made(f"register a handler for {channel!r}")
            template = Template(channel)
            handler = Handler(function, template.fields, Message, threads=options["concurrency"])
            self._events.add(template, handler.name, target(handler), **options)
            self._handlers.append(handler)
            return function

        return register

    def _need_made(self, what: str) -> None:
        if self._state != "made":
            raise RuntimeError(f"cannot {what} while the bus is {self._state}: do it before the start")

    # --- use ----------------------------------------------------------------------------------------------------------

    @property
    def redis(self) -> redis.asyncio.Redis:
        """The client, made when it is first needed.

        Raises:
            RuntimeError: there is no running event loop, or it is not the one that the bus has been used in.
        """
        return self._client.get()

    async def publish(self, channel: str, payload: Any) -> int:
        """Post a message.

        Args:
            payload: bytes and str go as they are, anything else as JSON.

        Returns:
            How many received it: connections of this server, not handlers.

        Raises:
            TypeError: a payload that JSON cannot say.
            redis.RedisError: the server cannot be reached, or refuses.
        """
        return await self._publish(channel, encode(payload))

    async def send(
        self,
        stream: str,
        payload: Any,
        *,
        key: str | None = None,
        delay: float | None = None,
        at: datetime | float | None = None,
        maxlen: int | None = None,
    ) -> str:
        """Add an entry to a stream, for the workers of each group.

        Args:
            payload: bytes and str go as they are, anything else as JSON.
            key: an idempotency key: sending again with the same key adds nothing, and returns what the first returned.
            delay: add it after so many seconds; it survives restarts of everybody.
            at: add it then: a datetime with a time zone, or seconds since the epoch.
            maxlen: keep about so many entries in the stream; None: all. Not with `delay` or `at`.

        Returns:
            The ID of the entry; for a delayed one its token.

        Raises:
            TypeError: a payload that JSON cannot say.
            ValueError: arguments that exclude each other.
            redis.RedisError: the server cannot be reached, or refuses.
        """
        return await cancellable(send(self.redis, stream, encode(payload), key=key, delay=delay, at=at, maxlen=maxlen))

    @overload
    async def request(self, channel: str, payload: Any, *, timeout: float = 5.0, result: type[T]) -> T: ...
    @overload
    async def request(
        self, channel: str, payload: Any, *, timeout: float = 5.0, result: UnionType | None = None
    ) -> Any: ...
    async def request(self, channel: str, payload: Any, *, timeout: float = 5.0, result: Any = None) -> Any:
        """Ask whoever has a `reply` handler for a channel, and wait for the first reply.

        Args:
            payload: bytes and str go as they are, anything else as JSON.
            timeout: seconds until the reply must be there.
            result: the type to read the reply as; None: bytes, str or JSON values, as the responder returned it.

        Raises:
            RequestError: nobody listens, the handler failed, the connection was lost meanwhile, or the reply is no
                `result`.
            TimeoutError: no reply in time.
            TypeError: a payload that JSON cannot say.
            redis.RedisError: the server cannot be reached, or refuses.
        """
        return await self._requests.request(self.redis, channel, payload, timeout=timeout, result=result)

    @property
    def stats(self) -> BusStats:
        """Counters, at this moment."""
        return BusStats(self._events.stats, total([self._past, *[worker.stats for worker in self._workers]]))

    async def _publish(self, channel: str, data: bytes) -> int:
        return int(await cancellable(self.redis.publish(channel, data)))

    # --- its life -----------------------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Subscribe and start the workers; returns when all of it works.

        Raises:
            RuntimeError: it runs already, or was used in another event loop.
            redis.RedisError: the server cannot be reached, or refuses, or remembers nothing of what a handler with
                `since` wants. Once it runs, a lost connection is made again.
        """
        if self._state != "made":
            raise RuntimeError(f"the bus is {self._state} already: stop it first, or make another")
        client = self.redis
        self._state = "starting"
        try:
            await self._events.start(client)
            self._workers = [make(client) for make in self._make_workers]
            for worker in self._workers:
                await worker.start()
        except BaseException:
            await self._end(0.0)
            raise
        self._state = "running"

    async def stop(self, grace: float | None = None) -> None:
        """Take nothing new, let handlers finish, and close the connections. The bus may be started again afterwards.

        Args:
            grace: seconds that handlers have; None: as the bus was made with.
        """
        if self._state in ("starting", "stopping"):
            raise RuntimeError(f"the bus is {self._state}: wait for that first")
        if self._client.is_orphaned:
            self._abandon()
            return
        self._client.check_loop()
        await self._end(self._grace if grace is None else grace)

    async def _end(self, grace: float) -> None:
        self._state = "stopping"
        try:
            deadline = asyncio.get_running_loop().time() + grace
            caller = asyncio.current_task()  # a handler may stop the bus: nobody waits for it then
            stopping = [self._events.stop(deadline, caller), *[worker.stop(grace, caller) for worker in self._workers]]
            results = await asyncio.gather(*stopping, return_exceptions=True)
            await self._requests.stop()
            for result in results:
                if isinstance(result, BaseException):
                    raise result
        finally:
            self._forget()
            await self._client.close()

    def _abandon(self) -> None:
        """Forget what was left in an event loop that is no more. The tasks ended with it."""
        logger.warning("the event loop of the bus was closed before the bus was stopped")
        self._events.abandon()
        self._client.forget()
        self._forget()

    def _forget(self) -> None:
        self._requests = Requests()
        for handler in self._handlers:
            handler.close()
        self._past = total([self._past, *[worker.stats for worker in self._workers]])
        self._past.running = self._past.waiting = 0
        self._workers = []
        self._state = "made"

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    def run(self) -> None:
        """Start, and run until SIGINT or SIGTERM; then stop. A second signal ends it at once.

        Raises:
            RuntimeError: not in the main thread, or an event loop runs here already.
            redis.RedisError: the server cannot be reached at the start.
        """
        run(self)
