"""How the pages look: light and dark, on a phone, to a screen reader, and for the documents."""

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from ..conftest import MakeSite
from ..site import Site
from .conftest import OpenPage
from .traffic import Traffic
from .visit import PHONE

pytestmark = pytest.mark.slow

IMAGES = Path(__file__).parents[3] / "docs" / "images"
WANTED = bool(os.environ.get("AIRWAVE_SCREENSHOTS"))  # `make screenshots`: the images of the documents are made anew
SECONDS = 290 if WANTED else 1  # of samples in the lines

OVERLAPS = (Path(__file__).parent / "overlaps.js").read_text()
AUDIT = (Path(__file__).parent / "audit.js").read_text()


@pytest.fixture(scope="module")
def busy(site: Site) -> Iterator[Site]:
    """A server with traffic of all kinds."""
    with Traffic(site):
        yield site


PLACES = {
    "overview": "Overview",
    "channels": "Channels",
    "channel/kept%3Anews": "kept:news",
    "streams": "Streams",
    "stream/orders": "orders",
    "stream/orders/groups": "billing",
    "stream/orders/pending/billing": "Pending in billing",
    "stream/orders%3Adead": "orders:dead",
    "clients": "Clients",
    "slowlog": "Slow log",
    "settings": "Settings",
}
READY = {
    "overview": ".hero path.line.main[d^=M]",
    "channel/kept%3Anews": ".messages li",
    "stream/orders": ".entries li",
    "stream/orders/groups": ".group tbody tr",
    "stream/orders/pending/billing": "tr[data-id]",
    "stream/orders%3Adead": ".entries li",
    "slowlog": "tbody tr:not(.skeleton), .empty:not([hidden])",
    "settings": ".setting",
}


def settled(page: Page, where: str) -> None:
    """Wait until a page has its data."""
    expect(page.get_by_role("heading", name=PLACES[where], exact=True)).to_be_visible()
    expect(page.locator(READY.get(where, "tbody tr:not(.skeleton)")).first).to_be_visible()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_everything_has_a_name_and_enough_contrast(busy: Site, visit: OpenPage, scheme: Any) -> None:
    window = visit(busy, color_scheme=scheme)
    for where in PLACES:
        window.go(where)
        settled(window.page, where)
        if window.page.locator(".entries summary").count():
            window.page.locator(".entries summary").first.click()
        assert window.page.evaluate(AUDIT) == [], where
    window.page.keyboard.press("?")
    assert window.page.evaluate(AUDIT) == []


def test_the_audit_sees_what_is_wrong(busy: Site, visit: OpenPage) -> None:
    page = visit(busy, "streams").page
    settled(page, "streams")
    page.evaluate("document.documentElement.style.setProperty('--soft', '#aaa')")
    page.evaluate("document.querySelector('.search').removeAttribute('aria-label')")
    page.evaluate("document.querySelector('h1').replaceWith(document.createElement('h3'))")
    found = page.evaluate(AUDIT)
    for words in ("contrast 2.", "no name: input.search", "there is not one h1", "a heading is empty"):
        assert any(words in each for each in found), (words, found)


def test_the_form_for_signing_in_has_names_and_contrast(serve: MakeSite, visit: OpenPage) -> None:
    window = visit(serve("--requirepass", "x"), allowed=("401",))
    expect(window.page.get_by_label("Password or admin token")).to_be_visible()
    assert window.page.evaluate(AUDIT) == []


@pytest.mark.parametrize("width", [320, 390, 820, 1024])
def test_no_window_scrolls_sideways(busy: Site, visit: OpenPage, width: int) -> None:
    window = visit(busy, viewport={"width": width, "height": 700}, has_touch=True)
    for where in PLACES:
        window.go(where)
        settled(window.page, where)
        if window.page.locator(".entries summary").count():
            window.page.locator(".entries summary").first.click()
        for button in window.page.get_by_role("button", name="Inspect").all()[:1]:
            button.click()
        assert window.wide() <= 0, where
        assert window.page.evaluate(OVERLAPS) == [], where
    if width > 800:
        return
    # Fingers find the pages below, and nothing is hidden behind them.
    box = window.page.get_by_role("link", name="Overview", exact=True).bounding_box()
    assert box is not None
    assert box["height"] >= 40
    last = window.page.locator(".setting").last
    last.scroll_into_view_if_needed()
    bottom = last.bounding_box()
    assert bottom is not None
    assert bottom["y"] + bottom["height"] <= box["y"]


