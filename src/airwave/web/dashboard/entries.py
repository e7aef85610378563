"""The entries of a stream: GET /api/stream/entries, /api/stream/entry; POST /api/stream/delete."""

import re
from itertools import islice
from typing import Any

from aiohttp import web

from airwave.web.answers import json_answer
from airwave.web.dashboard.gate import bad_request, changing, name_in, not_found, number_in, reading, text_of
from airwave.web.dashboard.shown import FIELD_BYTES, VALUE_BYTES, Shown, shown
from airwave.web.dashboard.streams import find
from airwave.web.keys import BROKER
from airwave.web.lines import LINES, CommandFailed, Lines, Reply

ENTRIES_MAX = 100
FIELDS_MAX = 20  # of an entry in a list
ENTRY_BYTES = 16 * 1024  # of an entry in a list
ALL_FIELDS_MAX = 500  # of one entry that somebody looks at
ALL_BYTES = 1024 * 1024
IDS_MAX = 1000  # in one change

_ID = re.compile(r"\d{1,20}-\d{1,20}")
_START = re.compile(r"\(?\d{1,20}(-\d{1,20})?")  # with "(": behind it; without a sequence number: a time in ms

Entry = dict[str, Any]


async def run(lines: Lines, *words: str | bytes | int) -> Reply:
    """Run a command.

    Raises:
        HTTPBadRequest: it was refused.
    """
    try:
        return await lines.execute(*words)
    except CommandFailed as error:
        raise bad_request(str(error)) from None


def ids_in(body: dict[str, Any]) -> list[str]:
    """The entry IDs of a change.

    Raises:
        HTTPBadRequest: there are none, or too many.
    """
    ids = body.get("ids")
    if not isinstance(ids, list) or not 0 < len(ids) <= IDS_MAX:
        raise bad_request(f"ids must be a list of 1 to {IDS_MAX} entry IDs")
    if not all(isinstance(each, str) and _ID.fullmatch(each) for each in ids):
        raise bad_request("an entry ID looks like 1700000000000-0")
    return ids


def start_in(request: web.Request) -> str:
    """Where a page begins; empty: at the end from which is read.

    Raises:
        HTTPBadRequest: it is no ID.
    """
    start = request.query.get("from", "")
    if start and not _START.fullmatch(start):
        raise bad_request("from must be an entry ID, or a time in ms")
    return start


async def listing(request: web.Request) -> web.Response:
    """A page of entries; `next` is where the next one begins, null if there is none."""
    reading(request)
    name, start = name_in(request.query), start_in(request)
    count = number_in(request.query, "count", 25, 1, ENTRIES_MAX)
    order = request.query.get("order", "newest")
    if order not in ("newest", "oldest"):
        raise bad_request("order must be newest or oldest")
    stream = find(request.app[BROKER], name)
    command, end = ("XREVRANGE", "-") if order == "newest" else ("XRANGE", "+")
    rows = await run(request.app[LINES], command, name, start or ("+" if end == "-" else "-"), end, "COUNT", count + 1)
    following = f"({rows[count - 1][0].decode()}" if len(rows) > count else None
    entries = [entry_of(row, FIELDS_MAX, FIELD_BYTES, ENTRY_BYTES) for row in rows[:count]]
    last = f"{stream.last_id >> 64}-{stream.last_id & (1 << 64) - 1}"
    return json_answer({"entries": entries, "next": following, "last_id": last})


async def entry(request: web.Request) -> web.Response:
    """One entry, as much of it as can be shown."""
    reading(request)
    name, entry_id = name_in(request.query), request.query.get("id", "")
    if not _ID.fullmatch(entry_id):
        raise bad_request("id must be an entry ID: 1700000000000-0")
    find(request.app[BROKER], name)
    rows = await run(request.app[LINES], "XRANGE", name, entry_id, entry_id)
    if not rows:
        raise not_found("there is no such entry any more")
    return json_answer(entry_of(rows[0], ALL_FIELDS_MAX, VALUE_BYTES, ALL_BYTES))


def entry_of(row: Reply, fields_max: int, size_max: int, left: int) -> Entry:
    """An entry in JSON.

    Args:
        fields_max, size_max: at most so many fields, and so many bytes of a name or a value.
        left: at most so many bytes in all.
    """
    flat = row[1]
    fields: list[list[Shown]] = []
    for name, value in islice(zip(flat[::2], flat[1::2], strict=True), fields_max):
        if left <= 0:
            break
        fields.append([shown(each, min(size_max, left)) for each in (name, value)])
        left -= sum(each["shown"] for each in fields[-1])
    more = len(flat) // 2 - len(fields)
    cut = more > 0 or any(each["cut"] for pair in fields for each in pair)
    return {"id": text_of(row[0]), "fields": fields, "more_fields": more, "cut": cut}


async def delete(request: web.Request) -> web.Response:
    """Delete entries."""
    body = await changing(request)
    name, ids = name_in(body), ids_in(body)
    find(request.app[BROKER], name)
    return json_answer({"deleted": await run(request.app[LINES], "XDEL", name, *ids)})


def routes(app: web.Application) -> None:
    """Add them to an application."""
    app.router.add_get("/api/stream/entries", listing)
    app.router.add_get("/api/stream/entry", entry)
    app.router.add_post("/api/stream/delete", delete)
