"""Removing consumers that are gone.

XGROUP DELCONSUMER takes with it what is pending for the consumer, and an entry that is not pending any more is never
delivered again. So only consumers that have nothing are removed, long after they were last heard of: a worker that
lives is heard of every few seconds. Between looking and removing, one that was only asleep (a suspended laptop) might
yet read an entry. Nothing can forbid that: WATCH does not notice deliveries. But the transaction that removes it also
lists what it had by then, and these entries are made pending again.
"""

import logging
from typing import Any

from airwave.bus.group import Group

log = logging.getLogger("airwave.bus")

_LISTED_MAX = 1000


async def remove_gone(group: Group, gone_after_ms: int) -> list[str]:
    """Remove the other consumers of a group that have nothing and were not heard of for so long; their names."""
    removed = []
    for row in await group.client.execute_command("XINFO", "CONSUMERS", group.stream, group.name):
        about = _mapping(row)
        name = about[b"name"].decode(errors="surrogateescape")
        if name != group.consumer and not about[b"pending"] and about[b"idle"] >= gone_after_ms:
            await remove(group, name)
            removed.append(name)
    return removed


async def remove(group: Group, name: str) -> None:
    """Remove a consumer. What is pending for it nevertheless may then be claimed by anybody."""
    consumer = name.encode(errors="surrogateescape")
    async with group.client.pipeline(transaction=True) as together:
        together.execute_command("XPENDING", group.stream, group.name, "-", "+", _LISTED_MAX, consumer)
        together.execute_command("XGROUP", "DELCONSUMER", group.stream, group.name, consumer)
        rows, dropped = await together.execute()
    for row in rows:
        await group.client.execute_command(
            *("XCLAIM", group.stream, group.name, group.consumer, 0, row[0], "IDLE", group.claim_after_ms),
            *("RETRYCOUNT", row[3], "FORCE", "JUSTID"),
        )
    if dropped:
        log.warning(
            "consumer was not as dead as it seemed: stream=%s group=%s consumer=%s; entries kept: %d of %d",
            *(group.stream, group.name, name, len(rows), dropped),
        )


def _mapping(row: Any) -> dict[bytes, Any]:
    """Names and values: a flat list in RESP2, a map in RESP3."""
    return row if isinstance(row, dict) else dict(zip(row[::2], row[1::2], strict=True))
