"""The API's records as classes, for the OpenAPI description. Each field has an example.

The names are those of docs/reference/records.md.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final, Literal  # Any: records of the store, as they are

from pydantic import BaseModel, ConfigDict, Field

_URL: Final = "https://www.example.org/news/storm"
_BODY: Final = "The storm passed in the night.\n\nNobody was hurt."
_PICTURE: Final = {
    "url": "https://www.example.org/pictures/storm.jpg",
    "caption": "Trees on the promenade",
    "alt": "Fallen trees",
    "credit": "Ann Lee",
}


def _join_examples(schema: dict[str, Any], model: type[BaseModel]) -> None:
    """Move the examples of the fields in `schema` into one example of the whole record."""
    schema["examples"] = [{name: field.pop("example") for name, field in schema["properties"].items()}]


class Record(BaseModel):
    """The base of the API's records. Every field of a subclass is declared with `shown`."""

    model_config = ConfigDict(json_schema_extra=_join_examples)


def shown(example: Any, description: str | None = None) -> Any:
    """Declare a field with an example value. `example_of` makes the example of a record from those of its fields."""
    return Field(description=description, json_schema_extra={"example": example})


def example_of(model: type[Record]) -> Any:
    """Return the example of a record class, made of the examples of its fields."""
    return model.model_json_schema()["examples"][0]


class Rights(BaseModel):
    """The rights that the page reserved when it was fetched. A field is null if the page says nothing about it."""

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
    """A file that a feed entry links as an enclosure: sound, film or picture."""

    url: str
    type: str = Field(description="media type; may be empty")
    length: int | None = Field(description="bytes")
    duration: int | None = Field(description="seconds")


class Extractor(BaseModel):
    """The program that extracted a text, and its version."""

    name: str
    version: str


class Article(Record):
    """An article of the corpus."""

    id: str = shown("0123456789abcdef", "16 hexadecimal digits; never changes")
    url: str = shown(_URL, "the canonical address")
    urls: list[str] = shown(
        [_URL, "https://www.example.org/news/storm?utm_source=feed"], "every address under which it was seen"
    )
    key: str = shown("example.org/news/storm", "the identity key")
    title: str = shown("A storm passes")
    authors: list[str] = shown(["Ann Lee"])
    date: str = shown("2026-11-19", "as in the envelope: YYYY-MM-DD, YYYY-MM or YYYY")
    published: str = shown("2026-11-19T08:30:00+01:00", "the publisher's own time with offset, or the bare day")
    date_source: str = shown("page", "page, feed, first_seen or none")
    updated: str = shown("")
    source: str = shown("page", "page, or feed where the text comes from the entry")
    language: str = shown("en")
    site: str = shown("Example News")
    text: str = shown(f" date 2026-11-19 A storm passes\n\n{_BODY}", "envelope and text in the seed format")
    body: str = shown(_BODY, "the article alone: paragraphs separated by a blank line")
    markdown: str | None = shown(
        "The storm passed *in the night*.\n\nNobody was hurt.",
        "the body with its structure; null where an earlier version extracted it",
    )
    word_count: int = shown(9, "words of the body; in scripts without blanks two signs count as one")
    categories: list[str] = shown(["weather"], "what the publisher files it under")
    enclosures: list[Enclosure] = shown(
        [{"url": "https://www.example.org/storm.mp3", "type": "audio/mpeg", "length": 481204, "duration": 61}]
    )
    lead_image: LeadImage | None = shown(_PICTURE)
    description: str | None = shown("What the storm did in the night.", "what the page says it is about")
    section: str | None = shown("Weather")
    is_free: bool | None = shown(True, "whether everybody may read the page; null: it does not say")
    licence: str | None = shown(None)
    rights: Rights | None = shown(
        {"robots": None, "x_robots_tag": None, "noai": True, "tdm_reservation": None, "licence_url": None}
    )
    images: list[LeadImage] | None = shown([_PICTURE], "null where an earlier version extracted the article")
    extractor: Extractor = shown({"name": "aggregator", "version": "1"})
    change_seq: int | None = shown(1840, "the number of its last change")
    first_seen: datetime = shown("2026-11-19T10:00:00Z")
    feed: str = shown("Example News")
    feeds: list[str] = shown(["Example News"])
    tags: list[str] = shown(["news", "weather"])
    revision: int = shown(2)
    near_duplicate_of: str | None = shown(None)
    quality: list[str] = shown([], "reasons to doubt that this is an article")
    raw: str = shown(
        "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08", "content hash of the stored raw page"
    )


