"""Finds the feeds that a page advertises, and lists the usual paths of feeds and news sitemaps. It uses no network."""

from __future__ import annotations

import re
from dataclasses import dataclass

from resiliparse.parse.html import HTMLTree

from aggregator.text.encoding import decode, html_declaration
from aggregator.urls import absolute

# Where sites keep their feed when no page says so; most usual first.
WELL_KNOWN_PATHS = (
    "/feed",
    "/rss",
    "/feed.xml",
    "/rss.xml",
    "/atom.xml",
    "/index.xml",
    "/feed.json",
    "/feeds/posts/default",
    "/?feed=rss2",
)

# Where sites keep their sitemap for news when robots.txt names none.
NEWS_SITEMAP_PATHS = ("/news-sitemap.xml", "/sitemap-news.xml", "/sitemap_news.xml", "/sitemap/news.xml")

_RANKS = {
    "application/atom+xml": 0,
    "application/rss+xml": 0,
    "application/rdf+xml": 1,
    "application/feed+json": 1,
    "application/json": 2,
    "application/x.atom+xml": 2,
    "application/x-atom+xml": 2,
    "application/x-rss+xml": 2,
    "text/rss": 2,
    "text/rss+xml": 2,
    "text/atom": 2,
    "text/xml": 3,
    "application/xml": 3,
}
_COMMENTS = re.compile(r"\b(?:comments?|kommentare?|commentaires?|comentarios?|commenti|reacties)\b", re.IGNORECASE)
_MAX_PAGE_CHARS = 4_000_000
_ELEMENTS = "base[href], link[rel][href]"  # in document order: a base speaks for what follows it


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundFeed:
    """A feed that a page advertises; `url` is absolute."""

    url: str
    title: str = ""
    type: str = ""


def find_feeds(html: bytes | str, url: str) -> tuple[FoundFeed, ...]:
    """Return the feeds that the page at `url` advertises, best first, each address once.

    The first have the media type `application/atom+xml` or `application/rss+xml`, or no type. Feeds of readers'
    comments come last. Only `link` elements count, and none in HTML comments, scripts and styles.

    >>> find_feeds('<link rel="alternate" type="application/rss+xml" href="/rss">', "https://dw.com/en/")[0].url
    'https://dw.com/rss'
    """
    text = decode(html, declared=html_declaration(html)) if isinstance(html, bytes) else html
    document = HTMLTree.parse(text[:_MAX_PAGE_CHARS]).document
    elements = (
        [] if document is None else document.query_selector_all(_ELEMENTS)[:]
    )  # the list itself looks up anew at each access
    base, found = "", list[tuple[tuple[int, int], FoundFeed]]()
    for element in elements:
        attributes = {name: element.getattr(name) or "" for name in ("rel", "type", "href", "title")}
        if element.tag == "base":
            base = base or absolute(url, attributes["href"]) or ""
        elif feed := _advertised(attributes, base or url):
            found.append((_rank(feed), feed))
    best: dict[str, FoundFeed] = {}
    for _, feed in sorted(found, key=lambda pair: pair[0]):
        best.setdefault(feed.url, feed)
    return tuple(best.values())


def _advertised(attributes: dict[str, str], base: str) -> FoundFeed | None:
    """Return the feed that a `link` element advertises; None: it advertises none. `href` is relative to `base`."""
    relations = attributes.get("rel", "").lower().split()
    kind = attributes.get("type", "").lower().partition(";")[0].strip()
    if "stylesheet" in relations or not ({"alternate", "feed"} & set(relations)):
        return None
    if kind not in _RANKS and not ("feed" in relations and not kind):
        return None
    address = absolute(base, attributes.get("href", ""))
    return FoundFeed(url=address, title=attributes.get("title", ""), type=kind) if address else None


def _rank(feed: FoundFeed) -> tuple[int, int]:
    is_comments = bool(_COMMENTS.search(feed.title) or _COMMENTS.search(feed.url))
    return int(is_comments), _RANKS.get(feed.type, 0)
