"""A shop that caches prices, and an editor in another process that changes one.

    python examples/cache_two_processes.py

It starts a server of its own. With AIRWAVE_URL=redis://127.0.0.1:6379 the two processes meet on that one, be it
Airwave or Redis.
"""

import contextlib
import multiprocessing
import os
import sqlite3
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import airwave


@contextlib.contextmanager
def server() -> Iterator[str]:
    """The URL of a server that both processes reach."""
    if url := os.environ.get("AIRWAVE_URL"):
        yield url
    else:
        with airwave.Server(process=True) as started:
            yield started.url


def set_price(database: Path, product_id: int, cents: int) -> None:
    with contextlib.closing(sqlite3.connect(database)) as connection:
        connection.execute("CREATE TABLE IF NOT EXISTS prices (product_id INTEGER PRIMARY KEY, cents INTEGER)")
        connection.execute("INSERT OR REPLACE INTO prices VALUES (?, ?)", (product_id, cents))
        connection.commit()


def edit(url: str, database: Path) -> None:
    """The editor: a process that changes a price."""
    with airwave.Cache(url) as cache:
        set_price(database, 42, 2490)
        cache.invalidate("price:42")  # after the commit: whoever loads now sees the new price
    print("editor: product 42 costs 2490 from now on", flush=True)


def sell(url: str, database: Path) -> None:
    """The shop: a process that wants to know prices often."""
    with airwave.Cache(url, ttl=None) as cache:

        @cache.cached("price:{product_id}")
        def price(product_id: int) -> int:
            with contextlib.closing(sqlite3.connect(database)) as connection:
                (cents,) = connection.execute("SELECT cents FROM prices WHERE product_id = ?", (product_id,)).fetchone()
            return int(cents)

        cache.wait_ready()
        prices = {price(42) for _ in range(1000)}
        print(f"shop: product 42 costs {prices}; the database was asked {cache.stats.loads} time", flush=True)

        editor = multiprocessing.get_context("spawn").Process(target=edit, args=(url, database))
        editor.start()
        while price(42) == 1990:
            time.sleep(0.01)  # customers come and go
        editor.join()
        prices = {price(42) for _ in range(1000)}
        print(f"shop: product 42 costs {prices}; the database was asked {cache.stats.loads} times", flush=True)


def main() -> None:
    with tempfile.TemporaryDirectory() as folder, server() as url:
        database = Path(folder) / "shop.db"
        set_price(database, 42, 1990)
        sell(url, database)


if __name__ == "__main__":
    main()
