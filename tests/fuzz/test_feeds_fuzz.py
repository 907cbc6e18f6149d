"""Bytes that no publisher would write, against everything that reads a feed.

A short run is part of the tests. For longer ones: `python tests/fuzz/test_feeds_fuzz.py MINUTES [SEED]`, which mutates
the feeds of `tests/data/feeds` and stops at the first exception, at more than 5 s of this process for one input, or
above 500 MB.
"""

from __future__ import annotations

import gzip
import random
import resource
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

from aggregator.errors import ConfigError
from aggregator.feeds.discovery import find_feeds
from aggregator.feeds.opml import read_list, write_opml
from aggregator.feeds.parse import parse_feed

FEEDS = Path(__file__).parent.parent / "data" / "feeds"
NOW = datetime(2026, 1, 1, tzinfo=UTC)
MAX_SECONDS, MAX_MEGABYTES = 5.0, 500
TOKENS = (
    b"<![CDATA[ ]]> <!-- --> <item> </item> <entry> </entry> </rss> </feed> <rss> <feed> <channel> <html> "
    b'<!DOCTYPE <?xml &amp; &nbsp; &#0; &#x1F600; & < > " \' = <a <a/> xmlns="" xmlns:dc="x" xml:base=".." <guid> '
    b"<id/> <link> <title "
    b"type=xhtml mode=base64 \xff \xfe \xef\xbb\xbf \x00 \xc3 \xed\xa0\x80 { } [ ] , : null 1e999 "
    b"\\ud800 2022-02-30 PM +99:99"
).split(b" ")


def seeds() -> list[bytes]:
    return [file.read_bytes() for file in sorted(FEEDS.iterdir()) if file.suffix not in (".json", ".md")]


def mutate(body: bytes, rng: random.Random) -> bytes:
    """Return `body` after a few edits: cut, doubled, swapped or overwritten parts, and tokens, alone or in crowds."""
    data = bytearray(body)
    for _ in range(rng.randint(1, 8)):
        start = rng.randint(0, len(data))
        end = min(len(data), start + rng.choice((1, 4, 30, 400)))
        match rng.randint(0, 6):
            case 0:
                del data[start:end]
            case 1:
                data[start:start] = data[start:end] * rng.choice((1, 2, 50))
            case 2:
                data[start:end] = rng.randbytes(end - start)
            case 3:
                data[start:start] = rng.choice(TOKENS) * rng.choice((1, 1, 3, 2000))
            case 4:
                del data[start:]
            case 5:
                data[start:start] = b"".join(rng.choices(TOKENS, k=rng.choice((2, 20, 500))))
            case _:
                other = rng.randint(0, len(data))
                data[start:end], data[other:other] = data[other : other + 20], data[start:end]
    if rng.random() < 0.05:
        return gzip.compress(bytes(data))[: rng.randint(0, len(data))]
    return bytes(data[:2_000_000])


def check(body: bytes) -> None:
    """Read `body` in every way; what comes out must hold together."""
    feed = parse_feed(body, url="https://fuzz.example/feed", now=NOW)
    assert all(entry.entry_id for entry in feed.entries)
    assert all(entry.link is None or entry.link.startswith("http") for entry in feed.entries)
    known = frozenset(feed.raw_hashes[::2])
    short = parse_feed(body, url="https://fuzz.example/feed", now=NOW, known=known)
    assert short.entries == tuple(entry for entry in feed.entries if entry.raw_hash not in known)
    find_feeds(body, "https://fuzz.example/")


def run(seconds: float, seed: int) -> int:
    """Fuzz for that long; return the number of inputs."""
    corpus, rng, count = seeds(), random.Random(seed), 0
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        body = mutate(rng.choice(corpus), rng)
        if len(corpus) < 400 and rng.random() < 0.02 and len(body) < 20_000:
            corpus.append(body)
        start = time.process_time()
        try:
            check(body)
            took = time.process_time() - start
            assert took < MAX_SECONDS, f"{took:.1f} s"
            megabytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
            assert megabytes < MAX_MEGABYTES, f"{megabytes} MB"
        except BaseException:
            Path("fuzz-failure.bin").write_bytes(body)
            print(f"input {count} of seed {seed} is kept in fuzz-failure.bin")
            raise
        count += 1
    return count


def test_short_run() -> None:
    rng = random.Random(6)
    corpus = seeds()
    for _ in range(150):
        check(mutate(rng.choice(corpus), rng))


def test_opml_round_trip_of_what_can_be_read() -> None:
    rng = random.Random(6)
    body = b'<opml><body><outline text="a"><outline xmlUrl="https://a.example/" text="b"/></outline></body></opml>'
    for _ in range(300):
        try:
            found = read_list(mutate(body, rng)).feeds
        except ConfigError:
            continue
        assert {one.url for one in (read_list(write_opml(found)).feeds if found else ())} == {one.url for one in found}


if __name__ == "__main__":
    minutes, first_seed = float(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else int(time.time())
    print(f"{run(minutes * 60, first_seed)} inputs of seed {first_seed}, nothing found")
