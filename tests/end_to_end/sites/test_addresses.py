"""Addresses that strangers name, in feeds, links and redirects: none leads inside."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from aggregator.models.fetching import Cause
from aggregator.selftest.server import Peer
from tests.support.citizen import HTML, RSS, Site, World, answering, html_page, item, rss, story, street
from tests.support.installation import Installation

INSIDE = {
    "loopback": "http://127.0.0.1:{port}/feed",
    "loopback by name": "http://localhost:{port}/feed",
    "a name below localhost": "http://news.localhost:{port}/feed",
    "decimal": "http://2130706433:{port}/feed",
    "octal": "http://0177.0.0.1:{port}/feed",
    "hexadecimal": "http://0x7f.1:{port}/feed",
    "short": "http://127.1:{port}/feed",
    "zero": "http://0.0.0.0:{port}/feed",
    "IPv6 loopback": "http://[::1]:{port}/feed",
    "IPv4-mapped": "http://[::ffff:127.0.0.1]:{port}/feed",
    "full-width digits": "http://①②⑦.0.0.1:{port}/feed",
    "trailing dot": "http://127.0.0.1.:{port}/feed",
    "user info": "http://example.com@127.0.0.1:{port}/feed",
    "private 10": "http://10.0.0.1:{port}/feed",
    "private 192.168": "http://192.168.0.1:{port}/feed",
    "link-local": "http://169.254.169.254/latest/meta-data/",
    "shared (CGNAT)": "http://100.64.0.1/feed",
    "multicast": "http://224.0.0.1/feed",
    "ULA": "http://[fc00::1]/feed",
    "IPv6 link-local": "http://[fe80::1]/feed",
    "6to4 of loopback": "http://[2002:7f00:1::]/feed",
    "NAT64 of loopback": "http://[64:ff9b::7f00:1]/feed",
}


@dataclass(frozen=True)
class Refused:
    """What became of the feeds at inner addresses, and how often their server was asked."""

    causes: dict[str, Cause | None]
    requests: int


@pytest.fixture(scope="module")
def refused(make_world: Callable[[], World]) -> Iterator[Refused]:
    world = make_world()
    world.http["allow_private_networks"] = []
    with Site() as site:
        urls = {name: url.format(port=site.server.port) for name, url in INSIDE.items()}
        world.follow(*urls.values())
        world.run()
        yield Refused({name: world.state(url).cause for name, url in urls.items()}, len(site.server.requests))


@pytest.mark.parametrize("name", INSIDE)
def test_a_feed_at_an_inner_address_is_refused(refused: Refused, name: str) -> None:
    assert refused.causes[name] in (Cause.FORBIDDEN_ADDRESS, Cause.BAD_URL, Cause.DNS)


def test_no_inner_server_was_asked(refused: Refused) -> None:
    assert refused.requests == 0


def test_only_allowed_networks_are_asked(world: World) -> None:
    world.http["allow_private_networks"] = ["127.0.0.2/32"]
    with Site(host="127.0.0.2") as allowed, Site() as inner:
        world.follow(allowed.url(), inner.url())
        world.run()
        assert world.titles() == ["About /a/1"]
        assert inner.server.requests == []
        assert world.state(inner.url()).cause is Cause.FORBIDDEN_ADDRESS


def test_a_link_to_an_inner_address_is_not_fetched_and_fails_once(world: World) -> None:
    world.http["allow_private_networks"] = ["127.0.0.2/32"]
    with Site() as inner, Site(host="127.0.0.2") as site:
        links = (
            inner.url("/a/9"),
            f"http://localhost:{inner.server.port}/a/9",
            "http://[::1]/a/9",
            "http://10.0.0.1/a",
        )
        site.feed = answering(rss(*(item(link) for link in links), item("/a/1")))
        world.follow(site.url())
        world.run()
        assert world.titles() == ["About /a/1"]
        world.runs(2)
        assert inner.server.requests == []


def test_a_link_of_another_scheme_is_no_page(world: World) -> None:
    links = ("file:///etc/passwd", "javascript:alert(1)", "data:text/html,<p>x", "ftp://h.example/a")
    with street(world, {link: rss(item(link, text="x" * 30), item("/a/1")) for link in links}) as sites:
        report = world.run()
        assert (report.pages_failed, report.pages_waiting) == (0, 0)
        assert {link: site.pages for link, site in sites.items()} == {link: ["/a/1"] for link in links}
        assert not any(article.url.startswith(links) for article in world.articles)


def test_a_page_that_redirects_inside_is_refused(world: World) -> None:
    world.http["allow_private_networks"] = ["127.0.0.2/32"]
    with Site() as inner, Site(rss(item("/a/1"), item("/a/2")), host="127.0.0.2") as site:
        site.paths["/a/1"] = lambda peer: peer.redirect(inner.url("/a/1"))
        world.follow(site.url())
        world.run()
        assert world.titles() == ["About /a/2"]
        assert inner.server.requests == []


def test_robots_txt_that_redirects_inside_is_not_fetched_there(world: World) -> None:
    world.http["allow_private_networks"] = ["127.0.0.2/32"]
    with Site() as inner, Site(host="127.0.0.2") as site:
        site.paths["/robots.txt"] = lambda peer: peer.redirect(inner.url("/robots.txt"))
        world.follow(site.url())
        world.run()
        assert inner.server.requests == []


def test_a_canonical_link_of_a_page_is_not_fetched(world: World) -> None:
    with Site() as other, Site() as site:
        head = (
            f'<link rel="canonical" href="{other.url("/a/1")}"><meta property="og:url" content="{other.url("/a/1")}">'
        )
        site.paths["/a/1"] = answering(html_page("About /a/1", story("/a/1"), head), HTML)
        world.follow(site.url())
        world.run()
        assert other.server.requests == []
        (article,) = world.articles
        assert article.url.startswith(site.url("/"))


def test_external_entities_and_dtds_are_not_fetched(world: World) -> None:
    with Site() as other, Site() as site:
        head = (
            f'<?xml version="1.0"?><!DOCTYPE rss SYSTEM "{other.url("/dtd")}" ['
            f'<!ENTITY ext SYSTEM "{other.url("/ext")}">'
            '<!ENTITY passwd SYSTEM "file:///etc/passwd">]>'
        )
        body = rss(item("/a/1", title="T"), item("/a/2")).replace(
            b'<?xml version="1.0" encoding="UTF-8"?>', head.encode()
        )
        site.feed = answering(body.replace(b"<title>T</title>", b"<title>T &ext; &passwd;</title>"))
        world.follow(site.url())
        world.run()
        assert other.server.requests == []
        assert site.pages == ["/a/1", "/a/2"]
        assert not any("root:" in article.content.text for article in world.articles)


# --- names ------------------------------------------------------------------------------------------------------------

RESOLVER = """
import socket

