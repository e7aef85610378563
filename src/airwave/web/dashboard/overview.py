"""GET /api/dashboard: who one is and what one may. GET /api/overview: what the node did in the last five minutes."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

from aiohttp import web

from airwave.version import __version__
from airwave.web.access import ACCESS
from airwave.web.answers import json_answer
from airwave.web.dashboard.gate import may_change, reading
from airwave.web.dashboard.samples import Samples
from airwave.web.dashboard.traffic import Traffic
from airwave.web.keys import BROKER

SAMPLES = web.AppKey("samples", Samples)
TRAFFIC = web.AppKey("traffic", Traffic)


async def about(request: web.Request) -> web.Response:
    """Who one is, and what one may."""
    visitor = reading(request)
    return json_answer(
        {
            "role": visitor.role,
            "subject": visitor.subject,
            "dashboard": request.app[BROKER].settings.dashboard,
            "can_change": may_change(request, visitor),
            "signed_in": request.app[ACCESS].cookie_name in request.cookies,
        }
    )


async def overview(request: web.Request) -> web.Response:
    """Facts that stay, and samples."""
    reading(request)
    broker = request.app[BROKER]
    facts = {
        "version": __version__,
        "started_ms": broker.started_at * 1000,
        "durable": broker.journal.durable,
        "port": broker.settings.port,
        "slow_subscriber_policy": broker.settings.slow_subscriber_policy,
    }
    return json_answer({"facts": facts, "samples": list(request.app[SAMPLES].kept)})


async def _sampling(app: web.Application) -> AsyncIterator[None]:
    tasks = [asyncio.create_task(app[SAMPLES].run()), asyncio.create_task(app[TRAFFIC].run())]
    yield
    for task in tasks:
        task.cancel()
    for task in tasks:
        with contextlib.suppress(asyncio.CancelledError):
            await task


def routes(app: web.Application) -> None:
    """Add them to an application, with what measures while it runs."""
    broker = app[BROKER]
    app[SAMPLES] = Samples(broker)
    app[TRAFFIC] = Traffic(broker)
    app.cleanup_ctx.append(_sampling)
    app.router.add_get("/api/dashboard", about)
    app.router.add_get("/api/overview", overview)
