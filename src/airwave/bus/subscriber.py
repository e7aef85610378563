"""A subscriber: one connection that listens, and comes back when it was lost.

    connecting --all confirmed--> listening --lost--> waiting (backoff) --> connecting --all confirmed--> listening
                                      |                                                                   and a gap
                                      +-- the server has dropped messages (airwave.notices) --> a gap

The connection is of the class that the client's own have, and made by the same arguments, but is none of its pool's:
redis-py would connect again by itself and say nothing, and then messages would be missed that nobody knows of. It
speaks RESP2, in which redis-py reads messages faster (in RESP3 it formats each for its log).

A peer that is gone without a word (no FIN, no RST) is found by a PING when nothing has come for a while.
"""

import asyncio
import contextlib
import logging
import time
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from typing import Any

import redis.asyncio
from redis.backoff import NoBackoff
from redis.exceptions import RedisError, ResponseError
from redis.retry import Retry

from airwave.bus.backoff import exponential
from airwave.bus.lane import TURN
from airwave.bus.tasks import cancel
from airwave.notices import ASK, DROPPED_CHANNEL, gives_notice, newly_dropped

logger = logging.getLogger("airwave.bus")

CONNECT_S = 10.0
"""How long connecting and subscribing may take."""

SILENCE_S = 10.0
"""When nothing has come for so long a PING is sent; when nothing comes for so long again the connection is lost."""

_LOST = (RedisError, OSError, EOFError, TimeoutError)
_KINDS = {b"message": 3, b"pmessage": 4}  # and the number of their parts

Deliver = Callable[[bytes | None, bytes, bytes], Awaitable[None]]
"""Gets the pattern that was subscribed to (None: the channel itself was), the channel, and the payload."""


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
            is delivered before it has returned.
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
    ) -> None:
        self._client, self._name = client, name
        self._channels, self._patterns = channels, patterns
        self._deliver, self._lost, self._missed = deliver, lost, missed
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
        self._task = asyncio.create_task(self._run(connection), name=f"airwave.bus {self._name}")

    async def stop(self) -> None:
        """Leave. No message is delivered any more."""
        if self._task is not None:
            await cancel([self._task])
            self._task = None
            await _disconnect(self._connection)  # the task may have been cancelled before it began

    # --- the connection -----------------------------------------------------------------------------------------------

    async def _connect(self) -> Any:
        connection = _connection_like(self._client)
        try:
            async with asyncio.timeout(CONNECT_S):
                await connection.connect()
                channels = [*self._channels, DROPPED_CHANNEL] if await _gives_notice(connection) else self._channels
                wanted = ("SUBSCRIBE", *channels), ("PSUBSCRIBE", *self._patterns)
                commands = connection.pack_commands([command for command in wanted if len(command) > 1])
                await connection.send_packed_command(commands, check_health=False)
                await self._await_confirmations(connection, len(channels) + len(self._patterns))
        except BaseException:
            await _disconnect(connection)
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
        while True:
            try:
                await self._listen(connection)
            except _LOST as error:
                logger.warning("%s: connection lost: %s", self._name, str(error) or "the server does not answer")
            except Exception:
                logger.exception("%s: internal error; connecting anew", self._name)
            finally:
                await _disconnect(connection)
            since = _time(self._heard_s)
            self._lost("was lost")
            connection = await self._reconnect()
            try:
                await self._missed(since, None)
            except BaseException:
                await _disconnect(connection)
                raise

    async def _reconnect(self) -> Any:
        attempts = 0
        while True:
            attempts += 1
            await asyncio.sleep(self._backoff(attempts))
            try:
                connection = await self._connect()
            except _LOST as error:
                logger.warning("%s: attempt %d to connect again failed: %s", self._name, attempts, error)
            else:
                logger.warning("%s: connected again; messages may have been missed", self._name)
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
        if not isinstance(reply, list) or _KINDS.get(reply[0]) != len(reply):
            return
        if reply[1] == DROPPED_CHANNEL and len(reply) == 3:
            await self._count_dropped(reply[2], heard_s)
        else:
            await self._deliver(reply[1] if len(reply) == 4 else None, reply[-2], reply[-1])

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
                with contextlib.suppress(*_LOST):  # whoever reads is told as well
                    await connection.send_command("PING", check_health=False)


def _time(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


async def _gives_notice(connection: Any) -> bool:
    try:
        await connection.send_command(*ASK, check_health=False)
        return gives_notice(await connection.read_response(disconnect_on_error=False))
    except ResponseError:  # not allowed
        return False


def _connection_like(client: redis.asyncio.Redis) -> Any:
    """A connection as the client's, but with bytes, without retries, and without a limit on how long it listens."""
    pool = client.connection_pool
    options = {
        name: value
        for name, value in pool.connection_kwargs.items()
        if not name.startswith(("maint_", "oss_cluster_maint_", "orig_", "retry_on_"))
    }
    options |= {
        "protocol": 2,
        "decode_responses": False,
        "socket_timeout": None,
        "health_check_interval": 0,
        "retry": Retry(NoBackoff(), 0),
    }
    return pool.connection_class(**options)


async def _disconnect(connection: Any) -> None:
    with contextlib.suppress(*_LOST):
        await connection.disconnect(nowait=True)
