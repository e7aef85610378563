"""Each figure says what has happened."""

import re
from collections import Counter

import pytest
from memory import Node

from airwave.command import CommandStats
from airwave.web.figures import Browsers, durations, label
from airwave.web.metrics import FIGURES

from .scraping import scrape


@pytest.fixture
def node() -> Node:
    return Node()


def test_names_follow_the_conventions_of_prometheus() -> None:
    names = [figure.name for figure in FIGURES]
    assert not [name for name, count in Counter(names).items() if count > 1]
    for figure in FIGURES:
        assert re.fullmatch(r"(airwave|process)(_[a-z]+)+", figure.name)
        assert not figure.name.endswith(("_total", "_ms", "_us", "_kb", "_count", "_sum", "_bucket"))
        assert figure.meaning.endswith(".")
        assert all(re.fullmatch("[a-z]+", name) and name not in ("le", "quantile") for name in figure.labels)


def test_messages_and_subscriptions(node: Node) -> None:
    alice, bob = node.peer(), node.peer()
    alice.ask("SUBSCRIBE news")
    alice.ask("PSUBSCRIBE n*")
    bob.ask("PUBLISH news hi")
    bob.ask("PUBLISH nowhere hi")
    found = scrape(node)
    assert found("airwave_messages_published_total") == 2
    assert found("airwave_messages_delivered_total") == 3
    assert found("airwave_messages_delivered_bytes_total") == node.broker.pubsub.delivered_bytes > 0
    assert found("airwave_topics", kind="channel") == 1
    assert found("airwave_subscriptions", kind="pattern") == 1
    assert found("airwave_subscriptions", kind="shard_channel") == 0
    assert found("airwave_clients") == 2
    assert found("airwave_pubsub_clients") == 1
    assert found("airwave_received_bytes_total") == node.broker.stats.input_bytes > 0
    assert found("airwave_sent_bytes_total") == node.broker.stats.output_bytes > 0


def test_what_slow_subscribers_lose(node: Node) -> None:
    slow, publisher = node.peer(), node.peer()
    publisher.ask("CONFIG SET slow-subscriber-policy drop-oldest")
    publisher.ask("CONFIG", "SET", "client-output-buffer-limit", "pubsub 100kb 0 0")
    slow.ask("SUBSCRIBE x")
    slow.wire.stuck = True
    node.host.quiet = False  # it is warned of
    for _ in range(30):
        publisher.ask("PUBLISH", "x", "m" * 10_000)
        node.settle()
    found = scrape(node)
    assert found("airwave_lagging_clients") == 1
    assert found("airwave_messages_dropped_total") == node.broker.stats.dropped_messages > 0


def test_commands_have_histograms_and_errors_their_codes(node: Node) -> None:
    peer = node.peer()
    peer.ask("SET k v")
    peer.do("XADD k * a b", lambda reply: "WRONGTYPE" in str(reply))
    peer.do("GET", lambda reply: "wrong number" in str(reply))
    found = scrape(node)
    assert found("airwave_command_duration_seconds_count", command="set") == 1
    assert found("airwave_command_duration_seconds_bucket", command="set", le="+Inf") == 1
    assert found("airwave_command_duration_seconds_count", command="get") is None
    assert found("airwave_commands_failed_total", command="xadd") == 1
    assert found("airwave_commands_rejected_total", command="get") == 1
    assert found("airwave_error_replies_total", code="WRONGTYPE") == 1
    assert found("airwave_slowlog_entries") == 0


def test_a_duration_is_below_the_bound_of_its_bucket_and_above_those_before() -> None:
    for ns in (0, 1023, 1024, 5000, 1 << 20, 1 << 30, 1 << 40):
        stats = CommandStats()
        stats.count(1, ns)
        shown = durations(stats.buckets)
        assert shown[-1] == ("+Inf", 1.0)
        for bound_s, count in shown[:-1]:
            assert count == (ns < round(float(bound_s) * 1e9))
        assert [count for _, count in shown] == sorted(count for _, count in shown)


def test_the_sum_is_the_time_that_commands_took(node: Node) -> None:
    node.broker.command_stats["ping"].count(3, 3_000_000_000)
    found = scrape(node)
    assert found("airwave_command_duration_seconds_sum", command="ping") == 3
    assert found("airwave_command_duration_seconds_bucket", command="ping", le="+Inf") == 3


def test_the_event_loop(node: Node) -> None:
    for late_ms in (0, 4, 3000):
        node.broker.stats.loop_lag.note(late_ms * 1_000_000)
    found = scrape(node)
    assert found("airwave_event_loop_lag_seconds_bucket", le="0.001") == 1
    assert found("airwave_event_loop_lag_seconds_bucket", le="0.005") == 2
    assert found("airwave_event_loop_lag_seconds_bucket", le="+Inf") == 3
    assert found("airwave_event_loop_lag_seconds_sum") == pytest.approx(3.004)
    assert found("airwave_event_loop_lag_recent_seconds") == 3


def test_the_process_and_browsers(node: Node) -> None:
    found = scrape(node, Browsers({"sse": 3, "websocket": 0}, 4, 5))
    assert found("process_cpu_seconds_total") == 1.75
    assert found("process_resident_memory_bytes") == 20 << 20
    assert found("airwave_start_time_seconds") == node.broker.started_at
    assert found("airwave_web_clients", kind="sse") == 3
    assert found("airwave_web_expired_total") == 4
    assert found("airwave_web_failed_sign_ins_total") == 5


def test_keys_and_what_is_remembered(node: Node) -> None:
    peer = node.peer()
    peer.ask("SET a 1")
    peer.ask("SET b 1 PX 1000")
    peer.ask("GET a")
    peer.ask("GET none")
    peer.ask("CONFIG SET remember kept:*")
    peer.ask("PUBLISH kept:1 hi")
    found = scrape(node)
    assert found("airwave_keys", db="0") == 3
    assert found("airwave_keys_expiring", db="0") == 1
    assert found("airwave_key_hits_total") == 1
    assert found("airwave_key_misses_total") == 1
    assert found("airwave_remembered_channels") == 1
    assert found("airwave_database_enabled") == 0
    assert found("airwave_database_size_bytes") is None


@pytest.mark.parametrize(
    ("one", "other"), [(b"\xff", rb"\xff"), (b"a\\", b"a\\\\"), (b"\\xff", b"\\\\xff"), (b"\xc3\xa9", rb"\xc3\xa9")]
)
def test_no_two_names_have_the_same_label(one: bytes, other: bytes) -> None:
    assert label(one) != label(other)
    assert label("é".encode()) == "é"
