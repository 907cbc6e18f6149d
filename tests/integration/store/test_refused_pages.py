"""Pages that an earlier version refused are fetched once more, if nobody has their bytes."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from datetime import timedelta
from pathlib import Path
from random import Random

import pytest

from aggregator.extraction.pipeline import ExtractJob, Read
from aggregator.extraction.reextract import Difference, reextract
from aggregator.identity.publisher_rules import Publishers
from aggregator.models.fetching import Cause, Validators
from aggregator.models.pages import Page, PageFailed
from aggregator.ports.store_records import Collected
from aggregator.rawstore import FileRawStore
from aggregator.schedule.due_times import page_retry_at
from aggregator.store import SqlStore
from tests.support.articles import no_rules
from tests.support.stores import (
    LEASE,
    URL,
    StandingClock,
    article_record,
    claim,
    fetch_due,
    fetched_pages,
    key_of,
    poll,
    raw,
    record_article,
    sighting,
    subscribe,
)

FEED, HOST = "https://www.example.org/feed", "www.example.org:443"
WEEK = timedelta(days=7)
GONE = timedelta(days=2)  # the worker whose folder had the bytes
REFUSED = PageFailed(cause=Cause.LOW_QUALITY, detail="consent_wall")
PAGE = "<title>The bridge</title><article><h1>The bridge</h1>" + "<p>The council decided what it may cost.</p>" * 9


@pytest.fixture
def raw_store(tmp_path: Path) -> FileRawStore:
    return FileRawStore(tmp_path / "raw")


def refuse(store: SqlStore, *failures: PageFailed | None) -> None:
    """Announce and fetch pages, and let each fail for good at its extraction; None: it becomes an article."""
    (feed,) = subscribe(store, FEED)
    poll(store, feed, *(sighting(n) for n in range(len(failures))))
    fetch_due(store)
    for page, failed in zip(fetched_pages(store), failures, strict=True):
        if failed is None:
            record_article(store, page, article_record(page))
        else:
            assert store.record_extraction_failure(page, failed, None)


def due_within(store: SqlStore, span: timedelta, clock: StandingClock) -> list[Page]:
    """Return the pages of the host that are due within this time."""
    clock.pass_(span)
    held = store.claim_host(HOST, LEASE)
    found = store.due_pages(held, store.now(), limit=2000) if held is not None else ()
    if held is not None:
        store.release(held)
    return list(found)


def fail(store: SqlStore, page: Page, failed: PageFailed) -> None:
    """Let the fetch of a page fail for good."""
    held = claim(store, HOST)
    assert store.record_page_failure(held, page, failed, None)
    store.release(held)


def test_each_is_due_once_within_a_week_and_that_is_its_last_try(
    store: SqlStore, raw_store: FileRawStore, clock: StandingClock
) -> None:
    refuse(store, REFUSED, PageFailed(cause=Cause.NO_TEXT), PageFailed(cause=Cause.NOT_TEXT), None)
    clock.pass_(GONE)
    assert store.ask_refused_again(raw_store)
    assert due_within(store, timedelta(0), clock) == []
    first, second = due_within(store, WEEK, clock)
    assert first.due_at < second.due_at
    assert {first.key, second.key} == {key_of(0), key_of(1)}, "neither what is no text nor an article"
    assert store.decisions([URL.format(0)], [])[-1].verdict == "due again"
    for cause in Cause:
        assert page_retry_at(first.attempts + 1, cause, None, now=store.now(), random=Random(0)) is None
    for page in (first, second):
        fail(store, page, PageFailed(cause=Cause.LOW_QUALITY, detail="redirected"))
    assert store.ask_refused_again(raw_store)
    assert due_within(store, WEEK, clock) == []


def test_one_that_gives_an_article_now_has_it(store: SqlStore, raw_store: FileRawStore, clock: StandingClock) -> None:
    refuse(store, REFUSED)
    clock.pass_(GONE)
    assert store.ask_refused_again(raw_store)
    clock.pass_(WEEK)
    fetch_due(store)
    (page,) = fetched_pages(store)
    record_article(store, page, article_record(page))
    assert [one.key for one in store.articles()] == [key_of(0)]


def test_a_killed_process_asks_for_none_twice(store: SqlStore, raw_store: FileRawStore, clock: StandingClock) -> None:
    (feed,) = subscribe(store, FEED)
    poll(store, feed, *(sighting(n) for n in range(600)))
    first, *_, last = due_within(store, timedelta(0), clock)
    for page in (first, last):
        fail(store, page, REFUSED)
    assert not store.ask_refused_again(raw_store), "a step is done; then the process is killed"
    clock.pass_(WEEK)
    fail(store, first, REFUSED)
    assert store.ask_refused_again(raw_store)
    due = {page.id for page in due_within(store, WEEK, clock)}
    assert last.id in due
    assert first.id not in due


def test_a_page_whose_bytes_are_kept_waits_for_reextract(
    store: SqlStore, raw_store: FileRawStore, clock: StandingClock
) -> None:
    (feed,) = subscribe(store, FEED)
    poll(store, feed, sighting(0))
    held = claim(store, HOST)
    (page,) = store.due_pages(held, store.now())
    kept = raw_store.put(PAGE.encode(), store.now())
    body = raw(page, content_hash=kept, at=store.now())
    assert store.record_fetched(held, page, body, raw_store.folder, (), Validators())
    store.release(held)
    (fetched,) = store.claim_fetched(1, LEASE, raw_store.folder)
    assert store.record_extraction_failure(fetched, REFUSED, None)
    assert store.ask_refused_again(raw_store)
    assert due_within(store, WEEK, clock) == []
    (found,) = reextract_all(store, raw_store)
    assert found.fields == ("article",)
    (article,) = store.articles()
    assert article.content.title == "The bridge"
    assert store.failed_pages() == ()


def test_bytes_in_the_folder_of_another_worker_count_while_it_lives(
    store: SqlStore, raw_store: FileRawStore, clock: StandingClock
) -> None:
    refuse(store, REFUSED)  # by the worker of another folder
    clock.pass_(timedelta(hours=20))
    assert store.ask_refused_again(raw_store)
    assert due_within(store, WEEK, clock) == []


def reextract_all(store: SqlStore, raw_store: FileRawStore) -> list[Difference]:
    def submit(
        function: Callable[[ExtractJob, Read], Collected | PageFailed], job: ExtractJob, read: Read
    ) -> Future[Collected | PageFailed]:
        done: Future[Collected | PageFailed] = Future()
        done.set_result(function(job, read))
        return done

    rules = Publishers()
    return list(reextract(store, raw_store, rules, no_rules, submit, Future.result, dry_run=False))
