"""Reads JSON Feed 1.0 and 1.1 (https://www.jsonfeed.org/version/1.1/, read 2025-11-20). Wrong types are tolerated.

Broken JSON is repaired by `json_repair`; a missing id is replaced by `entry_ids`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection
from datetime import datetime
from html import escape

from aggregator.feeds.entry_ids import Mark, choose_rule, entry_id_of
from aggregator.feeds.json_repair import read_json
from aggregator.feeds.markup import lines_to_html, one_line, without_soft_hyphens
from aggregator.feeds.slices import MAX_ENTRIES, hash_slice
from aggregator.models.feeds import Enclosure, Entry, ParsedFeed
from aggregator.text.dates import parse_date
from aggregator.urls import absolute

Json = dict[str, object]
_ITEMS = re.compile(r"\"items\"\s{0,100}:\s{0,100}\[")
_ITEM = re.compile(r"\{(?=\s{0,100}\"[a-z_]{1,30}\"\s{0,100}:)")
_ITEM_KEYS = frozenset({"title", "content_html", "content_text", "summary", "date_published"})
_MAX_BROKEN = 100  # items of one feed
_NO_CONTROLS = dict.fromkeys((*range(9), 11, 12, *range(14, 32), 127))


def parse_json_feed(text: str, *, url: str, now: datetime, known: Collection[str] = ()) -> ParsedFeed:
    """Return the feed in `text`; its `kind` is None if `text` is no JSON Feed.

    Entries whose `raw_hash` is in `known` are left out. `url` is the address of the answer.
    """
    try:
        document, complete = read_json(text)
    except (ValueError, RecursionError) as error:
        document, complete = f"broken JSON: {type(error).__name__}", False
    if not complete:
        document = max(document, _whole_items(text), key=_size)  # the first of equal ones
    if isinstance(document, str) and not complete:
        return ParsedFeed(kind=None, format=None, error=document)
    if not isinstance(document, dict) or not (
        isinstance(document.get("items"), list) or "jsonfeed" in _text(document.get("version"))
    ):
        return ParsedFeed(kind=None, format=None, error="JSON, and no JSON Feed")
    base = absolute(url, _text(document.get("feed_url"))) or url or _text(document.get("home_page_url"))
    language, authors = _text(document.get("language")), _authors(document)
    items = _objects(document.get("items"))[:MAX_ENTRIES]
    hashes = tuple(hash_slice(json.dumps(item, sort_keys=True), b"") for item in items)
    marks = [_mark(item, base) for item in items]
    rule = choose_rule(marks)
    entries = tuple(
        _entry(item, raw_hash, entry_id_of(mark, rule), base=base, language=language, authors=authors, now=now)
        for item, raw_hash, mark in zip(items, hashes, marks, strict=True)
        if raw_hash not in known
    )
    hubs = _objects(document.get("hubs"))
    return ParsedFeed(
        kind="feed",
        format="json",
        title=one_line(_text(document.get("title"))),
        link=absolute(base, _text(document.get("home_page_url"))),
        language=language,
        entries=entries,
        hub=absolute(base, _text(hubs[0].get("url"))) if hubs else None,
        self_url=absolute(base, _text(document.get("feed_url"))),
        previous_url=absolute(base, _text(document.get("next_url"))),
        complete=complete,
        raw_hashes=hashes,
        entry_id_rule=rule.rule,
    )


def _size(document: object) -> int:
    return len(_objects(document.get("items"))) if isinstance(document, dict) else 0


def _whole_items(text: str) -> Json | None:
    """Return the readable items of a broken feed, and its head if readable; None: the text has no list `items`."""
    start = _ITEMS.search(text)
    if start is None:
        return None
    try:
        head = read_json(f"{text[: start.end()]}]}}")[0]
    except (ValueError, RecursionError):
        head = {}
    decoder, items, broken, at = json.JSONDecoder(strict=False), list[object](), 0, start.end()
    while broken < _MAX_BROKEN and (begin := _ITEM.search(text, at)):
        try:
            item, at = decoder.raw_decode(text, begin.start())
        except (ValueError, RecursionError):
            broken, at = broken + 1, begin.end()
            continue
        if _ITEM_KEYS & set(item) and "mime_type" not in item:  # a broken author or attachment is left out
            items.append(item)
    return {**(head if isinstance(head, dict) else {}), "items": items}


def _mark(item: Json, base: str) -> Mark:
    entry_id = _text(item.get("id"))
    date = _text(item.get("date_published")) or _text(item.get("date_modified"))
    return Mark(id=entry_id, link=_link(item, entry_id, base) or "", date=date, title=_text(item.get("title")))


def _link(item: Json, entry_id: str, base: str) -> str | None:
    link = absolute(base, _text(item.get("url"))) or absolute(base, _text(item.get("external_url")))
    if link is None and entry_id.startswith(("http://", "https://")):
        return absolute(base, entry_id)
    return link


def _entry(
    item: Json, raw_hash: str, entry_id: str, *, base: str, language: str, authors: tuple[str, ...], now: datetime
) -> Entry:
    published_raw, updated_raw = _text(item.get("date_published")), _text(item.get("date_modified"))
    published_at, updated_at = (parse_date(raw, now, language) for raw in (published_raw, updated_raw))
    raw_id = _text(item.get("id"))
    link = _link(item, raw_id, base)
    return Entry(
        id=raw_id,
        entry_id=entry_id,
        link=link,
        title=one_line(_text(item.get("title"))),
        published_at=published_at,
        updated_at=updated_at,
        published_raw=published_raw,
        date_flagged=bool((published_raw and not published_at) or (updated_raw and not updated_at)),
        authors=_authors(item) or authors,
        summary=_plain(item.get("summary")),
        content=without_soft_hyphens(_text(item.get("content_html"))) or _plain(item.get("content_text")),
        enclosures=_enclosures(item, base),
        categories=_texts(item.get("tags")),
        language=_text(item.get("language")) or language,
        is_permalink=bool(link) and raw_id == link,
        raw_hash=raw_hash,
    )


def _text(value: object) -> str:
    """Return a string or a number as text without control characters; `""` for any other value."""
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode().translate(_NO_CONTROLS).strip()  # surrogates, NUL: not stored
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return str(value) if isinstance(value, int | float) and not isinstance(value, bool) else ""


def _texts(value: object) -> tuple[str, ...]:
    found = [_text(part) for part in value] if isinstance(value, list) else [_text(value)]
    return tuple(dict.fromkeys(text for text in found if text))


def _objects(value: object) -> list[Json]:
    return [part for part in value if isinstance(part, dict)] if isinstance(value, list) else []


def _authors(holder: Json) -> tuple[str, ...]:
    """Return the names in `authors` (version 1.1) and `author` (version 1.0) of a feed or an item, each once."""
    people = _objects(holder.get("authors"))
    single = holder.get("author")
    if isinstance(single, dict):
        people.append(single)
    names = [_text(person.get("name")) or _text(person.get("url")) for person in people]
    names += _texts(single)
    return tuple(dict.fromkeys(name for name in names if name))


def _enclosures(item: Json, base: str) -> tuple[Enclosure, ...]:
    found = []
    for part in _objects(item.get("attachments")):
        if address := absolute(base, _text(part.get("url"))):
            size = part.get("size_in_bytes")
            length = size if isinstance(size, int) and not isinstance(size, bool) and 0 <= size < 2**53 else None
            found.append(Enclosure(url=address, type=_text(part.get("mime_type")), length=length))
    return tuple(found)


def _plain(value: object) -> str:
    """Return a JSON value, which is plain text, as HTML."""
    return lines_to_html(without_soft_hyphens(escape(_text(value), quote=False)))
