"""Text files a second that publishing writes, against a bare loop that writes, syncs and renames the same files.

`python benchmarks/bench_publish.py [ARTICLES [FOLDER]]`; FOLDER is on the disk that is meant, /var/tmp unless it says
otherwise. The rounds alternate, each into a new folder; the ratio is the median of neighbours in time. Exit status 1
when publishing reaches less than half of the bare loop.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

from fill_store import fill_url

from aggregator.clock import SystemClock
from aggregator.sinks.publish import publish
from aggregator.sinks.seed_files import SeedFiles
from aggregator.store import SqlStore, open_store

ROUNDS = 3
GOAL = 0.5


def published(store: SqlStore, folder: Path) -> float:
    started = time.perf_counter()
    count = publish(store, [SeedFiles(folder)]).delivered
    return count / (time.perf_counter() - started)


def bare(files: dict[Path, bytes], folder: Path) -> float:
    started = time.perf_counter()
    for path, data in files.items():
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        temporary = target.with_name("temporary")
        with temporary.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(target)
    return len(files) / (time.perf_counter() - started)


def main() -> int:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 5_000
    place = sys.argv[2] if len(sys.argv) > 2 else "/var/tmp"
    with tempfile.TemporaryDirectory(dir=place) as name:
        root = Path(name)
        url = f"sqlite:///{root / 'aggregator.db'}"
        fill_url(url, count, 50, days=30)
        store = open_store(url, SystemClock())
        ratios = []
        for turn in range(ROUNDS):
            ours = published(store, root / f"ours-{turn}")
            written = sorted((root / f"ours-{turn}").rglob("*.txt"))
            files = {path.relative_to(root / f"ours-{turn}"): path.read_bytes() for path in written}
            loop = bare(files, root / f"bare-{turn}")
            ratios.append(ours / loop)
            print(f"{len(files)} files  published {ours:7.0f} files/s  bare loop {loop:7.0f}  ratio {ours / loop:.2f}")
        store.close()
    print(f"of a bare loop {median(ratios):.2f} (goal {GOAL})")
    return int(median(ratios) < GOAL)


if __name__ == "__main__":
    sys.exit(main())
