"""Reads an HTML page as a feed: its links are the entries. Pure.

The links are found by the operator's CSS selectors. Without selectors, they are the links that look like articles.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from lxml import etree
from lxml.etree import _Element as Element
from lxml.etree import iterwalk
from lxml.html import HTMLParser, document_fromstring
from resiliparse.parse.html import CSSParserException, HTMLTree

from aggregator.feeds.slices import hash_slice
from aggregator.identity.identify import identify
from aggregator.identity.publisher_rules import Publishers
from aggregator.identity.section_pages import is_listing
from aggregator.identity.sites import site_of_url
from aggregator.models.feeds import Entry, ParsedFeed
from aggregator.models.sources import Select
from aggregator.text.dates import parse_date
from aggregator.text.encoding import decode, html_declaration
from aggregator.urls import absolute

MAX_ENTRIES: Final = 1_000  # links of one page; no list for readers has more
_MAX_MARKED: Final = 20_000  # elements that one selector may find
_MAX_PAGE_CHARS: Final = 4_000_000
_MAX_TITLE_CHARS: Final = 500
_MAX_DATE_CHARS: Final = 100
_SALT: Final = b"html"
_SEEN: Final = 4  # characters that are read for one of text, since blanks are dropped later
_MARK: Final = "data-aggregator-part"  # an attribute that no page has
_LINKS: Final = "a[href]"
_LISTED: Final = "article, li"
_TIMES: Final = "time"
# Links in these lead around the site.
_AROUND: Final = "nav a, footer a, aside a, [role=navigation] a"
_HEADINGS: Final = "h1, h2, h3, h4, h5, h6"
_MIN_WORDS: Final = 4  # words of a headline; names of rubrics and topics are shorter
_MIN_SIGNS: Final = 12  # characters of a headline in a script without blanks


def read_link_list(
    body: bytes,
    select: Select,
    publishers: Publishers,
    *,
    url: str,
    headers: Mapping[str, str],
    now: datetime,
    known: Collection[str],
) -> ParsedFeed:
    """Return the links of a web page that `select` finds as entries, in the page's order, each address once.

    Without selectors, the links that look like those of articles are used. Entries whose `raw_hash` is in `known` are
    left out. If no link was found at all, known or not, `kind` is None: the page's markup has probably changed.
    `format` is always "html".
    """
    text = decode(body, content_type=headers.get("content-type", ""), declared=html_declaration(body))
    tree = HTMLTree.parse(text[:_MAX_PAGE_CHARS])
    entries = list(_entries(tree, select, publishers, url, now))
    if not entries:
        missing = "no element fits `select`" if select != Select() else "no link looks like that of an article"
        return ParsedFeed(kind=None, format="html", error=missing)
    return ParsedFeed(
        kind="feed",
        format="html",
        title=" ".join((tree.title or "").split())[:_MAX_TITLE_CHARS],
        link=url,
        entries=tuple(entry for entry in entries if entry.raw_hash not in known),
        raw_hashes=tuple(entry.raw_hash for entry in entries),
    )


def check_select(select: Select) -> None:
    """Raise an error for an invalid CSS selector.

    Raises:
        ValueError: a selector is invalid; the message names it.
    """
    document = HTMLTree.parse("<p>a</p>").document
    assert document is not None
    for name in ("entry", "link", "title", "date"):
        selector = getattr(select, name)
        try:
            if selector:
                document.query_selector_all(selector)
        except CSSParserException:
            raise ValueError(f"{name}: {selector!r} is not CSS") from None


def _entries(tree: HTMLTree, select: Select, publishers: Publishers, url: str, now: datetime) -> Iterator[Entry]:
    """Yield the entries of a page, each address once, `MAX_ENTRIES` at most."""
    link = select.link or _LINKS
    marks = {
        "entry": select.entry or link,
        "link": link,
        "title": select.title or _HEADINGS,
        "date": select.date or _TIMES,
    }
    if select == Select():
        marks |= {"entry": _LISTED, "around": _AROUND}
    root = _marked(tree, marks)
    base_element = root.find(".//base[@href]")
    base = (base_element is not None and absolute(url, base_element.get("href", ""))) or url
    found = _likely(root, base, url, publishers) if select == Select() else _selected(root, base)
    seen: set[str] = set()
    for address, title, raw_date in found:
        if address not in seen and len(seen) < MAX_ENTRIES:
            seen.add(address)
            yield _entry(address, title, raw_date, now)


def _marked(tree: HTMLTree, marks: Mapping[str, str]) -> Element:
    """Return the page as a tree of lxml, in which the attribute `_MARK` names the selectors that find an element.

    `marks` gives each selector by its name. Resiliparse's list of found elements searches again at each access, so it
    is copied once.
    """
    for name, selector in marks.items():
        for node in tree.document.query_selector_all(selector)[:_MAX_MARKED] if tree.document is not None else ():
            node[_MARK] = f"{node.getattr(_MARK) or ''} {name}"
    page = str(tree).encode("utf-8", "replace")
    return document_fromstring(page or b"<html/>", parser=HTMLParser(encoding="utf-8"))


def _entry(address: str, title: str, raw_date: str, now: datetime) -> Entry:
    at = parse_date(raw_date, now) if raw_date else None
    return Entry(
        id=address,
        entry_id=address,
        link=address,
        title=title,
        published_at=at,
        published_raw=raw_date if at is not None else "",
        date_flagged=bool(raw_date) and at is None,
        raw_hash=hash_slice("\0".join((address, title, raw_date)), _SALT),
    )


@dataclass(slots=True)
class _Part:
    """An entry of the page: the first link, title and date in its element, outside of entries nested in it."""

    link: Element | None = None
    title: Element | None = None
    date: Element | None = None


def _parts(root: Element) -> Iterator[tuple[frozenset[str], Element, _Part | None]]:
    """Yield each element that selectors found: the selectors' names, the element, and the entry around it, or None.

    The elements come in the page's order. An entry is complete when all elements have been yielded.
    """
    open_parts: list[_Part] = []
    for event, element in iterwalk(root, events=("start", "end")):
        marks = frozenset(element.get(_MARK, "").split())
        if event == "end":
            if "entry" in marks:
                open_parts.pop()
            continue
        if "entry" in marks:
            open_parts.append(_Part())
        part = open_parts[-1] if open_parts else None
        if part is not None:
            part.link = element if part.link is None and "link" in marks else part.link
            part.title = element if part.title is None and "title" in marks else part.title
            part.date = element if part.date is None and "date" in marks else part.date
        if marks:
            yield marks, element, part


def _date_of(element: Element | None) -> str:
    """Return the date in an element as written: its attribute `datetime` or `content`, else its text."""
    stated = "" if element is None else element.get("datetime") or element.get("content") or ""
    return stated.strip()[:_MAX_DATE_CHARS] or _text(element, _MAX_DATE_CHARS)


def _text(element: Element | None, limit: int) -> str:
    """Return the first `limit` characters of an element's text, on one line."""
    pieces, size = list[str](), 0
    for piece in () if element is None else element.itertext(tag=etree.Element):
        pieces.append(str(piece))
        size += len(piece)
        if size > _SEEN * limit:
            break
    return " ".join("".join(pieces).split())[:limit].rstrip()


