"""Channels, patterns and shard channels: GET /api/channels, /api/channel, /api/pattern; POST /api/channel/publish."""

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any

from aiohttp import web

from airwave.presence import Present
from airwave.pubsub import PubSub, Topic
from airwave.remember import Memory
from airwave.web.access import who
from airwave.web.answers import json_answer, problem
from airwave.web.dashboard.gate import bad_request, changing, key_of, name_in, reading, text_of
from airwave.web.dashboard.listing import Order, Query, query_of, select
from airwave.web.dashboard.overview import TRAFFIC
from airwave.web.dashboard.samples import PREFIX
from airwave.web.dashboard.shown import LINE_BYTES, shown
from airwave.web.dashboard.traffic import Flow, Traffic
from airwave.web.keys import BROKER
from airwave.web.lines import LINES, CommandFailed

PEOPLE_MAX = 100  # subscribers that are shown of a channel
MESSAGE_BYTES_MAX = 64 * 1024

ORDERS = ("name", "subscribers", "rate", "last")
Row = dict[str, Any]


async def listing(request: web.Request) -> web.Response:
    """A page of channels, patterns or shard channels."""
    reading(request)
    kind = request.query.get("kind", "channels")
    query = query_of(request, ORDERS if kind == "channels" else ORDERS[:2], "name")
    pubsub, memory = request.app[BROKER].pubsub, request.app[BROKER].memory
    if kind == "channels":
        traffic = request.app[TRAFFIC]
        traffic.look()
        rows, total = await _channels(query, pubsub, memory, traffic)
    elif kind in ("patterns", "shards"):
        rows, total = await _topics(query, pubsub.patterns if kind == "patterns" else pubsub.shard_channels)
    else:
        raise bad_request("kind must be channels, patterns or shards")
    return json_answer({"rows": rows, "total": total})


async def _channels(query: Query, pubsub: PubSub, memory: Memory, traffic: Traffic) -> tuple[list[Row], int]:
    topics, flows = pubsub.channels, traffic.flows
    # Those that somebody listens to, that something is published on, that have a history; not our own.
    present = dict.fromkeys([*topics, *flows, *memory.channels()])
    names = [name for name in present if not name.startswith(PREFIX)]
    orders = {
        "name": Order(_same, number=False),
        "subscribers": Order(lambda name: len(topics.get(name, ()))),
        "rate": Order(traffic.rate),
        "last": Order(lambda name: flows[name].last_ms if name in flows else 0),
    }
    page, total = await select(names, query, orders[query.sort], _same)
    return [_channel(name, topics.get(name), flows.get(name), memory) for name in page], total


def _channel(name: bytes, topic: Topic | None, flow: Flow | None, memory: Memory) -> Row:
    return _topic(name, topic) | {
        "remembered": memory.rule(name) is not None,
        "rate": round(flow.rate, 2) if flow is not None else 0,
        "last": shown(flow.last, LINE_BYTES) if flow is not None and flow.last is not None else None,
        "last_at": flow.last_ms if flow is not None else 0,
    }


async def _topics(query: Query, topics: dict[bytes, Topic]) -> tuple[list[Row], int]:
    orders = {"name": Order(_same, number=False), "subscribers": Order(lambda name: len(topics.get(name, ())))}
    page, total = await select(list(topics), query, orders[query.sort], _same)
    return [_topic(name, topics.get(name)) for name in page], total


def _topic(name: bytes, topic: Topic | None) -> Row:
    return {"key": key_of(name), "name": text_of(name), "subscribers": len(topic) if topic is not None else 0}


def _same(name: bytes) -> bytes:
    return name


# --- one of them ------------------------------------------------------------------------------------------------------


async def channel(request: web.Request) -> web.Response:
    """One channel: who listens, what is remembered."""
    reading(request)
    name = name_in(request.query)
    broker, traffic = request.app[BROKER], request.app[TRAFFIC]
    traffic.look()
    topics = [topic for _, topic in broker.pubsub.matching(name)]
    total = sum(map(len, [*topics, broker.pubsub.channels.get(name, ())]))
    history = await request.app[LINES].execute("PUBSUB", "HISTORY", name)
    return json_answer(
        {
            "name": text_of(name),
            "rate": round(traffic.rate(name), 2),
            "history": _history(history),
            **_people(broker.presence.of(name), total),
        }
    )


async def pattern(request: web.Request) -> web.Response:
    """One pattern: who listens."""
    reading(request)
    name = name_in(request.query)
    topic = request.app[BROKER].pubsub.patterns.get(name)
    people = _members(topic) if topic is not None else iter(())
    return json_answer({"name": text_of(name), **_people(people, len(topic) if topic is not None else 0)})


def _members(topic: Topic) -> Iterator[Present]:
    for subscriber, since_ms in topic.members():
        yield Present(*subscriber.identity(), since_ms, None)


def _people(people: Iterable[Present], total: int) -> Row:
    subscribers = [
        {
            "id": each.client_id,
            "name": text_of(each.name),
            "addr": each.address.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace"),
            "since": each.since_ms,
            "pattern": text_of(each.pattern) if each.pattern is not None else None,
        }
        for each in islice(people, PEOPLE_MAX)
    ]
    return {"subscribers": subscribers, "total": total, "more": max(0, total - len(subscribers))}


def _history(reply: dict[bytes, Any]) -> Row:
    rule = reply[b"rule"]
    return {
        "remembered": bool(reply[b"remembered"]),
        "rule": text_of(rule) if rule is not None else None,
        "maxlen": reply[b"maxlen"],
        "ttl": reply[b"ttl"],
        "length": reply[b"length"],
        "first_id": reply[b"first-id"].decode(),
        "last_id": reply[b"last-id"].decode(),
    }


async def publish(request: web.Request) -> web.Response:
    """Publish a test message."""
    body = await changing(request)
    name, message = name_in(body), body.get("message")
    if not isinstance(message, str):
        raise bad_request("message must be a text")
    data = message.encode("utf-8", "replace")
    if len(data) > MESSAGE_BYTES_MAX:
        raise bad_request(f"a test message may have {MESSAGE_BYTES_MAX} bytes")
    if not who(request).may_publish(name):
        raise problem(web.HTTPForbidden, "nobody may publish on this channel")
    try:
        return json_answer({"receivers": await request.app[LINES].execute("PUBLISH", name, data)})
    except CommandFailed as error:
        raise bad_request(str(error)) from None


def routes(app: web.Application) -> None:
    """Add them to an application."""
    app.router.add_get("/api/channels", listing)
    app.router.add_get("/api/channel", channel)
    app.router.add_get("/api/pattern", pattern)
    app.router.add_post("/api/channel/publish", publish)
