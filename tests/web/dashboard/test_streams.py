"""Streams, their groups and consumers."""

from live import wait_for
from memory import Node

from airwave.web.dashboard.streams import Rates

from ..conftest import MakeSite
from .api import Api, error


def test_a_list_of_streams(api: Api) -> None:
    redis = api.site.redis
    for number in range(3):
        redis("XADD", "orders", f"{number + 1}-0", "data", "tea")
    redis("XADD", "orders:dead", "1-0", "data", "x")
    redis("SET", "string", "x")
    redis("XGROUP", "CREATE", "orders", "billing", "0")
    redis("XGROUP", "CREATE", "orders", "mail", "$")
    redis("XREADGROUP", "GROUP", "billing", "ann", "COUNT", 2, "STREAMS", "orders", ">")
    found = api.get("streams")
    assert [row["name"] for row in found["rows"]] == ["orders", "orders:dead"]
    row = found["rows"][0]
    assert {name: row[name] for name in ("length", "groups", "lag", "pending", "dead", "disk")} == {
        "length": 3,
        "groups": 2,
        "lag": 1,
        "pending": 2,
        "dead": 1,
        "disk": 0,
    }
    assert row["memory"] > 0
    assert row["dead_key"] == "orders%3Adead"
    for sort in ("length", "rate", "memory", "disk", "groups", "lag", "pending", "dead", "waiting"):
        assert api.get("streams", sort=sort, desc=1)["total"] == 2
    assert api.get("streams", sort="waiting", desc=1)["rows"][0]["name"] == "orders"


def test_one_stream(api: Api) -> None:
    redis = api.site.redis
    redis("XADD", "orders", "5-1", "data", "tea")
    redis("XADD", "orders", "6-0", "data", "tea")
    redis("XGROUP", "CREATE", "orders", b"gr\xff", "0")
    redis("XREADGROUP", "GROUP", b"gr\xff", "ann", "COUNT", 1, "STREAMS", "orders", ">")
    found = api.get("stream", name="orders")
    assert (found["length"], found["first_id"], found["last_id"], found["added"]) == (2, "5-1", "6-0", 2)
    assert found["dead_of"] is None
    (group,) = found["groups"]
    assert (group["key"], group["name"], group["lag"], group["pending"]) == ("gr%FF", "gr\\xff", 1, 1)
    assert group["last_id"] == "5-1"
    (consumer,) = group["consumers"]
    assert (consumer["name"], consumer["pending"]) == ("ann", 1)
    assert consumer["idle_ms"] >= 0
    assert consumer["active_ms"] >= 0
    redis("XADD", "orders:dead", "1-0", "data", "x")
    assert api.get("stream", name="orders%3Adead")["dead_of"] == "orders"


def test_a_consumer_that_never_got_anything(api: Api) -> None:
    api.site.redis("XGROUP", "CREATE", "s", "g", "0", "MKSTREAM")
    api.site.redis("XGROUP", "CREATECONSUMER", "s", "g", "ann")
    assert api.get("stream", name="s")["groups"][0]["consumers"][0]["active_ms"] == -1


def test_what_is_no_stream_is_not_found(api: Api) -> None:
    api.site.redis("SET", "string", "x")
    for name in ("string", "nothing"):
        assert error(api.ask("stream", name=name)) == "there is no such stream"
    assert error(api.ask("stream")) == "name is missing: the percent-encoded name"


def test_rates_are_from_look_to_look() -> None:
    node = Node()
    rates = Rates(node.host.clock)
    alice = node.peer("a:1")
    alice.do("XADD s * f v", bool)
    stream = node.broker.keyspace.databases[0].stream(b"s")
    assert stream is not None
    assert rates.rate(stream) == 0
    for _ in range(4):
        alice.do("XADD s * f v", bool)
    node.host.ns += 100_000_000  # somebody else looks as well: too soon for a rate
    assert rates.rate(stream) == 0
    node.host.ns += 1_900_000_000
    assert rates.rate(stream) == 2
    node.host.ns += 100_000_000
    assert rates.rate(stream) == 2
    node.host.ns += 2_000_000_000
    assert rates.rate(stream) == 0


def test_entries_that_are_on_disk_only(serve: MakeSite, tmp_path: object) -> None:
    site = serve("--appendonly", "yes", "--dir", str(tmp_path), "--stream-memory", "1")
    api = Api(site)
    with site.node.connect() as peer:
        for _ in range(300):
            peer.send("XADD", "big", "*", "data", b"x" * 5000)
        for _ in range(300):
            peer.read()
    page = api.get("stream/entries", name="big", order="oldest")
    assert len(page["entries"]) == 25
    assert api.get("stream/entries", name="big", order="newest")["entries"][0]["id"] > page["entries"][0]["id"]
    row = wait_for(lambda: next((row for row in api.get("streams")["rows"] if row["disk"]), None), "a cold stream")
    assert row["length"] == 300
    assert row["memory"] < row["disk"]
