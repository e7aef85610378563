"""`airwave dead`: the dead letters of a stream."""

# ruff: noqa: PLC0415 (imports inside functions keep `airwave --help` fast)

from __future__ import annotations

import base64
import json
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from airwave.cli.client import DEFAULT_URL, TIMEOUT_S, Url, connect, explained
from airwave.cli.escape import printable
from airwave.cli.failure import Failure
from airwave.cli.output import emit, say

if TYPE_CHECKING:
    from redis.asyncio import Redis

    from airwave.bus.dead import DeadLetter

T = TypeVar("T")

_DATA_CHARS_MAX = 120  # of a payload, in a line for people
_USAGE = 2


class Action(StrEnum):
    """What to do with dead letters."""

    LIST = "list"
    RETRY = "retry"
    DROP = "drop"


def dead(
    stream: Annotated[str, typer.Argument(metavar="STREAM", help="Whose dead letters.", show_default=False)],
    action: Annotated[Action, typer.Argument(metavar="list|retry|drop", help="What to do with them.")] = Action.LIST,
    ids: Annotated[
        list[str] | None, typer.Argument(metavar="[ID]...", help="Which, by the ID that list shows first.")
    ] = None,
    *,
    everything: Annotated[bool, typer.Option("--all", help="All that there are now, for retry and drop.")] = False,
    count: Annotated[int, typer.Option(min=1, max=100_000, metavar="N", help="List at most so many.")] = 100,
    as_json: Annotated[bool, typer.Option("--json", help="List one JSON object for each, with the traceback.")] = False,
    url: Url = DEFAULT_URL,
) -> None:
    """List, retry or drop the dead letters of a stream: entries whose workers have given them up.

    list shows them oldest first: ID, time, group, attempts, the error and the payload.

    retry puts them back into the stream, with all attempts before them; only workers of the group that failed handle
    them again. drop deletes them for good.

    --json prints {"id", "entry_id", "group", "time", "attempts", "error", "traceback", "data", "fields"}; data that is
    not UTF-8 comes as base64 under "data_base64".

    Examples: airwave dead orders; airwave dead orders retry --all; airwave dead orders drop 1700000000000-0
    """
    from airwave.bus.dead import drop_dead, list_dead, retry_dead

    if action is Action.LIST:
        if ids or everything:
            raise Failure("list takes neither IDs nor --all: give --count to see more of them", code=_USAGE)
        letters = _on(url, lambda client: list_dead(client, stream, count=count))
        for letter in letters:
            emit(json_line(letter) if as_json else line(letter))
        if not letters and not as_json:
            say(f"There are no dead letters of {printable(stream)}.")
        return
    if bool(ids) == everything:
        raise Failure(f"give either the IDs of the letters to {action.value} or --all", code=_USAGE)
    do = retry_dead if action is Action.RETRY else drop_dead
    done = _on(url, lambda client: do(client, stream, None if everything else ids))
    emit(f"{'Retried' if action is Action.RETRY else 'Dropped'} {done} dead letter(s) of {printable(stream)}")
    if ids and done < len(set(ids)):
        raise Failure(f"{len(set(ids)) - done} of these IDs are not there: airwave dead {printable(stream)} shows all")


def _on(url: str, action: Callable[[Redis], Awaitable[T]]) -> T:
    """Do something on the server."""
    import asyncio

    import redis.asyncio
    from redis.asyncio.retry import Retry
    from redis.backoff import NoBackoff

    connect(url)  # says what is wrong with the URL

    async def main() -> T:
        client = redis.asyncio.Redis.from_url(
            url,
            protocol=2,
            socket_timeout=TIMEOUT_S,
            socket_connect_timeout=TIMEOUT_S,
            retry=Retry(NoBackoff(), 0),
        )
        client.connection_pool.connection_kwargs["decode_responses"] = False
        try:
            return await action(client)
        finally:
            await client.aclose()

    with explained(url):
        return asyncio.run(main())


def line(letter: DeadLetter) -> str:
    """A dead letter for people."""
    data = printable(letter.data) if letter.data is not None else "(no payload)"
    if len(data) > _DATA_CHARS_MAX:
        data = data[: _DATA_CHARS_MAX - 3] + "..."
    about = (letter.id, _time(letter), letter.group, f"{letter.attempts} attempt(s)", letter.error, data)
    return "\t".join(map(printable, about))


def json_line(letter: DeadLetter) -> str:
    """A dead letter for programs."""
    shown: dict[str, Any] = {
        "id": letter.id,
        "entry_id": letter.entry_id,
        "group": letter.group,
        "time": _time(letter),
        "attempts": letter.attempts,
        "error": letter.error,
        "traceback": letter.traceback,
        "fields": {_text(name): _text(value) for name, value in letter.fields.items()},
    }
    try:
        shown["data"] = letter.data.decode() if letter.data is not None else None
    except UnicodeDecodeError:
        shown["data_base64"] = base64.b64encode(letter.data or b"").decode()
    return json.dumps(shown).replace("\x7f", "\\u007f")  # DEL is the one control character that json leaves alone


def _text(data: bytes) -> str:
    return data.decode(errors="backslashreplace")


def _time(letter: DeadLetter) -> str:
    at = datetime.fromtimestamp(letter.at_ms / 1000, UTC)
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
