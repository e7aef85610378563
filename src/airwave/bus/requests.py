r"""Request and reply over Pub/Sub.

A request is a message like any other: one line of JSON, the header, and behind it the payload as it is.

    {"id":"7","reply":"airwave:reply:5f2c...","type":"text"}\n hello
    {"id":"7","type":"text"}\n hello                           the reply, on the channel that the request named
    {"id":"7","error":"ValueError: no such user"}\n            the responder failed

`type` says how the payload was written: "json" (also if it is missing), "text" or "bytes". Reply channels begin with
`airwave:reply:`, so that nobody can have a responder publish somewhere else. A bus has one of its own, subscribed to
with the first request.

Each responder that listens on the channel gets the request; the first reply counts. Nobody listens: PUBLISH says so,
and the request fails at once. The connection for replies is lost: what waits fails at once, as its reply may be missed.
"""

import asyncio
import functools
import itertools
import logging
import uuid
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from typing import Any, TypeVar

import msgspec
import redis.asyncio

from airwave.bus.handler import Handler
from airwave.bus.hooks import Message
from airwave.bus.payload import Decoder, Kind, PayloadError, decode_kind, decoder, encode, kind_of
from airwave.bus.subscriber import Subscriber
from airwave.bus.tasks import cancellable

logger = logging.getLogger("airwave.bus")

REPLY_PREFIX = "airwave:reply:"
PENDING_MAX = 10_000
"""So many requests of one bus may wait for their replies."""


class RequestError(Exception):
    """A request came to nothing: nobody listens, the responder failed, or the connection was lost."""


class RequestHeader(msgspec.Struct, frozen=True):
    """The first line of a request."""

    id: str
    reply: str
    type: Kind = "json"


class ReplyHeader(msgspec.Struct, frozen=True, omit_defaults=True):
    """The first line of a reply."""

    id: str
    type: Kind = "json"
    error: str | None = None


class Requests:
    """The requests of a bus that wait for their replies, until it is stopped."""

    def __init__(self) -> None:
        self._channel = f"{REPLY_PREFIX}{uuid.uuid4().hex}"
        self._ids = itertools.count(1)
        self._pending: dict[str, asyncio.Future[tuple[ReplyHeader, bytes]]] = {}
        self._starting = asyncio.Lock()
        self._subscribed = asyncio.Event()
        self._subscriber: Subscriber | None = None
        self._stopped = False

    async def request(
        self, client: redis.asyncio.Redis, channel: str, value: Any, *, timeout: float, result: Any = None
    ) -> Any:
        """Ask, and wait for the first reply.

        Args:
            timeout: seconds until it must be there.
            result: what the reply is read as; None: as it was written.

        Raises:
            RequestError: nobody listens, the responder failed, the connection was lost, the reply is no `result`, or
                too many requests wait already.
            TimeoutError: no reply in time.
            TypeError: the value cannot be sent, or nothing can be read as `result`.
        """
        read = None if result is None else _decoder(result)
        if len(self._pending) >= PENDING_MAX:
            raise RequestError(f"{PENDING_MAX} requests wait for their replies already")
        number = str(next(self._ids))
        data = _message(RequestHeader(number, self._channel, kind_of(value)), encode(value))
        future = self._pending[number] = asyncio.get_running_loop().create_future()
        receivers = 0
        try:
            async with asyncio.timeout(timeout) as limit:
                await cancellable(self._listen(client))
                if future.done():  # it failed meanwhile, and is not to be sent
                    future.result()
                receivers = await cancellable(client.publish(channel, data))
                if not receivers:
                    raise RequestError(f"nobody listens on {channel!r}: is there a bus with a @bus.reply for it?")
                header, payload = await future
        except TimeoutError as error:
            if not limit.expired():
                raise
            raise TimeoutError(f"no reply on {channel!r} within {timeout:g} s; {receivers} got the request") from error
        finally:
            del self._pending[number]
            if future.done() and not future.cancelled():
                future.exception()  # somebody has seen it, even if this went wrong before
        return _value(channel, header, payload, read)

    async def stop(self) -> None:
        """Leave the reply channel; requests that wait fail."""
        self._stopped = True
        self._fail("the bus was stopped")
        async with self._starting:  # a connection that is just being made is closed, too
            if self._subscriber is not None:
                await self._subscriber.stop()
                self._subscriber = None
        self._subscribed.set()  # who waits for the connection goes on, and fails

    # --- the reply channel --------------------------------------------------------------------------------------------

    async def _listen(self, client: redis.asyncio.Redis) -> None:
        async with self._starting:
            if self._subscriber is None and not self._stopped:
                subscriber = Subscriber(
                    client,
                    "replies",
                    [self._channel.encode()],
                    [],
                    deliver=self._take,
                    lost=lambda why: self._fail(f"the connection for replies {why}"),
                    missed=self._missed,
                )
                await subscriber.start()
                self._subscriber = subscriber
                self._subscribed.set()
        await self._subscribed.wait()

    async def _missed(self, since: datetime, dropped: int | None) -> None:
        del since, dropped
        self._subscribed.set()

    def _fail(self, why: str) -> None:
        self._subscribed.clear()
        for future in self._pending.values():
            if not future.done():
                future.set_exception(RequestError(f"{why} before a reply came; the request may have been handled"))

    async def _take(self, pattern: bytes | None, channel: bytes, data: bytes, entry_id: bytes | None) -> None:
        del pattern, channel, entry_id
        try:
            header, payload = _parts(data, _REPLY)
        except PayloadError as error:
            logger.warning("a message on the reply channel is no reply: %s", error)
            return
        future = self._pending.get(header.id)
        if future is not None and not future.done():
            future.set_result((header, payload))
        # otherwise its time is over, or another responder was faster


