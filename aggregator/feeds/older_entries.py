"""Finds places with older entries of a feed: its own pages, its site's news sitemap. Pure; no requests."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from aggregator.feeds.kinds.sitemap import is_for_news
from aggregator.models.feeds import ParsedFeed, Source
from aggregator.models.sources import NamedSitemap
from aggregator.urls import host_of

_MAX_SITEMAPS: Final = 3  # of one site
_MAX_SECTIONS: Final = 20


def older_page(parsed: ParsedFeed, url: str) -> str | None:
    """Return the older page that the feed at `url` names (RFC 5005), else the next page of a WordPress feed."""
    if parsed.previous_url is not None:
        return parsed.previous_url
    if "wordpress" not in parsed.generator.lower() or not parsed.raw_hashes:
        return None
    return next_paged(url)


def next_paged(url: str) -> str:
    """Return the next older page of a WordPress feed.

    >>> next_paged("https://a.example/feed/")
    'https://a.example/feed/?paged=2'
    >>> next_paged("https://a.example/?feed=rss2&paged=2")
    'https://a.example/?feed=rss2&paged=3'
    """
    parts = urlsplit(url)
    query = parse_qsl(parts.query, keep_blank_values=True)
    paged = next((value for name, value in query if name == "paged"), "1")
    number = int(paged) if paged.isascii() and paged.isdigit() and len(paged) < 6 else 1
    kept = [(name, value) for name, value in query if name != "paged"]
    return urlunsplit(parts._replace(query=urlencode([*kept, ("paged", str(number + 1))])))


def sources_of(parsed: ParsedFeed, url: str, entry_urls: Sequence[str]) -> tuple[Source, ...]:
    """Return the places to search, in order; `entry_urls` are the addresses of the entries that the feed shows."""
    page = older_page(parsed, url)
    pages = () if page is None or page == url else (Source(kind="page", url=page),)
    return (*pages, *(Source(kind="site", url=entry_url) for entry_url in entry_urls[:1]))


def sections_of(entry_urls: Sequence[str]) -> tuple[str, ...]:
    """Return the sections that contain the entries."""
    return tuple(sorted({section_of(url) for url in entry_urls})[:_MAX_SECTIONS])


def section_of(url: str) -> str:
    """Return host and first folder of an address.

    They limit the search, since a sitemap covers more than one feed's entries.

    >>> section_of("https://a.example/en/culture/a-1"), section_of("https://a.example/a-1")
    ('a.example:443/en', 'a.example:443/')
    """
    folders = urlsplit(url).path.strip("/").split("/")[:-1]
    return f"{host_of(url)}/{folders[0] if folders else ''}"


def choose_sitemaps(named: Sequence[str]) -> tuple[Source, ...]:
    """Return the news sitemaps of a site; without any the first sitemap, which may be an index."""
    news = [url for url in named if is_for_news(url)]
    return tuple(Source(kind="sitemap", url=url) for url in (news or list(named[:1]))[:_MAX_SITEMAPS])


def choose_in_index(named: Sequence[NamedSitemap]) -> tuple[Source, ...]:
    """Return the news sitemaps of an index."""
    return choose_sitemaps([one.url for one in named if is_for_news(one.url)])
