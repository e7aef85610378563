"""A worker: the entries of a stream to a handler, at least once, as a consumer of a group.

What is known of an entry is on the server, so that it survives every process:

    who has it          it is pending for a consumer, one for each worker that was started
    attempts            how often it was delivered: a delivery is a call of the handler, for nothing is read that cannot
                        be begun at once. So an entry whose handler kills the process each time runs out of attempts
                        like any other.
    when it is due      how long it seems to have been idle. Whatever has been idle for `claim_after` may be claimed by
                        anybody. An entry that failed is made to look so idle (XCLAIM ... IDLE) that this time comes
                        when its backoff is over; so it comes back in time also if this process is gone by then. For a
                        backoff longer than `claim_after` the heartbeat sees to it; only when the process dies during
                        that it comes earlier. A worker that failed it claims it by itself when it is due (`retries`),
                        and meanwhile handles others.

    an entry is         when                                          leaves it by
    running             it was read, claimed or taken again           its handler's end
    waiting             it failed, and has attempts left              its backoff; any worker may then take it
    dead                no attempts left, or its payload is wrong     `airwave dead`, see `dead`
    done                the handler returned                          –

While a handler runs, the heartbeat keeps its entry from seeming idle. What was delivered but not seen, because the
connection broke in that moment, is given back, and does not count as an attempt; nor does what was cancelled because
the worker stopped. Done is XACK, dead is XADD and XACK in one transaction: either is tried again until the server has
answered, and while it is, the entry's place among the running is taken.
"""

import asyncio
import contextlib
import logging
import os
import secrets
import socket
import time
from collections.abc import Iterable
from typing import Any

import redis
from redis.asyncio import Redis

from airwave.bus import consumers
from airwave.bus.attempt import Handler, attempt
from airwave.bus.backoff import exponential
from airwave.bus.dead import dead_key, described, letter_of
from airwave.bus.delay import keep_moving
from airwave.bus.entry import FOR_GROUP, Entry
from airwave.bus.group import Group
from airwave.bus.heartbeat import Heartbeat
from airwave.bus.options import Options
from airwave.bus.payload import PayloadError
from airwave.bus.reader import Reader
from airwave.bus.retries import Retries
from airwave.bus.stats import Stats
from airwave.bus.wire import again_s, apart, goes_on, insist

log = logging.getLogger("airwave.bus")

BLOCK_S_MAX = 1.0  # how long a read waits; a server that is gone is noticed that soon
SWEEP_S_MAX = 5.0  # without CLAIM, the time between two looks at what can be claimed
ENDED_S_MAX = 5.0  # how long a command, and a handler that was cancelled, may still take at the end
GIVE_BACK_S_MAX = 10.0  # how long giving back may take at the end


class WorkerDied(Exception):  # noqa: N818  (it is what happened to the entry)
    """An entry was delivered as often as is allowed, and the process died each time, or lost its connection."""


