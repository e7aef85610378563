"""What every request passes: origins, limits, errors, headers."""

import pytest

from .conftest import MakeSite
from .site import KEY, Site, bearer, token

APP = "https://app.example.com"


def test_every_answer_has_strict_headers(site: Site) -> None:
    for path in ("/api/me", "/nothing", "/airwave.js", "/events"):
        headers = site.get(path).headers
        assert headers["server"] == "airwave"
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "no-referrer"
        assert headers["x-frame-options"] == "DENY"
        assert headers["content-security-policy"] == "default-src 'none'; frame-ancestors 'none'"
        assert headers["cross-origin-resource-policy"] == ("cross-origin" if path == "/airwave.js" else "same-origin")
    with site.events({"channel": "a"}) as stream:
        assert stream.headers["server"] == "airwave"
        assert stream.headers["x-content-type-options"] == "nosniff"


def test_errors_are_json_and_say_what_to_do(site: Site) -> None:
    assert site.get("/nothing").json == {"error": "there is nothing at /nothing"}
    answer = site.ask("POST", "/events?channel=a")
    assert (answer.status, answer.headers["allow"]) == (405, "GET")
    assert answer.json == {"error": "/events takes GET, not POST"}
    assert site.ask("HEAD", "/events?channel=a").status == 405
    assert site.ask("DELETE", "/publish/a").status == 405


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_pages_of_other_sites_may_do_nothing(site: Site, method: str) -> None:
    for path in ("/events?channel=a", "/history/kept", "/publish/a", "/api/login", "/api/me", "/ws"):
        answer = site.ask(method, path, headers={"Origin": "https://evil.example"})
        assert answer.status == 403
        assert "access-control-allow-origin" not in answer.headers
        assert "http-origins" in answer.json["error"]


def test_a_post_across_sites_without_an_origin_is_refused(site: Site) -> None:
    assert site.ask("POST", "/publish/a", b"x", {"Sec-Fetch-Site": "cross-site"}).status == 403
    assert site.ask("POST", "/publish/a", b"x", {"Sec-Fetch-Site": "same-origin"}).status == 200


def test_cors_by_setting(serve: MakeSite) -> None:
    site = serve("--http-origins", APP, "--remember", "kept")
    headers = {"Origin": APP}
    answer = site.ask("POST", "/publish/kept", b"x", headers)
    assert answer.status == 200
    assert answer.headers["access-control-allow-origin"] == APP
    assert answer.headers["vary"] == "Origin"
    assert "access-control-allow-credentials" not in answer.headers
    with site.events({"channel": "a"}, headers) as stream:
        assert stream.headers["access-control-allow-origin"] == APP
    with site.websocket(origin=APP) as ws:
        assert ws.ask("ping") == {"ok": True}
    assert site.ask("GET", "/api/me", headers=headers).status == 403
    other = site.ask("GET", "/history/kept", headers={"Origin": "https://app.example.com.evil.example"})
    assert other.status == 403
    assert site.ask("GET", "/history/kept").headers["vary"] == "Origin"
    # What is wrong is told to such a page as well.
    assert site.ask("GET", "/events", headers=headers).headers["access-control-allow-origin"] == APP


def test_preflight(serve: MakeSite) -> None:
    site = serve("--http-token-key", KEY, "--http-origins", APP)
    asked = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization"}
    answer = site.ask("OPTIONS", "/publish/a", headers={"Origin": APP, **asked})
    assert answer.status == 204
    assert answer.headers["access-control-allow-origin"] == APP
    assert "POST" in answer.headers["access-control-allow-methods"]
    assert "Authorization" in answer.headers["access-control-allow-headers"]
    assert site.ask("OPTIONS", "/publish/a", headers={"Origin": "https://evil.example", **asked}).status == 403
    assert site.ask("OPTIONS", "/api/login", headers={"Origin": APP, **asked}).status == 403


def test_origins_change_at_run_time(serve: MakeSite) -> None:
    site = serve()
    headers = {"Origin": APP}
    assert site.ask("POST", "/publish/a", b"x", headers).status == 403
    assert site.redis("CONFIG", "SET", "http-origins", "*") == b"OK"
    assert site.ask("POST", "/publish/a", b"x", headers).status == 200
    assert site.ask("POST", "/publish/a", b"x", {"Origin": "null"}).status == 200
    assert site.redis("CONFIG", "SET", "http-origins", "") == b"OK"
    assert site.ask("POST", "/publish/a", b"x", headers).status == 403
    assert "scheme and a host" in str(site.redis("CONFIG", "SET", "http-origins", "example.com"))


def test_the_module_is_for_every_page(site: Site) -> None:
    answer = site.ask("GET", "/airwave.js", headers={"Origin": "https://evil.example"})
    assert answer.status == 200
    assert answer.headers["access-control-allow-origin"] == "*"


def test_requests_are_limited(serve: MakeSite) -> None:
    site = serve("--http-rate-limit", "1")
    answers = [site.get("/api/me") for _ in range(12)]
    assert [answer.status for answer in answers[:10]] == [200] * 10
    assert answers[-1].status == 429
    assert answers[-1].headers["retry-after"] == "1"
    assert "http-rate-limit" in answers[-1].json["error"]
    assert site.get("/airwave.js").status == 200
    assert site.redis("CONFIG", "SET", "http-rate-limit", "0") == b"OK"
    assert site.get("/api/me").status == 200


def test_each_subject_has_its_own_limit(serve: MakeSite) -> None:
    site = serve("--http-rate-limit", "1", "--http-token-key", KEY)
    one, other = (bearer(sub=name) for name in ("one", "other"))
    statuses = [site.get("/api/me", **one).status for _ in range(12)]
    assert statuses[-1] == 429
    assert site.get("/api/me", **other).status == 200
    assert site.get(f"/api/me?token={token(sub='one')}").status == 429
