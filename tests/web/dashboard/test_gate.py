"""Who may see and change what."""

import pytest
from aiohttp import web
from memory import Node

from airwave.web.dashboard import routes
from airwave.web.keys import BROKER

from ..conftest import MakeSite
from ..site import KEY, Site, bearer
from .api import Api, error

READS = [
    "dashboard",
    "overview",
    "channels",
    "channel?name=a",
    "pattern?name=a",
    "streams",
    "stream?name=orders",
    "stream/entries?name=orders",
    "stream/entry?name=orders&id=1-0",
    "stream/pending?name=orders&group=g",
    "clients",
    "slowlog",
    "settings",
]
CHANGES = {
    "channel/publish": {"name": "a", "message": "x"},
    "stream/delete": {"name": "orders", "ids": ["1-0"]},
    "stream/claim": {"name": "orders", "group": "g", "consumer": "bob", "ids": ["1-0"]},
    "stream/ack": {"name": "orders", "group": "g", "ids": ["1-0"]},
    "dead/retry": {"name": "orders:dead", "ids": None},
    "dead/delete": {"name": "orders:dead", "ids": None},
    "clients/kill": {"id": 1},
    "slowlog/reset": {},
}


def orders(site: Site, *password: str) -> None:
    """A stream with one entry that is pending, and a dead letter."""
    with site.node.connect() as peer:
        if password:
            peer.do("AUTH", *password)
        peer.do("XADD", "orders", "1-0", "data", "tea")
        peer.do("XGROUP", "CREATE", "orders", "g", "0")
        peer.do("XREADGROUP", "GROUP", "g", "ann", "STREAMS", "orders", ">")
        peer.do("XADD", "orders:dead", "1-0", "data", "x", "group", "g")


@pytest.mark.parametrize("path", READS)
def test_an_admin_sees_everything(api: Api, path: str) -> None:
    orders(api.site)
    assert api.site.get(f"/api/{path}").status == 200


def test_with_a_password_nothing_is_seen_without_it(serve: MakeSite) -> None:
    site = serve("--requirepass", "secret", "--http-rate-limit", "0")
    orders(site, "secret")
    stranger = Api(site)
    for path in READS:
        assert site.get(f"/api/{path}").status == 401, path
    for path, body in CHANGES.items():
        assert stranger.send(path, body).status == 401, path
    admin = Api(site, Authorization="Bearer secret")
    assert admin.get("dashboard")["can_change"] is True
    assert admin.get("stream", name="orders")["length"] == 1


def test_a_user_sees_nothing_and_a_viewer_changes_nothing(serve: MakeSite) -> None:
    site = serve("--http-token-key", KEY, "--http-rate-limit", "0")
    orders(site)
    user = Api(site, **bearer(["*"], ["*"]))
    viewer = Api(site, **bearer(role="viewer"))
    admin = Api(site, **bearer(role="admin"))
    for path in READS:
        assert user.site.get(f"/api/{path}", **bearer(["*"], ["*"])).status == 403, path
        assert viewer.site.get(f"/api/{path}", **bearer(role="viewer")).status == 200, path
    for path, body in CHANGES.items():
        assert user.send(path, body).status == 403, path
        assert error(viewer.send(path, body)) == "this needs the role admin", path
    assert viewer.get("dashboard") == {
        "role": "viewer",
        "subject": "user:1",
        "dashboard": "yes",
        "can_change": False,
        "signed_in": False,
    }
    assert admin.post("stream/delete", name="orders", ids=["1-0"]) == {"deleted": 1}
    assert site.node.lines("changed by the dashboard", "/api/stream/delete", "user:1")


def test_read_only_is_for_admins_too(serve: MakeSite) -> None:
    site = serve("--dashboard", "read-only")
    orders(site)
    api = Api(site)
    for path, body in CHANGES.items():
        assert error(api.send(path, body)) == "the dashboard is read-only: see the setting dashboard", path
    assert api.get("dashboard")["can_change"] is False
    assert api.get("stream", name="orders")["length"] == 1
    site.redis("CONFIG", "SET", "dashboard", "no")
    for path in ("/", "/dashboard/app.js", "/api/overview"):
        assert "see the setting dashboard" in error(site.get(path)), path
    site.redis("CONFIG", "SET", "dashboard", "yes")
    assert api.post("stream/delete", name="orders", ids=["1-0"]) == {"deleted": 1}


@pytest.mark.parametrize("path", CHANGES)
def test_pages_of_others_change_nothing(api: Api, path: str) -> None:
    orders(api.site)
    body = CHANGES[path]
    assert api.send(path, body, Origin="https://evil.example").status == 403
    assert api.send(path, body, **{"Sec-Fetch-Site": "cross-site"}).status == 403
    # What a form can send without asking first.
    for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"):
        assert api.send(path, body, **{"Content-Type": kind}).status == 415
    # By a name that somebody has made to point here.
    assert api.send(path, body, Host="evil.example").status == 403
    assert api.get("stream", name="orders")["length"] == 1
    assert api.get("stream", name="orders:dead")["length"] == 1


@pytest.mark.parametrize("body", [b"", b"[]", b"1", b"{", b'{"name": 1}', b'{"name": ""}', b"\xff"])
def test_what_makes_no_sense_is_refused(api: Api, body: bytes) -> None:
    assert api.send("channel/publish", body).status == 400


def test_a_change_has_a_bound(api: Api) -> None:
    assert api.send("channel/publish", b" " * 600_000).status == 413


def test_names_are_any_bytes(api: Api) -> None:
    name = b"\x00\xff/\xc3\xa4 ?#%"
    api.site.redis("XADD", name, "*", "f", "v")
    row = api.get("streams")["rows"][0]
    assert row["key"] == "%00%FF%2F%C3%A4%20%3F%23%25"
    assert row["name"] == "\x00\\xff/ä ?#%"
    assert api.get("stream", name=row["key"])["length"] == 1


def test_a_lone_surrogate_is_a_name_that_is_not_there(api: Api) -> None:
    assert api.send("stream/delete", b'{"name": "\\ud800", "ids": ["1-0"]}').status in (400, 404)


def test_no_route_is_forgotten_here() -> None:
    node = Node()
    app = web.Application()
    app[BROKER] = node.broker
    routes(app)
    found = {(route.method, route.resource.canonical) for route in app.router.routes() if route.resource is not None}
    known = {("GET", f"/api/{path.partition('?')[0]}") for path in READS} | {
        ("POST", f"/api/{path}") for path in CHANGES
    }
    pages = {("GET", "/"), ("GET", "/dashboard/{name}")}
    assert found - {("HEAD", path) for _, path in found} == known | pages
