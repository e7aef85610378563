"""`airwave sub`: print messages as they come."""

import base64
import json
import os
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Annotated

import typer

from airwave.cli.client import DEFAULT_URL, Url, connect_raw
from airwave.cli.entries import parse_start
from airwave.cli.escape import printable
from airwave.cli.output import emit, output_closed
from airwave.cli.subscription import Message, follow


def sub(
    channels: Annotated[
        list[str],
        typer.Argument(metavar="CHANNEL", help="Channels, or patterns with --pattern.", show_default=False),
    ],
    *,
    pattern: Annotated[bool, typer.Option("--pattern", "-p", help="The names are patterns, like 'news:*'.")] = False,
    since: Annotated[
        str | None,
        typer.Option(
            metavar="ID|TIME|-N",
            help="Begin in the past of channels that an Airwave server remembers: behind an ID (1700000000000-0); at a "
            "time (10m for ten minutes ago, also s, h, d, w; ISO 8601, local unless it has a zone; Unix seconds, 0 for "
            "the beginning); with the last N messages (-0 for none). Then nothing is missed when the connection is "
            "lost.",
            show_default=False,
        ),
    ] = None,
    name: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="Say who this is (CLIENT SETNAME), for those who ask who is on a channel; no spaces.",
            show_default=False,
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line, see above.")] = False,
    count: Annotated[
        int | None, typer.Option("--count", "-n", min=1, help="End after so many messages.", show_default=False)
    ] = None,
    url: Url = DEFAULT_URL,
) -> None:
    """Print messages as they come: channel, tab, message.

    Control characters and whatever else could fool a terminal are escaped; --json is exact.

    --json prints {"channel": ..., "pattern": ..., "data": ..., "time": ...}: pattern is null without --pattern, time is
    when the message arrived (UTC, ISO 8601). What is not UTF-8 comes as base64 under "data_base64" instead of "data",
    likewise "channel_base64" and "pattern_base64". Messages of channels that the server remembers have an "id" as well:
    with it --since goes on behind them.

    When the connection is lost, it is made again, and standard error says that messages may have been missed; with
    --since it goes on where it was, and says so only if the server does not remember far enough. Standard output
    carries nothing but messages. Ctrl-C ends.
    """
    render = json_line if as_json else text_line
    start = None if since is None else parse_start(since, "--since")
    client = connect_raw(url)
    if name is not None:
        client.connection_pool.connection_kwargs["client_name"] = name
    left = count
    try:
        for message in follow(client, url, [*map(os.fsencode, channels)], pattern=pattern, since=start):
            if message is None:
                if output_closed():
                    return
                continue
            emit(render(message))
            if left is not None:
                left -= 1
                if left == 0:
                    return
    except KeyboardInterrupt:
        return  # it has no other end, so this one is no failure


def text_line(message: Message) -> str:
    """A message for reading."""
    return f"{printable(message.channel)}\t{printable(message.data)}"


def json_line(message: Message, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> str:
    """A message for programs: ASCII only, so that it is safe to print as well."""
    event: dict[str, str | None] = {}
    for key, value in (("channel", message.channel), ("pattern", message.pattern), ("data", message.data)):
        _add(event, key, value)
    if message.id is not None:
        event["id"] = message.id.decode()
    event["time"] = now().isoformat(timespec="microseconds").replace("+00:00", "Z")
    return json.dumps(event).replace("\x7f", "\\u007f")  # DEL is the one control character that json leaves alone


def _add(event: dict[str, str | None], key: str, value: bytes | None) -> None:
    try:
        event[key] = None if value is None else value.decode()
    except UnicodeDecodeError:
        assert value is not None
        event[f"{key}_base64"] = base64.b64encode(value).decode()
