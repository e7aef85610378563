"""airwave.js in real Chromium, in a page of another site."""

import os
import shutil
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from doc_examples import blocks
from live import HOST, Node, wait_for
from playwright.sync_api import Browser, Page, sync_playwright

from .conftest import MakeSite
from .site import KEY, Site, token

ARGS = (
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
)
pytestmark = pytest.mark.slow  # starting Chromium

DOCUMENT = Path(__file__).parents[2] / "docs" / "browsers.md"
PAGE = b"<!doctype html><title>app</title><link rel=icon href=data:,>"
WAIT_MS = 30_000
OpenPage = Callable[..., Page]


class _App(BaseHTTPRequestHandler):
    """The other site: an empty page."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Length", str(len(PAGE)))
        self.end_headers()
        self.wfile.write(PAGE)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(scope="module")
def app() -> Iterator[str]:
    """The origin of another site."""
    with ThreadingHTTPServer((HOST, 0), _App) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://localhost:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Chromium."""
    path = shutil.which("chromium") or shutil.which("chromium-browser")
    if path is None:
        assert not os.environ.get("CI"), "the tests of the pages need chromium: apt-get install chromium"
        pytest.skip("there is no chromium here: apt-get install chromium")
    with sync_playwright() as playwright:
        found = playwright.chromium.launch(executable_path=path, args=ARGS)
        yield found
        found.close()


@pytest.fixture(scope="module")
def site(app: str) -> Iterator[Site]:
    """A server that the tests share, which pages of the other site may use."""
    nodes: list[Node] = []

    def start(*options: str, **about: Any) -> Node:
        nodes.append(Node(*options, **about))
        return nodes[-1]

    found = Site(start, "--http-rate-limit", "0", "--remember", "kept* maxlen 50", "--http-origins", app)
    with found.node as node:
        yield found
        node.assert_no_fault()


@pytest.fixture
def page(browser: Browser, app: str, site: Site) -> Iterator[Page]:
    """A page of the other site with the module loaded; `air` is connected to the shared server."""
    yield from _page(browser, app, site)


def _page(browser: Browser, app: str, site: Site, options: str = "{}") -> Iterator[Page]:
    context = browser.new_context()
    found = context.new_page()
    found.set_default_timeout(WAIT_MS)
    faults: list[str] = []
    found.on("pageerror", lambda error: faults.append(str(error)))
    found.goto(app)
    found.evaluate(
        """async ([url, options]) => {
            Object.assign(window, await import(`${url}/airwave.js`));
            window.got = []; window.gaps = []; window.statuses = []; window.errors = [];
            const about = eval(`(${options})`);
            window.air = connect(undefined, {
                retryMinMs: 20, retryMaxMs: 200, ...about,
                onGap: (gap) => gaps.push(gap),
                onStatus: (status, about) => statuses.push([status, about]),
                onError: (error) => errors.push(String(error)),
            });
            window.keep = (message) => got.push(message);
        }""",
        [site.url, options],
    )
    yield found
    context.close()
    assert not faults


def got(page: Page, count: int) -> list[Any]:
    """Wait for so many messages; their data."""
    page.wait_for_function("count => got.length >= count", arg=count)
    return list(page.evaluate("got.map((message) => message.data)"))


def test_subscribe_and_publish(page: Page, site: Site) -> None:
    assert (
        page.evaluate(
            """async () => {
            await air.subscribe("a", keep).ready;
            await air.psubscribe("b*", keep).ready;
            return [await air.publish("a", "hé"), await air.publish("b1", new Uint8Array([255, 0]))];
        }"""
        )
        == [{"delivered": 1, "entry": None}] * 2
    )
    page.wait_for_function("got.length == 2")
    assert page.evaluate("[got[0].channel, got[0].data, got[0].pattern]") == ["a", "hé", None]
    assert page.evaluate("[got[1].channel, [...got[1].data], got[1].pattern]") == ["b1", [255, 0], "b*"]
    site.redis("PUBLISH", "a", '{"x": [1]}')
    page.wait_for_function("got.length == 3")
    assert page.evaluate("got[2].json()") == {"x": [1]}


def test_unsubscribe(page: Page, site: Site) -> None:
    page.evaluate(
        """async () => {
            window.one = air.subscribe("left", keep); window.two = air.subscribe("left", () => {});
            await Promise.all([one.ready, two.ready]); one.unsubscribe();
        }"""
    )
    site.redis("PUBLISH", "left", "x")
    assert page.evaluate("air.publish('left', 'y')")["delivered"] == 1  # for the other listener
    page.evaluate("() => { two.unsubscribe(); two.unsubscribe(); }")
    assert page.evaluate("air.publish('left', 'z')")["delivered"] == 0
    assert page.evaluate("got") == []


def test_history_and_since(page: Page, site: Site) -> None:
    ids = [site.publish("kept:history", str(number)).json["entry"] for number in range(5)]
    history = page.evaluate("air.history('kept:history', {count: 3})")
    assert [each["data"] for each in history["entries"]] == ["0", "1", "2"]
    assert (history["next"], history["gap"]) == (ids[2], False)
    page.evaluate("air.subscribe('kept:history', keep, {since: '-2'}).ready")
    assert got(page, 2) == ["3", "4"]
    assert page.evaluate("got.map((message) => message.entry)") == ids[3:]


