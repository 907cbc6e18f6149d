"""Makes the JSON records of articles and changes (docs/reference/records.md).

Only this module knows their field names.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import fields
from datetime import UTC, datetime
from typing import Final, Literal

from pydantic_core import PydanticSerializationError, to_json

from aggregator.models.articles import Article, Extraction
from aggregator.models.feeds import Enclosure
from aggregator.models.pages import LeadImage, PageFacts, Rights
from aggregator.ports.readings import Change
from aggregator.text.seed_format import render, render_body, render_markdown
from aggregator.text.words import count_words

Record = dict[str, object]
TextChoice = Literal["seed", "body", "markdown"]

# DEL, C1 controls, line separators, lone surrogates: JSON lets them stand, readers of lines and terminals do not.
_BREAKING: Final = re.compile("[\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_BREAKING_BYTES: Final = re.compile(b"\x7f|\xc2[\x80-\x9f]|\xe2\x80[\xa8\xa9]|\xed[\xa0-\xbf][\x80-\xbf]")
_MAY_BREAK: Final = (b"\x7f", b"\xc2", b"\xe2\x80\xa8", b"\xe2\x80\xa9", b"\xed")  # quick to look for


def article_record(article: Article, text: TextChoice = "seed") -> Record:
    """Return the record of a stored article. `text` is the layout of its field `text`."""
    return {
        "id": article.id,
        "url": article.url,
        "urls": list(article.urls),
        "key": article.key,
        **content_fields(article.content, text),
        "change_seq": article.change_seq,
        "first_seen": article.first_seen.isoformat(),
        "feed": article.feed,
        "feeds": list(article.feeds),
        "tags": list(article.tags),
        "revision": article.revision,
        "near_duplicate_of": article.near_duplicate_of,
        "quality": list(article.quality),
        "raw": article.raw,
    }


def change_record(change: Change, text: TextChoice = "seed") -> Record:
    """Return the record of a change. Its `article` is None if the article no longer exists (a tombstone)."""
    return {
        "change_seq": change.seq,
        "kind": change.kind,
        "id": change.article_id,
        "merged_into": change.merged_into,
        "article": None if change.article is None else article_record(change.article, text),
    }


def content_fields(content: Extraction, text: TextChoice = "seed") -> Record:
    """Return those fields of an article's record that come from its extraction."""
    return {
        "title": content.title,
        "authors": list(content.authors),
        "date": content.date,
        "published": content.published,
        "date_source": content.date_source.value,
        "updated": _in_utc(content.updated),
        "source": content.source,
        "language": content.language,
        "site": content.site,
        "text": document(content, text),
        "body": content.body,
        "markdown": content.markdown,
        "word_count": count_words(content.body),
        "categories": list(content.tags),
        "enclosures": [_fields(one) for one in content.enclosures],
        "lead_image": None if content.lead_image is None else _fields(content.lead_image),
        **_facts_fields(content.facts),
        "extractor": {"name": content.extractor_name, "version": content.extractor_version},
    }


def document(content: Extraction, text: TextChoice) -> str:
    """Return the article's document in the layout `text`, without the LF that ends a file.

    The seed layout needs the main text that Resiliparse finds. If it found none, the title and the body take its place.
    """
    if text == "markdown":
        return render_markdown(
            content.title, content.body if content.markdown is None else content.markdown, content.date
        )
    if text == "body" or not content.text.strip():
        return render_body(content.title, content.body, content.date)
    return render(content.text, content.date)


def _in_utc(time: str) -> str:
    """Return a time with an offset in UTC, and any other value (such as a day alone) unchanged."""
    try:
        at = datetime.fromisoformat(time)
        return at.astimezone(UTC).isoformat() if at.tzinfo is not None else time
    except (ValueError, OverflowError):
        return time


def _fields(record: LeadImage | Enclosure | Rights) -> Record:
    return {field.name: getattr(record, field.name) for field in fields(record)}


def _facts_fields(facts: PageFacts | None) -> Record:
    """Return the fields for what a page states about itself. All are None if `facts` is None."""
    known = facts or PageFacts()
    return {
        "description": known.description,
        "section": known.section,
        "is_free": known.is_free,
        "licence": known.licence,
        "rights": None if known.rights is None else _fields(known.rights),
        "images": None if facts is None else [_fields(image) for image in facts.images],
    }


def json_line(record: Mapping[str, object]) -> str:
    """Return the record as one line of JSON. Characters that could end the line, and lone surrogates, are escaped."""
    return json_bytes(record).decode()


def json_bytes(record: Mapping[str, object]) -> bytes:
    """Return `json_line(record)` in UTF-8."""
    try:
        line = to_json(record)  # ten times as fast as `json`; refuses lone surrogates
    except PydanticSerializationError:
        line = json.dumps(record, ensure_ascii=False, separators=(",", ":"), default=str).encode(
            "utf-8", "surrogatepass"
        )
    may_break = b"\x7f" in line if line.isascii() else any(map(line.__contains__, _MAY_BREAK))
    return _BREAKING_BYTES.sub(_escape, line) if may_break else line


def _escape(match: re.Match[bytes]) -> bytes:
    return b"\\u%04x" % ord(match[0].decode("utf-8", "surrogatepass"))


def escape_line(line: str) -> str:
    r"""Return a line of JSON in which control characters, line separators and lone surrogates are escaped.

    >>> escape_line('"a\u2028b"')
    '"a\\u2028b"'
    """
    return _BREAKING.sub(lambda match: f"\\u{ord(match[0]):04x}", line)
