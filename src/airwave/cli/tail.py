"""`airwave tail`: print the entries of a stream."""

import base64
import json
import os
from typing import Annotated

import typer

from airwave.cli.client import DEFAULT_URL, Url, connect_raw, explained
from airwave.cli.entries import Entry, follow, parse_start, read
from airwave.cli.escape import printable
from airwave.cli.output import emit, output_closed


def tail(
    stream: Annotated[str, typer.Argument(metavar="STREAM", help="The key of the stream.", show_default=False)],
    start: Annotated[
        str,
        typer.Option(
            "--from",
            metavar="ID|TIME|-N",
            help="Where to begin: an ID (1700000000000-0); a time (10m for ten minutes ago, also s, h, d, w; ISO 8601, "
            "local unless it has a zone; Unix seconds, 0 for the beginning); or the last N entries (-0 for none).",
        ),
    ] = "-10",
    follow_: Annotated[
        bool, typer.Option("--follow", "-f", help="Then wait for more, also across reconnections.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line, see above.")] = False,
    url: Url = DEFAULT_URL,
) -> None:
    """Print entries of a stream: ID, then field=value, separated by tabs.

    Control characters and whatever else could fool a terminal are escaped; --json is exact.

    --json prints {"id": ..., "fields": {...}}. When a name or value is not UTF-8, or a name comes twice, there is
    "fields_base64" instead of "fields": a list of [name, value] in base64.

    Reading changes nothing: no group, nothing acknowledged. With --follow every entry is printed once and in order;
    standard error says when the connection is lost and made again. Ctrl-C ends.
    """
    where = parse_start(start)
    render = json_line if as_json else text_line
    client = connect_raw(url)
    key = os.fsencode(stream)
    try:
        if follow_:
            for entry in follow(client, url, key, where):
                if entry is not None:
                    emit(render(entry))
                elif output_closed():
                    return
        else:
            with explained(url):
                for entry in read(client, key, where):
                    emit(render(entry))
    except KeyboardInterrupt:
        if not follow_:
            raise
        # it has no other end, so this one is no failure


def text_line(entry: Entry) -> str:
    """An entry for reading."""
    return "\t".join([entry.id, *(f"{printable(name)}={printable(value)}" for name, value in entry.fields)])


def json_line(entry: Entry) -> str:
    """An entry for programs: ASCII only, so that it is safe to print as well."""
    line: dict[str, object] = {"id": entry.id}
    try:
        names = {name.decode(): value.decode() for name, value in entry.fields}
    except UnicodeDecodeError:
        names = {}
    if len(names) == len(entry.fields):
        line["fields"] = names
    else:
        line["fields_base64"] = [[base64.b64encode(part).decode() for part in field] for field in entry.fields]
    return json.dumps(line).replace("\x7f", "\\u007f")  # DEL is the one control character that json leaves alone
