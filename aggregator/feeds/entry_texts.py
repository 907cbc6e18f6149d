"""Title, summary and content of entries. Only this module uses feedparser, which reads the summaries and contents.

feedparser knows how each dialect of RSS and Atom marks up its texts. It gets a small feed that contains only these
texts, as a stream, so that it cannot take the feed for an address and fetches nothing.
"""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from types import MappingProxyType
from typing import Any

import feedparser
from lxml import etree

from aggregator.feeds.entry_fields import EntryTree
from aggregator.feeds.feed_fields import title_text
from aggregator.feeds.markup import has_tags, lines_to_html, looks_like_html, without_soft_hyphens
from aggregator.feeds.xml_tree import NAMESPACES, attribute, inner_html, text_of, unwrap_cdata

# The elements that carry text, each under the name that feedparser knows.
_TEXTS: Mapping[str, str] = MappingProxyType(
    {name: name for name in ("description", "summary", "abstract", "content", "body", "fullitem")}
    | {"atom:summary": "summary", "atom:content": "content"}
    | {"content:encoded": f"{{{NAMESPACES['content']}}}encoded", "encoded": f"{{{NAMESPACES['content']}}}encoded"}
    | {"xhtml:body": f"{{{NAMESPACES['xhtml']}}}body", "dc:description": f"{{{NAMESPACES['dc']}}}description"}
    | {"itunes:summary": f"{{{NAMESPACES['itunes']}}}summary"}
)
_MEDIA_TEXT = "media:description"  # the description of a file; used if the entry has no other text
TITLES = ("title", "atom:title", "dc:title", "news:title", "media:title", "itunes:title")
_MAX_TEXTS = 5  # elements of one name in an entry
_MAX_TEXT_CHARS = 1_000_000
# expat on every machine; feedparser prefers a driver of libxml2, and would search all of the path for it at each call.
feedparser.api.PREFERRED_XML_PARSERS.clear()


@dataclass(frozen=True, slots=True, kw_only=True)
class EntryTexts:
    """The texts of an entry: the title as plain text, summary and content as HTML that is not cleaned."""

    title: str = ""
    summary: str = ""
    content: str = ""


_Source = tuple[str, etree._Element]  # the name for feedparser, and the element


def read_texts(trees: Sequence[EntryTree | None], *, is_atom: bool) -> list[EntryTexts]:
    """Return the texts of each entry, in order. For an unreadable entry (None in `trees`) they are empty."""
    sources = [_sources(tree) if tree is not None else [] for tree in trees]
    found = iter(_run_feedparser([one for one in sources if one], is_atom=is_atom))
    return [
        _entry_texts(_title(tree) if tree is not None else "", next(found) if one else {}, one)
        for tree, one in zip(trees, sources, strict=True)
    ]


def _title(tree: EntryTree) -> str:
    titles = (title_text(child) for name in TITLES for child in tree.children.get(name, ()))
    return next((title for title in titles if title), "")


def _sources(tree: EntryTree) -> list[_Source]:
    """Return the elements with summary and content; if these have no text, the first `media:description` with one."""
    found = [(tag, child) for name, tag in _TEXTS.items() for child in tree.children.get(name, ())[:_MAX_TEXTS]]
    if any(len(child) or text_of(child) for _, child in found):
        return found
    return [("description", child) for child in tree.children.get(_MEDIA_TEXT, ()) if text_of(child)][:1]


def _run_feedparser(entries: Sequence[list[_Source]], *, is_atom: bool) -> list[Mapping[str, Any]]:
    """Return what feedparser reads from the elements of each entry, in order; empty mappings if it fails.

    The values are `Any`, because feedparser is untyped.
    """
    if not entries:
        return []
    headers = {"content-type": "application/xml; charset=utf-8"}
    document = _document(entries, is_atom=is_atom)
    try:
        result = feedparser.parse(  # noqa: TID251  a stream: bytes could be taken for a file's name
            io.BytesIO(document), response_headers=headers, sanitize_html=False, resolve_relative_uris=False
        )
        return [result["entries"][n] for n in range(len(entries))]
    except Exception:  # noqa: BLE001  # pragma: no cover  no input is known that gets here; the entries lose texts
        return [{}] * len(entries)


def _document(entries: Sequence[list[_Source]], *, is_atom: bool) -> bytes:
    """Return a small feed that contains only the texts of the entries."""
    core = f"{{{NAMESPACES['atom']}}}" if is_atom else ""
    root = etree.Element(f"{core}feed") if is_atom else etree.Element("rss", version="2.0")
    parent = root if is_atom else etree.SubElement(root, "channel")
    for sources in entries:
        entry = etree.SubElement(parent, f"{core}entry" if is_atom else "item")
        for tag, child in sources:
            _copy_text(child, etree.SubElement(entry, tag if tag.startswith("{") else core + tag), is_atom=is_atom)
    return bytes(etree.tostring(root, encoding="utf-8", xml_declaration=True))


def _copy_text(source: etree._Element, target: etree._Element, *, is_atom: bool) -> None:
    """Copy text and type of `source` to `target`; child elements become HTML.

    The text becomes CDATA, because expat passes CDATA on in one piece.
    """
    if len(source):
        text = inner_html(source)[:_MAX_TEXT_CHARS]
        target.set("type", "text/html")
    else:
        text = unwrap_cdata((source.text or "")[:_MAX_TEXT_CHARS])
        for name in ("type", "mode"):
            if value := attribute(source, name):
                target.set(name, "text/plain" if value == "plain" else value[:100])  # "plain": Media RSS
        # RSS means HTML. Atom means plain text (RFC 4287, 3.1.1); programs that leave the type out write HTML as well.
        if "type" not in target.attrib and (not is_atom or (has_tags(text) and looks_like_html(text))):
            target.set("type", "text/html")
    target.text = text if "]]>" in text else etree.CDATA(text)


def _entry_texts(title: str, entry: Mapping[str, Any], sources: list[_Source]) -> EntryTexts:
    """Return the texts of an entry that feedparser read. Of several contents the longest is used.

    A summary that equals one of the contents is left out.
    """
    is_declared = any(attribute(child, "type") or len(child) for _, child in sources)
    contents = [_as_html(part, is_declared) for part in entry.get("content", ())]
    content = max(contents, key=len, default="")
    summary = _as_html(entry.get("summary_detail") or {"value": entry.get("summary") or ""}, is_declared)
    return EntryTexts(title=title, summary="" if summary in contents else summary, content=content)


def _as_html(part: Mapping[str, Any], is_declared: bool) -> str:
    """Return, as HTML, a text that feedparser read; plain text keeps its paragraphs and lines.

    The values of `part` are `Any`, because feedparser is untyped.
    """
    value = str(part.get("value") or "")
    if part.get("type") == "text/plain":
        return lines_to_html(without_soft_hyphens(escape(value, quote=False)))
    value = without_soft_hyphens(value)
    return value if is_declared or has_tags(value) else lines_to_html(value, wrapped=True)
