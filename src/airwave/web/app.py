"""The application: what is where."""

from aiohttp import web

from airwave.broker import Broker
from airwave.web import dashboard, events, files, guard, health, metrics, publishing, signing_in, sockets
from airwave.web.access import ACCESS, Access
from airwave.web.keys import BROKER
from airwave.web.limits import LIMITS, Limits
from airwave.web.lines import LINES, Lines
from airwave.web.subscribers import SUBSCRIBERS, Subscribers

__all__ = ["BROKER", "LINES", "make_app"]


def make_app(broker: Broker) -> web.Application:
    """Put the application of a node together.

    Raises:
        SettingsError: a key is none.
    """
    app = web.Application(middlewares=[guard.guard])
    app.on_response_prepare.append(guard.add_headers)
    app[BROKER] = broker
    app[LINES] = Lines(broker)
    app[LIMITS] = Limits(broker.settings, broker.clock)
    app[ACCESS] = Access(broker, app[LIMITS])
    app[SUBSCRIBERS] = Subscribers(broker)
    for module in (events, sockets, publishing, signing_in, files, health, metrics, dashboard):
        module.routes(app)
    return app
