"""What the ladder saves: our parse against plain feedparser, as ratios in one run.

`python benchmarks/bench_parse.py [DATA]`: over feeds made here, and over the feeds of a corpus (files in DATA/data).
Exit status 1 when a ratio falls below its goal.
"""

from __future__ import annotations

import argparse
import io
import statistics
import sys
import time
import warnings
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import feedparser

from aggregator.feeds.parse import parse_feed

NOTHING_NEW_GOAL, ONE_NEW_GOAL = 50.0, 6.0
NOW = datetime(2026, 1, 1, tzinfo=UTC)
SENTENCE = (
    "The council met on Tuesday &amp;amp; agreed that the &lt;b&gt;old bridge&lt;/b&gt; is repaired before winter. "
)
RSS = """<?xml version="1.0" encoding="UTF-8"?>
<rss version="2.0" xmlns:dc="http://purl.org/dc/elements/1.1/" xmlns:content="http://purl.org/rss/1.0/modules/content/"
 xmlns:atom="http://www.w3.org/2005/Atom" xmlns:media="http://search.yahoo.com/mrss/">
<channel><title>Harbour Post</title>
<link>https://news.example.org/</link><description>All of it</description><language>en</language><ttl>10</ttl>
<atom:link href="https://news.example.org/rss" rel="self" type="application/rss+xml"/>
{entries}</channel></rss>
"""
RSS_ENTRY = """<item><title>Story {n}: the bridge &amp; the harbour</title><link>https://news.example.org/a-{n}</link>
<guid isPermaLink="false">a-{n}</guid><pubDate>{date:%a, %d %b %Y %H:%M:%S} +0100</pubDate>
<dc:creator>Zoe Miller</dc:creator><category>Local</category><category>Traffic</category>
<media:content url="https://img.example.org/{n}.jpg" type="image/jpeg"/>
<description>{summary}</description>{content}</item>
"""


def make_feed(entries: int, *, full_text: bool) -> bytes:
    """Return an RSS feed as news sites write it, with teasers or with whole texts."""
    html = "<p>" + SENTENCE.replace("&lt;", "<").replace("&gt;", ">") * 6 + "</p>"
    content = f"<content:encoded><![CDATA[{html}]]></content:encoded>" if full_text else ""
    items = (
        RSS_ENTRY.format(n=n, date=NOW - timedelta(hours=n), summary=SENTENCE * 2, content=content)
        for n in range(entries, 0, -1)
    )
    return RSS.format(entries="".join(items)).encode()


def seconds(work: Callable[[], object], rounds: int) -> float:
    """Return the best time of one call."""
    best = float("inf")
    for _ in range(rounds):
        start = time.perf_counter()
        work()
        best = min(best, time.perf_counter() - start)
    return best


def measure(body: bytes, rounds: int) -> tuple[float, float, float, float] | None:
    """Return the seconds of plain feedparser, our full parse, nothing new, and one new entry."""
    full = parse_feed(body, now=NOW)
    hashes = full.raw_hashes
    if full.kind != "feed" or not hashes:
        return None
    plain = seconds(lambda: feedparser.parse(io.BytesIO(body)), rounds)  # noqa: TID251  what we compare with
    return (
        plain,
        seconds(lambda: parse_feed(body, now=NOW), rounds),
        seconds(lambda: parse_feed(body, url="", now=NOW, known=frozenset(hashes)), rounds * 5),
        seconds(lambda: parse_feed(body, url="", now=NOW, known=frozenset(hashes[1:])), rounds * 2),
    )


def report(name: str, measured: Iterable[tuple[float, float, float, float]]) -> tuple[float, float]:
    rows = list(measured)
    plain, full, nothing, one = (sum(column) for column in zip(*rows, strict=True))
    middle = [statistics.median(row[0] / row[i] for row in rows) for i in (2, 3)]
    print(
        f"{name}: {len(rows)} feeds, feedparser {1000 * plain / len(rows):.2f} ms each; times faster: "
        f"full parse {plain / full:.1f}, nothing new {plain / nothing:.0f} (median {middle[0]:.0f}), "
        f"one new entry {plain / one:.1f} (median {middle[1]:.1f})"
    )
    return plain / nothing, plain / one


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path, nargs="?", help="folder of a corpus of feeds")
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    made = [make_feed(n, full_text=full_text) for n in (20, 40, 80) for full_text in (False, True)]
    nothing, one = report("made here", filter(None, (measure(body, 5) for body in made)))
    if arguments.data:
        files = sorted((arguments.data / "data").glob("*")) if arguments.data.is_dir() else []
        bodies = [body for file in files if 4000 < len(body := file.read_bytes()) < 1_000_000]
        if bodies:
            report("corpus", filter(None, (measure(body, 2) for body in bodies)))
        else:
            print(f"{arguments.data}: no corpus here")
    return 0 if nothing >= NOTHING_NEW_GOAL and one >= ONE_NEW_GOAL else 1


if __name__ == "__main__":
    sys.exit(main())
