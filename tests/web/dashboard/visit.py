"""A page of the dashboard in Chromium, and what must be true of every page."""

from types import TracebackType
from typing import Any, Self

from live import DEADLINE_S
from playwright.sync_api import Browser, ConsoleMessage, Page, Request, expect

from ..site import Site

ARGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
PHONE = {"width": 390, "height": 844}
DESK = {"width": 1280, "height": 860}

expect.set_options(timeout=DEADLINE_S * 1000)


class Visit:
    """One window.

    Args:
        where: the page, as in the address behind `#/`.
        allowed: what may stand in the console's errors: a part of each.
        options: of `Browser.new_context`.
    """

    def __init__(
        self, browser: Browser, site: Site, where: str, *, allowed: tuple[str, ...] = (), **options: Any
    ) -> None:
        self.site = site
        self.where = where
        self._allowed = allowed
        self._complaints: list[str] = []
        self._asked: list[str] = []
        self.context = browser.new_context(**{"viewport": DESK, "reduced_motion": "reduce", **options})
        self.page: Page = self.context.new_page()
        self.page.set_default_timeout(DEADLINE_S * 1000)
        self.page.on("console", self._said)
        self.page.on("pageerror", lambda error: self._complaints.append(str(error)))
        self.page.on("request", self._requested)
        self.page.on("websocket", lambda socket: self._asked.append(socket.url))

    def _said(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning") and not any(each in message.text for each in self._allowed):
            self._complaints.append(f"{message.type}: {message.text} ({message.location.get('url')})")

    def _requested(self, request: Request) -> None:
        self._asked.append(request.url)

    def go(self, where: str) -> None:
        """Go to a page, as a link does."""
        self.page.evaluate("where => { location.hash = `#/${where}`; }", where)

    def tried(self, url: str) -> None:
        """The test itself has made the page ask for this."""
        self._asked = [each for each in self._asked if each != url]

    def wide(self) -> float:
        """By how much the page is wider than the window."""
        return float(self.page.evaluate("document.documentElement.scrollWidth - window.innerWidth"))

    def __enter__(self) -> Self:
        self.page.goto(f"{self.site.url}/#/{self.where}")
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: BaseException | TracebackType | None) -> None:
        self.context.close()
        if kind is None:
            assert not self._complaints, self._complaints
            own = (f"http://{self.site.host}/", f"ws://{self.site.host}/", "data:")
            assert [url for url in self._asked if not url.startswith(own)] == []
