"""What it costs to look up keys and addresses in a store of 1 M and of 10 M aliases, as a ratio within one run.

    python benchmarks/bench_aliases.py [--full]    # without --full: 100,000 and 1 M, which takes seconds

Two SQLite stores are filled, then asked in turn, as a poll asks: 50 random hashes at a time, half of them known. The
limit is 4 for ten times as many aliases. --full needs 2 GB of disk and some minutes.
"""

from __future__ import annotations

import argparse
import random
import sqlite3
import statistics
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from aggregator.clock import SystemClock
from aggregator.store.db.database import Database
from aggregator.store.identity.partition import resolve
from aggregator.store.lifecycle.opening import open_database

POLLS, ENTRIES, ROUNDS = 400, 50, 5
LIMIT = 4.0


def hash_of(number: int, count: int) -> bytes:
    """The hashes are spread evenly, as real ones are, and made in order, so that filling is fast."""
    return (number * (2**64 // count)).to_bytes(8, "big") + number.to_bytes(8, "little")


def rows(count: int) -> Iterator[tuple[bytes, str]]:
    for number in range(count):
        hashed = hash_of(number, count)
        yield hashed, hashed[:8].hex()


def fill(path: Path, count: int) -> Database:
    url = f"sqlite:///{path}"
    database = open_database(url, SystemClock())
    with closing(sqlite3.connect(path)) as conn:
        conn.execute("PRAGMA synchronous=OFF")
        with conn:
            conn.executemany("INSERT INTO aliases (hash, article_id) VALUES (?, ?)", rows(count))
    return database


def questions(count: int, source: random.Random) -> list[list[bytes]]:
    return [
        [hash_of(source.randrange(count), count) for _ in range(ENTRIES // 2)]
        + [source.randbytes(16) for _ in range(ENTRIES // 2)]
        for _ in range(POLLS)
    ]


def ask(database: Database, polls: list[list[bytes]]) -> float:
    """Return the seconds that one hash took."""
    start = time.process_time()
    for hashes in polls:
        found = database.read(lambda tx, hashes=hashes: resolve(tx, hashes))  # type: ignore[misc]
        assert len(found) == len(set(hashes[: ENTRIES // 2]))
    return (time.process_time() - start) / POLLS / ENTRIES


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", nargs="?", help="ignored: nothing of the evaluation data is needed")
    parser.add_argument("--full", action="store_true", help="1 M and 10 M aliases")
    sizes = (1_000_000, 10_000_000) if parser.parse_args().full else (100_000, 1_000_000)
    source = random.Random(1)
    with tempfile.TemporaryDirectory() as folder:
        stores = {}
        for count in sizes:
            start = time.perf_counter()
            path = Path(folder) / f"{count}.db"
            stores[count] = fill(path, count)
            print(f"{count:>10,} aliases: {path.stat().st_size / 2**20:,.0f} MiB, {time.perf_counter() - start:.0f} s")
        taken: dict[int, list[float]] = {count: [] for count in sizes}
        for _ in range(ROUNDS):
            for count, database in stores.items():
                taken[count].append(ask(database, questions(count, source)))
        for database in stores.values():
            database.close()
    costs = [statistics.median(taken[count]) for count in sizes]
    for count, cost in zip(sizes, costs, strict=True):
        print(f"{count:>10,} aliases: {cost * 1e6:.2f} us a hash")
    print(f"ratio {costs[1] / costs[0]:.2f} (limit {LIMIT})")


if __name__ == "__main__":
    main()
