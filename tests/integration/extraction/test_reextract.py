"""Pages that are kept, extracted again: what differs, what fails now, what gives an article only now."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future

import pytest

from aggregator.extraction.reextract import Difference, reextract
from aggregator.identity.publisher_rules import shipped_publishers
from aggregator.models.fetching import Cause
from aggregator.models.pages import PageFailed
from aggregator.ports.store_records import Collected
from aggregator.store import SqlStore
from tests.support.articles import no_rules
from tests.support.pool import PoolHere
from tests.support.stores import collect, fetch_due, fetched_pages, poll, sighting, subscribe, words

PAGE = b"<html><body><article><h1>Now</h1><p>" + words("a").encode() + b"</p></article></body></html>"
Result = Collected | PageFailed


class KeptPages:
    """A raw store with one page for every hash, or with none."""

    def __init__(self, body: bytes | None = PAGE) -> None:
        self.body = body

    def get(self, content_hash: str) -> bytes | None:
        return self.body


def again(
    store: SqlStore, result_of: Callable[[Future[Result]], Result | None] = Future.result, kept: KeptPages | None = None
) -> list[Difference]:
    return list(
        reextract(
            store,
            kept or KeptPages(),  # type: ignore[arg-type]
            shipped_publishers(),
            no_rules,
            PoolHere().submit,
            result_of,
            dry_run=False,
        )
    )


@pytest.fixture
def filled(store: SqlStore) -> SqlStore:
    """A store with one article, and with one page that failed for good."""
    (feed,) = subscribe(store, "https://www.example.org/feed")
    poll(store, feed, sighting(1))
    collect(store)
    poll(store, feed, sighting(2))
    fetch_due(store)
    (page,) = fetched_pages(store)
    assert store.record_extraction_failure(page, PageFailed(cause=Cause.NO_TEXT), None)
    return store


def test_a_page_without_bytes_is_left_out(filled: SqlStore) -> None:
    assert again(filled, kept=KeptPages(None)) == []


def test_a_task_that_was_cancelled_changes_nothing(filled: SqlStore) -> None:
    assert again(filled, lambda future: None) == []


def test_a_page_that_gives_nothing_now_keeps_its_article(filled: SqlStore) -> None:
    (before,) = filled.articles()
    failed = PageFailed(cause=Cause.EXTRACTION_FAILED)
    (only,) = again(filled, lambda future: failed)
    assert (only.article_id, only.failed) == (before.id, failed)
    assert list(filled.articles()) == [before]


def test_a_page_that_failed_gives_an_article_now(filled: SqlStore) -> None:
    (before,) = filled.articles()
    changed, new = again(filled)
    assert (changed.article_id, changed.failed) == (before.id, None)
    assert "body" in changed.fields
    assert changed.similarity < 1
    assert (new.article_id, new.fields) == (None, ("article",))
