"""Figures of streams and groups, up to their bound."""

from memory import Node

from .scraping import scrape


def test_streams_and_groups_with_their_names() -> None:
    node = Node()
    peer = node.peer()
    peer.ask("SELECT 2")
    for _ in range(3):
        peer.ask("XADD orders * a b")
    peer.ask("XGROUP CREATE orders billing 0")
    peer.ask("XREADGROUP GROUP billing anna COUNT 1 STREAMS orders >")
    peer.ask("XTRIM orders MAXLEN 2")
    node.advance(5)
    found = scrape(node)
    assert found("airwave_streams") == 1
    assert found("airwave_streams_entries") == found("airwave_stream_length", db="2", stream="orders") == 2
    assert found("airwave_stream_entries_added_total", db="2", stream="orders") == 3
    memory_bytes = found("airwave_stream_memory_bytes", db="2", stream="orders")
    assert memory_bytes is not None
    assert memory_bytes > 0
    group = {"db": "2", "stream": "orders", "group": "billing"}
    assert found("airwave_stream_group_lag", **group) == found("airwave_streams_lag") == 2
    assert found("airwave_stream_group_pending", **group) == found("airwave_streams_pending") == 1
    assert found("airwave_stream_group_oldest_pending_seconds", **group) == 5
    assert found("airwave_stream_group_consumers", **group) == 1


def test_what_is_unknown_is_missing() -> None:
    node = Node()
    peer = node.peer()
    peer.ask("XADD s 1-0 a b")
    peer.ask("XADD s 2-0 a b")
    peer.ask("XADD s 3-0 a b")
    peer.ask("XDEL s 2-0")
    peer.ask("XGROUP CREATE s g 1-0")
    found = scrape(node)
    group = {"db": "0", "stream": "s", "group": "g"}
    assert found("airwave_stream_group_lag", **group) is None
    assert found("airwave_stream_group_oldest_pending_seconds", **group) is None
    assert found("airwave_stream_group_pending", **group) == 0


def test_the_others_are_counted() -> None:
    node = Node(("metrics-streams-max", "2"))
    peer = node.peer()
    for number in range(5):
        peer.ask(f"XADD s{number} * a b")
        peer.ask(f"XGROUP CREATE s{number} g 0")
    peer.ask("XADD s3 * a b")
    found = scrape(node)
    assert len(found.labels("airwave_stream_length")) == len(found.labels("airwave_stream_group_lag")) == 2
    assert found("airwave_stream_length", db="0", stream="s3") == 2
    assert found("airwave_metrics_left_out", kind="stream") == found("airwave_metrics_left_out", kind="group") == 3
    assert found("airwave_streams") == 5


def test_none_may_be_wanted() -> None:
    node = Node(("metrics-streams-max", "0"))
    node.peer().ask("XADD s * a b")
    found = scrape(node)
    assert found.labels("airwave_stream_length") == []
    assert found("airwave_streams_entries") == 1


def test_names_that_are_no_text_are_told_apart() -> None:
    node = Node()
    peer = node.peer()
    for name in (b"\xff", rb"\xff", b'"\n\\', "größe".encode()):
        peer.ask("XADD", name, "*", "a", "b")
    found = {each["stream"] for each in scrape(node).labels("airwave_stream_length")}
    assert found == {r"\xff", r"\\xff", '"\n' + r"\\", "größe"}
