"""After a change of the rules: new keys for what is stored, a few at a time, and nothing comes twice for it."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from aggregator.evidence import Edge
from aggregator.identify import article_id
from aggregator.models import EvidenceKind, Identity, Key
from aggregator.store import SqlStore
from tests.stores import (
    URL,
    clock,
    collect,
    fetch_due,
    identity,
    ids,
    poll,
    postgres_url,
    sighting,
    sqlite_template,
    store,
    store_url,
    subscribe,
    words,
)

__all__ = ["clock", "postgres_url", "sqlite_template", "store", "store_url"]

A = "http://a.example/feed"


def by_number(url: str) -> Identity:
    """The new rule: the number before the slug is the article."""
    return Identity(url=url, key=Key(f"example:{url.rpartition('/a-')[2].partition('-')[0]}"), rule="example")


def to_the_end(store: SqlStore, rule: Callable[[str], Identity], version: str = "2", limit: int = 1) -> int:
    steps = 1
    while not store.rekey(version, rule, limit=limit):
        steps += 1
    return steps


def test_an_empty_store_is_done(store: SqlStore) -> None:
    assert store.rekey("1", by_number)


def test_an_article_is_found_by_its_new_key_and_keeps_its_id(store: SqlStore) -> None:
    (feed,) = subscribe(store, A)
    poll(store, feed, sighting("1-old-title"), sighting("2-other"))
    collect(store)
    before = ids(store)
    assert to_the_end(store, by_number) >= 3
    assert store.rekey("2", by_number)
    assert ids(store) == before
    assert [article.key for article in store.articles()] == ["example:1", "example:2"]
    new_title = URL.format("1-new-title")
    poll(store, feed, sighting("x", url=new_title, key="example:1"))
    assert fetch_due(store) == []
    article = store.article(new_title)
    assert article is not None
    assert article.id == before[0]
    assert store.article(URL.format("1-old-title")) == article


@pytest.mark.parametrize(("texts", "left"), [(("same", "same"), 1), (("one", "another"), 2)])
def test_articles_that_get_one_key_are_merged_if_their_texts_agree(
    store: SqlStore, texts: tuple[str, str], left: int
) -> None:
    (feed,) = subscribe(store, A)
    for slug, text in zip(("1-one", "1-two"), texts, strict=True):
        poll(store, feed, sighting(slug))
        collect(store, body=words(text))
    to_the_end(store, by_number)
    after = ids(store)
    assert len(after) == left
    to_the_end(store, by_number, version="3")
    assert ids(store) == after
    found = store.article(URL.format("1-two"))
    assert found is not None
    assert found.id == after[-1]


def test_evidence_goes_with_the_key(store: SqlStore) -> None:
    (feed,) = subscribe(store, A)
    one, two = identity(URL.format("1-one-of-two")).key, identity(URL.format("2-two-of-two")).key
    assert one is not None
    assert two is not None
    said = Edge(
        key=one,
        other=two,
        kind=EvidenceKind.FEED_LINK,
        site="example.org",
        other_site="example.org",
        witness="example.org",
    )
    poll(store, feed, sighting("1-one-of-two", edges=(said,)), sighting("2-two-of-two"))
    collect(store, body=words("same"))
    assert len(ids(store)) == 1
    to_the_end(store, by_number)
    assert ids(store) == [article_id(one)]
    assert store.article("nowhere", [Key("example:2")]) == store.article("nowhere", [Key("example:1")])


def test_a_page_that_waits_is_known_by_its_new_key(store: SqlStore) -> None:
    (feed,) = subscribe(store, A)
    poll(store, feed, sighting("1-one"))
    to_the_end(store, by_number, limit=100)
    poll(store, feed, sighting("x", url=URL.format("1-two"), key="example:1"))
    (page,) = fetch_due(store)
    assert (page.key, page.url) == ("example:1", URL.format("1-one"))


def test_one_key_may_become_several(store: SqlStore) -> None:
    (feed,) = subscribe(store, A)
    poll(store, feed, sighting("1-one", key="coarse"), sighting("2-two", key="coarse"))
    assert len(collect(store)) == 1
    to_the_end(store, by_number)
    (article,) = store.articles()
    assert article.key == "example:1"
    poll(store, feed, sighting("x", url=URL.format("2-new"), key="example:2"))
    assert [recorded.kind for recorded in collect(store)] == ["new"]


def test_an_address_that_means_nothing_any_more_keeps_its_key(store: SqlStore) -> None:
    (feed,) = subscribe(store, A)
    poll(store, feed, sighting("1-one"))
    collect(store)
    to_the_end(store, lambda url: Identity(url=url, key=None, rule="none"))
    assert [article.key for article in store.articles()] == [identity(URL.format("1-one")).key]
