"""Whether the node lives, and whether it serves: for those who restart it, and for those who send clients to it.

Both are open to everybody, and tell no more than that.
"""

import json

from aiohttp import web

from airwave.web.keys import BROKER
from airwave.web.subscribers import SUBSCRIBERS


def routes(app: web.Application) -> None:
    """Add the routes."""
    app.router.add_get("/healthz", _healthz)
    app.router.add_get("/readyz", _readyz)


async def _healthz(_: web.Request) -> web.Response:
    """The process lives: its loop has run this."""
    return _answer([])


async def _readyz(request: web.Request) -> web.Response:
    return _answer(obstacles(request.app))


def obstacles(app: web.Application) -> list[str]:
    """Why clients are better sent elsewhere; none: it serves. A node answers only once its data is loaded."""
    found = []
    if app[SUBSCRIBERS].stopping:
        found.append("the server stops")
    if app[BROKER].refusal is not None:
        found.append("the database cannot be written: writes are refused")
    return found


def _answer(reasons: list[str]) -> web.Response:
    ready = not reasons
    body = {"status": "ok" if ready else "unavailable", **({} if ready else {"reasons": reasons})}
    text = json.dumps(body) + "\n"  # with an end of line, for curl on a terminal
    return web.json_response(text=text, status=200 if ready else 503, headers={"Cache-Control": "no-store"})
