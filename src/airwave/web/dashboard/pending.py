"""What is pending in a group: GET /api/stream/pending; POST /api/stream/claim, /api/stream/ack."""

from heapq import nlargest

from aiohttp import web

from airwave.streams.group import Group
from airwave.web.answers import json_answer
from airwave.web.dashboard.entries import ids_in, run, start_in
from airwave.web.dashboard.gate import bad_request, changing, key_of, name_in, not_found, number_in, reading, text_of
from airwave.web.dashboard.streams import CONSUMERS_MAX, find
from airwave.web.keys import BROKER
from airwave.web.lines import LINES

ROWS_MAX = 200
IDLE_MS_MAX = 10**15
CONSUMER_BYTES_MAX = 512


def _group(request: web.Request, stream: bytes, name: bytes) -> Group:
    group = find(request.app[BROKER], stream).groups.get(name)
    if group is None:
        raise not_found("there is no such group")
    return group


async def listing(request: web.Request) -> web.Response:
    """A page of pending entries, in the order of IDs."""
    reading(request)
    words = request.query
    stream, name = name_in(words), name_in(words, "group")
    group = _group(request, stream, name)
    count = number_in(words, "count", 50, 1, ROWS_MAX)
    idle_ms = number_in(words, "idle", 0, 0, IDLE_MS_MAX)
    command: list[str | bytes | int] = [
        "XPENDING",
        stream,
        name,
        "IDLE",
        idle_ms,
        start_in(request) or "-",
        "+",
        count + 1,
    ]
    if words.get("consumer"):
        command.append(name_in(words, "consumer"))
    rows = await run(request.app[LINES], *command)
    first = nlargest(CONSUMERS_MAX, group.consumers.values(), key=lambda consumer: consumer.pending)
    consumers = [{"key": key_of(each.name), "name": text_of(each.name), "pending": each.pending} for each in first]
    return json_answer(
        {
            "pending": [
                {
                    "id": text_of(entry_id),
                    "consumer": text_of(consumer) if consumer else None,  # XNACK gave it back
                    "idle_ms": max(0, idle),
                    "deliveries": deliveries,
                }
                for entry_id, consumer, idle, deliveries in rows[:count]
            ],
            "next": f"({rows[count - 1][0].decode()}" if len(rows) > count else None,
            "consumers": consumers,
        }
    )


async def claim(request: web.Request) -> web.Response:
    """Give pending entries to another consumer; how often they were delivered stays."""
    body = await changing(request)
    stream, group, ids = name_in(body), name_in(body, "group"), ids_in(body)
    consumer = body.get("consumer")
    if not isinstance(consumer, str) or not 0 < len(consumer) <= CONSUMER_BYTES_MAX:
        raise bad_request("consumer must be the name of a consumer")
    _group(request, stream, group)
    words: list[str | bytes | int] = ["XCLAIM", stream, group, consumer.encode("utf-8", "replace"), 0, *ids, "JUSTID"]
    return json_answer({"claimed": len(await run(request.app[LINES], *words))})


async def acknowledge(request: web.Request) -> web.Response:
    """Take pending entries for done."""
    body = await changing(request)
    stream, group, ids = name_in(body), name_in(body, "group"), ids_in(body)
    _group(request, stream, group)
    return json_answer({"acknowledged": await run(request.app[LINES], "XACK", stream, group, *ids)})


def routes(app: web.Application) -> None:
    """Add them to an application."""
    app.router.add_get("/api/stream/pending", listing)
    app.router.add_post("/api/stream/claim", claim)
    app.router.add_post("/api/stream/ack", acknowledge)
