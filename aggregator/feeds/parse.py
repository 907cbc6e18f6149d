"""Parses the bytes of a feed to a `ParsedFeed`. It never raises, fetches nothing and cleans no HTML.

Each entry is cut out, made well-formed and read alone. So a broken entry does not affect others, and an entry is read
in the same way whichever others are left out because they are known.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from datetime import datetime
from types import MappingProxyType

from lxml import etree

from aggregator.feeds.entry_fields import (
    EntryTree,
    is_permalink,
    read_authors,
    read_categories,
    read_dates,
    read_enclosures,
    read_id,
    read_link,
    read_raw_date,
    read_text,
    read_tree,
)
from aggregator.feeds.entry_ids import WORKING_IDS, Mark, choose_rule, entry_id_of, has_plain_ids
from aggregator.feeds.entry_texts import TITLES, EntryTexts, read_texts
from aggregator.feeds.feed_fields import Head, read_feed_head
from aggregator.feeds.json_feed import parse_json_feed
from aggregator.feeds.json_repair import find_json
from aggregator.feeds.repair import FeedText
from aggregator.feeds.repair import read_text as read_feed_text
from aggregator.feeds.slices import Root, find_root, hash_slice, salt_of, split
from aggregator.feeds.xml_tree import CORE, NAMESPACES, XML, Context, read_head, read_slice
from aggregator.models.feeds import Entry, ParsedFeed
from aggregator.urls import absolute

NO_HEADERS: Mapping[str, str] = MappingProxyType({})

_MAX_NAMESPACES = 60


def parse_feed(
    body: bytes,
    *,
    url: str = "",
    headers: Mapping[str, str] = NO_HEADERS,
    now: datetime,
    known: Collection[str] = (),
) -> ParsedFeed:
    """Return the parsed content of an answer: a feed (XML or JSON), or for an HTML page only its kind.

    `url` is the address of the answer, to which links are relative. `headers` are its headers, with names in lower
    case. Entries whose `raw_hash` is in `known` are left out. If the answer is neither feed nor page, `kind` is None
    and `error` has the reason.
    """
    base = absolute(url, headers.get("content-location", "")) or url
    text = read_feed_text(body, headers)
    if text.too_large:
        return ParsedFeed(kind=None, format=None, error="too large when inflated")
    root = find_root(text.body)
    start = find_json(text.body, end=root.start if root else None)
    if start is not None:
        feed = parse_json_feed(text.body[start:], url=base, now=now, known=known)
        return replace(feed, complete=feed.complete and text.complete)
    if root is None:
        return ParsedFeed(kind=None, format=None, error="empty" if not text.body.strip() else "neither feed nor page")
    if root.kind == "html":
        return ParsedFeed(kind="html", format=None)
    return _parse_xml(text, root, base, now, known)


def _parse_xml(text: FeedText, root: Root, base: str, now: datetime, known: Collection[str]) -> ParsedFeed:
    sliced = split(text.body, root)
    tree = read_head(sliced.head, text.entities)
    context = _context(tree, root, text)
    head = read_feed_head(tree, context, base) if tree is not None else Head()
    salt = salt_of(sliced.head)
    hashes = tuple(hash_slice(piece, salt) for piece in sliced.slices)
    selected = [i for i, raw_hash in enumerate(hashes) if raw_hash not in known]
    plain = has_plain_ids(sliced.slices)
    trees = {
        i: _entry_tree(sliced.slices[i], context, head.base or base)
        for i in (selected if plain else range(len(hashes)))
    }
    marks = {i: _mark(entry_tree) for i, entry_tree in trees.items() if entry_tree is not None}
    rule = WORKING_IDS if plain else choose_rule(list(marks.values()))
    texts = read_texts([trees[i] for i in selected], is_atom=context.is_atom)
    entries = tuple(
        _entry(entry_tree, marks[i], text, head, hashes[i], entry_id_of(marks[i], rule), now)
        for i, text in zip(selected, texts, strict=True)
        if (entry_tree := trees[i]) is not None
    )
    return ParsedFeed(
        kind="feed",
        format=root.kind if root.kind != "html" else None,
        title=head.title,
        link=head.link,
        language=head.language,
        entries=entries,
        hints=head.hints,
        hub=head.hub,
        self_url=head.self_url,
        previous_url=head.previous_url,
        generator=head.generator,
        complete=sliced.complete and text.complete,
        raw_hashes=hashes,
        entry_id_rule=rule.rule,
    )


def _mark(tree: EntryTree) -> Mark:
    entry_id = read_id(tree)
    return Mark(
        id=entry_id,
        link=read_link(tree, entry_id=entry_id) or "",
        date=read_raw_date(tree),
        title=next((title for name in TITLES if (title := read_text(tree, name))), ""),
    )


def _context(tree: etree._Element | None, root: Root, text: FeedText) -> Context:
    """Return what applies to all entries: the namespaces of root and channel (`tree`), the entities, the format."""
    namespaces: dict[str | None, str] = {}
    if tree is not None:
        namespaces.update(tree.nsmap)
        for child in tree.iterchildren(tag=etree.Element):
            if str(child.tag).lower().endswith("channel"):
                namespaces.update(child.nsmap)
    if len(namespaces) > _MAX_NAMESPACES:
        namespaces = {prefix: uri for prefix, uri in namespaces.items() if prefix is None or prefix in NAMESPACES}
    return Context(
        namespaces=namespaces,
        is_atom=root.kind == "atom",
        entities=text.entities,
        default=_misused_default(namespaces, root),
    )


def _misused_default(namespaces: Mapping[str | None, str], root: Root) -> str:
    """Return the feed's default namespace in lower case, whose elements count as elements of the feed's format.

    Some RSS feeds declare that of Atom, Media RSS, iTunes, XHTML or Dublin Core by mistake. `""`: there is none, or the
    feed has a prefix for the elements of its format.
    """
    has_own_prefix = ":" in root.name and root.kind == "atom"
    has_own_prefix |= any(prefix and uri.lower() in CORE for prefix, uri in namespaces.items())
    return "" if has_own_prefix else namespaces.get(None, "").lower()


def _entry_tree(piece: str, context: Context, base: str) -> EntryTree | None:
    element = read_slice(piece, context)
    return read_tree(element, context, base) if element is not None else None


def _entry(
    tree: EntryTree, mark: Mark, texts: EntryTexts, head: Head, raw_hash: str, entry_id: str, now: datetime
) -> Entry:
    language = tree.element.get(XML + "lang") or read_text(tree, "dc:language") or head.language
    dates = read_dates(tree, now, language)
    original = read_text(tree, "feedburner:origlink")
    return Entry(
        id=mark.id,
        entry_id=entry_id,
        link=mark.link or None,
        title=texts.title,
        published_at=dates.published_at,
        updated_at=dates.updated_at,
        published_raw=dates.published_raw,
        date_flagged=dates.flagged,
        authors=read_authors(tree) or head.authors,
        summary=texts.summary,
        content=texts.content,
        enclosures=read_enclosures(tree),
        categories=read_categories(tree),
        language=language,
        is_permalink=bool(tree.children.get("guid")) and is_permalink(tree),
        original_link=absolute(tree.base, original),
        content_id=read_text(tree, "dwsyn:contentid") or None,
        raw_hash=raw_hash,
    )
