"""A page of a channel's history, for HTTP and WebSocket alike."""

from typing import Any

from airwave import since
from airwave.broker import Broker
from airwave.since import SEQ_BITS
from airwave.streams import ids as entry_ids
from airwave.web.formats import data_fields
from airwave.web.lines import Lines

COUNT_MAX = 1000


async def history(broker: Broker, lines: Lines, channel: bytes, begin: str, count: int) -> dict[str, Any]:
    """Messages of a remembered channel.

    Args:
        begin: behind which ID, from which time, or the last how many; see `airwave.since`.
        count: at most so many.

    Returns:
        `entries`, oldest first; `next`, to be given as `begin` for those that follow, None: there are no more; `gap`:
        messages between `begin` and the first entry are no longer there.

    Raises:
        ValueError: `begin` or `count` is wrong.
        CommandFailed: the channel is not remembered, or holds something else.
    """
    if not 1 <= count <= COUNT_MAX:
        raise ValueError(f"count is from 1 to {COUNT_MAX}")
    start = since.parse(begin)
    if start.last is not None:
        after = f"-{start.last}" if start.last else "$"
    else:
        ms = start.at_ms if start.at_ms is not None else broker.host.wall_ms() - (start.ago_ms or 0)
        number = start.id if start.id is not None else max(0, (ms << SEQ_BITS) - 1)
        after = entry_ids.text(number).decode()
    lost, found = await lines.execute("PUBSUB", "REPLAY", after, count + 1, "CHANNEL", channel)
    entries = [{"entry": entry_id.decode(), **data_fields(data)} for _, entry_id, data in found[:count]]
    known = start.last is None and begin != "0"
    return {
        "entries": entries,
        "next": entries[-1]["entry"] if len(found) > count else None,
        "gap": known and entry_ids.parse(after.encode()) < entry_ids.parse(lost),
    }
