"""What is recorded after each step of filling a gap."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from aggregator.feeds.sightings import read_feed
from aggregator.identity.publisher_rules import shipped_publishers
from aggregator.models.feeds import Feed, FeedState, GapFill, Source
from aggregator.models.fetching import Cause, Fetched, FetchFailed, FetchResult, NotModified, Redirected, Validators
from aggregator.ports.store_records import PollRecord
from aggregator.schedule.due_times import PollPolicy
from aggregator.visits.backfill import (
    MAX_REQUESTS,
    decide,
    postpone,
    read_source,
    request_of,
    resolve_sitemaps,
    retry_later,
    skip,
)
from aggregator.visits.poll import PollSettings
from tests.support import answers
from tests.support.feeds import feed_of

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
URL = "https://feeds.example.org/news.xml"
SINCE, RESUME = NOW - timedelta(hours=3), NOW + timedelta(minutes=20)
PAGE = Source(kind="page", url="https://feeds.example.org/news.xml?page=2")
SITE = Source(kind="site", url="https://www.example.org/en/a/1")
MAP = Source(kind="sitemap", url="https://www.example.org/news.xml")


def filling(*sources: Source, asked: Sequence[str] = ()) -> GapFill:
    return GapFill(
        since=SINCE,
        until=NOW,
        resume_at=RESUME,
        sources=sources or (PAGE, SITE),
        sections=("www.example.org:443/en",),
        asked=tuple(asked),
    )


def feed(work: GapFill) -> Feed:
    return feed_of(URL, FeedState(due_at=NOW, filling=work))


def rss(*numbers: int, head: str = "") -> bytes:
    items = "".join(f"<item><title>{n}</title><link>https://www.example.org/en/a/{n}</link></item>" for n in numbers)
    return f'<rss version="2.0"><channel><title>N</title>{head}{items}</channel></rss>'.encode()


def sitemap(**dates: str) -> bytes:
    urls = "".join(
        f"<url><loc>https://www.example.org/en/a/{name[1:]}</loc><news:news><news:title>T</news:title>"
        f"{f'<news:publication_date>{date}</news:publication_date>' if date else ''}</news:news></url>"
        for name, date in dates.items()
    )
    return f'<urlset xmlns:news="http://www.google.com/schemas/sitemap-news/0.9">{urls}</urlset>'.encode()


def fetched(body: bytes, url: str = PAGE.url) -> Fetched:
    return answers.fetched(url, body)


def failed(cause: Cause) -> FetchFailed:
    return FetchFailed(url=PAGE.url, final_url=PAGE.url, cause=cause, detail="")


def answer(work: GapFill, result: FetchResult, **known: datetime) -> PollRecord:
    """Read an answer; `known` says when the store saw entries first, by the number in their address."""

    one = feed(work)
    content = read_source(
        one, work, result, lambda of, got, seen, now: read_feed(of, got, seen, now, shipped_publishers()), NOW
    )
    first_seen = [known.get(f"_{(found.url or '').rpartition('/')[2]}") for found in content.candidates]
    return decide(one, work, result, content, first_seen, NOW)


def left(record: PollRecord) -> tuple[Source, ...]:
    return () if record.state.filling is None else record.state.filling.sources


NEXT = '<atom:link xmlns:atom="http://www.w3.org/2005/Atom" rel="next" href="?page=3"/>'


def test_a_page_with_new_entries_only_leads_to_the_next_one() -> None:
    record = answer(filling(), fetched(rss(7, 6, head=NEXT)))
    assert [one.entry.title for one in record.sightings] == ["7", "6"]
    assert left(record) == (replace(PAGE, url="https://feeds.example.org/news.xml?page=3"), SITE)
    assert record.state.due_at == NOW
    assert record.filled_since is None
    assert record.is_poll
    assert record.state.filling is not None
    assert record.state.filling.asked == (PAGE.url,)


def test_a_page_that_shows_what_was_known_before_closes_the_gap() -> None:
    record = answer(filling(), fetched(rss(7, 6, head=NEXT)), _6=SINCE)
    assert len(record.sightings) == 2
    assert (record.filled_since, record.state.filling, record.state.due_at) == (SINCE, None, RESUME)


def test_what_was_first_seen_after_the_gap_does_not_close_it() -> None:
    record = answer(filling(), fetched(rss(7, 6)), _6=NOW)
    assert record.filled_since is None
    assert left(record) == (SITE,)


@pytest.mark.parametrize(
    "result",
    [
        pytest.param(fetched(rss(7, head=NEXT)), id="nothing but what is known since"),
        pytest.param(fetched(b"<html><body>All news</body></html>"), id="a page"),
        pytest.param(fetched(sitemap(_7="")), id="a sitemap where a feed should be"),
        pytest.param(failed(Cause.NOT_FOUND), id="not there"),
        pytest.param(
            NotModified(
                url=PAGE.url,
                final_url=PAGE.url,
                headers={},
                validators=Validators(),
                hops=(),
                fresh_for=None,
                elapsed=timedelta(0),
            ),
            id="a 304 that nobody asked for",
        ),
    ],
)
def test_where_a_page_leads_nowhere_the_next_source_is_asked(result: FetchResult) -> None:
    record = answer(filling(), result, _7=NOW)
    assert left(record) == (SITE,)
    assert record.state.due_at == NOW


def test_a_redirect_to_another_host_is_followed_there_once() -> None:
    target = "https://archive.example.org/2"
    away = Redirected(url=PAGE.url, target=target, hops=(), elapsed=timedelta(seconds=1))
    record = answer(filling(), away)
    assert left(record) == (replace(PAGE, url=target), SITE)
    assert not record.is_poll
    assert left(answer(filling(asked=[target]), away)) == (SITE,)


def test_a_passing_failure_waits_for_the_next_poll() -> None:
    record = answer(filling(), failed(Cause.UNAVAILABLE))
    assert left(record) == (PAGE, SITE)
    assert record.state.due_at == RESUME
    assert record.state.filling is not None
    assert record.state.filling.waits
    assert record.state.cause is None


def test_a_host_that_another_visit_holds_is_tried_again_in_seconds() -> None:
    work, waits = filling(MAP), []
    while (after := retry_later(feed(work), work, NOW).state).filling is not None:
        waits.append((after.due_at - NOW).total_seconds())
        work = after.filling
    assert waits == [2, 4, 8, 16, 20, 20, 20, 20, 20]
    soon = replace(filling(MAP), resume_at=NOW + timedelta(seconds=1))
    assert retry_later(feed(soon), soon, NOW).state.due_at == soon.resume_at


def test_ten_requests_end_the_search() -> None:
    asked = [f"https://a.example/{number}" for number in range(MAX_REQUESTS - 1)]
    record = answer(filling(asked=asked), fetched(rss(7, head=NEXT)))
    assert (len(record.sightings), record.state.filling, record.state.due_at) == (1, None, RESUME)
    work = filling(asked=asked)
    assert postpone(feed(work), work, NOW).state.filling is None


def test_without_a_source_left_the_search_ends() -> None:
    work = filling(SITE)
    for record in (skip(feed(work), work, NOW), resolve_sitemaps(feed(work), work, (), NOW)):
        assert (record.state.filling, record.state.due_at, record.is_poll) == (None, RESUME, False)
        assert record.filled_since is None


def test_a_site_is_replaced_by_the_sitemaps_that_it_names() -> None:
    work = filling(SITE)
    assert left(resolve_sitemaps(feed(work), work, [MAP.url], NOW)) == (MAP,)


BEFORE, WITHIN = "2026-11-23T08:00:00Z", "2026-11-23T10:00:00Z"


def test_a_sitemap_gives_what_lies_in_the_gap_and_closes_it_when_it_reaches_back() -> None:
    body = sitemap(_1=BEFORE, _2=WITHIN, _3=WITHIN, _4="2026-11-23T13:00:00Z", _5="")
    record = answer(filling(MAP), fetched(body, MAP.url), _3=NOW)
    assert [one.url for one in record.sightings] == ["https://www.example.org/en/a/2"]
    assert record.filled_since == SINCE


def test_a_sitemap_that_does_not_reach_back_leaves_the_gap() -> None:
    record = answer(filling(MAP), fetched(sitemap(_2=WITHIN), MAP.url))
    assert (len(record.sightings), record.filled_since, record.state.filling) == (1, None, None)
    assert answer(filling(MAP), fetched(sitemap(_2=WITHIN, _1=""), MAP.url), _1=SINCE).filled_since == SINCE


def test_an_index_leads_to_its_news_sitemap() -> None:
    body = b"<sitemapindex><sitemap><loc>https://www.example.org/news-2.xml</loc></sitemap></sitemapindex>"
    record = answer(filling(MAP), fetched(body, MAP.url))
    assert left(record) == (replace(MAP, url="https://www.example.org/news-2.xml"),)


def test_what_is_no_news_sitemap_is_left() -> None:
    plain = (
        b"<urlset><url><loc>https://www.example.org/en/a/2</loc><lastmod>2026-11-23T10:00:00Z</lastmod></url></urlset>"
    )
    for body in (plain, rss(2), b"nothing"):
        record = answer(filling(MAP), fetched(body, MAP.url))
        assert (record.sightings, record.state.filling) == ((), None)


def test_a_source_is_asked_without_validators_and_stays_on_its_host() -> None:
    settings = PollSettings(policy=PollPolicy(), max_bytes=7, deadline=timedelta(seconds=9))
    request = request_of(feed(filling(MAP)), MAP, settings)
    assert request.feed == feed(filling(MAP)).url
    assert (request.url, request.validators, request.follow_hosts) == (MAP.url, Validators(), False)
    assert (request.max_bytes, request.deadline) == (7, timedelta(seconds=9))
