"""Who may come in, by which door."""

import base64
from pathlib import Path
from typing import Any

import pytest
from aiohttp.test_utils import make_mocked_request
from memory import Node as Core

from airwave.web.access import Access
from airwave.web.limits import Limits
from airwave.web.visitor import Visitor

from .conftest import MakeSite
from .site import KEY, Site, bearer, token
from .test_origins import Peer
from .test_tokens import PRIVATE, pem

OTHER_SITE = "https://app.example.com"


class Gate:
    """The access of a node in memory."""

    def __init__(self, *settings: tuple[str, str]) -> None:
        self.core = Core(*settings)
        broker = self.core.broker
        self.core.host.quiet = False
        self.settings = broker.settings
        self.access = Access(broker, Limits(broker.settings, broker.clock))

    def visitor(self, path: str = "/", peer: str = "127.0.0.1", host: str = "localhost", **headers: str) -> Visitor:
        found = {name.replace("_", "-"): value for name, value in headers.items()}
        request: Any = make_mocked_request("GET", path, {"Host": host, **found}, transport=Peer(peer))
        return self.access.visitor(request)

    def role(self, path: str = "/", **about: str) -> str:
        return self.visitor(path, **about).role


def basic(password: str) -> str:
    return "Basic " + base64.b64encode(f"anyone:{password}".encode()).decode()


def test_without_key_and_password_this_machine_is_admin_and_nobody_else_is_served() -> None:
    gate = Gate()
    assert gate.role() == "admin"
    assert gate.role(peer="::1", host="[::1]:8379") == "admin"
    for about in ({"peer": "192.0.2.1"}, {"host": "evil.example"}, {"X_Forwarded_For": "192.0.2.1"}):
        stranger = gate.visitor(**about)
        assert (stranger.role, stranger.status) == ("none", 403)
        assert "http-token-key" in stranger.refusal


def test_a_page_of_another_site_is_a_user_at_most() -> None:
    assert Gate().role(Origin=OTHER_SITE) == "user"
    gate = Gate(("http-token-key", KEY))
    for role in ("viewer", "admin"):
        visitor = gate.visitor(Origin=OTHER_SITE, **bearer(role=role))
        assert visitor.role == "user"
        assert not visitor.may_subscribe(b"__airwave__:overview")
        assert visitor.may_publish(b"news") == (role == "admin")


def test_with_a_password_nothing_is_shown_without_it() -> None:
    gate = Gate(("requirepass", "secret"))
    assert (gate.role(), gate.visitor().status) == ("none", 401)
    for right in ("Bearer secret", "bearer secret", basic("secret")):
        assert gate.role(Authorization=right) == "admin"
    for wrong in ("Bearer Secret", "Bearer ", basic("secretx"), "Basic %", "Digest secret", "Bearer a.b.c"):
        assert gate.role(Authorization=wrong) == "none"
    assert gate.visitor(peer="192.0.2.1", Authorization="Bearer secret").status == 403


def test_a_token_serves_everybody_and_says_what_they_may() -> None:
    gate = Gate(("http-token-key", KEY))
    for about in ({}, {"peer": "192.0.2.1", "host": "example.com"}):
        assert gate.visitor(**about).status == 401
        visitor = gate.visitor(**about, **bearer(["news", "user:1:*"], ["chat"]))
        assert (visitor.role, visitor.subject) == ("user", "user:1")
        assert visitor.may_subscribe(b"news")
        assert visitor.may_psubscribe(b"user:1:*")
        assert not visitor.may_subscribe(b"chat")
        assert not visitor.may_psubscribe(b"*")
        assert visitor.may_publish(b"chat")
        assert not visitor.may_publish(b"news")
    assert gate.role(f"/events?token={token()}") == "user"
    assert gate.visitor(**bearer(exp=1)).refusal == "the token has expired"


def test_with_a_key_the_password_is_good_from_everywhere() -> None:
    gate = Gate(("http-token-key", KEY), ("requirepass", "secret"))
    assert gate.role(peer="192.0.2.1", host="example.com", Authorization=basic("secret")) == "admin"


def test_viewers_and_admins_see_everything() -> None:
    gate = Gate(("http-token-key", KEY))
    viewer, admin = (gate.visitor(**bearer(role=role)) for role in ("viewer", "admin"))
    for visitor in (viewer, admin):
        assert visitor.may_subscribe(b"anything")
        assert visitor.may_psubscribe(b"__airwave__:*")
    assert not viewer.may_publish(b"anything")
    assert admin.may_publish(b"anything")


