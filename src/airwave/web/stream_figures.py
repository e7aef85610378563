"""The rows of the table of figures that are about streams and their groups; see `figures`."""

from collections.abc import Callable

from airwave.web.figures import Facts, Labels, label, many, one
from airwave.web.survey import GroupPlace, Place, oldest_pending_s

_STREAM = ("db", "stream")
_GROUP = ("db", "stream", "group")


def _streams(value: Callable[[Place], float]) -> Callable[[Facts], list[tuple[Labels, float]]]:
    return lambda facts: [
        ((str(each.database), label(each.stream.key)), value(each)) for each in facts.survey.streams.kept()
    ]


def _groups(value: Callable[[GroupPlace, int], float | None]) -> Callable[[Facts], list[tuple[Labels, float]]]:
    return lambda facts: [
        ((str(each.database), label(each.stream.key), label(each.group.name)), found)
        for each in facts.survey.groups.kept()
        if (found := value(each, facts.broker.keyspace.now_ms())) is not None
    ]


one("airwave_streams", "gauge", "Streams.", lambda facts: facts.survey.streams.seen)
one("airwave_streams_entries", "gauge", "Entries of all streams.", lambda facts: facts.survey.entries)
one("airwave_streams_lag", "gauge", "Entries that groups have not read, of all streams.", lambda f: f.survey.lag)
one("airwave_streams_pending", "gauge", "Entries that are pending, of all streams.", lambda f: f.survey.pending)
many(
    "airwave_metrics_left_out",
    "gauge",
    "Streams and groups without figures of their own, beyond metrics-streams-max.",
    ("kind",),
    lambda facts: [
        (("stream",), facts.survey.streams.left_out),
        (("group",), facts.survey.groups.left_out),
    ],
)
many("airwave_stream_length", "gauge", "Entries of a stream.", _STREAM, _streams(lambda each: each.stream.length))
many(
    "airwave_stream_entries_added",
    "counter",
    "Entries ever added to a stream.",
    _STREAM,
    _streams(lambda each: each.stream.added),
)
many(
    "airwave_stream_memory_bytes",
    "gauge",
    "About the memory that a stream takes.",
    _STREAM,
    _streams(lambda each: each.stream.memory_bytes),
)
many(
    "airwave_stream_group_lag",
    "gauge",
    "Entries that a group has not read; missing where that cannot be known.",
    _GROUP,
    _groups(lambda each, _: each.lag),
)
many(
    "airwave_stream_group_pending",
    "gauge",
    "Entries that were delivered to a group and not acknowledged.",
    _GROUP,
    _groups(lambda each, _: len(each.group.pending)),
)
many(
    "airwave_stream_group_oldest_pending_seconds",
    "gauge",
    "Age of the oldest entry that is pending; missing where none is, or IDs are no times.",
    _GROUP,
    _groups(lambda each, now_ms: oldest_pending_s(each.group, now_ms)),
)
many(
    "airwave_stream_group_consumers",
    "gauge",
    "Consumers of a group.",
    _GROUP,
    _groups(lambda each, _: len(each.group.consumers)),
)
