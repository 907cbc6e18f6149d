"""What is read from the store: articles, changes, reports and traces; records that are frozen, without behaviour."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Literal

from aggregator.models.articles import Article, Extraction
from aggregator.models.fetching import Cause
from aggregator.models.ids import ArticleId, FeedId, Key, PageId
from aggregator.ports.store_records import Decision
from aggregator.text.search_words import Piece


@dataclass(frozen=True, slots=True, kw_only=True)
class Gap:
    """A time in which a feed may have lost entries; `filled_at` None: what was lost was not found elsewhere."""

    feed_id: FeedId
    feed: str  # name, else URL
    since: datetime
    until: datetime
    filled_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SyncReport:
    """What a feed list changed, as lines for the log and names."""

    added: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()  # `"DW English": interval 30m -> 10m`
    refused: tuple[str, ...] = ()  # what an older list would have removed or changed
    newer_at: datetime | None = None  # when the list in force was written, where this one is older


@dataclass(frozen=True, slots=True, kw_only=True)
class FilterChange:
    """What changed filters mean for a page and its article: it is skipped from now on, or it comes back."""

    url: str
    title: str
    article_id: ArticleId | None  # None: there is no text yet
    is_skipped: bool
    rule: str  # "" if no rule had to fit
    place: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """A numbered change; `article` is its state as read now, None for a tombstone."""

    seq: int
    kind: Literal["new", "updated", "merged", "split", "forgotten", "withdrawn"]
    article_id: ArticleId
    merged_into: ArticleId | None
    article: Article | None
    day: str  # YYYY/MM/DD of the article's file, also for a tombstone
    number: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Position:
    """How far the changes of a store go. A number of another epoch is another store's: followers start again."""

    epoch: str
    seq: int  # of the last change; 0: none
    recorded: int = field(default=0, compare=False)  # the last change, numbered or not: the state of the articles


@dataclass(frozen=True, slots=True, kw_only=True)
class ArticleFilter:
    """Which articles to read; empty fields do not filter."""

    since: datetime | None = None  # first seen at or after
    until: datetime | None = None  # first seen before
    feed: str = ""  # name or URL
    quality: bool = False  # only those with reasons to doubt
    after_seq: int | None = None
    limit: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ArticleSearch:
    """Which articles to show, and in which order; empty fields do not filter.

    Without a query "best" is the order of `first_seen`. `recorded` is the time at which the current text came.
    """

    query: str = ""
    feed: str = ""  # name or URL
    tag: str = ""  # of a feed that announced it
    day: datetime | None = None  # first seen in the 24 hours from here
    language: str = ""  # "de" finds "de-AT", too
    doubtful: bool | None = None  # with reasons to doubt that it is an article, or without
    once: bool = False  # without near duplicates of earlier articles
    after: str = ""  # `next` of the page before
    limit: int = 20
    order: Literal["best", "first_seen", "recorded"] = "best"  # the latest first


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """An article that matches: its title and a stretch of its body, with the matches."""

    article: Article
    recorded_at: datetime  # when its current text came
    title: tuple[Piece, ...]
    snippet: tuple[Piece, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundPage:
    """A page of articles that match; `next` is empty on the last one."""

    found: tuple[Found, ...]
    count: int | None  # of all pages; None: not counted, for nothing is searched
    next: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Revision:
    """An earlier or the current text of an article."""

    number: int
    recorded_at: datetime
    content: Extraction


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """What a store holds."""

    feeds: int
    entries: int
    articles: int
    revisions: int
    pages_due: int
    pages_fetched: int
    pages_failed: int
    unpublished: int
    schema_version: str
    size_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PollSums:
    """The remembered polls of a feed, summed up; the bytes are means."""

    first_at: datetime | None = None  # None: there is no poll
    count: int = 0
    found: int = 0  # polls that found something new
    bytes_found: float = 0.0  # of such a poll
    bytes_else: float = 0.0  # of any other poll
    found_at: tuple[datetime, ...] = ()  # when new entries came, the oldest first


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedScreen:
    """What makes a feed worth a look by `diagnose`, roughly: none that it finds fault with may be missed."""

    now: datetime
    due_before: datetime  # overdue since
    polled_after: datetime  # a poll that lies ahead
    silent_since: datetime
    silent_entries: float  # that a silent feed should have brought meanwhile, whatever the day of the week
    prior: tuple[float, float]  # entries and days that are added to what is known of its rate


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedSigns:
    """What the latest entries, pages and articles that a feed announced first look like."""

    entries: int = 0
    dates_flagged: int = 0  # entries with a date that cannot be right
    articles: int = 0
    articles_doubtful: int = 0  # with reasons to doubt
    reasons: Mapping[str, int] = field(default_factory=dict)  # these reasons, counted
    pages_failed: Mapping[Cause, int] = field(default_factory=dict)
    polls_failed: int = 0  # of those that are remembered

    @property
    def tells(self) -> bool:
        """Whether one of them may be a finding."""
        return bool(self.dates_flagged or self.articles_doubtful or self.pages_failed or self.polls_failed)


@dataclass(frozen=True, slots=True, kw_only=True)
class Activity:
    """What happened since a time; `delays` are those between publication and discovery, ascending."""

    since: datetime
    polls: int
    polls_failed: int
    wire_bytes: int
    entries_new: int
    articles_new: int
    delays: tuple[timedelta, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class DayCounts:
    """What came on a day (UTC). Articles count on the day of their first sighting, even if they were merged later."""

    day: date
    articles: int
    entries: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TracedPage:
    """A page as it stands: waiting, fetched, done or failed."""

    id: PageId
    url: str
    key: Key
    target: str
    state: Literal["due", "fetched", "done", "failed", "skipped"]
    due_at: datetime
    attempts: int
    cause: Cause | None
    detail: str
    first_seen: datetime
    fetched_at: datetime | None
    article_id: ArticleId | None


@dataclass(frozen=True, slots=True, kw_only=True)
class TracedEntry:
    """An entry of a feed that led to an address."""

    feed_id: FeedId
    feed: str  # name or URL
    entry_id: str
    link: str | None
    title: str
    published_at: datetime | None
    first_seen: datetime
    page_id: PageId | None


@dataclass(frozen=True, slots=True, kw_only=True)
class TracedArticle:
    """An article's row, merged away and forgotten ones too."""

    id: ArticleId
    key: Key
    url: str
    first_seen: datetime
    revision: int
    merged_into: ArticleId | None
    near_duplicate_of: ArticleId | None
    forgotten_at: datetime | None
    is_withdrawn: bool = False  # it was a wall
    is_skipped: bool = False  # by a filter


@dataclass(frozen=True, slots=True, kw_only=True)
class TracedEvidence:
    """Why two keys are taken for one article: what is said, by which site, since when."""

    key: Key
    other: Key
    kind: str
    witness: str
    seen_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Trace:
    """All that the store knows about an address; every part may be empty. Each part is oldest first."""

    entries: tuple[TracedEntry, ...] = ()
    pages: tuple[TracedPage, ...] = ()
    articles: tuple[TracedArticle, ...] = ()
    evidence: tuple[TracedEvidence, ...] = ()
    decisions: tuple[Decision, ...] = ()
