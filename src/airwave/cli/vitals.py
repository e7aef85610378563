"""How a server is: the numbers that `airwave top` shows, read from INFO. Airwave has them all, Redis most."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from redis import Redis


@dataclass(frozen=True)
class Vitals:
    """A look at a server. What it does not tell is None.

    Attributes:
        at_s: when, by our clock; for rates only.
        server: `airwave` or what it calls itself, with its version.
        published, delivered, commands, errors, received_bytes, sent_bytes, cpu_s: since its start.
        cut_off, dropped, rejected: clients that a limit has disconnected, messages that slow subscribers have lost,
            connections that were refused.
        loop_lag_ms, loop_lag_max_ms: how late its event loop was in the last seconds, and ever.
        writes_ok: whether what is written reaches the disk.
    """

    at_s: float
    server: str
    uptime_s: int | None
    published: int | None
    delivered: int | None
    commands: int | None
    errors: int | None
    received_bytes: int | None
    sent_bytes: int | None
    cpu_s: float | None
    memory_bytes: int | None
    clients: int | None
    clients_max: int | None
    subscribers: int | None
    slow: int | None
    blocked: int | None
    channels: int | None
    patterns: int | None
    shard_channels: int | None
    keys: int
    cut_off: int | None
    dropped: int | None
    rejected: int | None
    loop_lag_ms: float | None
    loop_lag_max_ms: float | None
    slow_commands: int | None
    writes_ok: bool


def read(client: Redis) -> Vitals:
    """Look at a server.

    Args:
        client: raw, see `connect_raw`.

    Raises:
        redis.RedisError
    """
    pipeline = client.pipeline(transaction=False)
    for command in (("INFO",), ("INFO", "commandstats"), ("SLOWLOG", "LEN")):
        pipeline.execute_command(*command)  # type: ignore[no-untyped-call]
    info, commands, slow = pipeline.execute(raise_on_error=False)
    if isinstance(info, Exception):
        raise info
    found = fields(info) | (fields(commands) if isinstance(commands, bytes) else {})
    return vitals(found, slow if isinstance(slow, int) else None, time.monotonic())


def fields(text: bytes) -> dict[str, str]:
    """The fields of INFO by name."""
    lines = text.decode("utf-8", "backslashreplace").splitlines()
    return dict(line.split(":", 1) for line in lines if ":" in line and not line.startswith("#"))


def vitals(found: Mapping[str, str], slow_commands: int | None, at_s: float) -> Vitals:
    """What the fields of INFO say."""

    def number(*names: str) -> int | None:
        value = next((found[name] for name in names if name in found), "")
        return int(value) if value.isdecimal() else None

    def decimal(name: str) -> float | None:
        try:
            return float(found[name])
        except (KeyError, ValueError):
            return None

    user_s, sys_s = decimal("used_cpu_user"), decimal("used_cpu_sys")
    name = found.get("server_name", "redis")
    version = found.get("airwave_version") or found.get(f"{name}_version") or found.get("redis_version", "")
    return Vitals(
        at_s=at_s,
        server=f"{name} {version}".strip(),
        uptime_s=number("uptime_in_seconds"),
        published=_published(found),
        delivered=number("pubsub_deliveries"),
        commands=number("total_commands_processed"),
        errors=number("total_error_replies"),
        received_bytes=number("total_net_input_bytes"),
        sent_bytes=number("total_net_output_bytes"),
        cpu_s=None if user_s is None or sys_s is None else user_s + sys_s,
        memory_bytes=number("used_memory_rss", "used_memory"),
        clients=number("connected_clients"),
        clients_max=number("maxclients"),
        subscribers=number("pubsub_clients"),
        slow=number("lagging_clients"),
        blocked=number("blocked_clients"),
        channels=number("pubsub_channels"),
        patterns=number("pubsub_patterns"),
        shard_channels=number("pubsubshard_channels"),
        keys=sum(_keys(value) for field, value in found.items() if field.startswith("db") and field[2:].isdecimal()),
        cut_off=number("client_output_buffer_limit_disconnections"),
        dropped=number("dropped_messages"),
        rejected=number("rejected_connections"),
        loop_lag_ms=decimal("loop_lag_ms"),
        loop_lag_max_ms=decimal("loop_lag_max_ms"),
        slow_commands=slow_commands,
        writes_ok=found.get("aof_last_write_status", "ok") == "ok"
        and found.get("rdb_last_bgsave_status", "ok") == "ok",
    )


def _published(found: Mapping[str, str]) -> int | None:
    """A server that does not count them counts the commands."""
    if "pubsub_published" in found:
        return int(found["pubsub_published"])
    stats = [found[name] for name in ("cmdstat_publish", "cmdstat_spublish") if name in found]
    if not stats and not any(name.startswith("cmdstat_") for name in found):
        return None
    return sum(_part(value, "calls") for value in stats)


def _keys(value: str) -> int:
    return _part(value, "keys")


def _part(value: str, name: str) -> int:
    """A number out of `calls=21,usec=175`."""
    parts = dict(part.split("=", 1) for part in value.split(",") if "=" in part)
    text = parts.get(name, "")
    return int(text) if text.isdecimal() else 0


@dataclass(frozen=True)
class Rates:
    """What has happened between two looks, for each second; None: unknown, or the counter began anew.

    Attributes:
        cpu: of one core, 0.5 for half of it.
    """

    published: float | None = None
    delivered: float | None = None
    commands: float | None = None
    errors: float | None = None
    received_bytes: float | None = None
    sent_bytes: float | None = None
    cpu: float | None = None


def rates(before: Vitals | None, now: Vitals) -> Rates:
    """How fast counters grow."""
    if before is None or now.at_s <= before.at_s:
        return Rates()
    passed_s = now.at_s - before.at_s

    def rate(name: str) -> float | None:
        old, new = getattr(before, name), getattr(now, name)
        return None if old is None or new is None or new < old else (new - old) / passed_s

    return Rates(
        rate("published"),
        rate("delivered"),
        rate("commands"),
        rate("errors"),
        rate("received_bytes"),
        rate("sent_bytes"),
        rate("cpu_s"),
    )
