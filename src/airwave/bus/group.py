"""A consumer of a group: the commands that a worker sends for its entries.

Attempts are the server's count of deliveries, so that they outlive every process. A delivery counts once, when it is
read or claimed; JUSTID keeps the count, and giving an entry back takes one from it.
"""

from collections.abc import Collection, Iterable
from typing import Any

import redis

from airwave.bus.entry import Entry, fields_of
from airwave.bus.features import Features, features_of
from airwave.bus.reader import Reader
from airwave.bus.wire import RawClient

# How many times XAUTOCLAIM is called in a row when it finds nothing; each looks at ten entries for one it is asked for.
SWEEP_CALLS_MAX = 10
PENDING_MAX = 10_000  # how many of its own entries a consumer asks for at once
_AT_ONCE = 100  # commands in a pipeline


class Group:
    """A group of a stream, as one of its consumers.

    Args:
        client: a raw client.
        claim_after_ms: entries whose consumer has not been heard of for so long may be claimed.

    Attributes:
        features: what the server has; known once `prepare` was called.
    """

    features: Features

    def __init__(self, client: RawClient, stream: str, group: str, consumer: str, claim_after_ms: int) -> None:
        self.client = client
        self.stream = stream
        self.name = group
        self.consumer = consumer
        self.claim_after_ms = claim_after_ms
        self._deleted = 0  # pending entries that were found to be gone from the stream
        self._cursor: bytes = b"0-0"

    async def prepare(self) -> None:
        """Make the group unless it is there, from the first entry on, and find out what the server has."""
        self.features = await features_of(self.client, anew=True)
        try:
            await self.client.execute_command("XGROUP", "CREATE", self.stream, self.name, "0", "MKSTREAM")
        except redis.ResponseError as error:
            if "BUSYGROUP" not in str(error):
                raise

    # --- getting entries --------------------------------------------------------------------------------------------

    async def read(self, reader: Reader, count: int, block_ms: int) -> list[Entry]:
        """New entries, and with CLAIM first those that may be claimed; waits until there are some.

        Args:
            count: at most so many.
            block_ms: how long to wait; at least 1.
        """
        claim = ("CLAIM", self.claim_after_ms) if self.features.claim else ()
        head = ("XREADGROUP", "GROUP", self.name, self.consumer, "COUNT", count, "BLOCK", block_ms, *claim)
        reply = await reader.read(*head, "STREAMS", self.stream, ">", wait_s=block_ms / 1000)
        if not reply:
            return []
        rows = next(iter(reply.values())) if isinstance(reply, dict) else reply[0][1]
        return [self._entry(row[0], row[1], int(row[3]) + 1 if len(row) > 3 else 1) for row in rows]

    async def sweep(self, count: int) -> list[Entry]:
        """Claim entries of consumers that are not heard of any more, on a server without CLAIM."""
        for _ in range(SWEEP_CALLS_MAX):
            after = ("XAUTOCLAIM", self.stream, self.name, self.consumer, self.claim_after_ms, self._cursor)
            self._cursor, rows, *deleted = await self.client.execute_command(*after, "COUNT", count)
            self._deleted += len(deleted[0]) if deleted else 0
            if found := [row for row in rows if row and row[1]]:  # Redis 6.2 gives a null for what was deleted
                counts = await self._counts([row[0] for row in found])
                # One without a count was acknowledged meanwhile, by a handler whose heartbeat was late.
                return [self._entry(row[0], row[1], counts[row[0]]) for row in found if row[0] in counts]
            if self._cursor == b"0-0":
                break
        return []

    async def take(self, entry_id: str) -> Entry | None:
        """Claim an entry that was postponed, if its time has come and nobody else has taken it."""
        async with self.client.pipeline(transaction=True) as together:
            together.execute_command("XCLAIM", self.stream, self.name, self.consumer, self.claim_after_ms, entry_id)
            together.execute_command("XPENDING", self.stream, self.name, entry_id, entry_id, 1)
            rows, pending = await together.execute()
        if not pending and not await self.client.execute_command("XRANGE", self.stream, entry_id, entry_id):
            self._deleted += 1
        if not rows or not rows[0] or not pending:
            return None
        return self._entry(rows[0][0], rows[0][1], int(pending[0][3]))

    async def _counts(self, ids: Iterable[bytes]) -> dict[bytes, int]:
        """How often entries were delivered."""
        rows = await self._each([("XPENDING", self.stream, self.name, each, each, 1) for each in ids])
        return {row[0][0]: int(row[0][3]) for row in rows if row}

    def _entry(self, entry_id: bytes, flat: list[bytes], attempts: int) -> Entry:
        return Entry(self.stream, self.name, entry_id.decode(), attempts, fields_of(flat))

    # --- keeping and giving back ------------------------------------------------------------------------------------

    async def mine(self) -> dict[str, int]:
        """What is pending for this consumer, and how often it was delivered; at most `PENDING_MAX`."""
        rows = await self.client.execute_command(
            "XPENDING", self.stream, self.name, "-", "+", PENDING_MAX, self.consumer
        )
        return {row[0].decode(): int(row[3]) for row in rows}

    async def keep(self, idle_ms: dict[str, int]) -> set[str]:
        """Say that entries are still worked on, or waited for.

        Args:
            idle_ms: for each entry how long it shall seem to have been idle; 0: it was just heard of.

        Returns:
            Those that are not this consumer's any more.
        """
        mine = self.consumer.encode()
        asked = await self._each([("XPENDING", self.stream, self.name, each, each, 1) for each in idle_ms])
        lost = {entry_id for entry_id, row in zip(idle_ms, asked, strict=True) if not row or row[0][1] != mine}
        await self._each([self._seem_idle(each, idle) for each, idle in idle_ms.items() if each not in lost])
        return lost

    async def postpone(self, entry_id: str, wait_ms: int) -> None:
        """Let an entry be claimed after so long, by whoever is there then; but no later than `claim_after_ms`."""
        await self.client.execute_command(*self._seem_idle(entry_id, max(0, self.claim_after_ms - wait_ms)))

    def _seem_idle(self, entry_id: str, idle_ms: int, *more: Any) -> tuple[Any, ...]:
        who = (self.stream, self.name, self.consumer)
        return ("XCLAIM", *who, 0, entry_id, "IDLE", idle_ms, *more, "JUSTID")

    async def release(self, counts: dict[str, int]) -> None:
        """Give entries back: whoever is there may claim them at once, and this delivery does not count.

        Args:
            counts: how often each was delivered.
        """
        if self.features.xnack and counts:
            await self.client.execute_command("XNACK", self.stream, self.name, "SILENT", "IDS", len(counts), *counts)
            return
        await self._each(
            [self._seem_idle(each, self.claim_after_ms, "RETRYCOUNT", count - 1) for each, count in counts.items()]
        )

    async def uncount(self, entry: Entry) -> None:
        """Take back that an entry was delivered once more: it was taken from this very consumer, which still has it."""
        await self.client.execute_command(*self._seem_idle(entry.id, 0, "RETRYCOUNT", entry.attempts - 1))

    async def ack(self, ids: Collection[str]) -> None:
        """Entries are done with."""
        await self.client.execute_command("XACK", self.stream, self.name, *ids)

    async def drop_deleted(self) -> int:
        """Acknowledge pending entries that are gone from the stream, up to a hundred; returns how many.

        CLAIM leaves them, and so their consumer would never become empty. Looked at is only what should have been
        claimed long ago.
        """
        idle = ("XPENDING", self.stream, self.name, "IDLE", 2 * self.claim_after_ms, "-", "+", _AT_ONCE)
        ids = [row[0] for row in await self.client.execute_command(*idle)]
        found = await self._each([("XRANGE", self.stream, each, each) for each in ids])
        gone = [each.decode() for each, rows in zip(ids, found, strict=True) if not rows]
        if gone:
            await self.ack(gone)
        return len(gone)

    def take_deleted(self) -> int:
        """How many deleted entries `sweep` and `take` have met since this was last asked; none is pending any more."""
        deleted, self._deleted = self._deleted, 0
        return deleted

    async def _each(self, commands: list[tuple[Any, ...]]) -> list[Any]:
        """Send commands a hundred at a time; their replies."""
        replies: list[Any] = []
        for start in range(0, len(commands), _AT_ONCE):
            async with self.client.pipeline(transaction=False) as together:
                for command in commands[start : start + _AT_ONCE]:
                    together.execute_command(*command)
                replies += await together.execute()
        return replies
