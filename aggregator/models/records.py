"""The records that flow between the stages: frozen, without behaviour, without I/O.

Times are aware UTC datetimes (`..._at`), spans are `timedelta`, URLs are absolute strings. A field that may be
unknown is `None`, a text that may be empty is `""`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final, Literal, NewType

from aggregator.models.fetching import Cause, Hop, Validators

Key = NewType("Key", str)  # which article a URL means, e.g. "dw:63723431"
ArticleId = NewType("ArticleId", str)  # 16 hexadecimal digits
FeedId = NewType("FeedId", int)
PageId = NewType("PageId", int)
HostId = NewType("HostId", int)

NO_PAGE: Final = PageId(0)  # of a page that the store has not seen
OWN_CONTENT: Final = "entry:"  # how the keys of entries without a page begin: their text is the feed's own


# --- feeds ------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Subscription:
    """A feed as the configuration lists it. `url` is as written there; `interval` None is adaptive."""

    url: str
    name: str = ""
    interval: timedelta | None = None
    tags: tuple[str, ...] = ()
    full_text: bool = True
    enabled: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedHints:
    """What a feed says about when to ask again (RSS 2.0 ttl, skipHours, skipDays; RSS 1.0 syndication module)."""

    ttl: timedelta | None = None
    skip_hours: tuple[int, ...] = ()  # UTC, 0-23
    skip_days: tuple[int, ...] = ()  # Monday is 0
    update_interval: timedelta | None = None  # sy:updatePeriod / sy:updateFrequency


@dataclass(frozen=True, slots=True, kw_only=True)
class Enclosure:
    """A file that an entry carries."""

    url: str
    type: str = ""  # media type, `image/*` where only that it is a picture is known
    length: int | None = None  # bytes
    duration: int | None = None  # seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One entry of a feed.

    `id` is the raw guid or id as it stands, `""` if there is none. `entry_id` is never empty: the id, or the stable
    stand-in for a missing or broken one (the feed's fall-back: link, link and date, title and date).
    `summary` and `content` are HTML as it stands in the feed, not yet cleaned. `raw_hash` is that of the entry's own
    bytes (hex), `""` when the entry has no slice of its own.
    """

    id: str
    entry_id: str
    link: str | None
    title: str = ""
    published_at: datetime | None = None
    updated_at: datetime | None = None
    published_raw: str = ""  # as the publisher wrote it, for its day in his own offset
    date_flagged: bool = False  # a date was there and not believable
    authors: tuple[str, ...] = ()
    summary: str = ""
    content: str = ""
    enclosures: tuple[Enclosure, ...] = ()
    categories: tuple[str, ...] = ()
    language: str = ""
    is_permalink: bool = False  # the guid is an address of the article
    original_link: str | None = None  # feedburner:origLink
    content_id: str | None = None  # dwsyn:contentID
    raw_hash: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ParsedFeed:
    """What bytes said. `kind` None: neither a feed nor a page.

    `entries` stand in the feed's order. `complete` False: cut off, the complete entries were taken.
    """

    kind: Literal["feed", "html"] | None
    format: Literal["rss", "rdf", "atom", "json", "cdf", "sitemap"] | None
    title: str = ""
    link: str | None = None
    language: str = ""
    entries: tuple[Entry, ...] = ()
    hints: FeedHints = FeedHints()
    hub: str | None = None  # WebSub
    self_url: str | None = None
    previous_url: str | None = None  # older entries: RFC 5005 prev-archive or next page
    generator: str = ""  # what made it, as it says itself
    complete: bool = True
    raw_hashes: tuple[str, ...] = ()  # of all entries in the document, in order, those not given here too
    entry_id_rule: Literal["id", "link", "link+date", "title+date"] = "id"
    error: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class PublicationStats:
    """How often and when a feed publishes; the memory of `schedule`, decayed to `at`.

    `weight` is the decayed number of entries, `exposure_days` the decayed time in which they came; `hours` (24),
    `weekdays` (7, Monday first) and `minutes` (12 times five of an hour) are their decayed distribution in UTC,
    `recent` the latest publication times, oldest first.
    """

    since: datetime | None = None  # the first answer; None also in stores that did not keep it
    at: datetime | None = None
    weight: float = 0.0
    exposure_days: float = 0.0
    hours: tuple[float, ...] = (0.0,) * 24
    weekdays: tuple[float, ...] = (0.0,) * 7
    minutes: tuple[float, ...] = (0.0,) * 12
    recent: tuple[datetime, ...] = ()
    window: int = 0  # entries that the feed showed at the last poll


