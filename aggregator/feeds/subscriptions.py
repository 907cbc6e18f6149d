"""Subscriptions: the feeds that a page advertises, and OPML in and out. It reads text and asks no network."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from html import unescape

from lxml import etree

from aggregator.errors import ConfigError
from aggregator.models.records import Subscription
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
_NOT_MARKUP = re.compile(
    r"<!--.*?(?:-->|\Z)|<(script|style|template|textarea|title|noembed|xmp)\b[^>]*>.*?(?:</\1\b|\Z)",
    re.DOTALL | re.IGNORECASE,
)
_LINK = re.compile(r"<(link|base|a)\b((?:[^<>\"']++|\"[^\"]*+\"|'[^']*+')*+)>", re.IGNORECASE)
_ATTRIBUTE = re.compile(r"([A-Za-z][\w:-]*+)\s*+(?:=\s*+(?:\"([^\"]*+)\"|'([^']*+)'|([^\s\"'>]++)))?")


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundFeed:
    """A feed that a page advertises; `url` is absolute."""

    url: str
    title: str = ""
    type: str = ""


def find_feeds(html: bytes | str, url: str) -> tuple[FoundFeed, ...]:
    """Return the feeds that the page at `url` advertises, best first: the site's before those of comments.

    Only `link` elements count, not those in comments, scripts and styles.

    >>> find_feeds('<link rel="alternate" type="application/rss+xml" href="/rss">', "https://dw.com/en/")[0].url
    'https://dw.com/rss'
    """
    text = decode(html, declared=html_declaration(html)).text if isinstance(html, bytes) else html
    text = _NOT_MARKUP.sub("", text[:_MAX_PAGE_CHARS])
    base, found = url, list[tuple[tuple[int, int], FoundFeed]]()
    for match in _LINK.finditer(text):
        attributes = _attributes(match.group(2))
        if match.group(1).lower() == "base":
            base = absolute(url, attributes.get("href", "")) or base
        elif match.group(1).lower() == "link" and (feed := _advertised(attributes, base)):
            found.append((_rank(feed, attributes), feed))
    best: dict[str, FoundFeed] = {}
    for _, feed in sorted(found, key=lambda pair: pair[0]):
        best.setdefault(feed.url, feed)
    return tuple(best.values())


def _attributes(text: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for name, double, single, bare in _ATTRIBUTE.findall(text):
        found.setdefault(name.lower(), unescape(double or single or bare).strip())
    return found


def _advertised(attributes: dict[str, str], base: str) -> FoundFeed | None:
    """Return the feed of a `link` element, if it is one."""
    relations = attributes.get("rel", "").lower().split()
    kind = attributes.get("type", "").lower().partition(";")[0].strip()
    if "stylesheet" in relations or not ({"alternate", "feed"} & set(relations)):
        return None
    if kind not in _RANKS and not ("feed" in relations and not kind):
        return None
    address = absolute(base, attributes.get("href", ""))
    return FoundFeed(url=address, title=attributes.get("title", ""), type=kind) if address else None


def _rank(feed: FoundFeed, attributes: dict[str, str]) -> tuple[int, int]:
    is_comments = bool(_COMMENTS.search(feed.title) or _COMMENTS.search(feed.url))
    return int(is_comments), _RANKS.get(feed.type, 0)


def read_opml(data: bytes) -> tuple[Subscription, ...]:
    """Return the feeds of an OPML file, each address once; the folders around a feed become its tags.

    Raises:
        ConfigError: it is no OPML; the message names the line.
    """
    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False)
    try:
        root = etree.fromstring(data.lstrip(), parser)
    except etree.XMLSyntaxError as error:
        line = (error.lineno or 1) + data[: len(data) - len(data.lstrip())].count(b"\n")
        raise ConfigError(f"OPML, line {line}: {error.msg}") from error
    if _local(root) != "opml":
        raise ConfigError(f"OPML, line {root.sourceline}: the root is <{_local(root)}>, not <opml>")
    found: dict[str, Subscription] = {}
    for body in root:
        if _local(body) == "body":
            _read_outlines(body, (), found)
    return tuple(found.values())


def _local(element: etree._Element) -> str:
    return str(element.tag).rpartition("}")[2].lower()


def _read_outlines(parent: etree._Element, folders: tuple[str, ...], found: dict[str, Subscription]) -> None:
    """Collect the feeds in `parent`; lxml bounds the depth."""
    for outline in parent.iterchildren(tag=etree.Element):
        if _local(outline) != "outline":
            continue
        values = {str(name).lower(): str(value).strip() for name, value in outline.attrib.items()}
        name = values.get("title") or values.get("text") or ""
        if raw_url := values.get("xmlurl"):
            url = absolute("", _FEED_SCHEME.sub(_without_feed_scheme, raw_url))
            if url is None:
                raise ConfigError(f"OPML, line {outline.sourceline}: {raw_url[:200]!r} is no http(s) address")
            categories = (part.strip("/ ").rpartition("/")[2] for part in values.get("category", "").split(","))
            tags = (*folders, *(part for part in categories if part))
            known = found.get(url)
            found[url] = Subscription(
                url=url,
                name=(known.name if known else "") or name,
                tags=tuple(dict.fromkeys((*(known.tags if known else ()), *tags))),
            )
        elif len(outline):
            _read_outlines(outline, (*folders, name) if name else folders, found)


def _without_feed_scheme(match: re.Match[str]) -> str:
    return "http://" if match.group(1) else ""


def write_opml(subscriptions: Iterable[Subscription]) -> bytes:
    """Return an OPML 2.0 file; the tags of a feed are its categories, none is lost and no feed stands twice."""
    root = etree.Element("opml", version="2.0")
    etree.SubElement(etree.SubElement(root, "head"), "title").text = "Subscriptions of aggregator"
    body = etree.SubElement(root, "body")
    for subscription in subscriptions:
        name = _xml_safe(subscription.name or subscription.url)
        outline = etree.SubElement(
            body, "outline", type="rss", text=name, title=name, xmlUrl=_xml_safe(subscription.url)
        )
        if subscription.tags:
            outline.set("category", ",".join(_xml_safe(tag).replace(",", " ") for tag in subscription.tags))
    return bytes(etree.tostring(root, encoding="utf-8", xml_declaration=True, pretty_print=True))


def _xml_safe(text: str) -> str:
    return _CONTROL.sub(" ", text)


_FEED_SCHEME = re.compile(r"^feed:(//)?", re.IGNORECASE)
_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff\ud800-\udfff]")
