"""Records of three things: how a feed's answer is read, a sitemap index, and a followed list of feeds."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final, Literal

from aggregator.models.fetching import Cause, Validators

Kind = Literal["feed", "sitemap", "html", "command"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Select:
    """How entries are found in an HTML page or a sitemap. "": the default for this kind of document is used.

    For an HTML page the fields are CSS selectors. For a sitemap, `entry` is a pattern for the sitemaps of an index, and
    `link` is a pattern for the addresses of pages.
    """

    entry: str = ""
    link: str = ""
    title: str = ""
    date: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceRule:
    """The configured rule for reading the answer of one feed: what kind of document it is, and where entries are."""

    kind: Kind = "feed"
    select: Select = Select()


PLAIN_FEED: Final = SourceRule()


@dataclass(frozen=True, slots=True, kw_only=True)
class NamedSitemap:
    """A sitemap that a sitemap index lists. `lastmod` is the text in the index, "" if there is none."""

    url: str
    lastmod: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownSitemap:
    """A sitemap, or an inner index, that the feed's sitemap index leads to.

    `parent` is the address of the inner index that lists it; "": the feed's own index lists it. `is_read`: the last
    request for it succeeded, and its `lastmod` has not changed since.
    """

    url: str
    lastmod: str = ""
    parent: str = ""
    is_read: bool = False
    validators: Validators = field(default_factory=Validators)
    body_hash: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexWalk:
    """The sitemaps of an index, and the state of one round of requests for those that may have changed.

    `pending` are the addresses of sitemaps that this round still has to request. The index itself is due at
    `resume_at`. `cause` and `detail` describe the last failure in this round.
    """

    sitemaps: tuple[KnownSitemap, ...]
    pending: tuple[str, ...] = ()
    resume_at: datetime | None = None
    cause: Cause | None = None
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class FollowedList:
    """A configured list of feeds that is read every `interval`. `place` is its address or the path of its file.

    Each feed of the list gets the `tags`.
    """

    place: str
    is_file: bool
    tags: tuple[str, ...]
    interval: timedelta
