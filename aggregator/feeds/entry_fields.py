"""The fields of one entry of an XML feed: id, link, dates, authors, attachments and categories.

They are read from the entry's own elements, because feedparser confuses some of them: a Dublin Core date with the date
of an update, an id with a link. Title, summary and content are read by `entry_texts`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime

from lxml import etree

from aggregator.feeds.xml_tree import XML, Context, attribute, context_of, name_of, text_of
from aggregator.models.feeds import Enclosure
from aggregator.text.dates import parse_date
from aggregator.urls import absolute

_PUBLISHED = (
    "pubdate",
    "published",
    "atom:published",
    "issued",
    "atom:issued",
    "dc:date",
    "dcterms:issued",
    "dcterms:available",
    "dc:date.issued",
    "dcterms:date",
    "prism:publicationdate",
    "date",
    "created",
    "atom:created",
    "dcterms:created",
    "dc:created",
    "news:publication_date",
)
_UPDATED = ("updated", "atom:updated", "modified", "atom:modified", "dcterms:modified", "dc:modified", "lastmod")
_AUTHORS = ("author", "atom:author", "dc:creator", "dc:author", "creator", "itunes:author")
_IDS = ("guid", "id", "atom:id")
_LINKS = ("link", "atom:link")
_CATEGORIES = ("category", "atom:category", "dc:subject", "itunes:category", "media:category")
_HTML_TYPES = frozenset({"", "text/html", "application/xhtml+xml", "html", "xhtml"})

# "name@example.org (Full Name)" of RSS 2.0, "Full Name <name@example.org>" of mail.
_MAIL_FIRST = re.compile(r"(?:mailto:)?[^\s@()<>]{1,80}@[^\s@()<>]{1,120}\s*\(\s*([^()]{1,200}?)\s*\)")
_MAIL_LAST = re.compile(r"([^<>()]{1,200}?)\s*[<(]\s*(?:mailto:)?[^\s@()<>]{1,80}@[^\s@()<>]{1,120}\s*[>)]")
_HOLDERS = ("media:", "news:")  # fields stand within others: Media RSS at any depth, news sitemaps
_FILES = ("enclosure", "atom:enclosure", "media:content", *_LINKS, "media:thumbnail", "itunes:image")
_MAX_AUTHOR_CHARS = 400
_MAX_AUTHORS = 50


@dataclass(frozen=True, slots=True)
class EntryTree:
    """The elements in an entry, in document order under each short name, and the address that links are relative to."""

    element: etree._Element
    children: dict[str, list[etree._Element]]
    base: str


@dataclass(frozen=True, slots=True, kw_only=True)
class EntryDates:
    """When an entry was published and updated (None: not known). `published_raw` is the date of publication as written.

    `flagged` True: one of the dates is not known, although the entry has an element for it.
    """

    published_at: datetime | None
    updated_at: datetime | None
    published_raw: str
    flagged: bool


def read_tree(element: etree._Element, context: Context, base: str) -> EntryTree:
    """Return the child elements of an entry by name. Elements within a `media:` or `news:` child count, too.

    `base` is the address that the links of the entry's parent are relative to.
    """
    children: dict[str, list[etree._Element]] = {}
    context = context_of(element, context)
    for child in element.iterchildren(tag=etree.Element):
        name = name_of(child, context)
        children.setdefault(name, []).append(child)
        if len(child) and name.startswith(_HOLDERS):
            for part in child.iterdescendants(tag=etree.Element):
                children.setdefault(name_of(part, context), []).append(part)
    return EntryTree(element, children, base_of(element, base))


def base_of(element: etree._Element, base: str) -> str:
    """Return the address that links in `element` are relative to (XML Base). `base` is that of its parent."""
    own = element.get(XML + "base")
    if not own:
        return base
    return absolute(base, own) or base


def _first(tree: EntryTree, names: tuple[str, ...]) -> list[etree._Element]:
    return [child for name in names if name in tree.children for child in tree.children[name]]


def read_id(tree: EntryTree) -> str:
    """Return the entry's id: `guid` or `id`, or in RSS 1.0 `rdf:about`; `""` if there is none."""
    for child in _first(tree, _IDS):
        if text := text_of(child):
            return text
    return attribute(tree.element, "about") or attribute(tree.element, "resource")


def read_link(tree: EntryTree, *, entry_id: str) -> str | None:
    """Return the absolute address of the entry; `None` if there is none.

    An alternate link to HTML is preferred, then another alternate link, an id that is an address, the `loc` of a
    sitemap.
    """
    candidates: list[tuple[int, str, str]] = []
    for child in _first(tree, _LINKS):
        href = attribute(child, "href")
        rel = (attribute(child, "rel") or "alternate").lower().rpartition("/")[2]
        if href and rel == "alternate":
            preferred = 0 if attribute(child, "type").lower() in _HTML_TYPES else 1
            candidates.append((preferred, href, base_of(child, tree.base)))
        elif text := text_of(child):
            candidates.append((0, text, base_of(child, tree.base)))
    if href := attribute(tree.element, "href"):  # CDF
        candidates.append((0, href, tree.base))
    for _, link, base in sorted(candidates, key=lambda candidate: candidate[0]):
        if address := absolute(base, link):
            return address
    if entry_id.lower().startswith(("http://", "https://")) and is_permalink(tree):
        return absolute(tree.base, entry_id)
    return absolute(tree.base, read_text(tree, "loc"))  # a sitemap


