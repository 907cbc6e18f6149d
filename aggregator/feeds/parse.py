"""Bytes of a feed to `ParsedFeed`; the only user of feedparser. It never raises, fetches nothing and cleans no HTML.

feedparser reads the texts of the entries; ids, links, dates, authors and the feed's own fields, where it guesses or
resolves, are read from the elements themselves (`entryxml`, `feedhead`). Both see each entry alone, cut out and made
well-formed, so one broken entry spoils no other, and an entry parsed later reads the same as with all others.
"""

from __future__ import annotations

import io
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from types import MappingProxyType
from typing import Any

import feedparser
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
from aggregator.feeds.feed_fields import Head, read_feed_head, title_text
from aggregator.feeds.json_feed import parse_json_feed
from aggregator.feeds.repair import FeedText, has_active_markup, plain_text
from aggregator.feeds.repair import read_text as read_feed_text
from aggregator.feeds.slices import Root, find_root, hash_slice, salt_of, split
from aggregator.feeds.xml_tree import NAMESPACES, XML, Context, attribute, inner_html, read_head, read_slice, text_of
from aggregator.models.records import Entry, FeedHints, ParsedFeed
from aggregator.urls import absolute

NO_HEADERS: Mapping[str, str] = MappingProxyType({})

# What feedparser is given of an entry: its texts, each under one name. Everything else is read here.
_CORE_TEXTS = ("title", "description", "summary", "abstract", "content", "body", "fullitem")
_TEXTS: Mapping[str, str] = MappingProxyType(
    {name: name for name in _CORE_TEXTS}
    | {"atom:summary": "summary", "atom:content": "content"}
    | {"content:encoded": f"{{{NAMESPACES['content']}}}encoded", "encoded": f"{{{NAMESPACES['content']}}}encoded"}
    | {"xhtml:body": f"{{{NAMESPACES['xhtml']}}}body", "dc:description": f"{{{NAMESPACES['dc']}}}description"}
    | {"media:description": f"{{{NAMESPACES['media']}}}description"}
    | {"itunes:summary": f"{{{NAMESPACES['itunes']}}}summary"}
)
_TITLES = ("title", "atom:title", "dc:title", "news:title", "media:title", "itunes:title")
_TELLING = frozenset({*_TEXTS, *_TITLES})  # an entry without any of them has no text for feedparser
_MAX_TEXTS = 5  # of one name in an entry
_MAX_TEXT_CHARS = 1_000_000
_MAX_TITLE_CHARS = 10_000
_MAX_NAMESPACES = 60
_UNCLEAR_TEXT = re.compile(r"[\r\x7f-\xff]|]]>")  # what feedparser may take for UTF-8 or cp1252 that was misread
_UNCLEAR_TITLE = re.compile(r"[<&\r\x7f-\xff]")
_HTML = frozenset({"text/html", "application/xhtml+xml"})


def parse_feed(body: bytes, *, url: str = "", headers: Mapping[str, str] = NO_HEADERS, now: datetime) -> ParsedFeed:
    """Return everything a feed's bytes say; `kind` says what they are.

    `url` is where they came from (links are relative to it), `headers` those of the answer.
    """
    return parse_new(body, url=url, headers=headers, now=now, known=frozenset())


def parse_new(
    body: bytes, *, url: str, headers: Mapping[str, str] = NO_HEADERS, now: datetime, known: Collection[str]
) -> ParsedFeed:
    """Return the feed with those entries only whose `raw_hash` is not `known`; each is what `parse_feed` gives."""
    base = absolute(url, _header(headers, "content-location")) or url
    text = read_feed_text(body, headers)
    if text.too_large:
        return ParsedFeed(kind=None, format=None, error="too large when inflated")
    if text.body[:1] in ("{", "["):
        feed = parse_json_feed(text.body, url=base, now=now, known=known)
        return replace(feed, complete=feed.complete and text.complete)
    root = find_root(text.body)
    if root is None:
        return ParsedFeed(kind=None, format=None, error="empty" if not text.body.strip() else "neither feed nor page")
    if root.kind == "html":
        return ParsedFeed(kind="html", format=None)
    return _parse_xml(text, root, base, now, known)


