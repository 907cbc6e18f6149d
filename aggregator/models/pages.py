"""Records of pages: a page to be fetched, its stored answer, a page to be extracted, and the facts that it states."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from aggregator.models.feeds import Entry
from aggregator.models.fetching import Cause, Hop, Validators
from aggregator.models.ids import ArticleId, Key, PageId


@dataclass(frozen=True, slots=True, kw_only=True)
class RawResponse:
    """A stored response: its bytes are in the raw store under `content_hash` (hex)."""

    content_hash: str
    url: str
    final_url: str
    status: int
    headers: Mapping[str, str]
    fetched_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class PageFailed:
    """Why a page gave no article, or why the second or a later page of an article could not be fetched."""

    cause: Cause
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class PagePart:
    """A further page of an article that is published on several pages. `number` 2 is the second page.

    `raw` None: the page is not fetched yet, its fetch failed (`failed`), or its bytes are gone.
    """

    number: int
    url: str
    raw: RawResponse | None = None
    failed: PageFailed | None = None
    tries: int = 0  # failed fetches in a row


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """A page that waits to be fetched, for the first time or again. `url` is the address that the feed gave.

    If `part` is set, the page itself is fetched already, and this further page of the article is fetched next. Then
    `attempts`, `hops` and `validators` are those of the further page. `folder` is the id of the raw store's folder that
    has the bytes fetched so far.
    """

    id: PageId
    url: str
    key: Key
    host: str  # name:port of `target`
    target: str  # the next address to request: `url`, or the target of its redirects so far
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
    feed_url: str = ""  # of the feed that announced it first


@dataclass(frozen=True, slots=True, kw_only=True)
class FetchedPage:
    """A page that waits for extraction, claimed under `token`. `entry` is the entry that announced it first.

    `raw` None: there are no bytes, and the entry's own content is extracted. Then `failed` is the failure of the fetch,
    or None if there was no fetch (`full_text = false`, or an entry without a link).
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
    claims: int = 1  # tries of this extraction, this one included; more than 1 if a process ended during an earlier try
    has_changed: bool = False  # its article has revisions
    parts: tuple[PagePart, ...] = ()  # further pages of it so far, in order; the last one may have failed
    parts_before: int = 0  # how many of them the stored article has
    was_whole: bool = False  # the stored article has this response and lacks no further page


@dataclass(frozen=True, slots=True, kw_only=True)
class LeadImage:
    """A picture of an article, above its text or inside it."""

    url: str
    caption: str = ""
    alt: str = ""
    credit: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rights:
    """What a page's headers and `meta` elements stated about its use when it was fetched; None: no statement."""

    robots: str | None = None  # <meta name="robots">
    x_robots_tag: str | None = None  # the header
    noai: bool | None = None  # one of both names noai or noimageai
    tdm_reservation: bool | None = None  # header or meta (TDM Reservation Protocol)
    licence_url: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PageFacts:
    """Facts that a page states about its article. A fact that is None is unknown, or the page does not state it."""

    description: str | None = None
    section: str | None = None
    is_free: bool | None = None
    licence: str | None = None  # as it is stated: an address or a name
    rights: Rights | None = None
    images: tuple[LeadImage, ...] = ()  # pictures in the article, in their order


@dataclass(frozen=True, slots=True, kw_only=True)
class DeclaredUrls:
    """Absolute addresses that a page states for itself or for its next page.

    A page may state false ones, so each is only evidence (`identity/evidence.py`).
    """

    canonical: str | None = None
    og_url: str | None = None
    amphtml: str | None = None
    shortlink: str | None = None
    json_ld: str | None = None
    next_page: str | None = None
    others: tuple[str, ...] = ()  # short links of other names, the page for telephones, a WordPress post's number
