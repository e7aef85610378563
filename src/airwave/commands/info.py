"""The text of INFO: sections of `field:value` lines.

Fields have Redis's names and meaning. What is said is true: a field about something that Airwave does not do is Redis's
own zero (`aof_enabled:0`) where clients and redis_exporter look for it, and left out otherwise.
"""

import gc
import math
import sys
from collections.abc import Callable, Iterable, Iterator

from airwave.broker import Broker
from airwave.command import CommandStats
from airwave.version import REDIS_VERSION, __version__

Fields = Iterable[tuple[str, object]]


def render(broker: Broker, wanted: Iterable[bytes]) -> bytes:
    """The sections asked for, in Redis's order whatever the order of the names.

    Args:
        wanted: names in any letter case; unknown ones give nothing. None at all means the default sections.
    """
    names = {name.lower().decode("ascii", "replace") for name in wanted} or {"default"}
    if names & {"all", "everything"}:
        names = set(_SECTIONS)
    elif "default" in names:
        names |= set(_SECTIONS) - _ON_REQUEST
    sections = []
    for name, fields in _SECTIONS.items():
        if name in names:
            lines = [f"{key}:{value}\r\n" for key, value in fields(broker)]
            sections.append(f"# {'CPU' if name == 'cpu' else name.capitalize()}\r\n{''.join(lines)}")
    return "\r\n".join(sections).encode("utf-8", "surrogateescape")


def human(size: int) -> str:
    """A number of bytes as Redis writes it: `0B`, `1.00K`, `3.52M`."""
    if size < 1024:
        return f"{size}B"
    power = min(int(math.log(size, 1024)), 4)
    return f"{size / 1024**power:.2f}{'KMGT'[power - 1]}"


def used_and_peak_bytes(broker: Broker) -> tuple[int, int]:
    """What the process has of the machine's memory, and the most it had; neither is 0."""
    usage = broker.host.usage()
    used = max(1, usage["rss_bytes"])
    return used, max(used, usage["rss_peak_bytes"])  # the kernel counts the peak a little behind


def published(broker: Broker) -> int:
    """Messages that clients have published since the start or CONFIG RESETSTAT."""
    return broker.command_stats["publish"].calls + broker.command_stats["spublish"].calls


