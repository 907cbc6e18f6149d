"""Articles per second and memory of exports, beside a bare loop that writes the same records.

`python benchmarks/bench_export.py [ARTICLES | STORE_FILE]` (20,000). `fill_store.py` makes the store, unless a SQLite
file is named. The other side reads the same articles and writes each record by `json.dumps` alone. Two datasets of one
store are compared byte for byte. The figures are those of the command as a process, its start included. One run.
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from fill_store import fill_url

from aggregator.clock import SystemClock
from aggregator.sinks.records import article_record
from aggregator.store import open_store

GOALS = {"parquet": 5_000, "jsonl": 4_000, "txt": 0}  # articles a second on two cores; the texts are not judged
GOAL_MEMORY = 300  # MiB


# In a process between the two, for Linux gives a child at first the memory of the process that it was forked from.
MEASURE = """
import resource, subprocess, sys, time
started = time.perf_counter()
subprocess.run(sys.argv[1:], check=True, stderr=subprocess.DEVNULL)
print(time.perf_counter() - started, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024)
"""


def export(path: Path, folder: Path, layout: str) -> tuple[float, float]:
    """Return seconds of the command and MiB at most."""
    command = [sys.executable, "-m", "aggregator", "export", str(folder), "--format", layout, "--config", str(path)]
    measured = subprocess.run([sys.executable, "-c", MEASURE, *command], check=True, stdout=subprocess.PIPE, text=True)
    seconds, memory = map(float, measured.stdout.split())
    return seconds, memory


def bare(url: str, target: Path) -> float:
    """Return seconds of reading all articles and writing them by json.dumps."""
    store = open_store(url, SystemClock(), create=False, readonly=True)
    started = time.perf_counter()
    with target.open("w", encoding="utf-8") as stream:
        for article in store.articles():
            stream.write(json.dumps(article_record(article), ensure_ascii=False, default=str) + "\n")
    elapsed = time.perf_counter() - started
    store.close()
    return elapsed


def reading(url: str) -> tuple[int, float]:
    """Return how many articles there are, and seconds of reading them all."""
    store = open_store(url, SystemClock(), create=False, readonly=True)
    started = time.perf_counter()
    count = sum(1 for _ in store.articles())
    elapsed = time.perf_counter() - started
    store.close()
    return count, elapsed


def tree_hash(folder: Path) -> str:
    digest = hashlib.sha256()
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        digest.update(os.fsencode(path.relative_to(folder)) + b"\0" + hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


def measure(root: Path, url: str) -> bool:
    """Print the figures; return whether a goal was missed."""
    path = root / "aggregator.toml"
    path.write_text(f'[storage]\nurl = "{url}"\narticles_dir = ""\nraw_dir = ""\nmin_free = "0"\n')
    count, alone = reading(url)
    plain = bare(url, root / "bare.jsonl")
    print(f"{count} articles; reading alone {count / alone:.0f}/s, bare JSON {count / plain:.0f}/s")
    missed = False
    for layout, goal in GOALS.items():
        seconds, memory = export(path, root / layout, layout)
        export(path, root / f"{layout}-again", layout)
        same = tree_hash(root / layout) == tree_hash(root / f"{layout}-again")
        missed |= count / seconds < goal or memory > GOAL_MEMORY or not same
        wanted = f" (goal {goal})" if goal else ""
        print(
            f"{layout:8} {count / seconds:8.0f} articles/s{wanted}  {memory:5.0f} MiB at most  same bytes twice: {same}"
        )
    return missed


def main() -> int:
    named = sys.argv[1] if len(sys.argv) > 1 else "20000"
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        if not named.isdecimal():
            if not Path(named).is_file():
                print(f"bench_export: {named} is no store; nothing measured")
                return 0
            return int(measure(root, f"sqlite:///{Path(named).absolute()}"))
        url = f"sqlite:///{root}/a.db"
        fill_url(url, int(named), int(named) // 20)
        return int(measure(root, url))


if __name__ == "__main__":
    sys.exit(main())
