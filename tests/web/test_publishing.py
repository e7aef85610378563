"""POST /publish and GET /history."""

import pytest

from .conftest import MakeSite
from .site import KEY, Site, bearer


@pytest.mark.parametrize("message", [b"", b"hello", "hé".encode(), bytes(range(256)) * 100])
@pytest.mark.parametrize("channel", ["news", "user:1/inbox", "ü \N{GRINNING FACE}", "a?b#c%20", "a/../b"])
def test_publishing(site: Site, channel: str, message: bytes) -> None:
    with site.node.connect() as peer:
        peer.do("SUBSCRIBE", channel)
        answer = site.publish(channel, message)
        assert answer.status == 200
        assert answer.json == {"delivered": 1, "entry": None}
        assert answer.headers["content-type"] == "application/json"
        assert answer.headers["cache-control"] == "no-store"
        assert peer.read() == [b"message", channel.encode(), message]


def test_any_content_type_will_do(site: Site) -> None:
    for kind in (
        "application/json",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "nonsense",
    ):
        assert site.publish("news", "{}", **{"Content-Type": kind}).status == 200


def test_a_remembered_channel_gives_the_entry(site: Site) -> None:
    entry = site.publish("kept:1", "x").json["entry"]
    assert site.redis("XRANGE", "kept:1", "-", "+") == [[entry.encode(), [b"message", b"x"]]]


def test_bodies_are_limited(serve: MakeSite) -> None:
    site = serve("--http-max-message-size", "10kb")
    assert site.publish("a", b"x" * 10_240).status == 200
    answer = site.publish("a", b"x" * 10_241)
    assert answer.status == 413
    assert answer.json == {"error": "longer than 10240 bytes: see http-max-message-size"}
    chunked = b"POST /publish/a HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
    with site.raw(chunked + (b"1000\r\n" + b"x" * 4096 + b"\r\n") * 3 + b"0\r\n\r\n") as sock:
        assert sock.recv(4096).startswith(b"HTTP/1.1 413")
    assert site.redis("CONFIG", "SET", "http-max-message-size", "20kb") == b"OK"
    assert site.publish("a", b"x" * 10_241).status == 200


def test_a_key_that_is_no_stream(site: Site) -> None:
    site.redis("SET", "kept:string", "x")
    answer = site.publish("kept:string", "x")
    assert answer.status == 409
    assert answer.json["error"].startswith("WRONGTYPE")


def test_rights(serve: MakeSite) -> None:
    site = serve("--http-token-key", KEY, "--remember", "*")
    good = bearer(["news"], ["chat"])
    assert site.publish("chat", "x", **good).status == 200
    assert site.publish("news", "x", **good).status == 403
    assert site.publish("__airwave__:overview", "x", **bearer(role="admin")).status == 403
    assert site.get("/history/news", **good).status == 200
    assert site.get("/history/chat", **good).status == 403
    assert site.publish("chat", "x").status == 401


def test_history_page_by_page(site: Site) -> None:
    ids = [site.publish("kept:pages", str(number)).json["entry"] for number in range(25)]
    since, seen = "0", []
    while since is not None:
        page = site.get(f"/history/kept:pages?count=10&since={since}").json
        assert page["gap"] is False
        assert len(page["entries"]) <= 10
        seen += page["entries"]
        since = page["next"]
    assert seen == [{"entry": entry, "data": str(number)} for number, entry in enumerate(ids)]
    for query, first in (("since=-5", 20), ("since=10m", 0), ("", 0), (f"since={ids[22]}", 23)):
        entries = site.get(f"/history/kept:pages?{query}").json["entries"]
        assert [each["data"] for each in entries] == [str(number) for number in range(first, 25)]


def test_history_of_what_is_no_text(site: Site) -> None:
    site.publish("kept:bytes", b"\xff")
    assert site.get("/history/kept:bytes").json["entries"][0]["data64"] == "/w=="


def test_history_tells_of_a_gap(serve: MakeSite) -> None:
    site = serve("--remember", "kept maxlen 5")
    ids = [site.publish("kept", str(number)).json["entry"] for number in range(10)]
    assert site.get(f"/history/kept?since={ids[1]}").json["gap"] is True
    for since in (ids[4], ids[8], "0", "-10"):
        assert site.get(f"/history/kept?since={since}").json["gap"] is False


@pytest.mark.parametrize(
    ("path", "status", "told"),
    [
        ("/history/plain", 404, "not remembered"),
        ("/history/kept?count=0", 400, "count is from 1 to 1000"),
        ("/history/kept?count=1001", 400, "count is from 1 to 1000"),
        ("/history/kept?count=x", 400, "count is from 1 to 1000"),
        ("/history/kept?since=soon", 400, "write an ID"),
        ("/history/kept?from=1", 400, "no such parameter: from"),
        ("/history/", 404, "there is nothing at /history/"),
    ],
)
def test_what_is_wrong_is_told(site: Site, path: str, status: int, told: str) -> None:
    answer = site.get(path)
    assert answer.status == status
    assert told in answer.json["error"]