def _server(broker: Broker) -> Fields:
    host, settings = broker.host, broker.settings
    usage = host.usage()
    uptime_s = (broker.clock() - broker.started_ns) // 1_000_000_000
    return [
        ("redis_version", REDIS_VERSION),
        ("server_name", "airwave"),
        ("airwave_version", __version__),
        ("redis_mode", "standalone"),
        ("os", usage["os"]),
        ("arch_bits", sys.maxsize.bit_length() + 1),
        ("python_version", sys.version.partition(" ")[0]),
        ("process_id", host.pid),
        ("process_supervised", usage["supervised"]),
        ("run_id", host.run_id),
        ("tcp_port", settings.port),
        ("server_time_usec", int(host.wall() * 1_000_000)),
        ("uptime_in_seconds", uptime_s),
        ("uptime_in_days", uptime_s // 86400),
        ("hz", settings.hz),
        ("configured_hz", settings.hz),
        ("executable", usage["executable"]),
        ("config_file", settings.config_file),
        ("io_threads_active", 0),
    ]


def _clients(broker: Broker) -> Fields:
    return [
        ("connected_clients", len(broker.clients)),
        ("cluster_connections", 0),
        ("maxclients", broker.settings.maxclients),
        ("blocked_clients", len(broker.held) + len(broker.blocking.waits)),
        ("tracking_clients", 0),
        ("pubsub_clients", sum([client.is_subscriber for client in broker.clients.values()])),
        ("clients_in_timeout_table", 0),
        ("monitor_clients", len(broker.monitors)),
        ("lagging_clients", len(broker.lagging)),  # their sockets take no more; their messages wait here
        ("fan_out_queue_clients", len(broker.fan_out)),  # have messages and wait for their turn
    ]


def _memory(broker: Broker) -> Fields:
    # Python does not know how much of its memory is allocated: "used" is what the process has of the machine, and
    # fragmentation cannot be told.
    used, peak = used_and_peak_bytes(broker)
    young, middle, old = gc.get_stats()
    return [
        ("used_memory", used),
        ("used_memory_human", human(used)),
        ("used_memory_rss", used),
        ("used_memory_rss_human", human(used)),
        ("used_memory_peak", peak),
        ("used_memory_peak_human", human(peak)),
        ("used_memory_peak_perc", f"{100 * used / peak:.2f}%"),
        ("maxmemory", 0),
        ("maxmemory_human", "0B"),
        ("maxmemory_policy", "noeviction"),
        ("mem_fragmentation_ratio", "1.00"),
        ("mem_fragmentation_bytes", 0),
        ("gc_collections_young", young["collections"]),
        ("gc_collections_middle", middle["collections"]),
        ("gc_collections_full", old["collections"]),
    ]


def _persistence(broker: Broker) -> Fields:
    facts = broker.journal.facts()
    saving = int(broker.journal.saving)
    saved = "ok" if facts.get("last_save_ok", True) else "err"
    fields: list[tuple[str, object]] = [
        ("loading", 0),
        ("async_loading", 0),
        ("rdb_changes_since_last_save", 0),
        ("rdb_bgsave_in_progress", saving),
        ("rdb_last_save_time", facts.get("last_save_s", broker.started_at)),
        ("rdb_last_bgsave_status", saved),
        ("rdb_saves", facts.get("saves", 0)),
        ("aof_enabled", int(broker.journal.durable)),
        ("aof_rewrite_in_progress", saving),
        ("aof_rewrite_scheduled", 0),
        ("aof_last_bgrewrite_status", saved),
        ("aof_last_write_status", "err" if facts.get("last_error") else "ok"),
    ]
    if facts:
        fields += [
            ("aof_current_size", facts["size"] + facts["wal_size"]),
            ("database_size", facts["size"]),
            ("database_wal_size", facts["wal_size"]),
            ("database_journal_rows", facts["journal_rows"]),
            ("database_journal_bytes", facts["journal_bytes"]),
            ("database_values_to_write", facts["owed_values"]),
            ("database_rows_to_delete", facts["rubbish_rows"]),
            ("database_commits", facts["commits"]),
            ("database_checkpoints", facts["checkpoints"]),
            ("entries_in_memory_bytes", facts["resident_bytes"]),
            ("entries_in_memory_bytes_max", facts["resident_bytes_max"]),
            ("entries_chunks_fetched", facts["fetched_chunks"]),
        ]
    return fields


def _stats(broker: Broker) -> Fields:
    stats, pubsub = broker.stats, broker.pubsub
    return [
        ("total_connections_received", stats.connections_received),
        ("total_commands_processed", broker.commands_processed),
        ("instantaneous_ops_per_sec", int(stats.commands_of_rate.per_second)),
        ("total_net_input_bytes", stats.input_bytes),
        ("total_net_output_bytes", stats.output_bytes),
        ("total_net_repl_input_bytes", 0),
        ("total_net_repl_output_bytes", 0),
        ("instantaneous_input_kbps", f"{stats.input_of_rate.per_second / 1024:.2f}"),
        ("instantaneous_output_kbps", f"{stats.output_of_rate.per_second / 1024:.2f}"),
        ("rejected_connections", stats.rejected_connections),
        ("accept_pauses", stats.accept_pauses),
        ("expired_keys", broker.keyspace.expired),
        ("evicted_keys", 0),
        ("evicted_clients", 0),
        ("keyspace_hits", broker.keyspace.hits),
        ("keyspace_misses", broker.keyspace.misses),
        ("pubsub_channels", len(pubsub.channels)),
        ("pubsub_patterns", len(pubsub.patterns)),
        ("pubsubshard_channels", len(pubsub.shard_channels)),
        ("pubsub_published", published(broker)),
        ("pubsub_deliveries", pubsub.deliveries),
        ("pubsub_delivered_bytes", pubsub.delivered_bytes),
        ("pubsub_cached_routes", pubsub.cached_routes),
        ("dropped_messages", stats.dropped_messages),
        ("loop_lag_ms", f"{stats.loop_lag_ms:.3f}"),
        ("loop_lag_max_ms", f"{stats.loop_lag_max_ms:.3f}"),
        ("latest_fork_usec", 0),
        ("total_forks", 0),
        ("unexpected_error_replies", stats.unexpected_errors),
        ("total_error_replies", sum(stats.errors.values())),
        ("client_query_buffer_limit_disconnections", stats.query_buffer_disconnections),
        ("client_output_buffer_limit_disconnections", stats.output_limit_disconnections),
    ]


def _replication(_: Broker) -> Fields:
    return [
        ("role", "master"),
        ("connected_slaves", 0),
        ("master_failover_state", "no-failover"),
        ("master_repl_offset", 0),
        ("repl_backlog_active", 0),
    ]


def _cpu(broker: Broker) -> Fields:
    usage = broker.host.usage()
    return [
        ("used_cpu_sys", f"{usage['cpu_sys_s']:.6f}"),
        ("used_cpu_user", f"{usage['cpu_user_s']:.6f}"),
        ("used_cpu_sys_children", "0.000000"),
        ("used_cpu_user_children", "0.000000"),
    ]


def _keyspace(broker: Broker) -> Iterator[tuple[str, object]]:
    for database in broker.keyspace.databases:
        if database.values:
            ttl_ms = broker.keyspace.mean_ttl_ms(database)
            yield f"db{database.index}", f"keys={len(database.values)},expires={database.expiring},avg_ttl={ttl_ms}"


def _commandstats(broker: Broker) -> Iterator[tuple[str, object]]:
    for name, stats in broker.command_stats.items():
        if stats.calls or stats.rejected:
            us = stats.ns // 1000
            per_call = stats.ns / 1000 / stats.calls if stats.calls else 0.0
            counts = f"rejected_calls={stats.rejected},failed_calls={stats.failed}"
            yield f"cmdstat_{name}", f"calls={stats.calls},usec={us},usec_per_call={per_call:.2f},{counts}"


def _errorstats(broker: Broker) -> Fields:
    return [(f"errorstat_{code.decode()}", f"count={count}") for code, count in broker.stats.errors.items()]


def _latencystats(broker: Broker) -> Iterator[tuple[str, object]]:
    if not broker.settings.latency_tracking:
        return
    for name, stats in broker.command_stats.items():
        if stats.calls:
            shown = [
                f"p{f'{percentile:.6f}'.rstrip('0').rstrip('.')}={percentile_us(stats, percentile):.3f}"
                for percentile in broker.settings.latency_tracking_info_percentiles
            ]
            yield f"latency_percentiles_usec_{name}", ",".join(shown)


def percentile_us(stats: CommandStats, percentile: float) -> int:
    """The duration in µs that so many percent of the calls stayed below.

    Calls are counted by powers of two, so it is a power of two: never below the true percentile, at most twice as
    much (1 for all that took less than 1 µs). Redis's histogram is exact to a few percent.
    """
    rank = max(1, math.ceil(stats.calls * percentile / 100))
    below = 0
    for bits, calls in enumerate(stats.buckets):
        below += calls
        if below >= rank:
            return 1 << bits
    return 0


_SECTIONS: dict[str, Callable[[Broker], Fields]] = {
    "server": _server,
    "clients": _clients,
    "memory": _memory,
    "persistence": _persistence,
    "stats": _stats,
    "replication": _replication,
    "cpu": _cpu,
    "modules": lambda _: (),
    "commandstats": _commandstats,
    "errorstats": _errorstats,
    "latencystats": _latencystats,
    "cluster": lambda _: [("cluster_enabled", 0)],
    "keyspace": _keyspace,
}
_ON_REQUEST = {"commandstats", "latencystats"}
