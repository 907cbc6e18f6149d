"""The records of the API for its OpenAPI description. Names are those of docs/reference/records.md."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal  # Any: records of the store, as they are

from pydantic import BaseModel, Field


class Rights(BaseModel):
    """The rights that the page reserved when it was fetched; null: no statement."""

    robots: str | None
    x_robots_tag: str | None
    noai: bool | None
    tdm_reservation: bool | None
    licence_url: str | None


class LeadImage(BaseModel):
    """A picture of an article."""

    url: str
    caption: str
    alt: str
    credit: str


class Enclosure(BaseModel):
    """A file attached to an entry."""

    url: str
    type: str = Field(description="media type; may be empty")
    length: int | None = Field(description="bytes")
    duration: int | None = Field(description="seconds")


class Extractor(BaseModel):
    """The program that extracted a text."""

    name: str
    version: str


class Article(BaseModel):
    """An article of the corpus."""

    id: str = Field(description="16 hexadecimal digits; never changes")
    url: str = Field(description="the canonical address")
    urls: list[str] = Field(description="every address under which it was seen")
    key: str = Field(description="the identity key")
    title: str
    authors: list[str]
    date: str = Field(description="as in the envelope: YYYY-MM-DD, YYYY-MM or YYYY")
    published: str = Field(description="the publisher's own time with offset, or the bare day")
    date_source: str = Field(description="page, feed, first_seen or none")
    updated: str
    source: str = Field(description="page, or feed where the text comes from the entry")
    language: str
    site: str
    text: str = Field(description="envelope and text in the seed format")
    body: str = Field(description="the article alone: paragraphs separated by a blank line")
    markdown: str | None = Field(description="the body with its structure; null where an earlier version extracted it")
    word_count: int = Field(description="words of the body; in scripts without blanks two signs count as one")
    categories: list[str] = Field(description="what the publisher files it under")
    enclosures: list[Enclosure]
    lead_image: LeadImage | None
    description: str | None = Field(description="what the page says it is about")
    section: str | None
    is_free: bool | None = Field(description="whether everybody may read the page; null: it does not say")
    licence: str | None
    rights: Rights | None
    images: list[LeadImage] | None = Field(description="null where an earlier version extracted the article")
    extractor: Extractor
    change_seq: int | None = Field(description="the number of its last change")
    first_seen: datetime
    feed: str
    feeds: list[str]
    tags: list[str]
    revision: int
    near_duplicate_of: str | None
    quality: list[str] = Field(description="reasons to doubt that this is an article")
    raw: str = Field(description="content hash of the stored raw page")


class Change(BaseModel):
    """A change of the corpus: a new article, a new revision, a merge, an erasure."""

    change_seq: int
    kind: Literal["new", "updated", "merged", "split", "forgotten", "withdrawn"]
    id: str
    merged_into: str | None = Field(description="the article that it is part of by now")
    article: Article | None = Field(description="its state as it is now; null: take it out of your copy")


class Changes(BaseModel):
    """A part of the corpus's changes."""

    changes: list[Change]
    cursor: int = Field(description="ask for what comes after this the next time")
    epoch: str = Field(description="of this store's cursors; give it back with the cursor")
    more: bool = Field(description="there is more already")


class Found(BaseModel):
    """An article that matches, with the place of the match."""

    id: str
    url: str
    title: str
    date: str
    feed: str
    first_seen: datetime
    language: str
    snippet: str = Field(description="HTML: escaped text, matches in <mark>; empty without a query")


class FoundPage(BaseModel):
    """Articles that match."""

    found: list[Found]
    count: int | None = Field(description="of all pages; null without a query")
    next: str | None = Field(description="give it as `after` for the next page; null: this is the last one")


class Revision(BaseModel):
    """One text of an article."""

    number: int
    recorded_at: datetime
    title: str
    body: str


class Why(BaseModel):
    """All sightings, evidence and decisions about an address; each part is oldest first."""

    url: str
    entries: list[dict[str, Any]] = Field(description="entries of feeds that led to it")
    pages: list[dict[str, Any]] = Field(description="addresses to fetch, and how that went")
    articles: list[dict[str, Any]] = Field(description="articles, merged away and forgotten ones too")
    evidence: list[dict[str, Any]] = Field(description="why two keys are one article, and who says so")
    decisions: list[dict[str, Any]] = Field(description="what was kept, skipped or merged, by which rule")


class Finding(BaseModel):
    """One thing that is wrong with a feed."""

    feed: str
    feed_id: int
    url: str
    kind: str
    severity: Literal["broken", "attention"]
    cause: str | None
    since: datetime | None
    detail: str
    remedy: str


class Feed(BaseModel):
    """A subscription and its state."""

    id: int
    url: str
    name: str
    title: str
    tags: list[str]
    full_text: bool
    enabled: bool
    status: str
    cause: str | None
    detail: str
    failing_since: datetime | None
    polled_at: datetime | None
    succeeded_at: datetime | None
    due_at: datetime | None = Field(description="null: not polled any more (410 Gone)")
    entries_per_day: float = Field(description="to be expected")
    adopted_url: str | None = Field(description="permanently redirected to here")


class Poll(BaseModel):
    """One poll of a feed."""

    at: datetime
    outcome: Literal["new", "unchanged", "failed", "moving"]
    status: int | None
    cause: str | None
    detail: str
    seconds: float
    wire_bytes: int
    entries_seen: int
    entries_new: int


class FeedDetail(Feed):
    """A feed with its last 50 polls and its findings."""

    polls: list[Poll]
    findings: list[Finding]


class Health(BaseModel):
    """The findings about all feeds."""

    feeds: int
    broken: int
    findings: list[Finding]


class Gap(BaseModel):
    """A time in which a feed may have lost entries; `filled_at` is when they were found elsewhere."""

    feed: str
    feed_id: int
    since: datetime
    until: datetime
    filled_at: datetime | None


class Status(BaseModel):
    """The state of the installation, and its activity in the last 24 hours."""

    at: datetime
    feeds: int
    feeds_broken: int
    articles: int
    pages_due: int
    pages_fetched: int
    polls: int
    polls_failed: int
    wire_bytes: int
    entries_new: int
    articles_new: int
    delay_p50: float | None = Field(description="seconds from publication to discovery")
    delay_p95: float | None


class Refreshed(BaseModel):
    """A feed that is due now."""

    feed_id: int
    due: bool
