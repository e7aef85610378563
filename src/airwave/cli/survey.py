"""A look at the streams of a server: their sizes, their groups, and what is pending."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from airwave.cli.client import mapping

if TYPE_CHECKING:
    from redis import Redis

# How many keys one SCAN goes through, and how many streams are looked at in one round trip.
_SCAN_KEYS = 1000
_BATCH_STREAMS = 200
# IDs below it (2001-09-09) are numbers that somebody chose, and no times.
_TIME_MS_MIN = 10**12


@dataclass(frozen=True)
class GroupLook:
    """A consumer group.

    Attributes:
        lag: entries not yet read; None when the server does not know.
        oldest_pending: the lowest ID that is pending; None: nothing is.
        oldest_pending_age_ms: how old that entry is; None also when its ID is no time.
    """

    name: bytes
    consumers: int
    pending: int
    lag: int | None
    oldest_pending: str | None = None
    oldest_pending_age_ms: int | None = None


@dataclass(frozen=True)
class StreamLook:
    """A stream.

    Attributes:
        added: entries ever added; None before Redis 7.
        at_ms: when the server looked, by its own clock, Unix ms.
    """

    name: bytes
    length: int
    added: int | None
    last_id: str
    groups: tuple[GroupLook, ...]
    at_ms: int


def look(client: Redis, pattern: bytes | None = None, note: Callable[[int], None] = lambda _: None) -> list[StreamLook]:
    """All streams whose name matches, by name.

    Args:
        client: raw, see `connect_raw`.
        pattern: a glob; None: all.
        note: called with the number of streams seen so far.

    Raises:
        redis.RedisError
    """
    names = sorted(set(_names(client, pattern)))
    found: list[StreamLook] = []
    for start in range(0, len(names), _BATCH_STREAMS):
        found += _look_at(client, names[start : start + _BATCH_STREAMS])
        note(len(found))
    return found


def rate(before: StreamLook | None, now: StreamLook) -> float | None:
    """Entries added a second between two looks; None when that cannot be known."""
    if before is None or before.added is None or now.added is None:
        return None
    added, passed_ms = now.added - before.added, now.at_ms - before.at_ms
    if added < 0 or passed_ms <= 0:  # the stream was made anew, or the clock set back
        return None
    return added * 1000 / passed_ms


def _names(client: Redis, pattern: bytes | None) -> Iterator[bytes]:
    matching = ("MATCH", pattern) if pattern is not None else ()
    cursor = b"0"
    while True:
        cursor, keys = client.execute_command(  # type: ignore[no-untyped-call]
            "SCAN", cursor, *matching, "COUNT", _SCAN_KEYS, "TYPE", "stream"
        )
        yield from keys
        if cursor == b"0":
            return


def _look_at(client: Redis, names: list[bytes]) -> list[StreamLook]:
    """Look at some streams; those that are gone meanwhile are left out."""
    commands: list[tuple[Any, ...]] = [("TIME",)]
    for name in names:
        commands += [("XINFO", "STREAM", name), ("XINFO", "GROUPS", name)]
    (seconds, us), *replies = _pipelined(client, commands)
    at_ms = int(seconds) * 1000 + int(us) // 1000
    there = [
        (name, mapping(stream), [mapping(group) for group in groups])
        for name, stream, groups in zip(names, replies[::2], replies[1::2], strict=True)
        if not isinstance(stream, Exception) and not isinstance(groups, Exception)
    ]
    busy = [(name, group[b"name"]) for name, _, groups in there for group in groups if group[b"pending"]]
    oldest = _oldest(client, busy)
    return [
        StreamLook(
            name,
            stream[b"length"],
            stream.get(b"entries-added"),
            stream[b"last-generated-id"].decode(),
            tuple(_group(group, oldest.get((name, group[b"name"])), at_ms) for group in groups),
            at_ms,
        )
        for name, stream, groups in there
    ]


def _oldest(client: Redis, groups: list[tuple[bytes, bytes]]) -> dict[tuple[bytes, bytes], str]:
    """The lowest pending ID of each group (stream, group) that has one."""
    replies = _pipelined(client, [("XPENDING", *group) for group in groups])
    return {
        group: reply[1].decode()
        for group, reply in zip(groups, replies, strict=True)
        if not isinstance(reply, Exception) and reply[1] is not None
    }


def _group(group: dict[bytes, Any], oldest: str | None, at_ms: int) -> GroupLook:
    age_ms = None
    if oldest is not None and (time_ms := int(oldest.partition("-")[0])) >= _TIME_MS_MIN:
        age_ms = max(0, at_ms - time_ms)
    name, consumers, pending = group[b"name"], group[b"consumers"], group[b"pending"]
    return GroupLook(name, consumers, pending, group.get(b"lag"), oldest, age_ms)


def _pipelined(client: Redis, commands: list[tuple[Any, ...]]) -> list[Any]:
    """The replies, in one round trip; what the server refuses is an exception in its place.

    Raises:
        redis.RedisError: the user may not ask this.
    """
    from redis.exceptions import NoPermissionError  # noqa: PLC0415 (keeps `airwave --help` fast)

    if not commands:
        return []
    pipeline = client.pipeline(transaction=False)
    for command in commands:
        pipeline.execute_command(*command)  # type: ignore[no-untyped-call]
    replies = list(pipeline.execute(raise_on_error=False))
    for reply in replies:
        if isinstance(reply, NoPermissionError):
            raise reply
    return replies
