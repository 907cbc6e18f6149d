"""The fields of an XML feed itself: title, addresses, language, authors, generator, and hints when to poll.

It reads only the tree of the head, which is the feed without its entries.
"""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import timedelta

from lxml import etree

from aggregator.feeds.entry_fields import EntryTree, base_of, read_authors, read_text, read_tree
from aggregator.feeds.markup import BLOCKS, has_active_markup, looks_like_html, one_line, plain_text
from aggregator.feeds.xml_tree import XML, Context, attribute, name_of, text_of
from aggregator.models.feeds import FeedHints
from aggregator.urls import absolute

_PERIODS = {
    "hourly": timedelta(hours=1),
    "daily": timedelta(days=1),
    "weekly": timedelta(days=7),
    "monthly": timedelta(days=30),
    "yearly": timedelta(days=365),
}
_YEAR = 60 * 24 * 366  # minutes
_DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_MAX_GENERATOR_CHARS = 200
_MAX_TITLE_CHARS = 10_000
_HTML_TYPES = frozenset({"html", "text/html", "application/xhtml+xml"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """The fields of a feed itself; empty if the head is unreadable. Entries inherit `language`, `authors` and `base`.

    `base` is the address that links are relative to.
    """

    title: str = ""
    link: str | None = None
    language: str = ""
    authors: tuple[str, ...] = ()
    base: str = ""
    hints: FeedHints = field(default_factory=FeedHints)
    hub: str | None = None
    self_url: str | None = None
    previous_url: str | None = None
    generator: str = ""


def read_feed_head(root: etree._Element, context: Context, url: str) -> Head:
    """Return the fields of a feed. Its links are relative to its XML Base, or else to `url`, the feed's address.

    If both are missing (a file), they are relative to the address that the feed states as its own or its site's.
    """
    outer = base_of(root, url)
    holder = _channel(root, context)
    tree = read_tree(holder, context, outer)
    links = _links(tree)
    if not url and not tree.base:  # a file has no address; the feed's own ones are the next best base
        tree = replace(tree, base=links.get("self") or links.get("alternate") or "")
    language = (
        read_text(tree, "language")
        or read_text(tree, "dc:language")
        or holder.get(XML + "lang")
        or root.get(XML + "lang")
        or ""
    )
    return Head(
        title=_title(tree),
        link=links.get("alternate") or absolute(tree.base, attribute(tree.element, "href")),
        language=language.strip()[:40],
        authors=_shared_authors(tree, context),
        base=tree.base,
        hints=_hints(tree),
        hub=links.get("hub"),
        self_url=links.get("self"),
        previous_url=links.get("prev-archive") or links.get("next"),
        generator=_generator(tree),
    )


def _shared_authors(tree: EntryTree, context: Context) -> tuple[str, ...]:
    """Return the authors of all entries that name none: those of an Atom feed (RFC 4287, 4.2.1), else `dc:creator`.

    The other people of an RSS channel (`managingEditor`, `webMaster`) are contacts, not authors.
    """
    if context.is_atom:
        return read_authors(tree)
    return read_authors(replace(tree, children={"dc:creator": tree.children.get("dc:creator", [])}))


def _generator(tree: EntryTree) -> str:
    """Return name and address of the program that made the feed (RSS 2.0, Atom; RSS 1.0: mod_admin)."""
    parts = [
        part
        for name in ("generator", "atom:generator", "admin:generatoragent")
        for child in tree.children.get(name, ())
        for part in (text_of(child), attribute(child, "uri"), attribute(child, "resource"))
    ]
    return " ".join(part for part in parts if part)[:_MAX_GENERATOR_CHARS]


def _channel(root: etree._Element, context: Context) -> etree._Element:
    """Return the element that contains the feed's fields: the channel of RSS, else the root."""
    for child in root.iterchildren(tag=etree.Element):
        if name_of(child, context) == "channel":
            return child
    return root


def _title(tree: EntryTree) -> str:
    for name in ("title", "atom:title", "dc:title"):
        for child in tree.children.get(name, ()):
            if text := title_text(child):
                return text
    return ""


def title_text(element: etree._Element) -> str:
    """Return a title as plain text on one line.

    Markup is removed if the title's type is HTML, if the title looks like HTML and its type is not plain text, or if
    the markup runs code.
    """
    if len(element):
        return one_line("".join(_visible_texts(element)))[:_MAX_TITLE_CHARS]
    text, kind = text_of(element)[:_MAX_TITLE_CHARS], attribute(element, "type").lower()
    if attribute(element, "mode") == "base64" or kind == "application/octet-stream":
        text = _decode_base64(text)
    says_html = kind in _HTML_TYPES or (kind not in ("text", "text/plain") and looks_like_html(text))
    return plain_text(text) if says_html or has_active_markup(text) else one_line(text)


def _visible_texts(element: etree._Element) -> Iterator[str]:
    for event, part in etree.iterwalk(element, events=("start", "end")):
        name = str(part.tag).rpartition("}")[2].lower()
        if name in BLOCKS and part is not element:
            yield " "
        if event == "start":
            yield (part.text or "") if name not in ("script", "style") else ""
        else:
            yield (part.tail or "") if part is not element else ""


def _decode_base64(text: str) -> str:
    try:
        return b64decode(text, validate=False).decode("utf-8")
    except ValueError:
        return text


def _links(tree: EntryTree) -> dict[str, str]:
    """Return the feed's links: for each relation the first address. A link without a relation is "alternate"."""
    found: dict[str, str] = {}
    for name in ("link", "atom:link"):
        for child in tree.children.get(name, ()):
            relation = (attribute(child, "rel") or "alternate").lower().rpartition("/")[2]
            href = attribute(child, "href") or text_of(child)
            if address := absolute(base_of(child, tree.base), href):
                # RSS: the bare `link` is the site's address, the Atom one beside it rarely is.
                found.setdefault(relation, address)
    return found


def _hints(tree: EntryTree) -> FeedHints:
    minutes = _minutes(read_text(tree, "ttl"))
    hours = {_whole(text) for text in _listed(tree, "skiphours")}
    days = {text.lower() for text in _listed(tree, "skipdays")}
    return FeedHints(
        ttl=timedelta(minutes=minutes) if minutes else None,
        skip_hours=tuple(sorted({hour % 24 for hour in hours if hour is not None and 0 <= hour <= 24})),
        skip_days=tuple(number for number, day in enumerate(_DAYS) if day in days),
        update_interval=_update_interval(tree),
    )


def _listed(tree: EntryTree, name: str) -> list[str]:
    return [text_of(part) for child in tree.children.get(name, ()) for part in child]


def _update_interval(tree: EntryTree) -> timedelta | None:
    """Return sy:updatePeriod / sy:updateFrequency (RSS 1.0); None: both are missing, or one is invalid.

    A missing period is daily, a missing frequency 1. The result is at least a minute.
    """
    period, frequency = read_text(tree, "sy:updateperiod"), read_text(tree, "sy:updatefrequency")
    if not period and not frequency:
        return None
    span, times = _PERIODS.get(period.lower() or "daily"), _whole(frequency or "1")
    return max(span / times, timedelta(minutes=1)) if span and times else None


def _minutes(text: str) -> int:
    """Return a number of minutes, a year at most; 0: `text` is no whole number."""
    digits = text.lstrip("0") if text.isascii() and text.isdigit() else ""
    return min(int(digits[:9] or 0), _YEAR)


def _whole(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 9 else None
