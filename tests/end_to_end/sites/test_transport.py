"""Broken and hostile transfers, each beside a healthy feed: no entry, no article, no delay, a clear cause."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Callable, Iterator
from typing import NamedTuple

import brotli
import pytest

from aggregator.compression import zstd
from aggregator.models.fetching import Cause
from aggregator.selftest.server import Peer, Script, head
from tests.support.citizen import HTML, RSS, Site, World, answering, html_page, item, rss, story, street

FEED = rss(item("/a/1"))
PAGE = html_page("About /a/1", story("/a/1"))
BOMB = gzip.compress(bytes(200 << 20), 9)  # 200 MB in 200 kB


def sending(*pieces: bytes) -> Script:
    return lambda peer: peer.send(*pieces)


def _endless_body(peer: Peer) -> None:
    peer.send(head(200, (RSS,)), FEED[:-10])
    while not peer.server.stopping.is_set():
        peer.send(b"<!-- more -->" * 5000)


def _endless_headers(peer: Peer) -> None:
    peer.send(b"HTTP/1.1 200 OK\r\n")
    while not peer.server.stopping.is_set():
        peer.send(b"X-Filler: " + b"x" * 5000 + b"\r\n")


def _endless_interim(peer: Peer) -> None:
    while not peer.server.stopping.is_set():
        peer.send(b"HTTP/1.1 100 Continue\r\n\r\n" * 1000)


def _endless_trailer(peer: Peer) -> None:
    peer.send(head(200, (RSS, "Transfer-Encoding: chunked")), b"%x\r\n%s\r\n0\r\n" % (len(FEED), FEED))
    while not peer.server.stopping.is_set():
        peer.send(b"X: y\r\n" * 1000)


def _tiny_chunks(peer: Peer) -> None:
    peer.send(head(200, (RSS, "Transfer-Encoding: chunked")))
    while not peer.server.stopping.is_set():
        peer.send(b"1;" + b"x" * 1000 + b"\r\n \r\n")


def _chunked(*ends: bytes) -> Script:
    return sending(head(200, (RSS, "Transfer-Encoding: chunked")), b"%x\r\n%s\r\n" % (len(FEED), FEED), *ends)


def _coded(coding: str, body: bytes) -> Script:
    return answering(body, RSS, f"Content-Encoding: {coding}")


class Fault(NamedTuple):
    script: Script
    causes: tuple[Cause | None, ...]


SLOW = (Cause.TIMEOUT,)
CUT = (Cause.TRUNCATED,)
BROKEN = (Cause.PROTOCOL, Cause.TRUNCATED, Cause.CONNECT)
TOO_MUCH = (Cause.TOO_LARGE, Cause.PROTOCOL, Cause.TIMEOUT)
CODED = (Cause.BAD_ENCODING, Cause.TRUNCATED)
FAULTS = {
    "no answer": Fault(lambda peer: peer.hang(), SLOW),
    "headers drip": Fault(lambda peer: peer.drip(head(200, (RSS, "X: " + "y" * 900)), 0.2), SLOW),
    "body drips": Fault(
        lambda peer: (peer.send(head(200, (RSS, f"Content-Length: {len(FEED)}"))), peer.drip(FEED, 0.2))[0], SLOW
    ),
    "chunks drip": Fault(
        lambda peer: (peer.send(head(200, (RSS, "Transfer-Encoding: chunked"))), peer.drip(b"1\r\n \r\n" * 99, 0.2))[0],
        SLOW,
    ),
    "body stops": Fault(lambda peer: (peer.send(head(200, (RSS, "Content-Length: 9999")), FEED), peer.hang())[0], SLOW),
    "reset": Fault(lambda peer: peer.reset(), BROKEN),
    "reset within the body": Fault(
        lambda peer: (peer.send(head(200, (RSS, "Content-Length: 9999")), FEED), peer.reset())[0], BROKEN
    ),
    "closed at once": Fault(sending(), BROKEN),
    "closed within the headers": Fault(sending(b"HTTP/1.1 200 OK\r\nContent-Ty"), BROKEN),
    "short of its length": Fault(sending(head(200, (RSS, f"Content-Length: {len(FEED) + 1}")), FEED), CUT),
    "no last chunk": Fault(_chunked(), CUT),
    "broken chunk size": Fault(_chunked(b"zz\r\nmore\r\n0\r\n\r\n"), CUT),
    "short chunk": Fault(_chunked(b"ff\r\nmore"), CUT),
    "broken gzip": Fault(_coded("gzip", gzip.compress(FEED)[:-20]), CODED),
    "gzip with a wrong checksum": Fault(_coded("gzip", gzip.compress(FEED)[:-8] + bytes(8)), CODED),
    "gzip that is none": Fault(_coded("gzip", b"\x1f\x8b\x08\x00 certainly not"), CODED),
    "broken deflate": Fault(_coded("deflate", zlib.compress(FEED)[:-9]), CODED),
    "broken br": Fault(_coded("br", brotli.compress(FEED)[:-9]), CODED),
    "broken zstd": Fault(_coded("zstd", zstd.compress(FEED)[:-9]), CODED),
    "unknown coding": Fault(_coded("sdch", zlib.compress(FEED)), (Cause.BAD_ENCODING, Cause.UNREADABLE)),
    "gzip bomb": Fault(_coded("gzip", BOMB), TOO_MUCH),
    "gzip in gzip bomb": Fault(_coded("gzip, gzip", gzip.compress(BOMB)), TOO_MUCH),
    "deflate bomb": Fault(_coded("deflate", zlib.compress(bytes(200 << 20), 9)), TOO_MUCH),
    "br bomb": Fault(_coded("br", brotli.compress(bytes(200 << 20), quality=1)), TOO_MUCH),
    "zstd bomb": Fault(_coded("zstd", zstd.compress(bytes(200 << 20))), TOO_MUCH),
    "many codings": Fault(_coded(", ".join(["gzip"] * 50), FEED), (*CODED, Cause.TOO_LARGE)),
    "a length beyond the cap": Fault(
        sending(head(200, (RSS, "Content-Length: 99999999999")), FEED), (Cause.TOO_LARGE,)
    ),
    "a negative length": Fault(sending(head(200, (RSS, "Content-Length: -5")), FEED), (*BROKEN, None)),
    "endless body": Fault(_endless_body, TOO_MUCH),
    "endless headers": Fault(_endless_headers, TOO_MUCH),
    "endless interim answers": Fault(_endless_interim, TOO_MUCH),
    "endless trailer": Fault(_endless_trailer, (*TOO_MUCH, None)),
    "chunks of a byte": Fault(_tiny_chunks, TOO_MUCH),
    "HTTP/0.9": Fault(sending(FEED), BROKEN),
    "another protocol": Fault(sending(b"SSH-2.0-OpenSSH_9.2\r\n"), BROKEN),
    "status 99999": Fault(sending(b"HTTP/1.1 99999 Odd\r\n\r\n", FEED), BROKEN),
    "status 600": Fault(answering(FEED, RSS, status=600), BROKEN),
    "206": Fault(answering(FEED, RSS, status=206), BROKEN),
}
FINE: dict[str, Script] = {
    "gzip": _coded("gzip", gzip.compress(FEED)),
    "x-gzip": _coded("x-gzip", gzip.compress(FEED)),
    "gzip in two members": _coded("gzip", gzip.compress(FEED[:50]) + gzip.compress(FEED[50:])),
    "deflate": _coded("deflate", zlib.compress(FEED)),
    "raw deflate": _coded("deflate", zlib.compress(FEED)[2:-4]),
    "br": _coded("br", brotli.compress(FEED)),
    "zstd": _coded("zstd", zstd.compress(FEED)),
    "identity": _coded("identity", FEED),
    "a coding that is a charset": _coded("UTF-8", FEED),
    "chunked": _chunked(b"0\r\n\r\n"),
    "chunked with extension and trailer": sending(
        head(200, (RSS, "Transfer-Encoding: chunked")), b"%x;a=b\r\n%s\r\n0\r\nX: y\r\n\r\n" % (len(FEED), FEED)
    ),
    "until the end of the connection": sending(head(200, (RSS, "Connection: close")), FEED),
    "HTTP/1.0": sending(b"HTTP/1.0 200 OK\r\n" + RSS.encode() + b"\r\n\r\n", FEED),
    "line feeds alone": sending(b"HTTP/1.1 200 OK\n" + RSS.encode() + b"\nConnection: close\n\n", FEED),
    "no reason": sending(b"HTTP/1.1 200\r\n" + RSS.encode() + b"\r\nConnection: close\r\n\r\n", FEED),
    "early hints first": sending(
        b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n", head(200, (RSS, "Connection: close")), FEED
    ),
    "many headers": sending(head(200, (RSS, "Connection: close", *(f"X-{n}: y" for n in range(150)))), FEED),
    "a header without colon": sending(head(200, (RSS, "Connection: close", "Just a line")), FEED),
    "length twice": sending(head(200, (RSS, f"Content-Length: {len(FEED)}", f"Content-Length: {len(FEED)}")), FEED),
}  # fmt: skip


class Outcome(NamedTuple):
    """What a run made of a feed."""

    cause: Cause | None
    titles: list[str]
    requests: int


@pytest.fixture(scope="module")
def outcomes(make_world: Callable[[], World]) -> Iterator[dict[str, Outcome]]:
    """One run over all of them at once, a healthy feed beside them."""
    world = make_world()
    world.http |= {"timeout": "1s", "total_timeout": "2s", "max_feed_size": "4MiB"}
    with Site() as healthy, street(world, {name: fault.script for name, fault in FAULTS.items()} | FINE) as sites:
        world.follow(healthy.url())
        report = world.run()
        assert report.seconds < 45
        assert world.titles(healthy) == ["About /a/1"]
        yield {
            name: Outcome(world.state(site.url()).cause, world.titles(site), len(site.asked()))
            for name, site in sites.items()
        }


@pytest.mark.parametrize("name", FAULTS)
def test_a_faulty_transfer_is_an_error_with_its_cause(outcomes: dict[str, Outcome], name: str) -> None:
    cause, titles, requests = outcomes[name]
    assert cause in FAULTS[name].causes
    assert titles == ([] if cause else ["About /a/1"])
    assert requests <= 2


@pytest.mark.parametrize("name", FINE)
def test_an_odd_transfer_is_no_error(outcomes: dict[str, Outcome], name: str) -> None:
    assert outcomes[name] == (None, ["About /a/1"], 1)


PAGE_FAULTS: dict[str, Script] = {
    "short": sending(head(200, (HTML, f"Content-Length: {len(PAGE) + 9}")), PAGE),
    "cut chunk": sending(head(200, (HTML, "Transfer-Encoding: chunked")), b"%x\r\n%s" % (len(PAGE) + 9, PAGE)),
    "cut gzip": answering(gzip.compress(PAGE)[:-9], HTML, "Content-Encoding: gzip"),
    "bomb": answering(BOMB, HTML, "Content-Encoding: gzip"),
    "drip": lambda peer: (peer.send(head(200, (HTML,))), peer.drip(PAGE, 0.2))[0],
    "hang": lambda peer: peer.hang(),
    "reset": lambda peer: peer.reset(),
}


def test_a_page_cut_off_is_no_page_and_comes_again(world: World) -> None:
    world.http |= {"timeout": "1s", "total_timeout": "2s", "max_page_size": "4MiB"}
    with street(world, dict.fromkeys(PAGE_FAULTS, rss(item("/a/1"), item("/a/2")))) as sites:
        for name, site in sites.items():
            site.paths["/a/1"] = PAGE_FAULTS[name]
        report = world.run()
        assert report.seconds < 15
        assert {name: world.titles(site) for name, site in sites.items() if "About /a/1" in world.titles(site)} == {}
        for site in sites.values():
            site.paths["/a/1"] = answering(PAGE, HTML)
        world.runs(5)
        complete = {name for name, site in sites.items() if world.titles(site) == ["About /a/1", "About /a/2"]}
        assert complete == set(PAGE_FAULTS) - {"bomb"}


def test_a_server_that_closes_kept_connections_loses_nothing(world: World) -> None:
    """Ten pages over a connection that the server drops after every answer without saying so."""

    def drop(peer: Peer) -> None:
        path = peer.request.target
        peer.answer(200, html_page(f"About {path}", story(path)), (HTML,), keep=False)

    paths = {f"/a/{number}": drop for number in range(10)}
    with Site(rss(*(item(path) for path in paths)), paths) as site:
        world.follow(site.url())
        report = world.run()
        assert report.pages_failed == 0
        assert len(world.titles()) == 10
        assert len(site.pages) == 10
