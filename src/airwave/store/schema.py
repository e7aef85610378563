"""The database file: its format, opening it, and bringing older ones up to date.

One file, `airwave.sqlite3`, an SQLite database in WAL mode; `PRAGMA user_version` is the version of this format.
A *value* is what a key holds; it has a number that is never given again. IDs of entries are 16 bytes, big-endian.
Blobs called msgpack are arrays in MessagePack.

    journal   one row for each turn of the loop that changed something: `effects`, msgpack, see `airwave.journal`, and
              SEALED: value, numbers of chunks that its open chunk became in that turn
    keys      one row for each value, as it was after journal row `seq`: `state`, msgpack, see `states`
    chunks    one row for each chunk of a stream: `sealed`, the journal row with its SEALED, or 0 for one that was open
              when the value's row was written; `first` (first live ID), `last`, `count`, `start` and `dead` (positions,
              32 bits little-endian each) as in `airwave.streams.chunk`; `size` of its blob in bytes
    entries   the blobs of chunks: see `airwave.streams.chunk`. A table of its own, so that start-up does not read it
    pending   pages of groups' pending entries: msgpack, see `states`
    scheduled one row for each entry that is to be added to a stream later, as `airwave.streams.schedule` has them:
              `due` in Unix ms, `named` 0 or 1
    meta      `spaces`: which space each numbered database shows (msgpack); `reserved`: numbers up to which values,
              spaces, chunks and pages may have been given (msgpack); `created`, `version`: by which Airwave and when

What must be true after any committed transaction, and so after any crash:

1. The state of a value is its row in `keys`, then the effects about it in journal rows above the row's `seq`, in order.
   A value without a row begins with its CREATE. Effects about values that are not there mean nothing.
2. A chunk whose `sealed` is above the row's `seq` joins its stream at that SEALED, in place of the open chunk; others
   are there from the beginning. Rows of chunks may be ahead of the journal in `start` and `dead` only: entries that are
   gone in them are gone later in the journal.
3. Pages of `pending` may be ahead of the journal. That does no harm: effects are absolute for each entry, so whatever
   happened to an entry above `seq` is said again by the journal, and in what else pages hold they agree.
   The same is true of `scheduled`: a row may be there before its SCHEDULED, or gone before its UNSCHEDULED, if that is
   above `seq`.
4. Values in spaces that no database shows, chunks, pages and scheduled entries of values that are not there, and chunks
   that no SEALED names, are rubbish.
5. Journal rows below the oldest `seq` that any value needs are rubbish.
"""

import sqlite3
from collections.abc import Callable, Sequence
from pathlib import Path

from airwave.version import __version__

FILE = "airwave.sqlite3"
APPLICATION_ID = 0x41697277  # "Airw"
PAGE_BYTES = 4096
BUSY_S = 10.0  # how long a connection waits for another one's lock; only checkpoints hold it, for some ms

SCHEDULED = """
CREATE TABLE scheduled (
    number INTEGER PRIMARY KEY, stream INTEGER NOT NULL, token BLOB NOT NULL, due INTEGER NOT NULL,
    named INTEGER NOT NULL, fields BLOB NOT NULL
)"""
TABLES = f"""
CREATE TABLE meta (name TEXT PRIMARY KEY, value BLOB) WITHOUT ROWID;
CREATE TABLE journal (seq INTEGER PRIMARY KEY, effects BLOB NOT NULL);
CREATE TABLE keys (id INTEGER PRIMARY KEY, seq INTEGER NOT NULL, state BLOB NOT NULL);
CREATE TABLE chunks (
    stream INTEGER NOT NULL, number INTEGER NOT NULL, sealed INTEGER NOT NULL, first BLOB NOT NULL, last BLOB NOT NULL,
    count INTEGER NOT NULL, size INTEGER NOT NULL, start INTEGER NOT NULL, dead BLOB, PRIMARY KEY (stream, number)
) WITHOUT ROWID;
CREATE TABLE entries (chunk INTEGER PRIMARY KEY, blob BLOB NOT NULL);
CREATE TABLE pending (page INTEGER PRIMARY KEY, stream INTEGER NOT NULL, grp INTEGER NOT NULL, blob BLOB NOT NULL);
{SCHEDULED};
"""

Migration = Callable[[sqlite3.Connection], None]


def _add_scheduled(db: sqlite3.Connection) -> None:
    db.execute(SCHEDULED)


