"""Turns a feed's bytes into text for an XML parser: decompressed, decoded, and with valid characters and references.

It repairs characters, not structure, and knows no element. `MAX_INFLATED_BYTES` is the gzip bomb limit for bytes that
were not decompressed when they were fetched.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from html import escape, unescape
from html.entities import html5
from itertools import islice

from aggregator.compression import DecompressionError, decompress
from aggregator.feeds.json_repair import find_json
from aggregator.text.encoding import decode, xml_declaration

MAX_INFLATED_BYTES = 32 * 1024 * 1024  # twice the largest feed that is fetched (`max_feed_size`)

_MAX_DTD_CHARS = 100_000
_MAX_ENTITY_CHARS = 1000
_MAX_EXPANDED_CHARS = 1_000_000

_GZIP = b"\x1f\x8b"
_BLANK = " \t\r\n\v\f\0\ufeff\u200b\u2060"
BAD_SIGN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff\ud800-\udfff]")
_ENTITY = re.compile(r"<!ENTITY\s+([\w.-]{1,60})\s+(?:\"([^\"<&%]*)\"|'([^'<&%]*)')\s*>")
# A CDATA section or comment (left alone), or an `&` with what may be a reference, but for those that XML knows.
_AMPERSAND = re.compile(
    r"(<!\[CDATA\[.*?\]\]>|<!--.*?-->)|&(?!(?:amp|lt|gt|quot|apos);)(#[xX][0-9a-fA-F]{1,8};|#[0-9]{1,8};|[A-Za-z][\w.-]{0,59};)?",
    re.DOTALL,
)
_OPENINGS = (("<![CDATA[", "]]>"), ("<!--", "-->"))
_BARE_RUN = re.compile(r"&(?:&)+")
_LONG_TAG_CHARS = 2000
_MAX_QUOTES = 200
# A CDATA section or a whole start tag; possessive, so that each sign is read once.
_START_TAG = re.compile(r"<!\[CDATA\[(?:[^\]]++|\](?!\]>))*+|<[A-Za-z_](?:[^<>\"']++|\"[^\"]*+\"|'[^']*+')*+")
_UNQUOTED = re.compile(r"(\s[A-Za-z_][\w:.-]{0,40}=)([^\s\"'<>]+?)(?=\s|/?(?:>|\Z))")
_QUOTES = re.compile("[\"']")


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedText:
    """The text of a feed. `body` starts at the first tag, or at the first bracket of JSON.

    `entities` are the entities of the DTD and the texts that they stand for.
    """

    body: str
    entities: Mapping[str, str]
    complete: bool  # False: the compressed bytes were cut off
    too_large: bool = False  # more than `MAX_INFLATED_BYTES`: `body` is empty


def read_text(body: bytes, headers: Mapping[str, str]) -> FeedText:
    """Return the text of a feed's bytes, decompressed and decoded, without a server's output before the document.

    The names in `headers` are in lower case.
    """
    inflated, complete = inflate(body)
    if len(inflated) > MAX_INFLATED_BYTES:
        return FeedText(body="", entities={}, complete=False, too_large=True)
    lead = inflated[:500].lstrip(b" \t\r\n\0")
    text = decode(inflated, content_type=headers.get("content-type", ""), declared=xml_declaration(lead))
    return FeedText(body=text[_skip_junk(text) :], entities=_read_entities(text), complete=complete)


def inflate(body: bytes) -> tuple[bytes, bool]:
    """Return `body` without gzip or deflate compression, and whether it was complete.

    The first bytes decide whether it is compressed, never a header. A result of more than `MAX_INFLATED_BYTES` is cut
    off soon after this length.
    """
    if body.startswith(_GZIP):
        return _inflate(body, "gzip")
    if len(body) > 2 and body[0] == 0x78 and int.from_bytes(body[:2], "big") % 31 == 0:
        return _inflate(body, "deflate")
    head = body[:200].lstrip(b"\xef\xbb\xbf\xfe\xff \t\r\n\0")
    if body and head[:1] not in (b"<", b"{", b"[") and b"<" not in head:
        raw, whole = _inflate(body, "deflate")
        if raw.lstrip()[:1] in (b"<", b"{"):
            return raw, whole
    return body, True


def _inflate(body: bytes, coding: str) -> tuple[bytes, bool]:
    pieces, size = [], 0
    try:
        for piece in decompress([body], coding):
            pieces.append(piece)
            size += len(piece)
            if size > MAX_INFLATED_BYTES:
                break
    except DecompressionError:
        return b"".join(pieces), False
    return b"".join(pieces), True


def _read_entities(text: str) -> dict[str, str]:
    """Return the entities that stand for plain text, by name. External and nested entities are left out."""
    if text.find("<!ENTITY", 0, _MAX_DTD_CHARS) < 0:
        return {}
    found = _ENTITY.findall(text, 0, _MAX_DTD_CHARS)
    return {name: a or b for name, a, b in found if len(a or b) <= _MAX_ENTITY_CHARS}


def _skip_junk(text: str) -> int:
    """Return where the XML or JSON in `text` begins, after blanks, byte order marks and other output of a server."""
    position = len(text) - len(text.lstrip(_BLANK))
    if text[position : position + 1] in ("<", "{", "["):
        return position
    tag = text.find("<", position)
    json = find_json(text, end=tag if tag >= 0 else None)
    return max(position, tag) if json is None else json


def repair_signs(xml: str, entities: Mapping[str, str]) -> str:
    """Return `xml` with characters and references that an XML parser accepts.

    Control characters are removed. Entities of HTML and of the DTD (`entities`) become their text. An `&` that starts
    no reference becomes `&amp;`. Attribute values get missing quotes. A CDATA section or comment without an end becomes
    text.

    >>> repair_signs("<a>Q&A caf&eacute;&#2;</a>", {})
    '<a>Q&amp;A café</a>'
    """
    budget = _MAX_EXPANDED_CHARS

    def sign(match: re.Match[str]) -> str:
        nonlocal budget
        section, reference = match.groups()
        if section is not None:
            return str(section)
        if reference is None:
            return "&amp;"
        if reference.startswith("#"):
            return "" if BAD_SIGN.match(unescape("&" + reference)) else _numeric(reference)
        value = entities.get(reference[:-1])
        if value is not None:
            budget -= len(value)
            return value if budget >= 0 else ""
        return escape(html5.get(reference, "&" + reference), quote=False)

    xml = BAD_SIGN.sub("", xml)
    for opening, closing in _OPENINGS:
        # One without an end hides what follows it, and each later pattern would search the whole rest for its end.
        end = xml.rfind(closing) + 1
        xml = xml[:end] + xml[end:].replace(opening, "")
    xml = _BARE_RUN.sub(lambda run: "&amp;" * (len(run.group()) - 1) + "&", xml)
    return _quote_attributes(_AMPERSAND.sub(sign, xml))


def _quote_attributes(xml: str) -> str:
    """Return `xml` with quotes around attribute values that have none."""
    if not _UNQUOTED.search(xml):
        return xml

    def quote(match: re.Match[str]) -> str:
        tag = match.group()
        return tag if tag.startswith("<!") else _UNQUOTED.sub(r'\1"\2"', tag)

    return _START_TAG.sub(quote, xml)


def cut_long_tags(xml: str) -> str:
    """Return `xml` with attributes removed from very long tags, because parsers need quadratic time for such tags."""
    if len(xml) < _LONG_TAG_CHARS or xml.count('"') + xml.count("'") <= _MAX_QUOTES:
        return xml

    def cut(match: re.Match[str]) -> str:
        tag = match.group()
        if len(tag) < _LONG_TAG_CHARS or tag.startswith("<!"):
            return tag
        quotes = [quote.start() for quote in islice(_QUOTES.finditer(tag), _MAX_QUOTES + 1)]
        return tag if len(quotes) <= _MAX_QUOTES else tag[: quotes[-1]] + ("/" if tag.endswith("/") else "")

    return _START_TAG.sub(cut, xml)


def _numeric(reference: str) -> str:
    """Return a numeric reference in a form that XML allows. `&#150;` becomes the dash of cp1252, as in browsers."""
    sign = unescape("&" + reference)
    return f"&#{ord(sign)};" if sign in ("&", "<", ">", '"', "'") else sign
