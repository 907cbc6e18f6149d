"""Where the older entries of a feed may be found."""

from __future__ import annotations

import pytest

from aggregator.feeds.older_entries import choose_in_index, choose_sitemaps, next_paged, older_page, sources_of
from aggregator.models.feeds import ParsedFeed, Source
from aggregator.models.sources import NamedSitemap

URL = "https://a.example/feed/"


def parsed(generator: str = "", previous_url: str | None = None, entries: int = 3) -> ParsedFeed:
    hashes = tuple(str(number) for number in range(entries))
    return ParsedFeed(kind="feed", format="rss", generator=generator, previous_url=previous_url, raw_hashes=hashes)


@pytest.mark.parametrize(
    ("feed", "page"),
    [
        (parsed(), None),
        (parsed("Hugo"), None),
        (parsed("https://wordpress.org/?v=6.4"), f"{URL}?paged=2"),
        (parsed("WordPress.com"), f"{URL}?paged=2"),
        (parsed("https://wordpress.org/?v=6.4", entries=0), None),
        (parsed(previous_url="https://a.example/2026-10.xml"), "https://a.example/2026-10.xml"),
        (parsed("WordPress", previous_url="https://a.example/p3"), "https://a.example/p3"),
    ],
)
def test_the_page_that_a_feed_names_goes_before_what_wordpress_has(feed: ParsedFeed, page: str | None) -> None:
    assert older_page(feed, URL) == page


@pytest.mark.parametrize(
    ("url", "page"),
    [
        ("https://a.example/?cat=3", "https://a.example/?cat=3&paged=2"),
        ("https://a.example/feed?paged=9&x=", "https://a.example/feed?x=&paged=10"),
        ("https://a.example/feed?paged=zero", "https://a.example/feed?paged=2"),
    ],
)
def test_pages_of_wordpress_are_counted(url: str, page: str) -> None:
    assert next_paged(url) == page


def test_a_feed_that_names_itself_has_no_older_page() -> None:
    assert sources_of(parsed(previous_url=URL), URL, ()) == ()
    assert sources_of(parsed(), URL, ("https://b.example/1", "https://c.example/2")) == (
        Source(kind="site", url="https://b.example/1"),
    )


def test_sitemaps_for_news_go_first_and_are_few() -> None:
    named = [f"https://a.example/{name}" for name in ("all.xml", "news-1.xml", "n?news", "NEWS/2", "news3", "news4")]
    assert [source.url for source in choose_sitemaps(named)] == [named[1], named[3], named[4]]
    assert choose_sitemaps(named[:1]) == (Source(kind="sitemap", url=named[0]),)
    assert choose_sitemaps([]) == ()


def test_only_the_news_sitemaps_of_an_index_are_read() -> None:
    named = [NamedSitemap(url=f"https://a.example/{name}") for name in ("all.xml", "news.xml?a=1", "a?news")]
    assert choose_in_index(named) == (Source(kind="sitemap", url="https://a.example/news.xml?a=1"),)
    assert choose_in_index(named[:1]) == ()
