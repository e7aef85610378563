"""Streams: GET /api/streams, and /api/stream with its groups and their consumers. Those of database 0."""

from collections import OrderedDict
from collections.abc import Callable
from heapq import nlargest
from typing import Any

from aiohttp import web

from airwave.broker import Broker
from airwave.streams import ids as entry_ids
from airwave.streams.group import Group
from airwave.streams.pending import Consumer
from airwave.streams.position import lag
from airwave.streams.stream import Stream
from airwave.web.answers import json_answer
from airwave.web.dashboard.gate import key_of, name_in, not_found, reading, text_of
from airwave.web.dashboard.listing import Order, query_of, select
from airwave.web.keys import BROKER

DEAD = b":dead"  # the stream of a stream's dead letters: see airwave.bus.dead
GROUPS_MAX = 200
CONSUMERS_MAX = 200
_RATES_MAX = 10_000
_RATE_MIN_NS = 900_000_000  # two looks nearer to each other give no new rate

Row = dict[str, Any]


class Rates:
    """How fast streams grow, from one look at a stream to the next.

    Args:
        clock: monotonic time in ns.
    """

    def __init__(self, clock: Callable[[], int]) -> None:
        self._clock = clock
        self._looks: OrderedDict[int, tuple[int, int, float]] = OrderedDict()  # by the value's number

    def rate(self, stream: Stream) -> float:
        """Entries added per second; 0 at the first look."""
        now_ns = self._clock()
        added, then_ns, rate = self._looks.get(stream.number, (stream.added, now_ns, 0.0))
        if now_ns - then_ns >= _RATE_MIN_NS:
            rate = max(0.0, (stream.added - added) * 1e9 / (now_ns - then_ns))
            added, then_ns = stream.added, now_ns
        self._looks[stream.number] = added, then_ns, rate
        self._looks.move_to_end(stream.number)
        if len(self._looks) > _RATES_MAX:
            self._looks.popitem(last=False)
        return rate


RATES = web.AppKey("rates", Rates)


def find(broker: Broker, name: bytes) -> Stream:
    """A stream.

    Raises:
        HTTPNotFound: there is none of this name.
    """
    value = broker.keyspace.databases[0].peek(name)
    if type(value) is not Stream:
        raise not_found("there is no such stream")
    return value


async def listing(request: web.Request) -> web.Response:
    """A page of streams."""
    reading(request)
    broker, rates = request.app[BROKER], request.app[RATES]
    values = broker.keyspace.databases[0].values
    orders = {
        "name": Order(lambda stream: stream.key, number=False),
        "length": Order(lambda stream: stream.length),
        "rate": Order(rates.rate),
        "memory": Order(lambda stream: stream.memory_bytes),
        "disk": Order(disk_bytes),
        "groups": Order(lambda stream: len(stream.groups)),
        "lag": Order(_lag),
        "pending": Order(_pending),
        "dead": Order(lambda stream: _dead_length(broker, stream.key)),
        "waiting": Order(lambda stream: _lag(stream) + _pending(stream) + _dead_length(broker, stream.key)),
    }
    query = query_of(request, orders, "name")
    present = [value for value in values.values() if type(value) is Stream]
    page, total = await select(present, query, orders[query.sort], lambda stream: stream.key)
    return json_answer({"rows": [_row(broker, rates, stream) for stream in page], "total": total})


def _row(broker: Broker, rates: Rates, stream: Stream) -> Row:
    return {
        "key": key_of(stream.key),
        "name": text_of(stream.key),
        "length": stream.length,
        "rate": round(rates.rate(stream), 2),
        "memory": stream.memory_bytes,
        "disk": disk_bytes(stream),
        "groups": len(stream.groups),
        "lag": _lag(stream),
        "pending": _pending(stream),
        "dead": _dead_length(broker, stream.key),
        "dead_key": key_of(stream.key + DEAD),
    }


def disk_bytes(stream: Stream) -> int:
    """The size of its entries that are on disk only."""
    return sum([chunk.size for chunk in stream.sealed if chunk.blob is None])


def _lag(stream: Stream) -> int:
    """Of the group that is furthest behind."""
    return max([lag(stream, group) or 0 for group in stream.groups.values()], default=0)


def _pending(stream: Stream) -> int:
    return sum([len(group.pending) for group in stream.groups.values()])


def _dead_length(broker: Broker, name: bytes) -> int:
    value = broker.keyspace.databases[0].peek(name + DEAD)
    return value.length if type(value) is Stream else 0


# --- one stream -------------------------------------------------------------------------------------------------------


async def stream(request: web.Request) -> web.Response:
    """One stream, with its groups."""
    reading(request)
    broker = request.app[BROKER]
    name = name_in(request.query)
    found = find(broker, name)
    now_ms = broker.keyspace.now_ms()
    first = nlargest(GROUPS_MAX, found.groups.values(), key=lambda group: len(group.pending))
    groups = [_group(found, group, now_ms) for group in sorted(first, key=lambda group: group.name)]
    of = name.removesuffix(DEAD) if name.endswith(DEAD) else None
    facts: Row = {
        "added": found.added,
        "first_id": entry_ids.text(found.first_id).decode(),
        "last_id": entry_ids.text(found.last_id).decode(),
        "dead_of": text_of(of) if of is not None else None,
        "dead_of_key": key_of(of) if of is not None else None,
    }
    facts |= {"group_count": len(found.groups), "groups": groups}
    return json_answer(_row(broker, request.app[RATES], found) | facts)


def _group(found: Stream, group: Group, now_ms: int) -> Row:
    # Those with most pending: they are the ones that somebody looks for.
    first = nlargest(CONSUMERS_MAX, group.consumers.values(), key=lambda consumer: consumer.pending)
    return {
        "key": key_of(group.name),
        "name": text_of(group.name),
        "lag": lag(found, group),
        "pending": len(group.pending),
        "last_id": entry_ids.text(group.last_id).decode(),
        "consumers": [_consumer(each, now_ms) for each in sorted(first, key=lambda consumer: consumer.name)],
        "more": len(group.consumers) - len(first),
    }


def _consumer(consumer: Consumer, now_ms: int) -> Row:
    return {
        "key": key_of(consumer.name),
        "name": text_of(consumer.name),
        "pending": consumer.pending,
        "idle_ms": max(0, now_ms - consumer.seen_ms),
        "active_ms": max(0, now_ms - consumer.active_ms) if consumer.active_ms >= 0 else -1,
    }


def routes(app: web.Application) -> None:
    """Add them to an application."""
    app[RATES] = Rates(app[BROKER].clock)
    app.router.add_get("/api/streams", listing)
    app.router.add_get("/api/stream", stream)
