"""Hooks: who is told when something failed or messages may have been missed. A hook that fails is logged, no more."""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from airwave.bus.handler import call, name_of

logger = logging.getLogger("airwave.bus")

HookFunction = Callable[[Any], Any]


@dataclass(frozen=True, slots=True)
class Message:
    """A message as it came.

    Attributes:
        channel: what it was published on; bytes that are not UTF-8 are escaped as by `surrogateescape`.
        data: the payload.
        template: the channel or template of the handler.
        id: of its entry, if the server remembers the channel; else None. Given as `since` to a handler, that one goes
            on behind it.
    """

    channel: str
    data: bytes
    template: str
    id: str | None = None


@dataclass(frozen=True, slots=True)
class Failure:
    """What an error hook is told.

    Attributes:
        error: a PayloadError, or what the handler raised.
        message: what it was called with.
        handler: its module and name.
    """

    error: Exception
    message: Message
    handler: str


@dataclass(frozen=True, slots=True)
class Gap:
    """Messages may have been missed.

    Attributes:
        reason: "connection": it was lost, and is there again; "queue": a handler was too slow for its queue; "server":
            the connection was too slow for an Airwave with `slow-subscriber-policy drop-oldest`; "history": for a
            handler with `since`, what the server remembers does not reach back to where it was.
        channels: the channels and templates concerned.
        since: nothing was missed before this time.
        dropped: how many were dropped from the queue, or on all channels by the server; None: nobody knows.
    """

    reason: Literal["connection", "queue", "server", "history"]
    channels: tuple[str, ...]
    since: datetime
    dropped: int | None


class Hooks:
    """Functions that are told of something, in the order in which they were added.

    Args:
        what: the decorator, for log lines.
    """

    def __init__(self, what: str) -> None:
        self._what = what
        self._functions: list[HookFunction] = []

    def add(self, function: HookFunction) -> None:
        self._functions.append(function)

    async def tell(self, event: Any) -> None:
        for function in self._functions:
            try:
                await call(function, None, event)
            except Exception:
                logger.exception("%s hook %s failed", self._what, name_of(function))
