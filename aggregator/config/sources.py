"""The settings for sources that are no plain feed (`kind`, `select`, `command`) and for `[[lists]]`."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, Self

from pydantic import StrictStr, model_validator

from aggregator.config.values import Interval, Name, OptionalPath, Section, spelled_default, split_http
from aggregator.models.sources import FollowedList, Kind, Select, SourceRule
from aggregator.redaction import mask

if TYPE_CHECKING:
    from aggregator.config.settings import Config, FeedSettings
    from aggregator.programs import Command


class SelectSettings(Section):
    """`select`: which elements of an HTML page are entries (CSS selectors), or which links of a sitemap (patterns)."""

    entry: StrictStr = ""
    """html: CSS selector of each entry; "": that of the link. sitemap: which sitemaps of an index, a text or "re:"."""
    link: StrictStr = ""
    """html: CSS selector of the link in an entry; "": "a[href]". sitemap: which addresses, a text in them or "re:"."""
    title: StrictStr = ""
    """html: CSS selector of the title in an entry; "": the first heading, else the text of the link."""
    date: StrictStr = ""
    """html: CSS selector of the date in an entry; "": the first `time` element."""

    def to_record(self) -> Select:
        """Return these settings as a record of `models`."""
        return Select(entry=self.entry, link=self.link, title=self.title, date=self.date)


def check_source(kind: Kind, select: SelectSettings, command: tuple[str, ...]) -> None:
    """Check that the keys of a feed's source fit each other, and that selectors and patterns are valid.

    Raises:
        ValueError: they do not; the message names the error and the remedy.
    """
    from aggregator.feeds.kinds import link_list, sitemap

    wanted = select.to_record()
    if kind == "command" and not command:
        raise ValueError('is a command without one; write command = ["/usr/local/bin/program"]')
    if command and (kind != "command" or not command[0]):
        raise ValueError('has a command that nothing runs; write kind = "command" and the program first')
    if wanted != Select() and kind not in ("html", "sitemap"):
        raise ValueError('has select, which only a page or a sitemap has; write kind = "html" or "sitemap"')
    if kind == "html":
        link_list.check_select(wanted)
    if kind == "sitemap":
        sitemap.check_select(wanted)
        if wanted.title or wanted.date:
            raise ValueError("has select.title or select.date, which a sitemap states itself; remove them")


def source_rules(config: Config) -> Mapping[str, SourceRule]:
    """Return the rule for reading each source that is no plain feed, by the source's configured address."""
    return {
        feed.url: SourceRule(kind=feed.kind, select=feed.select.to_record())
        for feed in config.feeds
        if feed.kind != "feed"
    }


def commands_of(config: Config) -> Mapping[str, Command]:
    """Return the programs that print feeds, by the feed's configured address."""
    from aggregator.programs import Command

    return {
        feed.url: Command(arguments=feed.command, timeout=feed.timeout)
        for feed in config.feeds
        if feed.kind == "command"
    }


def changed_sources(old: Config, new: Config) -> tuple[str, ...]:
    """Return a line for each feed whose `kind`, `select` or `command` changed."""
    before = {feed.url: _source(feed) for feed in old.feeds}
    changed = (feed.url for feed in new.feeds if before.get(feed.url, _source(feed)) != _source(feed))
    return tuple(f"source of {mask(url)}" for url in changed)


def _source(feed: FeedSettings) -> tuple[object, ...]:
    return feed.kind, feed.select, feed.command


def longest_command(config: Config) -> timedelta:
    """Return the longest time limit of a feed's program; 0: no feed has a program."""
    return max((one.timeout or config.http.total_timeout for one in commands_of(config).values()), default=timedelta(0))


# --- followed lists ---------------------------------------------------------------------------------------------------


class ListSettings(Section):
    """`[[lists]]`: lists of feeds that are kept elsewhere, as OPML or one address on each line."""

    url: StrictStr = ""
    """Address of the list, http or https."""
    path: OptionalPath = spelled_default("")
    """File of the list, instead of an address."""
    tags: tuple[Name, ...] = ()
    """Your tags for each feed of the list."""
    interval: Interval = spelled_default("1d")
    """How often the list is read."""

    @model_validator(mode="after")
    def _has_one_place(self) -> Self:
        if bool(self.url) == (self.path is not None):
            raise ValueError('has not one place; write either url = "https://example.com/feeds.opml" or path = "file"')
        if self.url:
            split_http(self.url, "https://example.com/feeds.opml")
        return self

    def to_record(self) -> FollowedList:
        """Return these settings as a record of `models`."""
        place = self.url or str(self.path)
        return FollowedList(place=place, is_file=not self.url, tags=self.tags, interval=self.interval)


def lists_of(config: Config) -> tuple[FollowedList, ...]:
    """Return the followed lists. If several have the same address or path, the last one is used."""
    return tuple({one.place: one for one in (listed.to_record() for listed in config.lists)}.values())