class Change(Record):
    """A change of the corpus, such as a new article, a new revision, a merge or a deletion."""

    change_seq: int = shown(1841)
    kind: Literal["new", "updated", "merged", "split", "forgotten", "withdrawn"] = shown("merged")
    id: str = shown("fedcba9876543210")
    merged_into: str | None = shown("0123456789abcdef", "the article that it is part of by now")
    article: Article | None = shown(None, "its state as it is now; null: take it out of your copy")


class Changes(Record):
    """Changes of the corpus after a cursor, and the cursor for the next request."""

    changes: list[Change] = shown([example_of(Change)])
    cursor: int = shown(1841, "ask for what comes after this the next time")
    epoch: str = shown("5f1c2e9ab0d44c7c", "of this store's cursors; give it back with the cursor")
    more: bool = shown(False, "there is more already")


class Found(Record):
    """An article that matches a search, with the passage that matches."""

    id: str = shown("0123456789abcdef")
    url: str = shown(_URL)
    title: str = shown("A storm passes")
    date: str = shown("2026-11-19")
    feed: str = shown("Example News")
    first_seen: datetime = shown("2026-11-19T10:00:00Z")
    language: str = shown("en")
    snippet: str = shown(
        "The <mark>storm</mark> passed in the night.", "HTML: escaped text, matches in <mark>; empty without a query"
    )


class FoundPage(Record):
    """A part of the articles that match a search."""

    found: list[Found] = shown([example_of(Found)])
    count: int | None = shown(1, "of all pages; null without a query")
    next: str | None = shown(None, "give it as `after` for the next page; null: this is the last one")


class Revision(Record):
    """One recorded text of an article."""

    number: int = shown(2)
    recorded_at: datetime = shown("2026-11-19T12:00:00Z")
    title: str = shown("A storm passes")
    body: str = shown(_BODY)


class Why(Record):
    """All stored facts about an address: entries, pages, articles, evidence, decisions. Each list is oldest first."""

    url: str = shown(_URL)
    entries: list[dict[str, Any]] = shown(
        [
            {
                "feed_id": 1,
                "feed": "Example News",
                "entry_id": "https://www.example.org/?p=4711",
                "link": "https://www.example.org/news/storm?utm_source=feed",
                "title": "A storm passes",
                "published_at": "2026-11-19T07:30:00Z",
                "first_seen": "2026-11-19T10:00:00Z",
                "page_id": 17,
            }
        ],
        "entries of feeds that led to it",
    )
    pages: list[dict[str, Any]] = shown(
        [
            {
                "id": 17,
                "url": _URL,
                "key": "example.org/news/storm",
                "target": "",
                "state": "done",
                "due_at": "2026-11-19T10:00:00Z",
                "attempts": 1,
                "cause": None,
                "detail": "",
                "first_seen": "2026-11-19T10:00:00Z",
                "fetched_at": "2026-11-19T10:00:04Z",
                "article_id": "0123456789abcdef",
            }
        ],
        "addresses to fetch, and how that went",
    )
    articles: list[dict[str, Any]] = shown(
        [
            {
                "id": "0123456789abcdef",
                "key": "example.org/news/storm",
                "url": _URL,
                "first_seen": "2026-11-19T10:00:00Z",
                "revision": 2,
                "merged_into": None,
                "is_withdrawn": False,
                "is_skipped": False,
                "near_duplicate_of": None,
                "forgotten_at": None,
            }
        ],
        "articles, merged away and forgotten ones too",
    )
    evidence: list[dict[str, Any]] = shown(
        [
            {
                "key": "example.org/news/storm",
                "other": "example.org/?p=4711",
                "kind": "canonical",
                "witness": "example.org",
                "seen_at": "2026-11-19T10:00:05Z",
            }
        ],
        "why two keys are one article, and who says so",
    )
    decisions: list[dict[str, Any]] = shown(
        [
            {
                "url": _URL,
                "key": "example.org/news/storm",
                "verdict": "announced",
                "rule": "url",
                "detail": "",
                "article_id": None,
                "at": "2026-11-19T10:00:00Z",
            }
        ],
        "what was kept, skipped or merged, by which rule",
    )


