"""Beside the scripted server of `aggregator selftest`: a fixed clock, a fetcher, TLS, a forward proxy."""

from __future__ import annotations

import contextlib
import select
import socket
import ssl
import time
from datetime import UTC, datetime
from pathlib import Path

import trustme

from aggregator.http.fetch import FetchLimits, HttpFetcher
from aggregator.http.netguard import Lookup
from aggregator.selftest.server import Peer

NOW = datetime(2026, 11, 23, 10, 0, tzinfo=UTC)


class FixedClock:
    """A wall clock that stands still beside a monotonic one that runs, as sockets do."""

    def now(self) -> datetime:
        return NOW

    def monotonic(self) -> float:
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        raise AssertionError("nobody sleeps in a test")


def new_fetcher(limits: FetchLimits, lookup: Lookup, ca_file: Path | None = None) -> HttpFetcher:
    return HttpFetcher(limits, FixedClock(), lookup=lookup, ca_file=None if ca_file is None else str(ca_file))


def serve_tls(*names: str, authority: trustme.CA) -> ssl.SSLContext:
    """Return what a server of these names presents."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(*names).configure_cert(context)
    return context


def tunnel(peer: Peer) -> None:
    """Serve a CONNECT request: join the client to the address that it asked for."""
    host, _, port = peer.request.target.rpartition(":")
    with socket.create_connection((host.strip("[]"), int(port))) as upstream:
        peer.send(b"HTTP/1.1 200 Connection established\r\n\r\n")
        ends = {peer.connection: upstream, upstream: peer.connection}
        while True:
            for source in select.select(list(ends), [], [])[0]:
                received = source.recv(65_536)
                if not received:
                    with contextlib.suppress(OSError):
                        ends[source].shutdown(socket.SHUT_RDWR)
                    return
                ends[source].sendall(received)
