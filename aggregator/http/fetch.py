"""One conditional GET with limits: follows redirects and returns a `FetchResult` (docs/politeness.md).

The POST for webhooks has the same limits and follows no redirect. A fault of a server or URL gives a record with a
cause; nothing is raised. This module knows nothing of feeds.
"""

from __future__ import annotations

import base64
import re
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta

from urllib3.response import BaseHTTPResponse

from aggregator.http.causes import (
    FOREIGN,
    NetworkError,
    cause_of,
    describe_status,
    translate_open,
    translate_read,
)
from aggregator.http.content_coding import ACCEPT_ENCODING, inflate
from aggregator.http.endpoint import (
    Endpoint,
    is_same_host,
    is_same_resource,
    join_location,
    may_keep_credentials,
    parse_endpoint,
)
from aggregator.http.freshness import parse_freshness, parse_retry_after
from aggregator.http.netguard import IPNetwork, Lookup, Resolver, system_lookup
from aggregator.http.request_keys import NO_KEYS, RequestKeys, RequestRules
from aggregator.http.transport import Exchange, Route, Transport, drain, stream
from aggregator.models.fetching import (
    Cause,
    Fetched,
    FetchFailed,
    FetchRequest,
    FetchResult,
    Hop,
    NotModified,
    Posted,
    Redirected,
    Validators,
)
from aggregator.ports.protocols import Clock

MAX_HOPS = 10
MAX_ROBOTS_HOPS = 5  # RFC 9309, 2.3.1.2
_ACCEPT = {
    "feed": "application/atom+xml, application/rss+xml, application/rdf+xml, application/feed+json, "
    "application/xml;q=0.9, text/xml;q=0.9, */*;q=0.5",
    "page": "text/html, application/xhtml+xml, application/xml;q=0.9, */*;q=0.5",
    "robots": "text/plain, */*;q=0.5",
}
_FOLLOWED = frozenset({301, 302, 303, 307, 308})
_CLOSED = frozenset({Cause.CONNECT, Cause.PROXY})  # the server or the proxy closed a kept connection
_UNWANTED = frozenset({"set-cookie", "set-cookie2"})
_SENDABLE = re.compile(r"[\t\x20-\x7e\x80-\xff]{1,8192}")


@dataclass(frozen=True, slots=True, kw_only=True)
class FetchLimits:
    """The limits of every fetch; `proxy` "": none. The sizes limit the body as sent and the decompressed body."""

    user_agent: str
    timeout: timedelta = timedelta(seconds=20)  # connect, and between two bytes
    total_timeout: timedelta = timedelta(seconds=60)  # redirects included
    max_feed_bytes: int = 16 << 20
    max_page_bytes: int = 8 << 20
    allow_private_networks: tuple[IPNetwork, ...] = ()
    proxy: str = ""
    proxy_resolves: bool = False
    pool_hosts: int = 256  # hosts to which connections are kept


@dataclass(frozen=True, slots=True, kw_only=True)
class _Answer:
    """The answer to one request of a fetch. `body` is empty unless `status` is 200."""

    status: int
    headers: Mapping[str, str]
    validators: Validators
    location: str | None
    body: bytes = b""
    wire_bytes: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class _Trail:
    """The progress of a fetch: the redirects so far, and the endpoint of the next request."""

    request: FetchRequest
    endpoint: Endpoint
    hops: tuple[Hop, ...]
    started: float
    deadline: float


