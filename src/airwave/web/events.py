"""`GET /events`: Server-Sent Events."""

from functools import partial

from aiohttp import web

from airwave.streams import ids as entry_ids
from airwave.web.access import require
from airwave.web.answers import problem
from airwave.web.formats import SSE, shown
from airwave.web.keys import BROKER
from airwave.web.replay import Replay, Topics, Wanted, position, remembers, resumption, wanted
from airwave.web.subscriber import WebSession
from airwave.web.subscribers import SUBSCRIBERS
from airwave.web.takeover import as_protocol, head, left, take_over
from airwave.web.visitor import Visitor

_HEARTBEAT = b":\n\n"
_PARAMETERS = {"channel", "pattern", "since", "lastEventId", "token"}
_HEADERS = {
    "Content-Type": "text/event-stream; charset=utf-8",
    "Cache-Control": "no-store",
    "X-Accel-Buffering": "no",
    "Connection": "close",
}


class EventSession(WebSession):
    """A browser with an EventSource."""

    __slots__ = ()

    wire = SSE
    library = b"airwave-sse"

    def data_received(self, data: bytes) -> None:
        """See `asyncio.Protocol`: it has nothing more to say."""

    def beat(self) -> None:
        """See `WebSession`."""
        if not self.lagging and not self.out:
            self.say(_HEARTBEAT)

    def token_expired(self) -> None:
        """See `WebSession`."""
        self.close_after(SSE.event("expired", {}))

    def server_stops(self) -> None:
        """See `WebSession`: it connects again by itself."""


async def events(request: web.Request) -> web.StreamResponse:
    """Subscribe to channels and patterns; see docs/browsers.md."""
    visitor = require(request)
    topics = _topics(request, visitor)
    begin = _begin(request, topics)
    broker = request.app[BROKER]
    if len(broker.clients) >= broker.settings.maxclients:
        broker.stats.rejected_connections += 1
        raise problem(web.HTTPServiceUnavailable, "there are too many clients: see maxclients", **{"Retry-After": "5"})
    first = head(request, "200 OK", _HEADERS)
    connection = take_over(request)
    session = EventSession(broker, connection, visitor, request.app[SUBSCRIBERS])
    connection.transport.set_protocol(as_protocol(session))
    session.say(first + b"retry: %d\n\n" % broker.settings.http_retry)
    if begin is not None:
        session.start_replay(Replay(broker.memory, SSE, topics, begin, partial(session.join, topics)))
        return left()
    session.join(topics)
    if remembers(broker.memory, topics):
        # From here on it can resume: an ID without data is only noted.
        session.say(b"id: %b\n\n" % entry_ids.text(position(broker.memory, topics)))
    return left()


def _topics(request: web.Request, visitor: Visitor) -> Topics:
    """The channels and patterns that are asked for, each once."""
    query = request.query
    if unknown := set(query) - _PARAMETERS:
        raise problem(
            web.HTTPBadRequest, f"no such parameter: {min(unknown)}; there are channel, pattern, since and token"
        )
    channels, patterns = ([*dict.fromkeys(map(_name, query.getall(kind, [])))] for kind in ("channel", "pattern"))
    if not channels and not patterns:
        raise problem(web.HTTPBadRequest, "name a channel or a pattern: /events?channel=news&pattern=user:*")
    allowed = request.app[BROKER].settings.http_max_subscriptions
    if len(channels) + len(patterns) > allowed:
        raise problem(web.HTTPBadRequest, f"more than {allowed} channels and patterns: see http-max-subscriptions")
    refused = [each for each in channels if not visitor.may_subscribe(each)]
    refused += [each for each in patterns if not visitor.may_psubscribe(each)]
    if refused:
        raise problem(web.HTTPForbidden, f"you may not subscribe to {', '.join(shown(refused[:10]))}")
    return Topics(channels, patterns)


def _name(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


def _begin(request: web.Request, topics: Topics) -> Wanted | None:
    """Where to begin; None: now. What a browser sends when it connects again is more than what the page has written."""
    last = request.headers.get("Last-Event-ID") or request.query.get("lastEventId")
    if last:
        return resumption(last)
    text = request.query.get("since")
    if text is None:
        return None
    broker = request.app[BROKER]
    try:
        begin = wanted(text, broker.host.wall_ms())
    except ValueError as error:
        raise problem(web.HTTPBadRequest, f"since={text}: {error}") from None
    if not remembers(broker.memory, topics):
        names = ", ".join(shown([*topics.channels, *topics.patterns][:10]))
        raise problem(web.HTTPBadRequest, f"{names}: not remembered, so there is no since: see the setting remember")
    return begin


def routes(app: web.Application) -> None:
    """Add it to an application."""
    app.router.add_get("/events", events, allow_head=False)
