"""A subscriber: one connection that listens, and comes back when it was lost.

    connecting --all confirmed--> listening --lost--> waiting (backoff) --> connecting --all confirmed--> listening
                                      |                                                                   and a gap
                                      +-- the server has dropped messages (airwave.notices) --> a gap

A peer that is gone without a word (no FIN, no RST) is found by a PING when nothing has come for a while.
"""

import asyncio
import contextlib
import functools
import logging
import time
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from typing import Any

import redis.asyncio
from redis.exceptions import ResponseError

from airwave.bus.backoff import exponential
from airwave.bus.connection import CONNECT_S, LOST, ask, connection_like, disconnect
from airwave.bus.lane import TURN
from airwave.bus.tasks import cancel
from airwave.notices import ASK, ASK_FOR_IDS, DROPPED_CHANNEL, gives_notice, newly_dropped

logger = logging.getLogger("airwave.bus")

SILENCE_S = 10.0
"""When nothing has come for so long a PING is sent; when nothing comes for so long again the connection is lost."""

_KINDS = {b"message": 3, b"pmessage": 4}  # and the number of their parts; an entry ID comes behind them

Deliver = Callable[[bytes | None, bytes, bytes, bytes | None], Awaitable[None]]
"""Gets the pattern that was subscribed to (None: the channel itself was), the channel, the payload, and the entry ID if
the server remembers the channel."""


async def _nothing() -> None:
    """There is nothing to do."""


