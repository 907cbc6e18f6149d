"""Records of articles: the input and the result of extraction, and the article as the store returns it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Literal

from aggregator.models.feeds import Enclosure
from aggregator.models.ids import ArticleId, Key
from aggregator.models.pages import DeclaredUrls, LeadImage, PageFacts


class DateSource(StrEnum):
    """The source of an article's date: the page, the feed's entry, or the time of the first sighting."""

    PAGE = "page"
    FEED = "feed"
    FIRST_SEEN = "first_seen"
    NONE = "none"


@dataclass(frozen=True, slots=True, kw_only=True)
class ExtractInput:
    """The input of extraction; sent to a worker process. It has a page, and facts of the feed's entry for that page.

    `body` is the page's bytes, decompressed and not decoded. `feed_published` is used if the page has no date;
    `first_seen` is used if the feed has no date either.
    """

    url: str
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)
    feed_title: str = ""
    feed_published: str = ""  # ISO 8601 with offset or a bare day
    feed_authors: tuple[str, ...] = ()
    feed_html: str = ""  # the entry's full content
    feed_summary: str = ""
    feed_language: str = ""
    feed_tags: tuple[str, ...] = ()
    feed_enclosures: tuple[Enclosure, ...] = ()
    first_seen: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Extraction:
    """The text and metadata of a page, or of an entry's content.

    `body` is the article alone: clean paragraphs separated by a blank line. `markdown` is the body with its structure;
    None: an earlier version extracted the article. `date` and `text` are the two parts of a file in the seed format
    (`text/seed_format.py`). `published` is ISO 8601 in the publisher's own offset, or a bare date (`YYYY-MM-DD`,
    `YYYY-MM`, `YYYY`), or `""`.
    """

    title: str
    authors: tuple[str, ...] = ()
    date: str = ""
    published: str = ""
    date_source: DateSource = DateSource.NONE
    updated: str = ""
    language: str = ""
    site: str = ""
    text: str = ""
    body: str
    source: Literal["page", "feed"]
    lead_image: LeadImage | None = None
    declared: DeclaredUrls = field(default_factory=DeclaredUrls)
    tags: tuple[str, ...] = ()
    extractor_name: str = ""
    extractor_version: str = ""
    enclosures: tuple[Enclosure, ...] = ()  # the files of the feed's entry
    markdown: str | None = None
    facts: PageFacts | None = None  # None: the page was not searched for them


@dataclass(frozen=True, slots=True, kw_only=True)
class Article:
    """An article in the store; the record of `export` (docs/reference/records.md)."""

    id: ArticleId
    key: Key
    url: str
    urls: tuple[str, ...]
    content: Extraction
    first_seen: datetime
    day: str  # folder YYYY/MM/DD, "" before it is numbered
    number: int | None  # NNN within that day
    change_seq: int | None
    feed: str
    feeds: tuple[str, ...]
    tags: tuple[str, ...]
    revision: int
    quality: tuple[str, ...]  # reasons to doubt that this is an article; empty is good
    near_duplicate_of: ArticleId | None
    raw: str
