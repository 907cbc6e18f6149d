"""Records of feeds: the configuration of a feed, its parsed content, its state between polls."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Literal

from aggregator.models.fetching import Cause, Hop, Validators
from aggregator.models.ids import FeedId
from aggregator.models.sources import IndexWalk, Kind, NamedSitemap


@dataclass(frozen=True, slots=True, kw_only=True)
class Subscription:
    """A feed of the configuration or of a followed list. `url` is as written there.

    `interval` is the time between two polls; None: the schedule adapts it to the feed.
    """

    url: str
    name: str = ""
    interval: timedelta | None = None
    tags: tuple[str, ...] = ()
    full_text: bool = True
    enabled: bool = True
    kind: Kind = "feed"


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedHints:
    """A feed's hints for the time of the next poll (RSS 2.0 ttl, skipHours, skipDays; RSS 1.0 syndication module)."""

    ttl: timedelta | None = None
    skip_hours: tuple[int, ...] = ()  # UTC, 0-23
    skip_days: tuple[int, ...] = ()  # Monday is 0
    update_interval: timedelta | None = None  # sy:updatePeriod / sy:updateFrequency


@dataclass(frozen=True, slots=True, kw_only=True)
class Enclosure:
    """A file attached to an entry."""

    url: str
    type: str = ""  # media type; `image/*`: a picture of an unknown type
    length: int | None = None  # bytes
    duration: int | None = None  # seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One entry of a feed.

    `id` is the raw guid or id, unchanged, `""` if there is none. `entry_id` identifies the entry and is never empty. It
    is `id`, or a replacement if ids are missing or broken (link, link and date, or title and date; the same kind for
    the whole feed). `summary` and `content` are HTML, not yet cleaned. `raw_hash` is the hash of the entry's bytes in
    the feed (hex), `""` if these bytes could not be separated from the other entries.
    """

    id: str
    entry_id: str
    link: str | None
    title: str = ""
    published_at: datetime | None = None
    updated_at: datetime | None = None
    published_raw: str = ""  # as the publisher wrote it; it has the day in the publisher's own offset
    date_flagged: bool = False  # the entry has a date that is not plausible
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
    """The parsed content of a feed's answer. `kind` is "html" for an HTML page, None for anything else that is no feed.

    `entries` are in the feed's order. `complete` False: the answer was cut off, and `entries` are those before the cut.
    """

    kind: Literal["feed", "html"] | None
    format: Literal["rss", "rdf", "atom", "json", "cdf", "sitemap", "html"] | None
    title: str = ""
    link: str | None = None
    language: str = ""
    entries: tuple[Entry, ...] = ()
    hints: FeedHints = FeedHints()
    hub: str | None = None  # WebSub
    self_url: str | None = None
    previous_url: str | None = None  # older entries: RFC 5005 prev-archive or next page
    generator: str = ""  # the program that made the feed, as the feed states
    complete: bool = True
    raw_hashes: tuple[str, ...] = ()  # hashes of all entries in the document, in order, the omitted ones included
    entry_id_rule: Literal["id", "link", "link+date", "title+date"] = "id"
    sitemaps: tuple[NamedSitemap, ...] = ()  # sitemaps to read instead: an index has no entries
    error: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class PublicationStats:
    """Counts of a feed's entries, from which `schedule` estimates when the next entry comes.

    Older entries count less: all counts are decayed to the time `at`. `weight` is the number of entries that appeared
    in `exposure_days`. `hours` (24), `weekdays` (7, Monday first) and `minutes` (12 spans of five minutes in the hour)
    count entries by UTC time. `recent` are the latest publication times, oldest first.
    """

    since: datetime | None = None  # time of the first answer; None also in stores of an earlier version
    at: datetime | None = None
    weight: float = 0.0
    exposure_days: float = 0.0
    hours: tuple[float, ...] = (0.0,) * 24
    weekdays: tuple[float, ...] = (0.0,) * 7
    minutes: tuple[float, ...] = (0.0,) * 12
    recent: tuple[datetime, ...] = ()
    window: int = 0  # number of entries at the last poll


class FeedStatus(StrEnum):
    """The state of a feed according to its last polls."""

    NEW = "new"
    OK = "ok"
    FAILING = "failing"
    GONE = "gone"


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A place with older entries of a feed: a further page of the feed, a news sitemap, or a site.

    For a site, robots.txt is read first, since it may name a sitemap.
    """

    kind: Literal["page", "site", "sitemap"]
    url: str


@dataclass(frozen=True, slots=True, kw_only=True)
class GapFill:
    """The search for the entries that a feed lost between `since` and `until`. `sources` are requested one by one.

    The search ends at an entry from `since` or before, or when no source is left. `asked` are the addresses requested
    so far. `sections` are the parts of the site that have the feed's entries; a sitemap's other addresses are ignored.
    """

    since: datetime
    until: datetime
    resume_at: datetime  # when the feed itself is due
    sources: tuple[Source, ...]  # sources not requested yet, in order
    sections: tuple[str, ...] = ()
    asked: tuple[str, ...] = ()
    waits: bool = False  # the search waits for the feed's next poll


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedState:
    """What the store keeps about a feed from one poll to the next, such as due time, failures and statistics."""

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
    validators_of: str | None = None  # the address that gave them; None in stores of an earlier version
    body_hash: str = ""
    raw_hashes: tuple[str, ...] = ()  # hashes of the entries in the last answer, for the ladder
    title: str = ""
    format: str = ""
    hints: FeedHints = FeedHints()
    fresh_for: timedelta | None = None
    stats: PublicationStats = PublicationStats()
    adopted_url: str | None = None  # the address behind permanent redirects that served a valid feed
    adopted_at: datetime | None = None
    pending_target: str | None = None  # a redirect to a host that could not be claimed
    pending_hops: tuple[Hop, ...] = ()
    advertised: tuple[str, ...] = ()  # feeds advertised by the page that answers now
    hub: str | None = None
    revalidation: str = ""  # what is known about stuck validators: "", "checked", "distrusted"
    unconditional_at: datetime | None = None  # time of the last complete answer; all later answers were 304
    distrusted_at: datetime | None = None  # when the validators were distrusted last
    gap_at: datetime | None = None  # when entries were lost last
    gap_interval: timedelta | None = None  # the longest interval then allowed; it doubles each day
    filling: GapFill | None = None
    entry_ids: str = ""  # the rule that replaces broken ids, e.g. "link"
    read_as: str = ""  # a hash of the rule by which the last answer was read; "" is a plain feed
    index: IndexWalk | None = None  # of a sitemap index


@dataclass(frozen=True, slots=True, kw_only=True)
class Feed:
    """A feed in the store: its configured settings, and its state between two polls."""

    id: FeedId
    url: str
    host: str  # name:port of the address for the next poll
    name: str
    interval: timedelta | None
    tags: tuple[str, ...]
    full_text: bool
    enabled: bool
    state: FeedState
