"""One bounded POST to an address that the operator configured: for webhooks. Follows no redirect, keeps no cookies."""

from __future__ import annotations

import http.client
from collections.abc import Mapping
from datetime import timedelta

from aggregator.http.causes import FOREIGN, NetworkError, translate_open
from aggregator.http.endpoint import Endpoint, parse_endpoint
from aggregator.http.fetch import FetchLimits
from aggregator.http.freshness import parse_retry_after
from aggregator.http.netguard import AddressPolicy, Lookup, Resolver, system_lookup
from aggregator.http.transport import Exchange, Route, Transport
from aggregator.models.fetching import Posted
from aggregator.ports.protocols import Clock


class HttpPoster:
    """The port `Poster` over HTTP, under the same address check as fetches."""

    def __init__(
        self, limits: FetchLimits, clock: Clock, *, lookup: Lookup = system_lookup, ca_file: str | None = None
    ) -> None:
        self._limits = limits
        self._clock = clock
        self._resolver = Resolver(lookup)
        route = Route(
            policy=AddressPolicy(allowed=limits.allow_private_networks),
            resolver=self._resolver,
            proxy=limits.proxy,
            proxy_resolves=limits.proxy_resolves,
        )
        self._transport = Transport(route, pool_hosts=4, ca_file=ca_file)

    def post(self, url: str, body: bytes, headers: Mapping[str, str], deadline: timedelta) -> Posted:
        """Return the result of the POST. Nothing is raised."""
        endpoint = parse_endpoint(url)
        if endpoint is None:
            return Posted(problem=f"{url}: not an http or https URL")
        exchange = Exchange(
            monotonic=self._clock.monotonic,
            deadline=self._clock.monotonic() + deadline.total_seconds(),
            patience=self._limits.timeout.total_seconds(),
        )
        exchange.fresh = True  # a kept connection may be closed by now, and a POST is not sent twice unasked
        try:
            return self._send(endpoint, exchange, body, headers)
        except NetworkError as error:
            return Posted(problem=f"{endpoint.authority}: {error.detail}")

    def _send(self, endpoint: Endpoint, exchange: Exchange, body: bytes, headers: Mapping[str, str]) -> Posted:
        sent = {"User-Agent": self._limits.user_agent, "Content-Length": str(len(body)), **headers}
        with self._transport.exchange(exchange):
            try:
                response = self._transport.open(endpoint, sent, method="POST", body=body)
            except FOREIGN as error:
                raise translate_open(error, endpoint) from error
            response.close()
            response.release_conn()
        if 200 <= response.status < 300:
            return Posted()
        phrase = http.client.responses.get(response.status, "")
        return Posted(
            problem=f"{endpoint.authority}: {response.status} {phrase}".strip(),
            retry_after=parse_retry_after({k.lower(): v for k, v in response.headers.items()}, self._clock.now()),
        )

    def close(self) -> None:
        """End the requests of other threads, and close the connections."""
        self._transport.close()
        self._resolver.close()
