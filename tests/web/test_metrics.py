"""The page of /metrics: its formats, and that Prometheus itself takes it."""

import asyncio
import base64
import os
import shutil
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable

import jwt
import pytest
from live import HOST, Start, free_port
from memory import Node
from prometheus_client.openmetrics.parser import text_string_to_metric_families as open_metrics

from airwave.version import __version__
from airwave.web import metrics
from airwave.web.figures import FIGURES
from airwave.web.survey import Place, look

from .scraping import NO_BROWSERS, Page, scrape, text

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
    body, content_type = asyncio.run(metrics.page(node.broker, OPEN_METRICS, NO_BROWSERS))
    assert content_type.startswith("application/openmetrics-text; version=1.0.0")
    families = {family.name for family in open_metrics(body.decode())}
    assert {figure.name for figure in FIGURES} <= families
    assert body.count(b"# EOF") == 1
    body, content_type = asyncio.run(metrics.page(node.broker, "", NO_BROWSERS))
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
        task = asyncio.ensure_future(metrics.page(node.broker, "", NO_BROWSERS))
        count = 0
        while not task.done():
            await asyncio.sleep(0)
            count += 1
        return count

    assert asyncio.run(turns()) > len(FIGURES)


# --- over HTTP --------------------------------------------------------------------------------------------------------


def fetched(port: int, **headers: str) -> tuple[int, str]:
    """The status and the body."""
    request = urllib.request.Request(f"http://{HOST}:{port}/metrics", headers=headers)
    try:
        with urllib.request.urlopen(request) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


@pytest.fixture
def serve(start: Start) -> Callable[..., int]:
    """Start a server; gives its HTTP port."""

    def serve(*options: str) -> int:
        port = free_port()
        start("--bind", HOST, "--http-port", str(port), *options)
        return port

    return serve


def test_a_browser_on_this_machine_sees_them_where_there_is_no_password(serve: Callable[..., int]) -> None:
    status, body = fetched(serve())
    assert status == 200
    found = Page(body)
    assert found("airwave_clients") == 0
    assert found("airwave_web_clients", kind="sse") == found("airwave_web_clients", kind="websocket") == 0
    assert found("airwave_event_loop_lag_seconds_count") != 0


def test_a_password_protects_them(serve: Callable[..., int]) -> None:
    port = serve("--requirepass", "secret")
    status, body = fetched(port)
    assert status == 401
    assert "airwave_" not in body
    assert fetched(port, Authorization="Bearer wrong")[0] == 401
    assert fetched(port, Authorization="Bearer secret")[0] == 200
    basic = base64.b64encode(b"prometheus:secret").decode()
    status, body = fetched(port, Authorization=f"Basic {basic}")
    assert status == 200
    assert Page(body)("airwave_web_failed_sign_ins_total") == 1


@pytest.mark.parametrize(("role", "status"), [("viewer", 200), ("admin", 200), (None, 403)])
def test_a_token_needs_a_role(serve: Callable[..., int], role: str | None, status: int) -> None:
    key = "k" * 32
    port = serve("--http-token-key", key)
    claims = {"sub": "prometheus", "exp": int(time.time()) + 60, **({"role": role} if role else {})}
    token = jwt.encode(claims, key, "HS256")
    assert fetched(port, Authorization=f"Bearer {token}")[0] == status
    assert fetched(port)[0] == 401


def test_they_may_be_public(serve: Callable[..., int]) -> None:
    assert fetched(serve("--requirepass", "secret", "--metrics-public", "yes"))[0] == 200


def test_a_page_of_another_site_sees_nothing(serve: Callable[..., int]) -> None:
    status, body = fetched(serve(), Origin="https://evil.example")
    assert status == 403
    assert "airwave_" not in body
