"""Cuts the text of an XML feed into its head and the slices of its entries, without parsing it.

A slice is the text of one entry. If the hash of a slice is known from an earlier answer, the slice is not parsed again.
Tags in CDATA sections and comments do not count.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from hashlib import blake2b
from typing import Literal

MAX_ENTRIES = 20_000  # entries of one document; no honest feed has more

Kind = Literal["rss", "rdf", "atom", "cdf", "sitemap", "html"]

_ROOTS: dict[str, Kind] = {
    "rss": "rss",
    "rdf": "rdf",
    "feed": "atom",
    "channel": "rss",
    "item": "rss",
    "entry": "atom",
    "urlset": "sitemap",
    "html": "html",
    "head": "html",
    "body": "html",
}
_ENTRY_NAMES = {"rss": "item", "rdf": "item", "cdf": "item", "atom": "entry", "sitemap": "url"}
_ROOT = re.compile(
    r"<(!--|!doctype\s+html\b|(?:[A-Za-z][\w.-]{0,30}:)?"
    r"(?:rss|rdf|feed|channel|item|entry|urlset|html|head|body)(?=[\s/>]))",
    re.IGNORECASE,
)
_ANY_TAG = re.compile(r"<([A-Za-z][\w.:-]{0,60})")
_CDF_SIGN = re.compile(
    r"<channel\b[^>]{0,1000}\b(?:href|base|lastmod)\s?=|<item\b[^>]{0,1000}\bhref\s?=", re.IGNORECASE
)
_START_CHARS = 200_000  # characters in which the root must appear; an HTML tag before it means a page
# The rest of a start tag; the quantifiers are possessive, so a broken tag costs linear time.
_TAG_END = re.compile(r"(?:[^<>\"']++|\"[^\"<]*+\"|'[^'<]*+')*+>")


@dataclass(frozen=True, slots=True, kw_only=True)
class Root:
    """The first element that tells what kind of document a text is. `start` is its position in the text."""

    kind: Kind
    name: str  # as written, with its prefix
    start: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Sliced:
    """A feed in pieces. `head` is its text without the entries. `complete` tells whether the root has an end tag."""

    head: str
    slices: tuple[str, ...]
    complete: bool


def find_root(text: str) -> Root | None:
    """Return the first element that belongs to a feed or HTML page; None: the text has no such element.

    >>> find_root('<!-- <rss> --><feed xmlns="http://www.w3.org/2005/Atom">')
    Root(kind='atom', name='feed', start=14)
    """
    position = 0
    while match := _ROOT.search(text, position, _START_CHARS):
        name, position = match.group(1), match.end()
        if name == "!--":
            end = text.find("-->", position, _START_CHARS)
            if end < 0:
                return None
            position = end + 3
            continue
        local = name.lower().rpartition(":")[2]
        if local.startswith("!"):  # the document type of a page; some feeds have it too
            following = _ANY_TAG.search(text, position, _START_CHARS)
            if following and _ROOTS.get(following.group(1).lower().rpartition(":")[2], "html") != "html":
                continue
            local = "html"
        kind = _ROOTS[local]
        if local in ("channel", "item") and _CDF_SIGN.match(text, match.start()):
            kind = "cdf"
        return Root(kind=kind, name=name, start=match.start())
    return None


def split(text: str, root: Root) -> Sliced:
    """Split a feed's text into the texts of its entries (slices), at most `MAX_ENTRIES`, and the text around them.

    An entry without an end tag ends at the next entry or the end tag of the root. If neither follows, the text is cut
    off, and the entry is left out.
    """
    pattern = _tokens(_ENTRY_NAMES[root.kind], root.name)
    gaps: list[str] = []
    slices: list[str] = []
    position, gap_start, entry_start = root.start, root.start, -1
    name, complete = "", False
    no_more: set[str] = set()
    while len(slices) < MAX_ENTRIES and (match := pattern.search(text, position)):
        token, position = match.group(), match.end()
        if token[1] == "!":
            closing = "]]>" if token[2] == "[" else "-->"
            end = -1 if closing in no_more else text.find(closing, position)
            if end >= 0:
                position = end + 3
            else:  # a section without an end counts as text, so that the entries after it are not lost
                no_more.add(closing)
        elif token[1] == "/" and entry_start >= 0 and token[2:].lower() == name:
            if end := text.find(">", position) + 1:
                slices.append(text[entry_start:end])
                position, gap_start, entry_start = end, end, -1
        elif token[1] == "/":
            if token[2:].lower() == root.name.lower():
                complete = True
                position = match.start()
                break
        elif entry_start < 0 or token[1:].lower() == name:
            (gaps if entry_start < 0 else slices).append(
                text[gap_start if entry_start < 0 else entry_start : match.start()]
            )
            rest = _TAG_END.match(text, position)
            name, entry_start, position = token[1:].lower(), match.start(), rest.end() if rest else position
            if rest and text[position - 2] == "/":
                slices.append(text[entry_start:position])
                gap_start, entry_start = position, -1
    if entry_start >= 0 and complete:
        slices.append(text[entry_start:position])
    elif entry_start < 0:
        gaps.append(text[gap_start : position if complete else None])
    return Sliced(head="".join(gaps), slices=tuple(slices), complete=complete)


def _tokens(entry_name: str, root_name: str) -> re.Pattern[str]:
    """Return the pattern of the places in a feed where an entry, comment or CDATA may begin, or an entry or root end.

    `re` caches the few patterns.
    """
    prefix = r"(?:[A-Za-z][\w.-]{0,30}:)?"
    return re.compile(
        rf"<!\[CDATA\[|<!--|</?{prefix}{entry_name}(?=[\s/>])|</{re.escape(root_name)}(?=[\s>])", re.IGNORECASE
    )


def hash_slice(text: str, salt: bytes) -> str:
    """Return the hash (32 hexadecimal digits) of a slice and of `salt`, which is a hash of the root's start tag.

    The start tag has the namespaces. If they change, a slice can have another meaning.
    """
    return blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16, salt=salt[:16]).hexdigest()


def salt_of(head: str) -> bytes:
    """Return a 16-byte hash of the start tag of a feed's root element, which affects all slices.

    `head` is the text of the feed without its entries.
    """
    end = _TAG_END.match(head, 1)
    return blake2b(head[: end.end() if end else 200].encode("utf-8", "surrogatepass"), digest_size=16).digest()
