"""The entries of a stream."""

import pytest

from .api import Api, error


@pytest.fixture
def filled(api: Api) -> Api:
    with api.site.node.connect() as peer:
        for number in range(1, 61):
            peer.do("XADD", "s", f"{number * 1000}-{number}", "data", f"entry {number}")
    return api


def ids(page: dict[str, list[dict[str, str]]]) -> list[int]:
    return [int(entry["id"].partition("-")[2]) for entry in page["entries"]]


def test_all_pages_from_the_newest_on(filled: Api) -> None:
    seen, start = [], ""
    while start is not None:
        page = filled.get("stream/entries", name="s", from_=start, count=25)
        seen += ids(page)
        start = page["next"]
    assert seen == list(range(60, 0, -1))


def test_all_pages_from_the_oldest_on(filled: Api) -> None:
    seen, start = [], ""
    while start is not None:
        page = filled.get("stream/entries", name="s", from_=start, order="oldest", count=20)
        seen += ids(page)
        start = page["next"]
    assert seen == list(range(1, 61))


def test_from_an_id_or_a_time(filled: Api) -> None:
    assert ids(filled.get("stream/entries", name="s", from_="30000-30", count=2)) == [30, 29]
    assert ids(filled.get("stream/entries", name="s", from_="30000-30", order="oldest", count=2)) == [30, 31]
    assert ids(filled.get("stream/entries", name="s", from_="30500", order="oldest", count=1)) == [31]
    assert ids(filled.get("stream/entries", name="s", from_="30500", count=1)) == [30]
    assert filled.get("stream/entries", name="s", from_="61000", order="oldest")["next"] is None


@pytest.mark.parametrize("start", ["x", "1-2-3", "-", "(", "1_0", "1e3"])
def test_what_is_no_place_is_refused(filled: Api, start: str) -> None:
    assert filled.ask("stream/entries", name="s", from_=start).status == 400


def test_any_bytes_and_no_more_than_there_is_room_for(api: Api) -> None:
    long = "ä" * 100_000
    api.site.redis("XADD", "s", "1-0", b"\xff", b"\x00\x01", "long", long, "text", "<b>hi</b>")
    (entry,) = api.get("stream/entries", name="s")["entries"]
    assert entry["cut"] is True
    (binary, data), (_, cut), (_, text) = entry["fields"]
    assert (binary["hex"], data["hex"], text["text"]) == ("ff", "0001", "<b>hi</b>")
    assert (cut["size"], cut["shown"], cut["cut"]) == (200_000, 1024, True)
    whole = api.get("stream/entry", name="s", id="1-0")
    assert whole["fields"][1][1]["shown"] == 64 * 1024


def test_an_entry_with_many_fields(api: Api) -> None:
    words = [str(number) for number in range(100)]
    api.site.redis("XADD", "s", "1-0", *words)
    (entry,) = api.get("stream/entries", name="s")["entries"]
    assert (len(entry["fields"]), entry["more_fields"], entry["cut"]) == (20, 30, True)
    assert len(api.get("stream/entry", name="s", id="1-0")["fields"]) == 50


def test_large_entries_have_a_bound_in_all(api: Api) -> None:
    words = [word for number in range(200) for word in (f"field {number}", "x" * 60_000)]
    for _ in range(3):
        api.site.redis("XADD", "s", "*", *words)
    answer = api.ask("stream/entries", name="s")
    assert len(answer.body) < 3 * 20 * 1200
    entry_id = answer.json["entries"][0]["id"]
    whole = api.ask("stream/entry", name="s", id=entry_id)
    assert len(whole.body) < 1_200_000
    assert len(whole.json["fields"]) + whole.json["more_fields"] == 200


def test_one_entry_that_is_not_there(filled: Api) -> None:
    assert error(filled.ask("stream/entry", name="s", id="1-1")) == "there is no such entry any more"
    assert filled.ask("stream/entry", name="s", id="1").status == 400
    assert filled.ask("stream/entry", name="t", id="1-0").status == 404


def test_deleting(filled: Api) -> None:
    assert filled.post("stream/delete", name="s", ids=["1000-1", "2000-2", "9-9"]) == {"deleted": 2}
    assert filled.site.redis("XLEN", "s") == 58


@pytest.mark.parametrize("wrong", [None, [], "1-0", ["1"], [1], ["*"], ["1-0"] * 1001])
def test_ids_must_be_ids(filled: Api, wrong: object) -> None:
    assert filled.send("stream/delete", {"name": "s", "ids": wrong}).status == 400
    assert filled.site.redis("XLEN", "s") == 60


def test_an_id_that_is_too_great_is_the_clients_fault(filled: Api) -> None:
    answer = filled.send("stream/delete", {"name": "s", "ids": ["99999999999999999999-0"]})
    assert (answer.status, "Invalid stream ID" in error(answer)) == (400, True)
