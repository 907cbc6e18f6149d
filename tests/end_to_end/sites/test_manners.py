"""What every request says, and how hosts are treated: pace, connections, robots.txt."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Iterator
from itertools import pairwise

import pytest

from aggregator import __version__
from aggregator.selftest.server import Peer, Request
from tests.support.citizen import HTML, RSS, Site, World, answering, html_page, item, one_by_one, rss, story, street
from tests.support.command import call

TEN = rss(*(item(f"/a/{number}") for number in range(10)))


# --- headers ----------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def requests(make_world: Callable[[], World]) -> Iterator[list[Request]]:
    """All requests of three runs: a redirect, cookies, validators, robots.txt, pages."""
    world = make_world()
    world.polling["revisit"] = ["1h"]
    cookie = "Set-Cookie: session=1; Path=/; Max-Age=99999"

    def page(peer: Peer) -> None:
        peer.answer(200, html_page("About /a/1", story("/a/1")), (HTML, cookie, 'ETag: "p"'))

    with Site(answering(rss(item("/a/1"), item("/a/2")), RSS, cookie, 'ETag: "f"')) as site:
        site.paths |= {"/a/1": page, "/a/2": lambda peer: peer.answer(302, b"", ("Location: /a/1", cookie))}
        site.paths["/old?q=1&b=%7e"] = lambda peer: peer.answer(307, b"", ("Location: /feed", cookie))
        world.follow(site.url("/old?q=1&b=%7e"))
        world.runs(3)
        yield list(site.server.requests)


def test_every_request_names_us(requests: list[Request]) -> None:
    for request in requests:
        agent = request.header("User-Agent") or ""
        assert re.fullmatch(rf"aggregator/{re.escape(__version__)} \(\+\S+\)", agent), request.target


def test_the_operators_contact_stands_in_the_name(world: World) -> None:
    world.http["contact"] = "news@example.org"
    with Site() as site:
        world.follow(site.url())
        world.run()
        agents = {request.header("User-Agent") for request in site.server.requests}
        assert agents == {f"aggregator/{__version__} (+news@example.org)"}


def test_accept_names_feed_types_for_feeds_and_html_for_pages(requests: list[Request]) -> None:
    feed = next(request for request in requests if request.target == "/feed").header("Accept") or ""
    page = next(request for request in requests if request.target == "/a/1").header("Accept") or ""
    assert "application/rss+xml" in feed
    assert "application/atom+xml" in feed
    assert page.startswith("text/html")


def test_only_codings_that_are_bounded_are_accepted(requests: list[Request]) -> None:
    for request in requests:
        codings = {coding.strip() for coding in (request.header("Accept-Encoding") or "").split(",")}
        assert {"gzip", "deflate"} <= codings <= {"gzip", "deflate", "br", "zstd", "identity"}


@pytest.mark.parametrize("name", ["Cookie", "Cookie2", "Referer", "Authorization", "From", "Range", "Origin"])
def test_nothing_is_told_that_need_not_be(requests: list[Request], name: str) -> None:
    assert not [request.target for request in requests if request.has_header(name)]


def test_only_get_and_nothing_added_to_the_address(requests: list[Request]) -> None:
    assert {request.method for request in requests} == {"GET"}
    targets = {request.target for request in requests}
    assert targets == {"/old?q=1&b=%7e", "/feed", "/robots.txt", "/a/1", "/a/2"}


def test_headers_are_sent_once(requests: list[Request]) -> None:
    for request in requests:
        names = [name.lower() for name, _ in request.headers]
        assert len(names) == len(set(names))


def test_credentials_go_to_their_host_only(world: World) -> None:
    with Site(host="127.0.0.2") as other, Site() as site:
        site.paths["/private"] = lambda peer: peer.redirect(other.url())
        world.follow(site.url("/private").replace("//", "//me:secret@"))
        world.run()
        assert site.asked("/private")[0].has_header("Authorization")
        assert not any(request.has_header("Authorization") for request in other.server.requests)
        assert not any("secret" in article.url for article in world.articles)


def test_no_listing_and_no_log_shows_the_password_of_a_feed(world: World) -> None:
    with Site() as site:
        site.paths["/gone"] = lambda peer: peer.answer(404)
        for path in ("/feed", "/gone"):
            world.follow(site.url(path).replace("//", "//me:secret@"), full_text=False)
        world.run()
        listings = [
            call(*command, *shape, "--config", world.config)
            for command in (
                ("feeds", "list"),
                ("health",),
                ("gaps",),
                ("plan",),
                ("why", site.url("/a/1")),
                ("export",),
            )
            for shape in ((), ("--json",))
            if command != ("export",) or not shape
        ]
        listings.append(call("run-once", "-v", "-v", "--all", "--config", world.config))
        listings.append(call("run-once", "--feed", "nobody", "--config", world.config))
        assert not [one.out + one.err for one in listings if "secret" in one.out + one.err]
        assert all("//me:***@" in one.out for one in listings[:4])


def test_environment_proxies_are_ignored(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    with Site() as proxy, Site() as site:
        for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, proxy.url("/"))
        monkeypatch.setenv("NO_PROXY", "")
        world.follow(site.url())
        world.run()
        assert proxy.server.requests == []
        assert world.titles() == ["About /a/1"]


# --- pace -------------------------------------------------------------------------------------------------------------


class Watch:
    """When requests came to a site and how many were open at once."""

    def __init__(self, site: Site) -> None:
        self.times: list[float] = []
        self.most = 0
        self._open = 0
        self._lock = threading.Lock()
        self._answer = site._answer
        site.server._script = self._serve

    def _serve(self, peer: Peer) -> None:
        with self._lock:
            self.times.append(time.monotonic())
            self._open += 1
            self.most = max(self.most, self._open)
        try:
            self._answer(peer)
        finally:
            with self._lock:
                self._open -= 1

    @property
    def gaps(self) -> list[float]:
        return [later - earlier for earlier, later in pairwise(self.times)]


def test_one_request_at_a_time_with_a_gap_across_feeds_and_pages(world: World) -> None:
    world.http["per_host_interval"] = "100ms"
    with Site(rss(*(item(f"/a/{number}") for number in range(4)))) as site:
        site.paths |= {f"/more{number}": answering(rss(item(f"/a/{number + 5}"))) for number in range(3)}
        watch = Watch(site)
        world.follow(site.url(), *(site.url(f"/more{number}") for number in range(3)))
        world.run()
        assert len(world.titles()) == 7
        assert len(watch.times) == 4 + 1 + 7
        assert watch.most == 1
        assert min(watch.gaps) >= 0.09
        assert site.server.connections <= 2


def test_the_gap_holds_from_run_to_run(world: World) -> None:
    world.http["per_host_interval"] = "700ms"
    with Site(rss()) as site:
        watch = Watch(site)
        world.follow(site.url())
        world.run()
        world.run(after=0.0, force=True)
        assert len(watch.times) == 2
        assert min(watch.gaps) >= 0.65


def test_a_slow_host_delays_no_other(world: World) -> None:
    def slow(peer: Peer) -> None:
        peer.hang(5)

    with Site(slow) as hanging, Site(TEN) as quick:
        done = Watch(quick)
        world.follow(hanging.url(), quick.url())
        started = time.monotonic()
        world.run()
        assert len(world.titles()) == 10
        assert done.times[-1] - started < 2.5


def test_a_crawl_delay_is_kept_and_delays_no_other_host(world: World) -> None:
    with Site(rss(*(item(f"/a/{number}") for number in range(3)))) as slow, Site(TEN) as quick:
        slow.paths["/robots.txt"] = answering(
            b"User-agent: *\nCrawl-delay: 1\nDisallow: /private\n", "Content-Type: text/plain"
        )
        watch, other = Watch(slow), Watch(quick)
        world.follow(slow.url(), quick.url())
        started = time.monotonic()
        world.run()
        assert len(world.titles()) == 13
        assert min(watch.gaps[1:]) >= 0.95  # from robots.txt on
        assert other.times[-1] - started < 2.5


def test_a_long_crawl_delay_leaves_pages_to_later_runs(world: World) -> None:
    with Site(rss(item("/a/1"), item("/a/2"))) as site:
        site.paths["/robots.txt"] = answering(b"User-agent: *\nCrawl-delay: 1800\n", "Content-Type: text/plain")
        world.follow(site.url())
        reports = [world.run() for _ in range(3)]
        assert max(report.seconds for report in reports) < 5
        assert sum(report.pages_waiting for report in reports) > 0
        assert len(world.titles()) == 2


# --- robots.txt -------------------------------------------------------------------------------------------------------


def robots(text: str) -> Callable[[Peer], None]:
    return answering(text.encode(), "Content-Type: text/plain")


def test_robots_txt_forbids_pages_and_not_the_feed(world: World) -> None:
    with Site(rss(item("/a/1"), item("/a/2"))) as site:
        site.paths["/robots.txt"] = robots("User-agent: *\nDisallow: /feed\nDisallow: /a/1\n")
        world.follow(site.url())
        world.runs(2)
        assert site.pages == ["/a/2"]
        assert len(site.asked()) == 2


def test_the_group_that_names_us_counts(world: World) -> None:
    with Site(rss(item("/a/1"), item("/a/2"))) as site:
        site.paths["/robots.txt"] = robots("User-agent: *\nDisallow: /\n\nUser-agent: Aggregator\nDisallow: /a/2\n")
        world.follow(site.url())
        world.run()
        assert site.pages == ["/a/1"]


def test_the_longest_match_counts(world: World) -> None:
    with Site(rss(item("/a/1"), item("/a/2"))) as site:
        site.paths["/robots.txt"] = robots("User-agent: *\nDisallow: /a\nAllow: /a/2$\n")
        world.follow(site.url())
        world.run()
        assert site.pages == ["/a/2"]


def test_without_robots_txt_all_is_allowed(world: World) -> None:
    absent = {str(status): answering(b"Disallow: /", status=status) for status in (400, 401, 403, 404, 410)}
    with street(world, {name: Site(paths={"/robots.txt": script}) for name, script in absent.items()}) as sites:
        world.run()
        assert {name: site.pages for name, site in sites.items()} == {name: ["/a/1"] for name in absent}


def test_robots_txt_that_fails_stops_pages_until_it_answers(world: World) -> None:
    with Site() as site:
        site.paths["/robots.txt"] = one_by_one(answering(status=500), answering(status=500), robots(""))
        world.follow(site.url())
        world.runs(2)
        assert site.pages == []
        world.run()
        assert site.pages == ["/a/1"]
        assert len(site.asked()) == 3


def test_robots_txt_that_fails_stops_pages_for_a_day_at_most(world: World) -> None:
    with Site() as site:
        site.paths["/robots.txt"] = answering(status=500)
        world.follow(site.url())
        world.run()
        for _ in range(3):
            world.run(after=7)
        assert site.pages == []
        world.run(after=7)
        assert site.pages == ["/a/1"]


def test_robots_txt_is_asked_for_once_a_day(world: World) -> None:
    world.polling["revisit"] = []
    feeds = [answering(rss(*(item(f"/a/{hour}") for hour in range(last + 1)))) for last in range(4)]
    with Site(one_by_one(*feeds)) as site:
        site.paths["/robots.txt"] = robots("User-agent: *\nDisallow:\n")
        world.follow(site.url())
        world.runs(3)
        assert len(site.asked("/robots.txt")) == 1
        world.run(after=24)
        assert len(site.asked("/robots.txt")) == 2
        assert len(site.pages) == 4


def test_robots_txt_is_not_asked_for_when_no_page_is_due(world: World) -> None:
    with Site(rss(item("/a/1"))) as site:
        world.follow(site.url(), full_text=False)
        world.runs(2)
        assert site.asked("/robots.txt") == []


def test_each_host_is_asked_for_its_own_robots_txt(world: World) -> None:
    with Site(host="127.0.0.2") as other, Site() as site:
        site.feed = answering(rss(item(other.url("/a/1")), item(other.url("/a/2"))))
        other.paths["/robots.txt"] = robots("User-agent: *\nDisallow: /a/1\n")
        world.follow(site.url())
        world.run()
        assert site.asked("/robots.txt") == []
        assert other.pages == ["/a/2"]


def test_a_page_handed_over_obeys_the_other_hosts_robots_txt(world: World) -> None:
    with Site(host="127.0.0.2") as other, Site() as site:
        site.paths["/a/1"] = lambda peer: peer.redirect(other.url("/a/9"))
        other.paths["/robots.txt"] = robots("User-agent: *\nDisallow: /a/\n")
        world.follow(site.url())
        world.run()
        assert len(other.asked("/robots.txt")) == 1
        assert other.pages == []


def test_a_huge_or_odd_robots_txt_does_no_harm(world: World) -> None:
    huge = b"User-agent: *\nDisallow: /x\n" + b"Disallow: /" + b"*a" * 900 + b"$\n" + b"# filler\n" * 150_000
    with Site() as first, Site() as second, Site() as third:
        first.paths["/robots.txt"] = answering(huge, "Content-Type: text/plain")
        second.paths["/robots.txt"] = answering(b"\xff\xfe\x00<html>" * 1000, HTML)
        third.paths["/robots.txt"] = lambda peer: peer.answer(301, b"", ("Location: /robots.txt",))
        world.follow(first.url(), second.url(), third.url())
        assert world.run().seconds < 10
        assert first.pages == second.pages == third.pages == ["/a/1"]


def test_respect_robots_can_be_switched_off(world: World) -> None:
    world.http["respect_robots"] = False
    with Site() as site:
        site.paths["/robots.txt"] = robots("User-agent: *\nDisallow: /\n")
        world.follow(site.url())
        world.run()
        assert site.asked("/robots.txt") == []
        assert site.pages == ["/a/1"]


# --- pages ------------------------------------------------------------------------------------------------------------


def test_a_page_is_fetched_once(world: World) -> None:
    world.polling["revisit"] = []
    with Site(rss(item("/a/1", date="Mon, 06 Nov 2023 08:00:00 GMT"))) as site:
        world.follow(site.url())
        world.runs(3)
        site.feed = answering(rss(item("/a/1", title="Another title", date="Tue, 07 Nov 2023 08:00:00 GMT")))
        world.runs(3)
        assert site.pages == ["/a/1"]


def test_a_fresh_article_is_looked_at_again_six_hours_later(world: World) -> None:
    with Site() as site:
        world.follow(site.url())
        world.runs(6)
        assert site.pages == ["/a/1"]
        world.runs(3)
        assert site.pages == ["/a/1"] * 2


def test_a_changed_update_time_brings_the_next_visit_forward_and_not_below_six_hours(world: World) -> None:
    world.polling["revisit"] = ["24h"]

    def at(hour: int) -> Callable[[Peer], None]:
        updated = f"<updated>2023-11-06T{hour:02}:00:00Z</updated>"
        entry = f'<entry><id>urn:1</id><title>About /a/1</title><link href="/a/1"/>{updated}</entry>'
        feed = f'<feed xmlns="http://www.w3.org/2005/Atom"><title>F</title><id>urn:f</id>{entry}</feed>'
        return answering(feed.encode(), "Content-Type: application/atom+xml")

    with Site(one_by_one(at(8), at(9))) as site:
        world.follow(site.url())
        world.runs(5)
        assert site.pages == ["/a/1"]
        world.runs(4)
        assert site.pages == ["/a/1"] * 2


def test_an_operator_limit_of_pages_holds_for_each_run(world: World) -> None:
    world.polling["max_pages_per_visit"] = 4
    with Site(TEN) as site:
        world.follow(site.url())
        waiting = []
        for _ in range(4):
            before = len(site.pages)
            waiting.append(world.run().pages_waiting)
            assert len(site.pages) - before <= 4
        assert waiting == [6, 2, 0, 0]
        assert len(world.titles()) == len(set(site.pages)) == len(site.pages) == 10