class FeedStatus(StrEnum):
    """What the last polls of a feed amount to."""

    NEW = "new"
    OK = "ok"
    FAILING = "failing"
    GONE = "gone"


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Where older entries may be: a page of the feed, a news sitemap, or a site whose robots.txt may name one."""

    kind: Literal["page", "site", "sitemap"]
    url: str


@dataclass(frozen=True, slots=True, kw_only=True)
class GapFill:
    """A gap that is being filled, page by page. What was seen at `since` or before closes it.

    `sections` are where the feed's entries lie on their site: only these are taken from a sitemap.
    """

    since: datetime
    until: datetime
    resume_at: datetime  # when the feed itself is due
    sources: tuple[Source, ...]  # still to be asked, in order
    sections: tuple[str, ...] = ()
    asked: tuple[str, ...] = ()
    waits: bool = False  # for the feed's next poll, when that may come


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedState:
    """What we remember about a feed from one poll to the next."""

    due_at: datetime
    status: FeedStatus = FeedStatus.NEW
    cause: Cause | None = None
    detail: str = ""
    failures: float = 0  # in a row, weighted by the class of their cause (1, 1/2, 1/4): see schedule
    failing_since: datetime | None = None
    polled_at: datetime | None = None
    succeeded_at: datetime | None = None
    not_before: datetime | None = None  # the server's own wish: Retry-After
    validators: Validators = field(default_factory=Validators)
    validators_of: str | None = None  # the address that gave them; None in stores that did not keep it
    body_hash: str = ""
    raw_hashes: tuple[str, ...] = ()  # of the entries in the last body, for the ladder
    title: str = ""
    format: str = ""
    hints: FeedHints = FeedHints()
    fresh_for: timedelta | None = None
    stats: PublicationStats = PublicationStats()
    adopted_url: str | None = None  # the address behind permanent redirects that served a valid feed
    adopted_at: datetime | None = None
    pending_target: str | None = None  # a hop to a host that could not be claimed
    pending_hops: tuple[Hop, ...] = ()
    advertised: tuple[str, ...] = ()  # feeds that the page now standing here advertises
    hub: str | None = None
    revalidation: str = ""  # what is known about stuck validators: "", "checked", "distrusted"
    unconditional_at: datetime | None = None  # the last complete answer: since then nothing but 304 came
    distrusted_at: datetime | None = None  # since when the validators are, or were last, distrusted
    gap_at: datetime | None = None  # when entries were lost last
    gap_interval: timedelta | None = None  # the longest interval then allowed; it doubles each day
    filling: GapFill | None = None
    entry_ids: str = ""  # what tells entries apart when the feed's own ids change, e.g. "link"


@dataclass(frozen=True, slots=True, kw_only=True)
class Feed:
    """A subscription in the store."""

    id: FeedId
    url: str
    host: str  # name:port of the address that is asked next
    name: str
    interval: timedelta | None
    tags: tuple[str, ...]
    full_text: bool
    enabled: bool
    state: FeedState


# --- identity ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """Which article a URL means and which rule said so; `key` None: it cannot mean an article."""

    url: str
    key: Key | None
    rule: str


class EvidenceKind(StrEnum):
    """Why two keys are taken for one article, strongest first."""

    REDIRECT = "redirect"  # chain of our own fetch within one registrable domain
    PART = "part"  # a further page of the article, which we fetched and joined to its first
    FEED_LINK = "feed_link"  # link, origLink, permalink guid, content id of one entry
    CANONICAL = "canonical"  # canonical and og:url of the page agree, same site
    DECLARED = "declared"  # amphtml or shortlink of the page
    BARE_CANONICAL = "bare_canonical"  # canonical that og:url does not confirm: joins nothing but equal texts
    SAME_TEXT = "same_text"  # two addresses of one site that served one text under one title
    SAME_ENTRY = "same_entry"  # an entry that leads elsewhere now, under its title: joins nothing but equal texts


# --- pages and articles -----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class RawResponse:
    """A stored response: its bytes lie in the raw store under `content_hash` (hex)."""

    content_hash: str
    url: str
    final_url: str
    status: int
    headers: Mapping[str, str]
    fetched_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class PageFailed:
    """A page that gave no article."""

    cause: Cause
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class PagePart:
    """A further page of an article that is spread over several; `number` counts from 2.

    `raw` None: it is still to be fetched, or the fetch failed (`failed`), or its bytes are gone.
    """

    number: int
    url: str
    raw: RawResponse | None = None
    failed: PageFailed | None = None
    tries: int = 0  # failed fetches in a row


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """An article URL that waits to be collected. `url` is fetched as it came; `key` is never fetched.

    With `part`, the page itself is fetched already, and that part of it is asked for next; `attempts`, `hops` and
    `validators` are then those of the part, and `folder` is where the bytes of the others lie.
    """

    id: PageId
    url: str
    key: Key
    host: str  # name:port of `target`
    target: str  # the address to ask next: `url`, or where its redirects led so far
    hops: tuple[Hop, ...]
    attempts: int
    due_at: datetime
    validators: Validators
    article_id: ArticleId | None  # set: this is a revisit
    fetched_at: datetime | None
    visits: int = 0  # successful fetches so far
    first_seen: datetime | None = None
    has_changed: bool = False  # its article has revisions
    part: PagePart | None = None
    folder: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class FetchedPage:
    """A page that waits for extraction, claimed under `token`; `entry` is its first sighting.

    `raw` None: there are no bytes, the entry's own content is all there is, because the feed is kept as it is
    (`failed` None) or because the page failed for good (`failed`).
    """

    id: PageId
    url: str
    key: Key
    token: int
    raw: RawResponse | None
    failed: PageFailed | None
    hops: tuple[Hop, ...]
    article_id: ArticleId | None
    entry: Entry | None
    feed_name: str
    feed_url: str
    attempts: int  # fetches so far
    visits: int  # successful fetches so far: 1 is the first
    first_seen: datetime
    claims: int = 1  # of this extraction, this one included: more than 1 if a process ended with the page in hand
    has_changed: bool = False  # its article has revisions
    parts: tuple[PagePart, ...] = ()  # further pages of it so far, in order; the last one may have failed
    parts_before: int = 0  # how many of them the article has by now


class DateSource(StrEnum):
    """Who said the date of an article."""

    PAGE = "page"
    FEED = "feed"
    FIRST_SEEN = "first_seen"
    NONE = "none"


@dataclass(frozen=True, slots=True, kw_only=True)
class LeadImage:
    """The picture above an article."""

    url: str
    caption: str = ""
    alt: str = ""
    credit: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rights:
    """What a page reserves, as its headers and `meta` elements said when it was fetched; None: it says nothing."""

    robots: str | None = None  # <meta name="robots">
    x_robots_tag: str | None = None  # the header
    noai: bool | None = None  # one of both names noai or noimageai
    tdm_reservation: bool | None = None  # header or meta (TDM Reservation Protocol)
    licence_url: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PageFacts:
    """What a page says beside its article's text; None: it was never looked at, or the page says nothing."""

    description: str | None = None
    section: str | None = None
    categories: tuple[str, ...] = ()  # keywords, tags and sections of page and feed
    is_free: bool | None = None
    licence: str | None = None  # as it is stated: an address or a name
    rights: Rights | None = None
    images: tuple[LeadImage, ...] = ()  # pictures in the article, in their order