MIGRATIONS: Sequence[Migration] = (_add_scheduled,)
"""How to come from each version to the next: the first from 1 to 2. They run in one transaction."""

VERSION = len(MIGRATIONS) + 1


class StoreError(Exception):
    """The database cannot be used; the message is one line for a person and does not name the directory."""


def connect(path: Path, *, readonly: bool = False, busy_s: float = BUSY_S) -> sqlite3.Connection:
    """Open a connection; it may be used from any thread, by one at a time.

    Args:
        busy_s: how long to wait for another connection's lock.

    Raises:
        StoreError: it cannot be opened.
    """
    try:
        db = sqlite3.connect(
            f"{path.absolute().as_uri()}?mode={'ro' if readonly else 'rwc'}",
            uri=True,
            timeout=busy_s,
            isolation_level=None,
            check_same_thread=False,
        )
        db.execute("PRAGMA wal_autocheckpoint=0")  # 20 ms on the connection that commits; see `keeper`
        db.execute("PRAGMA temp_store=MEMORY")
        # Debian's SQLite overwrites what is deleted with zeros: every page of a journal row would be written twice.
        db.execute("PRAGMA secure_delete=OFF")
    except sqlite3.Error as error:
        raise StoreError(reason_of(error)) from None
    return db


def prepare(
    db: sqlite3.Connection, migrations: Sequence[Migration] = MIGRATIONS, created_at: int = 0
) -> tuple[int, int]:
    """Make a new database's tables, or bring an older one up to date.

    Returns:
        The version that it had, 0 for a new one, and the one that it has.

    Raises:
        StoreError: it is no database of Airwave, or a newer one.
    """
    try:
        return _prepare(db, migrations, created_at)
    except sqlite3.Error as error:
        raise StoreError(reason_of(error)) from None


def _prepare(db: sqlite3.Connection, migrations: Sequence[Migration], created_at: int) -> tuple[int, int]:
    newest = len(migrations) + 1
    version = check_version(db, newest)
    if not version:
        db.execute(f"PRAGMA page_size={PAGE_BYTES}")
        db.execute("PRAGMA auto_vacuum=INCREMENTAL")
    db.execute("PRAGMA journal_mode=WAL")
    db.execute("PRAGMA synchronous=FULL")  # whatever is decided here is decided for good
    if version == newest:
        return version, newest
    db.execute("BEGIN EXCLUSIVE")
    try:
        if version:
            for migrate in migrations[version - 1 :]:
                migrate(db)
        else:
            _create(db, created_at)
        db.execute(f"PRAGMA user_version={newest}")
        db.execute("COMMIT")
    except BaseException:
        if db.in_transaction:
            db.execute("ROLLBACK")
        raise
    return version, newest


def check_version(db: sqlite3.Connection, newest: int = VERSION) -> int:
    """The version of a database's format; 0 for a new one.

    Raises:
        StoreError: it is no database of Airwave, or a newer one.
    """
    version: int = db.execute("PRAGMA user_version").fetchone()[0]
    owner: int = db.execute("PRAGMA application_id").fetchone()[0]
    if version > newest and owner == APPLICATION_ID:
        text = f"{FILE} was written by a newer Airwave (its format is {version}, this one knows up to {newest})"
        raise StoreError(f"{text}: use that version")
    if owner != APPLICATION_ID and db.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
        raise StoreError(f"{FILE} is not a database of Airwave")
    return version


def _create(db: sqlite3.Connection, created_at: int) -> None:
    for statement in TABLES.split(";"):
        db.execute(statement)
    db.execute(f"PRAGMA application_id={APPLICATION_ID}")
    db.execute("INSERT INTO meta VALUES ('created', ?), ('version', ?)", (created_at, __version__))


_REASONS = {
    "SQLITE_FULL": "No space left on device",
    "SQLITE_READONLY": "Read-only file system",
    "SQLITE_IOERR": "Input/output error",
    "SQLITE_CANTOPEN": "cannot open the database file",
    "SQLITE_NOTADB": f"{FILE} is not a database",
    "SQLITE_CORRUPT": "the database is damaged: see airwave check",
    "SQLITE_BUSY": "the database is locked by another process",
}


def reason_of(error: Exception) -> str:
    """What is wrong, in the system's words where SQLite tells enough."""
    if isinstance(error, OSError):
        return error.strerror or str(error)
    name = getattr(error, "sqlite_errorname", None) or ""
    return _REASONS.get("_".join(name.split("_")[:2]), str(error))
