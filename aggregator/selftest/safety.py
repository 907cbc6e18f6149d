"""Scenarios: what hostile servers and addresses must not achieve.

The docstring of a scenario is the requirement that users see. The function returns a `Complaint`: what went wrong, or
"" if nothing did.
"""

from __future__ import annotations

import gzip
import threading
import zlib
from datetime import timedelta

import brotli

from aggregator.compression import zstd
from aggregator.http.netguard import IPNetwork, parse_networks
from aggregator.models.fetching import Cause, Hop
from aggregator.selftest.scenario import (
    FEED,
    Complaint,
    ScenarioClient,
    documented,
    expect,
    expect_body,
    expect_cause,
    fails,
    first_complaint,
    request,
)
from aggregator.selftest.server import Peer, Server, answers, endless, head, redirects, sends

_ZEROS = bytes(1 << 20)
_LOOPBACK = parse_networks(["127.0.0.1/32"])
_SPELLINGS = (
    "127.0.0.1", "127.1", "2130706433", "0x7f000001", "0x7f.1", "0177.0.0.1", "127.0.0.1.", "0.0.0.0", "0",  # noqa: S104
    "localhost", "[::1]", "[::]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[64:ff9b::7f00:1]", "[2002:7f00:1::]",
    "１２７.0.0.1",
)  # fmt: skip
_RESERVED = (
    "10.0.0.1", "172.16.0.1", "192.168.0.1", "169.254.169.254", "100.64.0.1", "192.0.0.1", "198.18.0.1", "224.0.0.1",
    "240.0.0.1", "255.255.255.255", "[fe80::1]", "[fd00::1]", "[ff02::1]", "[fec0::1]", "[2001:db8::1]",
    "[64:ff9b:1::1]", "[::ffff:10.0.0.1]", "[::10.0.0.1]", "[4000::1]",
)  # fmt: skip


# --- addresses --------------------------------------------------------------------------------------------------------


def _expect_forbidden(client: ScenarioClient, url: str, allowed: tuple[IPNetwork, ...]) -> Complaint:
    return expect_cause(client.ask(url, limits={"allow_private_networks": allowed}), Cause.FORBIDDEN_ADDRESS)


def own_machine(client: ScenarioClient) -> Complaint:
    """The address of this machine is refused in every spelling, before a connection is made."""
    with Server(answers(200, FEED)) as server:
        complaint = first_complaint((host, _expect_forbidden(client, server.url(host=host), ())) for host in _SPELLINGS)
        return complaint or expect(server.connections == 0, "a connection was made")


def reserved_networks(client: ScenarioClient) -> Complaint:
    """Private, link-local, shared, multicast and documentation addresses are refused."""
    return first_complaint((host, _expect_forbidden(client, f"http://{host}/", _LOOPBACK)) for host in _RESERVED)


def redirect_to_own_machine(client: ScenarioClient) -> Complaint:
    """A redirect to a forbidden address is not followed."""
    with Server(answers(200, FEED), host="127.0.0.2") as inner:
        with Server(redirects(inner.url())) as outer:
            complaint = _expect_forbidden(client, outer.url(), _LOOPBACK)
        return complaint or expect(inner.connections == 0, "a connection was made")


def name_that_changes(client: ScenarioClient) -> Complaint:
    """A host name is resolved once for a request, and the request goes to the address that was checked."""
    looks: list[str] = []

    def lookup(host: str, port: int) -> list[str]:
        looks.append(host)
        return ["127.0.0.1" if len(looks) == 1 else "127.0.0.2"]

    with Server(answers(200, FEED)) as server:
        result = client.ask(
            server.url(host="rebind.example"), lookup=lookup, limits={"allow_private_networks": _LOOPBACK}
        )
    return expect_body(result) or expect(len(looks) == 1, f"{len(looks)} look-ups")


def name_with_two_faces(client: ScenarioClient) -> Complaint:
    """A host name that resolves to one allowed and one forbidden address is refused."""
    with Server(answers(200, FEED)) as server:
        result = client.ask(server.url(host="two.example"), lookup=lambda host, port: ["127.0.0.1", "10.0.0.1"])
        return expect_cause(result, Cause.FORBIDDEN_ADDRESS) or expect(server.connections == 0, "a connection was made")