def _header(headers: Mapping[str, str], name: str) -> str:
    return next((value for key, value in headers.items() if key.lower() == name), "")


def _parse_xml(text: FeedText, root: Root, base: str, now: datetime, known: Collection[str]) -> ParsedFeed:
    sliced = split(text.body, root)
    tree = read_head(sliced.head, text.entities)
    context = _context(tree, root, text)
    head = read_feed_head(tree, context, base) if tree is not None else _NO_HEAD
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
    texts = _read_texts([trees[i] for i in selected], is_atom=context.is_atom)
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
        title=next((title for name in _TITLES if (title := read_text(tree, name))), ""),
    )


_NO_HEAD = Head(
    title="",
    link=None,
    language="",
    authors=(),
    base="",
    hints=FeedHints(),
    hub=None,
    self_url=None,
    previous_url=None,
)


def _context(tree: etree._Element | None, root: Root, text: FeedText) -> Context:
    """Return the namespaces in scope of the entries; those of a channel around them too."""
    namespaces: dict[str | None, str] = {}
    if tree is not None:
        for child in tree.iterchildren(tag=etree.Element):
            if str(child.tag).lower().endswith("channel"):
                namespaces.update(child.nsmap)
        namespaces.update(tree.nsmap)
    if len(namespaces) > _MAX_NAMESPACES:
        namespaces = {prefix: uri for prefix, uri in namespaces.items() if prefix is None or prefix in NAMESPACES}
    return Context(namespaces=namespaces, is_atom=root.kind == "atom", entities=text.entities)


def _entry_tree(piece: str, context: Context, base: str) -> EntryTree | None:
    element = read_slice(piece, context)
    return read_tree(element, context, base) if element is not None else None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Texts:
    """The texts of an entry as feedparser reads them."""

    title: str = ""
    summary: str = ""
    content: str = ""


def _read_texts(trees: Sequence[EntryTree | None], *, is_atom: bool) -> list[_Texts]:
    """Return the texts of each entry, in order."""
    telling = [tree for tree in trees if tree is not None and not _TELLING.isdisjoint(tree.children)]
    titles = [_pick_title(tree) for tree in telling]
    texts = {}
    unclear = []
    for tree, title in zip(telling, titles, strict=True):
        plain = None if is_atom else _plain_texts(tree, title)
        if plain is None:
            unclear.append((tree, title))
        else:
            texts[id(tree)] = plain
    if unclear:
        found = _run_feedparser(_document([tree for tree, _ in unclear], is_atom=is_atom), len(unclear))
        texts |= {id(tree): _texts(entry, title) for (tree, title), entry in zip(unclear, found, strict=True)}
    return [texts.get(id(tree), _Texts()) for tree in trees]


def _plain_texts(tree: EntryTree, title: str) -> _Texts | None:
    """Return the texts of an RSS entry that leaves feedparser nothing to guess: what it would say; None: it has to.

    Such an entry has a title without markup and one description at most, both without attributes and without letters
    that may come of a wrong encoding. Half of a parse is saved.
    """
    texts = {"title": "", "description": ""}
    for name in tree.children:
        if name not in _TEXTS:
            continue
        first, *others = tree.children[name]
        text = first.text or ""
        unclear = _UNCLEAR_TITLE if name == "title" else _UNCLEAR_TEXT
        if name not in texts or others or len(first) or first.attrib or unclear.search(text):
            return None
        texts[name] = text
    if (title and "title" in tree.children) or any(map(_is_too_long, texts.items())):
        return None
    return _Texts(title=title or " ".join(texts["title"].split()), summary=texts["description"].strip())


def _is_too_long(named: tuple[str, str]) -> bool:
    return len(named[1]) > (_MAX_TITLE_CHARS if named[0] == "title" else _MAX_TEXT_CHARS)