def test_what_the_server_refuses(page: Page) -> None:
    refused = "async (run) => { try { await eval(run); return null } catch (error) { return String(error) } }"
    assert "not remembered" in page.evaluate(refused, "air.history('plain')")
    assert "not remembered" in page.evaluate(refused, "air.subscribe('plain', keep, {since: '10m'}).ready")
    assert "write an ID" in page.evaluate(refused, "air.subscribe('kept', keep, {since: 'soon'}).ready")


def test_a_callback_that_throws_harms_nobody_else(page: Page, site: Site) -> None:
    page.evaluate("air.subscribe('thrown', () => { throw new Error('mine') }).ready")
    page.evaluate("air.subscribe('thrown', keep).ready")
    site.redis("PUBLISH", "thrown", "x")
    assert got(page, 1) == ["x"]
    assert page.evaluate("errors") == ["Error: mine"]


def test_it_comes_back_after_a_lost_connection_without_a_hole_or_a_double(page: Page, site: Site) -> None:
    page.evaluate("Promise.all([air.subscribe('kept:cut', keep).ready, air.psubscribe('kept:c*', keep).ready])")
    for number in range(60):
        site.redis("PUBLISH", "kept:cut", number)
        if number % 20 == 10:
            site.redis("CLIENT", "KILL", "TYPE", "pubsub")
    got(page, 120)
    for pattern in ("undefined", "'kept:c*'"):
        data = page.evaluate(f"got.filter((each) => each.pattern === {pattern}).map((each) => each.data)")
        assert data == [str(number) for number in range(60)]
    assert page.evaluate("gaps") == []


def test_over_a_restart_of_the_server(serve: MakeSite, browser: Browser, app: str, tmp_path: Path) -> None:
    options = ("--appendonly", "yes", "--dir", str(tmp_path), "--remember", "kept* maxlen 5", "--http-origins", app)
    site = serve(*options)
    pages = _page(browser, app, site)
    page = next(pages)
    page.evaluate("air.subscribe('kept', keep).ready")
    site.redis("PUBLISH", "kept", "before")
    assert got(page, 1) == ["before"]
    site.node.kill()
    page.wait_for_function("air.status == 'waiting'")
    page.evaluate("() => { window.waited = air.publish('kept', 'waited') }")
    site = serve(*options, ports=site.ports)
    assert page.evaluate("waited.then(({entry}) => !!entry)")
    assert got(page, 2) == ["before", "waited"]
    assert page.evaluate("gaps") == []
    # Now it is away for longer than history reaches back.
    site.node.kill()
    page.wait_for_function("air.status == 'waiting'")
    page.evaluate("() => { air._options.token = () => new Promise((resolve) => { window.go = () => resolve('') }) }")
    site = serve(*options, ports=site.ports)
    for number in range(20):
        site.redis("PUBLISH", "kept", number)
    page.wait_for_function("() => !!window.go")
    page.evaluate("go()")
    assert got(page, 7) == ["before", "waited", "15", "16", "17", "18", "19"]
    gap = page.evaluate("gaps[0]")
    assert gap["channels"] == ["kept"]
    assert gap["since"] < gap["lost"]
    assert page.evaluate("gaps.length") == 1
    next(pages, None)


def test_the_page_of_the_documents(page: Page, site: Site) -> None:
    (shown,) = [each.text for each in blocks(DOCUMENT.read_text()) if each.language == "html"]
    assert "http://localhost:6380" in shown
    site.redis("CONFIG", "SET", "remember", "kept* maxlen 50 news*")
    for number in range(12):
        site.redis("PUBLISH", "news", f"<b>{number}</b>")
    page.set_content(shown.replace("http://localhost:6380", site.url))
    page.wait_for_function("document.querySelectorAll('li').length == 10")
    site.redis("PUBLISH", "news", "live")
    page.wait_for_function("document.querySelector('li:last-child').textContent == 'live'")
    assert page.locator("li").first.text_content() == "<b>2</b>"


def test_close(page: Page) -> None:
    outcome = page.evaluate(
        """async () => {
            await air.subscribe("a", keep).ready;
            air.close();
            try { await air.publish("a", "x"); } catch (error) { return [air.status, String(error)]; }
        }"""
    )
    assert outcome == ["closed", "Error: the connection is closed"]
    assert page.evaluate("statuses.map(([status]) => status)")[-2:] == ["open", "closed"]


def test_tokens(serve: MakeSite, browser: Browser, app: str) -> None:
    site = serve("--http-token-key", KEY, "--http-origins", app)
    now = wait_for(lambda: int(bytes(site.redis("TIME")[0])), "the time")
    short, long = (token(["a"], exp=exp) for exp in (now - 3, now + 600))
    # A function is asked each time: the first token expires while the connection is open.
    pages = _page(
        browser,
        app,
        site,
        f"{{token: async () => (window.asked = (window.asked ?? 0) + 1) == 1 ? {short!r} : {long!r}}}",
    )
    page = next(pages)
    page.evaluate("air.subscribe('a', keep).ready")
    page.wait_for_function("statuses.filter(([status]) => status == 'open').length == 2")
    assert page.evaluate("statuses.find(([status]) => status == 'waiting')[1].code") == 4401
    wait_for(lambda: site.redis("PUBLISH", "a", "x") == 1, "the subscription")
    assert got(page, 1) == ["x"]
    next(pages, None)
    # One that is written down is of no more use.
    pages = _page(browser, app, site, f"{{token: {token(['a'], exp=int(bytes(site.redis('TIME')[0])) - 3)!r}}}")
    page = next(pages)
    page.wait_for_function("air.status == 'closed'")
    assert page.evaluate("statuses.at(-1)[1].reason") == "the token has expired"
    next(pages, None)
