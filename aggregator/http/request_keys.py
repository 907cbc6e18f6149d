"""The request settings of single feeds and hosts: headers, credentials, proxy, timeout, pace. Pure records.

A feed's settings are used for the feed's own origin only. They are never sent to another host, port or scheme, even
after a redirect. The pace belongs to a host: all feeds and pages of the host share it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Final

from aggregator.http.endpoint import Endpoint, Origin, parse_endpoint
from aggregator.redaction import mask
from aggregator.urls import host_of


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestKeys:
    """The request settings of one feed or host. None, False or "" means that the general setting applies.

    `headers` may have credentials, so `repr` leaves them out.
    """

    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    user_agent: str = ""
    timeout: timedelta | None = None
    proxy: str | None = field(default=None, repr=False)
    insecure_tls: bool = False
    respect_robots: bool | None = None

    @property
    def pool(self) -> tuple[object, ...]:
        """The key of a connection pool. Requests share a pool if their proxy, TLS checks and headers are the same."""
        return self.proxy, self.insecure_tls, tuple(sorted(self.headers.items()))


NO_KEYS: Final = RequestKeys()


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestRules:
    """The request settings of all feeds and hosts. `keys_for` finds the settings of a request.

    `of_feed` has each feed's settings, by its address, and the only origin to which they may be sent. A feed that is
    not in it, such as one of a followed list, gets the settings in `of_host`. A request without a feed gets those in
    `of_origin`. `intervals` has the pause between two requests to a host. `robots` tells whether a host's robots.txt is
    obeyed. A host is `name:port`, or a name alone for all its ports.
    """

    of_feed: Mapping[str, tuple[Origin, RequestKeys]] = field(default_factory=dict)
    of_origin: Mapping[Origin, RequestKeys] = field(default_factory=dict)
    of_host: Mapping[str, RequestKeys] = field(default_factory=dict)
    intervals: Mapping[str, timedelta] = field(default_factory=dict)
    robots: Mapping[str, bool] = field(default_factory=dict)

    def keys_for(self, feed: str | None, endpoint: Endpoint) -> RequestKeys:
        """Return the settings of the feed at address `feed` for a request to `endpoint`.

        They are empty if the feed's settings are for another origin. `feed` None: the settings for `endpoint`'s origin.
        """
        origin = endpoint.origin
        if feed is None:
            return self.of_origin.get(origin, NO_KEYS)
        own, keys = self.of_feed.get(feed) or self._of_its_host(feed)
        return keys if own == origin else NO_KEYS

    def _of_its_host(self, feed: str) -> tuple[Origin | None, RequestKeys]:
        endpoint = parse_endpoint(feed) if self.of_host else None
        if endpoint is None:
            return None, NO_KEYS
        host = host_of(feed)
        return endpoint.origin, self.of_host.get(host, self.of_host.get(_bare(host), NO_KEYS))

    def interval_of(self, host: str, usual: timedelta) -> timedelta:
        """Return the pause between two requests to a host (`name:port`), or `usual` if none is configured.

        If one pause is configured for `name:port` and another for the name alone, the longer one counts.
        """
        said = [self.intervals[name] for name in (host, _bare(host)) if name in self.intervals]
        return max(said, default=usual)

    def respects_robots(self, feed: str, url: str, usual: bool) -> bool:
        """Return whether robots.txt is obeyed for `url`, a page of `feed`.

        The first of these that is set decides: the feed's (if the page has the feed's origin), the host's, `usual`.
        """
        own = self._of_page(feed, url).respect_robots
        if own is not None:
            return own
        host = host_of(url)
        return self.robots.get(host, self.robots.get(_bare(host), usual))

    def agent_for(self, feed: str, url: str, usual: str) -> str:
        """Return the User-Agent for `url`, a page of `feed`: the feed's own if `url` has its origin, or `usual`."""
        return self._of_page(feed, url).user_agent or usual

    def _of_page(self, feed: str, url: str) -> RequestKeys:
        endpoint = parse_endpoint(url)
        return NO_KEYS if endpoint is None else self.keys_for(feed, endpoint)


def _bare(host: str) -> str:
    return host.rpartition(":")[0]


def make_rules(
    feeds: Iterable[tuple[str, RequestKeys]],
    *,
    intervals: Mapping[str, timedelta] | None = None,
    robots: Mapping[str, bool] | None = None,
    of_host: Mapping[str, RequestKeys] | None = None,
) -> RequestRules:
    """Return the rules for `feeds`, which are pairs of a feed's address and its settings.

    A request without a feed, such as one for robots.txt, gets the settings of the feeds of its origin. If these feeds
    have different settings, the request gets none.
    """
    of_feed: dict[str, tuple[Origin, RequestKeys]] = {}
    of_origin: dict[Origin, RequestKeys] = {}
    for url, keys in feeds:
        if endpoint := parse_endpoint(url):
            origin = endpoint.origin
            of_feed[url] = origin, keys
            of_origin[origin] = keys if of_origin.get(origin, keys) == keys else NO_KEYS
    return RequestRules(
        of_feed=of_feed, of_origin=of_origin, of_host=of_host or {}, intervals=intervals or {}, robots=robots or {}
    )


def changed_rules(old: RequestRules, new: RequestRules) -> Iterator[str]:
    """Yield a line for each feed and host whose settings differ in `old` and `new`. No line shows a setting.

    A feed that is in only one of them is left out.
    """
    for url in dict.fromkeys((*old.of_feed, *new.of_feed)):
        before, after = old.of_feed.get(url), new.of_feed.get(url)
        if before is not None and after is not None and before != after:
            yield f"request keys of {mask(url)}"
    for host in sorted({*old.of_host, *new.of_host}):
        one, other = (replace(rules.of_host.get(host, NO_KEYS), respect_robots=None) for rules in (old, new))
        if one != other:  # robots.txt has a line of its own
            yield f"request keys of {host}"
    for host in sorted({*old.intervals, *new.intervals}):
        if old.intervals.get(host) != new.intervals.get(host):
            yield f"pace of {host}"
    for host in sorted({*old.robots, *new.robots}):
        if old.robots.get(host) != new.robots.get(host):
            yield f"robots.txt of {host}"
