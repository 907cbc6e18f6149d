"""Articles per second and memory of exports, beside a bare loop that writes the same records.

`python benchmarks/bench_export.py [ARTICLES]` (20,000). A first fill from nginx makes the store (without nginx: says
so, does nothing). The other side reads the same articles and writes each record by `json.dumps` alone. Two datasets
of one store are compared byte for byte. One run.
"""

from __future__ import annotations

import hashlib
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections import deque
from pathlib import Path

from bench_polls import ENTRIES, PORT, configuration, feed_document, nginx, ours

from aggregator.clock import SystemClock
from aggregator.sinks.records import article_record
from aggregator.store import open_store

FORMATS = ("jsonl", "parquet", "txt")


def export(path: Path, folder: Path, layout: str) -> tuple[float, float]:
    """Return seconds of the command as a process, its start included, and MiB at most."""
    command = [sys.executable, "-m", "aggregator", "export", str(folder), "--format", layout, "--config", str(path)]
    started = time.perf_counter()
    subprocess.run(command, check=True, stderr=subprocess.DEVNULL)
    return time.perf_counter() - started, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024


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


def reading(url: str) -> float:
    """Return seconds of reading all articles and doing nothing with them."""
    store = open_store(url, SystemClock(), create=False, readonly=True)
    started = time.perf_counter()
    deque(store.articles(), maxlen=0)
    elapsed = time.perf_counter() - started
    store.close()
    return elapsed


def tree_hash(folder: Path) -> str:
    digest = hashlib.sha256()
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        digest.update(os.fsencode(path.relative_to(folder)) + b"\0" + hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


def main() -> int:
    if shutil.which("nginx") is None and not Path("/usr/sbin/nginx").exists():
        print("bench_export: nginx is not installed; nothing measured")
        return 0
    count = int(sys.argv[1]) if len(sys.argv) > 1 and sys.argv[1].isdecimal() else 20_000
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        root.chmod(0o755)
        (root / "www").mkdir()
        urls = []
        for number in range(count // ENTRIES):
            (root / "www" / f"{number}.xml").write_text(feed_document(number))
            urls.append(f"http://127.1.0.{number % 200 + 1}:{PORT}/{number}.xml")
        path = configuration(root, urls)
        with nginx(root):
            ours(path, 0)
        url = f"sqlite:///{root}/a.db"
        alone, plain = count / reading(url), count / bare(url, root / "bare.jsonl")
        print(f"{count} articles; reading alone {alone:.0f}/s, bare JSON {plain:.0f}/s")
        for layout in FORMATS:
            seconds, memory = export(path, root / layout, layout)
            export(path, root / f"{layout}-again", layout)
            same = tree_hash(root / layout) == tree_hash(root / f"{layout}-again")
            print(f"{layout:8} {count / seconds:8.0f} articles/s  {memory:5.0f} MiB at most  same bytes twice: {same}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