class HttpFetcher:
    """Implements `Fetcher` and `Poster`, for many threads. It keeps connections open, but stores no cookies."""

    def __init__(
        self,
        limits: FetchLimits,
        clock: Clock,
        *,
        rules: RequestRules | None = None,
        lookup: Lookup = system_lookup,
        ca_file: str | None = None,
    ) -> None:
        self._limits = limits
        self._clock = clock
        self.rules = rules or RequestRules()
        self._resolver = Resolver(lookup)
        self._ca_file = ca_file
        self._transports: dict[tuple[object, ...], Transport] = {}
        self._is_closed = False
        self._lock = threading.Lock()

    def fetch(self, request: FetchRequest) -> FetchResult:
        """Send the request, follow its redirects, return the result. A failure is a result too; nothing is raised."""
        started = self._clock.monotonic()
        endpoint = parse_endpoint(request.url)
        if endpoint is None:
            return FetchFailed(
                url=request.url,
                final_url=request.url,
                cause=Cause.BAD_URL,
                detail="not an http or https URL",
                hops=request.hops,
            )
        allowed = min(request.deadline, self._limits.total_timeout)
        trail = _Trail(
            request=request,
            endpoint=endpoint,
            hops=request.hops,
            started=started,
            deadline=started + allowed.total_seconds(),
        )
        while True:
            try:
                answer = self._ask(trail)
            except NetworkError as error:
                return self._fail(trail, error.cause, error.detail)
            if answer.status not in _FOLLOWED:
                return self._conclude(trail, answer)
            step = self._follow(trail, answer)
            if not isinstance(step, _Trail):
                return step
            trail = step

    def post(self, url: str, body: bytes, headers: Mapping[str, str], deadline: timedelta) -> Posted:
        """Send one POST to an address that the operator configured; a status other than 2xx is a problem."""
        endpoint = parse_endpoint(url)
        if endpoint is None:
            return Posted(problem=f"{url}: not an http or https URL")
        exchange = self._new_exchange(self._clock.monotonic() + deadline.total_seconds(), NO_KEYS)
        exchange.fresh = True  # the server may have closed a kept connection by now, and a POST is not sent twice
        sent = {"User-Agent": self._limits.user_agent, "Content-Length": str(len(body)), **headers}
        try:
            with self._response(NO_KEYS, endpoint, exchange, sent, method="POST", body=body) as response:
                status = response.status
                answered = {name.lower(): value for name, value in response.headers.items()}
        except NetworkError as error:
            return Posted(problem=f"{endpoint.authority}: {error.detail}")
        if 200 <= status < 300:
            return Posted()
        return Posted(
            problem=f"{endpoint.authority}: {describe_status(status)}",
            retry_after=parse_retry_after(answered, self._clock.now()),
        )

    def close(self) -> None:
        """End the requests of all threads; close the connections and end the resolver's threads."""
        with self._lock:
            transports = list(self._transports.values())
            self._is_closed = True
        for transport in transports:
            transport.close()
        self._resolver.close()

    def _transport_of(self, keys: RequestKeys) -> Transport:
        """Return the transport for requests with these settings. Settings with the same `pool` share one."""
        limits = self._limits
        with self._lock:
            if keys.pool not in self._transports:
                route = Route(
                    allowed=limits.allow_private_networks,
                    resolver=self._resolver,
                    proxy=limits.proxy if keys.proxy is None else keys.proxy,
                    proxy_resolves=limits.proxy_resolves,
                )
                self._transports[keys.pool] = Transport(
                    route, pool_hosts=limits.pool_hosts, ca_file=self._ca_file, insecure=keys.insecure_tls
                )
                if self._is_closed:
                    self._transports[keys.pool].close()
            return self._transports[keys.pool]

    def _ask(self, trail: _Trail) -> _Answer:
        """Send the next request. If a kept connection was closed without an answer, send it once more on a new one.

        Raises:
            NetworkError: there is no usable answer.
        """
        keys = self._keys(trail)
        exchange = self._new_exchange(trail.deadline, keys)
        try:
            return self._exchange(trail, keys, exchange)
        except NetworkError as error:
            if not exchange.reused or exchange.wire_bytes or error.cause not in _CLOSED:
                raise
        exchange = self._new_exchange(trail.deadline, keys)
        exchange.fresh = True
        return self._exchange(trail, keys, exchange)

    def _new_exchange(self, deadline: float, keys: RequestKeys) -> Exchange:
        return Exchange(
            monotonic=self._clock.monotonic,
            deadline=deadline,
            patience=(keys.timeout or self._limits.timeout).total_seconds(),
        )

    def _keys(self, trail: _Trail) -> RequestKeys:
        """Return the headers, credentials and other settings of the next request.

        After a redirect to another origin there are none, even if a later redirect led back.
        """
        visited = (parse_endpoint(hop.url) for hop in trail.hops)
        if any(endpoint is None or endpoint.origin != trail.endpoint.origin for endpoint in visited):
            return NO_KEYS
        return self.rules.keys_for(trail.request.feed, trail.endpoint)

    def _max_bytes(self, request: FetchRequest) -> int:
        ours = self._limits.max_feed_bytes if request.accept == "feed" else self._limits.max_page_bytes
        return min(request.max_bytes, ours)

    def _exchange(self, trail: _Trail, keys: RequestKeys, exchange: Exchange) -> _Answer:
        with self._response(keys, trail.endpoint, exchange, self._headers(trail, keys)) as response:
            return self._read(trail, exchange, response)

    @contextmanager
    def _response(
        self,
        keys: RequestKeys,
        endpoint: Endpoint,
        exchange: Exchange,
        headers: Mapping[str, str],
        *,
        method: str = "GET",
        body: bytes | None = None,
    ) -> Iterator[BaseHTTPResponse]:
        """Send a request and yield its answer. When the block ends, the connection goes back to its pool."""
        transport = self._transport_of(keys)
        with transport.exchange(exchange):
            try:
                response = transport.open(endpoint, headers, method=method, body=body)
            except FOREIGN as error:
                raise translate_open(error, endpoint) from error
            try:
                yield response
            except FOREIGN as error:
                raise translate_read(error) from error
            finally:
                response.close()
                response.release_conn()

    def _headers(self, trail: _Trail, keys: RequestKeys) -> dict[str, str]:
        headers = {
            "User-Agent": keys.user_agent or self._limits.user_agent,
            "Accept": _ACCEPT[trail.request.accept],
            "Accept-Encoding": ACCEPT_ENCODING,
        }
        if trail.endpoint.credentials is not None:
            headers["Authorization"] = "Basic " + base64.b64encode(trail.endpoint.credentials).decode("ascii")
        own = {name.lower() for name in keys.headers}
        headers = {name: value for name, value in headers.items() if name.lower() not in own} | dict(keys.headers)
        validators = _validators_for(trail)
        if validators.etag is not None and _SENDABLE.fullmatch(validators.etag):
            headers["If-None-Match"] = validators.etag
        if validators.last_modified is not None and _SENDABLE.fullmatch(validators.last_modified):
            headers["If-Modified-Since"] = validators.last_modified
        return headers

    def _read(self, trail: _Trail, exchange: Exchange, response: BaseHTTPResponse) -> _Answer:
        merged = ((name.lower(), value) for name, value in response.headers.itermerged())
        headers = {name: value for name, value in merged if name not in _UNWANTED}
        answer = _Answer(
            status=response.status,
            headers=headers,
            validators=Validators(etag=_first(response, "etag"), last_modified=_first(response, "last-modified")),
            location=_first(response, "location"),
        )
        if response.status != 200:
            drain(response, exchange)
            return answer
        max_bytes = self._max_bytes(trail.request)
        cut = trail.request.accept == "robots"
        announced = headers.get("content-length", "")
        if announced.isdecimal() and len(announced) < 20 and int(announced) > max_bytes and not cut:
            raise NetworkError(Cause.TOO_LARGE, f"{announced} bytes announced, {max_bytes} allowed")
        body = inflate(stream(response, exchange), headers.get("content-encoding", ""), max_bytes, cut=cut)
        return replace(answer, body=body, wire_bytes=exchange.wire_bytes)

    def _follow(self, trail: _Trail, answer: _Answer) -> _Trail | FetchResult:
        """Return the trail that continues at the redirect's target, or the result if the fetch ends with `answer`."""
        here, request = trail.endpoint, trail.request
        if not answer.location:
            return self._fail(trail, Cause.PROTOCOL, f"{answer.status} without a Location", answer)
        target = join_location(here, answer.location)
        if target is None:
            detail = f"{answer.status} to {answer.location[:200]!r}, which is no http or https URL"
            return self._fail(trail, Cause.BAD_URL, detail, answer)
        hops = (*trail.hops, Hop(url=here.url, status=answer.status, target=target.url))
        if any(target.url == hop.url for hop in hops):
            return self._fail(trail, Cause.REDIRECT_LOOP, f"{target.url} was asked before", answer)
        limit = MAX_ROBOTS_HOPS if request.accept == "robots" else MAX_HOPS
        if len(hops) > limit:
            return self._fail(trail, Cause.TOO_MANY_REDIRECTS, f"more than {limit} redirects", answer)
        ends = request.ends_at is not None and request.ends_at(target.url)
        if ends or (not request.follow_hosts and not is_same_host(here, target)):
            return Redirected(url=request.url, target=target.url, hops=hops, elapsed=self._elapsed(trail))
        if may_keep_credentials(here, target):
            target = replace(target, credentials=here.credentials)
        return replace(trail, endpoint=target, hops=hops)

    def _conclude(self, trail: _Trail, answer: _Answer) -> FetchResult:
        request = trail.request
        asked = _validators_for(trail) != Validators()
        if answer.status == 200:
            return Fetched(
                url=request.url,
                final_url=trail.endpoint.url,
                status=200,
                headers=answer.headers,
                body=answer.body,
                validators=answer.validators,
                hops=trail.hops,
                fresh_for=parse_freshness(answer.headers, self._clock.now()),
                wire_bytes=answer.wire_bytes,
                elapsed=self._elapsed(trail),
            )
        if answer.status == 304 and asked:
            return NotModified(
                url=request.url,
                final_url=trail.endpoint.url,
                headers=answer.headers,
                validators=answer.validators,
                hops=trail.hops,
                fresh_for=parse_freshness(answer.headers, self._clock.now()),
                elapsed=self._elapsed(trail),
            )
        return self._fail(trail, cause_of(answer.status), describe_status(answer.status), answer)

    def _fail(self, trail: _Trail, cause: Cause, detail: str, answer: _Answer | None = None) -> FetchFailed:
        return FetchFailed(
            url=trail.request.url,
            final_url=trail.endpoint.url,
            cause=cause,
            detail=detail,
            status=answer.status if answer else None,
            headers=answer.headers if answer else {},
            hops=trail.hops,
            retry_after=parse_retry_after(answer.headers, self._clock.now()) if answer else None,
            elapsed=self._elapsed(trail),
        )

    def _elapsed(self, trail: _Trail) -> timedelta:
        return timedelta(seconds=max(0.0, self._clock.monotonic() - trail.started))


# --- answers ----------------------------------------------------------------------------------------------------------


def _validators_for(trail: _Trail) -> Validators:
    """Return the validators for the next request: none if they came from another resource (RFC 9110, 8.8.3)."""
    source = None if trail.request.validators_of is None else parse_endpoint(trail.request.validators_of)
    if source is None or is_same_resource(source, trail.endpoint):
        return trail.request.validators
    return Validators()


def _first(response: BaseHTTPResponse, name: str) -> str | None:
    """Return the first header of that name (latin-1); None: it is absent, or cannot be sent back in a request."""
    values = response.headers.getlist(name)
    return values[0] if values and _SENDABLE.fullmatch(values[0]) else None
