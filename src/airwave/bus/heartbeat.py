"""The heartbeat: what a worker holds is not taken from it, however long the handler takes."""

import asyncio
import logging
import time
from collections.abc import Callable, Collection

import redis

from airwave.bus.group import Group
from airwave.bus.retries import Retries
from airwave.bus.wire import goes_on

log = logging.getLogger("airwave.bus")

# A beat may be two thirds of the time late before somebody claims an entry.
BEATS_PER_CLAIM = 3


class Heartbeat:
    """Keeps entries from being claimed while their handlers run, or while they wait longer than the server can be told.

    Args:
        running: gives the IDs of the entries that are being handled.
        retries: what waits.
        on_lost: called with an entry that another consumer has got meanwhile.
    """

    def __init__(
        self, group: Group, running: Callable[[], Collection[str]], retries: Retries, on_lost: Callable[[str], None]
    ) -> None:
        self._group = group
        self._running = running
        self._retries = retries
        self._on_lost = on_lost

    async def run(self, ended: asyncio.Event) -> None:
        """Beat until the end. An error is none: the worker's reads report it."""
        while await goes_on(self._group.claim_after_ms / 1000 / BEATS_PER_CLAIM, ended):
            try:
                await self.beat()
            except (redis.RedisError, OSError) as error:
                log.debug("heartbeat failed: stream=%s: %s", self._group.stream, error)

    async def beat(self) -> None:
        """Tell the server once."""
        claim_ms = self._group.claim_after_ms
        left_s = self._retries.left_s(self._retries.far, time.monotonic())
        idle_ms = {each: max(0, claim_ms - int(left * 1000)) for each, left in left_s.items()}
        near = [each for each, idle in idle_ms.items() if idle]
        lost = await self._group.keep(dict.fromkeys(self._running(), 0) | idle_ms)
        self._retries.far.difference_update(near)
        for entry_id in lost:
            self._on_lost(entry_id)
