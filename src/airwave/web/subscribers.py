"""All browsers that are subscribed, and the one timer that keeps their connections alive."""

import asyncio
from collections.abc import Iterator
from itertools import chain
from typing import TYPE_CHECKING

from aiohttp import web

from airwave.broker import Broker

if TYPE_CHECKING:
    from airwave.web.subscriber import WebSession

_SLICES = 16  # of the heartbeat: so that not all are written to at once


class Subscribers:
    """The subscribers of a node.

    Args:
        broker: the node.

    Attributes:
        expired: connections that were closed since the start because a token had expired.
        stopping: the server goes away.
    """

    def __init__(self, broker: Broker) -> None:
        self._broker = broker
        self._slices: list[dict[WebSession, None]] = [{} for _ in range(_SLICES)]
        self._next = 0
        self._timer: asyncio.TimerHandle | None = None
        self.expired = 0
        self.stopping = False

    def __iter__(self) -> "Iterator[WebSession]":
        return chain.from_iterable(self._slices)

    def __len__(self) -> int:
        return sum(map(len, self._slices))

    def __contains__(self, session: "WebSession") -> bool:
        return session in self._slices[session.id % _SLICES]

    def add(self, session: "WebSession") -> None:
        """One has come."""
        self._slices[session.id % _SLICES][session] = None

    def discard(self, session: "WebSession") -> None:
        """One has gone."""
        self._slices[session.id % _SLICES].pop(session, None)

    def start(self) -> None:
        """Begin the heartbeat."""
        self._timer = asyncio.get_running_loop().call_later(self._broker.settings.http_heartbeat / _SLICES, self._beat)

    def stop(self) -> None:
        """End the heartbeat, and tell all that the server goes away."""
        self.stopping = True
        if self._timer is not None:
            self._timer.cancel()
        for some in self._slices:
            for session in list(some):
                session.server_stops()

    def _beat(self) -> None:
        self._next = (self._next + 1) % _SLICES
        for session in list(self._slices[self._next]):
            session.beat()
        self.start()


SUBSCRIBERS = web.AppKey("subscribers", Subscribers)
