"""A server with a dashboard, its API, and Chromium looking at its pages."""

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from playwright.sync_api import Browser, sync_playwright

from ..site import Site
from .api import Api
from .visit import ARGS, Visit

OpenPage = Callable[..., Visit]


@pytest.fixture
def api(site: Site) -> Api:
    """The API of the server that the tests of a file share; no keys are there."""
    site.redis("FLUSHALL")
    return Api(site)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Chromium, one for a file."""
    path = shutil.which("chromium") or shutil.which("chromium-browser")
    if path is None:
        assert not os.environ.get("CI"), "the tests of the pages need chromium: apt-get install chromium"
        pytest.skip("there is no chromium here: apt-get install chromium")
    with sync_playwright() as playwright:
        found = playwright.chromium.launch(executable_path=path, args=ARGS)
        try:
            yield found
        finally:
            found.close()


@pytest.fixture
def visit(browser: Browser) -> Iterator[OpenPage]:
    """Open a page: `visit(site, "channels")`. At the end no page may have complained, or asked anybody else."""
    with ExitStack() as stack:

        def open_page(site: Site, where: str = "overview", **options: Any) -> Visit:
            return stack.enter_context(Visit(browser, site, where, **options))

        yield open_page
