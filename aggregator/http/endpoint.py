"""What a URL asks of the wire: scheme, host, port, request target, credentials. What is checked is what is asked.

Nothing here connects or resolves.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from urllib.parse import unquote_to_bytes

from aggregator import urls


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """Where to ask and for what. `host` is lower-case ASCII, IPv6 without brackets; `path` starts with a slash."""

    scheme: str  # http or https
    host: str
    port: int
    path: str  # with the query, ready for the request line
    credentials: bytes | None = None  # user:password of the URL, decoded

    @property
    def authority(self) -> str:
        """Return what the Host header says (RFC 9110, 7.2)."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == urls.DEFAULT_PORTS[self.scheme] else f"{host}:{self.port}"

    @property
    def url(self) -> str:
        """Return the URL without credentials and fragment."""
        return f"{self.scheme}://{self.authority}{self.path}"


def parse_endpoint(raw_url: str) -> Endpoint | None:
    """Return what `raw_url` asks for, or None if it is no http(s) URL with a usable host.

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
    r"""Return what a Location header names, its bytes read as latin-1; None if that cannot be asked.

    Raw UTF-8 is understood as such, other raw bytes as latin-1. Credentials in it are not taken.

    >>> join_location(parse_endpoint("http://a.example/x/y"), "../\xc3\xbc?1").url
    'http://a.example/%C3%BC?1'
    """
    with contextlib.suppress(UnicodeError):  # else it was latin-1, or is text already
        location = location.encode("latin-1").decode("utf-8")
    joined = urls.absolute(base.url, location)
    target = None if joined is None else parse_endpoint(joined)
    if target is None or target.credentials is None:
        return target
    return Endpoint(scheme=target.scheme, host=target.host, port=target.port, path=target.path)


def is_same_host(one: Endpoint, other: Endpoint) -> bool:
    """Return whether both are one host to us: one name, and one port or each the default one of its scheme.

    >>> is_same_host(parse_endpoint("http://a.example/"), parse_endpoint("https://a.example/x"))
    True
    """
    if one.host != other.host:
        return False
    if one.port == other.port:
        return True
    return one.port == urls.DEFAULT_PORTS[one.scheme] and other.port == urls.DEFAULT_PORTS[other.scheme]


def is_same_resource(one: Endpoint, other: Endpoint) -> bool:
    """Return whether both name one thing at one host, whatever the query: signed addresses change theirs.

    >>> is_same_resource(parse_endpoint("http://a.example/f?sign=1"), parse_endpoint("https://a.example/f?sign=2"))
    True
    """
    return is_same_host(one, other) and one.path.partition("?")[0] == other.path.partition("?")[0]


def may_keep_credentials(one: Endpoint, other: Endpoint) -> bool:
    """Return whether credentials for `one` may go to `other`: never to another host, never in the clear after TLS."""
    return is_same_host(one, other) and not (one.scheme == "https" and other.scheme == "http")
