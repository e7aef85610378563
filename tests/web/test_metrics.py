"""The page of /metrics: its formats, and that Prometheus itself takes it."""

import asyncio
import os
import shutil
import subprocess

import pytest
from memory import Node
from prometheus_client.openmetrics.parser import text_string_to_metric_families as open_metrics

from airwave.version import __version__
from airwave.web import metrics
from airwave.web.figures import FIGURES
from airwave.web.survey import Place, look

from .scraping import Page, scrape, text

OPEN_METRICS = "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5"


@pytest.fixture
def node() -> Node:
    """A node on which a little has happened."""
    node = Node()
    peer = node.peer()
    peer.ask("SUBSCRIBE news")
    other = node.peer()
    other.ask("PUBLISH news hi")
    other.ask("XADD orders * a b")
    other.ask("XGROUP CREATE orders g 0")
    other.do("GET orders", lambda reply: "WRONGTYPE" in str(reply))
    node.broker.stats.loop_lag.note(1_000_000)
    return node


def need_promtool() -> str:
    """Prometheus's own checker, or the test is skipped; on CI there must be one."""
    path = shutil.which("promtool")
    if path is None:
        reason = "promtool is not installed: apt-get install prometheus"
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)
    return path


def test_every_figure_is_there_with_its_kind_and_meaning(node: Node) -> None:
    found = Page(text(node))
    for figure in FIGURES:
        shown = found.families[figure.name]
        assert (shown.type, shown.documentation) == (figure.kind, figure.meaning)
        for sample in shown.samples:
            assert set(sample.labels) - {"le"} == set(figure.labels)
    assert found.families["airwave_info"].samples[0].labels["version"] == __version__


def test_the_format_is_what_is_asked_for(node: Node) -> None:
    body, content_type = asyncio.run(metrics.page(node.broker, OPEN_METRICS, {}))
    assert content_type.startswith("application/openmetrics-text; version=1.0.0")
    families = {family.name for family in open_metrics(body.decode())}
    assert {figure.name for figure in FIGURES} <= families
    assert body.count(b"# EOF") == 1
    body, content_type = asyncio.run(metrics.page(node.broker, "", {}))
    assert content_type.startswith("text/plain; version=0.0.4")
    assert b"# EOF" not in body


@pytest.mark.parametrize("fresh", [True, False])
def test_prometheus_has_nothing_to_say_against_it(node: Node, fresh: bool) -> None:
    page = text(Node() if fresh else node)
    done = subprocess.run([need_promtool(), "check", "metrics"], input=page.encode(), capture_output=True, check=False)
    assert (done.returncode, done.stdout + done.stderr) == (0, b"")


def test_a_stream_that_was_seen_twice_is_shown_once(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    async def twice(broker: object, bound: int) -> object:
        found = await look(broker, bound)  # type: ignore[arg-type]
        (place,) = found.streams.kept()
        found.streams.add((0, 0), Place(*place))
        return found

    monkeypatch.setattr(metrics, "look", twice)
    assert scrape(node)("airwave_stream_length", db="0", stream="orders") == 1


def test_others_have_a_turn_between_two_metrics(node: Node) -> None:
    async def turns() -> int:
        task = asyncio.ensure_future(metrics.page(node.broker, "", {}))
        count = 0
        while not task.done():
            await asyncio.sleep(0)
            count += 1
        return count

    assert asyncio.run(turns()) > len(FIGURES)
