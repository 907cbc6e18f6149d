"""Slow and entangled hosts: none of them holds up another, and a run ends in time."""

from __future__ import annotations

import time
from itertools import pairwise

from aggregator.models.fetching import Cause
from aggregator.selftest.server import Peer, Script, head
from tests.support.citizen import RSS, Site, World, answering, item, rss, street

PATHS = [f"/a/{number}" for number in range(8)]
FEED = rss(*(item(path) for path in PATHS))


def hang(peer: Peer) -> None:
    peer.hang(60)


def drip(peer: Peer) -> None:
    peer.drip(b"HTTP/1.1 200 OK\r\nX: " + b"y" * 5000, 0.1)


def to(site: Site) -> Script:
    return lambda peer: peer.answer(302, b"", (f"Location: {site.url(peer.request.target)}",))


def test_a_host_whose_every_page_hangs_ends_the_run_in_time(world: World) -> None:
    world.http |= {"timeout": "1s", "total_timeout": "1s"}
    with Site(FEED, dict.fromkeys(PATHS, hang)) as slow, Site() as healthy:
        world.follow(slow.url(), healthy.url())
        report = world.run()
        assert report.seconds < 9
        assert world.titles() == ["About /a/1"]
        assert len(slow.pages) <= 4
        assert report.pages_waiting + report.pages_failed >= len(PATHS)


def test_one_page_that_hangs_delays_no_other_page_of_its_host(world: World) -> None:
    world.http |= {"timeout": "1s", "total_timeout": "1s"}
    with Site(FEED, {PATHS[2]: hang, PATHS[5]: drip}) as site:
        world.follow(site.url())
        report = world.run()
        assert len(world.titles()) == len(PATHS) - 2
        assert report.seconds < 6
        site.paths.clear()
        world.run()
        assert len(world.titles()) == len(PATHS)


def test_several_feeds_of_a_host_that_hangs_do_not_add_up(world: World) -> None:
    world.http |= {"timeout": "1s", "total_timeout": "1s"}
    with Site(hang, {f"/more{number}": hang for number in range(9)}) as slow:
        world.follow(slow.url(), *(slow.url(f"/more{number}") for number in range(9)))
        report = world.run()
        assert report.seconds < 6
        assert report.feeds_polled + report.feeds_waiting == 10
        assert len(slow.server.requests) <= 4


def test_a_host_whose_every_page_redirects_to_a_slow_one_delays_nobody(world: World) -> None:
    world.http |= {"timeout": "1s", "total_timeout": "1s"}
    slow = Site(rss(), dict.fromkeys(PATHS, hang), host="127.0.0.2")
    with slow, Site(FEED, dict.fromkeys(PATHS, to(slow))) as site, Site(FEED) as healthy:
        world.follow(site.url(), healthy.url())
        started = time.monotonic()
        report = world.run()
        assert report.seconds < 10
        assert len(world.titles()) == len(PATHS)
        assert sorted(site.pages) == PATHS
        assert len(slow.pages) <= 4
        assert time.monotonic() - started < 12


def test_pages_that_redirect_between_two_hosts_come_to_an_end(world: World) -> None:
    with Site(host="127.0.0.2") as other, Site(rss(item("/a/1"), item("/a/2"))) as site:
        site.paths["/a/1"], other.paths["/a/1"] = to(other), to(site)
        world.follow(site.url())
        report = world.run()
        assert report.seconds < 5
        assert world.titles() == ["About /a/2"]
        assert site.pages.count("/a/1") + other.pages.count("/a/1") <= 3
        world.runs(6)
        assert site.pages.count("/a/1") + other.pages.count("/a/1") <= 12


def test_a_chain_of_slow_hops_has_one_deadline(world: World) -> None:
    """Each hop of a feed's redirects answers within the time for one request; all of them together do not."""
    world.http |= {"timeout": "2s", "total_timeout": "2s"}
    hosts = [Site(host=f"127.0.0.{number % 3 + 1}") for number in range(8)]

    def late(target: str) -> Script:
        def answer(peer: Peer) -> None:
            peer.server.stopping.wait(0.9)
            peer.answer(302, b"", (f"Location: {target}",))

        return answer

    for one, following in pairwise(hosts):
        one.feed = late(following.url())
    with street(world, {str(number): site for number, site in enumerate(hosts)}):
        del world.feeds[1:]
        report = world.run()
        assert report.seconds < 8
        assert report.feeds_failed == 1


def test_a_slow_host_that_answers_is_waited_for(world: World) -> None:
    world.http |= {"timeout": "3s", "total_timeout": "4s"}

    def slowly(peer: Peer) -> None:
        peer.send(head(200, (RSS, "Connection: close")))
        peer.drip(rss(item("/a/1"))[:30], 0.05)
        peer.send(rss(item("/a/1"))[30:])

    with Site(slowly) as site:
        world.follow(site.url())
        world.run()
        assert world.titles() == ["About /a/1"]


def test_a_host_that_cannot_be_reached_is_tried_once_for_all_its_feeds(world: World) -> None:
    with Site() as site:
        url = site.url()
    world.follow(url, url.replace("/feed", "/second"), url.replace("/feed", "/third"))
    report = world.run()
    assert report.feeds_polled + report.feeds_waiting == 3
    assert world.state(url).cause is Cause.CONNECT
    assert report.seconds < 3


def test_many_hosts_are_visited_side_by_side(world: World) -> None:
    """Thirty slow hosts take as long as the slowest, not as long as all of them."""

    def slowly(peer: Peer) -> None:
        peer.server.stopping.wait(0.5)
        peer.answer(200, rss(item(None, text="Nothing more to be said about this.")), (RSS,))

    with street(world, {str(number): slowly for number in range(30)}):
        report = world.run()
        assert report.feeds_polled == 30
        assert report.seconds < 6


def test_a_feed_on_a_busy_host_is_told_to_wait(world: World) -> None:
    with Site(answering(status=503)) as site:
        world.follow(site.url(), site.url("/second"))
        report = world.run()
        assert (report.feeds_failed, report.feeds_waiting) == (1, 1)
        assert len(site.server.requests) == 1


def test_all_overrides_our_own_back_off_of_a_host(world: World) -> None:
    feeds: dict[str, Script | bytes] = {
        "503": answering(status=503),
        "429": answering(status=429),
        "reset": lambda peer: peer.reset(),
        "asked": answering(b"", "Retry-After: 3600", status=503),
    }
    with street(world, feeds) as sites:
        world.run()
        before = {name: len(site.asked()) for name, site in sites.items()}
        for site in sites.values():
            site.feed = answering(FEED)
        world.run(after=0.001)
        assert {name: len(site.asked()) for name, site in sites.items()} == before
        world.run(after=0.001, force=True)
        assert {name for name, site in sites.items() if len(site.asked()) > before[name]} == {"503", "429", "reset"}
        assert len(world.titles()) == 3 * len(PATHS)
