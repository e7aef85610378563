"""What a subscription with `--since` has missed: asked for on a second connection, while the first one waits.

How that leaves no hole and no double is told in `airwave.position`.
"""

# ruff: noqa: PLC0415 (imports inside functions keep `airwave --help` fast)

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from airwave.cli.client import explain
from airwave.cli.failure import Failure
from airwave.cli.output import say
from airwave.position import Position, Remembered, answered
from airwave.since import Start, id_number

if TYPE_CHECKING:
    from redis import Redis


class History:
    """How far the messages of some names have been read.

    Args:
        client: for questions.
        names: channels, or patterns if `pattern`.

    Raises:
        Failure: `since` asks for too much.
    """

    def __init__(self, client: Redis, url: str, names: list[bytes], *, pattern: bool, since: Start) -> None:
        self._client, self._url = client, url
        try:
            self._position = Position([] if pattern else names, names if pattern else [], since)
        except ValueError as error:
            raise Failure(f"--since: {error}", code=2) from None

    @property
    def note(self) -> str:
        """What is to be said when the connection is there again."""
        partly = "; messages of channels that are not remembered may have been missed" if self._position.partial else ""
        return f"going on where it was{partly}"

    def find(self) -> None:
        """Find where to begin; nothing the next time.

        Raises:
            Failure: the server remembers nothing of it.
            redis.RedisError: no connection.
        """
        import redis

        try:
            answered(self._position.find(), self._ask)
        except redis.ResponseError as error:
            why = explain(error, self._url)
            raise Failure(f"--since needs an Airwave server that remembers the channel: {why}") from None

    def missed(self) -> Iterator[Remembered]:
        """What is behind the position, and with each the position moves. A gap is told on standard error."""
        answered(self._position.aim(), self._ask)
        more = True
        while more:
            gap, messages, more = answered(self._position.page(), self._ask)
            if not more:  # nothing is asked for a long time now; before the last messages, for who then presses Ctrl-C
                self._client.connection_pool.disconnect()
            if gap:
                say("Messages may be missing here: what the server remembers does not reach back far enough")
            for message in messages:
                self._position.took(message.id)
                yield message

    def takes(self, entry_id: bytes | None) -> bool:
        """Whether a message that comes is none that was replayed; then the position moves."""
        if not self._position.takes(entry_id):
            return False
        if entry_id is not None:
            self._position.took(id_number(entry_id))
        return True

    def _ask(self, command: tuple[Any, ...]) -> Any:
        return self._client.execute_command(*command)  # type: ignore[no-untyped-call]
