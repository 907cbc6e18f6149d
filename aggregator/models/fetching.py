"""Records of requests and their results."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from typing import Literal


class Cause(StrEnum):
    """The cause of a failed request, poll or extraction. Schedule, health and metrics use it, never the message."""

    # the network
    DNS = "dns"
    CONNECT = "connect"
    TLS = "tls"
    TIMEOUT = "timeout"
    PROXY = "proxy"
    PROTOCOL = "protocol"  # not HTTP, or broken HTTP
    TRUNCATED = "truncated"  # cut off before its announced end
    BAD_ENCODING = "bad_encoding"  # Content-Encoding that does not decode
    TOO_LARGE = "too_large"
    # refused by us
    BAD_URL = "bad_url"  # no http(s) URL
    FORBIDDEN_ADDRESS = "forbidden_address"
    TOO_MANY_REDIRECTS = "too_many_redirects"
    REDIRECT_LOOP = "redirect_loop"
    ROBOTS = "robots"  # robots.txt says no
    ROBOTS_UNREACHABLE = "robots_unreachable"  # robots.txt answers 5xx or not at all
    # the server's answer
    UNAUTHORIZED = "unauthorized"
    FORBIDDEN = "forbidden"
    NOT_FOUND = "not_found"
    GONE = "gone"
    RATE_LIMITED = "rate_limited"  # 429
    UNAVAILABLE = "unavailable"  # 503
    CLIENT_ERROR = "client_error"
    SERVER_ERROR = "server_error"
    # the content
    EMPTY = "empty"
    NOT_A_FEED = "not_a_feed"  # HTML or anything else instead of a feed
    NO_LINKS = "no_links"  # an HTML page in which no link is an entry
    PROGRAM = "program"  # the program that makes the feed cannot be started, or ends with another status than 0
    UNREADABLE = "unreadable"  # the document is a feed, but nothing could be read
    NOT_TEXT = "not_text"  # a page that is no text
    NO_TEXT = "no_text"  # a page without an article
    LOW_QUALITY = "low_quality"  # the page is a consent wall, an error page, a listing ...
    WALL = "wall"  # one document at several addresses that a feed announced as different articles
    # the extraction
    EXTRACTION_TIMEOUT = "extraction_timeout"
    EXTRACTION_CRASHED = "extraction_crashed"
    EXTRACTION_MEMORY = "extraction_memory"
    EXTRACTION_FAILED = "extraction_failed"
    RAW_MISSING = "raw_missing"


@dataclass(frozen=True, slots=True, kw_only=True)
class Hop:
    """One redirect: the server answered a request for `url` with `status` and the address `target`."""

    url: str
    status: int
    target: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Validators:
    """The ETag and Last-Modified of an answer, unchanged, for the next conditional request (RFC 9110, 13.1)."""

    etag: str | None = None
    last_modified: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FetchRequest:
    """One bounded, conditional GET.

    `hops` are the redirects already followed for this request; they count against the limit on redirects.
    `follow_hosts` False: a redirect to another host ends the fetch as `Redirected`. So does a redirect to an address
    for which `ends_at` returns True. `deadline` is the whole time allowed, from name resolution to the last byte.

    `validators_of` is the only address to which the `validators` are sent; None: they are sent with every hop.

    `feed` is the configured address of the feed for which the request is made. Its request keys (headers, credentials)
    are sent to the feed's own origin only. `feed` "": no keys are sent. `feed` None: the keys that are configured for
    the requested origin are sent (robots.txt, an address that the operator names).
    """

    url: str
    accept: Literal["feed", "page", "robots"] = "page"
    validators: Validators = Validators()
    validators_of: str | None = None
    hops: tuple[Hop, ...] = ()
    follow_hosts: bool = True
    ends_at: Callable[[str], bool] | None = None
    feed: str | None = ""
    max_bytes: int
    deadline: timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class Fetched:
    """A complete 200 answer, decompressed. Header names are lower case; repeated headers are joined by a comma."""

    url: str
    final_url: str
    status: int
    headers: Mapping[str, str]
    body: bytes
    validators: Validators
    hops: tuple[Hop, ...]
    fresh_for: timedelta | None  # Cache-Control: max-age, else Expires; clamped to 7 days
    wire_bytes: int
    elapsed: timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class NotModified:
    """A 304. `validators` are those in this answer; None: the answer has none, and the stored one still holds."""

    url: str
    final_url: str
    headers: Mapping[str, str]
    validators: Validators
    hops: tuple[Hop, ...]
    fresh_for: timedelta | None
    elapsed: timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class Redirected:
    """A redirect to `target` that was not followed (see `FetchRequest`). The last of `hops` is that redirect."""

    url: str
    target: str
    hops: tuple[Hop, ...]
    elapsed: timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class FetchFailed:
    """A request without a usable answer. `retry_after` is the wait that the server asks for (RFC 9110, 10.2.3)."""

    url: str
    final_url: str
    cause: Cause
    detail: str
    status: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    hops: tuple[Hop, ...] = ()
    retry_after: timedelta | None = None
    elapsed: timedelta = timedelta(0)


FetchResult = Fetched | NotModified | Redirected | FetchFailed


@dataclass(frozen=True, slots=True, kw_only=True)
class Posted:
    """The result of a POST. `problem` says why it failed; "": the answer's status was 2xx."""

    problem: str = ""
    retry_after: timedelta | None = None