ANSWERS = {  # of each look-up in turn; the last one stays
    "turns.example": [["127.0.0.2"], ["127.0.0.1"]],
    "turns-back.example": [["127.0.0.1"], ["127.0.0.2"]],
    "both.example": [["127.0.0.2", "127.0.0.1"]],
    "mapped.example": [["::ffff:127.0.0.1"]],
}
real = socket.getaddrinfo


def getaddrinfo(host, port, *others, **named):
    if host not in ANSWERS:
        return real(host, port, *others, **named)
    answers = ANSWERS[host]
    addresses = answers.pop(0) if len(answers) > 1 else answers[0]
    return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in addresses]


socket.getaddrinfo = getaddrinfo
"""


def test_a_name_that_means_this_machine_on_the_second_look_gains_nothing(world: World, tmp_path: Path) -> None:
    """DNS rebinding, against the command as a process whose resolver turns: what was checked is what is asked."""
    (tmp_path / "resolver").mkdir()
    (tmp_path / "resolver" / "sitecustomize.py").write_text(RESOLVER, encoding="utf-8")
    world.http["allow_private_networks"] = ["127.0.0.2/32"]

    def feed(peer: Peer) -> None:
        peer.answer(200, rss(item("/a/1")), (RSS,), keep=False)  # the page needs a connection, and a look, of its own

    with Site(feed, host="127.0.0.2") as site, socket.create_server(("127.0.0.1", site.server.port)) as inside:
        names = ("turns.example", "turns-back.example", "both.example", "mapped.example")
        urls = {name: site.server.url("/feed", host=name) for name in names}
        world.follow(*urls.values())
        world.write()
        Installation(world.folder).run("run-once", PYTHONPATH=str(tmp_path / "resolver"))
        inside.setblocking(False)
        with pytest.raises(BlockingIOError):
            inside.accept()
        asked = [(request.header("Host"), request.target) for request in site.server.requests]
        assert asked == [(f"turns.example:{site.server.port}", "/feed")]
        causes = world.use(lambda app: {feed.url: feed.state.cause for feed in app.store.feeds()})
    forbidden = Cause.FORBIDDEN_ADDRESS
    assert [causes[urls[name]] for name in names] == [None, forbidden, forbidden, forbidden]
