"""Records that visits and workers pass to the store or get from it: claims, decisions, articles, polls.

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
    """The right of one process to visit a host until the `lease` ends. `now` is the store's time at the claim.

    `token` is the number of the claim. A later claim on the host has another token and ends this one.
    """

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
    """A decision about a URL: the verdict and the rule that gave it.

    The store leaves a decision out if it repeats the last one that the same feed or page gave for this URL.
    """

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

    `identity` is that of the final URL, or of the page if the final URL cannot be an article. `urls` has the identities
    of the requested addresses (page, redirects, further pages) on the final URL's site, `pointers` those on other
    sites, such as redirectors. `edges` is the evidence that addresses mean one article. `says_title` is how much of the
    entry's title the page contains. A page with none of it may be a wall (a consent page at several addresses).
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
    """The article that was extracted from a page, and when the page is fetched again in each case; None: never.

    `if_changed` is for a new or updated article, `if_unchanged` for any other. `if_wall` is for a wall (see
    `ArticleRecord`), of which no article is stored. `if_doubtful` is for an article that may be a wall, if that is
    sooner. `resumes` True: the further page whose fetch failed is fetched then, not the first page.
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
    """What the store did with an `ArticleRecord`: the id of the article, and the kind of change."""

    article_id: ArticleId
    kind: Literal["new", "updated", "unchanged", "duplicate", "wall", "skipped"]  # "wall": the page failed


@dataclass(frozen=True, slots=True, kw_only=True)
class Sighting:
    """One entry of a feed, as one poll found it.

    `url` is the address to fetch, and `identity` tells which article it means; None: nothing is fetched. `edges` is the
    evidence that the entry's links mean one article. `from_feed` True: the entry's own content is the article
    (`full_text = false`, or no link). If that content is extracted already, `article` is the result.
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
    """The parsed answer of a feed, and a `Sighting` for each of its entries, in the feed's order.

    Entries whose bytes are unchanged since the last poll are left out.
    """

    parsed: ParsedFeed
    sightings: tuple[Sighting, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class PollOutcome:
    """The outcome of one poll of a feed, stored as a row of the feed's history."""

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
    """All that one poll changes in the store, saved in one transaction.

    `host` is the name:port of the feed's next request. It changes when a permanent redirect was adopted, or when a
    redirect to another host is pending. `gap` is a period in which entries may have been lost (`Gap`). `filled_since`:
    all gaps of the feed that began then or later are filled. `is_poll` False: the feed was not requested, so there is
    no row of history. `revisits` False: a changed `updated` of an entry does not make its page due again. `learns`
    False: what was learned about the site's addresses is not used, so every new page is fetched.
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
    """What the store did with a `PollRecord`. `host_id` is the host of the feed's next request.

    `new_pages` are the pages that became due, each with its host; the caller adds them to its `RunScope`.
    """

    entries_new: int
    new_pages: tuple[tuple[PageId, HostId], ...]
    host_id: HostId
    known: int  # sightings of articles and pages that were known already
    articles: tuple[ArticleRecorded, ...] = ()  # articles of entries whose content was read with the feed


# --- results of a worker ----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Collected:
    """What a worker process extracted from one page; sent to the process that records it."""

    content: Extraction
    quality: tuple[str, ...]
    fingerprint: Fingerprint | None
    parts: int = 0  # number of further pages in the text
    says_title: Resemblance = Resemblance.SAYS  # how much of the title that its feed announced


@dataclass(frozen=True, slots=True, kw_only=True)
class NextPage:
    """What a worker process returns if the article continues on another page, which must be fetched first.

    `number` 2 is the second page of the article.
    """

    number: int
    url: str
