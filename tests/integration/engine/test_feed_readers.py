"""Where an answer is read: each way gives the same, and each survives what it is given."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pebble import ProcessExpired

from aggregator.engine.feed_readers import feed_reader
from aggregator.engine.pool import WorkerPool
from aggregator.errors import LeaseLostError
from aggregator.feeds.parse import parse_feed
from aggregator.identity.publisher_rules import shipped_publishers
from aggregator.models.feeds import Feed, FeedState, FeedStatus
from aggregator.models.fetching import Cause, Fetched
from aggregator.models.ids import FeedId
from tests.support.answers import fetched

NOW = datetime(2026, 3, 5, 12, tzinfo=UTC)
URL = "https://example.org/feed"
RULES = shipped_publishers()
FEED = Feed(
    id=FeedId(1),
    url=URL,
    host="example.org:443",
    name="News",
    tags=(),
    interval=None,
    full_text=False,
    enabled=True,
    state=FeedState(due_at=NOW, status=FeedStatus.NEW),
)


def feed(entries: int) -> bytes:
    items = "".join(
        f"<item><title>Entry {n}</title><link>/a/{n}</link><guid>{n}</guid>"
        f"<description>{'Some words about it. ' * 20}</description></item>"
        for n in range(entries)
    )
    return f'<rss version="2.0"><channel><title>News</title>{items}</channel></rss>'.encode()


def answer(body: bytes) -> Fetched:
    return fetched(URL, body, "application/rss+xml")


@pytest.fixture
def pool() -> Iterator[WorkerPool]:
    pool = WorkerPool(1, timedelta(seconds=20))
    yield pool
    pool.close()


def test_the_articles_that_entries_carry_are_read_with_the_feed(pool: WorkerPool) -> None:
    read, body = feed_reader(pool, RULES), feed(20)
    first = read(FEED, answer(body), (), NOW)
    assert first.parsed == parse_feed(body, url=URL, headers=answer(body).headers, now=NOW)
    assert [one.article and one.article.content.title for one in first.sightings] == [f"Entry {n}" for n in range(20)]
    again = read(FEED, answer(body), first.parsed.raw_hashes[1:], NOW)
    assert again.sightings == first.sightings[:1]
    assert pool.unfinished == 0
    assert not pool.is_warm, "no worker was started"


def test_articles_of_a_feed_whose_pages_are_fetched_are_not_read(pool: WorkerPool) -> None:
    reading = feed_reader(pool, RULES)(replace(FEED, full_text=True), answer(feed(20)), (), NOW)
    assert [one.article for one in reading.sightings] == [None] * 20


def test_a_large_feed_is_read_by_a_worker_and_its_articles_by_extraction(pool: WorkerPool) -> None:
    body = feed(2600)
    assert len(body) > 1_000_000
    reading = feed_reader(pool, RULES)(FEED, answer(body), (), NOW)
    assert len(reading.parsed.entries) == len(reading.sightings) == 2600
    assert [one.article for one in reading.sightings] == [None] * 2600


def test_a_parse_that_the_end_of_the_workers_cuts_off_says_nothing_of_the_feed(
    pool: WorkerPool,
) -> None:
    with ThreadPoolExecutor(1) as thread:
        reading = thread.submit(feed_reader(pool, RULES), FEED, answer(feed(20_000)), (), NOW)
        until = time.monotonic() + 30
        while not pool.unfinished and time.monotonic() < until:
            time.sleep(0.01)
        pool.close()
        assert isinstance(reading.exception(30), LeaseLostError)


def test_a_parse_that_takes_too_long_is_an_unreadable_feed() -> None:
    pool = WorkerPool(1, timedelta(milliseconds=1))
    try:
        reading = feed_reader(pool, RULES)(FEED, answer(feed(2600)), (), NOW)
        assert (reading.parsed.kind, reading.sightings) == (None, ())
        assert reading.parsed.error.startswith(Cause.EXTRACTION_TIMEOUT)
    finally:
        pool.close()


def test_a_feed_that_ends_its_worker_is_unreadable() -> None:
    reading = feed_reader(DyingPool(), RULES)(FEED, answer(feed(2600)), (), NOW)
    assert reading.parsed.error.startswith(Cause.EXTRACTION_CRASHED)


class DyingPool(WorkerPool):
    """A pool whose workers end with each task."""

    def __init__(self) -> None:
        super().__init__(1, timedelta(seconds=1))

    def submit_within(self, timeout: timedelta, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()
        future.set_exception(ProcessExpired("gone", code=-11))
        return future
