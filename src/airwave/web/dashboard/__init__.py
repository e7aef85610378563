"""The dashboard: pages for people, and the JSON API that they use.

The pages are files in `web/static/dashboard`, as they are: no build step. Their live data come over `/ws`. What one may
see and change is decided in `gate`, once for all routes:

    GET  /, /dashboard/...        everybody: there is nothing in them; who is not signed in gets a form
    GET  /api/...                 viewers and admins
    POST /api/...                 admins, if the setting `dashboard` is yes

Names are bytes. In the API they are percent-encoded (`news%3Aeu`) and called keys; texts to be shown are beside them.
"""

from aiohttp import web

from airwave.web.dashboard import (
    channels,
    clients,
    dead,
    entries,
    overview,
    pages,
    pending,
    server_settings,
    slowlog,
    streams,
)

_PARTS = (pages, overview, channels, streams, entries, pending, dead, clients, slowlog, server_settings)


def routes(app: web.Application) -> None:
    """Add the dashboard to an application."""
    for part in _PARTS:
        part.routes(app)
