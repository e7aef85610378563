"""The slow log: GET /api/slowlog; POST /api/slowlog/reset."""

from aiohttp import web

from airwave.slowlog import SlowCommand
from airwave.web.answers import json_answer
from airwave.web.dashboard.entries import run
from airwave.web.dashboard.gate import changing, reading, text_of
from airwave.web.dashboard.listing import Order, query_of, select
from airwave.web.dashboard.shown import LINE_BYTES, shown
from airwave.web.keys import BROKER
from airwave.web.lines import LINES

ORDERS = {"at": Order(lambda entry: entry.id), "us": Order(lambda entry: entry.us)}


async def listing(request: web.Request) -> web.Response:
    """A page of slow commands."""
    reading(request)
    broker = request.app[BROKER]
    query = query_of(request, ORDERS, "at")
    page, total = await select(list(broker.slowlog.entries), query, ORDERS[query.sort], _id, _words)
    return json_answer(
        {
            "rows": [
                {
                    "id": entry.id,
                    "at_ms": entry.at * 1000,
                    "us": entry.us,
                    "argv": [shown(arg, LINE_BYTES) for arg in entry.argv],
                    "peer": entry.peer.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace"),
                    "client": text_of(entry.client_name),
                }
                for entry in page
            ],
            "total": total,
            "threshold_us": broker.settings.slowlog_log_slower_than,
            "kept": broker.settings.slowlog_max_len,
        }
    )


def _id(entry: SlowCommand) -> bytes:
    return b"%20d" % entry.id


def _words(entry: SlowCommand) -> bytes:
    return b" ".join([*entry.argv, entry.peer.encode("utf-8", "surrogateescape"), entry.client_name])


async def reset(request: web.Request) -> web.Response:
    """Empty it."""
    await changing(request)
    await run(request.app[LINES], "SLOWLOG", "RESET")
    return json_answer({"ok": True})


def routes(app: web.Application) -> None:
    """Add them to an application."""
    app.router.add_get("/api/slowlog", listing)
    app.router.add_post("/api/slowlog/reset", reset)
