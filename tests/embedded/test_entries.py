"""Reading streams of the direct API, one entry after the other."""

import asyncio
import threading

import pytest
from live import DEADLINE_S, wait_for

import airwave
from airwave import Entry
from airwave.embedded.entries import group_words, of_read, read_words


def test_words() -> None:
    assert read_words({"a": "0", b"b": "$"}, 5, 0) == ["XREAD", "COUNT", 5, "BLOCK", 0, "STREAMS", "a", b"b", "0", "$"]
    assert group_words("g", "c", "s", count=None, block_ms=None, claim_ms=7) == (
        ["XREADGROUP", "GROUP", "g", "c", "CLAIM", 7, "STREAMS", "s", ">"]
    )


def test_replies() -> None:
    assert of_read(None) == []
    assert of_read([[b"s", [[b"1-0", [b"f", b"v"]], [b"2-0", None]]], [b"t", [[b"3-0", [b"f", b"v"], 5, 2]]]]) == [
        Entry(b"s", b"1-0", {b"f": b"v"}),
        Entry(b"s", b"2-0", {}),
        Entry(b"t", b"3-0", {b"f": b"v"}, 2),
    ]


def test_a_follower_reads_what_is_there_and_what_comes(engine: airwave.Engine) -> None:
    ids = [engine.xadd("s", {"n": number}) for number in range(5)]
    follower = engine.follow("s", "0", count=2)
    assert [next(follower).id for _ in range(5)] == ids
    assert follower.position == ids[-1]
    threading.Timer(0.0, lambda: engine.xadd("s", {"n": 5})).start()
    assert next(follower).fields == {b"n": b"5"}
    assert iter(follower) is follower


@pytest.mark.parametrize("exists", [False, True])
def test_a_follower_begins_where_it_was_made(engine: airwave.Engine, exists: bool) -> None:
    if exists:
        engine.xadd("s", {"n": "old"})
    follower = engine.follow("s")
    engine.xadd("s", {"n": "new"})
    assert next(follower).fields == {b"n": b"new"}


def test_a_follower_outlives_its_connection(engine: airwave.Engine) -> None:
    """CLIENT KILL is no end of the stream: nothing is lost, nothing comes twice."""
    heard: list[bytes] = []

    async def follow() -> None:
        async with asyncio.timeout(DEADLINE_S):
            async for entry in engine.follow("s", "0"):
                heard.append(entry.fields[b"n"])
                if len(heard) == 20:
                    return

    def blocked() -> bool:
        return b"blocked_clients:1" in engine.execute("INFO", "clients")  # type: ignore[operator]

    thread = threading.Thread(target=lambda: asyncio.run(follow()))
    thread.start()
    with airwave.connect(engine.url) as client:
        for number in range(20):
            wait_for(blocked, "the follower to wait")
            client.client_kill_filter(_type="normal", skipme=True)
            engine.xadd("s", {"n": number})
            wait_for(lambda number=number: len(heard) == number + 1, "the entry")
    thread.join(DEADLINE_S)
    assert heard == [b"%d" % number for number in range(20)]


def test_the_end_of_the_engine_is_told(url: str) -> None:
    with airwave.Engine(url) as engine:
        follower = engine.follow("s")
        airwave.close(url)
        with pytest.raises(airwave.EmbeddedError, match="was closed"):
            next(follower)
