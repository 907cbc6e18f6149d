"""After a change of the rules: new keys for what is stored, a few at a time, and nothing comes twice for it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest

from aggregator.identity.evidence import Edge
from aggregator.identity.identify import article_id
from aggregator.models.ids import EvidenceKind, Identity, Key
from aggregator.store import SqlStore
from tests.support.stores import (
    URL,
    StandingClock,
    article_record,
    collect,
    fetch_due,
    fetched_pages,
    identity,
    ids,
    poll,
    record_article,
    sighting,
    subscribe,
    words,
)

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


def by_address(url: str) -> Identity:
    """The rules before: each address is an article."""
    return identity(url)


def test_articles_that_parted_rules_joined_are_two_again(store: SqlStore) -> None:
    (feed,) = subscribe(store, A)
    for slug in ("1-one", "1-two"):
        poll(store, feed, sighting(slug))
        collect(store, body=words("same"))
    first, second = ids(store)
    to_the_end(store, by_address, version="1")
    store.number_changes()
    last = store.changes_after(0, 100)[-1].seq
    to_the_end(store, by_number)
    assert ids(store) == [first]
    store.number_changes()
    (merged,) = store.changes_after(last, 100)
    assert (merged.article_id, merged.kind, merged.merged_into) == (second, "merged", first)
    to_the_end(store, by_address, version="1")
    assert ids(store) == [first, second]
    store.number_changes()
    (split,) = store.changes_after(merged.seq, 100)
    assert (split.article_id, split.kind) == (second, "split")
    for slug, article_id_ in (("1-one", first), ("1-two", second)):
        found = store.article(URL.format(slug))
        assert found is not None
        assert (found.id, found.key) == (article_id_, identity(URL.format(slug)).key)


def test_a_step_that_is_cut_off_is_done_again(store: SqlStore) -> None:
    """Other rules again half-way: the walk begins anew, and nothing of the first one is left."""
    (feed,) = subscribe(store, A)
    for number in range(5):
        for slug in (f"{number}-one", f"{number}-two"):
            poll(store, feed, sighting(slug))
            collect(store, body=words(f"same{number}"))
    before = ids(store)
    for _ in range(3):
        assert not store.rekey("2", by_number, limit=1)
    to_the_end(store, by_address, version="1")
    assert ids(store) == before
    assert not store.rekey("2", by_number, limit=1)
    to_the_end(store, by_number)
    assert len(ids(store)) == 5


def test_an_article_that_changed_its_key_takes_a_new_text(store: SqlStore) -> None:
    (feed,) = subscribe(store, A)
    poll(store, feed, sighting("1-one"))
    collect(store)
    (own,) = ids(store)
    to_the_end(store, by_number)
    poll(store, feed, sighting("1-far", key="far"))
    fetch_due(store)
    (page,) = fetched_pages(store)
    served = Identity(url=page.url, key=Key("example:1"), rule="example")
    recorded = record_article(store, page, article_record(page, served=served))
    assert recorded is not None
    assert (recorded.article_id, recorded.kind) == (own, "updated")


def test_a_key_that_is_free_again_makes_an_article_with_an_id_of_its_own(store: SqlStore) -> None:
    (feed,) = subscribe(store, A)
    poll(store, feed, sighting("1-one"))
    collect(store)
    to_the_end(store, by_number)
    was = identity(URL.format("1-one")).key
    poll(store, feed, sighting("x", url="https://elsewhere.example.org/en/other", key=str(was)))
    (made,) = collect(store)
    assert made.kind == "new"
    assert len(set(ids(store))) == 2


def test_of_two_pages_under_one_key_one_is_looked_at_again(store: SqlStore, clock: StandingClock) -> None:
    (feed,) = subscribe(store, A)
    for slug in ("1-one", "1-two"):
        poll(store, feed, sighting(slug))
        fetch_due(store)
        for page in fetched_pages(store):
            again = store.now() + timedelta(days=1)
            record = article_record(page, body=words("same"))
            record_article(store, page, record, if_changed=again, if_unchanged=again)
    to_the_end(store, by_number)
    (before,) = store.articles()
    clock.pass_(timedelta(days=2))
    (due,) = fetch_due(store)
    (page,) = fetched_pages(store)
    served = Identity(url=due.url, key=Key("example:1"), rule="example")
    record = article_record(page, served=served, body=words("same") + " And more.")
    recorded = record_article(store, page, record)
    assert recorded is not None
    assert (recorded.article_id, recorded.kind) == (before.id, "updated"), "whichever page it was"
    (article,) = store.articles()
    assert article.content.body.endswith("And more.")


def test_addresses_stay_known_while_keys_are_computed_again(store: SqlStore) -> None:
    (feed,) = subscribe(store, A)
    slugs = [f"{number}-one" for number in range(6)]
    poll(store, feed, *(sighting(slug) for slug in slugs))
    collect(store)
    before = ids(store)
    steps = 0
    while not store.rekey("2", by_number, limit=1):
        steps += 1
        again = [
            sighting(f"{steps} {n}", url=URL.format(slug), key=f"example:{n}", entry_id=f"{steps} {n}")
            for n, slug in enumerate(slugs)
        ]
        poll(store, feed, *again)
        assert fetch_due(store) == []
    assert steps >= 6
    assert ids(store) == before


def test_what_only_evidence_names_gets_its_new_key_too(store: SqlStore) -> None:
    (feed,) = subscribe(store, A)
    named = identity(URL.format("7-the-canonical-one")).key
    own = identity(URL.format("1-one")).key
    assert named is not None
    assert own is not None
    said = Edge(
        key=own,
        other=named,
        kind=EvidenceKind.CANONICAL,
        site="example.org",
        other_site="example.org",
        witness="example.org",
    )
    poll(store, feed, sighting("1-one", edges=(said,)))
    collect(store)
    (before,) = ids(store)
    to_the_end(store, by_number)
    found = store.article("nowhere", [Key("example:7")])
    assert found is not None
    assert found.id == before
