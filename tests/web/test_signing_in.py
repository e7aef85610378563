"""Signing in: a password or a token for a cookie."""

import json
import re

from .conftest import MakeSite
from .site import KEY, Answer, Site, token


def login(site: Site, **secret: str) -> Answer:
    return site.ask("POST", "/api/login", json.dumps(secret).encode())


def cookie(answer: Answer) -> str:
    return answer.headers["set-cookie"].partition(";")[0]


def test_a_password_becomes_a_cookie_that_no_script_can_read(serve: MakeSite) -> None:
    site = serve("--requirepass", "secret")
    assert login(site, password="wrong").status == 401
    answer = login(site, password="secret")
    assert answer.json == {"role": "admin", "subject": "", "expires": None}
    about = answer.headers["set-cookie"]
    assert re.search("; HttpOnly", about)
    assert re.search("; SameSite=Strict", about)
    assert "Secure" not in about
    assert site.get("/api/me", Cookie=cookie(answer)).json["role"] == "admin"
    assert site.get("/history/a", Cookie=cookie(answer)).status != 401
    assert site.get("/api/me", Cookie=cookie(answer)[:-1]).status == 401


def test_a_cookie_is_not_for_pages_of_others(serve: MakeSite) -> None:
    site = serve("--requirepass", "secret", "--http-origins", "http://localhost:3000")
    good = {"Cookie": cookie(login(site, password="secret")), "Origin": "http://localhost:3000"}
    assert site.ask("POST", "/publish/a", b"x", good).status == 401
    assert site.ask("GET", "/api/me", headers=good).status == 403


def test_signing_out(serve: MakeSite) -> None:
    site = serve("--requirepass", "secret")
    good = {"Cookie": cookie(login(site, password="secret"))}
    assert site.ask("POST", "/api/logout", b"", good).status == 200
    assert site.ask("GET", "/api/me", headers=good).status == 401


def test_a_new_password_ends_all_sessions(serve: MakeSite) -> None:
    site = serve("--requirepass", "secret")
    good = {"Cookie": cookie(login(site, password="secret"))}
    with site.node.connect() as peer:
        peer.do("AUTH", "secret")
        peer.do("CONFIG", "SET", "requirepass", "other")
    assert site.ask("GET", "/api/me", headers=good).status == 401


def test_a_token_becomes_a_cookie_too(serve: MakeSite) -> None:
    site = serve("--http-token-key", KEY)
    answer = login(site, token=token(["news"], role="viewer", exp=4_000_000_000))
    assert (answer.json["role"], answer.json["subject"]) == ("viewer", "user:1")
    assert site.get("/api/me", Cookie=cookie(answer)).json["expires"] >= 4_000_000_000
    assert login(site, token=token(exp=1)).status == 401
    secure = site.ask("POST", "/api/login", json.dumps({"token": token()}).encode(), {"X-Forwarded-Proto": "https"})
    assert "; Secure" in secure.headers["set-cookie"]


def test_too_many_attempts(serve: MakeSite) -> None:
    site = serve("--requirepass", "secret")
    statuses = [login(site, password="wrong").status for _ in range(12)]
    assert statuses == [401] * 10 + [429] * 2
    assert login(site, password="secret").status == 429


def test_bad_requests(site: Site) -> None:
    for body in (b"", b"{", b"[]", b"{}", b'{"password": 1}', b'{"password": "a", "token": "b"}', b"\xff"):
        answer = site.ask("POST", "/api/login", body)
        assert answer.status == 400
        assert "password" in answer.json["error"]
    assert site.ask("POST", "/api/login", b"x" * 20_000).status == 413
    assert site.ask("POST", "/api/login", b"{}", {"Origin": "https://evil.example"}).status == 403