def _pick_title(tree: EntryTree) -> str:
    """Return the title if it is not the format's own `title`, and leave feedparser only one of those."""
    for name in _TITLES:
        for child in tree.children.get(name, ()):
            if text_of(child):
                if name == "title":
                    tree.children["title"] = [child]
                    return ""
                return title_text(child)
    return ""


def _document(trees: Sequence[EntryTree], *, is_atom: bool) -> bytes:
    """Return a feed of our own that holds nothing but the texts of its entries: what feedparser reads."""
    core = f"{{{NAMESPACES['atom']}}}" if is_atom else ""
    root = etree.Element(f"{core}feed") if is_atom else etree.Element("rss", version="2.0")
    parent = root if is_atom else etree.SubElement(root, "channel")
    for tree in trees:
        entry = etree.SubElement(parent, f"{core}entry" if is_atom else "item")
        for name, tag in _TEXTS.items():
            for child in tree.children.get(name, ())[:_MAX_TEXTS]:
                text = etree.SubElement(entry, tag if tag.startswith("{") else core + tag)
                _copy_text(child, text, is_atom=is_atom)
    return bytes(etree.tostring(root, encoding="utf-8", xml_declaration=True))


def _copy_text(source: etree._Element, target: etree._Element, *, is_atom: bool) -> None:
    """Give `target` the text of `source`, elements as HTML, in CDATA: expat hands that on in one piece."""
    is_title = str(target.tag).endswith("title")
    limit = _MAX_TITLE_CHARS if is_title else _MAX_TEXT_CHARS
    if len(source):
        text = inner_html(source)[:limit]
        target.set("type", "text/html")
    else:
        text = (source.text or "")[:limit]
        for name in ("type", "mode"):
            if value := attribute(source, name):
                target.set(name, value[:100])
        if not is_atom and not is_title and "type" not in target.attrib:
            target.set("type", "text/html")  # what it is in RSS; saves a guess that takes long
    target.text = text if "]]>" in text else etree.CDATA(text)


def _run_feedparser(document: bytes, count: int) -> list[Mapping[str, Any]]:  # Any: feedparser is untyped
    """Return feedparser's `count` entries. The document is our own, so a failure is a defect of feedparser."""
    headers = {"content-type": "application/xml; charset=utf-8"}
    try:
        result = feedparser.parse(  # noqa: TID251  a stream: bytes could be taken for a file's name
            io.BytesIO(document), response_headers=headers, sanitize_html=False, resolve_relative_uris=False
        )
        return [result["entries"][n] for n in range(count)]
    except Exception:  # noqa: BLE001  # pragma: no cover  no input is known that gets here; the entries lose texts
        return [{}] * count


def _texts(entry: Mapping[str, Any], title: str) -> _Texts:  # Any: feedparser is untyped
    """Return the texts that feedparser found; the fullest content counts, and a copy of it is no summary."""
    detail = entry.get("title_detail") or {}
    raw_title = str(detail.get("value") or entry.get("title") or "")
    if detail.get("type") in _HTML or has_active_markup(raw_title):
        title = plain_text(raw_title)
    elif raw_title:
        title = " ".join(raw_title.split())
    contents = [_as_html(part) for part in entry.get("content", ())]
    content = max(contents, key=len, default="")
    summary = _as_html(entry.get("summary_detail") or {"value": entry.get("summary") or ""})
    return _Texts(title=title, summary="" if summary in contents else summary, content=content)


def _as_html(part: Mapping[str, Any]) -> str:  # Any: feedparser is untyped
    value = str(part.get("value") or "")
    return _escape(value) if part.get("type") == "text/plain" and "<" in value else value


def _escape(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _entry(
    tree: EntryTree, mark: Mark, texts: _Texts, head: Head, raw_hash: str, entry_id: str, now: datetime
) -> Entry:
    dates = read_dates(tree, now)
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
        language=tree.element.get(XML + "lang") or read_text(tree, "dc:language") or head.language,
        is_permalink=bool(tree.children.get("guid")) and is_permalink(tree),
        original_link=absolute(tree.base, original),
        content_id=read_text(tree, "dwsyn:contentid") or None,
        raw_hash=raw_hash,
    )
