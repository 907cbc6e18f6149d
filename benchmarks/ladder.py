"""Proves the ladder on a corpus: `python benchmarks/ladder.py DATA`.

Each feed in DATA/data is parsed, then replayed with entries added, changed, removed and reordered. What `parse_feed`
gives with the old hashes known must be exactly the new entries of a full parse. Exit status 1 if it is not.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from aggregator.feeds.parse import NO_HEADERS, parse_feed
from aggregator.feeds.repair import read_text
from aggregator.feeds.slices import find_root, split
from aggregator.models.feeds import ParsedFeed

NOW = datetime(2026, 1, 1, tzinfo=UTC)
URL = "https://news.example.org/feed"
Edit = Callable[[Sequence[str], random.Random], list[str]]


def change(piece: str, n: int) -> str:
    """Return an entry with another text and id."""
    if piece.startswith("{"):
        return json.dumps({**json.loads(piece), "id": f"new-{n}", "title": f"changed {n}"})
    for end in ("</title>", "</link>", "</description>"):
        if end in piece:
            return piece.replace(end, f" changed {n}{end}", 1)
    return piece.replace(">", f"><category>changed {n}</category>", 1)


EDITS: dict[str, Edit] = {
    "same": lambda pieces, _: list(pieces),
    "added": lambda pieces, _: [change(pieces[0], 1), *pieces, change(pieces[-1], 2)],
    "changed": lambda pieces, rng: [change(p, n) if rng.random() < 0.3 else p for n, p in enumerate(pieces)],
    "removed": lambda pieces, rng: [p for p in pieces if rng.random() < 0.6],
    "reordered": lambda pieces, rng: rng.sample(pieces, len(pieces)),
    "twice": lambda pieces, rng: [*pieces, rng.choice(pieces)],
}


def take_apart(body: bytes) -> tuple[str, list[str]] | None:
    """Return a feed as text with a mark for its entries, and the entries."""
    text = read_text(body, NO_HEADERS).body
    if text.startswith("{"):
        try:
            document = json.loads(text, strict=False)
            pieces = [json.dumps(item) for item in document["items"] if isinstance(item, dict)]
        except (ValueError, KeyError, TypeError):
            return None
        return json.dumps({**document, "items": "\0"}).replace('"\\u0000"', "[\0]"), pieces
    root = find_root(text)
    if root is None or root.kind == "html":
        return None
    sliced = split(text, root)
    pieces, rest, frame = list(sliced.slices), text[root.start :], ""
    for n, piece in enumerate(pieces):
        before, _, rest = rest.partition(piece)
        frame += before + ("\0" if n == 0 else "")
    return frame + rest, pieces


def assemble(frame: str, pieces: Sequence[str]) -> bytes:
    return frame.replace("\0", (", " if frame.startswith("{") else "\n").join(pieces)).encode("utf-8", "replace")


def differences(body: bytes, known: frozenset[str]) -> list[str]:
    """Return where the ladder differs from the full parse."""
    full = parse_feed(body, url=URL, now=NOW)
    short = parse_feed(body, url=URL, now=NOW, known=known)
    wanted = tuple(entry for entry in full.entries if entry.raw_hash not in known)
    found = [] if short.entries == wanted else ["entries"]
    empty: ParsedFeed = replace(full, entries=())
    return found + ([] if replace(short, entries=()) == empty else ["feed"])


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path, help="folder of the corpus")
    files = sorted((parser.parse_args().data / "data").glob("*"))
    if not files:
        print("no corpus here; it is not part of this repository")
        return 0
    rng, feeds, replays, failures = random.Random(6), 0, 0, 0
    for file in files:
        parts = take_apart(file.read_bytes())
        if not parts or not parts[1] or len(parts[1]) > 2000:
            continue
        frame, pieces = parts
        known = frozenset(parse_feed(assemble(frame, pieces), url=URL, now=NOW).raw_hashes)
        feeds += 1
        for name, edit in EDITS.items():
            replays += 1
            if wrong := differences(assemble(frame, edit(pieces, rng)), known):
                failures += 1
                print(f"{file.name}: {name}: {', '.join(wrong)} differ")
    print(f"{feeds} feeds, {replays} replays, {failures} differ")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