class Subscriber:
    """Listens on channels and patterns until it is stopped.

    Args:
        client: what to connect like.
        name: for log lines.
        channels, patterns: what to subscribe to; not none at all.
        deliver: called with each message, one after the other; it must not raise.
        lost: called with "was lost", or with "was too slow" when the server has dropped messages.
        missed: called behind it, when all is subscribed: with a time before which nothing was missed, and how many
            messages the server has dropped; None: nobody knows, the connection was lost. No message that came since
            is delivered before it has returned. When it raises what redis-py does, the connection is made anew.
        begin: called like it, but when all is subscribed for the first time.
    """

    def __init__(
        self,
        client: redis.asyncio.Redis,
        name: str,
        channels: Sequence[bytes],
        patterns: Sequence[bytes],
        *,
        deliver: Deliver,
        lost: Callable[[str], None],
        missed: Callable[[datetime, int | None], Awaitable[None]],
        begin: Callable[[], Awaitable[None]] = _nothing,
    ) -> None:
        self._client, self._name = client, name
        self._channels, self._patterns = channels, patterns
        self._deliver, self._lost, self._missed, self._begin = deliver, lost, missed, begin
        self._failures = 0  # attempts to connect since it last listened
        self._backoff = exponential(0.05, 5.0, jitter=0.5)
        self._dropped = 0  # messages that the server has dropped on this connection
        self._early: list[Any] = []  # messages that came before all was confirmed
        self._heard_s = 0.0  # when the server was last heard of, by the system's clock
        self._reading = False
        self._connection: Any = None  # the first one
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Connect and subscribe.

        Raises:
            redis.RedisError: the server cannot be reached, or refuses.
        """
        self._connection = connection = await self._connect()
        self._heard_s = time.time()
        self._task = asyncio.create_task(self._run(connection), name=f"airwave.bus {self._name}")

    async def stop(self) -> None:
        """Leave. No message is delivered any more."""
        if self._task is not None:
            await cancel([self._task])
            self._task = None
            await disconnect(self._connection)  # the task may have been cancelled before it began

    # --- the connection -----------------------------------------------------------------------------------------------

    async def _connect(self) -> Any:
        connection = connection_like(self._client)
        try:
            async with asyncio.timeout(CONNECT_S):
                await connection.connect()
                channels = [*self._channels, DROPPED_CHANNEL] if await _is_airwave(connection) else self._channels
                wanted = ("SUBSCRIBE", *channels), ("PSUBSCRIBE", *self._patterns)
                commands = connection.pack_commands([command for command in wanted if len(command) > 1])
                await connection.send_packed_command(commands, check_health=False)
                await self._await_confirmations(connection, len(channels) + len(self._patterns))
        except BaseException:
            await disconnect(connection)
            raise
        return connection

    async def _await_confirmations(self, connection: Any, missing: int) -> None:
        """What comes in between is kept. It is not much: both commands are in one write, so the server runs them
        together or almost so."""
        self._early, self._dropped = [], 0
        while missing:
            reply = await connection.read_response(disconnect_on_error=False)
            if reply[0] in _KINDS:
                self._early.append(reply)
            else:
                missing -= 1

    async def _run(self, connection: Any) -> None:
        resume = self._begin
        while True:
            try:
                await resume()
                self._failures = 0
                await self._listen(connection)
            except LOST as error:
                logger.warning("%s: connection lost: %s", self._name, str(error) or "the server does not answer")
            except Exception:
                logger.exception("%s: internal error; connecting anew", self._name)
            finally:
                await disconnect(connection)
            resume = functools.partial(self._missed, _time(self._heard_s), None)
            self._lost("was lost")
            connection = await self._reconnect()

    async def _reconnect(self) -> Any:
        while True:
            self._failures += 1
            await asyncio.sleep(self._backoff(self._failures))
            try:
                connection = await self._connect()
            except LOST as error:
                logger.warning("%s: attempt %d to connect again failed: %s", self._name, self._failures, error)
            else:
                logger.warning("%s: connected again", self._name)
                return connection

    # --- listening ----------------------------------------------------------------------------------------------------

    async def _listen(self, connection: Any) -> None:
        """Deliver what comes until the connection is lost.

        Raises:
            redis.RedisError, OSError, TimeoutError: it is lost.
        """
        self._heard_s = time.time()
        async with asyncio.timeout(None) as limit:
            watch = asyncio.create_task(self._watch(connection, limit), name=f"airwave.bus {self._name} watch")
            try:
                for reply in self._early:
                    await self._take(reply, self._heard_s)
                turn = 0
                while True:
                    self._reading = True
                    reply = await connection.read_response(disconnect_on_error=False)
                    heard_s, self._reading, self._heard_s = self._heard_s, False, time.time()
                    await self._take(reply, heard_s)
                    turn += 1
                    if turn % TURN == 0:  # what is parsed already comes without waiting: handlers need their turn
                        await asyncio.sleep(0)
            finally:
                self._early = []
                await cancel([watch])

    async def _take(self, reply: Any, heard_s: float) -> None:
        """Deliver what came, if it is a message; before it the server was last heard of at `heard_s`."""
        parts = _KINDS.get(reply[0]) if isinstance(reply, list) else None
        if parts is None:
            return
        entry_id = reply[parts] if len(reply) > parts else None
        if parts == 4:
            await self._deliver(reply[1], reply[2], reply[3], entry_id)
        elif reply[1] == DROPPED_CHANNEL:
            await self._count_dropped(reply[2], heard_s)
        else:
            await self._deliver(None, reply[1], reply[2], entry_id)

    async def _count_dropped(self, payload: bytes, heard_s: float) -> None:
        if dropped := newly_dropped(payload, self._dropped):
            self._dropped += dropped
            logger.warning("%s: too slow: the server has dropped %d message(s)", self._name, dropped)
            self._lost("was too slow")
            await self._missed(_time(heard_s), dropped)

    async def _watch(self, connection: Any, limit: asyncio.Timeout) -> None:
        """Ask a server that is silent whether it is there; end listening if it does not answer."""
        heard_s, asked = self._heard_s, False
        while True:
            await asyncio.sleep(SILENCE_S)
            if self._heard_s != heard_s or not self._reading:  # who waits for room in a queue does not read answers
                heard_s, asked = self._heard_s, False
            elif asked:
                limit.reschedule(asyncio.get_running_loop().time())
                return
            else:
                asked = True
                with contextlib.suppress(*LOST):  # whoever reads is told as well
                    await connection.send_command("PING", check_health=False)


def _time(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


async def _is_airwave(connection: Any) -> bool:
    """Whether the server tells what it drops. It will then give entry IDs, too."""
    try:
        if not gives_notice(await ask(connection, *ASK)):
            return False
    except ResponseError:  # not allowed
        return False
    with contextlib.suppress(ResponseError):  # it has none to give
        await ask(connection, *ASK_FOR_IDS)
    return True
