"""What a feed lost between two polls: noticed, answered sooner, and looked for where the operator wants it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from aggregator.monitoring.overview import unwell
from aggregator.ports.readings import Gap
from aggregator.selftest.server import Peer, Script
from tests.support.citizen import RSS, Site, World, answering, html_page, item, one_by_one, rss

XML = "Content-Type: application/xml"
WORDPRESS = "<generator>https://wordpress.org/?v=6.4.1</generator>"
ROBOTS = "Content-Type: text/plain"


def window(first: int, last: int, channel: str = "") -> bytes:
    """Return a feed of these entries, the latest on top."""
    return rss(*(item(f"/a/{number}") for number in range(last, first - 1, -1)), channel=channel)


def older(url: str, relation: str = "prev-archive") -> str:
    return f'<atom:link xmlns:atom="http://www.w3.org/2005/Atom" rel="{relation}" href="{url}"/>'


def gaps(world: World) -> tuple[Gap, ...]:
    return world.use(lambda app: app.store.gaps())


def stories(world: World) -> list[int]:
    """Return the numbers of the articles collected so far."""
    return sorted(int(article.url.rpartition("/")[2]) for article in world.articles)


def with_gap(world: World, site: Site, *, fill: bool = True, full_text: bool = False) -> Gap:
    """Poll twice, and return the gap between."""
    world.polling["fill_gaps"] = fill
    world.follow(site.url(), full_text=full_text)
    world.runs(2)
    (gap,) = gaps(world)
    return gap


# --- what a gap is ----------------------------------------------------------------------------------------------------


def test_two_windows_without_a_common_entry_are_a_gap(world: World) -> None:
    with Site(one_by_one(answering(window(1, 3)), answering(window(6, 8)))) as site:
        gap = with_gap(world, site, fill=False)
        assert (gap.feed, gap.filled_at) == (site.url(), None)
        assert timedelta(minutes=59) < gap.until - gap.since < timedelta(minutes=62)
        assert [request.target for request in site.server.requests] == ["/feed", "/feed"]  # nothing is added by default
        world.runs(2)
        assert len(gaps(world)) == 1


CHANGED = rss(item("/a/4"), item("/a/3", title="Now with a new title"), item("/a/5"))
OTHER_IDS = rss(item("/a/4"), item("/a/3", guid="renumbered"))


@pytest.mark.parametrize(
    "after",
    [
        pytest.param([window(3, 5)], id="an entry that stands in both"),
        pytest.param([CHANGED], id="a known entry with another content"),
        pytest.param([OTHER_IDS], id="a known article under another id"),
        pytest.param([window(3, 5, channel="<copyright>new</copyright>")], id="another head"),
        pytest.param([rss()], id="an empty feed"),
        pytest.param([rss(), window(2, 4)], id="an empty feed in between"),
    ],
)
def test_what_was_known_is_no_gap(world: World, after: Sequence[bytes]) -> None:
    with Site(one_by_one(answering(window(1, 3)), *(answering(body) for body in after))) as site:
        world.follow(site.url())
        world.runs(1 + len(after))
        assert gaps(world) == ()


def test_a_gap_behind_an_empty_answer_is_seen(world: World) -> None:
    with Site(one_by_one(answering(window(1, 3)), answering(rss()), answering(window(7, 9)))) as site:
        world.follow(site.url())
        world.runs(3)
        assert len(gaps(world)) == 1


def test_a_gap_is_answered_by_a_shorter_interval_that_grows_again(world: World) -> None:
    with Site(one_by_one(answering(window(1, 3)), answering(window(4, 6)), answering(window(6, 8)))) as site:
        world.follow(site.url(), interval=None)
        world.run()
        before = world.state(site.url())
        hours = (before.due_at - world.state(site.url()).polled_at) / timedelta(hours=1)  # type: ignore[operator]
        world.run(after=hours + 0.1)
        state = world.state(site.url())
        assert state.polled_at is not None
        assert state.gap_at == state.polled_at
        assert state.due_at - state.polled_at <= timedelta(hours=hours) / 2
        world.run(after=48)
        later = world.state(site.url())
        assert later.polled_at is not None
        assert later.due_at - later.polled_at > state.due_at - state.polled_at
        assert len(gaps(world)) == 1


# --- filling ----------------------------------------------------------------------------------------------------------


def test_older_pages_of_a_feed_are_asked_until_one_shows_what_was_known(world: World) -> None:
    feed = one_by_one(answering(window(1, 3)), answering(window(10, 12, older("/feed?p=2", "next"))))
    pages = {
        "/feed?p=2": answering(window(7, 9, older("/feed?p=3", "next"))),
        "/feed?p=3": answering(window(3, 6, older("/feed?p=4", "next"))),
    }
    with Site(feed, pages) as site:
        gap = with_gap(world, site)
        assert gap.filled_at is not None
        assert stories(world) == list(range(1, 13))
        assert [request.target for request in site.server.requests][2:] == ["/robots.txt", "/feed?p=2", "/feed?p=3"]
        state = world.state(site.url())
        assert state.filling is None
        assert state.due_at > gap.until + timedelta(minutes=5)
        world.runs(1)
        assert [request.target for request in site.server.requests][5:] == ["/feed"]


def test_wordpress_is_asked_for_its_next_pages(world: World) -> None:
    feed = one_by_one(answering(window(1, 3, WORDPRESS)), answering(window(10, 12, WORDPRESS)))
    pages = {
        "/feed?paged=2": answering(window(5, 9, WORDPRESS)),
        "/feed?paged=3": answering(window(1, 4, WORDPRESS)),
    }
    with Site(feed, pages) as site:
        assert with_gap(world, site).filled_at is not None
        assert stories(world) == list(range(1, 13))


def test_at_most_ten_older_pages_are_asked_for_a_gap(world: World) -> None:
    feed = one_by_one(answering(window(1, 3)), answering(window(900, 902, older("/feed?p=1"))))

    def endless(number: int) -> Script:
        return answering(window(800 - 3 * number, 802 - 3 * number, older(f"/feed?p={number + 1}")))

    with Site(feed, {f"/feed?p={number}": endless(number) for number in range(1, 30)}) as site:
        assert with_gap(world, site).filled_at is None
        assert len([one for one in site.server.requests if "?p=" in one.target]) == 10
        assert world.state(site.url()).filling is None
        assert len(stories(world)) == 36


@pytest.mark.parametrize(
    "page",
    [
        pytest.param(answering(b"gone", status=404), id="not there"),
        pytest.param(answering(window(10, 12, WORDPRESS)), id="the same page again"),
        pytest.param(answering(html_page("All", "<p>all</p>"), "Content-Type: text/html"), id="a web page"),
        pytest.param(answering(b"", "Location: /feed?paged=2", status=302), id="a loop"),
    ],
)
def test_where_there_is_no_older_page_the_gap_stays(world: World, page: Script) -> None:
    feed = one_by_one(answering(window(1, 3, WORDPRESS)), answering(window(10, 12, WORDPRESS)))
    with Site(feed, {"/feed?paged=2": page}) as site:
        assert with_gap(world, site).filled_at is None
        assert world.state(site.url()).filling is None
        assert world.state(site.url()).cause is None
        world.run()
        assert len([one for one in site.server.requests if "paged=3" in one.target]) == 0


@pytest.mark.parametrize("respect", [True, False])
def test_robots_txt_decides_about_older_pages(world: World, respect: bool) -> None:
    world.http["respect_robots"] = respect
    feed = one_by_one(answering(window(1, 3, WORDPRESS)), answering(window(10, 12, WORDPRESS)))
    robots = answering(b"User-agent: *\nDisallow: /*?paged=\n", ROBOTS)
    with Site(feed, {"/robots.txt": robots, "/feed?paged=2": answering(window(1, 9, WORDPRESS))}) as site:
        assert with_gap(world, site).filled_at is None
        assert site.asked("/feed?paged=2") == []
        assert len(site.asked("/robots.txt")) == 1


def test_a_page_that_fails_is_asked_again_after_the_next_poll(world: World) -> None:
    feed = one_by_one(answering(window(1, 3, WORDPRESS)), answering(window(10, 12, WORDPRESS)))
    page = one_by_one(answering(b"", status=500), answering(window(3, 9, WORDPRESS)))
    with Site(feed, {"/feed?paged=2": page}) as site:
        assert with_gap(world, site).filled_at is None
        world.run(after=0, force=True)  # the poll that was asked for comes before the page
        assert [one.target for one in site.server.requests][-2:] == ["/feed", "/feed?paged=2"]
        (gap,) = gaps(world)
        assert gap.filled_at is not None
        assert len(site.asked("/feed?paged=2")) == 2
        assert stories(world) == list(range(1, 13))


# --- sitemaps ---------------------------------------------------------------------------------------------------------


def news(site: Site, numbers: Sequence[int], base: datetime, folder: str = "a") -> bytes:
    """Return a news sitemap: the entry of each number was published so many minutes after `base`."""
    urls = "".join(
        f"<url><loc>{site.url(f'/{folder}/{number}')}</loc><news:news><news:publication><news:name>N</news:name>"
        f"<news:language>en</news:language></news:publication><news:title>About {number}</news:title>"
        f"<news:publication_date>{(base + timedelta(minutes=number)).isoformat()}</news:publication_date>"
        "</news:news></url>"
        for number in numbers
    )
    return (
        '<?xml version="1.0" encoding="UTF-8"?><urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9" '
        f'xmlns:news="http://www.google.com/schemas/sitemap-news/0.9">{urls}</urlset>'
    ).encode()


def test_the_news_sitemap_of_the_articles_site_fills_a_gap(world: World) -> None:
    """The feed lies on one host, its articles on another; the sitemap holds other sections too."""
    now = datetime.now(UTC) + timedelta(hours=1)  # of the first poll
    with Site() as articles:
        articles.paths = {
            "/robots.txt": lambda peer: peer.answer(
                body=f"User-agent: *\nAllow: /\nSitemap: {articles.url('/all.xml')}\n"
                f"Sitemap: {articles.url('/news.xml')}\n".encode(),
                headers=(ROBOTS,),
            ),
            "/news.xml": lambda peer: peer.answer(body=news(articles, range(-5, 50), now), headers=(XML,)),
        }
        shown = [
            rss(*(item(articles.url(f"/a/{number}")) for number in numbers)) for numbers in ((3, 2, 1), (45, 44, 43))
        ]
        with Site(one_by_one(*(answering(body) for body in shown)), host="127.0.0.2") as feed:
            gap = with_gap(world, feed, full_text=True)
            assert gap.filled_at is not None
            assert len(articles.asked("/robots.txt")) == 1
            assert len(articles.asked("/news.xml")) == 1
            assert articles.asked("/all.xml") == []
            assert stories(world) == list(range(1, 50))  # not what was older than the gap
            assert world.state(feed.url()).due_at > gap.until


def test_an_index_of_sitemaps_leads_to_the_one_with_news(world: World) -> None:
    now = datetime.now(UTC) + timedelta(hours=1)
    feed = one_by_one(answering(window(1, 3)), answering(window(43, 45)))
    with Site(feed) as site:
        index = f"<sitemapindex><sitemap><loc>{site.url('/news-1.xml')}</loc></sitemap></sitemapindex>".encode()
        site.paths = {
            "/robots.txt": answering(f"Sitemap: {site.url('/sitemap.xml')}".encode(), ROBOTS),
            "/sitemap.xml": answering(index, XML),
            "/news-1.xml": answering(news(site, range(3, 40), now), XML),
        }
        assert with_gap(world, site, full_text=True).filled_at is not None
        assert stories(world) == [*range(1, 40), 43, 44, 45]
        assert [one.target for one in site.server.requests if one.target.endswith(".xml")] == [
            "/sitemap.xml",
            "/news-1.xml",
        ]


def test_a_sitemap_of_other_sections_brings_nothing(world: World) -> None:
    now = datetime.now(UTC) + timedelta(hours=1)
    with Site(one_by_one(answering(window(1, 3)), answering(window(43, 45)))) as site:
        site.paths = {
            "/robots.txt": answering(f"Sitemap: {site.url('/news.xml')}".encode(), ROBOTS),
            "/news.xml": answering(news(site, range(0, 40), now, "sports"), XML),
        }
        assert with_gap(world, site, full_text=True).filled_at is None
        assert stories(world) == [1, 2, 3, 43, 44, 45]


# --- validators -------------------------------------------------------------------------------------------------------


class Stubborn:
    """A feed with a new entry every two hours whose server answers 304 to every validator while it is `stuck`."""

    def __init__(self, *, etag_follows: bool) -> None:
        self.stuck = False
        self.etag_follows = etag_follows
        self.born = datetime.now(UTC)
        self.hour = 0.0
        self.frozen = False

    def __call__(self, peer: Peer) -> None:
        latest = 0 if self.frozen else int(self.hour // 2)
        etag = f'"{latest}"' if self.etag_follows else '"always"'
        sent = peer.request.header("If-None-Match")
        if sent is not None and (self.stuck or sent == etag):
            peer.answer(304, headers=(f"ETag: {sent}",))
        else:
            peer.answer(body=self._feed(latest), headers=(RSS, f"ETag: {etag}"))

    def _feed(self, latest: int) -> bytes:
        numbers = range(latest, latest - 20, -1)
        return rss(
            *(
                item(f"/a/{100 + number}", date=format_datetime(self.born + timedelta(hours=2 * number)))
                for number in numbers
            )
        )


def follow_stubborn(world: World, feed: Stubborn, site: Site, hours: int) -> list[bool]:
    """Poll every hour; return for each poll whether validators were sent."""
    if not world.feeds:
        world.follow(site.url(), full_text=False)
    before = len(site.asked())
    for _ in range(hours):
        feed.hour += 1
        world.run()
    return [request.header("If-None-Match") is not None for request in site.asked()[before:]]


def findings(world: World) -> list[str]:
    return world.use(lambda app: [str(one.kind) for d in unwell(app.store, app.store.now()) for one in d.findings])


@pytest.mark.soak
@pytest.mark.parametrize("etag_follows", [True, False])
def test_validators_that_hide_new_entries_are_distrusted_for_a_week(world: World, etag_follows: bool) -> None:
    feed = Stubborn(etag_follows=etag_follows)
    with Site(feed) as site:
        feed.stuck = True
        sent = follow_stubborn(world, feed, site, 30)
        doubt = sent.index(False, 1)
        assert sent[:doubt] == [False] + [True] * (doubt - 1)
        assert 24 <= doubt <= 28  # a day of nothing but 304
        assert not any(sent[doubt:])
        assert world.state(site.url()).revalidation == "distrusted"
        assert findings(world) == ["stuck_validators"]
        assert max(stories(world)) == 115  # as new as the feed
        polls = world.use(lambda app: app.store.polls(world.listed[site.url()].id))
        assert [poll.unconditional for poll in reversed(polls)] == [False, *(not one for one in sent[1:])]
        feed.hour += 24 * 7
        world.hours += 24 * 7
        feed.stuck = False
        feed.etag_follows = True
        assert follow_stubborn(world, feed, site, 4)[0]  # another chance
        assert world.state(site.url()).revalidation == ""
        assert findings(world) == []


@pytest.mark.soak
def test_validators_that_are_right_are_checked_once_in_a_while(world: World) -> None:
    feed = Stubborn(etag_follows=True)
    feed.frozen = True
    with Site(feed) as site:
        sent = follow_stubborn(world, feed, site, 60)
        assert sent.count(False) == 2  # the first poll, and a check after a day
        assert world.state(site.url()).revalidation == "checked"
        assert "stuck_validators" not in findings(world)
