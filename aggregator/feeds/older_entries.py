"""Finds places with older entries of a feed: the feed's own older pages, and a news sitemap of its site. Pure."""

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
    """Return the address of the page with older entries of the feed at `url`; None: there is no such page.

    It is the page that the feed names (RFC 5005), or the next numbered page of a WordPress feed (`next_paged`).
    """
    if parsed.previous_url is not None:
        return parsed.previous_url
    if "wordpress" not in parsed.generator.lower() or not parsed.raw_hashes:
        return None
    return next_paged(url)


def next_paged(url: str) -> str:
    """Return the address of the next older page of a WordPress feed.

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
    """Return the places to search for older entries: the feed's older page, and the site of its first entry.

    `url` is the feed's address, `entry_urls` are the addresses of its present entries.
    """
    page = older_page(parsed, url)
    pages = () if page is None or page == url else (Source(kind="page", url=page),)
    return (*pages, *(Source(kind="site", url=entry_url) for entry_url in entry_urls[:1]))


def sections_of(entry_urls: Sequence[str]) -> tuple[str, ...]:
    """Return the sections of `entry_urls`, such as "a.example:443/en": each once, sorted, at most 20."""
    return tuple(sorted({section_of(url) for url in entry_urls})[:_MAX_SECTIONS])


def section_of(url: str) -> str:
    """Return the section of an address: its host with port, and its first folder.

    A sitemap lists more than the entries of one feed. Only addresses in the sections of the feed's entries are used.

    >>> section_of("https://a.example/en/culture/a-1"), section_of("https://a.example/a-1")
    ('a.example:443/en', 'a.example:443/')
    """
    folders = urlsplit(url).path.strip("/").split("/")[:-1]
    return f"{host_of(url)}/{folders[0] if folders else ''}"


def choose_sitemaps(named: Sequence[str]) -> tuple[Source, ...]:
    """Return the sitemaps of a site with "news" in their path, at most three; if there are none, the first sitemap."""
    news = [url for url in named if is_for_news(url)]
    return tuple(Source(kind="sitemap", url=url) for url in (news or list(named[:1]))[:_MAX_SITEMAPS])


def choose_in_index(named: Sequence[NamedSitemap]) -> tuple[Source, ...]:
    """Return the sitemaps of an index with "news" in their path, at most three."""
    return choose_sitemaps([one.url for one in named if is_for_news(one.url)])
