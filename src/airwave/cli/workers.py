"""Who plays the part of the demo about a stream: a shop that adds entries, workers of a group, a reader that replays.

IDs depend on the time, so the transcript numbers the entries instead: it is the same each time.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airwave.cli.actors import encoded
from airwave.cli.failure import Failure
from airwave.cli.stage import Stage

if TYPE_CHECKING:
    from redis import Redis

Fields = dict[str, str]


class Ledger:
    """What was added to a stream, in order.

    Attributes:
        entries: the fields of each entry; entry 1 is the first.
    """

    def __init__(self, key: str) -> None:
        self.key = key
        self.entries: list[Fields] = []
        self._ids: list[bytes] = []

    def add(self, entry_id: bytes, fields: Fields) -> int:
        """Note an entry; its number."""
        self.entries.append(fields)
        self._ids.append(entry_id)
        return len(self._ids)

    def id(self, number: int) -> bytes:
        """The ID of an entry."""
        return self._ids[number - 1]

    def expect(self, who: str, got: list[Any], numbers: list[int]) -> None:
        """Check that entries are exactly these.

        Args:
            got: pairs of ID and fields, as redis-py gives them.

        Raises:
            Failure: they are not.
        """
        found = [(entry_id, {_text(name): _text(value) for name, value in fields.items()}) for entry_id, fields in got]
        if found != [(self.id(number), self.entries[number - 1]) for number in numbers]:
            wanted = ", ".join(map(str, numbers))
            raise Failure(f"{who} did not get entry {wanted} of {self.key} but {found or 'nothing'}")


class Shop:
    """Adds entries."""

    def __init__(self, stage: Stage, name: str, client: Redis, ledger: Ledger) -> None:
        self._stage, self.name, self._client, self._ledger = stage, name, client, ledger

    def add(self, fields: Fields) -> None:
        """XADD."""
        self._stage.sends(self.name, f"XADD {self._ledger.key} *  {encoded(fields)}")
        entry_id: Any = self._client.xadd(self._ledger.key, dict(fields.items()))
        self._stage.receives(self.name, f"Stored as entry {self._ledger.add(entry_id, fields)}")


class Worker:
    """A consumer of a group; its name in the group is its name in the story."""

    def __init__(self, stage: Stage, name: str, client: Redis, ledger: Ledger, group: str) -> None:
        self._stage, self.name, self._client, self._ledger, self._group = stage, name, client, ledger, group
        self.done = 0

    def take(self, number: int) -> None:
        """Ask for the next entry that nobody has had, and expect this one."""
        key = self._ledger.key
        self._stage.sends(self.name, f"XREADGROUP GROUP {self._group} '{self.name}' COUNT 1 STREAMS {key} >")
        reply: Any = self._client.xreadgroup(self._group, self.name, {key: ">"}, count=1)
        got = _entries(reply, key)
        self._ledger.expect(self.name, got, [number])
        self._stage.receives(self.name, f"entry {number}  {encoded(self._ledger.entries[number - 1])}")

    def finish(self, number: int) -> None:
        """Acknowledge an entry."""
        self._stage.sends(self.name, f"XACK {self._ledger.key} {self._group} (entry {number})")
        count = self._client.xack(self._ledger.key, self._group, self._ledger.id(number))
        if count != 1:
            raise Failure(f"{self.name} acknowledged entry {number}, and the server says it was not pending")
        self.done += 1

    def claim(self, number: int) -> None:
        """Take over whatever is pending for too long (here: at all), and expect this entry."""
        key = self._ledger.key
        self._stage.sends(self.name, f"XAUTOCLAIM {key} {self._group} '{self.name}' 0 0-0")
        reply: Any = self._client.xautoclaim(key, self._group, self.name, min_idle_time=0)
        self._ledger.expect(self.name, reply[1], [number])
        self._stage.receives(self.name, f"entry {number}, a second time  {encoded(self._ledger.entries[number - 1])}")

    def identity(self) -> int:
        """The number of its connection."""
        return int(self._client.client_id())


class Foreman:
    """Makes the group, looks after it, and has workers killed."""

    def __init__(self, stage: Stage, name: str, client: Redis, ledger: Ledger, group: str) -> None:
        self._stage, self.name, self._client, self._ledger, self._group = stage, name, client, ledger, group

    def found(self) -> None:
        """XGROUP CREATE, from the beginning of the stream."""
        self._stage.sends(self.name, f"XGROUP CREATE {self._ledger.key} {self._group} 0 MKSTREAM")
        self._client.xgroup_create(self._ledger.key, self._group, id="0", mkstream=True)

    def kill(self, worker: Worker) -> None:
        """Cut a worker's connection, as a crash of it would."""
        self._stage.sends(self.name, f"CLIENT KILL ID ({worker.name}'s)")
        if self._client.client_kill_filter(_id=str(worker.identity())) != 1:
            raise Failure(f"{worker.name} was to be killed, and the server did not find it")

    def look(self, pending: dict[int, Worker]) -> None:
        """XPENDING: expect exactly these entries in these hands."""
        self._stage.sends(self.name, f"XPENDING {self._ledger.key} {self._group} - + 10")
        rows: Any = self._client.xpending_range(self._ledger.key, self._group, "-", "+", 10)
        found = [(row["message_id"], row["consumer"].decode()) for row in rows]
        if found != [(self._ledger.id(number), worker.name) for number, worker in pending.items()]:
            raise Failure(f"the server says that {found or 'nothing'} is pending, which is not what happened")
        for number, worker in pending.items():
            self._stage.receives(self.name, f"entry {number} is pending for {worker.name}")
        if not pending:
            self._stage.receives(self.name, "nothing is pending")


class Archivist:
    """Reads what the stream holds, whoever has read it before."""

    def __init__(self, stage: Stage, name: str, client: Redis, ledger: Ledger) -> None:
        self._stage, self.name, self._client, self._ledger = stage, name, client, ledger

    def replay(self) -> None:
        """XRANGE from the start: every entry, in order."""
        self._stage.sends(self.name, f"XRANGE {self._ledger.key} - +")
        got: Any = self._client.xrange(self._ledger.key)
        self._ledger.expect(self.name, got, [*range(1, len(self._ledger.entries) + 1)])
        for number, fields in enumerate(self._ledger.entries, 1):
            self._stage.receives(self.name, f"entry {number}  {encoded(fields)}")


def _text(data: bytes) -> str:
    return data.decode("utf-8", "replace")


def _entries(reply: Any, key: str) -> list[Any]:
    """The entries in a reply to a read of one stream: a list of pairs in RESP2, a map in RESP3."""
    streams = reply if isinstance(reply, dict) else dict(reply or ())
    got: list[Any] = streams.get(key.encode(), [])
    return got[0] if len(got) == 1 and isinstance(got[0], list) else got
