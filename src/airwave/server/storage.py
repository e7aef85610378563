"""A node's database: opened with its settings, filled into its keyspace, and closed."""

import asyncio
import time
from collections.abc import Callable
from pathlib import Path

from airwave.broker import Broker
from airwave.server import log
from airwave.settings import Settings, SettingsError
from airwave.store import SqliteJournal, StoreError
from airwave.store.schema import FILE


def open_journal(
    settings: Settings, loop: asyncio.AbstractEventLoop, on_fetched: Callable[[], None]
) -> SqliteJournal | None:
    """The journal in `dir`; None when the node keeps its data in memory only.

    Raises:
        SettingsError: it cannot be opened.
    """
    running = settings.appendonly

    def refuse(wanted: bool) -> None:
        if wanted != running:  # it is told of the old value as well, when another one was refused
            wanted_text = "yes" if wanted else "no"
            raise SettingsError(f"it cannot change while the server runs: restart with appendonly {wanted_text}")

    settings.on_change("appendonly", refuse)
    if not settings.appendonly:
        if Path(settings.dir, FILE).exists():
            log.event("warning", f"{FILE} is here, but is not used: appendonly is no", dir=settings.dir)
        return None
    try:
        journal = SqliteJournal(
            Path(settings.dir),
            fsync=settings.appendfsync,
            memory_bytes=settings.stream_memory,
            call_soon=loop.call_soon_threadsafe,
            on_fetched=on_fetched,
        )
    except StoreError as error:
        raise _refused(settings, error) from None
    settings.on_change("appendfsync", journal.set_fsync)
    settings.on_change("stream-memory", journal.set_memory)
    return journal


def load(journal: SqliteJournal, broker: Broker) -> None:
    """Fill a broker's keyspace with what the disk has.

    Raises:
        SettingsError: it cannot be read.
    """
    started = time.perf_counter()
    try:
        journal.load(broker.keyspace)
        broker.loaded()
    except StoreError as error:
        raise _refused(broker.settings, error) from None
    keys = sum([len(database.values) for database in broker.keyspace.databases])
    took = f"{time.perf_counter() - started:.3f}"
    log.event("notice", "database opened", file=FILE, keys=keys, seconds=took)


def _refused(settings: Settings, error: StoreError) -> SettingsError:
    return SettingsError(f"--dir {log.safe(settings.dir)}: {error}")
