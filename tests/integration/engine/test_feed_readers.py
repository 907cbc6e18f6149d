"""Where an answer is read: each way gives the same, and each survives what it is given."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as FutureTimeoutError
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from pebble import ProcessExpired

from aggregator.engine.feed_readers import AnswerReader
from aggregator.engine.pool import WorkerPool
from aggregator.errors import LeaseLostError
from aggregator.extraction.feed_rules import FeedRules
from aggregator.feeds.parse import parse_feed
from aggregator.identity.publisher_rules import Publishers, shipped_publishers
from aggregator.models.feeds import FeedState, FeedStatus
from aggregator.models.fetching import Cause, Fetched
from aggregator.models.sources import Select, SourceRule
from tests.support.answers import fetched
from tests.support.daemon import wait_for
from tests.support.feeds import feed_of

NOW = datetime(2026, 3, 5, 12, tzinfo=UTC)
URL = "https://example.org/feed"
RULES = shipped_publishers()
FEED = feed_of(URL, FeedState(due_at=NOW, status=FeedStatus.NEW), name="News", full_text=False)


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


def start(pool: WorkerPool) -> int:
    """Start the workers; return the process of the one that begins."""
    pool.warm_up(lambda: None)
    return pool.submit(os.getpid).result(60)


def wait_until_busy(process: int) -> None:
    """Wait until the process has taken some CPU since now."""
    began = cpu_ticks(process)
    wait_for(lambda: cpu_ticks(process) >= began + 20, "a busy worker")


def cpu_ticks(process: int) -> int:
    return int(Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[11])


def test_the_articles_that_entries_carry_are_read_with_the_feed(pool: WorkerPool) -> None:
    read, body = AnswerReader(pool, RULES), feed(20)
    first = read(FEED, answer(body), (), NOW)
    assert first.parsed == parse_feed(body, url=URL, headers=answer(body).headers, now=NOW)
    assert [one.article and one.article.content.title for one in first.sightings] == [f"Entry {n}" for n in range(20)]
    again = read(FEED, answer(body), first.parsed.raw_hashes[1:], NOW)
    assert again.sightings == first.sightings[:1]
    assert pool.unfinished == 0
    assert not pool.is_warm, "no worker was started"


def test_articles_of_a_feed_whose_pages_are_fetched_are_not_read(pool: WorkerPool) -> None:
    reading = AnswerReader(pool, RULES)(replace(FEED, full_text=True), answer(feed(20)), (), NOW)
    assert [one.article for one in reading.sightings] == [None] * 20


def test_a_worker_reads_the_same_by_the_same_rules(pool: WorkerPool) -> None:
    """Rules of the publisher, of the source and of the feed arrive there."""
    feed_rules = {URL: FeedRules(title_strip=("Entry",), language="lb")}
    rule = SourceRule(kind="sitemap", select=Select(link="re:/a/[0-9]$"))
    read = AnswerReader(pool, RULES, {URL: rule}, feed_rules)
    here = read(FEED, answer(feed(20)), (), NOW)
    assert [one.article and one.article.content.title for one in here.sightings] == [str(n) for n in range(10)]
    start(pool)
    assert read(FEED, answer(feed(20)), (), NOW) == here
    assert AnswerReader(pool, Publishers())(FEED, answer(feed(20)), (), NOW).sightings != here.sightings


def test_workers_start_with_many_first_answers_and_with_nothing_else(pool: WorkerPool) -> None:
    read, body = AnswerReader(pool, RULES), feed(2)
    known = read(FEED, answer(body), (), NOW).parsed.raw_hashes
    for _ in range(100):
        read(FEED, answer(body), known[1:], NOW)
    for _ in range(18):
        read(FEED, answer(body), (), NOW)
    assert pool.unfinished == 0
    assert not pool.is_warm
    assert len(read(FEED, answer(body), (), NOW).sightings) == 2, "nothing waits for the start"
    assert pool.is_warm or pool.unfinished


def test_a_large_feed_is_read_by_a_worker_and_its_articles_by_extraction(pool: WorkerPool) -> None:
    body = feed(2600)
    assert len(body) > 1_000_000
    reading = AnswerReader(pool, RULES)(FEED, answer(body), (), NOW)
    assert len(reading.parsed.entries) == len(reading.sightings) == 2600
    assert [one.article for one in reading.sightings] == [None] * 2600


def test_a_parse_that_the_end_of_the_workers_cuts_off_says_nothing_of_the_feed(
    pool: WorkerPool,
) -> None:
    with ThreadPoolExecutor(1) as thread:
        reading = thread.submit(AnswerReader(pool, RULES), FEED, answer(feed(20_000)), (), NOW)
        wait_for(lambda: pool.unfinished, "the task of the worker")
        pool.close()
        assert isinstance(reading.exception(30), LeaseLostError)


def test_a_worker_that_is_killed_costs_its_own_feed_alone(pool: WorkerPool) -> None:
    read, worker = AnswerReader(pool, RULES), start(pool)
    with ThreadPoolExecutor(2) as threads:
        lost = threads.submit(read, FEED, answer(feed(20_000)), (), NOW)
        wait_until_busy(worker)
        other = threads.submit(read, FEED, answer(feed(2)), (), NOW)
        os.kill(worker, signal.SIGKILL)
        assert lost.result(60).parsed.error.startswith(Cause.EXTRACTION_CRASHED)
        assert len(other.result(60).sightings) == 2


def test_a_parse_that_takes_too_long_is_an_unreadable_feed() -> None:
    pool = WorkerPool(1, timedelta(milliseconds=1))
    try:
        reading = AnswerReader(pool, RULES)(FEED, answer(feed(2600)), (), NOW)
        assert (reading.parsed.kind, reading.sightings) == (None, ())
        assert reading.parsed.error.startswith(Cause.EXTRACTION_TIMEOUT)
    finally:
        pool.close()


def test_a_feed_that_ends_its_worker_is_unreadable() -> None:
    pool = FailingPool(ProcessExpired("gone", code=-11), ProcessExpired("gone", code=-11))
    reading = AnswerReader(pool, RULES)(FEED, answer(feed(20)), (), NOW)
    assert reading.parsed.error.startswith(Cause.EXTRACTION_CRASHED)


@pytest.mark.parametrize("error", [ProcessExpired("gone", code=-11), FutureTimeoutError(), MemoryError(), ValueError()])
def test_an_entry_that_ends_its_worker_is_left_to_extraction(error: BaseException) -> None:
    reading = AnswerReader(FailingPool(error), RULES)(FEED, answer(feed(20)), (), NOW)
    assert reading.parsed.error == ""
    assert [one.article for one in reading.sightings] == [None] * 20


class FailingPool(WorkerPool):
    """A pool of warm workers whose first tasks fail; later ones are done at once."""

    is_warm = True

    def __init__(self, *errors: BaseException) -> None:
        super().__init__(1, timedelta(seconds=1))
        self._errors = list(errors)

    def submit_within(self, timeout: timedelta, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()
        if self._errors:
            future.set_exception(self._errors.pop())
        else:
            future.set_result(function(*args, **kwargs))
        return future
