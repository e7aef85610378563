"""Channels, patterns and shard channels."""

import pytest
from live import wait_for

from .api import Api, error


def test_channels_with_their_subscribers(api: Api) -> None:
    with api.site.node.connect() as alice, api.site.node.connect() as bob:
        alice.do("CLIENT", "SETNAME", "alice")
        alice.do("SUBSCRIBE", "list:a")
        bob.do("SUBSCRIBE", "list:a")
        bob.send("SUBSCRIBE", "list:b")
        bob.read()
        found = api.get("channels", q="list:", sort="subscribers", desc=1)
        assert [(row["name"], row["subscribers"]) for row in found["rows"]] == [("list:a", 2), ("list:b", 1)]
        assert found["total"] == 2
        by_name = api.get("channels", q="list:", sort="name", desc=1)["rows"]
        assert [row["name"] for row in by_name] == ["list:b", "list:a"]
        one = api.get("channel", name="list%3Aa")
        assert one["total"] == 2
        assert [(each["name"], each["addr"], each["pattern"]) for each in one["subscribers"]] == [
            ("alice", alice.name, None),
            ("", bob.name, None),
        ]
        assert one["subscribers"][0]["since"] > 0
        assert one["history"]["remembered"] is False


def test_patterns_and_shard_channels_are_lists_of_their_own(api: Api) -> None:
    with api.site.node.connect() as alice:
        alice.do("PSUBSCRIBE", "pat:*")
        alice.do("SSUBSCRIBE", "shard:a")
        assert [row["name"] for row in api.get("channels", kind="patterns", q="pat")["rows"]] == ["pat:*"]
        assert [row["name"] for row in api.get("channels", kind="shards", q="shard")["rows"]] == ["shard:a"]
        assert api.get("pattern", name="pat%3A%2A")["subscribers"][0]["addr"] == alice.name
        through = api.get("channel", name="pat%3Ax")["subscribers"]
        assert [(each["addr"], each["pattern"]) for each in through] == [(alice.name, "pat:*")]
    assert api.get("pattern", name="nobody")["total"] == 0
    assert error(api.ask("channels", kind="else")) == "kind must be channels, patterns or shards"
    assert api.ask("channels", kind="patterns", sort="rate").status == 400


def test_rate_and_last_message_are_measured_while_somebody_looks(api: Api) -> None:
    api.get("channels")

    def busy() -> list[dict[str, object]]:
        api.site.redis("PUBLISH", "busy", b'{"n": 1}')
        rows: list[dict[str, object]] = api.get("channels", q="busy", sort="rate", desc=1)["rows"]
        return rows

    (row,) = wait_for(busy, "a rate")
    assert (row["name"], row["subscribers"]) == ("busy", 0)
    assert isinstance(row["rate"], float | int)
    assert row["rate"] > 0
    assert row["last"] == {"text": '{"n": 1}', "size": 8, "cut": False, "shown": 8}
    assert row["last_at"]


def test_a_remembered_channel_shows_its_history(api: Api) -> None:
    for _ in range(3):
        api.site.redis("PUBLISH", "kept:news", "x")
    (row,) = api.get("channels", q="kept:news")["rows"]
    assert row["remembered"] is True
    history = api.get("channel", name="kept%3Anews")["history"]
    assert (history["rule"], history["maxlen"], history["length"]) == ("kept*", 1000, 3)


def test_ten_thousand_channels_page_by_page(api: Api) -> None:
    with api.site.node.connect() as alice:
        names = [f"many:{number:05}" for number in range(10_000)]
        alice.send("SUBSCRIBE", *names)
        for _ in names:
            alice.read()
        found = api.get("channels", q="many:", sort="name", offset=9_990, limit=50)
        assert found["total"] == 10_000
        assert [row["name"] for row in found["rows"]] == names[9_990:]
        assert api.get("channels", q="many:*77")["total"] == 100


def test_our_own_channels_are_not_listed(api: Api) -> None:
    with api.site.node.connect() as alice:
        alice.do("SUBSCRIBE", "__airwave__:overview")
        assert api.get("channels", q="__airwave__")["total"] == 0


def test_a_test_message(api: Api) -> None:
    with api.site.node.connect() as alice:
        alice.do("SUBSCRIBE", "news")
        assert api.post("channel/publish", name="news", message="häl\nlo") == {"receivers": 1}
        assert alice.read() == [b"message", b"news", "häl\nlo".encode()]


@pytest.mark.parametrize("name", ["__airwave__%3Aoverview", "__presence__%3Aa"])
def test_nobody_publishes_on_channels_of_ours(api: Api, name: str) -> None:
    assert api.send("channel/publish", {"name": name, "message": "x"}).status == 403


def test_what_is_too_long_or_none_is_refused(api: Api) -> None:
    assert api.send("channel/publish", {"name": "a", "message": "x" * 70_000}).status == 400
    assert api.send("channel/publish", {"name": "a", "message": 1}).status == 400
    api.site.redis("SET", "kept:string", "x")
    assert "WRONGTYPE" in error(api.send("channel/publish", {"name": "kept%3Astring", "message": "x"}))
