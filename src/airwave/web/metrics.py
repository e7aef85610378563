"""GET /metrics: what Prometheus scrapes, in its text format or in that of OpenMetrics, whichever is asked for.

The page is made a metric at a time, and others have a turn between two: it must not be felt that somebody looks.
"""

import asyncio
from collections.abc import Iterable

from aiohttp import web
from prometheus_client.exposition import choose_encoder
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from airwave.broker import Broker
from airwave.version import REDIS_VERSION, __version__
from airwave.web import stream_figures
from airwave.web.access import ACCESS, require
from airwave.web.events import EventSession
from airwave.web.figures import FIGURES, Browsers, Facts, Figure
from airwave.web.keys import BROKER
from airwave.web.sockets import SocketSession
from airwave.web.subscribers import SUBSCRIBERS
from airwave.web.survey import look

__all__ = ["FIGURES", "browsers_of", "family", "page", "routes"]

assert stream_figures.__doc__  # imported: its rows are in the table

_END = b"# EOF\n"  # of a page of OpenMetrics


def routes(app: web.Application) -> None:
    """Add the route."""
    app.router.add_get("/metrics", _metrics)


async def _metrics(request: web.Request) -> web.Response:
    broker = request.app[BROKER]
    if not broker.settings.metrics_public:
        require(request, "viewer")
    body, content_type = await page(broker, request.headers.get("Accept", ""), browsers_of(request.app))
    return web.Response(body=body, headers={"Content-Type": content_type, "Cache-Control": "no-store"})


def browsers_of(app: web.Application) -> Browsers:
    """What an application knows of browsers."""
    kinds = {EventSession: 0, SocketSession: 0}
    for session in app[SUBSCRIBERS]:
        kinds[type(session)] += 1
    shown = {"sse": kinds[EventSession], "websocket": kinds[SocketSession]}
    return Browsers(shown, app[SUBSCRIBERS].expired, app[ACCESS].failed_sign_ins)


async def page(broker: Broker, accept: str, browsers: Browsers) -> tuple[bytes, str]:
    """The page and its content type.

    Args:
        accept: the header of the request.
    """
    survey = await look(broker, broker.settings.metrics_streams_max)
    facts = Facts(broker, survey, broker.host.usage(), broker.journal.facts(), browsers)
    encode, content_type = choose_encoder(accept)
    parts = [encode(_One(_about()))]
    for figure in FIGURES:
        parts.append(encode(_One(family(figure, facts))))
        await asyncio.sleep(0)
    if parts[0].endswith(_END):
        parts = [*[part.removesuffix(_END) for part in parts], _END]
    return b"".join(parts), content_type


class _One(Collector):
    """A single metric, where the library wants to collect many."""

    def __init__(self, metric: Metric) -> None:
        self._metric = metric

    def collect(self) -> Iterable[Metric]:
        return [self._metric]


def _about() -> Metric:
    made = GaugeMetricFamily("airwave_info", "What runs here; always 1.", labels=["version", "redis_version"])
    made.add_metric([__version__, REDIS_VERSION], 1)
    return made


def family(figure: Figure, facts: Facts) -> Metric:
    """A metric with its samples, as the library has it."""
    # By labels: a stream that was renamed while others were looked at may have been seen twice.
    samples = dict(figure.samples(facts))
    if figure.kind == "histogram":
        histogram = HistogramMetricFamily(figure.name, figure.meaning, labels=figure.labels)
        for labels, (buckets, total) in samples.items():
            histogram.add_metric(labels, buckets, total)
        return histogram
    made = (CounterMetricFamily if figure.kind == "counter" else GaugeMetricFamily)(
        figure.name, figure.meaning, labels=figure.labels
    )
    for labels, value in samples.items():
        made.add_metric(labels, value)
    return made
