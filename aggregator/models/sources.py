"""Records of how the answer of a feed is read, and of the stored state of a sitemap index."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final, Literal

from aggregator.models.fetching import Cause, Validators

Kind = Literal["feed", "sitemap", "html", "command"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Select:
    """How entries are found. html: CSS selectors; sitemap: patterns for sitemaps (`entry`) and addresses (`link`)."""

    entry: str = ""
    link: str = ""
    title: str = ""
    date: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceRule:
    """The configured rule for reading an answer."""

    kind: Kind = "feed"
    select: Select = Select()


PLAIN_FEED: Final = SourceRule()


@dataclass(frozen=True, slots=True, kw_only=True)
class NamedSitemap:
    """A sitemap that an index names; `lastmod` as written there."""

    url: str
    lastmod: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownSitemap:
    """A sitemap of an index. `parent` is the inner index that names the sitemap; "": the outer index names it.

    `is_read`: the sitemap was read, and `lastmod` has not changed since.
    """

    url: str
    lastmod: str = ""
    parent: str = ""
    is_read: bool = False
    validators: Validators = field(default_factory=Validators)
    body_hash: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexWalk:
    """The sitemaps of an index, and the round of requests for the sitemaps that may have changed.

    `pending` sitemaps are not requested yet. The index itself is due at `resume_at`. `cause` and `detail` describe the
    last failure in this round.
    """

    sitemaps: tuple[KnownSitemap, ...]
    pending: tuple[str, ...] = ()
    resume_at: datetime | None = None
    cause: Cause | None = None
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class FollowedList:
    """A list of feeds that is kept elsewhere, at an address or in a file; `tags` are given to its feeds."""

    place: str
    is_file: bool
    tags: tuple[str, ...]
    interval: timedelta
