"""Records that the store returns: articles, changes, reports and traces. They are frozen, without behaviour."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Literal

from aggregator.models.articles import Article, Extraction
from aggregator.models.feeds import Feed
from aggregator.models.fetching import Cause
from aggregator.models.ids import ArticleId, FeedId, Key, PageId
from aggregator.ports.store_records import Decision
from aggregator.text.search_words import Piece


@dataclass(frozen=True, slots=True, kw_only=True)
class Gap:
    """The period between two polls of a feed whose answers have no entry in common. Entries may have been lost.

    `filled_at` is when the lost entries were found elsewhere (an archive page, a sitemap); None: they were not.
    """

    feed_id: FeedId
    feed: str  # name, else URL
    since: datetime
    until: datetime
    filled_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SyncReport:
    """What a call of `sync_feeds` changed. `added` and `removed` are names, or addresses of feeds without a name.

    `changed` and `refused` are lines for the log.
    """

    added: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()  # `"DW English": interval 30m -> 10m`
    refused: tuple[str, ...] = ()  # what an older list would have removed or changed
    newer_at: datetime | None = None  # when the newer list in force was written; None: this one is the newest


@dataclass(frozen=True, slots=True, kw_only=True)
class FilterChange:
    """A page whose filter decision changed: it and its article are skipped from now on, or no longer skipped."""

    url: str
    title: str
    article_id: ArticleId | None  # None: there is no text yet
    is_skipped: bool
    rule: str  # "" if no rule had to fit
    place: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """A numbered change of an article, to be delivered. `article` is the article's present state.

    `article` None: the article no longer exists (merged, forgotten or withdrawn), and its file is to be removed.
    """

    seq: int
    kind: Literal["new", "updated", "merged", "split", "forgotten", "withdrawn"]
    article_id: ArticleId
    merged_into: ArticleId | None
    article: Article | None
    day: str  # YYYY/MM/DD of the article's file, also for a tombstone
    number: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Position:
    """The number `seq` of the last change in a store, and `epoch`, the id of that store's sequence of changes.

    If the epoch is not the same as before, a program that follows the changes must start again at the first one.
    """

    epoch: str
    seq: int  # of the last change; 0: none
    recorded: int = field(default=0, compare=False)  # the last change, numbered or not: the state of the articles


@dataclass(frozen=True, slots=True, kw_only=True)
class ArticleFilter:
    """Which articles to read. All given fields must fit; an empty field fits every article."""

    since: datetime | None = None  # first seen at or after
    until: datetime | None = None  # first seen before
    feed: str = ""  # name or URL
    quality: bool = False  # only those with reasons to doubt
    after_seq: int | None = None
    limit: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ArticleSearch:
    """Which articles a search shows, and in which order. An empty field fits every article.

    The order "best" puts the best match first. Without a query, or if more than `most_weighed` articles match, the
    order "first_seen" is used instead. "recorded" is by the time when the current text was stored.
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
    marked: bool = True  # count the matches of a query, and split titles and texts at them
    most_weighed: int = 10_000  # a word of so many articles tells little, and to weigh each of them takes long


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """An article that a search found. `title` and `snippet` (a part of the body) are split at the matched words."""

    article: Article
    recorded_at: datetime  # when its current text came
    title: tuple[Piece, ...]
    snippet: tuple[Piece, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundPage:
    """One page of a search's results.

    To get the following page, search again with `next` as `after`. `next` "": this is the last page.
    """

    found: tuple[Found, ...]
    count: int | None  # number of all matches; None: there is no query, or it is not `marked`
    next: str
    is_weighed: bool  # the best match comes first; False: the latest article


@dataclass(frozen=True, slots=True, kw_only=True)
class Revision:
    """One text of an article, an earlier or the current one."""

    number: int
    recorded_at: datetime
    content: Extraction


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """How much a store contains: numbers of rows, the schema's version, and the size in bytes."""

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
    """Sums over the stored polls of a feed, and the mean number of bytes of a poll with and without new entries."""

    first_at: datetime | None = None  # None: there is no poll
    count: int = 0
    found: int = 0  # polls that found something new
    bytes_found: float = 0.0  # of such a poll
    bytes_else: float = 0.0  # of any other poll
    found_at: tuple[datetime, ...] = ()  # when new entries came, the oldest first


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedHistory:
    """A feed and the sums over its stored polls."""

    feed: Feed
    polls: PollSums


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedScreen:
    """The limits beyond which a feed is suspect, so that `health` checks it in detail (`Reports.suspect_ids`)."""

    now: datetime
    due_before: datetime  # overdue since
    polled_after: datetime  # the time of a poll in the future
    silent_since: datetime
    silent_entries: float  # entries that were expected during the silence, on any days of the week
    prior: tuple[float, float]  # entries and days of the prior for its rate
    silent_gaps: float  # as a multiple of its longest recent pause


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedLine:
    """The facts about a feed that a listing shows. `cause` None: its last poll did not fail.

    `moved_to` is the address to which permanent redirects moved the feed; None: it is polled at its own address.
    """

    url: str
    title: str
    status: str
    cause: str | None
    polled_at: datetime | None
    due_at: datetime
    moved_to: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedSigns:
    """Counts for one feed: its recent entries, the recent pages that it announced first, and its failed polls."""

    entries: int = 0
    dates_flagged: int = 0  # entries with a date that cannot be right
    articles: int = 0
    articles_doubtful: int = 0  # with reasons to doubt
    reasons: Mapping[str, int] = field(default_factory=dict)  # these reasons, counted
    pages_failed: Mapping[Cause, int] = field(default_factory=dict)
    polls_failed: int = 0  # of the stored polls

    @property
    def tells(self) -> bool:
        """Whether a count here may lead to a finding, that is a problem that `aggregator health` reports."""
        return bool(self.dates_flagged or self.articles_doubtful or self.pages_failed or self.polls_failed)


@dataclass(frozen=True, slots=True, kw_only=True)
class Activity:
    """What happened since the time `since`. `delays` are the times from publication to first sighting, ascending."""

    since: datetime
    polls: int
    polls_failed: int
    wire_bytes: int
    entries_new: int
    articles_new: int
    delays: tuple[timedelta, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class DayCounts:
    """The numbers of new articles and entries on one day (UTC).

    An article counts on the day of its first sighting, even if it was merged later.
    """

    day: date
    articles: int
    entries: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TracedPage:
    """The row of a page, for `aggregator why`: its state, its next due time and its last failure."""

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
    """The row of a feed's entry that announced the address, for `aggregator why`."""

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
    """The row of an article, for `aggregator why`. It may be merged, forgotten, withdrawn or skipped."""

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
    """Evidence that `key` and `other` mean one article.

    `kind` is a value of `EvidenceKind`, and `witness` is the site that stated it.
    """

    key: Key
    other: Key
    kind: str
    witness: str
    seen_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Trace:
    """All rows of the store about one address, for `aggregator why`. Each field is sorted, oldest first."""

    entries: tuple[TracedEntry, ...] = ()
    pages: tuple[TracedPage, ...] = ()
    articles: tuple[TracedArticle, ...] = ()
    evidence: tuple[TracedEvidence, ...] = ()
    decisions: tuple[Decision, ...] = ()
