"""Records that are passed to the store, or returned by claims: claims, decisions, articles, polls.

All records are frozen. No behaviour, no I/O.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from aggregator.identity.evidence import Edge
from aggregator.identity.fingerprint import Fingerprint
from aggregator.identity.walls import Resemblance
from aggregator.identity.wordpress import Blog
from aggregator.models.articles import Extraction
from aggregator.models.feeds import Entry, FeedState, ParsedFeed
from aggregator.models.fetching import Cause
from aggregator.models.ids import ArticleId, FeedId, HostId, Identity, Key, PageId
from aggregator.models.pages import FetchedPage

# --- claims -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """A claimed host, until the lease runs out. `now` is the store's clock at the claim."""

    host_id: HostId
    host: str  # name:port
    token: int
    now: datetime
    lease: timedelta
    failures: int  # failures in a row: connection, DNS, TLS, 429, 503
    robots: str  # what `robots` keeps, as text; "" if never asked
    robots_at: datetime | None
    priority: int  # 1: an operator asked for a poll


# --- results to record ------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """A decision about a URL and its rule; stored only when the answer changes."""

    url: str
    key: Key | None
    verdict: str  # announced, kept, merged, skipped, blocked, refused, failed, ...
    rule: str
    detail: str = ""
    article_id: ArticleId | None = None
    at: datetime | None = None  # filled in by the store


@dataclass(frozen=True, slots=True, kw_only=True)
class ArticleRecord:
    """An extracted article to be recorded.

    `identity` is the identity of the final URL, which gave the article. `urls` are all addresses on the way with their
    identities (page, hops, entry links). `edges` state that these addresses and those that the page declares are one
    article. `pointers` are exact addresses that lead to the article but are not its own (a redirector of another
    domain). `says_title` tells how much of the announced title the page has. A page without any of this title may be a
    wall.
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
    blog: Blog | None = None  # the blog to which short links of this host belong, as the page states
    says_title: Resemblance = Resemblance.SAYS


@dataclass(frozen=True, slots=True, kw_only=True)
class ArticleOutcome:
    """The result of extracting a page. The page is due again at `if_changed` or at `if_unchanged`; None: never.

    If the text turns out to be a wall, there is no article, and the page is due at `if_wall`. If the article may be a
    wall, the page is due at `if_doubtful`, if this time is sooner. `resumes` True: only the failed part is fetched at
    the due time, not the page itself.
    """

    page: FetchedPage
    record: ArticleRecord
    if_changed: datetime | None = None
    if_unchanged: datetime | None = None
    if_wall: datetime | None = None
    if_doubtful: datetime | None = None
    resumes: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ArticleRecorded:
    """The result of recording an `ArticleRecord`."""

    article_id: ArticleId
    kind: Literal["new", "updated", "unchanged", "duplicate", "wall", "skipped"]  # "wall": the page failed


@dataclass(frozen=True, slots=True, kw_only=True)
class Sighting:
    """One entry in one poll.

    `identity` tells which article its `url` (the address to fetch) means; None: nothing to fetch. `edges` come from the
    entry's several links. `from_feed` True: the entry's own content is the article (`full_text = false`, or an entry
    without a link). Its page then waits for extraction without bytes, unless `article` has the result already.
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
    """The parsed answer: the feed, and a sighting for each of its new entries, in order."""

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

    `host` is the name:port where the feed is due next. It changes when an address was adopted or a redirect is pending.
    `gap` is a time in which entries may have been lost. If `filled_since` is set, all gaps of the feed that began at
    this time or later are filled. `is_poll` False: the feed was not asked, so there is no row of history. `revisits`
    False: pages are never fetched again, even if an entry's `updated` changed. `learns` False: lessons are not used, so
    every new page is fetched.
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
    learns: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class PollRecorded:
    """The result of recording a poll: `new_pages` and their hosts extend a `RunScope`; the feed is due at `host_id`."""

    entries_new: int
    new_pages: tuple[tuple[PageId, HostId], ...]
    host_id: HostId
    known: int  # sightings of articles and pages that were known already
    articles: tuple[ArticleRecorded, ...] = ()  # articles of entries whose content was read with the feed


# --- results of a worker ----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Collected:
    """The result of a worker process for one page; sent between processes."""

    content: Extraction
    quality: tuple[str, ...]
    fingerprint: Fingerprint | None
    parts: int = 0  # number of further pages in the text
    says_title: Resemblance = Resemblance.SAYS  # how much of the title that its feed announced


@dataclass(frozen=True, slots=True, kw_only=True)
class NextPage:
    """The result of a worker process if the article continues on another page. That page must be fetched first."""

    number: int
    url: str
