"""oliver006/redis_exporter: what it reads stays there, and the real one scrapes a server without an error.

The lists are its source's (`exporter/exporter.go`, `info.go`, `clients.go`, `latency.go`, `slowlog.go`, `streams.go`),
without what is about things that Airwave does not do: replication, clusters, Lua, an allocator.
"""

import os
import re
import shutil
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from live import HOST, Node, Peer, Start, wait_for
from servers import free_port, running

INFO_GAUGES = """
    uptime_in_seconds process_id hz configured_hz connected_clients blocked_clients tracking_clients used_memory
    used_memory_rss used_memory_peak maxmemory mem_fragmentation_ratio mem_fragmentation_bytes loading
    rdb_changes_since_last_save rdb_bgsave_in_progress rdb_last_save_time aof_enabled aof_rewrite_in_progress
    aof_rewrite_scheduled pubsub_channels pubsub_patterns latest_fork_usec connected_slaves master_repl_offset
    repl_backlog_active
""".split()  # noqa: SIM905
INFO_COUNTERS = """
    total_connections_received total_commands_processed rejected_connections total_net_input_bytes
    total_net_output_bytes expired_keys evicted_keys keyspace_hits keyspace_misses used_cpu_sys used_cpu_user
    used_cpu_sys_children used_cpu_user_children
""".split()  # noqa: SIM905
INFO_STATUSES = ["rdb_last_bgsave_status", "aof_last_bgrewrite_status", "aof_last_write_status"]  # `ok` is 1
INFO_LABELS = ["role", "redis_version", "redis_mode", "os", "maxmemory_policy", "tcp_port", "run_id", "process_id"]
CLIENT_FIELDS = ["name", "age", "idle", "flags", "db", "omem", "cmd", "addr", "user", "resp"]
STREAM_FIELDS = """
    length radix-tree-keys radix-tree-nodes last-generated-id max-deleted-entry-id entries-added groups first-entry
    last-entry
""".split()  # noqa: SIM905


@pytest.fixture
def node(start: Start) -> Node:
    tracing = ("--slowlog-log-slower-than", "0", "--latency-monitor-threshold", "1")
    return start("--bind", HOST, "--enable-debug-command", "yes", *tracing)


@pytest.fixture
def peer(node: Node) -> Iterator[Peer]:
    """A client of a server that something has happened on."""
    with node.connect() as peer:
        peer.do("SET", "once", "1", "PX", "60000")
        peer.do("XADD", "orders", "1-1", "item", "7")
        peer.do("XADD", "orders", "2-1", "item", "8")
        peer.do("XGROUP", "CREATE", "orders", "billing", "0")
        peer.do("XREADGROUP", "GROUP", "billing", "anna", "COUNT", "1", "STREAMS", "orders", ">")
        peer.do("DEBUG", "SLEEP", "0.002")  # a spike
        assert isinstance(peer.do("XADD", "once", "*", "a", "b"), Exception)
        yield peer


def test_fields_of_info_are_numbers(peer: Peer) -> None:
    found = peer.info("all")
    figures = {name: float(found[name]) for name in (*INFO_GAUGES, *INFO_COUNTERS)}
    assert figures["connected_clients"] == 1
    assert figures["total_commands_processed"] >= 7
    assert [found[name] for name in INFO_STATUSES] == ["ok"] * 3
    assert all(found[name] for name in INFO_LABELS)


def test_commands_errors_and_databases_are_in_the_form_that_it_reads(peer: Peer) -> None:
    text = bytes(peer.do("INFO", "ALL")).decode()
    headings = re.findall(r"^# (.*)\r$", text, re.MULTILINE)
    assert {"Server", "Replication", "Commandstats", "Latencystats", "Errorstats", "Keyspace"} <= set(headings)
    found = peer.info("all")
    figures = r"calls=\d+,usec=\d+,usec_per_call=[\d.]+,rejected_calls=\d+,failed_calls=\d+"
    assert re.fullmatch(figures, found["cmdstat_xgroup|create"])
    assert re.fullmatch(r"p50=[\d.]+,p99=[\d.]+,p99\.9=[\d.]+", found["latency_percentiles_usec_xadd"])
    assert found["errorstat_WRONGTYPE"] == "count=1"
    assert re.fullmatch(r"keys=2,expires=1,avg_ttl=\d+", found["db0"])


def test_settings_come_as_names_and_values(peer: Peer) -> None:
    flat = peer.do("CONFIG", "GET", "*")
    found = dict(zip(flat[::2], flat[1::2], strict=True))
    assert found[b"databases"] == b"16"
    assert found[b"maxclients"] == b"10000"


