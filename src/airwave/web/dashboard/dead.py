"""Dead letters: POST /api/dead/retry, /api/dead/delete. What they are: `airwave.bus.dead`, which is a client's view.

One letter goes back in one turn of the loop, so in one commit: its new entry is added and it is deleted, or neither.
Nobody else runs commands within a turn: that is what WATCH and MULTI are for elsewhere.
"""

import asyncio
from typing import Any

from aiohttp import web

from airwave.broker import Broker
from airwave.streams import ids as entry_ids
from airwave.streams.chunk import Cold
from airwave.streams.stream import Stream
from airwave.web.answers import json_answer, problem
from airwave.web.dashboard.entries import ids_in, run
from airwave.web.dashboard.gate import bad_request, changing, name_in
from airwave.web.dashboard.streams import DEAD, find
from airwave.web.keys import BROKER
from airwave.web.lines import LINES, CommandFailed, Lines

AT_ONCE = 100
_TRIES_MAX = 10  # while others make the memory cold again

_DATA, _GROUP, _FOR_GROUP, _FIELD = b"data", b"group", b"for_group", b"field:"


def revived(letter: dict[bytes, bytes]) -> list[bytes]:
    """The fields of the entry that a dead letter becomes, names and values in turn."""
    fields = {_DATA: letter[_DATA]} if _DATA in letter else {}
    fields |= {name.removeprefix(_FIELD): value for name, value in letter.items() if name.startswith(_FIELD)}
    if _GROUP in letter:
        fields[_FOR_GROUP] = letter[_GROUP]
    return [word for pair in fields.items() for word in pair]


async def _change(request: web.Request, *, back: bool) -> web.Response:
    body = await changing(request)
    name = name_in(body)
    if not name.endswith(DEAD) or name == DEAD:
        raise bad_request("dead letters are in a stream whose name ends with :dead")
    broker, lines = request.app[BROKER], request.app[LINES]
    found = find(broker, name)
    if body.get("ids") is not None:
        return json_answer({"done": await _some(broker, lines, name, ids_in(body), back=back)})
    done, last = 0, entry_ids.text(found.last_id)  # those that come meanwhile stay
    while rows := await run(lines, "XRANGE", name, "-", last, "COUNT", AT_ONCE):
        ids = [row[0].decode() for row in rows]
        moved = await _some(broker, lines, name, ids, back=back)
        done += moved
        if not moved:
            break
    return json_answer({"done": done})


async def _some(broker: Broker, lines: Lines, name: bytes, ids: list[str], *, back: bool) -> int:
    """Delete dead letters, with `back` after adding them to their stream again; gives how many there were."""
    if not back:
        return int(await run(lines, "XDEL", name, *ids))
    done = 0
    for entry_id in ids:
        done += await _retry(broker, lines, name, entry_id)
    return done


async def _retry(broker: Broker, lines: Lines, name: bytes, entry_id: str) -> bool:
    for _ in range(_TRIES_MAX):
        rows = await run(lines, "XRANGE", name, entry_id, entry_id)
        if not rows:
            return False
        flat = rows[0][1]
        fields = revived(dict(zip(flat[::2], flat[1::2], strict=True)))
        try:
            return await _move(broker, lines, name, entry_id, fields)
        except Cold:
            continue
    raise problem(web.HTTPServiceUnavailable, "the entries are on disk, and memory is short: try again")


async def _move(broker: Broker, lines: Lines, name: bytes, entry_id: str, fields: list[bytes]) -> bool:
    """Add an entry and delete its dead letter, in this turn; false: the letter is gone.

    Raises:
        Cold: it is no longer in memory.
    """
    database = broker.keyspace.databases[0]
    target = name.removesuffix(DEAD)
    if broker.refusal is not None or broker.pause_writes:
        raise problem(web.HTTPServiceUnavailable, "nothing can be written at the moment: try again later")
    if not fields:
        raise bad_request(f"{entry_id} has no payload and no fields: it is no dead letter")
    letters, value = database.peek(name), database.peek(target)
    if type(letters) is not Stream or not letters.has(entry_ids.parse(entry_id.encode())):
        return False
    if value is not None and type(value) is not Stream:
        raise bad_request("the key of its stream holds something else")
    # Both run before `gather` waits for anything.
    added, deleted = await asyncio.gather(
        _started(lines, [b"XADD", target, b"*", *fields]), _started(lines, [b"XDEL", name, entry_id.encode()])
    )
    del added
    return bool(deleted)


def _started(lines: Lines, argv: list[bytes]) -> "asyncio.Future[Any]":
    """Run a command now; the future has its reply once it is committed."""
    future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()

    def done(reply: Any, _: int) -> None:
        if future.done():
            return
        if isinstance(reply, CommandFailed):
            future.set_exception(bad_request(str(reply)))
        else:
            future.set_result(reply)

    lines.start(argv, done)
    return future


async def retry(request: web.Request) -> web.Response:
    """Put dead letters back into their stream: those of `ids`, or all that there are now."""
    return await _change(request, back=True)


async def delete(request: web.Request) -> web.Response:
    """Delete dead letters: those of `ids`, or all that there are now."""
    return await _change(request, back=False)


def routes(app: web.Application) -> None:
    """Add them to an application."""
    app.router.add_post("/api/dead/retry", retry)
    app.router.add_post("/api/dead/delete", delete)