def _selected(root: Element, base: str) -> list[tuple[str, str, str]]:
    """Return address, title and date of each entry that the operator's selectors find and that has a link."""
    parts = [part for marks, _, part in _parts(root) if "entry" in marks and part is not None]
    addressed = ((part, absolute(base, part.link.get("href", ""))) for part in parts if part.link is not None)
    return [
        (address, _text(part.title, _MAX_TITLE_CHARS) or _text(part.link, _MAX_TITLE_CHARS), _date_of(part.date))
        for part, address in addressed
        if address is not None
    ]


def _likely(root: Element, base: str, url: str, publishers: Publishers) -> Iterator[tuple[str, str, str]]:
    """Yield address, title and date of the links that look like articles.

    Such a link leads to the same site, not to a section page, and its text is as long as a headline. If several links
    have one address, the longest text is the title. The date is the first time in the list item or article around it.
    """
    best: dict[str, tuple[str, _Part | None]] = {}
    for marks, element, part in _parts(root):
        if "link" not in marks or "around" in marks:
            continue
        address = (absolute(base, element.get("href", "")) or "").partition("#")[0]
        title = _text(element, _MAX_TITLE_CHARS)
        if address and len(title) > len(best.setdefault(address, ("", None))[0]):
            best[address] = (title, part)
    site, own = site_of_url(url, publishers), identify(url, publishers).key
    for address, (title, part) in best.items():
        key = identify(address, publishers).key if _is_headline(title) else None
        if key not in (None, own) and not is_listing(key) and site_of_url(address, publishers) == site:
            yield address, title, _date_of(None if part is None else part.date)


def _is_headline(text: str) -> bool:
    """Return whether a text is as long as a headline.

    >>> _is_headline("Storm leaves two dead"), _is_headline("World news"), _is_headline("嵐で二人が死亡し町が停電した")
    (True, False, True)
    """
    words = text.split()
    return len(words) >= _MIN_WORDS or (not text.isascii() and len(words) <= 2 and len(text) >= _MIN_SIGNS)
