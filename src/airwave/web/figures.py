"""The table of what /metrics shows, and where each figure comes from.

Names follow the conventions of Prometheus: a prefix, base units (seconds, bytes), `_total` for what only grows.
Those of streams are in `stream_figures`. docs/metrics.md has every row; a test compares.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from airwave.broker import Broker
from airwave.commands.info import published
from airwave.stats import LAG_BOUNDS_MS
from airwave.web.survey import Survey

Kind = Literal["counter", "gauge", "histogram"]
Labels = tuple[str, ...]
Buckets = list[tuple[str, float]]


@dataclass(frozen=True, eq=False)
class Browsers:
    """What is known of browsers.

    Attributes:
        kinds: connections that are subscribers, by kind.
        expired: connections that were closed because a token had expired.
        failed_sign_ins: passwords and tokens that were wrong.
    """

    kinds: Mapping[str, int]
    expired: int
    failed_sign_ins: int


@dataclass(frozen=True, eq=False)
class Facts:
    """What is asked for once for a page.

    Attributes:
        usage: see `Host.usage`.
        storage: see `Journal.facts`; empty without `appendonly`.
    """

    broker: Broker
    survey: Survey
    usage: Mapping[str, Any]
    storage: Mapping[str, Any]
    browsers: Browsers


@dataclass(frozen=True, eq=False)
class Figure:
    """A metric.

    Attributes:
        name: without the `_total` of counters.
        labels: names.
        samples: values of the labels and the value; of a histogram its cumulative buckets and the sum.
    """

    name: str
    kind: Kind
    meaning: str
    labels: Labels
    samples: Callable[[Facts], Iterable[tuple[Labels, Any]]]

    @property
    def full_name(self) -> str:
        """As it is shown."""
        return f"{self.name}_total" if self.kind == "counter" else self.name


FIGURES: list[Figure] = []


def one(name: str, kind: Kind, meaning: str, value: Callable[[Facts], float]) -> None:
    """Add a metric without labels."""
    FIGURES.append(Figure(name, kind, meaning, (), lambda facts: [((), value(facts))]))


def _stored(name: str, kind: Kind, meaning: str, fact: str) -> None:
    """A figure of the database; there is none without `appendonly`."""

    def samples(facts: Facts) -> list[tuple[Labels, float]]:
        return [((), facts.storage[fact])] if facts.storage else []

    FIGURES.append(Figure(name, kind, meaning, (), samples))


def many(
    name: str, kind: Kind, meaning: str, labels: Labels, samples: Callable[[Facts], Iterable[tuple[Labels, Any]]]
) -> None:
    """Add a metric with labels."""
    FIGURES.append(Figure(name, kind, meaning, labels, samples))


def label(name: bytes) -> str:
    r"""A client's name as the value of a label: what is no UTF-8 as `\xff`, a backslash as two.

    So no two names look alike: Prometheus refuses a page on which a metric comes twice.
    """
    return name.replace(b"\\", rb"\\").decode("utf-8", "backslashreplace")


# --- messages ---------------------------------------------------------------------------------------------------------

one(
    "airwave_messages_published",
    "counter",
    "Messages that clients have published.",
    lambda facts: published(facts.broker),
)
one(
    "airwave_messages_delivered",
    "counter",
    "Messages put into buffers of subscribers: one message to ten subscribers counts ten.",
    lambda facts: facts.broker.pubsub.deliveries,
)
one(
    "airwave_messages_delivered_bytes",
    "counter",
    "Size of what was delivered, as it goes over the wire.",
    lambda facts: facts.broker.pubsub.delivered_bytes,
)
one(
    "airwave_messages_dropped",
    "counter",
    "Messages that slow subscribers lost under slow-subscriber-policy drop-oldest.",
    lambda facts: facts.broker.stats.dropped_messages,
)
many(
    "airwave_topics",
    "gauge",
    "What is subscribed to: different channels, patterns and shard channels.",
    ("kind",),
    lambda facts: [
        (("channel",), len(facts.broker.pubsub.channels)),
        (("pattern",), len(facts.broker.pubsub.patterns)),
        (("shard_channel",), len(facts.broker.pubsub.shard_channels)),
    ],
)
many(
    "airwave_subscriptions",
    "gauge",
    "Subscriptions of all clients.",
    ("kind",),
    lambda facts: [((kind,), count) for kind, count in facts.survey.subscriptions.items()],
)
one(
    "airwave_remembered_channels",
    "gauge",
    "Channels that have a history.",
    lambda facts: len(facts.broker.memory.channels()),
)

# --- clients ----------------------------------------------------------------------------------------------------------

one("airwave_clients", "gauge", "Clients that are connected.", lambda facts: len(facts.broker.clients))
one(
    "airwave_clients_max",
    "gauge",
    "Clients that may be connected: maxclients.",
    lambda facts: facts.broker.settings.maxclients,
)
one(
    "airwave_pubsub_clients",
    "gauge",
    "Clients with a subscription.",
    lambda facts: sum([client.is_subscriber for client in facts.broker.clients.values()]),
)
one(
    "airwave_lagging_clients",
    "gauge",
    "Clients whose connection takes no more at the moment: slow subscribers.",
    lambda facts: len(facts.broker.lagging),
)
one(
    "airwave_fan_out_queue_clients",
    "gauge",
    "Subscribers that have messages and wait for their turn.",
    lambda facts: len(facts.broker.fan_out),
)
one(
    "airwave_blocked_clients",
    "gauge",
    "Clients that wait in XREAD or XREADGROUP, or for the end of CLIENT PAUSE.",
    lambda facts: len(facts.broker.held) + len(facts.broker.blocking.waits),
)
many(
    "airwave_web_clients",
    "gauge",
    "Browsers that are subscribed, by kind of connection; they count as clients, too.",
    ("kind",),
    lambda facts: [((kind,), count) for kind, count in facts.browsers.kinds.items()],
)
one(
    "airwave_web_expired",
    "counter",
    "Connections of browsers that were closed because a token had expired.",
    lambda facts: facts.browsers.expired,
)
one(
    "airwave_web_failed_sign_ins",
    "counter",
    "Wrong passwords and tokens over HTTP.",
    lambda facts: facts.browsers.failed_sign_ins,
)
one(
    "airwave_connections_received",
    "counter",
    "Clients that have connected.",
    lambda facts: facts.broker.stats.connections_received,
)
one(
    "airwave_connections_rejected",
    "counter",
    "Connections that were refused: maxclients, protected mode.",
    lambda facts: facts.broker.stats.rejected_connections,
)
one(
    "airwave_accept_pauses",
    "counter",
    "Times that accepting stopped because file descriptors ran out.",
    lambda facts: facts.broker.stats.accept_pauses,
)
many(
    "airwave_limit_disconnections",
    "counter",
    "Clients that were disconnected because of a limit: output (slow subscribers) or query.",
    ("buffer",),
    lambda facts: [
        (("output",), facts.broker.stats.output_limit_disconnections),
        (("query",), facts.broker.stats.query_buffer_disconnections),
    ],
)
one("airwave_received_bytes", "counter", "Bytes that clients have sent.", lambda facts: facts.broker.stats.input_bytes)
one("airwave_sent_bytes", "counter", "Bytes sent to clients.", lambda facts: facts.broker.stats.output_bytes)

# --- commands ---------------------------------------------------------------------------------------------------------

# Durations are counted by powers of two of 1,024 ns; of each second of these one is shown, 1 µs to 1 s.
_BITS = range(0, 21, 2)
_BOUNDS_S = [repr(round(1024e-9 * (1 << bits), 9)) for bits in _BITS]


def durations(buckets: list[int]) -> Buckets:
    """The buckets of `CommandStats` as those of a histogram: each has all that took less."""
    below, found = 0, []
    for bits, calls in enumerate(buckets):
        below += calls
        if bits in _BITS:
            found.append((_BOUNDS_S[bits // 2], float(below)))
    return [*found, ("+Inf", float(below))]


many(
    "airwave_command_duration_seconds",
    "histogram",
    "How long commands took, of those that were called; pipelined ones of a kind are timed together.",
    ("command",),
    lambda facts: [
        ((name,), (durations(stats.buckets), stats.ns / 1e9))
        for name, stats in facts.broker.command_stats.items()
        if stats.calls
    ],
)
many(
    "airwave_commands_failed",
    "counter",
    "Calls that were answered with an error.",
    ("command",),
    lambda facts: [((name,), stats.failed) for name, stats in facts.broker.command_stats.items() if stats.failed],
)
many(
    "airwave_commands_rejected",
    "counter",
    "Calls that were refused before they ran.",
    ("command",),
    lambda facts: [((name,), stats.rejected) for name, stats in facts.broker.command_stats.items() if stats.rejected],
)
many(
    "airwave_error_replies",
    "counter",
    "Error replies by code; at most 128 codes are told apart.",
    ("code",),
    lambda facts: [((label(code),), count) for code, count in facts.broker.stats.errors.items()],
)
one(
    "airwave_unexpected_errors",
    "counter",
    "Faults of Airwave's own; the log has the traceback.",
    lambda facts: facts.broker.stats.unexpected_errors,
)
one(
    "airwave_slowlog_entries",
    "gauge",
    "Commands in the slow log.",
    lambda facts: len(facts.broker.slowlog.entries),
)

# --- the process ------------------------------------------------------------------------------------------------------


def _loop_lag(facts: Facts) -> list[tuple[Labels, tuple[Buckets, float]]]:
    lag = facts.broker.stats.loop_lag
    below, found = 0, []
    for bound_ms, count in zip((*LAG_BOUNDS_MS, None), lag.buckets, strict=True):
        below += count
        found.append(("+Inf" if bound_ms is None else f"{bound_ms / 1000:g}", float(below)))
    return [((), (found, lag.total_ns / 1e9))]


many(
    "airwave_event_loop_lag_seconds",
    "histogram",
    "How late the node's timer was: what holds the event loop, whatever it is. It goes off hz times a second.",
    (),
    _loop_lag,
)
one(
    "airwave_event_loop_lag_recent_seconds",
    "gauge",
    "The worst of the last 16 times.",
    lambda facts: facts.broker.stats.loop_lag_ms / 1000,
)
one(
    "process_cpu_seconds",
    "counter",
    "CPU time of the process, user and system.",
    lambda facts: facts.usage["cpu_user_s"] + facts.usage["cpu_sys_s"],
)
one(
    "process_resident_memory_bytes",
    "gauge",
    "Memory of the process.",
    lambda facts: facts.usage["rss_bytes"],
)
one(
    "airwave_start_time_seconds",
    "gauge",
    "Unix time at which the node has started.",
    lambda facts: facts.broker.started_at,
)

# --- keys and the disk ------------------------------------------------------------------------------------------------

many(
    "airwave_keys",
    "gauge",
    "Keys, of databases that have some.",
    ("db",),
    lambda facts: [((str(each.index),), len(each.values)) for each in facts.broker.keyspace.databases if each.values],
)
many(
    "airwave_keys_expiring",
    "gauge",
    "Keys that have a time to live.",
    ("db",),
    lambda facts: [((str(each.index),), each.expiring) for each in facts.broker.keyspace.databases if each.values],
)
one("airwave_keys_expired", "counter", "Keys whose time was over.", lambda facts: facts.broker.keyspace.expired)
one("airwave_key_hits", "counter", "Keys that were looked for and found.", lambda facts: facts.broker.keyspace.hits)
one("airwave_key_misses", "counter", "Keys that were looked for in vain.", lambda facts: facts.broker.keyspace.misses)
one(
    "airwave_database_enabled",
    "gauge",
    "1 with appendonly; the other figures of the database are there only then.",
    lambda facts: int(facts.broker.journal.durable),
)
one(
    "airwave_database_refusing_writes",
    "gauge",
    "1 while nothing can be written: commands that write are refused.",
    lambda facts: int(facts.broker.refusal is not None),
)
_stored("airwave_database_size_bytes", "gauge", "Size of the database file.", "size")
_stored("airwave_database_wal_bytes", "gauge", "Size of its write-ahead log.", "wal_size")
_stored("airwave_database_journal_bytes", "gauge", "Changes that are not folded into rows yet.", "journal_bytes")
_stored("airwave_database_commits", "counter", "Transactions.", "commits")
_stored("airwave_database_checkpoints", "counter", "Times that the write-ahead log was emptied.", "checkpoints")
_stored("airwave_database_last_save_timestamp_seconds", "gauge", "Unix time of the last SAVE or BGSAVE.", "last_save_s")
_stored("airwave_entries_memory_bytes", "gauge", "Entries that are in memory and on disk as well.", "resident_bytes")
_stored("airwave_entries_memory_max_bytes", "gauge", "What they may take: stream-memory.", "resident_bytes_max")
_stored("airwave_entries_chunks_fetched", "counter", "Times that entries had to be read from disk.", "fetched_chunks")