def test_nobody_publishes_on_the_channels_of_the_server() -> None:
    for visitor in (Gate().visitor(), Gate(("http-token-key", KEY)).visitor(**bearer([], ["*", "__airwave__:*"]))):
        assert not visitor.may_publish(b"__airwave__:overview")
        assert not visitor.may_publish(b"__presence__:news")


def test_the_dashboard_is_not_for_users() -> None:
    visitor = Gate(("http-token-key", KEY)).visitor(**bearer(["*", "__airwave__:*"]))
    assert not visitor.may_subscribe(b"__airwave__:overview")
    assert not visitor.may_psubscribe(b"__airwave__:*")


def test_failed_sign_ins_are_counted_logged_and_stopped() -> None:
    gate = Gate(("requirepass", "secret"))
    for _ in range(10):
        assert gate.visitor(Authorization="Bearer wrong").status == 401
    assert gate.visitor(Authorization="Bearer secret").status == 429
    assert gate.access.failed_sign_ins == 10
    assert gate.role(peer="127.0.0.2", Authorization="Bearer secret") == "admin"
    gate.core.host.ns += 20 * 1_000_000_000
    assert gate.role(Authorization="Bearer secret") == "admin"


def test_keys_change_at_run_time() -> None:
    gate = Gate(("http-token-key", KEY))
    gate.settings.set([(b"http-token-key", b"l" * 40)])
    assert gate.role(**bearer()) == "none"
    assert gate.role(**bearer(key="l" * 40)) == "user"
    gate.settings.set([(b"http-token-audience", b"web")])
    assert gate.role(**bearer(key="l" * 40)) == "none"


def test_a_key_that_is_too_short_is_refused_at_run_time() -> None:
    with pytest.raises(Exception, match="too short"):
        Gate().settings.set([(b"http-token-key", b"short")])


# --- over HTTP --------------------------------------------------------------------------------------------------------


def test_refusals_say_what_to_do(serve: MakeSite) -> None:
    site = serve("--requirepass", "secret")
    answer = site.get("/api/me")
    assert answer.status == 401
    assert answer.headers["www-authenticate"] == "Bearer"
    assert "sign in" in answer.json["error"]
    for path in ("/events?channel=a", "/history/a", "/ws", "/publish/a"):
        assert site.ask("POST" if "publish" in path else "GET", path).status == 401
    assert site.get("/api/me", Host="evil.example").status == 403


@pytest.mark.parametrize("algorithm", [*PRIVATE])
def test_each_algorithm(serve: MakeSite, tmp_path: Path, algorithm: str) -> None:
    (tmp_path / "key.pem").write_bytes(pem(PRIVATE[algorithm].public_key()))
    site = serve("--http-token-public-key", str(tmp_path / "key.pem"))
    good = bearer(["news"], key=PRIVATE[algorithm], algorithm=algorithm)
    assert site.get("/api/me", **good).json["subject"] == "user:1"
    assert site.get("/events?channel=other", **good).status == 403
    assert site.get("/api/me", **bearer(["news"])).status == 401


def test_tokens_and_passwords_are_not_logged(serve: MakeSite) -> None:
    site = serve("--http-token-key", KEY, "--requirepass", "hunter2", "--loglevel", "debug")
    bad = token(key="l" * 40)
    site.get(f"/events?channel=a&token={bad}")
    site.get("/api/me", Authorization="Bearer hunter3")
    site.node.wait_for_line("sign-in failed", "the password is wrong")
    log = "\n".join(site.node.log)
    assert bad.split(".")[2] not in log
    assert "hunter" not in log
    assert KEY not in log


def test_client_bytes_are_escaped_in_the_log(serve: MakeSite) -> None:
    site = serve("--http-token-key", KEY)
    header = base64.urlsafe_b64encode(b'{"alg":"\\u001b[31m\\n"}').rstrip(b"=").decode()
    site.get("/api/me", Authorization=f"Bearer {header}.e30.x")
    line = site.node.wait_for_line("sign-in failed")
    assert line.isprintable()


def me(site: Site, **headers: str) -> Any:
    return site.get("/api/me", **headers).json


def test_this_machine(site: Site) -> None:
    assert me(site) == {"role": "admin", "subject": "", "expires": None}
    assert site.get("/api/me", Host="evil.example").status == 403
    assert site.get("/api/me", **{"X-Forwarded-For": "192.0.2.1"}).status == 403
