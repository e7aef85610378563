"""What EXEC needs of a session: the commands that wait for it (MULTI), and the keys that may make it fail (WATCH)."""

from typing import TYPE_CHECKING

from airwave import resp
from airwave.command import Argv, Entry
from airwave.database import Database
from airwave.states import inner_entry

if TYPE_CHECKING:
    from airwave.session import Session


class Transaction:
    """What stands between MULTI and EXEC.

    Attributes:
        commands: what is queued, checked already.
        broken: a command was refused while queuing: EXEC will discard all.
    """

    def __init__(self) -> None:
        self.commands: list[tuple[Entry, Argv]] = []
        self.broken = False
        self.size = 0  # bytes held by the arguments

    def queue(self, session: "Session", argv: Argv) -> bytes | None:
        """Keep a command for EXEC."""
        self.size += sum(map(len, argv))
        if self.size > session.broker.limits.buffer_max:
            session.close_over_query_limit(self.size)
            return None
        self.commands.append((inner_entry(session.broker, session.command_name(argv)), argv))
        return resp.QUEUED


class Watch:
    """The keys that a client watches; it has an entry for them in their databases until `end`.

    Attributes:
        keys: and for each whether its time was over already.
        watch_broken: one of them has changed; `Database.touched` sets it.
    """

    __slots__ = ("keys", "watch_broken")

    def __init__(self) -> None:
        self.keys: dict[tuple[Database, bytes], bool] = {}
        self.watch_broken = False

    def add(self, database: Database, keys: Argv, now_ms: int) -> None:
        """WATCH."""
        for key in keys:
            if (database, key) not in self.keys:
                value = database.values.get(key)
                self.keys[database, key] = value is not None and 0 < value.expires_ms <= now_ms
                database.watch(key, self)

    def failed(self, now_ms: int) -> bool:
        """Whether a key has changed, or its time has come, since WATCH."""
        if self.watch_broken:
            return True
        for (database, key), gone in self.keys.items():
            value = database.values.get(key)
            if value is not None and 0 < value.expires_ms <= now_ms and not gone:
                return True
        return False

    def end(self) -> None:
        """Watch no longer."""
        for database, key in self.keys:
            database.unwatch(key, self)
