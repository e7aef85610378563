"""The durable store: what the core tells its journal, kept in one SQLite database.

Read `schema` (the file's format) first, then `journal` (a commit), `rows` and `rubbish` (what is written and
deleted beside the journal), `loading` and `replay` (start-up), `residence` (entries that are on disk only), `keeper`
(syncs and checkpoints).
"""

from airwave.store.journal import SqliteJournal
from airwave.store.schema import StoreError

__all__ = ["SqliteJournal", "StoreError"]
