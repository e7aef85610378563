"""GET /api/dashboard: who one is and what one may. GET /api/overview: what the node did in the last five minutes."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

from aiohttp import web

from airwave.broker import Broker
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


async def _run(broker: Broker, measure: Callable[[], Awaitable[None]]) -> None:
    """Measure until it is cancelled; a fault of ours ends that, and nothing else."""
    try:
        await measure()
    except Exception as error:
        broker.host.log("error", "internal error", part="dashboard", exc_info=error)


async def _measuring(app: web.Application) -> AsyncIterator[None]:
    tasks = [asyncio.create_task(_run(app[BROKER], part.run)) for part in (app[SAMPLES], app[TRAFFIC])]
    yield
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def routes(app: web.Application) -> None:
    """Add them to an application, with what measures while it runs."""
    broker = app[BROKER]
    app[SAMPLES] = Samples(broker)
    app[TRAFFIC] = Traffic(broker)
    app.cleanup_ctx.append(_measuring)
    app.router.add_get("/api/dashboard", about)
    app.router.add_get("/api/overview", overview)