def address_behind_proxy(client: ScenarioClient) -> Complaint:
    """Addresses are also checked when a proxy is used; the request to the proxy names the checked address."""
    with Server(answers(200, FEED)) as proxy:
        limits = {"proxy": proxy.url(), "allow_private_networks": _LOOPBACK}
        refused = client.ask("http://10.0.0.1/", limits=limits)
        if complaint := expect_cause(refused, Cause.FORBIDDEN_ADDRESS) or expect(not proxy.requests, "proxy was asked"):
            return complaint
        result = client.ask("http://name.example/feed", lookup=lambda host, port: ["127.0.0.1"], limits=limits)
        asked = proxy.last
    return expect_body(result) or expect(
        asked.target == "http://127.0.0.1/feed" and asked.header("Host") == "name.example",
        f"the proxy was asked for {asked.target!r}",
    )


def other_schemes(client: ScenarioClient) -> Complaint:
    """Only http and https addresses are requested; a redirect to another scheme is not followed."""
    urls = ("file:///etc/passwd", "ftp://127.0.0.1/x", "data:text/xml,x", "javascript:1", "gopher://127.0.0.1/")
    results = ((url, result) for url in urls for result in (client.ask(url), client.fetch(redirects(url))))
    return first_complaint((url, expect_cause(result, Cause.BAD_URL)) for url, result in results)


# --- time -------------------------------------------------------------------------------------------------------------


def _drip_body(peer: Peer) -> None:
    peer.send(head(200, ["Content-Length: 500"]))
    peer.drip(bytes(500), 0.1)


def _redirect_slowly(peer: Peer) -> None:
    if not peer.server.stopping.wait(0.6):
        peer.redirect(f"/{peer.number}")


TIME = (
    fails("A server that accepts the request and never answers is given up.", Peer.hang, Cause.TIMEOUT),
    fails(
        "Headers sent byte by byte are given up at the total timeout.",
        lambda peer: peer.drip(head(200, ["X: " + "x" * 500]), 0.1),
        Cause.TIMEOUT,
    ),
    fails("A body sent byte by byte is given up at the total timeout.", _drip_body, Cause.TIMEOUT),
    fails("Slow redirects share one total timeout.", _redirect_slowly, Cause.TIMEOUT),
)


def silent_tls(client: ScenarioClient) -> Complaint:
    """A server that never answers the TLS handshake is given up."""
    with Server(Peer.hang) as server:
        return expect_cause(client.ask(server.url().replace("http:", "https:")), Cause.TIMEOUT)


def silent_resolver(client: ScenarioClient) -> Complaint:
    """If a name server does not answer, the request fails at the total timeout."""
    done = threading.Event()

    def lookup(host: str, port: int) -> list[str]:
        done.wait(20)
        return []

    try:
        result = client.ask("http://slow.example/", lookup=lookup)
    finally:
        done.set()
    return expect_cause(result, Cause.DNS)


# --- sizes ------------------------------------------------------------------------------------------------------------


def bombs(client: ScenarioClient) -> Complaint:
    """A decompression bomb is given up at the size limit, in each content coding and in two at once."""
    packed = gzip.compress(_ZEROS, 9)
    gzips, brotlis = packed * 64, _brotli_bomb()
    bodies = {
        "gzip": gzips,
        "deflate": zlib.compress(_ZEROS * 64, 9),
        "br": brotlis,
        "zstd": zstd.compress(_ZEROS) * 64,
        "gzip, gzip": gzip.compress(gzips),
        "gzip, br": brotli.compress(gzips, quality=3),
    }
    scripts = {coding: answers(200, body, [f"Content-Encoding: {coding}"]) for coding, body in bodies.items()}
    return first_complaint((name, expect_cause(client.fetch(one), Cause.TOO_LARGE)) for name, one in scripts.items())


def _brotli_bomb() -> bytes:
    compressor = brotli.Compressor(quality=3)
    return b"".join([compressor.process(_ZEROS) for _ in range(64)]) + bytes(compressor.finish())


