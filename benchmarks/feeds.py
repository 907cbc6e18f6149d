"""Runs `parse_feed` and `find_feeds` over a corpus of feeds and its scorer: `python benchmarks/feeds.py DATA`.

DATA is a folder with `expectations.jsonl`, `data/` and `check_feeds.py`; it is no part of this repository.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

from aggregator.feeds.discovery import find_feeds
from aggregator.feeds.parse import parse_feed
from aggregator.models.feeds import Entry, ParsedFeed


def iso(at: datetime | None) -> str | None:
    return at.isoformat().replace("+00:00", "Z") if at else None


def entry_row(entry: Entry) -> dict[str, object]:
    return {
        "id": entry.id or entry.entry_id,
        "link": entry.link,
        "title": entry.title,
        "published": iso(entry.published_at),
        "updated": iso(entry.updated_at),
        "date": iso(entry.published_at or entry.updated_at),
        "author": ", ".join(entry.authors) or None,
    }


def row(file: str, feed: ParsedFeed, feed_url: str | None, seconds: float) -> dict[str, object]:
    return {
        "file": file,
        "kind": feed.kind,
        "format": feed.format,
        "title": feed.title or None,
        "feed_url": feed_url,
        "entries": [entry_row(entry) for entry in feed.entries],
        "seconds": seconds,
        "error": feed.error or None,
    }


def parse_one(data: Path, expected: dict[str, object], now: datetime) -> dict[str, object]:
    file, base = str(expected["file"]), str(expected.get("base") or "")
    headers = {str(k): str(v) for k, v in dict(expected.get("http") or {}).items()}
    body = (data / file).read_bytes()
    start = time.perf_counter()
    feed = parse_feed(body, url=base, headers=headers, now=now)
    found = find_feeds(body, base) if feed.kind == "html" else ()
    return row(file, feed, found[0].url if found else None, time.perf_counter() - start)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path, help="folder of the corpus")
    parser.add_argument("--out", type=Path, help="keep the results in this file")
    parser.add_argument("scorer", nargs="*", help="arguments for the scorer, behind --")
    arguments = parser.parse_args()
    expectations = arguments.data / "expectations.jsonl"
    if not expectations.is_file():
        print(f"{arguments.data}: no expectations.jsonl here; the corpus of feeds is not part of this repository")
        return 0
    now = datetime.now(UTC)
    rows = [parse_one(arguments.data, json.loads(line), now) for line in expectations.open(encoding="utf-8")]
    print(f"{len(rows)} feeds, slowest {max(float(str(r['seconds'])) for r in rows):.2f} s")
    with tempfile.TemporaryDirectory() as folder:
        out = arguments.out or Path(folder) / "results.jsonl"
        out.write_text("".join(json.dumps(r) + "\n" for r in rows), encoding="utf-8")
        scorer = [sys.executable, str(arguments.data / "check_feeds.py"), str(out), *arguments.scorer]
        return subprocess.run(scorer, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