def is_permalink(tree: EntryTree) -> bool:
    """Return whether the guid may be used as an address (RSS 2.0): not if `isPermaLink` is false. No guid: True."""
    return all(attribute(child, "ispermalink").lower() != "false" for child in tree.children.get("guid", ()))


def read_dates(tree: EntryTree, now: datetime, language: str = "") -> EntryDates:
    """Return when the entry was published and updated.

    For each, elements of several names are searched in a fixed order, and the first plausible date is used. Of several
    elements of one name, the last is tried first.
    """
    published_at, published_raw, doubt = _read_date(tree, _PUBLISHED, now, language)
    updated_at, _, other_doubt = _read_date(tree, _UPDATED, now, language)
    if updated_at is None and (changed := attribute(tree.element, "lastmod")):
        updated_at = parse_date(changed, now, language)
        other_doubt = other_doubt or updated_at is None
    return EntryDates(
        published_at=published_at,
        updated_at=updated_at,
        published_raw=published_raw,
        flagged=(doubt and published_at is None) or (other_doubt and updated_at is None),
    )


def read_raw_date(tree: EntryTree) -> str:
    """Return the entry's date of publication, or else of update, as written; `""` if there is none."""
    return next((raw for child in _first(tree, _PUBLISHED + _UPDATED) if (raw := text_of(child))), "")


def _read_date(
    tree: EntryTree, names: tuple[str, ...], now: datetime, language: str
) -> tuple[datetime | None, str, bool]:
    doubt, first_raw = False, ""
    for name in names if tree.children else ():
        for child in reversed(tree.children.get(name, ())):  # the last one of several, as feedparser does
            raw = text_of(child)
            if not raw:
                continue
            if at := parse_date(raw, now, language):
                return at, raw, doubt
            doubt, first_raw = True, first_raw or raw
    return None, first_raw, doubt


def read_authors(tree: EntryTree) -> tuple[str, ...]:
    """Return the names of the authors, each once: those in `author` elements come before those in `dc:creator`.

    `itunes:author` counts only if no other element names an author.
    """
    names: dict[str, None] = {}
    for kind in _AUTHORS:
        if kind == "itunes:author" and names:
            break
        for child in tree.children.get(kind, ())[:_MAX_AUTHORS]:
            if name := _read_person(child):
                names.setdefault(name)
    return tuple(names)


def _read_person(element: etree._Element) -> str:
    """Return the name in an author element: its child `name`, `email` or `uri` (Atom), else the name in its text."""
    parts = {str(child.tag).rpartition("}")[2].rpartition(":")[2].lower(): child for child in element.iterchildren()}
    for part in ("name", "email", "uri"):
        if part in parts and (text := text_of(parts[part])):
            return " ".join(text.split())[:_MAX_AUTHOR_CHARS]
    return person_name(text_of(element))


def person_name(text: str) -> str:
    """Return the name in `text` without the mail address beside it. An address without a name is returned unchanged.

    >>> person_name("zoe@example.org (Zoë Müller)"), person_name("zoe@example.org")
    ('Zoë Müller', 'zoe@example.org')
    """
    text = " ".join(text[:_MAX_AUTHOR_CHARS].split())
    match = _MAIL_FIRST.fullmatch(text) or _MAIL_LAST.fullmatch(text)
    return match.group(1).strip(" \"'") if match else text


def read_enclosures(tree: EntryTree) -> tuple[Enclosure, ...]:
    """Return the entry's attachments, each address once; preview pictures come last."""
    found: dict[str, Enclosure] = {}
    running_time = _seconds(read_text(tree, "itunes:duration"))  # belongs to the first file
    for child in _first(tree, _FILES):
        name = str(child.tag).rpartition("}")[2].lower()
        if name == "link" and attribute(child, "rel").lower() != "enclosure":
            continue
        if address := absolute(base_of(child, tree.base), attribute(child, "url") or attribute(child, "href")):
            length = attribute(child, "length") or attribute(child, "filesize")
            duration = _seconds(attribute(child, "duration")) or (running_time if not found else None)
            kind = attribute(child, "type") or ("image/*" if name in ("thumbnail", "image") else "")
            enclosure = Enclosure(url=address, type=kind, length=_number(length), duration=duration)
            found.setdefault(address, enclosure)
    return tuple(found.values())


def _seconds(text: str) -> int | None:
    """Return the seconds of a duration, written as H:M:S, M:S or seconds; None: it is written in another way.

    >>> _seconds("1:02:03"), _seconds("95.4"), _seconds("an hour")
    (3723, 95, None)
    """
    parts = text.partition(".")[0].split(":")
    if not all(part.isascii() and part.isdigit() and len(part) < 7 for part in parts) or len(parts) > 3:
        return None
    total = 0
    for part in parts:
        total = total * 60 + int(part)
    return total


def _number(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 16 else None


def read_categories(tree: EntryTree) -> tuple[str, ...]:
    """Return the categories, each once, in order."""
    terms: dict[str, None] = {}
    for child in _first(tree, _CATEGORIES):
        term = text_of(child) or attribute(child, "label") or attribute(child, "term") or attribute(child, "text")
        if term:
            terms.setdefault(" ".join(term.split()))
    return tuple(terms)


def read_text(tree: EntryTree, name: str) -> str:
    """Return the text of the first child called `name` that has a text; `""` if there is none."""
    return next((text for child in tree.children.get(name, ()) if (text := text_of(child))), "")
