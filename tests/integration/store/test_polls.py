"""Polls recorded together, and articles read along with their feed: what comes of them is what ever did."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import HealthCheck, Phase, example, given
from hypothesis import strategies as st

from aggregator.errors import LeaseLostError
from aggregator.extraction.feed_rules import FeedRules
from aggregator.extraction.pipeline import extraction_job, read_along, run_job
from aggregator.extraction.records import article_record as record_of_page
from aggregator.feeds.sightings import read_feed
from aggregator.identity.publisher_rules import shipped_publishers
from aggregator.models.feeds import Feed
from aggregator.models.fetching import Fetched
from aggregator.models.ids import NO_PAGE
from aggregator.models.pages import FetchedPage
from aggregator.ports.store_records import ArticleOutcome, Claim, Collected, PollRecord, PollRecorded, Sighting
from aggregator.store import SqlStore
from aggregator.store.db.database import Database
from aggregator.store.lifecycle.opening import open_database
from aggregator.store.polls.matching import poll_draft
from aggregator.store.polls.record import record_polls
from tests.support.answers import fetched
from tests.support.articles import no_rules
from tests.support.databases import ReusedStore
from tests.support.laws import at_most
from tests.support.stores import (
    article_record,
    claim,
    fetched_pages,
    identity,
    ids,
    poll_record,
    sighting,
    subscribe,
    words,
)

RULES = shipped_publishers()
FEEDS = tuple(f"http://feeds{n}.example.org/a" for n in range(4))
ADDRESSES = tuple(f"https://www.example.org/{n}" for n in range(8))

law = at_most(
    20,
    derandomize=True,  # an example that fails belongs into the list of examples, not into somebody's change
    phases=[Phase.explicit, Phase.generate],  # to shrink costs minutes: each example fills two stores
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


@contextmanager
def database(reused: ReusedStore) -> Iterator[Database]:
    """A second connection to the same store: what several threads ask of the first at once cannot be told to it."""
    opened = open_database(reused.url, reused.clock, create=False, use_clock=True)
    yield opened
    opened.close()


def what_is_there(store: SqlStore) -> list[object]:
    """All that a reader of the store can see, but for the numbers of its rows."""
    store.number_changes()
    found = [identity(url) for url in ADDRESSES]
    return [
        sorted((one.id, one.key, one.url, one.urls, str(one.content), one.quality) for one in store.articles()),
        sorted((change.kind, change.article_id) for change in store.changes_after(0, 100)),
        sorted(
            (one.url, one.verdict, one.rule, one.detail, one.article_id or "")
            for one in store.decisions([one.url for one in found], [one.key for one in found if one.key])
        ),
        sorted(
            (page.url, page.state, str(page.article_id), page.attempts)
            for url in ADDRESSES
            for page in store.trace([url], []).pages
        ),
        [[(one.at, one.outcome, one.entries_new) for one in store.polls(feed.id)] for feed in store.feeds()],
        [feed.state for feed in store.feeds()],
        replace(store.counts(), size_bytes=0),
    ]


def seen(recorded: PollRecorded) -> tuple[object, ...]:
    kinds = Counter(article.kind for article in recorded.articles)
    return recorded.entries_new, len(recorded.new_pages), recorded.known, kinds


# --- together, or one by one ------------------------------------------------------------------------------------------

entries = st.tuples(
    st.sampled_from(ADDRESSES),
    st.booleans(),  # its own content is the article
    st.booleans(),  # which was read along
    st.integers(0, 2),  # its id, of those that this feed uses
)
documents = st.lists(st.lists(entries, max_size=4), min_size=2, max_size=len(FEEDS))


def sightings_of(document: Sequence[tuple[str, bool, bool, int]], feed: Feed, at: datetime) -> list[Sighting]:
    made = []
    for url, from_feed, is_along, number in document:
        one = sighting(f"{url} {number}", url=url, content=f"<p>{words(url)}</p>", from_feed=from_feed)
        if from_feed and is_along:
            page = page_of(one, feed, at)
            one = replace(one, article=article_record(page, body=words(url)))
        made.append(one)
    return made


def page_of(one: Sighting, feed: Feed, at: datetime) -> FetchedPage:
    assert one.identity is not None
    assert one.identity.key is not None
    return FetchedPage(
        id=NO_PAGE,
        url=one.identity.url,
        key=one.identity.key,
        token=0,
        raw=None,
        failed=None,
        hops=(),
        article_id=None,
        entry=one.entry,
        feed_name=feed.url,
        feed_url=feed.url,
        attempts=0,
        visits=0,
        first_seen=at,
    )


@given(rounds=st.lists(documents, min_size=1, max_size=2))
@law
def test_together_or_one_by_one_is_the_same(
    reused: ReusedStore, rounds: list[list[list[tuple[str, bool, bool, int]]]]
) -> None:
    found = []
    for together in (False, True):
        store = reused.empty()
        feeds = subscribe(store, *FEEDS)
        told: list[list[tuple[object, ...]]] = []
        with database(reused) as opened:
            for made in rounds:
                polled = [
                    (held, poll_record(feed, *sightings_of(document, feed, store.now()), at=store.now()))
                    for feed, document in zip(feeds, made, strict=False)
                    if (held := claim(store, feed.host))
                ]
                told.append([seen(one) for one in record(opened, polled, together=together)])
                for held, _ in polled:
                    store.release(held)
                reused.clock.pass_(timedelta(hours=1))
        found.append([told, what_is_there(store)])
    assert found[0] == found[1]


def record(opened: Database, polled: Sequence[tuple[Claim, PollRecord]], *, together: bool) -> Sequence[PollRecorded]:
    if together:
        return opened.write(lambda tx: record_polls(tx, [poll_draft(*one) for one in polled]))
    return [opened.write(lambda tx, one=one: record_polls(tx, [poll_draft(*one)])[0]) for one in polled]  # type: ignore[misc]


def test_a_lost_claim_among_them_is_no_reason_to_save_the_others_wrongly(reused: ReusedStore) -> None:
    """The transaction is not committed; each is tried alone then (`Database.write_each`)."""
    store = reused.empty()
    first, second, *_ = subscribe(store, *FEEDS)
    polled = [(claim(store, one.host), poll_record(one, sighting(1), at=store.now())) for one in (first, second)]
    reused.clock.pass_(timedelta(hours=1))
    claim(store, second.host)
    with database(reused) as opened, pytest.raises(LeaseLostError):
        opened.write(lambda tx: record_polls(tx, [poll_draft(*one) for one in polled]))
    assert store.counts().entries == 0
    assert store.record_poll(*polled[1]) is None
    assert store.record_poll(*polled[0]) is not None


# --- read along, or later ---------------------------------------------------------------------------------------------

CONTENTS = (
    f"<description>{words('plain', 40)}</description>",
    f"<description>Short.</description><content:encoded><![CDATA[<p>{words('full')}</p><p>Fin.</p>]]>"
    "</content:encoded>",
    "<description></description>",
    "<description>An odd sign: &#0; &#xD800; &#x1F600; \u2028 \u00e4\u00f6 &lt;b&gt;bold&lt;/b&gt;</description>",
    f"<description><![CDATA[<img src='/a.png'><h1>Head</h1>{words('markup', 60)}<br>one<br>two]]></description>",
    "<description>&lt;script&gt;alert(1)&lt;/script&gt;</description>",
)
items = st.tuples(
    st.sampled_from(
        (*ADDRESSES[:4], "https://www.dw.com/en/words/a-63723431", "https://p.dw.com/p/4JNNH", "", FEEDS[0])
    ),
    st.sampled_from(CONTENTS),
    st.sampled_from(("", "<pubDate>Mon, 02 Mar 2026 10:00:00 +0100</pubDate>", "<pubDate>1994</pubDate>")),
    st.sampled_from(("<guid>{n}</guid>", "<guid isPermaLink='true'>https://www.example.org/g{n}</guid>", "")),
)


def document(made: Sequence[tuple[str, str, str, str]]) -> bytes:
    parts = (
        f"<item><title>T{n} &lt;i&gt;x&lt;/i&gt;</title><link>{link}</link>{content}{date}{guid.format(n=n)}</item>"
        for n, (link, content, date, guid) in enumerate(made)
    )
    head = '<rss version="2.0" xmlns:content="http://purl.org/rss/1.0/modules/content/"><channel><title>News</title>'
    return f"{head}{''.join(parts)}</channel></rss>".encode("utf-8", "surrogatepass")


def answer(body: bytes) -> Fetched:
    return fetched(FEEDS[0], body, "application/rss+xml")


def extract_waiting(store: SqlStore) -> None:
    """Do what the extraction line does with pages without bytes."""
    for page in fetched_pages(store):
        result = run_job(extraction_job(page, no_rules, RULES))
        if isinstance(result, Collected):
            store.record_articles([ArticleOutcome(page=page, record=record_of_page(page, result, RULES))])
        else:
            store.record_extraction_failure(page, result, None)


KNOWN_BEFORE = [  # an entry without a text comes back with one, behind another entry for its address
    [("https://p.dw.com/p/4JNNH", CONTENTS[2], "", "")],
    [
        ("https://www.dw.com/en/x/a-63723431", CONTENTS[0], "", "<guid>{n}</guid>"),
        ("https://p.dw.com/p/4JNNH", CONTENTS[1], "", ""),
    ],
]


@example(made=KNOWN_BEFORE)
@given(made=st.lists(st.lists(items, max_size=6), min_size=1, max_size=2))
@law
def test_read_along_or_later_is_the_same(reused: ReusedStore, made: list[list[tuple[str, str, str, str]]]) -> None:
    found = []
    for is_along in (False, True):
        store = reused.empty()
        subscribed, *_ = subscribe(store, *FEEDS)
        feed = replace(subscribed, full_text=False)
        for one in made:
            at = store.now()
            held = claim(store, feed.host)
            reading = read_feed(feed, answer(document(one)), (), at, RULES)
            if is_along:
                reading = read_along(reading, feed, at, RULES, FeedRules())
            assert store.record_poll(held, poll_record(feed, *reading.sightings, at=at)) is not None
            extract_waiting(store)
            store.release(held)
            reused.clock.pass_(timedelta(hours=1))
        found.append(what_is_there(store))
    assert found[0] == found[1]


def test_what_was_read_along_is_done_with_the_poll(reused: ReusedStore) -> None:
    store = reused.empty()
    subscribed, *_ = subscribe(store, *FEEDS)
    feed = replace(subscribed, full_text=False)
    at = datetime(2026, 3, 5, tzinfo=UTC)
    body = document([(ADDRESSES[n], CONTENTS[0], "", "<guid>{n}</guid>") for n in range(3)])
    reading = read_along(read_feed(feed, answer(body), (), at, RULES), feed, at, RULES, FeedRules())
    recorded = store.record_poll(claim(store, feed.host), poll_record(feed, *reading.sightings, at=store.now()))
    assert recorded is not None
    assert [one.kind for one in recorded.articles] == ["new", "new", "new"]
    assert recorded.new_pages == ()
    assert len(ids(store)) == 3
    assert store.waiting_for_extraction() == 0
