"""The settings, to be read only: GET /api/settings. Passwords and keys are never shown, only that there is one."""

from typing import Any

from aiohttp import web

from airwave.settings import Setting, Settings
from airwave.web.answers import json_answer
from airwave.web.dashboard.gate import reading
from airwave.web.keys import BROKER

MASK = "••••••••"


async def listing(request: web.Request) -> web.Response:
    """All settings, in the order of the reference page."""
    reading(request)
    settings = request.app[BROKER].settings
    return json_answer({"settings": [_row(row, settings) for row in Settings.describe()]})


def _row(row: Setting, settings: Settings) -> dict[str, Any]:
    value = getattr(settings, row.attribute)
    return {
        "name": row.name,
        "value": _text(row, value),
        "default": _text(row, row.default),
        "changed": value != row.default,
        "doc": row.doc,
        "section": row.section,
        "mutable": row.mutable,
    }


def _text(row: Setting, value: Any) -> str:
    if row.secret:
        return MASK if value else ""
    return row.kind.format(value).encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def routes(app: web.Application) -> None:
    """Add them to an application."""
    app.router.add_get("/api/settings", listing)
