"""A subscription that outlives its connection: the messages of some channels, across reconnections."""

# ruff: noqa: PLC0415 (imports inside functions keep `airwave --help` fast)

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

from airwave.cli.client import display, explain
from airwave.cli.failure import Failure
from airwave.cli.output import say
from airwave.cli.reports import Reports
from airwave.notices import ASK, DROPPED_CHANNEL, gives_notice, newly_dropped

if TYPE_CHECKING:
    from redis import Redis

# How often the caller gets a turn while nothing comes, in seconds.
_TURN_S = 1.0
# A silent server is sent a PING after the first and taken for dead after the second, in seconds.
_PING_AFTER_S = 20.0
_DEAD_AFTER_S = 60.0


class Message(NamedTuple):
    """What a subscriber gets. `pattern` is None unless the subscription was by pattern."""

    channel: bytes
    pattern: bytes | None
    data: bytes


def follow(client: Redis, url: str, names: list[bytes], *, pattern: bool) -> Iterator[Message | None]:
    """Subscribe, and again whenever the connection is lost; never ends by itself.

    Args:
        names: channels, or patterns if `pattern`.

    Yields:
        Messages; None once a second while nothing comes, so that the caller gets a turn.

    Raises:
        Failure: the first connection does not work, or the server refuses (password, access rules).
    """
    import redis

    # A bare connection, because redis.client.PubSub reconnects by itself without telling.
    connection: Any = client.connection_pool.make_connection()
    reports = Reports(url)

    def subscribed() -> None:
        first = f"Subscribed to {len(names)} name(s) at {display(url)}: Ctrl-C ends"
        reports.connected(first, "messages published in between may have been missed")

    while True:
        try:
            yield from _read(connection, b"PSUBSCRIBE" if pattern else b"SUBSCRIBE", names, subscribed)
        except (redis.AuthenticationError, redis.ResponseError) as error:
            raise Failure(explain(error, url)) from None
        except (redis.RedisError, OSError) as error:
            time.sleep(reports.lost(error))
        finally:
            connection.disconnect()


def _read(
    connection: Any, command: bytes, names: list[bytes], subscribed: Callable[[], None]
) -> Iterator[Message | None]:
    """The messages of one connection, until it fails. `subscribed` is called when all names are confirmed."""
    connection.connect()
    unconfirmed = len(names)
    if _tells_of_drops(connection):
        connection.send_command(b"SUBSCRIBE", DROPPED_CHANNEL)
        unconfirmed += 1
    connection.send_command(command, *names)
    dropped = 0
    for reply in _replies(connection):
        kind = reply[0] if isinstance(reply, list) else None
        if kind == b"message" and reply[1] == DROPPED_CHANNEL:
            if missing := newly_dropped(reply[2], dropped):
                dropped += missing
                say(f"{missing} message(s) are missing here: the server dropped what was not read in time")
        elif kind == b"message":
            yield Message(reply[1], None, reply[2])
        elif kind == b"pmessage":
            yield Message(reply[2], reply[1], reply[3])
        elif kind in (b"subscribe", b"psubscribe"):
            unconfirmed -= 1
            if unconfirmed == 0:
                subscribed()
        elif reply is None:
            yield None


def _tells_of_drops(connection: Any) -> bool:
    import redis

    connection.send_command(*ASK)
    try:
        return gives_notice(connection.read_response())
    except redis.ResponseError:  # not allowed
        return False


def _replies(connection: Any) -> Iterator[Any]:
    """What the server sends; None after each second of silence. Raises redis.TimeoutError when it seems dead."""
    import redis

    heard_at = time.monotonic()
    pinged = False
    while True:
        try:
            if connection.can_read(timeout=_TURN_S):
                # A message may come in pieces: a timeout leaves the beginning in the parser, the next call goes on.
                yield connection.read_response(push_request=True, disconnect_on_error=False)
                heard_at, pinged = time.monotonic(), False
                continue
        except redis.TimeoutError:
            pass
        silent_s = time.monotonic() - heard_at
        if silent_s >= _DEAD_AFTER_S:
            raise redis.TimeoutError(f"no answer for {_DEAD_AFTER_S:g} s")
        if silent_s >= _PING_AFTER_S and not pinged:
            connection.send_command(b"PING")
            pinged = True
        yield None
