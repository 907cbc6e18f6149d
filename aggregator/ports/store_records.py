"""The ledger: what is claimed, what is recorded, what is read; the records that cross the store's border.

All of them are frozen. No behaviour, no I/O.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Literal

from aggregator.identity.evidence import Blog, Edge
from aggregator.identity.fingerprint import Fingerprint
from aggregator.identity.walls import Resemblance
from aggregator.models.fetching import Cause
from aggregator.models.records import (
    Article,
    ArticleId,
    Entry,
    Extraction,
    FeedId,
    FeedState,
    FetchedPage,
    HostId,
    Identity,
    Key,
    PageId,
    ParsedFeed,
)
from aggregator.text.search_words import Piece

# --- claims -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """A host that is ours until the lease runs out. `now` is the store's clock at the claim."""

    host_id: HostId
    host: str  # name:port
    token: int
    now: datetime
    lease: timedelta
    failures: int  # of connection, DNS, TLS or 429/503, in a row
    robots: str  # what `robots` keeps, as text; "" if never asked
    robots_at: datetime | None
    priority: int  # 1: someone asked for it


# --- what is recorded -------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What was decided about a URL, by which rule; kept only when the answer changes."""

    url: str
    key: Key | None
    verdict: str  # announced, kept, merged, skipped, blocked, refused, failed, ...
    rule: str
    detail: str = ""
    article_id: ArticleId | None = None
    at: datetime | None = None  # filled in by the store


@dataclass(frozen=True, slots=True, kw_only=True)
class ArticleRecord:
    """An extracted article on its way into the store.

    `identity` is that of the address that served it (the final URL); `urls` are all addresses seen on the way with
    their identities (page, hops, entry links), `edges` what they and the page itself say about being one.
    `pointers` are exact addresses that lead here without being the article's own (a redirector of another domain).
    `says_title` tells how much of the title that its feed announced the page says: what says nothing may be a wall.
    """

    identity: Identity
    url: str  # canonical address to show
    urls: tuple[Identity, ...]
    edges: tuple[Edge, ...]
    pointers: tuple[Identity, ...]
    content: Extraction
    quality: tuple[str, ...]
    fingerprint: Fingerprint | None
    decisions: tuple[Decision, ...] = ()
    blog: Blog | None = None  # learnt from the page: whose short links are of its host
    says_title: Resemblance = Resemblance.SAYS


@dataclass(frozen=True, slots=True, kw_only=True)
class ArticleOutcome:
    """What extraction made of a page. The page is due again at `if_changed` or `if_unchanged`; None: never.

    It is due at `if_wall` when what was extracted turns out to be a wall: no article, and tried again.
    `resumes` True: what is asked for then is the part of it that failed, not the page itself.
    """

    page: FetchedPage
    record: ArticleRecord
    if_changed: datetime | None = None
    if_unchanged: datetime | None = None
    if_wall: datetime | None = None
    resumes: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ArticleRecorded:
    """What became of an `ArticleRecord`."""

    article_id: ArticleId
    kind: Literal["new", "updated", "unchanged", "duplicate", "wall"]  # "wall": the page failed


@dataclass(frozen=True, slots=True, kw_only=True)
class Sighting:
    """One entry of one poll.

    `identity` tells which article its `url` (the address to fetch) means; None: nothing to fetch.
    `edges` come from the entry's several links. `from_feed` True: the entry's own content is the article
    (`full_text = false`, or an entry without a link), so its page waits for extraction at once, without bytes; unless
    it was read along with the feed: then `article` is what came of it.
    """

    entry: Entry
    content_hash: str
    url: str | None
    host: str | None  # name:port of url
    identity: Identity | None
    edges: tuple[Edge, ...] = ()
    from_feed: bool = False
    decisions: tuple[Decision, ...] = ()
    article: ArticleRecord | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedReading:
    """What an answer says: the feed, and what each of its new entries means, in order."""

    parsed: ParsedFeed
    sightings: tuple[Sighting, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class PollOutcome:
    """One row of a feed's history."""

    at: datetime
    outcome: Literal["new", "unchanged", "failed", "moving"]
    status: int | None
    cause: Cause | None
    detail: str
    elapsed: timedelta
    wire_bytes: int
    entries_seen: int = 0
    entries_new: int = 0  # filled in by the store
    unconditional: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class PollRecord:
    """The whole outcome of one poll, saved in one transaction.

    `host` is the name:port where the feed is due next (it changes when an address was adopted or a hop is pending).
    `gap` is a time in which entries may have been lost; with `filled_since` all gaps of the feed that began then or
    later are filled. `is_poll` False: the feed was not asked, so there is no row of history. `revisits` False: pages
    are never visited again, not even when an entry's `updated` changed.
    """

    feed_id: FeedId
    host: str
    state: FeedState
    outcome: PollOutcome
    sightings: tuple[Sighting, ...] = ()
    gap: tuple[datetime, datetime] | None = None
    filled_since: datetime | None = None
    is_poll: bool = True
    revisits: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class PollRecorded:
    """What the store made of a poll: `new_pages` and their hosts enlarge a `RunScope`; the feed is due at `host_id`."""

    entries_new: int
    entries_changed: int
    new_pages: tuple[tuple[PageId, HostId], ...]
    host_id: HostId
    known: int  # sightings of articles and pages that were known already
    articles: tuple[ArticleRecorded, ...] = ()  # of entries that were read along with the feed


# --- what is read -----------------------------------------------------------------------------------------------------


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
class FeedSigns:
    """What the latest entries, pages and articles that a feed announced first look like."""

    entries: int = 0
    dates_flagged: int = 0  # entries with a date that cannot be right
    articles: int = 0
    articles_doubtful: int = 0  # with reasons to doubt
    reasons: Mapping[str, int] = field(default_factory=dict)  # these reasons, counted
    pages_failed: Mapping[Cause, int] = field(default_factory=dict)
    polls: int = 0
    polls_failed: int = 0


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
class TracedPage:
    """A page as it stands: waiting, fetched, done or failed."""

    id: PageId
    url: str
    key: Key
    target: str
    state: Literal["due", "fetched", "done", "failed"]
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


# --- what a worker makes ----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Collected:
    """What a worker process makes of one page; crosses the border between processes."""

    content: Extraction
    quality: tuple[str, ...]
    fingerprint: Fingerprint | None
    parts: int = 0  # how many further pages are in it
    says_title: Resemblance = Resemblance.SAYS  # how much of the title that its feed announced


@dataclass(frozen=True, slots=True, kw_only=True)
class Onward:
    """What a worker process answers while the article goes on elsewhere: which part has to be fetched next."""

    number: int
    url: str
