"""INFO, CONFIG and the other commands about the server as a whole."""

import re

import pytest

from airwave.version import __version__

from .conftest import Ask, Node, Peer


def info(peer: Peer, *sections: str) -> dict[str, str]:
    text = peer.ask("INFO", *sections).decode()
    return dict(line.split(":", 1) for line in text.splitlines() if ":" in line)


def form(value: str) -> str:
    """A value with its numbers and units made alike."""
    return re.sub(r"\d+", "0", value).replace("M", "K")


def headings(text: bytes) -> list[str]:
    return re.findall(r"^# (\w+)\r$", text.decode(), re.MULTILINE)


# --- INFO -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "names",
    [
        "",
        "default",
        "all",
        "everything",
        "server",
        "CPU MEMORY",
        "keyspace server",
        "nonsense",
        "nonsense cluster",
        "default commandstats",
        "modules errorstats replication",
    ],
)
def test_info_has_the_sections_that_redis_has(alice: Peer, oracle: Ask, names: str) -> None:
    assert headings(alice.raw(f"INFO {names}")) == headings(oracle(f"INFO {names}"))


def test_info_has_only_fields_of_redis_with_the_same_form_or_its_own(alice: Peer, oracle: Ask) -> None:
    own = re.compile(
        "server_name|airwave_version|python_version|monitor_clients|lagging_clients|fan_out_queue_clients|gc_.*|"
        "accept_pauses|pubsub_deliver.*|pubsub_published|pubsub_cached_routes|dropped_messages|loop_lag.*|"
        # newer than the redis-server of the tests
        "pubsub_clients|client_(query|output)_buffer_limit_disconnections"
    )
    redis = dict(line.split(":", 1) for line in oracle("INFO everything").decode().splitlines() if ":" in line)
    for name, value in info(alice, "default").items():
        if own.fullmatch(name):
            continue
        assert name in redis
        if name not in ("os", "executable", "run_id"):
            assert form(value) == form(redis[name])


def test_info_says_what_clients_and_exporters_read(node: Node, alice: Peer) -> None:
    found = info(alice)
    assert found["redis_mode"] == "standalone"
    assert found["server_name"] == "airwave"
    assert found["airwave_version"] == __version__
    assert found["role"] == "master"
    assert [found[name] for name in ("loading", "cluster_enabled", "connected_slaves", "maxmemory")] == ["0"] * 4
    assert found["process_id"] == "42"
    assert found["run_id"] == node.host.run_id
    assert found["used_memory_human"] == "20.00M"
    assert found["used_cpu_user"] == "1.500000"
    assert found["connected_clients"] == "1"
    assert found["rdb_last_save_time"] == "1800000005"


def test_info_tells_how_many_messages_clients_have_published(alice: Peer) -> None:
    alice.do("PUBLISH news hi", 0)
    alice.do("SPUBLISH news hi", 0)
    assert info(alice, "stats")["pubsub_published"] == "2"
    alice.do("CONFIG RESETSTAT", "OK")
    assert info(alice, "stats")["pubsub_published"] == "0"


def test_info_tells_how_late_the_event_loop_was(node: Node, alice: Peer) -> None:
    node.broker.stats.loop_lag.note(12_345_678)
    node.broker.stats.loop_lag.note(1_000_000)
    assert info(alice, "stats")["loop_lag_ms"] == "12.346"
    assert info(alice, "stats")["loop_lag_max_ms"] == "12.346"
    alice.do("CONFIG RESETSTAT", "OK")
    assert info(alice, "stats")["loop_lag_max_ms"] == "0.000"


def test_info_ends_lines_with_crlf_and_parts_sections_by_an_empty_line(alice: Peer) -> None:
    text = alice.ask("INFO cluster keyspace modules")
    assert text == b"# Modules\r\n\r\n# Cluster\r\ncluster_enabled:0\r\n\r\n# Keyspace\r\n"


def test_info_is_verbatim_text_in_resp3(alice: Peer, oracle: Ask) -> None:
    alice.ask("HELLO 3")
    assert alice.raw("INFO cluster") == oracle("INFO cluster", resp3=True)


def test_info_counts_clients_messages_and_errors(node: Node, alice: Peer) -> None:
    bob = node.peer()
    bob.raw("SUBSCRIBE news")
    bob.raw("SSUBSCRIBE shard")
    bob.raw("PSUBSCRIBE n*")
    alice.ask("PUBLISH news hi")
    alice.error("NOSUCH")
    alice.error("PING too many")
    found = info(alice, "clients", "stats", "errorstats")
    assert found["connected_clients"] == "2"
    assert found["pubsub_clients"] == "1"
    assert [found[f"pubsub_{name}"] for name in ("channels", "patterns", "deliveries")] == ["1", "1", "2"]
    assert found["pubsubshard_channels"] == "1"
    assert found["total_error_replies"] == "2"
    assert found["errorstat_ERR"] == "count=2"