class Finding(Record):
    """One thing that is wrong with a feed, and the remedy."""

    feed: str = shown("Example News")
    feed_id: int = shown(1)
    url: str = shown("https://www.example.org/feed.xml")
    kind: str = shown("failing")
    severity: Literal["broken", "attention"] = shown("broken")
    cause: str | None = shown("not_found")
    since: datetime | None = shown("2026-11-18T21:00:00Z")
    detail: str = shown("404 Not Found")
    remedy: str = shown("Nothing is there: find the new address with `aggregator feeds discover <site>`.")


class Feed(Record):
    """A feed with its settings and its state."""

    id: int = shown(1)
    url: str = shown("https://www.example.org/feed.xml")
    name: str = shown("Example News")
    title: str = shown("News of example.org")
    tags: list[str] = shown(["news"])
    full_text: bool = shown(True)
    enabled: bool = shown(True)
    status: str = shown("ok")
    cause: str | None = shown(None)
    detail: str = shown("")
    failing_since: datetime | None = shown(None)
    polled_at: datetime | None = shown("2026-11-19T10:00:00Z")
    succeeded_at: datetime | None = shown("2026-11-19T10:00:00Z")
    due_at: datetime | None = shown("2026-11-19T10:30:00Z", "null: not polled any more (410 Gone)")
    entries_per_day: float = shown(24.5, "to be expected")
    adopted_url: str | None = shown(None, "permanently redirected to here")


class Poll(Record):
    """One poll of a feed and its outcome."""

    at: datetime = shown("2026-11-19T10:00:00Z")
    outcome: Literal["new", "unchanged", "failed", "moving"] = shown("new")
    status: int | None = shown(200)
    cause: str | None = shown(None)
    detail: str = shown("")
    seconds: float = shown(0.21)
    wire_bytes: int = shown(18204)
    entries_seen: int = shown(30)
    entries_new: int = shown(2)


class FeedDetail(Feed):
    """A feed with its latest polls and its findings (the problems that `aggregator health` reports)."""

    polls: list[Poll] = shown([example_of(Poll)])
    findings: list[Finding] = shown([])


class Health(Record):
    """The number of all feeds, the number of broken feeds, and findings about feeds."""

    feeds: int = shown(214)
    broken: int = shown(1)
    findings: list[Finding] = shown([example_of(Finding)])


class Gap(Record):
    """A time between two polls in which a feed may have lost entries.

    `filled_at` is the time when the lost entries were found in another source; null: they were not.
    """

    feed: str = shown("Example News")
    feed_id: int = shown(1)
    since: datetime = shown("2026-11-18T22:00:00Z")
    until: datetime = shown("2026-11-19T06:00:00Z")
    filled_at: datetime | None = shown(None)


class Status(Record):
    """The numbers of the installation, and its activity in the last 24 hours."""

    at: datetime = shown("2026-11-19T12:00:00Z")
    feeds: int = shown(214)
    feeds_broken: int = shown(1)
    articles: int = shown(9901)
    pages_due: int = shown(3)
    pages_fetched: int = shown(0)
    polls: int = shown(10272)
    polls_failed: int = shown(48)
    wire_bytes: int = shown(81204113)
    entries_new: int = shown(1204)
    articles_new: int = shown(1102)
    delay_p50: float | None = shown(412.0, "seconds from publication to discovery")
    delay_p95: float | None = shown(1801.5)


class Refreshed(Record):
    """The answer to `refresh`: the feed is due now."""

    feed_id: int = shown(1)
    due: bool = shown(True)