class Responder:
    """Calls a handler with requests, and publishes what it returns.

    Args:
        handler: what to call.
        publish: how.
    """

    def __init__(self, handler: Handler, publish: Callable[[str, bytes], Awaitable[Any]]) -> None:
        self._handler, self._publish = handler, publish

    async def __call__(self, message: Message, fields: Mapping[str, str]) -> None:
        """Answer.

        Raises:
            PayloadError: no request, or the payload does not fit.
            Exception: what the handler raises; the reply tells it.
        """
        header, payload = _parts(message.data, _REQUEST)
        if not header.reply.startswith(REPLY_PREFIX):
            raise PayloadError(f"not a request: the channel for the reply must begin with {REPLY_PREFIX!r}")
        try:
            value = await self._handler(payload, fields, message, header.type)
            reply = _message(ReplyHeader(header.id, kind_of(value)), encode(value))
        except Exception as error:
            failed = ReplyHeader(header.id, error=f"{type(error).__name__}: {error}")
            await self._publish(header.reply, _message(failed, b""))
            raise
        await self._publish(header.reply, reply)


# --- the format -------------------------------------------------------------------------------------------------------

H = TypeVar("H")
_REQUEST = msgspec.json.Decoder(RequestHeader)
_REPLY = msgspec.json.Decoder(ReplyHeader)
_decoder_kept = functools.lru_cache(256)(decoder)


def _message(header: RequestHeader | ReplyHeader, payload: bytes) -> bytes:
    return msgspec.json.encode(header) + b"\n" + payload


def _parts(data: bytes, header: msgspec.json.Decoder[H]) -> tuple[H, bytes]:
    line, newline, payload = data.partition(b"\n")
    try:
        if not newline:
            raise ValueError("it has no header line")
        return header.decode(line), payload
    except (ValueError, msgspec.DecodeError) as error:
        raise PayloadError(f"not a request or reply of Airwave's bus: {error}") from error


def _decoder(annotation: Any) -> Decoder:
    try:
        return _decoder_kept(annotation)
    except TypeError:  # not hashable, or refused: then it is refused again
        return decoder(annotation)


def _value(channel: str, header: ReplyHeader, payload: bytes, read: Decoder | None) -> Any:
    if header.error is not None:
        raise RequestError(f"the responder on {channel!r} failed: {header.error}")
    try:
        return decode_kind(payload, header.type) if read is None else read(payload)
    except PayloadError as error:
        raise RequestError(f"the reply on {channel!r} is {error}") from error
