"""The parts of a URL for a request: scheme, host, port, path, credentials.

A URL is taken apart once. So the host that is checked is the host that gets the request.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, replace
from urllib.parse import unquote_to_bytes

from aggregator import urls

Origin = tuple[str, str, int]  # scheme, host, port


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """The address of a request. `host` is lower-case ASCII, IPv6 without brackets; `path` starts with a slash."""

    scheme: str  # http or https
    host: str
    port: int
    path: str  # with the query, ready for the request line
    credentials: bytes | None = None  # user:password of the URL, decoded

    @property
    def authority(self) -> str:
        """Return the value of the Host header (RFC 9110, 7.2): the host, and the port unless it is the default."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == urls.DEFAULT_PORTS[self.scheme] else f"{host}:{self.port}"

    @property
    def origin(self) -> Origin:
        """Return scheme, host and port."""
        return self.scheme, self.host, self.port

    @property
    def url(self) -> str:
        """Return the URL without credentials and without a fragment."""
        return f"{self.scheme}://{self.authority}{self.path}"


def parse_endpoint(raw_url: str) -> Endpoint | None:
    """Return the endpoint of `raw_url`, or None if it is no http(s) URL with a usable host.

    >>> parse_endpoint("HTTP://Example.COM:80/ü b?q=%41#top").url
    'http://example.com/%C3%BC%20b?q=%41'
    """
    cleaned = urls.clean(raw_url)
    parts = None if cleaned is None else urls.split(cleaned)
    if parts is None:
        return None
    return Endpoint(
        scheme=parts.scheme,
        host=parts.host.strip("[]"),
        port=parts.port,
        path=parts.path + ("" if parts.query is None else f"?{parts.query}"),
        credentials=unquote_to_bytes(parts.userinfo) if parts.userinfo else None,
    )


def join_location(base: Endpoint, location: str) -> Endpoint | None:
    r"""Return the target of a redirect from `base`, or None if `location` is no usable http(s) URL.

    `location` is the value of the Location header, decoded as latin-1. If possible, it is decoded again as UTF-8.
    Credentials in it are ignored.

    >>> join_location(parse_endpoint("http://a.example/x/y"), "../\xc3\xbc?1").url
    'http://a.example/%C3%BC?1'
    """
    with contextlib.suppress(UnicodeError):  # otherwise it was latin-1, or is text already
        location = location.encode("latin-1").decode("utf-8")
    joined = urls.absolute(base.url, location)
    target = None if joined is None else parse_endpoint(joined)
    return None if target is None else replace(target, credentials=None)


def is_same_host(one: Endpoint, other: Endpoint) -> bool:
    """Return whether both have the same host name and port. The default ports of HTTP and HTTPS count as the same.

    >>> is_same_host(parse_endpoint("http://a.example/"), parse_endpoint("https://a.example/x"))
    True
    """
    if one.host != other.host:
        return False
    if one.port == other.port:
        return True
    return one.port == urls.DEFAULT_PORTS[one.scheme] and other.port == urls.DEFAULT_PORTS[other.scheme]


def is_same_resource(one: Endpoint, other: Endpoint) -> bool:
    """Return whether both have the same host and path. The query may differ: some servers sign each address anew.

    >>> is_same_resource(parse_endpoint("http://a.example/f?sign=1"), parse_endpoint("https://a.example/f?sign=2"))
    True
    """
    return is_same_host(one, other) and one.path.partition("?")[0] == other.path.partition("?")[0]


def may_keep_credentials(one: Endpoint, other: Endpoint) -> bool:
    """Return whether the credentials for `one` may be sent to `other`: to the same host, and not from HTTPS to HTTP."""
    return is_same_host(one, other) and not (one.scheme == "https" and other.scheme == "http")