class Worker:
    """Takes entries from a stream as a consumer of a group, and calls a handler for each.

    Args:
        client: where the stream is; the worker makes connections of its own like those of this client.
        stream: its key.
        group: the consumer group; it is made if need be, together with the stream, and begins with the first entry.
        handler: called with the field `data` and the entry. Returning is success; an exception is a failure. A
            `PayloadError` is not tried again.
        options: see `Options`.
    """

    def __init__(self, client: "Redis", *, stream: str, group: str, handler: Handler, options: Options) -> None:
        self.consumer = f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(4)}"
        self._redis = client
        self._handler = handler
        self._options = options
        self._attempts_max = options.retries + 1
        self._backoff = options.backoff or exponential(1.0, 60.0)
        self._about = (stream, group, int(options.claim_after * 1000))
        self._stats = Stats()
        self._running: dict[str, asyncio.Task[None]] = {}
        self._lost: set[str] = set()  # running here, but another consumer has them
        self._postponed: set[str] = set()  # their handlers have failed; their tasks tell the server when they are due
        self._retries = Retries(options.waiting_max)
        self._changed = asyncio.Event()  # a place is free, something waits, or the end has come
        self._stopping = False
        self._ended = asyncio.Event()  # no handler runs any more
        self._unsure = False  # there may be entries that were delivered and not seen
        self._sweep_at_s = 0.0
        self._wakes_at_s = 0.0  # when the read that is under way has waited long enough
        self._fetcher: asyncio.Task[None] | None = None
        self._helpers: list[asyncio.Task[None]] = []

    @property
    def stats(self) -> Stats:
        """What it has done so far, and what it does now."""
        self._stats.running = len(self._running)
        self._stats.waiting = len(self._retries)
        return self._stats

    # --- beginning and end ------------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Begin. Returns when the group is there; entries are handled in tasks of the running loop.

        Raises:
            redis.RedisError: the server cannot be reached, or refuses.
        """
        assert self._fetcher is None, "a worker is started once"
        stream, group, claim_ms = self._about
        client = apart(self._redis)
        self._group = Group(client, stream, group, self.consumer, claim_ms)
        try:
            await self._group.prepare()
            kind = await client.execute_command("TYPE", dead_key(stream))
            if kind not in (b"stream", b"none"):
                raise redis.ResponseError(f"dead letters need the key {dead_key(stream)}, which is a {kind.decode()}")
        except BaseException:
            await client.connection_pool.disconnect()
            raise
        self._reader = Reader(client)
        self._heartbeat = Heartbeat(self._group, self._kept, self._retries, self._on_lost)
        self._fetcher = asyncio.create_task(self._fetch())
        self._helpers = [asyncio.create_task(self._heartbeat.run(self._ended)), asyncio.create_task(self._tidy())]
        if not self._group.features.xschedule:
            self._helpers.append(asyncio.create_task(keep_moving(client, stream, self._on_moved, self._ended)))

    async def stop(self, grace_s: float = 30.0, caller: asyncio.Task[Any] | None = None) -> None:
        """End: take nothing new, let handlers finish for so many seconds, then give back what is left.

        Args:
            caller: if this is a task of a handler it is neither waited for nor cancelled; it says goodbye once more.
        """
        if self._fetcher is None or self._stopping:
            return
        self._stopping = True
        self._changed.set()
        await self._interrupt()
        await _join([self._fetcher])  # what it was given and does not know of is given back below
        handlers = {each: task for each, task in self._running.items() if task is not caller}
        if handlers:
            await asyncio.wait(handlers.values(), timeout=grace_s)
        cut_short = [each for each in handlers if each in self._running]
        await _join(handlers.values(), cancel=True)
        if stuck := [each for each in cut_short if each in self._running]:
            log.warning("handlers do not end when cancelled: %s entries=%s", self._name, " ".join(stuck))
        self._ended.set()
        await _join(self._helpers)
        await self._say_goodbye(cut_short)

    async def _say_goodbye(self, cut_short: Iterable[str] = ()) -> None:
        """Give back what is held, and close the connections."""
        try:
            async with asyncio.timeout(GIVE_BACK_S_MAX):
                await self._leave()
        except (redis.RedisError, OSError, TimeoutError) as error:
            log.warning(
                "could not give back entries, they are claimed after %g s: %s entries=%s: %s",
                *(self._group.claim_after_ms / 1000, self._name, " ".join(cut_short), described(error)),
            )
        finally:
            await self._reader.close()
            await self._group.client.connection_pool.disconnect()

    async def _leave(self) -> None:
        """Give back what is held. Entries that wait stay: a last beat has them be claimed when they are due."""
        await self._release(await self._group.mine())
        await self._heartbeat.beat()
        if not await self._group.mine():
            await consumers.remove(self._group, self.consumer)

    async def _release(self, mine: dict[str, int]) -> None:
        """Give back those entries that nobody here knows of, or works on any more."""
        strays = {
            each: count for each, count in mine.items() if each not in self._retries and each not in self._running
        }
        if strays:
            await self._group.release(strays)
            self._stats.released += len(strays)

    @property
    def _name(self) -> str:
        return f"stream={self._group.stream} group={self._group.name}"

    # --- fetching ---------------------------------------------------------------------------------------------------

    async def _fetch(self) -> None:
        """Fetch until told to stop, whatever happens to the connection."""
        failures = 0
        while not self._stopping:
            try:
                if self._unsure:
                    await self._group.prepare()
                    await self._release(await self._group.mine())
                    self._sweep_at_s = 0.0
                    self._unsure = False
                await self._fetch_some()
                if failures:
                    log.info("connected again: %s", self._name)
                failures = 0
            except (redis.RedisError, OSError) as error:
                failures += 1
                self._unsure = True
                if failures == 1:
                    log.warning("cannot read, trying again: %s: %s", self._name, described(error))
                await self._wait(again_s(failures), until_stopping=True)

    async def _fetch_some(self) -> None:
        """Take what is due, claim what others left, read what is new: no more than there are places."""
        now_s = time.monotonic()
        for entry_id in self._retries.due(now_s, self._free):
            entry = await self._group.take(entry_id)
            if entry is None:
                self._retries.discard(entry_id)
            else:
                await self._begin(entry)
        if self._free and not self._group.features.claim and now_s >= self._sweep_at_s:
            entries = await self._group.sweep(self._free)
            for entry in entries:
                await self._begin(entry)
            pause_s = min(SWEEP_S_MAX, self._group.claim_after_ms / 4000)
            self._sweep_at_s = now_s if entries else now_s + pause_s
        next_s = min(now_s + BLOCK_S_MAX, self._retries.next_due_s() or now_s + BLOCK_S_MAX)
        if not self._group.features.claim:
            next_s = max(now_s, min(next_s, self._sweep_at_s))
        if not self._free or self._retries.full:
            waits_for_place = not self._free
            await self._wait(BLOCK_S_MAX if waits_for_place else next_s - now_s)
            return
        self._wakes_at_s = next_s
        block_ms = max(1, int((next_s - now_s) * 1000))
        for entry in await self._group.read(self._reader, self._free, block_ms):
            await self._begin(entry)

    @property
    def _free(self) -> int:
        return self._options.concurrency - len(self._running)

    async def _wait(self, seconds: float, *, until_stopping: bool = False) -> None:
        """Wait for a change, or for the time to be over."""
        deadline_s = time.monotonic() + seconds
        while (left_s := deadline_s - time.monotonic()) > 0 and not self._stopping:
            self._changed.clear()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._changed.wait(), left_s)
                if not until_stopping:
                    return

    async def _interrupt(self) -> None:
        """End the read that is under way."""
        with contextlib.suppress(redis.RedisError, OSError):  # then the read fails as well, or ends by itself
            await self._reader.interrupt()

    # --- an entry ---------------------------------------------------------------------------------------------------

    async def _begin(self, entry: Entry) -> None:
        if entry.id in self._postponed:  # so short a backoff that a read of ours claimed it before its task has ended
            await asyncio.wait([self._running[entry.id]])
        if entry.id in self._running:
            # The event loop stood still for so long that the heartbeat was late, and a read of ours claimed the entry.
            log.warning("entry was claimed although it is being handled: %s id=%s", self._name, entry.id)
            await self._group.uncount(entry)
            return
        if entry.attempts > 1 and entry.id not in self._retries:
            self._stats.claimed += 1
        self._retries.discard(entry.id)
        task = self._running[entry.id] = asyncio.create_task(self._work(entry))
        task.add_done_callback(lambda _: self._end(entry.id))

    def _end(self, entry_id: str) -> None:
        del self._running[entry_id]
        self._lost.discard(entry_id)
        self._postponed.discard(entry_id)
        self._changed.set()

    async def _work(self, entry: Entry) -> None:
        """All that is done with one delivery of an entry."""
        try:
            if entry.fields.get(FOR_GROUP, group := self._group.name.encode()) != group:
                self._stats.skipped += 1
                await insist(lambda: self._group.ack([entry.id]), self._name)
            elif entry.attempts > self._attempts_max:
                times = entry.attempts - 1
                error = WorkerDied(f"the worker died, or lost its connection, each of {times} time(s) it had the entry")
                await insist(lambda: self._bury(entry, error, times), self._name)
            elif (failure := await attempt(self._handler, entry, self._options.timeout)) is None:
                await insist(lambda: self._group.ack([entry.id]), self._name)
                self._stats.handled += 1
            else:
                await self._failed(entry, failure)
        except Exception:  # our fault, or the backoff's: the entry is still pending and will be claimed
            log.exception("entry could not be dealt with: %s id=%s", self._name, entry.id)
        finally:
            if (
                self._ended.is_set()
            ):  # its handler stopped the worker, or did not end in time: it used connections again
                await self._say_goodbye()

    async def _failed(self, entry: Entry, error: BaseException) -> None:
        self._stats.failed += 1
        if entry.id in self._lost:
            log.warning("entry failed here, and is another worker's by now: %s id=%s", self._name, entry.id)
        elif isinstance(error, PayloadError) or entry.attempts >= self._attempts_max:
            await insist(lambda: self._bury(entry, error, entry.attempts), self._name)
        else:
            wait_s = max(0.0, self._backoff(entry.attempts))
            log.info(
                "entry failed, next attempt in %.3g s: %s id=%s attempts=%d: %s",
                *(wait_s, self._name, entry.id, entry.attempts, described(error)),
            )
            self._postponed.add(entry.id)
            await insist(lambda: self._group.postpone(entry.id, int(wait_s * 1000)), self._name)
            due_s = time.monotonic() + wait_s
            self._retries.add(entry.id, due_s, far=wait_s * 1000 > self._group.claim_after_ms)
            if due_s < self._wakes_at_s:
                await self._interrupt()

    async def _bury(self, entry: Entry, error: BaseException, attempts: int) -> None:
        """Put an entry among the dead letters, and acknowledge it."""
        letter = letter_of(entry, error, attempts)
        async with self._group.client.pipeline(transaction=True) as together:
            limit = ("MAXLEN", "~", self._options.dead_maxlen)
            together.execute_command("XADD", dead_key(entry.stream), *limit, "*", *letter)
            together.execute_command("XACK", entry.stream, entry.group, entry.id)
            await together.execute()
        self._stats.dead += 1
        log.error("entry is dead after %d attempt(s): %s id=%s: %s", attempts, self._name, entry.id, described(error))

    def _kept(self) -> set[str]:
        """What the heartbeat keeps: what is being handled. What is postponed would seem new, and come back too late."""
        return self._running.keys() - self._lost - self._postponed

    def _on_lost(self, entry_id: str) -> None:
        """The heartbeat has seen that another consumer has an entry."""
        self._retries.discard(entry_id)
        if entry_id in self._running and entry_id not in self._lost:
            self._lost.add(entry_id)
            log.warning("entry was claimed by another worker: %s id=%s", self._name, entry_id)

    def _on_moved(self, count: int) -> None:
        self._stats.delayed += count

    # --- beside it --------------------------------------------------------------------------------------------------

    async def _tidy(self) -> None:
        """Remove consumers that are gone, and entries that were deleted, now and then."""
        while await goes_on(self._group.claim_after_ms / 1000, self._ended):
            with contextlib.suppress(redis.RedisError, OSError):  # the reads report it
                for name in await consumers.remove_gone(self._group, int(self._options.gone_after * 1000)):
                    log.info("consumer is gone and was removed: %s consumer=%s", self._name, name)
                if gone := await self._group.drop_deleted() + self._group.take_deleted():
                    self._stats.deleted += gone
                    log.warning("entries were deleted before they were handled: %s count=%d", self._name, gone)


async def _join(tasks: Iterable[asyncio.Task[None]], *, cancel: bool = False) -> None:
    """Wait until tasks have ended, but not for ever; after that, or with `cancel` before, they are cancelled."""
    waiting = set(tasks)
    if not cancel and waiting:
        waiting = (await asyncio.wait(waiting, timeout=ENDED_S_MAX))[1]
    for task in waiting:
        task.cancel()
    if waiting:
        await asyncio.wait(waiting, timeout=ENDED_S_MAX)
