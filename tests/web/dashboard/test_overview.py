"""GET /api/dashboard and /api/overview, and the samples that come live."""

import json

from airwave.version import __version__

from ..conftest import MakeSite
from ..site import Site
from .api import Api


def test_who_one_is(api: Api) -> None:
    assert api.get("dashboard") == {
        "role": "admin",
        "subject": "",
        "dashboard": "yes",
        "can_change": True,
        "signed_in": False,
    }


def test_who_has_a_cookie_is_signed_in(serve: MakeSite) -> None:
    site = serve("--requirepass", "secret")
    answer = site.ask("POST", "/api/login", json.dumps({"password": "secret"}).encode())
    cookie = answer.headers["set-cookie"].partition(";")[0]
    assert Api(site, Cookie=cookie).get("dashboard")["signed_in"] is True


def test_facts(api: Api) -> None:
    facts = api.get("overview")["facts"]
    assert facts["version"] == __version__
    assert facts["port"] == api.site.node.port
    assert facts["durable"] is False
    assert facts["started_ms"] > 0


def test_samples_come_live_and_are_kept(site: Site) -> None:
    with site.websocket() as page:
        assert page.ask("subscribe", channel="__airwave__:overview")["ok"]
        first, second = (json.loads(push["data"]) for push in page.pushes(2))
    kept = Api(site).get("overview")["samples"]
    assert kept[kept.index(first) + 1] == second
    assert second["at"] > first["at"]
    assert second["clients"] >= 0
