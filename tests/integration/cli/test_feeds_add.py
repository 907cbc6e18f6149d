"""`feeds add` and `discover`: many at once, from stdin, and what is proposed of a site without a feed."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from aggregator.config.loading import load_config
from aggregator.models.sources import Kind
from aggregator.selftest.server import Script
from tests.support.citizen import HTML, Site, World, answering, html_page, item, rss
from tests.support.command import call

XML, TEXT = "Content-Type: application/xml", "Content-Type: text/plain"
ADVERTISES = html_page("Town", "", '<link rel="alternate" type="application/rss+xml" href="/feed">')
LIST = html_page("Town", "".join(f'<p><a href="/a/{n}">Story number {n} of the town</a></p>' for n in range(5)))
FEW = html_page("Town", "".join(f'<p><a href="/a/{n}">Story number {n} of the town</a></p>' for n in range(4)))
PLAIN = b"<urlset><url><loc>/a/1</loc></url></urlset>"
NEWS = b'<urlset xmlns:news="n"><url><loc>/a/1</loc><news:news><news:title>One</news:title></news:news></url></urlset>'
INDEX = b"<sitemapindex><sitemap><loc>/news-1.xml</loc></sitemap></sitemapindex>"


def robots(*sitemaps: str) -> Script:
    return answering("\n".join(f"Sitemap: {path}" for path in sitemaps).encode(), TEXT)


@pytest.fixture
def site() -> Iterator[Site]:
    with Site() as made:
        yield made


@pytest.fixture
def world(tmp_path: Path) -> World:
    made = World(tmp_path)
    made.write()
    return made


def listed(world: World) -> list[tuple[str, Kind]]:
    return [(feed.url, feed.kind) for feed in load_config(world.config, {}).feeds]


@pytest.mark.parametrize(
    ("paths", "found", "kind"),
    [
        pytest.param({"/": answering(ADVERTISES, HTML)}, "/feed", "feed", id="advertised"),
        pytest.param(
            {"/": answering(LIST, HTML), "/rss.xml": answering(rss(item())), "/news-sitemap.xml": answering(NEWS, XML)},
            "/rss.xml", "feed", id="a usual place before all else",
        ),
        pytest.param(
            {"/": answering(LIST, HTML), "/robots.txt": robots("/all.xml", "/x/news.xml"),
             "/all.xml": answering(NEWS, XML), "/x/news.xml": answering(NEWS, XML)},
            "/x/news.xml", "sitemap", id="the sitemap for news that robots.txt names",
        ),
        pytest.param(
            {"/": answering(LIST, HTML), "/robots.txt": robots("/news.xml"), "/news.xml": answering(PLAIN, XML),
             "/sitemap-news.xml": answering(INDEX, XML)},
            "/sitemap-news.xml", "sitemap", id="one at a usual place, not one without titles",
        ),
        pytest.param({"/": answering(LIST, HTML)}, "/", "html", id="a list of links"),
        pytest.param({"/": answering(INDEX, XML)}, "/", "sitemap", id="an index itself"),
        pytest.param({"/": answering(NEWS, XML)}, "/", "sitemap", id="a sitemap itself"),
        pytest.param({"/": answering(rss(item()))}, "/", "feed", id="a feed itself"),
    ],
)  # fmt: skip
def test_what_is_proposed_of_a_site(
    world: World, site: Site, paths: Mapping[str, Script], found: str, kind: str
) -> None:
    site.paths |= paths
    if found != "/feed":
        site.paths["/feed"] = answering(b"", status=404)
    proposed = call("feeds", "discover", site.url("/"), "--config", world.config, "--json").records
    assert [(one["url"], one["kind"]) for one in proposed] == [(site.url(found), kind)]
    called = call("feeds", "add", site.url("/"), "--config", world.config)
    assert (called.status, listed(world)) == (0, [(site.url(found), kind)])
    assert called.out.startswith(f"added {site.url(found)}")
    assert ("as kind" in called.out) == (kind != "feed")


@pytest.mark.parametrize("page", [answering(FEW, HTML), answering(b"hello", TEXT)], ids=["few links", "no page"])
def test_a_site_of_which_nothing_can_be_followed_is_refused(world: World, site: Site, page: Script) -> None:
    site.paths |= {"/": page, "/feed": answering(b"", status=404)}
    called = call("feeds", "add", site.url("/"), "--config", world.config)
    assert (called.status, listed(world)) == (2, [])
    assert "neither a feed nor a page that advertises one" in called.err
    assert call("feeds", "discover", site.url("/"), "--config", world.config).status == 1


def test_many_are_added_and_each_that_is_refused_is_named(world: World, site: Site) -> None:
    site.paths["/two"] = answering(rss(item()))
    urls = (site.url(), site.url("/missing"), "no address", site.url("/two"), site.url())
    called = call("feeds", "add", *urls, "--tag", "town", "--config", world.config)
    assert (called.status, called.out) == (1, f"added {site.url()}\nadded {site.url('/two')}\n")
    for said in ("/missing: not_found", "no address: is no web address", "is listed already"):
        assert said in called.err
    assert [feed.tags for feed in load_config(world.config, {}).feeds] == [("town",), ("town",)]


def test_addresses_are_read_from_stdin(world: World, site: Site) -> None:
    lines = f"# mine\n{site.url()}\nnothing here\n".encode()
    called = call("feeds", "add", "-", "--config", world.config, stdin=lines)
    assert (called.status, listed(world)) == (1, [(site.url(), "feed")])
    assert "stdin, line 3: skipped 'nothing here'" in called.err
    assert call("feeds", "add", "-", "--config", world.config, stdin=b"nothing").status == 2


def test_one_name_is_for_one_feed(world: World, site: Site) -> None:
    called = call("feeds", "add", site.url(), site.url("/two"), "--name", "Town", "--config", world.config)
    assert (called.status, listed(world)) == (2, [])
    assert "--name: is the name of one feed" in called.err


def test_feeds_test_shows_what_is_found_as_the_configuration_says(world: World, site: Site) -> None:
    site.paths |= {"/list": answering(LIST, HTML)}
    world.follow(site.url("/list"), kind="html", select={"link": "p a"})
    world.follow(site.url("/mine"), kind="command", command=[sys.executable, "-c", "print('<rss><channel/></rss>')"])
    world.write()
    page = call("feeds", "test", site.url("/list"), "--config", world.config)
    assert page.status == 0
    assert f"  {site.url('/a/4')}  Story number 4 of the town\n" in page.out
    (entry,) = [
        one
        for one in call("feeds", "test", site.url("/list"), "--json", "--config", world.config).record["found"]
        if one["link"] == site.url("/a/4")
    ]
    assert entry == {"link": site.url("/a/4"), "title": "Story number 4 of the town", "date": None}
    printed = call("feeds", "test", site.url("/mine"), "--config", world.config)
    assert (printed.status, site.asked("/mine")) == (0, [])
    assert "found: none" in printed.out