def test_info_commandstats_and_latencystats(node: Node, alice: Peer) -> None:
    node.host.has_config_file = False
    alice.ask("PING")
    alice.error("CONFIG REWRITE")
    alice.error("ECHO")
    alice.error("CLIENT")
    found = info(alice, "commandstats", "latencystats")
    assert found["cmdstat_ping"] == "calls=1,usec=0,usec_per_call=0.00,rejected_calls=0,failed_calls=0"
    assert found["cmdstat_config|rewrite"] == "calls=1,usec=0,usec_per_call=0.00,rejected_calls=0,failed_calls=1"
    assert found["cmdstat_echo"] == "calls=0,usec=0,usec_per_call=0.00,rejected_calls=1,failed_calls=0"
    assert found["cmdstat_client"] == "calls=0,usec=0,usec_per_call=0.00,rejected_calls=1,failed_calls=0"
    assert found["latency_percentiles_usec_ping"] == "p50=1.000,p99=1.000,p99.9=1.000"
    assert "latency_percentiles_usec_echo" not in found


def test_latencystats_are_upper_bounds_of_the_percentiles_asked_for() -> None:
    node = Node(("enable-debug-command", "yes"), ("latency-tracking-info-percentiles", "50 100"))
    alice = node.peer()
    for delay_us in (100, 100, 100, 5000):
        alice.ask(f"DEBUG SLEEP {delay_us / 1e6}")
    assert info(alice, "latencystats")["latency_percentiles_usec_debug"] == "p50=128.000,p100=8192.000"
    alice.ask("CONFIG SET latency-tracking no")
    assert info(alice, "latencystats") == {}


def test_resetstat_sets_counters_to_zero(alice: Peer) -> None:
    alice.ask("PING")
    alice.error("NOSUCH")
    assert alice.ask("CONFIG RESETSTAT") == b"OK"
    found = info(alice, "all")
    assert found["total_error_replies"] == "0"
    assert found["total_connections_received"] == "0"
    assert "cmdstat_ping" not in found


# --- CONFIG -----------------------------------------------------------------------------------------------------------


def test_config_get_is_a_map(alice: Peer) -> None:
    assert alice.raw("CONFIG GET hz nosuch") == b"*2\r\n$2\r\nhz\r\n$2\r\n10\r\n"
    alice.ask("HELLO 3")
    assert alice.raw("CONFIG GET hz") == b"%1\r\n$2\r\nhz\r\n$2\r\n10\r\n"
    assert alice.ask("CONFIG GET slowlog-*") == {b"slowlog-log-slower-than": b"10000", b"slowlog-max-len": b"128"}


def test_config_set_changes_all_or_nothing(alice: Peer) -> None:
    assert alice.ask("CONFIG SET hz 20 timeout 7") == b"OK"
    assert alice.ask("CONFIG GET hz timeout") == [b"timeout", b"7", b"hz", b"20"]
    assert "argument must be between" in alice.error("CONFIG SET hz 30 maxclients 0")
    assert alice.ask("CONFIG GET hz") == [b"hz", b"20"]


def test_config_rewrite_is_the_hosts(node: Node, alice: Peer) -> None:
    assert alice.ask("CONFIG REWRITE") == b"OK"
    assert node.host.rewrites == 1


# --- SHUTDOWN, DEBUG --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "now"),
    [("SHUTDOWN", False), ("shutdown now", True), ("SHUTDOWN SAVE", False), ("SHUTDOWN NOSAVE NOW FORCE", True)],
)
def test_shutdown_asks_the_host_and_does_not_reply(node: Node, alice: Peer, line: str, now: bool) -> None:
    assert alice.raw(line) == b""
    assert node.host.shutdowns == [now]


def test_a_refused_shutdown_stops_nothing(node: Node, alice: Peer) -> None:
    for line in ("SHUTDOWN now save nosave", "SHUTDOWN soon", "SHUTDOWN ABORT NOW", "SHUTDOWN ABORT"):
        alice.error(line)
    assert node.host.shutdowns == []


def test_debug_is_refused_unless_the_setting_allows_it(oracle: Ask) -> None:
    text = Node().peer().error("DEBUG SLEEP 0")
    assert text.startswith("ERR DEBUG command not allowed. If the enable-debug-command option is set to")
    local = Node(("enable-debug-command", "local"))
    for address, allowed in (("127.0.0.1:1", True), ("[::1]:1", True), ("/tmp/s:0", True), ("10.0.0.1:1", False)):
        reply = local.peer(address).raw("DEBUG SLEEP 0")
        assert reply == (oracle("DEBUG SLEEP 0") if allowed else f"-{text}\r\n".encode())