def test_the_theme_is_that_of_the_system_or_chosen(site: Site, visit: OpenPage) -> None:
    def ground(page: Page) -> str:
        return str(page.evaluate("getComputedStyle(document.body).backgroundColor"))

    dark = visit(site, color_scheme="dark").page
    page = visit(site, color_scheme="light").page
    expect(page.get_by_role("heading", name="Overview")).to_be_visible()
    light_ground, dark_ground = ground(page), ground(dark)
    assert light_ground != dark_ground
    page.get_by_role("button", name="Theme: auto. Change").click()
    assert ground(page) == light_ground
    page.keyboard.press("d")
    assert ground(page) == dark_ground
    page.reload()
    expect(page.get_by_role("button", name="Theme: dark. Change")).to_be_visible()
    assert ground(page) == dark_ground


def test_hints_explain_by_mouse_and_by_key(busy: Site, visit: OpenPage) -> None:
    page = visit(busy, "streams").page
    settled(page, "streams")
    button = page.get_by_role("button", name="What is Pending?")
    words = page.get_by_text("Entries that a consumer got and has not acknowledged").first
    expect(words).to_be_hidden()
    button.hover()
    expect(words).to_be_visible()
    page.mouse.move(5, 5)
    expect(words).to_be_hidden()
    button.focus()
    expect(words).to_be_visible()
    box = words.bounding_box()
    assert box is not None
    assert box["x"] >= 0
    assert box["x"] + box["width"] <= 1280
    page.keyboard.press("Escape")
    expect(words).to_be_hidden()


@pytest.mark.parametrize(("motion", "animation"), [("reduce", "none"), ("no-preference", "spin")])
def test_nothing_moves_for_who_does_not_want_it(busy: Site, visit: OpenPage, motion: Any, animation: str) -> None:
    page = visit(busy, reduced_motion=motion).page
    settled(page, "overview")
    moves = page.evaluate(
        """() => {
            const mark = document.body.appendChild(document.createElement("span"));
            mark.className = "spin";
            return getComputedStyle(mark).animationName;
        }"""
    )
    assert moves == animation


SHOTS: dict[str, tuple[str, dict[str, Any]]] = {
    "overview": ("overview", {}),
    "overview-dark": ("overview", {"color_scheme": "dark"}),
    "channels": ("channels", {}),
    "channel-dark": ("channel/kept%3Anews", {"color_scheme": "dark"}),
    "stream": ("stream/orders", {}),
    "groups": ("stream/orders/groups", {}),
    "dead": ("stream/orders%3Adead", {}),
    "clients-dark": ("clients", {"color_scheme": "dark"}),
    "phone": ("overview", {"viewport": PHONE, "device_scale_factor": 2}),
    "phone-dark": ("channels", {"viewport": PHONE, "device_scale_factor": 2, "color_scheme": "dark"}),
}


def test_images_of_the_documents(busy: Site, visit: OpenPage, tmp_path: Path) -> None:
    """The images are made each time; they go into docs/images only when AIRWAVE_SCREENSHOTS is set."""
    folder = IMAGES if WANTED else tmp_path
    folder.mkdir(exist_ok=True)
    with busy.websocket() as live:
        assert live.ask("subscribe", channel="__airwave__:overview")["ok"]
        live.pushes(SECONDS)
    for name, (where, options) in SHOTS.items():
        page = visit(busy, where, **options).page
        settled(page, where)
        if where == "stream/orders":
            page.locator(".entries summary").nth(1).click()
        if where == "channels":  # rates are measured from now on
            expect(page.locator("tbody td").filter(has_text=re.compile(r"^[1-9]\d*\.\d$")).first).to_be_visible()
        image = page.screenshot(path=folder / f"dashboard-{name}.png")
        assert len(image) > 10_000, "an empty page"
        page.close()


def test_the_document_has_all_images_and_no_others() -> None:
    text = (IMAGES.parent / "dashboard.md").read_text()
    named = set(re.findall(r"images/(dashboard-[\w-]+\.png)", text))
    assert named <= {f"dashboard-{name}.png" for name in SHOTS}
    assert all((IMAGES / name).exists() for name in named)
