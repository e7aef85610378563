"""What is pending in a group."""

import pytest

from .api import Api, error


@pytest.fixture
def busy(api: Api) -> Api:
    """Ann has four entries, Bob one."""
    redis = api.site.redis
    for number in range(1, 6):
        redis("XADD", "s", f"{number}-0", "n", number)
    redis("XGROUP", "CREATE", "s", "g", "0")
    redis("XREADGROUP", "GROUP", "g", "ann", "COUNT", 4, "STREAMS", "s", ">")
    redis("XREADGROUP", "GROUP", "g", "bob", "STREAMS", "s", ">")
    return api


def pending(api: Api, **words: object) -> list[tuple[str, str | None]]:
    found = api.get("stream/pending", name="s", group="g", **words)["pending"]
    return [(each["id"], each["consumer"]) for each in found]


def test_pages_and_filters(busy: Api) -> None:
    page = busy.get("stream/pending", name="s", group="g", count=3)
    assert [(each["id"], each["deliveries"]) for each in page["pending"]] == [("1-0", 1), ("2-0", 1), ("3-0", 1)]
    assert pending(busy, from_=page["next"]) == [("4-0", "ann"), ("5-0", "bob")]
    assert pending(busy, consumer="bob") == [("5-0", "bob")]
    assert pending(busy, idle=3_600_000) == []
    consumers = busy.get("stream/pending", name="s", group="g")["consumers"]
    assert consumers == [{"key": "ann", "name": "ann", "pending": 4}, {"key": "bob", "name": "bob", "pending": 1}]


def test_claiming_keeps_the_number_of_deliveries(busy: Api) -> None:
    assert busy.post("stream/claim", name="s", group="g", consumer="bob", ids=["1-0", "2-0", "9-0"]) == {"claimed": 2}
    assert pending(busy, consumer="bob") == [("1-0", "bob"), ("2-0", "bob"), ("5-0", "bob")]
    found = busy.get("stream/pending", name="s", group="g")["pending"]
    assert {each["deliveries"] for each in found} == {1}


def test_acknowledging(busy: Api) -> None:
    assert busy.post("stream/ack", name="s", group="g", ids=["1-0", "9-0"]) == {"acknowledged": 1}
    assert len(pending(busy)) == 4


def test_an_entry_that_was_given_back_has_no_consumer(busy: Api) -> None:
    assert busy.site.redis("XNACK", "s", "g", "FAIL", "IDS", 1, "1-0") == 1
    assert pending(busy)[0] == ("1-0", None)


def test_what_is_not_there(busy: Api) -> None:
    assert error(busy.ask("stream/pending", name="s", group="x")) == "there is no such group"
    assert busy.send("stream/ack", {"name": "s", "group": "x", "ids": ["1-0"]}).status == 404
    assert busy.send("stream/claim", {"name": "s", "group": "g", "ids": ["1-0"], "consumer": ""}).status == 400
    assert busy.send("stream/claim", {"name": "s", "group": "g", "ids": ["1-0"], "consumer": 5}).status == 400
