"""The files of the pages, and the policy they come with."""

import re
from pathlib import Path

import pytest

from airwave.web.dashboard.pages import FOLDER

from ..site import Site

FILES = sorted(path.relative_to(FOLDER).as_posix() for path in FOLDER.rglob("*") if path.is_file())


def test_the_policy_allows_our_own_files_and_nothing_else(site: Site) -> None:
    policy = dict(each.split(" ", 1) for each in site.get("/").headers["content-security-policy"].split("; "))
    assert policy == {
        "default-src": "'none'",
        "script-src": "'self'",
        "style-src": "'self'",
        "connect-src": "'self'",
        "img-src": "'self' data:",
        "base-uri": "'none'",
        "form-action": "'none'",
        "frame-ancestors": "'none'",
        "require-trusted-types-for": "'script'",
        "trusted-types": "'none'",
    }


@pytest.mark.parametrize("name", FILES)
def test_files_are_served_as_they_are(site: Site, name: str) -> None:
    answer = site.get(f"/dashboard/{name}")
    assert answer.status == 200
    assert answer.body == (FOLDER / name).read_bytes()
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["cache-control"] == "no-cache"
    kinds = {".html": "text/html", ".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"}
    assert answer.headers["content-type"] == f"{kinds[Path(name).suffix]}; charset=utf-8"
    again = site.get(f"/dashboard/{name}", **{"If-None-Match": answer.headers["etag"]})
    assert (again.status, again.body) == (304, b"")


def test_the_first_page_is_the_index(site: Site) -> None:
    assert site.get("/").body == (FOLDER / "index.html").read_bytes()


def test_who_is_not_served_at_all_gets_no_page_either(site: Site) -> None:
    for path in ("/", "/dashboard/app.js"):
        assert site.get(path, Host="evil.example").status == 403
        assert site.get(path, **{"X-Forwarded-For": "192.0.2.1"}).status == 403


@pytest.mark.parametrize("path", ["no.js", "../airwave.js", "..%2fairwave.js", "%2e%2e/airwave.js", "views", "views/"])
def test_nothing_else_is_served(site: Site, path: str) -> None:
    assert site.get(f"/dashboard/{path}").status == 404


@pytest.mark.parametrize("name", [name for name in FILES if name.endswith(".js")])
def test_scripts_never_make_html_of_text(name: str) -> None:
    text = (FOLDER / name).read_text()
    text = re.sub(r"^\s*//.*$", "", text, flags=re.MULTILINE)
    assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(|new Function|DOMParser", text)


def test_the_index_has_no_code_and_no_styles_of_its_own() -> None:
    text = (FOLDER / "index.html").read_text()
    assert not re.search(r"<style|style=|\son\w+=|<script(?![^>]*src=)|https?://", text)
