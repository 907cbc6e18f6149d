"""What the requests of one feed carry beside what all carry: headers, credentials, proxy, patience. Pure records.

Keys belong to one origin. They are never sent to another host, port or scheme, whatever redirects there.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final

from aggregator.http.endpoint import Endpoint, parse_endpoint

Origin = tuple[str, str, int]  # scheme, host, port


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestKeys:
    """The keys of one feed; `headers` hold its secrets and are shown nowhere. None is the setting of all requests."""

    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    user_agent: str = ""
    timeout: timedelta | None = None
    proxy: str | None = field(default=None, repr=False)
    insecure_tls: bool = False

    @property
    def pool(self) -> tuple[object, ...]:
        """Which connections may be shared: those of the same proxy, trust and credentials."""
        return self.proxy, self.insecure_tls, tuple(sorted(self.headers.items()))


NO_KEYS: Final = RequestKeys()


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestRules:
    """The keys of all feeds: by the address of the feed, and by origin for requests that name no feed."""

    of_feed: Mapping[str, tuple[Origin, RequestKeys]] = field(default_factory=dict)
    of_origin: Mapping[Origin, RequestKeys] = field(default_factory=dict)

    def keys_for(self, feed: str, endpoint: Endpoint) -> RequestKeys:
        """Return what a request to `endpoint` carries; `feed` is the address of the feed it is made for, or ""."""
        origin = origin_of(endpoint)
        if feed:
            own, keys = self.of_feed.get(feed, (origin, NO_KEYS))
            return keys if own == origin else NO_KEYS
        return self.of_origin.get(origin, NO_KEYS)


def make_rules(feeds: Iterable[tuple[str, RequestKeys]]) -> RequestRules:
    """Return the rules for feeds and their keys.

    Pages name no feed: where feeds of one origin have different keys, its pages have none.
    """
    of_feed: dict[str, tuple[Origin, RequestKeys]] = {}
    of_origin: dict[Origin, RequestKeys] = {}
    for url, keys in feeds:
        if endpoint := parse_endpoint(url):
            origin = origin_of(endpoint)
            of_feed[url] = origin, keys
            of_origin[origin] = keys if of_origin.get(origin, keys) == keys else NO_KEYS
    return RequestRules(of_feed=of_feed, of_origin=of_origin)


def origin_of(endpoint: Endpoint) -> Origin:
    """Return scheme, host and port."""
    return endpoint.scheme, endpoint.host, endpoint.port


def credential_headers(*, username: str, password: str, bearer: str, cookies: Mapping[str, str]) -> dict[str, str]:
    """Return the headers of a feed's credentials.

    >>> credential_headers(username="me", password="pw", bearer="", cookies={"a": "1", "b": "2"})
    {'Authorization': 'Basic bWU6cHc=', 'Cookie': 'a=1; b=2'}
    """
    headers = {}
    if username or password:
        headers["Authorization"] = "Basic " + base64.b64encode(f"{username}:{password}".encode()).decode("ascii")
    if bearer:
        headers["Authorization"] = f"Bearer {bearer}"
    if cookies:
        headers["Cookie"] = "; ".join(f"{name}={value}" for name, value in cookies.items())
    return headers