_CHUNKED = head(200, ["Transfer-Encoding: chunked"])
_FRAMING = (Cause.TOO_LARGE, Cause.TRUNCATED, Cause.PROTOCOL)
SIZES = (
    fails("An endless body is given up at the size limit.", endless(head(), _ZEROS), Cause.TOO_LARGE),
    fails(
        "A body whose announced length is over the size limit is not read.",
        sends(head(200, [f"Content-Length: {10**12}"])),
        Cause.TOO_LARGE,
    ),
    fails(
        "Endless headers are given up.",
        endless(b"HTTP/1.1 200 OK\r\n", b"X-Pad: " + b"x" * 1000 + b"\r\n"),
        Cause.PROTOCOL,
    ),
    fails(
        "An endless header line is given up.",
        endless(b"HTTP/1.1 200 OK\r\nX-Pad: ", b"x" * 65_536),
        Cause.PROTOCOL,
    ),
    fails(
        "An endless series of informational (1xx) answers is given up.", endless(b"", head(102) * 100), Cause.PROTOCOL
    ),
    fails(
        "A chunk whose size line never ends is given up.",
        endless(_CHUNKED + b"1;", b"x" * 65_536),
        *_FRAMING,
    ),
    fails(
        "A body in chunks of one byte is given up early, since it has more framing than content.",
        endless(_CHUNKED, b"1\r\nx\r\n" * 10_000),
        Cause.PROTOCOL,
        Cause.TIMEOUT,  # first on a slow machine
    ),
    fails("Endless trailers are given up.", endless(_CHUNKED + b"0\r\n", b"X: " + b"x" * 65_000 + b"\r\n"), *_FRAMING),
    fails("The endless body of an error page is not read to its end.", endless(head(404), _ZEROS), Cause.NOT_FOUND),
)


# --- redirects --------------------------------------------------------------------------------------------------------


def endless_redirects(client: ScenarioClient) -> Complaint:
    """At most ten redirects are followed."""
    with Server(lambda peer: peer.redirect(f"/{peer.number}")) as server:
        result = client.ask(server.url("/start"))
        return expect_cause(result, Cause.TOO_MANY_REDIRECTS) or expect(
            len(server.requests) == 11, f"{len(server.requests)} requests"
        )


def redirect_circle(client: ScenarioClient) -> Complaint:
    """A redirect loop between two hosts is an error at the first repeated address."""
    places: list[str] = []

    def script(peer: Peer) -> None:
        peer.redirect(places[1] if peer.server.host == "127.0.0.1" else places[0])

    with Server(script) as first, Server(script, host="127.0.0.2") as second:
        places += [first.url(), second.url()]
        result = client.ask(first.url())
        asked = len(first.requests) + len(second.requests)
    return expect_cause(result, Cause.REDIRECT_LOOP) or expect(asked == 2, f"{asked} requests")


def hops_before(client: ScenarioClient) -> Complaint:
    """Redirects that an earlier visit followed count towards the limit of ten."""
    hops = tuple(Hop(url=f"http://a.example/{n}", status=302, target=f"http://a.example/{n + 1}") for n in range(10))
    with Server(redirects("/next")) as server:
        return expect_cause(client.ask(server.url(), hops=hops), Cause.TOO_MANY_REDIRECTS)


def stop_while_waiting(client: ScenarioClient) -> Complaint:
    """Closing a fetcher ends the requests that still wait for an answer."""
    asked = threading.Event()

    def script(peer: Peer) -> None:
        asked.set()
        peer.hang()

    patience = timedelta(seconds=30)
    with Server(script) as server, client.fetcher(timeout=patience, total_timeout=patience) as fetcher:

        def stop() -> None:
            asked.wait(3)
            fetcher.close()

        stopper = threading.Thread(target=stop, daemon=True)
        stopper.start()
        result = fetcher.fetch(request(server.url(), deadline=patience))
        stopper.join(10)
    return expect_cause(result, Cause.TIMEOUT, Cause.CONNECT) or expect(
        result.elapsed < timedelta(seconds=10), f"it took {result.elapsed}"
    )


SAFETY = (
    *documented(
        own_machine, reserved_networks, redirect_to_own_machine, name_that_changes, name_with_two_faces,
        address_behind_proxy, other_schemes, silent_tls, silent_resolver, bombs, endless_redirects, redirect_circle,
        hops_before, stop_while_waiting,
    ),
    *TIME,
    *SIZES,
)  # fmt: skip
