"""What another extraction of a kept page changes: words make a revision, facts a change, first markdown neither."""

from __future__ import annotations

from dataclasses import replace

from aggregator.models.articles import Article
from aggregator.models.fetching import Validators
from aggregator.models.ids import PageId
from aggregator.models.pages import PageFacts
from aggregator.ports.store_records import ArticleRecord
from aggregator.store import SqlStore
from tests.support.stores import (
    FOLDER,
    LEASE,
    article_record,
    collect,
    fetch_due,
    fetched_pages,
    poll,
    raw,
    record_article,
    sighting,
    subscribe,
)


def collected(store: SqlStore) -> ArticleRecord:
    """Store an article of an earlier version, which made no markdown, and return its record."""
    (feed,) = subscribe(store, "https://www.example.org/feed")
    poll(store, feed, sighting(1))
    collect(store, body="One. Two.")
    store.number_changes()
    (page,) = store.stored_pages(PageId(0), 10)
    return article_record(page, body="One. Two.")


def reextracted(store: SqlStore, record: ArticleRecord, **content: object) -> Article:
    """Record another extraction of the page, and return the article."""
    (page,) = store.stored_pages(PageId(0), 10)
    assert store.record_reextracted(page, replace(record, content=replace(record.content, **content)))  # type: ignore[arg-type]
    store.number_changes()
    (article,) = store.articles()
    return article


def test_markdown_and_facts_that_are_made_for_the_first_time_are_no_change(store: SqlStore) -> None:
    record = collected(store)
    (before,) = store.articles()
    assert (before.content.markdown, before.content.facts) == (None, None)
    facts = PageFacts(description="What it says")
    after = reextracted(store, record, markdown="*One.* Two.", facts=facts)
    assert (after.content.markdown, after.content.facts) == ("*One.* Two.", facts)
    assert (after.change_seq, after.revision) == (before.change_seq, 1)
    assert len(store.changes_after(0, 10)) == 1


def test_other_facts_are_a_change_and_no_revision(store: SqlStore) -> None:
    record = collected(store)
    after = reextracted(store, record, markdown="*One.* Two.", site="Another")
    assert (after.content.site, after.revision) == ("Another", 1)
    assert after.change_seq == 2
    assert reextracted(store, record, markdown="One. *Two.*", site="Another").change_seq == 3


def test_another_text_is_a_revision_also_where_it_becomes_blank(store: SqlStore) -> None:
    record = collected(store)
    after = reextracted(store, record, text="")
    assert (after.content.text, after.revision) == ("", 2)
    assert after.change_seq == 2
    assert [one.content.text == "" for one in store.revisions(after.id)].count(True) == 1


def test_the_bytes_of_an_earlier_fetch_do_not_replace_a_newer_text(store: SqlStore) -> None:
    (feed,) = subscribe(store, "https://www.example.org/feed")
    poll(store, feed, sighting(1))
    fetch_due(store)
    (page,) = fetched_pages(store)
    assert record_article(store, page, article_record(page, body="One. Two."), if_changed=store.now())
    (earlier,) = store.stored_pages(PageId(0), 10)
    (claim,) = store.claim_hosts(10, LEASE)
    (due,) = store.due_pages(claim, store.now())
    body = raw(due, content_hash="d" * 64, at=store.now())
    assert store.record_fetched(claim, due, body, FOLDER, (), Validators())
    (page,) = fetched_pages(store)
    assert record_article(store, page, article_record(page, body="Three. Four."))
    assert not store.record_reextracted(earlier, article_record(earlier, body="One. Two. And more."))
    (article,) = store.articles()
    assert (article.content.body, article.revision) == ("Three. Four.", 2)
