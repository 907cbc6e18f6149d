"""Entries of one feed that link to one page: which of them are articles of their own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

import pytest

from aggregator.extraction.feed_rules import FeedRules
from aggregator.extraction.pipeline import extraction_job, read_along, run_job
from aggregator.extraction.records import article_record
from aggregator.feeds.sightings import read_feed
from aggregator.identity.publisher_rules import shipped_publishers
from aggregator.ports.store_records import ArticleOutcome, Collected
from aggregator.store import SqlStore
from tests.support.answers import fetched
from tests.support.articles import no_rules
from tests.support.databases import ReusedStore
from tests.support.stores import claim, fetched_pages, poll_record, subscribe

RULES = shipped_publishers()
FEED = "http://feeds.example.org/warnings"
ID = "<guid isPermaLink='false'>{}</guid>"
PAGE = "https://www.example.org/warnings/coast"

Item = tuple[str, str, str]  # guid, title, text


def document(items: Sequence[Item], link: str) -> bytes:
    parts = (
        f"<item><title>{title}</title><link>{link}</link>"
        f"<description>{text}</description>{ID.format(guid) if guid else ''}</item>"
        for guid, title, text in items
    )
    return f"<rss version='2.0'><channel><title>Warnings</title>{''.join(parts)}</channel></rss>".encode()


def poll(reused: ReusedStore, store: SqlStore, items: Sequence[Item], *, is_along: bool, link: str = PAGE) -> None:
    feed = replace(store.feeds()[0], full_text=False)
    held, at = claim(store, feed.host), store.now()
    reading = read_feed(feed, fetched(FEED, document(items, link), "application/rss+xml"), (), at, RULES)
    if is_along:
        reading = read_along(reading, feed, at, RULES, FeedRules())
    assert store.record_poll(held, poll_record(feed, *reading.sightings, at=at)) is not None
    for page in fetched_pages(store):
        result = run_job(extraction_job(page, no_rules, RULES))
        assert isinstance(result, Collected)
        store.record_articles([ArticleOutcome(page=page, record=article_record(page, result, RULES))])
    store.release(held)
    reused.clock.pass_(timedelta(hours=1))


def told(store: SqlStore) -> set[tuple[str, str]]:
    return {(one.content.title, one.content.body) for one in store.articles()}


ONE = ("n1", "Gale warning one", "Wind of force eight from the west is expected in the evening.")
TWO = ("n2", "Gale warning two", "The wind has turned to the north and grows weaker by the hour.")
THREE = ("n3", "Gale warning three", "All warnings have been lifted; the ferries sail again at noon.")


def words(*items: Item) -> set[tuple[str, str]]:
    return {(title, text) for _, title, text in items}


CASES: dict[str, tuple[list[list[Item]], set[tuple[str, str]]]] = {
    "own ids, titles and texts": ([[ONE, TWO, THREE]], words(ONE, TWO, THREE)),
    "a later poll": ([[ONE, TWO], [TWO, THREE]], words(ONE, TWO, THREE)),
    "one after the other, never together": ([[ONE], [TWO], [THREE]], words(ONE, TWO, THREE)),
    "seen again": ([[ONE, TWO], [ONE, TWO], [TWO, ONE]], words(ONE, TWO)),
    "without ids": ([[("", *ONE[1:]), ("", *TWO[1:])]], words(ONE, TWO)),
    "the first one is corrected": (
        [[ONE, TWO], [("n1", ONE[1], "Wind of force ten now."), TWO]],
        {(ONE[1], "Wind of force ten now.")} | words(TWO),
    ),
    "another one is corrected": (
        [[ONE, TWO], [ONE, ("n2", "Gale warning two, corrected", "The wind turns to the north-east.")]],
        words(ONE) | {("Gale warning two, corrected", "The wind turns to the north-east.")},
    ),
    "ids change with each poll": ([[ONE, TWO], [("x1", *ONE[1:]), ("x2", *TWO[1:])]], words(ONE, TWO)),
    "the same entry twice": ([[ONE, ONE]], words(ONE)),
    "the same words under two ids": ([[ONE, ("n9", *ONE[1:])]], words(ONE)),
    "no titles": ([[("n1", "", ONE[2]), ("n2", "", TWO[2])]], {("", ONE[2]), ("", TWO[2])}),
}


@pytest.mark.parametrize("is_along", [False, True], ids=["later", "along"])
@pytest.mark.parametrize("name", CASES)
def test_entries_that_share_a_link(reused: ReusedStore, name: str, is_along: bool) -> None:
    polls, expected = CASES[name]
    store = reused.empty()
    subscribe(store, FEED)
    for items in polls:
        poll(reused, store, items, is_along=is_along)
    assert told(store) == expected
    assert all(one.url.partition("#")[0] == PAGE for one in store.articles())


def test_what_was_decided_is_told(reused: ReusedStore) -> None:
    store = reused.empty()
    subscribe(store, FEED)
    same_title = ("n4", ONE[1], "Another text under the first one's title.")
    poll(reused, store, [ONE, TWO, same_title], is_along=False)
    own = next(one for one in store.articles() if one.content.title == TWO[1])
    (decision,) = (one for one in store.decisions([own.url], []) if one.verdict == "announced")
    assert (decision.rule, decision.detail) == ("shared link", PAGE)
    verdicts = {(one.verdict, one.rule) for one in store.decisions([PAGE], [])}
    assert ("merged", "shared link, same title") in verdicts
    assert len(told(store)) == 2


def test_places_within_one_page_are_one_link(reused: ReusedStore) -> None:
    store = reused.empty()
    subscribe(store, FEED)
    feed = replace(store.feeds()[0], full_text=False)
    one, two = document([ONE], f"{PAGE}#one"), document([TWO], f"{PAGE}#two")
    body = one.replace(b"</channel></rss>", two[two.index(b"<item>") :])
    at = store.now()
    reading = read_feed(feed, fetched(FEED, body, "application/rss+xml"), (), at, RULES)
    assert len({one.identity.key for one in reading.sightings if one.identity}) == 1
    store.record_poll(claim(store, feed.host), poll_record(feed, *reading.sightings, at=at))
    assert len({page.key for page in fetched_pages(store)}) == 2
