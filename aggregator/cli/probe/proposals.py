"""Finds ways to follow a site, best first: advertised feeds, a feed at a usual place, a news sitemap, links."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from aggregator.cli.inputs import fetcher_of
from aggregator.clock import SystemClock
from aggregator.config.wiring import load_rules
from aggregator.feeds.discovery import NEWS_SITEMAP_PATHS, WELL_KNOWN_PATHS, find_feeds
from aggregator.feeds.kinds.link_list import read_link_list
from aggregator.feeds.kinds.sitemap import named_sitemaps
from aggregator.feeds.parse import parse_feed
from aggregator.http.robots import MAX_BYTES, robots_of, robots_url, sitemaps
from aggregator.models.fetching import Fetched, FetchRequest, FetchResult
from aggregator.models.sources import Kind, Select
from aggregator.urls import absolute, host_of

if TYPE_CHECKING:
    from typing import Literal

    from aggregator.config.settings import Config
    from aggregator.http.fetch import HttpFetcher
    from aggregator.models.feeds import ParsedFeed

_FEWEST_LINKS: Final = 5  # links that look like articles: a page with fewer is no list
_MAX_SITEMAPS: Final = 3  # sitemaps for news that are requested, of those in robots.txt


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """An address that can be followed. `kind` goes into the configuration; `type` says how the address was found."""

    url: str
    kind: Kind = "feed"
    title: str = ""
    type: str = ""


class Finder:
    """Requests addresses and finds ways to follow their sites. It waits for a host's pace between requests."""

    def __init__(self, config: Config, fetcher: HttpFetcher) -> None:
        self._config = config
        self._fetcher = fetcher
        self._clock = SystemClock()
        self._free_at: dict[str, float] = {}

    def fetch(self, url: str, accept: Literal["feed", "page", "robots"] = "feed") -> FetchResult:
        """Wait for the host's pace, then request the address."""
        http, host = self._config.http, host_of(url)
        wait = self._free_at.get(host, 0.0) - self._clock.monotonic()
        if wait > 0:
            self._clock.sleep(wait)
        size = 2 * MAX_BYTES if accept == "robots" else http.max_feed_size
        deadline = http.total_timeout
        result = self._fetcher.fetch(FetchRequest(url=url, accept=accept, feed=None, max_bytes=size, deadline=deadline))
        pace = self._fetcher.rules.interval_of(host, http.per_host_interval)
        self._free_at[host] = self._clock.monotonic() + pace.total_seconds()
        return result

    def proposals(self, result: Fetched) -> tuple[Proposal, ...]:
        """Return the ways to follow the site that gave this answer.

        They are all of the first kind that is found: the address itself if it is a feed or sitemap, the feeds that the
        page advertises, a feed at a usual place, a sitemap for news, the page as a list of links. None found: ().
        """
        parsed = self._parse(result)
        if self._is_sitemap(result, parsed):
            return (Proposal(url=result.final_url, kind="sitemap", type="the address itself"),)
        if parsed.kind == "feed":
            return (Proposal(url=result.final_url, type="the address itself"),)
        if parsed.kind != "html":
            return ()
        found = find_feeds(result.body, result.final_url)
        if found:
            return tuple(Proposal(url=feed.url, title=feed.title, type=feed.type) for feed in found)
        return self._usual_place(result.final_url) or self._news_sitemap(result.final_url) or self._link_list(result)

    def _usual_place(self, url: str) -> tuple[Proposal, ...]:
        for path in WELL_KNOWN_PATHS:
            answer = self._ask(url, path)
            if answer is not None and self._parse(answer).kind == "feed":
                return (Proposal(url=answer.final_url, type="a usual place"),)
        return ()

    def _news_sitemap(self, url: str) -> tuple[Proposal, ...]:
        """Return the first sitemap for news: one that robots.txt lists with "news" in its address, or a usual place."""
        robots = robots_of(self.fetch(robots_url(url), "robots"))
        named = [address for address in sitemaps(robots, url) if "news" in address.lower()][:_MAX_SITEMAPS]
        for place in (*named, *NEWS_SITEMAP_PATHS):
            answer = self._ask(url, place)
            if answer is not None and self._is_sitemap(answer, parsed := self._parse(answer)):
                is_index = not parsed.entries
                if is_index or any(entry.title for entry in parsed.entries):
                    return (Proposal(url=answer.final_url, kind="sitemap", type="a sitemap for news"),)
        return ()

    def _link_list(self, result: Fetched) -> tuple[Proposal, ...]:
        publishers, now = load_rules(self._config).publishers, self._clock.now()
        url, headers = result.final_url, dict(result.headers)
        parsed = read_link_list(result.body, Select(), publishers, url=url, headers=headers, now=now, known=())
        if len(parsed.entries) < _FEWEST_LINKS:
            return ()
        return (Proposal(url=url, kind="html", title=parsed.title, type=f"a page with {len(parsed.entries)} links"),)

    def _ask(self, url: str, place: str) -> Fetched | None:
        address = absolute(url, place)
        answer = None if address is None else self.fetch(address)
        return answer if isinstance(answer, Fetched) else None

    def _parse(self, result: Fetched) -> ParsedFeed:
        return parse_feed(result.body, url=result.final_url, headers=dict(result.headers), now=self._clock.now())

    def _is_sitemap(self, result: Fetched, parsed: ParsedFeed) -> bool:
        is_index = named_sitemaps(result.body, result.final_url, dict(result.headers)) is not None
        return is_index or parsed.format == "sitemap"


@contextmanager
def finder(config: Config) -> Iterator[Finder]:
    """Give a `Finder` with the `[http]` settings of the configuration, for a `with` statement."""
    with fetcher_of(config) as fetcher:
        yield Finder(config, fetcher)