@dataclass(frozen=True, slots=True, kw_only=True)
class DeclaredUrls:
    """Addresses that a page names as its own, absolute; never trusted alone."""

    canonical: str | None = None
    og_url: str | None = None
    amphtml: str | None = None
    shortlink: str | None = None
    json_ld: str | None = None
    next_page: str | None = None
    others: tuple[str, ...] = ()  # short links of other names, the page for telephones, a WordPress post's number


@dataclass(frozen=True, slots=True, kw_only=True)
class ExtractInput:
    """What `extract` needs; crosses the border to a worker process.

    `body` is raw bytes, as fetched. `feed_published` is used when the page has no date, `first_seen` when the feed has
    none either.
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
    """What a page, or an entry's content, says.

    `text` is the text of the seed format without envelope and final LF (`seedformat` writes those); `body` is the
    article alone: clean paragraphs separated by a blank line; `markdown` is the body with its structure, None where an
    earlier version extracted it. `published` is ISO 8601 in the publisher's own offset,
    or the bare day (`YYYY-MM-DD`, `YYYY-MM`, `YYYY`), or `""`. `date` is the day of the envelope, `""` if unknown.
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
    declared: DeclaredUrls = DeclaredUrls()
    tags: tuple[str, ...] = ()
    extractor_name: str = ""
    extractor_version: str = ""
    enclosures: tuple[Enclosure, ...] = ()  # the files of the feed's entry
    markdown: str | None = None


ExtractResult = Extraction | PageFailed


@dataclass(frozen=True, slots=True, kw_only=True)
class Article:
    """An article as the store gives it out; the record of `export` (docs/reference/records.md)."""

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
