"""A subscription that outlives its connection: the messages of some channels, across reconnections."""

# ruff: noqa: PLC0415 (imports inside functions keep `airwave --help` fast)

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterator
from itertools import chain
from typing import TYPE_CHECKING, Any, NamedTuple

from airwave import glob
from airwave.cli.client import display, explain
from airwave.cli.failure import Failure
from airwave.cli.history import History
from airwave.cli.output import say
from airwave.cli.reports import Reports
from airwave.notices import ASK, ASK_FOR_IDS, DROPPED_CHANNEL, gives_notice, newly_dropped
from airwave.since import Start, id_text

if TYPE_CHECKING:
    from redis import Redis

# How often the caller gets a turn while nothing comes, in seconds.
_TURN_S = 1.0
# A silent server is sent a PING after the first and taken for dead after the second, in seconds.
_PING_AFTER_S = 20.0
_DEAD_AFTER_S = 60.0

PatternOf = Callable[[bytes], bytes | None]


class Message(NamedTuple):
    """What a subscriber gets.

    Attributes:
        pattern: the one that it came by; None: the subscription was not by pattern.
        id: of its entry; None: the server does not remember the channel.
    """

    channel: bytes
    pattern: bytes | None
    data: bytes
    id: bytes | None = None


def follow(
    client: Redis, url: str, names: list[bytes], *, pattern: bool, since: Start | None = None
) -> Iterator[Message | None]:
    """Subscribe, and again whenever the connection is lost; never ends by itself.

    Args:
        client: raw, see `connect_raw`.
        names: channels, or patterns if `pattern`.
        since: what was published since then comes first, and what was missed when the connection was lost; a message
            comes once then, also if several patterns match it. None: only what is published while there is one.

    Yields:
        Messages; None once a second while nothing comes, so that the caller gets a turn.

    Raises:
        Failure: the first connection does not work, or the server refuses (password, access rules, no history).
    """
    import redis

    # A bare connection, because redis.client.PubSub reconnects by itself without telling.
    connection: Any = client.connection_pool.make_connection()
    reports = Reports(url)
    history = None if since is None else History(client, url, names, pattern=pattern, since=since)
    pattern_of = _finder(names) if pattern else lambda _: None

    while True:
        try:
            connection.connect()
            if history is not None:
                history.find()
            early = yield from _subscribe(connection, b"PSUBSCRIBE" if pattern else b"SUBSCRIBE", names)
            reports.connected(
                f"Subscribed to {len(names)} name(s) at {display(url)}: Ctrl-C ends",
                "messages published in between may have been missed" if history is None else history.note,
            )
            yield from _listen(connection, early, history, pattern_of)
        except (redis.AuthenticationError, redis.ResponseError) as error:
            raise Failure(explain(error, url)) from None
        except (redis.RedisError, OSError) as error:
            time.sleep(reports.lost(error))
        finally:
            connection.disconnect()
            client.connection_pool.disconnect()  # on which history was asked for


def _subscribe(connection: Any, command: bytes, names: list[bytes]) -> Generator[None, None, list[Any]]:
    """Wait until all names are confirmed; gives what came in between, which is not much."""
    unconfirmed = len(names)
    if _is_airwave(connection):
        connection.send_command(b"SUBSCRIBE", DROPPED_CHANNEL)
        unconfirmed += 1
    connection.send_command(command, *names)
    early = []
    replies = _replies(connection)
    while unconfirmed:
        reply = next(replies)
        if reply is None:
            yield None
        elif isinstance(reply, list) and reply[0] in (b"subscribe", b"psubscribe"):
            unconfirmed -= 1
        else:
            early.append(reply)
    return early


def _listen(
    connection: Any, early: list[Any], history: History | None, pattern_of: PatternOf
) -> Iterator[Message | None]:
    """The messages of one connection, until it fails."""
    if history is not None:
        yield from _missed(history, pattern_of)
    dropped = 0
    for reply in chain(early, _replies(connection)):
        message = _message(reply)
        if message is None:
            if reply is None:
                yield None
        elif message.channel == DROPPED_CHANNEL and message.pattern is None:
            if missing := newly_dropped(message.data, dropped):
                dropped += missing
                if history is not None:
                    yield from _missed(history, pattern_of)
                else:
                    say(f"{missing} message(s) are missing here: the server dropped what was not read in time")
        elif history is None or history.takes(message.id):
            yield message


def _missed(history: History, pattern_of: PatternOf) -> Iterator[Message]:
    for entry_id, channel, data in history.missed():
        yield Message(channel, pattern_of(channel), data, id_text(entry_id).encode())


def _finder(patterns: list[bytes]) -> PatternOf:
    """Which pattern a channel belongs to: history does not say it."""
    matchers = [(glob.compile(pattern), pattern) for pattern in patterns]
    return lambda channel: next((pattern for matches, pattern in matchers if matches(channel)), None)


def _message(reply: Any) -> Message | None:
    """What a frame says, if it is a message. The ID of the entry comes last, if there is one."""
    kind = reply[0] if isinstance(reply, list) else None
    if kind == b"message":
        return Message(reply[1], None, *reply[2:])
    if kind == b"pmessage":
        return Message(reply[2], reply[1], *reply[3:])
    return None


def _is_airwave(connection: Any) -> bool:
    """Whether the server tells what it drops. It will then give entry IDs, too."""
    if not gives_notice(_answer(connection, ASK)):
        return False
    _answer(connection, ASK_FOR_IDS)
    return True


def _answer(connection: Any, command: tuple[str, ...]) -> Any:
    """The reply to a command; None if it is an error."""
    import redis

    connection.send_command(*command)
    try:
        return connection.read_response()
    except redis.ResponseError:  # not allowed, or not known
        return None


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
