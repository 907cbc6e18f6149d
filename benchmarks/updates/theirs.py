"""What `bench_polls` compares with: lemon24/reader updates the feeds of a list; prints how many feeds a second.

`python benchmarks/updates/theirs.py DATABASE URLS WORKERS` in an interpreter that has `reader` installed (it is no
dependency of ours). The first run over a database is a first fill, each later one asks again.
"""

from __future__ import annotations

import sys
import time
from importlib import import_module
from pathlib import Path
from typing import Any


def main() -> int:
    database, urls, workers = sys.argv[1], Path(sys.argv[2]).read_text().split(), int(sys.argv[3])
    reader: Any = import_module("reader").make_reader(database)  # Any: there may be none to check against
    for url in urls:
        reader.add_feed(url, exist_ok=True)
    started = time.perf_counter()
    reader.update_feeds(workers=workers, scheduled=False)  # `True` would leave out what was asked within the hour
    elapsed = time.perf_counter() - started
    assert all(feed.last_updated is not None and feed.last_exception is None for feed in reader.get_feeds())
    print(len(urls) / elapsed, reader.get_entry_counts().total)
    return 0


if __name__ == "__main__":
    sys.exit(main())
