"""What a status says about the next poll: 404, 410, 5xx, and Retry-After over runs, hosts and `--all`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from itertools import pairwise

import pytest

from aggregator.models.feeds import FeedStatus
from aggregator.models.fetching import Cause
from aggregator.selftest.server import Script
from tests.support.citizen import RSS, Site, World, answering, item, one_by_one, rss, street

FEED = rss(item("/a/1"))


def follow(world: World, site: Site, hours: int, *, force: bool = False) -> list[int]:
    """Return after which run each poll came, counted from 0."""
    world.follow(site.url())
    came: list[int] = []
    for hour in range(hours):
        before = len(site.asked())
        world.run(force=force)
        assert len(site.asked()) - before <= 2  # at most two requests per run
        came += [hour] if len(site.asked()) > before else []
    return came


# --- gone and broken --------------------------------------------------------------------------------------------------


def test_410_stops_polling_for_good_and_keeps_what_is_stored(world: World) -> None:
    with Site(one_by_one(answering(FEED), answering(b"", status=410))) as site:
        assert follow(world, site, 5) == [0, 1]
        world.run(after=24 * 40)
        world.run(force=True)
        assert len(site.asked()) == 2
        assert world.state(site.url()).status is FeedStatus.GONE
        assert world.titles() == ["About /a/1"]


def test_410_of_the_first_poll_stops_too(world: World) -> None:
    with Site(answering(b"", status=410)) as site:
        assert follow(world, site, 4, force=True) == [0]


@pytest.fixture(scope="module")
def failing(make_world: Callable[[], World]) -> Iterator[dict[str, list[int]]]:
    """In which of twelve hourly runs each failing site was asked."""
    statuses = (400, 401, 403, 404, 451, 500, 502, 504)
    feeds: dict[str, Script | bytes] = {
        str(status): one_by_one(answering(FEED), answering(b"", status=status)) for status in statuses
    }
    feeds["html"] = one_by_one(answering(FEED), answering(b"<!doctype html><html><body>Sorry</body></html>"))
    feeds["junk"] = one_by_one(answering(FEED), answering(b"???", RSS))
    world = make_world()
    with street(world, feeds) as sites:
        came: dict[str, list[int]] = {name: [] for name in sites}
        for hour in range(12):
            before = {name: len(site.asked()) for name, site in sites.items()}
            world.run()
            for name, site in sites.items():
                assert len(site.asked()) - before[name] <= 2
                came[name] += [hour] if len(site.asked()) > before[name] else []
        assert all(world.titles(site) == ["About /a/1"] for site in sites.values())
        yield came


@pytest.mark.parametrize("name", ["400", "401", "403", "404", "451", "500", "502", "504", "html", "junk"])
def test_errors_are_asked_ever_more_rarely(failing: dict[str, list[int]], name: str) -> None:
    came = failing[name]
    gaps = [later - earlier for earlier, later in pairwise(came)]
    assert gaps[0] == 1
    assert all(later >= earlier for earlier, later in pairwise(gaps))
    assert gaps[-1] > 1
    assert len(came) >= 3  # no feed is given up


def test_a_success_ends_the_back_off(world: World) -> None:
    broken = answering(b"", status=404)
    with Site(one_by_one(answering(FEED), broken, broken, answering(FEED))) as site:
        came = follow(world, site, 10)
        assert came[-3:] == [7, 8, 9]
        assert world.state(site.url()).failures == 0


# --- Retry-After ------------------------------------------------------------------------------------------------------


def in_hours(hours: float) -> str:
    return format_datetime(datetime.now(UTC) + timedelta(hours=hours + 1), usegmt=True)  # the first run is at hour 1


WISHES = {  # what a server says at its first poll, and in which of ten hourly runs it is asked
    "429 seconds": (429, ("Retry-After: 18000",), [0, 5, 6, 7, 8, 9]),
    "503 seconds": (503, ("Retry-After: 18000",), [0, 5, 6, 7, 8, 9]),
    "429 date": (429, (f"Retry-After: {in_hours(4.5)}",), [0, 5, 6, 7, 8, 9]),
    "503 date with Date": (
        503,
        ("Date: Wed, 01 Nov 2023 10:00:00 GMT", "Retry-After: Wed, 01 Nov 2023 15:00:00 GMT"),
        [0, 5, 6, 7, 8, 9],
    ),
    "date in the past": (503, ("Retry-After: Wed, 01 Nov 2023 15:00:00 GMT",), [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]),
    "zero": (503, ("Retry-After: 0",), [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]),
    "malformed": (503, ("Retry-After: in a while",), [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]),
    "negative": (429, ("Retry-After: -5",), [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]),
    "fraction": (429, ("Retry-After: 1.5",), [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]),
    "huge": (429, ("Retry-After: 99999999999",), [0]),
    "longer than any number": (429, (f"Retry-After: {'9' * 30}",), [0]),
    "a year": (503, ("Retry-After: 31536000",), [0]),
    "none": (429, (), [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]),
}


@pytest.fixture(scope="module")
def retried(make_world: Callable[[], World]) -> Iterator[dict[str, list[int]]]:
    """In which runs each site was asked; every other run is with `--all`."""
    feeds = {
        name: one_by_one(answering(b"", *headers, status=status), answering(FEED))
        for name, (status, headers, _) in WISHES.items()
    }
    world = make_world()
    with street(world, feeds) as sites:
        came: dict[str, list[int]] = {name: [] for name in sites}
        for hour in range(10):
            before = {name: len(site.server.requests) for name, site in sites.items()}
            world.run(force=hour % 2 == 1)
            for name, site in sites.items():
                came[name] += [hour] if len(site.server.requests) > before[name] else []
        yield came


@pytest.mark.parametrize("name", WISHES)
def test_retry_after_is_a_lower_bound_that_all_does_not_override(retried: dict[str, list[int]], name: str) -> None:
    assert retried[name] == WISHES[name][2]


def test_no_second_try_within_the_run(world: World) -> None:
    with Site(answering(b"", "Retry-After: 0", status=429)) as site:
        world.follow(site.url())
        world.run()
        assert len(site.asked()) == 1


def test_retry_after_holds_for_all_feeds_and_pages_of_the_host(world: World) -> None:
    with Site(one_by_one(answering(rss(item("/a/1"), item("/a/2"))), answering(FEED))) as site:
        site.paths["/a/1"] = one_by_one(
            answering(b"", "Retry-After: 7200", status=429), site.paths.get("/x", answering())
        )
        site.paths["/second"] = answering(rss(item("/a/3")))
        world.follow(site.url())
        report = world.run()
        assert site.pages == ["/a/1"]
        assert report.pages_waiting >= 1
        world.follow(site.url("/second"))
        world.run(force=True)
        assert len(site.server.requests) == 3  # feed, robots.txt, page
        world.runs(3)
        assert site.asked("/second")
        assert "About /a/2" in world.titles()


def test_retry_after_of_a_feed_holds_its_pages(world: World) -> None:
    busy = answering(b"", "Retry-After: 7200", status=503)
    with Site(one_by_one(answering(rss(item("/a/1"), item("/a/2"))), busy, answering(rss()))) as site:
        site.paths["/a/1"] = one_by_one(answering(b"", status=500), answering(b"", status=500))
        world.follow(site.url())
        world.runs(2)
        asked = len(site.server.requests)
        world.run(after=0.5, force=True)
        assert len(site.server.requests) == asked


def test_retry_after_of_another_feed_is_not_waited_out(world: World) -> None:
    """`--all` asks for a second feed of the host within a minute of quiet: that is for a later run."""
    with Site(answering(b"", "Retry-After: 60", status=503)) as site:
        world.follow(site.url())
        world.run()
        site.paths["/second"] = answering(FEED)
        world.follow(site.url("/second"))
        report = world.run(after=0.001, force=True)
        assert report.seconds < 5
        assert report.feeds_waiting == 1
        assert site.asked("/second") == []
        world.run(force=True)
        assert len(site.asked("/second")) == 1


def test_503_on_robots_txt_with_retry_after_holds_the_host(world: World) -> None:
    with Site() as site:
        site.paths["/robots.txt"] = answering(b"", "Retry-After: 10800", status=503)
        world.follow(site.url())
        world.runs(3)
        assert site.pages == []
        assert len(site.server.requests) == 2


def test_retry_after_behind_a_redirect_holds_the_host_that_said_so(world: World) -> None:
    """Not the host that led there, whose other feeds go on; but all that the other host has."""
    with Site(FEED, host="127.0.0.2") as busy, Site(FEED) as site:
        busy.paths["/moved"] = answering(b"", "Retry-After: 9000", status=429)
        site.paths["/away"] = lambda peer: peer.redirect(busy.url("/moved"))
        world.follow(site.url("/away"), site.url())
        world.run()
        assert len(site.asked()) == 1
        assert len(busy.server.requests) == 1
        world.follow(busy.url())
        world.run(force=True)
        assert len(busy.server.requests) == 1
        assert len(site.asked()) == 2
        world.runs(2)
        assert len(busy.asked()) >= 1


def test_another_host_is_not_held(world: World) -> None:
    with Site(answering(b"", "Retry-After: 7200", status=429)) as busy, Site() as free:
        world.follow(busy.url(), free.url())
        world.runs(2)
        assert len(free.asked()) == 2
        assert world.titles() == ["About /a/1"]


def test_a_page_that_is_gone_is_asked_for_once(world: World) -> None:
    with Site() as site:
        site.paths["/a/1"] = answering(b"", status=410)
        world.follow(site.url())
        world.runs(4)
        assert len(site.asked("/a/1")) == 1


def test_a_page_that_is_not_found_gets_a_second_try_an_hour_later(world: World) -> None:
    with Site() as site:
        site.paths["/a/1"] = answering(b"Not here", status=404)
        world.follow(site.url())
        world.run()
        world.run(after=0.5)
        assert len(site.asked("/a/1")) == 1
        world.runs(4)
        assert len(site.asked("/a/1")) == 2
        assert world.titles() == []


def test_a_page_behind_errors_is_collected_when_it_comes_back(world: World) -> None:
    with Site() as site:
        site.paths["/a/1"] = one_by_one(answering(b"", status=500), answering(b"", status=502), _page)
        world.follow(site.url())
        world.runs(3)
        assert world.titles() == ["About /a/1"]
        assert len(site.asked("/a/1")) == 3
        world.runs(2)
        assert len(site.asked("/a/1")) == 3


_page: Script = answering(
    b"<html><body><article><h1>About /a/1</h1>"
    + b"<p>The ferry was late again in the harbour.</p>" * 20
    + b"</article>",
    "Content-Type: text/html",
)


def test_the_cause_of_a_failure_is_kept(world: World) -> None:
    with street(
        world, {"403": answering(status=403), "429": answering(status=429), "500": answering(status=500)}
    ) as sites:
        world.run()
        causes = {name: world.state(site.url()).cause for name, site in sites.items()}
        assert causes == {"403": Cause.FORBIDDEN, "429": Cause.RATE_LIMITED, "500": Cause.SERVER_ERROR}