def test_a_line_of_client_list_has_its_fields(peer: Peer) -> None:
    (line,) = bytes(peer.do("CLIENT", "LIST")).decode().splitlines()
    assert re.match(r"id=\d+ addr=\S+:\d+", line)
    parts = [part.split("=") for part in line.split(" ")]
    assert all(len(part) == 2 for part in parts)  # it drops a client of whom one part has another form
    assert set(CLIENT_FIELDS) <= {name for name, _ in parts}


def test_the_slow_log_and_spikes_have_their_form(peer: Peer) -> None:
    assert peer.do("SLOWLOG", "LEN") > 0
    ((number, at, us, words, *_),) = peer.do("SLOWLOG", "GET", "1")
    assert all(isinstance(value, int) for value in (number, at, us))
    assert words[0] == b"SLOWLOG"
    spikes = peer.do("LATENCY", "LATEST")
    assert [len(spike) for spike in spikes] == [4]
    assert spikes[0][0] == b"command"
    flat = peer.do("LATENCY", "HISTOGRAM")
    figures = dict(zip(flat[::2], flat[1::2], strict=True))[b"xadd"]
    assert figures[:3] == [b"calls", 3, b"histogram_usec"]
    assert figures[3][-1] == 3


def test_streams_groups_and_consumers_have_their_fields(peer: Peer) -> None:
    flat = peer.do("XINFO", "STREAM", "orders")
    stream = {name.decode(): value for name, value in zip(flat[::2], flat[1::2], strict=True)}
    assert set(STREAM_FIELDS) <= set(stream)
    assert (stream["length"], stream["groups"], stream["last-generated-id"]) == (2, 1, b"2-1")
    assert stream["first-entry"] == [b"1-1", [b"item", b"7"]]
    assert stream["last-entry"] == [b"2-1", [b"item", b"8"]]
    (flat,) = peer.do("XINFO", "GROUPS", "orders")
    group = dict(zip(flat[::2], flat[1::2], strict=True))
    assert [group[name] for name in (b"name", b"consumers", b"pending", b"entries-read", b"lag")] == [
        *(b"billing", 1, 1, 1, 1)
    ]
    assert group[b"last-delivered-id"] == b"1-1"
    (flat,) = peer.do("XINFO", "CONSUMERS", "orders", "billing")
    consumer = dict(zip(flat[::2], flat[1::2], strict=True))
    assert (consumer[b"name"], consumer[b"pending"]) == (b"anna", 1)
    assert consumer[b"idle"] >= 0


# --- the real one -----------------------------------------------------------------------------------------------------


def exporter() -> str:
    """The exporter's program, or the test is skipped; on CI there must be one."""
    for name in ("prometheus-redis-exporter", "redis_exporter"):
        if found := shutil.which(name):
            return found
    reason = "redis_exporter is not installed: apt-get install prometheus-redis-exporter"
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)


@pytest.mark.slow
@pytest.mark.usefixtures("peer")
def test_the_real_exporter_scrapes_without_an_error(node: Node, tmp_path: Path) -> None:
    where = f"{HOST}:{free_port()}"
    options = ["-redis.addr", node.url, "-export-client-list", "-check-streams", "db0=*", "-web.listen-address", where]
    with (
        running([exporter(), *options], tmp_path, "Providing metrics at"),
        closing(_opened(f"http://{where}/metrics")) as answer,
    ):
        text = answer.read().decode()
    assert "redis_up 1" in text
    assert 'redis_exporter_last_scrape_error{err=""} 0' in text
    samples = set(re.findall(r"^(redis_\w+)[ {]", text, re.MULTILINE))
    for expected in (
        *("connected_clients", "memory_used_bytes", "memory_max_bytes", "commands_total", "db_keys", "instance_info"),
        *("commands_duration_seconds_total", "errors_total", "latency_percentiles_usec", "start_time_seconds"),
        *("pubsub_channels", "net_output_bytes_total", "cpu_user_seconds_total", "rdb_last_save_timestamp_seconds"),
        *("slowlog_length", "last_slow_execution_duration_seconds", "connected_clients_details", "config_maxclients"),
        *("stream_length", "stream_groups", "stream_group_messages_pending", "stream_group_consumer_idle_seconds"),
    ):
        assert f"redis_{expected}" in samples
    assert 'redis_stream_length{db="db0",stream="orders"} 2' in text
    assert 'redis_stream_group_messages_pending{db="db0",group="billing",stream="orders"} 1' in text
    assert re.search(r'redis_errors_total\{err="WRONGTYPE"\} 1', text)


def _opened(url: str) -> Any:
    """It says that it provides before it listens."""

    def attempt() -> Any:
        try:
            return urllib.request.urlopen(url, timeout=30)
        except ConnectionError:
            return None
        except urllib.error.URLError as error:
            if isinstance(error.reason, ConnectionError):
                return None
            raise

    return wait_for(attempt, "the exporter to listen")
