"""GET /api/dashboard and /api/overview, and the samples that come live."""

import asyncio
import json

from memory import Node

from airwave.version import __version__
from airwave.web.dashboard import overview

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


def test_a_fault_in_measuring_is_logged_and_ends_nothing_else() -> None:
    node = Node()
    node.host.quiet = False

    async def broken() -> None:
        raise ZeroDivisionError

    asyncio.run(overview._run(node.broker, broken))
    level, message, fields = node.host.logs[-1]
    assert (level, message, type(fields["exc_info"])) == ("error", "internal error", ZeroDivisionError)


def test_samples_come_live_and_are_kept(site: Site) -> None:
    with site.websocket() as page:
        assert page.ask("subscribe", channel="__airwave__:overview")["ok"]
        first, second = (json.loads(push["data"]) for push in page.pushes(2))
    kept = Api(site).get("overview")["samples"]
    assert kept[kept.index(first) + 1] == second
    assert second["at"] > first["at"]
    assert second["clients"] >= 0