def test_debug_sleep_stops_the_host(oracle: Ask) -> None:
    node = Node(("enable-debug-command", "yes"))
    alice = node.peer()
    before = node.host.ns
    assert alice.ask("DEBUG SLEEP 1.5") == b"OK"
    assert node.host.ns - before == 1_500_000_000
    for line in ("DEBUG SLEEP", "DEBUG nosuch", "DEBUG SLEEP 0 0", "DEBUG SLEEP -1"):
        assert alice.raw(line) == oracle(line)
    for seconds in ("nan", "inf", "a"):
        assert alice.error(f"DEBUG SLEEP {seconds}") == "ERR value is not a valid float"
    assert alice.ask("DEBUG HELP")[0].startswith(b"DEBUG <subcommand>")


# --- the others -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("resp3", [False, True], ids=["resp2", "resp3"])
@pytest.mark.parametrize(
    "line",
    [
        "ACL CAT",
        "ACL CAT a b",
        "ACL CAT nosuch",
        "ACL WHOAMI",
        "ACL nosuch",
        "CONFIG",
        "CONFIG GET",
        "CONFIG GET nosuch nosuch2",
        "CONFIG RESETSTAT x",
        "CONFIG SET hz",
        "CONFIG SET hz 10 timeout",
        "CONFIG SET nosuch 1",
        "CONFIG nosuch",
        "DBSIZE",
        "FLUSHALL",
        "FLUSHALL SYNC ASYNC",
        "FLUSHALL now",
        "FLUSHDB async",
        "FLUSHDB",
        "LOLWUT VERSION x",
        "MODULE LIST",
        "MODULE nosuch",
        "ROLE",
        "SHUTDOWN ABORT",
        "SHUTDOWN ABORT NOW",
        "SHUTDOWN SAVE NOSAVE",
        "SHUTDOWN soon",
        "TIME x",
        "WAIT -1 0",
        "WAIT 0 -1",
        "WAIT 0 0",
        "WAIT 0 x",
        "WAIT x 0",
        "config",
    ],
)
def test_replies_are_those_of_redis(alice: Peer, oracle: Ask, line: str, resp3: bool) -> None:
    if resp3:
        alice.ask("HELLO 3")
    assert alice.raw(line) == oracle(line, resp3=resp3)


def test_commands_that_airwave_does_not_have_are_unknown_as_in_redis(alice: Peer, oracle: Ask) -> None:
    assert alice.raw("DPING") == oracle("DPING")
    for line in ("CLUSTER INFO", "SENTINEL masters", "CLIENT|ID", "HGET x y"):
        assert alice.error(line).startswith("ERR unknown command")


def test_acl_cat_lists_the_commands_of_a_category(alice: Peer, oracle: Ask) -> None:
    assert alice.raw("ACL CAT transaction").split(b"\r\n")[0] == oracle("ACL CAT transaction").split(b"\r\n")[0]
    assert set(alice.ask("ACL CAT TRANSACTION")) == {b"multi", b"exec", b"discard", b"watch", b"unwatch"}


def test_time_and_lastsave(node: Node, alice: Peer) -> None:
    assert alice.ask("TIME") == [b"1800000005", b"250000"]
    node.host.ns += 3_000_001_000
    assert alice.ask("TIME") == [b"1800000008", b"250001"]
    assert alice.ask("LASTSAVE") == 1800000005


def test_lolwut_draws_and_ends_with_the_version(alice: Peer) -> None:
    lines = alice.ask("LOLWUT 20").decode().splitlines()
    assert {len(line) for line in lines[:6]} == {20}
    assert re.fullmatch(r"Redis ver\. [\d.]+, played by Airwave [\d.]+", lines[-1])
    for line in ("LOLWUT", "LOLWUT VERSION 5 1 2 3", "LOLWUT -7", "LOLWUT 999999999"):
        assert alice.ask(line).decode().count("\n") == 8


def test_every_help_lists_its_subcommands(alice: Peer) -> None:
    for name in ("ACL", "COMMAND", "CONFIG", "LATENCY", "MEMORY", "MODULE", "SLOWLOG"):
        lines = alice.ask(f"{name} HELP")
        assert lines[0] == f"{name} <subcommand> [<arg> [value] [opt] ...]. Subcommands are:".encode()
        assert lines[-2:] == [b"HELP", b"    Print this help."]
