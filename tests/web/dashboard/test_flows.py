"""What people do in the dashboard, in Chromium."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from live import Peer, wait_for
from playwright.sync_api import Locator, Page, expect

from ..conftest import MakeSite
from ..site import KEY, Site, token
from .conftest import OpenPage

pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True)
def _no_keys(site: Site) -> None:
    site.redis("FLUSHALL")


def first_column(page: Page) -> list[str]:
    return page.locator("tbody tr:not(.skeleton) > th").all_inner_texts()


def rows(page: Page, count: int) -> Locator:
    found = page.locator("tbody tr:not(.skeleton)")
    expect(found).to_have_count(count)
    return found


@contextmanager
def subscribed(site: Site, *channels: str, name: str = "") -> Iterator[Peer]:
    with site.node.connect() as peer:
        if name:
            peer.do("CLIENT", "SETNAME", name)
        peer.send("SUBSCRIBE", *channels)
        for _ in channels:
            peer.read()
        yield peer


# --- signing in -------------------------------------------------------------------------------------------------------


def test_signing_in_with_the_password_and_out_again(serve: MakeSite, visit: OpenPage) -> None:
    site = serve("--requirepass", "secret")
    page = visit(site, allowed=("401 (Unauthorized)",)).page
    field = page.get_by_label("Password or admin token")
    expect(field).to_be_focused()
    expect(page.get_by_role("navigation")).to_have_count(0)
    field.fill("wrong")
    page.keyboard.press("Enter")
    expect(page.get_by_role("alert")).to_have_text("the password is wrong")
    field.fill("secret")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Overview")).to_be_visible()
    expect(page.get_by_text("admin", exact=True)).to_be_visible()
    assert page.evaluate("document.cookie") == ""
    # Live data come by the cookie as well.
    line = page.locator(".hero path.line.main")
    before = line.get_attribute("d")
    wait_for(lambda: line.get_attribute("d") != before, "the line to move")
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_label("Password or admin token")).to_be_visible()


def test_signing_in_with_a_token(serve: MakeSite, visit: OpenPage) -> None:
    site = serve("--http-token-key", KEY)
    page = visit(site, "clients", allowed=("401 (Unauthorized)",)).page
    page.get_by_label("Password or admin token").fill(token(role="viewer"))
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_text("viewer: look only")).to_be_visible()
    expect(page.get_by_role("heading", name="Clients")).to_be_visible()


def test_when_the_session_ends_the_form_comes_back(serve: MakeSite, visit: OpenPage) -> None:
    site = serve("--requirepass", "secret")
    page = visit(site, "settings", allowed=("401 (Unauthorized)", "WebSocket connection")).page
    page.get_by_label("Password or admin token").fill("secret")
    page.keyboard.press("Enter")
    expect(page.locator(".setting").first).to_be_visible()
    with site.node.connect() as peer:
        peer.do("AUTH", "secret")
        peer.do("CONFIG", "SET", "requirepass", "other")
        peer.do("CLIENT", "KILL", "TYPE", "pubsub")
        peer.do("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
    expect(page.get_by_label("Password or admin token")).to_be_visible()


# --- overview ---------------------------------------------------------------------------------------------------------


def test_the_lines_move(site: Site, visit: OpenPage) -> None:
    page = visit(site).page
    line = page.locator(".hero path.line.main")
    expect(line).to_have_attribute("d", re.compile("M"))
    before = line.get_attribute("d")
    with site.node.connect() as peer:
        for _ in range(50):
            peer.do("PUBLISH", "news", "x")
    wait_for(lambda: line.get_attribute("d") != before, "the line to move")
    expect(page.locator(".hero")).to_contain_text("Published")
    chart = page.get_by_role("img", name="Messages per second")
    expect(chart).to_have_accessible_name(re.compile(r"delivered [\d.,]+.*, published [\d.,]+"))


def test_somebody_new_is_told_what_to_do(serve: MakeSite, visit: OpenPage) -> None:
    page = visit(serve()).page
    expect(page.get_by_role("heading", name="Nobody is here yet")).to_be_visible()
    expect(page.locator(".command").first).to_contain_text("airwave sub news")


def test_the_page_says_when_the_server_is_away_and_comes_back(serve: MakeSite, visit: OpenPage) -> None:
    site = serve()
    page = visit(site, allowed=("ERR_CONNECTION_REFUSED", "WebSocket connection", "ERR_")).page
    expect(page.get_by_role("heading", name="Overview")).to_be_visible()
    expect(page.locator(".figure").first).not_to_have_text("–")
    site.node.kill()
    banner = page.get_by_text("The server does not answer")
    expect(banner).to_be_visible()
    again = serve(ports=site.ports)
    expect(banner).to_be_hidden()
    with subscribed(again, "a", "b", "c"):
        expect(page.locator("[data-tile=subscriptions] .figure")).to_have_text("4")  # the page has one itself


# --- channels ---------------------------------------------------------------------------------------------------------


def test_searching_and_sorting_ten_thousand_channels(site: Site, visit: OpenPage) -> None:
    names = [f"user:{number:05}" for number in range(10_000)]
    with subscribed(site, *names), subscribed(site, "user:04242"):
        page = visit(site, "channels?q=user").page
        expect(page.get_by_text("1–50 of 10,000")).to_be_visible()
        assert first_column(page)[:2] == ["user:04242", "user:00000"]
        page.get_by_role("button", name="Channel", exact=True).click()
        expect(page.locator("tbody th").first).to_have_text("user:00000")
        page.get_by_role("button", name="Channel", exact=True).click()
        expect(page.locator("tbody th").first).to_have_text("user:09999")
        expect(page.get_by_role("columnheader", name="Channel")).to_have_attribute("aria-sort", "descending")
        page.get_by_role("button", name="Next").click()
        expect(page.get_by_text("51–100 of 10,000")).to_be_visible()
        page.keyboard.press("/")
        page.keyboard.press("Control+A")
        page.keyboard.type("user:0424")
        rows(page, 10)
        page.get_by_role("searchbox").fill("*:0424?")
        rows(page, 10)
        page.reload()
        expect(page.get_by_role("searchbox")).to_have_value("*:0424?")
        rows(page, 10)
        page.get_by_role("searchbox").fill("nothing like it")
        expect(page.get_by_role("heading", name="Nothing matches “nothing like it”")).to_be_visible()


def test_tailing_a_channel(site: Site, visit: OpenPage) -> None:
    page = visit(site, "channels").page
    page.get_by_label("Tail any channel or pattern").fill("news:eu/ä")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="news:eu/ä")).to_be_visible()
    people = page.get_by_role("region", name="Who listens")
    expect(people.get_by_role("listitem")).to_have_count(1)  # the page itself
    messages = page.get_by_role("log").get_by_role("listitem")
    site.redis("PUBLISH", "news:eu/ä", '{"id":12345678901234567890,"tags":["a"]}')
    expect(messages).to_have_count(1)
    shown = messages.first.locator("pre").inner_text()
    assert shown == '{\n  "id": 12345678901234567890,\n  "tags": [\n    "a"\n  ]\n}'
    page.get_by_label("Pretty JSON").uncheck()
    expect(messages.first.locator("pre")).to_have_text('{"id":12345678901234567890,"tags":["a"]}')
    page.get_by_role("button", name="Pause").click()
    for number in range(3):
        site.redis("PUBLISH", "news:eu/ä", f"number {number}")
    expect(page.get_by_text("paused, 3 new")).to_be_visible()
    expect(messages).to_have_count(1)
    page.get_by_role("button", name="Go on").click()
    expect(messages).to_have_count(4)
    expect(messages.first).to_contain_text("number 2")
    page.get_by_label("Show only messages with").fill("NUMBER 1")
    expect(messages).to_have_count(1)
    expect(messages.first).to_contain_text("number 1")
    page.get_by_label("Show only messages with").fill("")
    page.get_by_role("button", name="Clear").click()
    expect(messages).to_have_count(0)
    site.redis("PUBLISH", "news:eu/ä", b"\xff\x00raw")
    expect(messages.first.locator("pre")).to_contain_text("ff 00 72 61 77")


def test_a_flood_leaves_the_page_quick(site: Site, visit: OpenPage) -> None:
    page = visit(site, "channel/flood").page
    people = page.get_by_role("region", name="Who listens")
    expect(people.get_by_role("listitem")).to_have_count(1)
    with site.node.connect() as peer:
        for _ in range(20):
            for number in range(500):
                peer.send("PUBLISH", "flood", f'{{"number": {number}, "text": "{"x" * 100}"}}')
            for _ in range(500):
                peer.read()
    expect(page.get_by_text("10,000 messages", exact=True)).to_be_visible()
    messages = page.get_by_role("log").get_by_role("listitem")
    expect(messages).to_have_count(200)
    expect(messages.first).to_contain_text('"number": 499')
    page.get_by_label("Show only messages with").fill('"number": 7,')
    expect(page.get_by_text("1 shown · 10,000 messages")).to_be_visible()


def test_a_test_message_and_who_gets_it(site: Site, visit: OpenPage) -> None:
    with subscribed(site, "news", name="ann") as ann:
        page = visit(site, "channel/news").page
        people = page.get_by_role("region", name="Who listens")
        expect(people.get_by_text("ann")).to_be_visible()
        expect(people.get_by_text(ann.name)).to_be_visible()
        page.get_by_label("Publish a test message").fill('{"a": 1}')
        page.keyboard.press("Control+Enter")
        expect(page.get_by_text("Reached 2 subscribers.")).to_be_visible()
        assert ann.read() == [b"message", b"news", b'{"a": 1}']
        expect(page.get_by_role("log").get_by_role("listitem")).to_have_count(1)


def test_a_remembered_channel_begins_with_what_was(site: Site, visit: OpenPage) -> None:
    for number in range(3):
        site.redis("PUBLISH", "kept:news", f"old {number}")
    page = visit(site, "channel/kept%3Anews").page
    messages = page.get_by_role("log").get_by_role("listitem")
    expect(messages).to_have_count(3)
    expect(messages.first).to_contain_text("old 2")
    site.redis("PUBLISH", "kept:news", "new")
    expect(messages).to_have_count(4)
    expect(page.get_by_role("region", name="Remembered")).to_contain_text("4 messages kept, by the rule kept*")


def test_a_pattern(site: Site, visit: OpenPage) -> None:
    with site.node.connect() as peer:
        peer.do("PSUBSCRIBE", "orders:*")
        page = visit(site, "channels").page
        page.get_by_role("button", name="Patterns").click()
        page.get_by_role("link", name="orders:*").click()
        expect(page.get_by_role("region", name="Who listens").get_by_role("listitem")).to_have_count(2)
        site.redis("PUBLISH", "orders:new", "x")
        expect(page.get_by_role("log").get_by_role("link", name="orders:new")).to_be_visible()


# --- streams ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def orders(site: Site) -> Site:
    """60 entries a minute apart, Ann has three, Bob has none and has seen all others; two dead letters."""
    with site.node.connect() as peer:
        for number in range(1, 61):
            peer.do("XADD", "orders", f"{1_700_000_000_000 + number * 60_000}-0", "data", f'{{"order":{number}}}')
        peer.do("XGROUP", "CREATE", "orders", "billing", "0")
        peer.do("XREADGROUP", "GROUP", "billing", "ann", "COUNT", 3, "STREAMS", "orders", ">")
        peer.do("XGROUP", "CREATECONSUMER", "orders", "billing", "bob")
        for number in range(2):
            peer.do("XADD", "orders:dead", f"{number + 1}-0", "data", f"dead {number}", "group", "billing")
    return site


def confirm(page: Page, action: str) -> None:
    page.get_by_role("dialog").get_by_role("button", name=action, exact=True).click()
    expect(page.get_by_role("dialog")).to_have_count(0)


def entry_ids(page: Page) -> list[int]:
    texts = page.locator(".entries .id").all_inner_texts()
    return [(int(text.partition("-")[0]) - 1_700_000_000_000) // 60_000 for text in texts]


def shows(page: Page, first: int) -> None:
    expect(page.locator(".entries .id").first).to_have_text(f"{1_700_000_000_000 + first * 60_000}-0")


def test_browsing_entries_by_id_and_by_time(orders: Site, visit: OpenPage) -> None:
    page = visit(orders, "streams", timezone_id="Europe/Berlin").page
    page.get_by_role("link", name="orders", exact=True).click()
    shows(page, 60)
    assert entry_ids(page) == list(range(60, 35, -1))
    page.get_by_role("button", name="Next").click()
    shows(page, 35)
    page.get_by_role("button", name="Previous").click()
    shows(page, 60)
    start = page.get_by_label("from", exact=True)
    start.fill("1700000600000-0")
    start.press("Enter")
    shows(page, 10)
    page.get_by_label("Order").select_option("oldest")
    wait_for(lambda: entry_ids(page) == list(range(10, 35)), "the other order, which begins with the same entry")
    start.fill("2023-11-14 23:33")  # in Berlin; 1700000000 is 23:13:20
    start.press("Enter")
    shows(page, 20)
    page.reload()
    shows(page, 20)
    start.fill("-10m")
    start.press("Enter")
    expect(page.get_by_text("Nothing from there on")).to_be_visible()
    start.fill("yesterday")
    start.press("Enter")
    expect(page.get_by_role("alert")).to_contain_text("is no ID and no time")
    start.fill("")
    start.press("Enter")
    page.locator(".entries summary").first.click()
    expect(page.locator(".entries pre").first).to_have_text('{\n  "order": 1\n}')


def test_deleting_an_entry(orders: Site, visit: OpenPage) -> None:
    page = visit(orders, "stream/orders").page
    page.locator(".entries summary").first.click()
    page.get_by_role("button", name="Delete entry").click()
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)
    assert orders.redis("XLEN", "orders") == 60
    page.get_by_role("button", name="Delete entry").click()
    expect(page.get_by_role("button", name="Cancel")).to_be_focused()
    confirm(page, "Delete")
    shows(page, 59)
    expect(page.get_by_text("The entry was deleted.")).to_be_visible()
    assert orders.redis("XLEN", "orders") == 59


def test_groups_and_what_is_pending(orders: Site, visit: OpenPage) -> None:
    page = visit(orders, "stream/orders").page
    page.get_by_role("link", name="Groups (1)").click()
    group = page.get_by_role("region", name="Group billing")
    expect(group.locator("dl")).to_contain_text("57")
    expect(group.locator("tbody tr")).to_have_count(2)
    group.get_by_role("link", name="Look at what is pending (3)").click()
    expect(page.locator("tr[data-id]")).to_have_count(3)
    page.get_by_role("button", name="Inspect").first.click()
    expect(page.locator(".entrycell pre").first).to_have_text('{\n  "order": 1\n}')
    # Claim two for Bob.
    page.get_by_label("Choose 1700000060000-0").check()
    page.get_by_label("Choose 1700000120000-0").check()
    expect(page.get_by_text("2 chosen")).to_be_visible()
    page.get_by_role("button", name="Claim…").click()
    page.get_by_label("For the consumer").fill("bob")
    confirm(page, "Claim")
    expect(page.get_by_text("2 entries claimed.")).to_be_visible()
    expect(page.locator("tr[data-id]").first).to_contain_text("bob")
    # Acknowledge those.
    page.get_by_label("Consumer", exact=True).select_option("bob")
    expect(page.locator("tr[data-id]")).to_have_count(2)
    page.get_by_label("Choose all on this page").check()
    page.get_by_role("button", name="Acknowledge…").click()
    confirm(page, "Acknowledge")
    expect(page.get_by_text("2 entries acknowledged.")).to_be_visible()
    assert orders.redis("XPENDING", "orders", "billing")[0] == 1


def test_dead_letters_go_back_or_away(orders: Site, visit: OpenPage) -> None:
    page = visit(orders, "stream/orders").page
    page.get_by_role("link", name="2 dead letters").click()
    expect(page.get_by_text("These are the dead letters of orders")).to_be_visible()
    page.locator(".entries summary").first.click()
    page.locator(".entries").get_by_role("button", name="Retry").click()
    confirm(page, "Retry")
    expect(page.get_by_text("1 dead letter put back into the stream.")).to_be_visible()
    expect(page.locator(".entries li")).to_have_count(1)
    (entry,) = orders.redis("XREVRANGE", "orders", "+", "-", "COUNT", 1)
    assert entry[1] == [b"data", b"dead 1", b"for_group", b"billing"]
    page.get_by_role("button", name="Retry all…").click()
    page.keyboard.press("Escape")
    assert orders.redis("XLEN", "orders:dead") == 1
    page.get_by_role("button", name="Retry all…").click()
    confirm(page, "Retry all")
    expect(page.get_by_text("The stream is empty")).to_be_visible()
    assert orders.redis("XLEN", "orders") == 62
    orders.redis("XADD", "orders:dead", "*", "data", "x", "group", "billing")
    page.get_by_role("button", name="Delete all…").click()
    confirm(page, "Delete all")
    wait_for(lambda: orders.redis("XLEN", "orders:dead") == 0, "the letter to be deleted")


# --- clients, slow log, settings --------------------------------------------------------------------------------------


def test_killing_a_client(site: Site, visit: OpenPage) -> None:
    with subscribed(site, "a", name="ann") as ann, subscribed(site, "a", name="bob"):
        page = visit(site, "clients").page
        page.get_by_role("searchbox").fill("ann")
        line = rows(page, 1)
        expect(line).to_contain_text(ann.name)
        line.get_by_role("button", name="Kill").click()
        expect(page.get_by_role("dialog")).to_contain_text(f"ann ({ann.name})")
        confirm(page, "Kill")
        expect(page.get_by_text("No client matches “ann”")).to_be_visible()
        assert ann.is_closed()


def test_the_slow_log(site: Site, visit: OpenPage) -> None:
    site.redis("CONFIG", "SET", "slowlog-log-slower-than", 0)
    site.redis("SET", "slow", "command")
    site.redis("CONFIG", "SET", "slowlog-log-slower-than", 10_000)
    page = visit(site, "slowlog").page
    expect(page.get_by_text("Commands that took longer than 10 ms; the last 128 are kept.")).to_be_visible()
    expect(page.get_by_text("SET slow command")).to_be_visible()
    page.get_by_role("button", name="Empty it").click()
    confirm(page, "Empty it")
    expect(page.get_by_text("No slow commands")).to_be_visible()


def test_settings(site: Site, visit: OpenPage) -> None:
    page = visit(site, "settings").page
    page.get_by_role("searchbox").fill("slow-subscriber-policy")
    setting = page.locator(".setting", has=page.get_by_text("slow-subscriber-policy", exact=True)).last
    expect(setting).to_contain_text("disconnect")
    page.get_by_role("searchbox").fill("")
    page.get_by_label("Only changed ones").check()
    expect(page.locator(".setting", has_text="http-port")).to_contain_text(str(site.port))
    expect(page.locator(".setting", has_text="slowlog-max-len")).to_have_count(0)


# --- who may only look ------------------------------------------------------------------------------------------------

CHANGING = ["Kill", "Delete entry", "Claim…", "Acknowledge…", "Retry all…", "Delete all…", "Empty it", "Publish"]


@pytest.mark.parametrize("mode", ["read-only", "viewer"])
def test_who_may_only_look_finds_nothing_to_change(serve: MakeSite, visit: OpenPage, mode: str) -> None:
    options = ("--dashboard", "read-only") if mode == "read-only" else ("--http-token-key", KEY)
    site = serve(*options)
    headers: dict[str, Any] = {}
    if mode == "viewer":
        headers = {"extra_http_headers": {"Authorization": f"Bearer {token(role='viewer')}"}}
    with site.node.connect() as peer:
        peer.do("XADD", "orders", "1-0", "data", "x")
        peer.do("XGROUP", "CREATE", "orders", "g", "0")
        peer.do("XREADGROUP", "GROUP", "g", "ann", "STREAMS", "orders", ">")
        peer.do("XADD", "orders:dead", "1-0", "data", "x")
        # Browsers cannot send the header with a WebSocket: live data are missing then, the rest is there.
        window = visit(site, "clients", allowed=("WebSocket connection", "401"), **headers)
        page = window.page
        expect(page.get_by_text("read-only" if mode == "read-only" else "viewer: look only")).to_be_visible()
        for where, there in [
            ("clients", "127.0.0.1"),
            ("stream/orders", "1-0"),
            ("stream/orders/pending/g", "1-0"),
            ("stream/orders%3Adead", "These are the dead letters"),
            ("slowlog", "No slow commands"),
            ("channel/news", "Who listens"),
        ]:
            window.go(where)
            expect(page.get_by_text(there).first).to_be_visible()
            if page.locator(".entries summary").count():
                page.locator(".entries summary").first.click()
            for name in CHANGING:
                expect(page.get_by_role("button", name=name, exact=True)).to_have_count(0)


def test_keys(site: Site, visit: OpenPage) -> None:
    page = visit(site).page
    expect(page.get_by_role("heading", name="Overview")).to_be_visible()
    for key, heading in [("c", "Channels"), ("s", "Streams"), ("l", "Clients"), ("w", "Slow log"), ("t", "Settings")]:
        page.keyboard.press("g")
        page.keyboard.press(key)
        expect(page.get_by_role("heading", name=heading, exact=True)).to_be_visible()
    page.keyboard.press("/")
    expect(page.get_by_role("searchbox")).to_be_focused()
    page.keyboard.type("gc?")
    expect(page.get_by_role("searchbox")).to_have_value("gc?")
    page.keyboard.press("Escape")
    page.keyboard.press("?")
    expect(page.get_by_role("dialog")).to_contain_text("go to overview")
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)
    page.keyboard.press("g")
    page.keyboard.press("o")
    expect(page.get_by_role("heading", name="Overview")).to_be_visible()


def test_the_tab_key_goes_from_the_skip_link_through_the_pages(site: Site, visit: OpenPage) -> None:
    page = visit(site, "settings").page
    expect(page.locator(".setting").first).to_be_visible()
    reached = []
    for _ in range(11):
        page.keyboard.press("Tab")
        reached.append(page.evaluate("document.activeElement.innerText.trim() || document.activeElement.ariaLabel"))
    pages = ["Overview", "Channels", "Streams", "Clients", "Slow log", "Settings"]
    tools = ["Keys", "Theme: auto. Change"]
    assert reached == ["Skip to the content", "Airwave", *pages, *tools, "Search settings"]
    page.keyboard.press("Shift+Tab")
    assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
