"""One text at several addresses of a site, as feeds announce them: one article, or none that is joined."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from itertools import permutations

from aggregator.models.ids import EvidenceKind, Key
from aggregator.models.pages import FetchedPage
from aggregator.ports.store_records import ArticleOutcome, ArticleRecord
from aggregator.store import SqlStore
from tests.support.databases import ReusedStore
from tests.support.stores import article_record, fetch_due, fetched_pages, poll, sighting, subscribe, words

TEXT = words("same", 80)
TITLE = "Storm hits coast"


def ready(store: SqlStore, *announced: str) -> Sequence[FetchedPage]:
    """Return fetched pages, in order, of entries with these titles."""
    (feed,) = subscribe(store, "https://www.example.org/feed")
    seen = [sighting(n) for n in range(len(announced))]
    poll(store, feed, *(replace(o, entry=replace(o.entry, title=t)) for o, t in zip(seen, announced, strict=True)))
    fetch_due(store)
    return sorted(fetched_pages(store), key=lambda page: page.key)


def text(page: FetchedPage, title: str = TITLE, body: str = TEXT, *, source: str = "page") -> ArticleRecord:
    return article_record(page, title=title, body=body, source=source)


def record(store: SqlStore, *made: tuple[FetchedPage, ArticleRecord]) -> list[str]:
    at = store.now() + timedelta(hours=1)
    outcomes = [ArticleOutcome(page=page, record=one, if_changed=at, if_unchanged=at) for page, one in made]
    return [one.kind if one is not None else "lost" for one in store.record_articles(outcomes)]


def keys(store: SqlStore) -> list[Key]:
    return sorted(article.key for article in store.articles())


def test_in_any_order_and_at_once_one_text_is_one_article(reused: ReusedStore) -> None:
    for order in permutations(range(3)):
        store = reused.empty()
        pages = ready(store, TITLE, TITLE, TITLE)
        assert [record(store, (pages[n], text(pages[n])))[0] for n in order] == ["new", "duplicate", "duplicate"]
        assert keys(store) == [pages[order[0]].key]
    store = reused.empty()
    pages = ready(store, TITLE, TITLE, TITLE)
    assert record(store, *((page, text(page)) for page in pages)) == ["new", "duplicate", "duplicate"]
    kinds = {edge.kind for edge in store.trace([pages[0].url], [pages[0].key]).evidence}
    assert kinds == {EvidenceKind.SAME_TEXT}


def test_under_another_title_elsewhere_it_joins_nothing_in_any_order(reused: ReusedStore) -> None:
    for order in permutations(range(3)):
        store = reused.empty()
        pages = ready(store, TITLE, TITLE, "The weather")
        for n in order:
            record(store, (pages[n], text(pages[n], "The weather" if n == 2 else TITLE)))
        assert keys(store) == [page.key for page in pages]


def test_short_texts_other_titles_and_the_feeds_own_content_stay_apart(reused: ReusedStore) -> None:
    short = words("short", 50)
    for announced, made in (
        ((TITLE, TITLE), lambda page: text(page, body=short)),
        ((TITLE, "The weather"), text),
        ((TITLE, TITLE), lambda page: text(page, source="feed")),
    ):
        store = reused.empty()
        pages = ready(store, *announced)
        assert record(store, *((page, made(page)) for page in pages)) == ["new", "new"]


def test_an_update_at_one_address_does_not_part_them_another_text_does(reused: ReusedStore) -> None:
    longer, other = words("same", 400), words("other", 400)
    for before, after, number in ((words("same", 300), longer, 1), (words("same", 300), other, 2)):
        store = reused.empty()
        pages = ready(store, TITLE, TITLE)
        record(store, *((page, text(page, body=before)) for page in pages))
        assert len(keys(store)) == 1
        reused.clock.pass_(timedelta(hours=2))
        fetch_due(store)
        first, *_ = sorted(fetched_pages(store), key=lambda page: page.key)
        record(store, (first, text(first, body=after)))
        assert len(keys(store)) == number
