"""Reads the JSON-LD (schema.org) in a page's source, and finds the object that describes its article.

Many blocks are not valid JSON: raw line ends, comment marks around the block, surplus commas, HTML escapes. These
faults are repaired. A block that still cannot be read is left out.
"""

from __future__ import annotations

import html
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

Node = Mapping[str, Any]  # a JSON object: any value may stand there until it is looked at

_SCRIPT = re.compile(r"<script\b([^>]{0,500})>", re.IGNORECASE)
_END = re.compile(r"</script", re.IGNORECASE)
_OPENING = re.compile(r"<!--|//\s*<!\[CDATA\[|/\*\s*<!\[CDATA\[\s*\*/|<!\[CDATA\[")
_CLOSING = re.compile(r"(?:-->|//\s*\]\]>|/\*\s*\]\]>\s*\*/|\]\]>)$")
_CLOSING_CHARS = 40
_TRAILING_COMMA = re.compile(r",(\s{0,99}[}\]])")
_ARTICLE = re.compile(r"(?:Article|Posting|Report|Review|Reportage|Recipe|Essay|Interview)$")
_TAG = re.compile(r"<[^<>]{0,1000}>")
_MAX_NODES = 5000


@dataclass(frozen=True, slots=True, kw_only=True)
class JsonLd:
    """The JSON-LD of a page: the object of its `article` (empty: there is none), and all objects with an `@id`."""

    article: Node = field(default_factory=dict)
    by_id: Mapping[str, Node] = field(default_factory=dict)

    def resolve(self, node: object) -> object:
        """Return the object that a bare reference (`{"@id": ...}`) means; any other value is returned unchanged."""
        if isinstance(node, Mapping) and isinstance(name := node.get("@id"), str) and "name" not in node:
            return self.by_id.get(name, node)
        return node


def read_json_ld(page: str, url: str) -> JsonLd:
    """Read all JSON-LD blocks of a page.

    If they have several articles, an article whose address is `url` is preferred, then one with a headline, then the
    first.
    """
    nodes = [node for block in _blocks(page) for node in _nodes(block)]
    by_id: dict[str, Node] = {}
    for node in nodes:
        if isinstance(name := node.get("@id"), str) and ("name" in node or name not in by_id):
            by_id[name] = node
    articles = [node for node in nodes if is_article(node)]
    articles.sort(key=lambda node: (url not in _addresses(node), not text_of(node.get("headline"))))
    return JsonLd(article=articles[0] if articles else {}, by_id=by_id)


def is_article(node: Node) -> bool:
    """Return whether the object's type is a kind of article (NewsArticle, BlogPosting, Recipe)."""
    return any(_ARTICLE.search(kind) for kind in types_of(node))


def types_of(node: Node) -> list[str]:
    """Return the type names of an object."""
    kind = node.get("@type")
    return [name for name in (kind if isinstance(kind, list) else [kind]) if isinstance(name, str)]


def text_of(value: object) -> str:
    """Return a value as one line of plain text; `""`: the value is no text.

    A list gives the text of its first member, an object that of its `@value`.

    >>> text_of("Fish &amp; <b>chips</b>")
    'Fish & chips'
    """
    if isinstance(value, list):
        return text_of(value[0]) if value else ""
    if isinstance(value, Mapping):
        return text_of(value.get("@value"))
    if not isinstance(value, str):
        return ""
    if "&" in value or "<" in value:
        value = _TAG.sub(" ", html.unescape(html.unescape(value)))
    return " ".join(value.split())


def _blocks(page: str) -> Iterator[object]:
    for found, start in enumerate(_SCRIPT.finditer(page)):
        if "ld+json" not in start.group(1).lower() or found > 2000:
            continue
        end = _END.search(page, start.end())
        parsed = _parse(page[start.end() : end.start() if end else len(page)])
        if parsed is not None:
            yield parsed


def _parse(block: str) -> object:
    block = block.strip()
    if opening := _OPENING.match(block):
        block = block[opening.end() :]
    block = (block[:-_CLOSING_CHARS] + _CLOSING.sub("", block[-_CLOSING_CHARS:])).strip().rstrip(";")
    for repair in (str, lambda text: _TRAILING_COMMA.sub(r"\1", text), html.unescape):
        try:
            parsed: object = json.loads(repair(block), strict=False)
        except (ValueError, RecursionError):
            continue
        return parsed
    return None


def _nodes(block: object) -> Iterator[Node]:
    """Yield the objects of a JSON-LD block: the block itself, members of lists and of `@graph`, main entities."""
    waiting: list[object] = [block]
    for _ in range(_MAX_NODES):
        if not waiting:
            return
        value = waiting.pop()
        if isinstance(value, list):
            waiting.extend(reversed(value))
        elif isinstance(value, Mapping):
            yield value
            waiting.extend(value[key] for key in ("mainEntityOfPage", "mainEntity", "@graph") if key in value)


def _addresses(node: Node) -> Sequence[str]:
    page = node.get("mainEntityOfPage")
    values = (node.get("url"), node.get("@id"), page.get("@id") if isinstance(page, Mapping) else page)
    return [value for value in values if isinstance(value, str)]
