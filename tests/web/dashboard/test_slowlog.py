"""The slow log."""

from collections.abc import Iterator

import pytest

from .api import Api


@pytest.fixture
def all_is_slow(api: Api) -> Iterator[Api]:
    redis = api.site.redis
    redis("SLOWLOG", "RESET")
    redis("CONFIG", "SET", "slowlog-log-slower-than", 0)
    with api.site.node.connect() as peer:
        peer.do("CLIENT", "SETNAME", "ann")
        peer.do("SET", b"k\xff", "<b>")
    redis("CONFIG", "SET", "slowlog-log-slower-than", 10_000)
    yield api
    redis("SLOWLOG", "RESET")


def test_a_list_of_commands(all_is_slow: Api) -> None:
    found = all_is_slow.get("slowlog", q="SET")
    assert (found["threshold_us"], found["kept"]) == (10_000, 128)
    (row,) = [row for row in found["rows"] if row["argv"][0]["text"] == "SET"]
    assert [arg.get("text", arg.get("hex")) for arg in row["argv"]] == ["SET", "6bff", "<b>"]
    assert row["client"] == "ann"
    assert row["us"] >= 0
    times = [row["us"] for row in all_is_slow.get("slowlog", sort="us", desc=1)["rows"]]
    assert times == sorted(times, reverse=True)


def test_a_reset(all_is_slow: Api) -> None:
    assert all_is_slow.post("slowlog/reset") == {"ok": True}
    assert all_is_slow.get("slowlog")["total"] == 0
