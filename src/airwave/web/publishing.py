"""`POST /publish/<channel>` and `GET /history/<channel>`: plain HTTP, for scripts and other languages."""

from aiohttp import web

from airwave.streams import ids as entry_ids
from airwave.web.access import require
from airwave.web.answers import body_of, json_answer, problem
from airwave.web.history import history
from airwave.web.keys import BROKER
from airwave.web.lines import LINES, CommandFailed

_STATUS = {"WRONGTYPE": web.HTTPConflict, "MISCONF": web.HTTPServiceUnavailable, "OOM": web.HTTPServiceUnavailable}


def failure(error: CommandFailed) -> web.HTTPException:
    """A command's error as an HTTP error."""
    if "is not remembered" in str(error):
        return problem(web.HTTPNotFound, str(error))
    return problem(_STATUS.get(error.code, web.HTTPBadRequest), str(error))


async def publish(request: web.Request) -> web.Response:
    """Publish the body, whatever it is."""
    visitor = require(request)
    channel = _channel(request)
    if not visitor.may_publish(channel):
        raise problem(web.HTTPForbidden, f"you may not publish on {request.match_info['channel']}")
    message = await body_of(request, request.app[BROKER].settings.http_max_message_size)
    try:
        delivered, entry = await request.app[LINES].execute_noting_entry(b"PUBLISH", channel, message)
    except CommandFailed as error:
        raise failure(error) from None
    return json_answer({"delivered": delivered, "entry": entry_ids.text(entry).decode() if entry else None})


async def get_history(request: web.Request) -> web.Response:
    """What was published on a remembered channel."""
    visitor = require(request)
    channel = _channel(request)
    if not visitor.may_subscribe(channel):
        raise problem(web.HTTPForbidden, f"you may not read {request.match_info['channel']}")
    if unknown := set(request.query) - {"since", "count", "token"}:
        raise problem(web.HTTPBadRequest, f"no such parameter: {min(unknown)}; there are since and count")
    count = request.query.get("count", "100")
    try:
        since = request.query.get("since", "0")
        page = await history(
            request.app[BROKER], request.app[LINES], channel, since, int(count) if count.isdecimal() else 0
        )
    except ValueError as error:
        raise problem(web.HTTPBadRequest, str(error)) from None
    except CommandFailed as error:
        raise failure(error) from None
    return json_answer(page)


def _channel(request: web.Request) -> bytes:
    return request.match_info["channel"].encode("utf-8", "surrogateescape")


def routes(app: web.Application) -> None:
    """Add them to an application."""
    app.router.add_post("/publish/{channel:.+}", publish)
    app.router.add_get("/history/{channel:.+}", get_history, allow_head=False)
