"""`airwave pub`: publish a message, or each line of standard input."""

# ruff: noqa: PLC0415 (imports inside functions keep `airwave --help` fast)

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, BinaryIO

import typer

from airwave.cli.client import DEFAULT_URL, Url, connect, explain, explained
from airwave.cli.failure import Failure
from airwave.cli.output import emit, say

if TYPE_CHECKING:
    from redis import Redis
    from redis.client import Pipeline

# What one read of standard input takes, in bytes, and what one pipeline sends, in messages. Large enough that round
# trips do not count, small enough that a batch is a few hundred KB in redis-py.
_READ_BYTES_MAX = 64 * 1024
_BATCH_MESSAGES_MAX = 1000
# proto-max-bulk-len: Redis takes no longer argument.
_MESSAGE_BYTES_MAX = 512 * 1024 * 1024


def pub(
    channel: Annotated[str, typer.Argument(metavar="CHANNEL", help="Where to publish.", show_default=False)],
    message: Annotated[
        str,
        typer.Argument(
            metavar="MESSAGE|-",
            help="What to publish; - publishes each line of standard input as it comes. "
            "Write -- in front of CHANNEL when the message begins with a dash.",
            show_default=False,
        ),
    ],
    url: Url = DEFAULT_URL,
) -> None:
    """Publish a message and say how many subscribers got it."""
    client = connect(url)
    name = os.fsencode(channel)  # the bytes of the command line, UTF-8 or not
    if message == "-":
        _publish_lines(client, name, url)
        return
    with explained(url):
        delivered = client.publish(name, os.fsencode(message))
    emit(f"Delivered to {delivered} subscriber(s)")


def _publish_lines(client: Redis, channel: bytes, url: str) -> None:
    """Publish standard input line by line; the total is printed at the end, also after Ctrl-C."""
    import redis

    published = delivered = 0
    with explained(url):
        client.ping()  # a wrong URL is told before anything is typed
    # One for all batches: a Ctrl-C that comes while Python drops a pipeline would be lost in its `__del__`.
    pipeline = client.pipeline(transaction=False)
    if sys.stdin.isatty():
        say("Each line is published: Ctrl-D ends")
    try:
        for batch in read_batches(sys.stdin.buffer):
            delivered += _publish(pipeline, channel, batch)
            published += len(batch)
    except KeyboardInterrupt:
        raise typer.Exit(130) from None
    except redis.RedisError as error:
        raise Failure(f"{explain(error, url)} (stopped after {published} message(s))") from None
    finally:
        emit(f"Published {published} message(s), delivered to {delivered} subscriber(s) in total")


def _publish(pipeline: Pipeline, channel: bytes, batch: list[bytes]) -> int:
    """Publish in one round trip; the number of deliveries."""
    for message in batch:
        pipeline.publish(channel, message)
    # With raise_on_error redis-py would put the message itself into the error's text.
    replies = pipeline.execute(raise_on_error=False)
    for reply in replies:
        if isinstance(reply, Exception):
            raise reply
    return sum(replies)


def read_batches(stream: BinaryIO) -> Iterator[list[bytes]]:
    """The lines of a stream without their newlines, in batches, each as soon as it can be read.

    Only `\\n` ends a line, everything else belongs to it; the last line needs none.

    Raises:
        Failure: a line is longer than Redis takes.
    """
    parts: list[bytes] = []  # the line that has begun; joined once, as a long one comes in many reads
    parts_bytes = 0
    while chunk := stream.read1(_READ_BYTES_MAX):  # type: ignore[attr-defined]  # BufferedReader has it
        first, *others = chunk.split(b"\n")
        parts.append(first)
        parts_bytes += len(first)
        if parts_bytes > _MESSAGE_BYTES_MAX:
            raise Failure("a line is longer than 512 MB, the most that Redis takes in one message: split it")
        if others:
            lines = [b"".join(parts), *others[:-1]]
            parts = [others[-1]]
            parts_bytes = len(others[-1])
            for start in range(0, len(lines), _BATCH_MESSAGES_MAX):
                yield lines[start : start + _BATCH_MESSAGES_MAX]
    if parts_bytes:
        yield [b"".join(parts)]
