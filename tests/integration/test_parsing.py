"""Where a feed is parsed: each way gives the same, and each survives what it is given."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest

from aggregator.engine.parsing import FeedParsing
from aggregator.engine.pool import WorkerPool
from aggregator.errors import LeaseLostError
from aggregator.exchange import Cause, Fetched, Validators
from aggregator.parse import parse_feed

NOW = datetime(2026, 3, 5, 12, tzinfo=UTC)
URL = "https://example.org/feed"


def feed(entries: int) -> bytes:
    items = "".join(
        f"<item><title>Entry {n}</title><link>/a/{n}</link><guid>{n}</guid>"
        f"<description>{'Some words about it. ' * 20}</description></item>"
        for n in range(entries)
    )
    return f'<rss version="2.0"><channel><title>News</title>{items}</channel></rss>'.encode()


def answer(body: bytes) -> Fetched:
    return Fetched(
        url=URL,
        final_url=URL,
        status=200,
        headers={"content-type": "application/rss+xml"},
        body=body,
        validators=Validators(),
        hops=(),
        fresh_for=None,
        wire_bytes=len(body),
        elapsed=timedelta(0),
    )


@pytest.fixture
def pool() -> Iterator[WorkerPool]:
    pool = WorkerPool(1, timedelta(seconds=20))
    yield pool
    pool.close()


@pytest.fixture
def parse(pool: WorkerPool) -> Iterator[FeedParsing]:
    made = FeedParsing(pool)
    yield made
    made.close()


def test_here_and_beside_give_the_same(parse: FeedParsing) -> None:
    body = feed(20)
    expected = parse_feed(body, url=URL, headers=answer(body).headers, now=NOW)
    assert len(expected.entries) == 20
    until = time.monotonic() + 30
    while not parse.is_beside and time.monotonic() < until:  # in place, until there are many and the process can begin
        assert parse(answer(body), (), NOW) == expected
    assert parse.is_beside
    assert parse(answer(body), (), NOW) == expected
    assert parse(answer(body), expected.raw_hashes[1:], NOW).entries == expected.entries[:1]


def test_a_large_feed_is_parsed_by_a_worker(parse: FeedParsing) -> None:
    body = feed(2600)
    assert len(body) > 1_000_000
    assert len(parse(answer(body), (), NOW).entries) == 2600


def test_a_parse_that_the_end_of_the_workers_cuts_off_says_nothing_of_the_feed(
    pool: WorkerPool, parse: FeedParsing
) -> None:
    with ThreadPoolExecutor(1) as thread:
        parsing = thread.submit(parse, answer(feed(20_000)), (), NOW)
        until = time.monotonic() + 30
        while not pool.unfinished and time.monotonic() < until:
            time.sleep(0.01)
        pool.close()
        assert isinstance(parsing.exception(30), LeaseLostError)


def test_a_parse_that_takes_too_long_is_an_unreadable_feed() -> None:
    pool = WorkerPool(1, timedelta(milliseconds=1))
    try:
        parsed = FeedParsing(pool)(answer(feed(2600)), (), NOW)
        assert (parsed.kind, parsed.entries) == (None, ())
        assert parsed.error.startswith(Cause.EXTRACTION_TIMEOUT)
    finally:
        pool.close()
