"""Where an answer is read: each way gives the same, and each survives what it is given."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pebble import ProcessExpired

from aggregator.engine.feed_readers import Readers
from aggregator.engine.pool import WorkerPool
from aggregator.errors import LeaseLostError
from aggregator.feeds.parse import parse_feed
from aggregator.identity.publisher_rules import Publishers, shipped_publishers
from aggregator.models.fetching import Cause, Fetched
from aggregator.models.records import Feed, FeedId, FeedState, FeedStatus
from aggregator.ports.store_records import FeedReading
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


@pytest.fixture
def readers(pool: WorkerPool) -> Iterator[Readers]:
    made = Readers(pool, WorkerPool(1, pool.timeout))
    yield made
    made.close()


def begin(readers: Readers) -> None:
    """Read in place until there were many first answers and the processes can begin."""
    read, until = readers.under(RULES), time.monotonic() + 30
    while not readers.is_beside and time.monotonic() < until:
        read(FEED, answer(feed(20)), (), NOW)
    assert readers.is_beside


def without_articles(reading: FeedReading) -> FeedReading:
    return replace(reading, sightings=tuple(replace(one, article=None) for one in reading.sightings))


def test_here_and_beside_give_the_same(readers: Readers) -> None:
    read, body = readers.under(RULES), feed(20)
    here = read(FEED, answer(body), (), NOW)
    assert here.parsed == parse_feed(body, url=URL, headers=answer(body).headers, now=NOW)
    assert [one.article for one in here.sightings] == [None] * 20
    begin(readers)
    beside = read(FEED, answer(body), (), NOW)
    assert without_articles(beside) == here
    assert [one.article and one.article.content.title for one in beside.sightings] == [f"Entry {n}" for n in range(20)]
    again = read(FEED, answer(body), here.parsed.raw_hashes[1:], NOW)
    assert again.sightings == here.sightings[:1]


def test_articles_of_a_feed_that_is_fetched_are_not_read_along(readers: Readers) -> None:
    begin(readers)
    reading = readers.under(RULES)(replace(FEED, full_text=True), answer(feed(20)), (), NOW)
    assert [one.article for one in reading.sightings] == [None] * 20


def test_a_process_beside_goes_by_the_rules_that_are_in_force(readers: Readers) -> None:
    begin(readers)
    document = feed(20).replace(b"/a/7<", b"https://www.dw.com/en/some-words/a-63723431<")

    def keys(rules: Publishers) -> list[str]:
        sightings = readers.under(rules)(FEED, answer(document), (), NOW).sightings
        assert all(one.article is not None for one in sightings)
        return [str(one.identity and one.identity.key) for one in sightings]

    assert "dw:63723431" in keys(RULES)
    assert "dw:63723431" not in keys(Publishers())
    assert "dw:63723431" in keys(RULES)


def test_a_large_feed_is_parsed_by_a_worker(readers: Readers) -> None:
    body = feed(2600)
    assert len(body) > 1_000_000
    reading = readers.under(RULES)(FEED, answer(body), (), NOW)
    assert len(reading.parsed.entries) == len(reading.sightings) == 2600


def test_a_parse_that_the_end_of_the_workers_cuts_off_says_nothing_of_the_feed(
    pool: WorkerPool, readers: Readers
) -> None:
    with ThreadPoolExecutor(1) as thread:
        reading = thread.submit(readers.under(RULES), FEED, answer(feed(20_000)), (), NOW)
        until = time.monotonic() + 30
        while not pool.unfinished and time.monotonic() < until:
            time.sleep(0.01)
        pool.close()
        assert isinstance(reading.exception(30), LeaseLostError)


def test_a_parse_that_takes_too_long_is_an_unreadable_feed() -> None:
    pool = WorkerPool(1, timedelta(milliseconds=1))
    try:
        reading = Readers(pool, PlayedPool()).under(RULES)(FEED, answer(feed(2600)), (), NOW)
        assert (reading.parsed.kind, reading.sightings) == (None, ())
        assert reading.parsed.error.startswith(Cause.EXTRACTION_TIMEOUT)
    finally:
        pool.close()


class PlayedPool(WorkerPool):
    """Does its tasks here, at once; the n-th one ends its worker, or finds no worker at all."""

    def __init__(self, *outcomes: BaseException | None) -> None:
        super().__init__(1, timedelta(seconds=1))
        self.outcomes = list(outcomes)

    is_warm = True  # type: ignore[assignment]

    def submit_within(self, timeout: timedelta, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()
        outcome = self.outcomes.pop(0) if self.outcomes else None
        if outcome is None:
            future.set_result(function(*args, **kwargs))
        else:
            future.set_exception(outcome)
        return future


def beside(*outcomes: BaseException | None) -> Readers:
    """Return readers whose tasks beside end so."""
    return Readers(PlayedPool(), PlayedPool(*outcomes))


def test_an_entry_that_ends_its_worker_does_not_make_the_feed_unreadable() -> None:
    """Its articles are left to extraction, which tries them one by one."""
    readers = beside(ProcessExpired("gone", code=-11))
    reading = readers.under(RULES)(FEED, answer(feed(20)), (), NOW)
    assert len(reading.parsed.entries) == 20
    assert [one.article for one in reading.sightings] == [None] * 20


def test_a_feed_that_ends_its_worker_twice_is_unreadable() -> None:
    gone = ProcessExpired("gone", code=-11)
    reading = beside(gone, gone).under(RULES)(FEED, answer(feed(20)), (), NOW)
    assert reading.parsed.error.startswith(Cause.EXTRACTION_CRASHED)


def test_workers_that_end_while_articles_are_read_say_nothing_of_the_feed() -> None:
    with pytest.raises(LeaseLostError):
        beside(CancelledError()).under(RULES)(FEED, answer(feed(20)), (), NOW)
