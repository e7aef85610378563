"""Clients: GET /api/clients; POST /api/clients/kill."""

from typing import Any

from aiohttp import web

from airwave.session import Session
from airwave.web.answers import json_answer
from airwave.web.dashboard.entries import run
from airwave.web.dashboard.gate import bad_request, changing, not_found, reading, text_of
from airwave.web.dashboard.listing import Order, query_of, select
from airwave.web.keys import BROKER
from airwave.web.lines import LINES


def _subscriptions(client: Session) -> int:
    return client.subscription_count + len(client.shard_channels)


ORDERS = {
    "name": Order(lambda client: (not client.name, client.name.lower()), number=False),  # those without one at the end
    "addr": Order(lambda client: client.peer, number=False),
    "lib": Order(lambda client: client.lib_name + client.lib_version, number=False),
    "subscriptions": Order(_subscriptions),
    "buffer": Order(lambda client: client.waiting_bytes),
    "dropped": Order(lambda client: client.dropped),
    "age": Order(lambda client: -client.created_ns),
    "idle": Order(lambda client: -client.active_ns),
}


async def listing(request: web.Request) -> web.Response:
    """A page of clients."""
    reading(request)
    broker = request.app[BROKER]
    query = query_of(request, ORDERS, "name")
    page, total = await select(list(broker.clients.values()), query, ORDERS[query.sort], _id, _words)
    now_ns = broker.clock()
    return json_answer({"rows": [_row(client, now_ns) for client in page], "total": total})


def _id(client: Session) -> bytes:
    return b"%20d" % client.id


def _words(client: Session) -> bytes:
    """What is searched."""
    words = (client.name, client.peer.encode("utf-8", "surrogateescape"), client.lib_name, b"%d" % client.id)
    return b" ".join(words)


def _row(client: Session, now_ns: int) -> dict[str, Any]:
    return {
        "id": client.id,
        "name": text_of(client.name),
        "addr": client.peer.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace"),
        "lib": text_of(b" ".join(filter(None, (client.lib_name, client.lib_version)))),
        "subscriptions": _subscriptions(client),
        "buffer": client.waiting_bytes,
        "lagging": client.lagging,
        "dropped": client.dropped,
        "age_ms": max(0, now_ns - client.created_ns) // 1_000_000,
        "idle_ms": max(0, now_ns - client.active_ns) // 1_000_000,
        "command": client.last_command.name or None,
    }


async def kill(request: web.Request) -> web.Response:
    """Disconnect a client."""
    client_id = (await changing(request)).get("id")
    if not isinstance(client_id, int) or isinstance(client_id, bool) or client_id < 1:
        raise bad_request("id must be the ID of a client")
    if not await run(request.app[LINES], "CLIENT", "KILL", "ID", client_id):
        raise not_found("this client is gone already")
    return json_answer({"killed": 1})


def routes(app: web.Application) -> None:
    """Add them to an application."""
    app.router.add_get("/api/clients", listing)
    app.router.add_post("/api/clients/kill", kill)
