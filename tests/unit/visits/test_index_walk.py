"""The round over the sitemaps of an index, where no server is needed: what a table of answers makes of it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from random import Random

from aggregator.models.feeds import Feed, FeedState, ParsedFeed
from aggregator.models.sources import IndexWalk, KnownSitemap, NamedSitemap
from aggregator.ports.store_records import FeedReading
from aggregator.schedule.due_times import PollPolicy
from aggregator.visits.index_walk import MAX_SITEMAPS, SitemapContent, decide, is_over, skip
from tests.support import answers
from tests.support.feeds import feed_of

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
LATER = NOW + timedelta(hours=1)
URL = "https://town.example/index.xml"


def feed(walk: IndexWalk) -> Feed:
    return feed_of(URL, FeedState(due_at=NOW, index=walk))


def walk_of(*urls: str, **fields: str) -> IndexWalk:
    known = tuple(KnownSitemap(url=url, **fields) for url in urls)  # type: ignore[arg-type]
    return IndexWalk(sitemaps=known, pending=urls, resume_at=LATER)


def after(walk: IndexWalk, *named: NamedSitemap) -> FeedState:
    """Return the state after an answer that is an index of these sitemaps."""
    reading = FeedReading(parsed=ParsedFeed(kind="feed", format="sitemap", sitemaps=named))
    content = SitemapContent(body_hash="h", reading=reading)
    result = answers.fetched(walk.pending[0], b"x")
    record = decide(feed(walk), walk, result, content, policy=PollPolicy(), now=NOW, random=Random(1))
    return record.state


def test_a_round_that_cannot_go_on_is_left_to_the_next_poll() -> None:
    walk = walk_of("a", "b")
    record = skip(feed(walk), walk, NOW)
    assert (record.state.due_at, is_over(record.state), record.is_poll) == (LATER, True, False)
    assert not is_over(feed(walk).state)
    assert is_over(FeedState(due_at=NOW))


def test_an_index_within_adds_its_sitemaps_up_to_a_bound_and_never_the_index_itself() -> None:
    many = [NamedSitemap(url=f"s{number}") for number in range(100)]
    state = after(walk_of("inner"), NamedSitemap(url=URL), *many)
    assert state.index is not None
    assert len(state.index.sitemaps) == MAX_SITEMAPS
    assert state.index.pending == tuple(f"s{number}" for number in range(MAX_SITEMAPS - 1))
    assert state.due_at == NOW


def test_sitemaps_of_an_index_within_are_asked_again_when_they_changed() -> None:
    inner = KnownSitemap(url="inner")
    known = [KnownSitemap(url=url, lastmod="1", parent="inner", is_read=True) for url in ("same", "changed")]
    other = KnownSitemap(url="other", lastmod="1", is_read=True)
    walk = IndexWalk(sitemaps=(inner, *known, other), pending=("inner",), resume_at=LATER)
    named = (NamedSitemap(url="same", lastmod="1"), NamedSitemap(url="changed", lastmod="2"), NamedSitemap(url="other"))
    state = after(walk, *named)
    assert state.index is not None
    assert state.index.pending == ("changed",)
    assert next(one for one in state.index.sitemaps if one.url == "other") == other  # the outer index speaks of it


def test_an_index_within_one_within_is_not_opened() -> None:
    walk = walk_of("deep", parent="inner")
    state = after(walk, NamedSitemap(url="deeper"))
    assert state.index == replace(
        walk, pending=(), sitemaps=(KnownSitemap(url="deep", parent="inner", is_read=True, body_hash="h"),)
    )
    assert state.due_at == LATER
