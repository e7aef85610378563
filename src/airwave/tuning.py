"""Settings that hot paths read: copied into attributes of the node, now and whenever CONFIG SET changes them."""

from typing import TYPE_CHECKING

from airwave.settings import KeyspaceEvents

if TYPE_CHECKING:
    from airwave.broker import Broker

NEVER_NS = 1 << 62


def follow_settings(broker: "Broker") -> None:
    """Have a new node do what its settings say, and go on doing so."""
    settings = broker.settings

    def limits(_: object = None) -> None:
        broker.limits.bulk_max = settings.proto_max_bulk_len
        broker.limits.buffer_max = settings.client_query_buffer_limit

    def output_limits(_: object = None) -> None:
        for client in broker.clients.values():
            client.apply_limits()

    def delivery(_: object = None) -> None:
        sweeps = broker.sweeps
        sweeps.slice_max = settings.fan_out_slice
        sweeps.backlog_max = settings.fan_out_backlog_messages
        sweeps.backlog_bytes_max = settings.fan_out_backlog_bytes
        sweeps.backlog_max_ns = settings.fan_out_backlog_ms * 1_000_000
        broker.input_slice_ns = settings.input_slice_us * 1000
        broker.pubsub.route_cache_max = max(1, settings.route_cache_size)

    def thresholds(_: object = None) -> None:
        slow_us = settings.slowlog_log_slower_than
        broker.slowlog_ns = slow_us * 1000 if slow_us >= 0 else NEVER_NS
        spike_ms = settings.latency_monitor_threshold
        broker.spike_ns = spike_ms * 1_000_000 if spike_ms > 0 else NEVER_NS
        broker.notable_ns = min(broker.slowlog_ns, broker.spike_ns)

    def notifications(_: object = None) -> None:
        broker.keyspace.set_notifies(KeyspaceEvents.letters(settings.notify_keyspace_events))

    def rules(_: object = None) -> None:
        broker.memory.set_rules(settings.remember)

    watched = {
        limits: ("proto-max-bulk-len", "client-query-buffer-limit"),
        output_limits: ("client-output-buffer-limit",),
        delivery: (
            "fan-out-slice",
            "fan-out-backlog-messages",
            "fan-out-backlog-bytes",
            "fan-out-backlog-ms",
            "input-slice-us",
            "route-cache-size",
        ),
        thresholds: ("slowlog-log-slower-than", "latency-monitor-threshold"),
        notifications: ("notify-keyspace-events",),
        rules: ("remember",),
    }
    for update, names in watched.items():
        update()
        for name in names:
            settings.on_change(name, update)
    settings.on_change("slowlog-max-len", broker.slowlog.resize)
