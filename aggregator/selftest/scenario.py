"""What scenarios need: a fetcher with short limits, scripted servers, and checks that say what went wrong."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

from aggregator.http.fetch import FetchLimits, HttpFetcher
from aggregator.http.netguard import Lookup, parse_networks, system_lookup
from aggregator.models.fetching import Cause, Fetched, FetchFailed, FetchRequest, FetchResult
from aggregator.selftest.server import Script, Server

FetcherFactory = Callable[[FetchLimits, Lookup], HttpFetcher]
Complaint = str  # what went wrong; "": nothing did
MAX_BYTES = 1 << 20
FEED = b'<?xml version="1.0"?><rss version="2.0"><channel><title>Example</title></channel></rss>\n'
_LIMITS = FetchLimits(
    user_agent="aggregator-selftest (+https://example.org/)",
    timeout=timedelta(seconds=1),
    total_timeout=timedelta(seconds=2.5),
    max_feed_bytes=MAX_BYTES,
    max_page_bytes=MAX_BYTES,
    allow_private_networks=parse_networks(["127.0.0.0/8"]),
)


@dataclass(frozen=True, slots=True)
class ScenarioClient:
    """Sends requests to scripted servers. `fetch` and `ask` make a fetcher for each request and close it afterwards."""

    new_fetcher: FetcherFactory

    def fetch(self, script: Script, path: str = "/feed", **fields: Any) -> FetchResult:  # Any: fields of the request
        """Start a server with `script`, send it one request, return the result. `fields` are fields of the request."""
        with Server(script) as server:
            return self.ask(server.url(path), **fields)

    def ask(
        self, url: str, *, lookup: Lookup = system_lookup, limits: dict[str, Any] | None = None, **fields: Any
    ) -> FetchResult:
        """Send one request and return the result.

        `limits` replaces fields of `FetchLimits`, `fields` those of the request. `lookup` resolves host names.
        """
        with self.fetcher(lookup=lookup, **(limits or {})) as fetcher:
            return fetcher.fetch(request(url, **fields))

    @contextmanager
    def fetcher(self, *, lookup: Lookup = system_lookup, **limits: Any) -> Iterator[HttpFetcher]:
        """Give a fetcher, for a `with` statement. `limits` replaces fields of its `FetchLimits`."""
        fetcher = self.new_fetcher(replace(_LIMITS, **limits), lookup)
        try:
            yield fetcher
        finally:
            fetcher.close()


@dataclass(frozen=True, slots=True)
class Scenario:
    """A requirement on the fetcher, and its check. The check returns what went wrong, or "" if nothing did."""

    requirement: str
    check: Callable[[ScenarioClient], Complaint]


def documented(*checks: Callable[[ScenarioClient], Complaint]) -> tuple[Scenario, ...]:
    """Return a scenario for each of the functions; the docstring of a function is the requirement."""
    return tuple(Scenario((check.__doc__ or "").strip(), check) for check in checks)


def fails(requirement: str, script: Script, *causes: Cause) -> Scenario:
    """Return a scenario: a request to a server with `script` must fail, with one of `causes`."""
    return Scenario(requirement, lambda client: expect_cause(client.fetch(script), *causes))


def first_complaint(tried: Iterable[tuple[object, Complaint]]) -> Complaint:
    """Return the first complaint that is not "", with its case in front; "" if there is none.

    `tried` gives pairs of a case and the complaint about it.
    """
    return next((f"{case}: {complaint}" for case, complaint in tried if complaint), "")


def request(url: str, **fields: Any) -> FetchRequest:  # Any: fields of the request
    """Return a request for a feed with a small size limit and a short deadline. `fields` replaces its fields."""
    given: dict[str, Any] = {"accept": "feed", "max_bytes": MAX_BYTES, "deadline": timedelta(seconds=10), **fields}
    return FetchRequest(url=url, **given)


def expect_cause(result: FetchResult, *causes: Cause) -> Complaint:
    """Return "" if the request failed with one of `causes`, else a complaint that describes the result."""
    if isinstance(result, FetchFailed) and result.cause in causes:
        return ""
    return f"expected {' or '.join(causes)}, got {describe(result)}"


def expect_body(result: FetchResult, body: bytes = FEED) -> Complaint:
    """Return "" if the request brought this body, else a complaint that describes the result."""
    if isinstance(result, Fetched) and result.body == body:
        return ""
    return f"expected a body of {len(body)} bytes, got {describe(result)}"


def expect(condition: bool, complaint: Complaint) -> Complaint:
    """Return "" if the condition holds, else `complaint`."""
    return "" if condition else complaint


def describe(result: FetchResult) -> str:
    """Return a few words that describe a result, such as `90 bytes from http://127.0.0.1:4711/`."""
    match result:
        case FetchFailed():
            return f"{result.cause} ({result.detail})"
        case Fetched():
            return f"{len(result.body)} bytes from {result.final_url}"
        case _:
            return type(result).__name__
