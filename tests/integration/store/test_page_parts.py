"""Articles that are spread over several pages, as the store keeps them: on the way, recorded, gone."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from aggregator.identity.evidence import edges_of_parts
from aggregator.identity.publisher_rules import Publishers
from aggregator.models.fetching import Cause, Validators
from aggregator.models.ids import Identity
from aggregator.models.pages import FetchedPage, Page, PageFailed
from aggregator.ports.store_records import NextPage
from aggregator.store import SqlStore
from tests.support.stores import (
    FOLDER,
    LEASE,
    URL,
    StandingClock,
    article_record,
    claim,
    fetch_due,
    fetched_pages,
    poll,
    raw,
    record_article,
    sighting,
    subscribe,
    words,
)

FEED = "http://a.example/feed"
SITE = "www.example.org:443"
SECOND, THIRD = f"{URL.format(1)}?page=2", f"{URL.format(1)}?page=3"
GONE = PageFailed(cause=Cause.GONE, detail="410")


def begin(store: SqlStore) -> FetchedPage:
    """Announce and fetch the first page."""
    (feed,) = subscribe(store, FEED)
    poll(store, feed, sighting(1))
    fetch_due(store)
    return waiting(store)


def waiting(store: SqlStore) -> FetchedPage:
    (page,) = fetched_pages(store)
    return page


def due(store: SqlStore) -> Page:
    held = claim(store, SITE)
    (page,) = store.due_pages(held, store.now())
    store.release(held)
    return page


def fetch_part(store: SqlStore, *, content_hash: str = "", folder: str = FOLDER) -> Page:
    """Fetch what is due at the site."""
    held = claim(store, SITE)
    (page,) = store.due_pages(held, store.now())
    assert page.part is not None
    body = raw(page, content_hash=content_hash or f"{page.part.number:064d}", at=store.now(), final_url=page.target)
    assert store.record_fetched(held, page, body, folder, (), Validators(etag='"part"'))
    store.release(held)
    return page


def fail_part(store: SqlStore, failed: PageFailed = GONE, *, counts: bool = True) -> None:
    held = claim(store, SITE)
    (page,) = store.due_pages(held, store.now())
    assert store.record_page_failure(held, page, failed, None, counts=counts)
    store.release(held)


def test_a_part_is_asked_for_next_and_joins_those_before(store: SqlStore) -> None:
    first = begin(store)
    assert (first.parts, first.parts_before) == ((), 0)
    assert store.record_next_page(first, NextPage(number=2, url=SECOND)) is not None
    assert store.record_next_page(first, NextPage(number=2, url=SECOND)) is None  # the claim is over
    page = due(store)
    assert page.part is not None
    assert (page.id, page.target, page.part.number, page.part.url) == (first.id, SECOND, 2, SECOND)
    assert (page.attempts, page.hops, page.validators, page.folder) == (0, (), Validators(), FOLDER)
    fetch_part(store)
    second = waiting(store)
    assert [(one.number, one.url, one.failed) for one in second.parts] == [(2, SECOND, None)]
    assert second.raw == first.raw
    assert (second.attempts, second.visits) == (first.attempts, first.visits)
    assert store.record_next_page(second, NextPage(number=3, url=THIRD)) is not None
    fetch_part(store)
    third = waiting(store)
    assert [one.raw.final_url for one in third.parts if one.raw is not None] == [SECOND, THIRD]
    assert record_article(store, third, article_record(third)) is not None
    (article,) = store.articles()
    assert [one.final_url for one in store.raw_of(article.id)] == [URL.format(1), SECOND, THIRD]
    (kept,) = store.stored_pages(type(third.id)(0), 10)
    assert (kept.parts, kept.parts_before) == (third.parts, 2)


def test_a_claim_that_is_lost_records_no_part(store: SqlStore, clock: StandingClock) -> None:
    first = begin(store)
    store.record_next_page(first, NextPage(number=2, url=SECOND))
    held = claim(store, SITE)
    (page,) = store.due_pages(held, store.now())
    body = raw(page, content_hash="2" * 64, at=store.now())
    clock.pass_(2 * LEASE)
    other = claim(store, SITE)
    assert not store.record_fetched(held, page, body, FOLDER, (), Validators())
    assert not store.record_page_failure(held, page, GONE, None)
    assert not store.leave_part(held, page)
    assert store.record_fetched(other, page, body, FOLDER, (), Validators())
    for _ in range(2):  # somebody has it by now: nothing changes
        assert store.record_fetched(other, page, body, FOLDER, (), Validators())
        assert store.record_page_failure(other, page, GONE, None)
        assert store.leave_part(other, page)
    store.release(other)
    assert [one.failed for one in waiting(store).parts] == [None]


def test_a_part_that_failed_is_asked_for_again_when_the_article_is_there(store: SqlStore, clock: StandingClock) -> None:
    first = begin(store)
    store.record_next_page(first, NextPage(number=2, url=SECOND))
    fail_part(store)
    page = waiting(store)
    assert [(one.failed, one.tries) for one in page.parts] == [(GONE, 1)]
    at = store.now() + timedelta(hours=1)
    record = article_record(page, body=words("first"))
    store.record_articles([_outcome(page, record, at)])
    assert store.due_pages(claim(store, SITE), store.now()) == ()
    clock.pass_(timedelta(hours=2))
    again = due(store)
    assert again.part is not None
    assert (again.part.number, again.attempts, again.target) == (2, 1, SECOND)
    fail_part(store, PageFailed(cause=Cause.TIMEOUT), counts=False)
    assert [one.tries for one in waiting(store).parts] == [1]
    clock.pass_(2 * LEASE)
    page = waiting(store)
    store.record_articles([_outcome(page, record, store.now())])
    fail_part(store, PageFailed(cause=Cause.ROBOTS), counts=False)
    clock.pass_(2 * LEASE)
    page = waiting(store)
    assert [one.tries for one in page.parts] == [2]
    store.record_articles([_outcome(page, record, store.now())])
    fetch_part(store)
    page = waiting(store)
    assert [(one.failed, one.tries) for one in page.parts] == [(None, 0)]
    recorded = record_article(store, page, article_record(page, body=words("first") + words("second")))
    assert recorded is not None
    assert recorded.kind == "updated"


def _outcome(page: FetchedPage, record: object, at: object) -> object:
    from aggregator.ports.store_records import ArticleOutcome

    return ArticleOutcome(page=page, record=record, if_changed=at, if_unchanged=at, resumes=True)  # type: ignore[arg-type]


def test_a_revisit_keeps_the_parts_of_the_text_that_is_there(store: SqlStore, clock: StandingClock) -> None:
    first = begin(store)
    store.record_next_page(first, NextPage(number=2, url=SECOND))
    fetch_part(store)
    page = waiting(store)
    record_article(store, page, article_record(page), if_changed=store.now(), if_unchanged=store.now())
    clock.pass_(timedelta(hours=1))
    held = claim(store, SITE)
    (page_again,) = store.due_pages(held, store.now())
    assert (page_again.part, page_again.validators.etag) == (None, '"1"')
    body = raw(page_again, content_hash="9" * 64, at=store.now())
    assert store.record_fetched(held, page_again, body, FOLDER, (), Validators())
    store.release(held)
    revisited = waiting(store)
    assert (revisited.parts, revisited.parts_before) == ((), 1)
    store.record_next_page(revisited, NextPage(number=2, url=SECOND))
    fail_part(store)
    cut = waiting(store)
    assert ([one.failed for one in cut.parts], cut.parts_before) == ([GONE], 1)
    assert store.record_extraction_failure(cut, GONE, store.now())
    (kept,) = store.stored_pages(type(cut.id)(0), 10)
    assert kept.parts == page.parts
    assert due(store).part is None


def test_bytes_that_come_again_do_not_hide_the_page_itself(store: SqlStore) -> None:
    first = begin(store)
    assert first.raw is not None
    store.record_next_page(first, NextPage(number=2, url=SECOND))
    fetch_part(store, content_hash=first.raw.content_hash)
    page = waiting(store)
    assert page.raw == first.raw
    assert [one.raw for one in page.parts] == [first.raw]


def test_when_bytes_are_gone_all_is_fetched_again(store: SqlStore) -> None:
    first = begin(store)
    store.record_next_page(first, NextPage(number=2, url=SECOND))
    fetch_part(store)
    page = waiting(store)
    assert store.record_extraction_failure(page, PageFailed(cause=Cause.RAW_MISSING), store.now())
    assert due(store).part is None
    fetch_due(store)
    assert waiting(store).parts == ()


def test_a_part_is_left_to_workers_that_can_read_the_others(store: SqlStore, clock: StandingClock) -> None:
    first = begin(store)
    store.record_next_page(first, NextPage(number=2, url=SECOND))
    page, held = due(store), claim(store, SITE)
    assert store.leave_part(held, page)
    assert store.due_pages(held, store.now()) == ()
    store.release(held)
    clock.pass_(timedelta(seconds=10))
    assert due(store).part is not None
    clock.pass_(timedelta(minutes=3))  # nobody was seen there for so long
    held = claim(store, SITE)
    assert store.leave_part(held, due_of(store, held))
    (anew,) = store.due_pages(held, store.now())
    assert (anew.part, anew.target, anew.validators) == (None, anew.url, Validators())


def due_of(store: SqlStore, held: object) -> Page:
    (page,) = store.due_pages(held, store.now())  # type: ignore[arg-type]
    return page


def test_the_address_of_a_part_is_known_and_no_article_of_its_own(store: SqlStore) -> None:
    """A feed announced the second page first: what was made of it is merged into the whole."""
    (feed,) = subscribe(store, FEED)
    second = sighting(2, url=SECOND, key=SECOND)
    poll(store, feed, second, sighting(1))
    texts = {SECOND: words("second"), URL.format(1): words("first") + " " + words("second")}
    fetch_due(store)
    for page in fetched_pages(store):
        own = Identity(url=page.url, key=page.key, rule="test")
        edges = edges_of_parts(URL.format(1), [SECOND], Publishers()) if page.url != SECOND else ()
        edges = tuple(replace(edge, key=page.key, other=SECOND) for edge in edges)  # type: ignore[arg-type]
        record_article(store, page, article_record(page, served=own, body=texts[page.url], edges=edges))
    (article,) = store.articles()
    assert article.content.body == texts[URL.format(1)]
    found = store.article(SECOND)
    assert found is not None
    assert found.id == article.id


def test_what_is_forgotten_or_old_takes_its_parts_along(store: SqlStore, clock: StandingClock) -> None:
    first = begin(store)
    store.record_next_page(first, NextPage(number=2, url=SECOND))
    fetch_part(store)
    page = waiting(store)
    record_article(store, page, article_record(page))
    hashes = {one.content_hash for one in (page.raw, *(part.raw for part in page.parts)) if one is not None}
    assert store.referenced_raw(hashes) == hashes
    assert set(store.forget([page.key], [])[1]) == hashes
    assert store.stored_pages(type(page.id)(0), 10) == ()


def test_raw_retention_spares_what_waits(store: SqlStore, clock: StandingClock) -> None:
    first = begin(store)
    store.record_next_page(first, NextPage(number=2, url=SECOND))
    fetch_part(store)
    later = store.now() + timedelta(days=400)
    assert store.expire_raw(later) == ()
    page = waiting(store)
    record_article(store, page, article_record(page))
    assert len(store.expire_raw(later)) == 2
    (article,) = store.articles()
    assert store.raw_of(article.id) == ()
