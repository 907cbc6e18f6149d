"""Redirects: which address the next poll asks, and where no redirect leads."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import timedelta

import pytest

from aggregator.models.fetching import Cause
from aggregator.selftest.server import Peer, Script
from tests.support.citizen import RSS, Site, World, answering, item, one_by_one, rss, street

FEED = rss(item("/a/1"))


def moved(location: str, status: int = 301, *headers: str) -> Script:
    return lambda peer: peer.answer(status, b"", (f"Location: {location}", *headers))


def targets(site: Site) -> list[str]:
    """Return what was asked for, without pages and robots.txt."""
    return [one.target for one in site.server.requests if not one.target.startswith(("/a/", "/robots"))]


def moving_site(feed: Script) -> Site:
    """Return a site whose feed is at /new and which says `feed` at /feed."""
    return Site(feed, {"/new": answering(FEED)})


@contextmanager
def at_new(feed: bytes | Script = FEED, **paths: Script) -> Iterator[Site]:
    """A site whose feed is at /new as well; `paths` are of one name."""
    with Site(feed, {f"/{name}": script for name, script in paths.items()}) as site:
        site.paths.setdefault("/new", site.feed)
        yield site


def test_a_permanent_redirect_is_used_from_the_next_poll_on(world: World) -> None:
    with street(world, {str(status): moving_site(moved("/new", status)) for status in (301, 308)}) as sites:
        world.runs(3)
        assert {name: targets(site) for name, site in sites.items()} == {
            name: ["/feed", "/new", "/new", "/new"] for name in sites
        }
        assert all(world.titles(site) == ["About /a/1"] for site in sites.values())


def test_a_temporary_redirect_is_never_kept(world: World) -> None:
    with street(world, {str(status): moving_site(moved("/new", status)) for status in (302, 303, 307)}) as sites:
        world.runs(2)
        assert {name: targets(site) for name, site in sites.items()} == {name: ["/feed", "/new"] * 2 for name in sites}


def tagged(body: bytes) -> Script:
    """Answer every path under the same tag, and with 304 a request that has the tag."""

    def script(peer: Peer) -> None:
        known = peer.request.header("If-None-Match") == '"v1"'
        peer.answer(304 if known else 200, b"" if known else body, (RSS, 'ETag: "v1"'))

    return script


def test_a_tag_goes_to_the_address_that_gave_it_alone(world: World) -> None:
    newer = rss(item("/a/1"), item("/a/2"))
    with at_new(one_by_one(moved("/new", 302), moved("/new?signed=2", 302), moved("/newer", 302))) as site:
        site.paths |= {"/new": tagged(FEED), "/new?signed=2": tagged(FEED), "/newer": tagged(newer)}
        world.follow(site.url())
        world.runs(3)
        assert [
            (one.target, one.header("If-None-Match")) for one in site.server.requests if one.target.startswith("/new")
        ] == [("/new", None), ("/new?signed=2", '"v1"'), ("/newer", None)]
        assert sorted(world.titles(site)) == ["About /a/1", "About /a/2"]


def test_the_configuration_is_never_rewritten(world: World) -> None:
    with at_new() as site:
        site.paths["/feed"] = moved("/new")
        world.follow(site.url())
        before = world.write().read_bytes()
        world.runs(2)
        assert world.config.read_bytes() == before


def test_only_the_leading_permanent_hops_count(world: World) -> None:
    with at_new(b=moved("/c", 302), c=moved("/new", 301)) as site:
        site.paths["/feed"] = moved("/b", 301)
        world.follow(site.url())
        world.runs(2)
        assert targets(site) == ["/feed", "/b", "/c", "/new", "/b", "/c", "/new"]


def test_a_permanent_redirect_behind_a_temporary_one_is_not_kept(world: World) -> None:
    with at_new(b=moved("/new", 301)) as site:
        site.paths["/feed"] = moved("/b", 302)
        world.follow(site.url())
        world.runs(2)
        assert targets(site) == ["/feed", "/b", "/new"] * 2


def test_a_chain_of_permanent_redirects_is_kept_to_its_end(world: World) -> None:
    with at_new(b=moved("/c", 308), c=moved("/new", 301)) as site:
        site.paths["/feed"] = moved("/b", 301)
        world.follow(site.url())
        world.runs(2)
        assert targets(site) == ["/feed", "/b", "/c", "/new", "/new"]


def test_an_address_that_served_no_valid_feed_is_not_adopted(world: World) -> None:
    answers = {
        "404": answering(b"", status=404),
        "500": answering(b"", status=500),
        "html": answering(b"<!doctype html><html><body>Welcome</body></html>"),
        "empty": answering(b""),
        "junk": answering(b"not XML", RSS),
    }
    moving = {name: moving_site(one_by_one(moved("/new"), answering(FEED))) for name in answers}
    for name, site in moving.items():
        site.paths["/new"] = answers[name]
    with street(world, moving) as sites:
        assert world.run().feeds_failed == len(answers)
        assert [name for name, site in sites.items() if world.state(site.url()).adopted_url] == []
        world.runs(3)
        assert [name for name, site in sites.items() if "/new" in targets(site)[2:]] == []
        assert all(world.titles(site) == ["About /a/1"] for site in sites.values())


def test_the_configured_address_counts_again_when_the_adopted_one_stays_broken(world: World) -> None:
    with at_new() as site:
        site.paths |= {"/feed": moved("/new"), "/new": one_by_one(site.feed, answering(b"", status=404))}
        world.follow(site.url())
        world.run()
        site.paths["/feed"] = site.feed
        for _ in range(6):
            world.run(after=24)
        assert targets(site)[-1] == "/feed"
        assert world.state(site.url()).failures == 0


def test_an_adopted_address_that_moves_back_is_forgotten(world: World) -> None:
    with at_new() as site:
        site.paths |= {"/feed": one_by_one(moved("/new"), site.feed), "/new": one_by_one(site.feed, moved("/feed"))}
        world.follow(site.url())
        world.runs(3)
        assert targets(site) == ["/feed", "/new", "/new", "/feed", "/feed"]


def test_validators_of_the_target_go_to_it(world: World) -> None:
    feed = one_by_one(answering(FEED, RSS, 'ETag: "t"'), answering(b"", status=304))
    with at_new(feed) as site:
        site.paths["/feed"] = moved("/new")
        world.follow(site.url())
        report = world.runs(2)
        assert site.asked("/new")[1].header("If-None-Match") == '"t"'
        assert report.feeds_unchanged == 1


def test_a_relative_location_is_resolved(world: World) -> None:
    locations = ("new", "./new", "//{authority}/new", "/new#part", "http://{authority}/new")
    moving = {location: moving_site(answering()) for location in locations}
    for location, site in moving.items():
        site.paths["/feed"] = moved(location.format(authority=f"127.0.0.1:{site.server.port}"))
    with street(world, moving) as sites:
        world.run()
        assert {name: targets(site) for name, site in sites.items()} == {name: ["/feed", "/new"] for name in sites}


# --- ends of the road -------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Ended:
    """What came of a hostile redirect in one run."""

    cause: Cause | None
    asked: list[str]
    adopted: str | None


def _next_hop(peer: Peer) -> None:
    number = int(peer.request.target.strip("/n") or "0") if peer.request.target != "/feed" else 0
    peer.answer(301, b"", (f"Location: /n{number + 1}",))


@pytest.fixture(scope="module")
def ended(make_world: Callable[[], World]) -> Iterator[dict[str, Ended]]:
    """A hostile redirect at each site; a healthy feed beside them."""
    locations = {
        "file": "file:///etc/passwd",
        "ftp": "ftp://127.0.0.1/feed",
        "data": "data:text/xml,<rss/>",
        "javascript": "javascript:alert(1)",
        "private address": "http://10.1.2.3/feed",
        "metadata service": "http://169.254.169.254/latest/meta-data/",
        "other loopback": "http://[::1]:{port}/feed",
        "mapped": "http://[::ffff:10.0.0.1]/feed",
        "decimal": "http://167772161/feed",
        "zero": "http://0.0.0.0:{port}/feed",
        "nothing": "",
        "junk": "http://[bad",
        "itself": "/feed",
        "huge": "/" + "x" * 200_000,
        "no port": "http://127.0.0.1:0/",
    }
    world = make_world()
    with ExitStack() as stack:
        healthy = stack.enter_context(Site())
        sites = {name: stack.enter_context(Site(moved("/"))) for name in locations}
        for name, site in sites.items():
            site.feed = moved(locations[name].format(port=site.server.port))
        sites["loop of two"] = stack.enter_context(Site(moved("/b"), {"/b": moved("/feed")}))
        hops = {f"/n{number}": _next_hop for number in range(40)}
        sites["eleven hops"] = stack.enter_context(Site(_next_hop, {**hops, "/n11": answering(FEED)}))
        sites["endless hops"] = stack.enter_context(Site(_next_hop, hops))
        world.follow(*(site.url() for site in sites.values()), healthy.url())
        world.run()
        assert world.titles() == ["About /a/1"]
        yield {
            name: Ended(
                world.state(site.url()).cause,
                [one.target[:20] for one in site.server.requests],
                world.state(site.url()).adopted_url,
            )
            for name, site in sites.items()
        }


@pytest.mark.parametrize(
    ("name", "causes"),
    [
        *((name, (Cause.BAD_URL,)) for name in ("file", "ftp", "data", "javascript", "junk", "no port")),
        *(
            (name, (Cause.FORBIDDEN_ADDRESS,))
            for name in ("private address", "metadata service", "other loopback", "mapped", "decimal", "zero")
        ),
        ("nothing", (Cause.PROTOCOL,)),
        ("itself", (Cause.REDIRECT_LOOP,)),
        ("loop of two", (Cause.REDIRECT_LOOP,)),
        ("huge", (Cause.BAD_URL, Cause.PROTOCOL, Cause.TOO_LARGE)),
        ("eleven hops", (Cause.TOO_MANY_REDIRECTS,)),
        ("endless hops", (Cause.TOO_MANY_REDIRECTS,)),
    ],
)
def test_a_redirect_that_leads_nowhere_is_an_error_with_its_cause(
    ended: dict[str, Ended], name: str, causes: tuple[Cause, ...]
) -> None:
    assert ended[name].cause in causes
    assert ended[name].adopted is None
    assert len(ended[name].asked) <= 11


def test_ten_hops_are_followed(world: World) -> None:
    hops: dict[str, Script] = {f"/n{number}": _next_hop for number in range(10)}
    with Site(_next_hop, {**hops, "/n10": answering(FEED)}) as site:
        world.follow(site.url())
        world.run()
        assert world.titles() == ["About /a/1"]


# --- other hosts ------------------------------------------------------------------------------------------------------


def test_a_redirect_to_another_host_is_followed_and_adopted(world: World) -> None:
    with Site(host="127.0.0.2") as other, Site(moved(other.url())) as site:
        world.follow(site.url())
        world.runs(3)
        assert (len(site.asked()), len(other.asked())) == (1, 3)
        assert world.titles() == ["About /a/1"]


def test_a_host_that_is_down_behind_a_redirect_is_not_adopted(world: World) -> None:
    with socket.create_server(("127.0.0.2", 0)) as listener:
        port = listener.getsockname()[1]
    with Site(one_by_one(moved(f"http://127.0.0.2:{port}/feed"), answering(FEED))) as site, Site() as healthy:
        world.follow(site.url(), healthy.url())
        assert world.run().feeds_failed == 1
        assert world.state(site.url()).cause is Cause.CONNECT
        world.run()
        assert len(site.asked()) == 2
        assert len(world.titles()) == 2


def test_two_hosts_that_redirect_to_each_other_end_and_delay_nobody(world: World) -> None:
    with Site(host="127.0.0.2") as other, Site(moved(other.url())) as site, Site() as healthy:
        other.feed = moved(site.url())
        world.follow(site.url(), other.url(), healthy.url())
        report = world.run()
        assert report.seconds < 10
        assert world.state(site.url()).cause is Cause.REDIRECT_LOOP
        assert len(site.asked()) + len(other.asked()) <= 6
        assert world.titles(healthy) == ["About /a/1"]


def test_a_new_host_is_not_asked_while_it_is_asked_to_be_left_alone(world: World) -> None:
    """A 429 of the target's host holds for the feed that was redirected there as well."""
    busy = one_by_one(answering(b"", "Retry-After: 7200", status=429), answering(rss()))
    with Site(busy, {"/new": answering(FEED)}, host="127.0.0.2") as other, Site(moved(other.url("/new"))) as site:
        world.follow(other.url())
        world.run()
        world.follow(site.url())
        world.run()
        assert targets(other) == ["/feed"]
        world.runs(2)
        assert "/new" in targets(other)
        assert world.titles() == ["About /a/1"]


def test_health_proposes_the_new_address_after_a_week(world: World) -> None:
    with at_new() as site:
        site.paths["/feed"] = moved("/new")
        world.follow(site.url())
        for _ in range(9):
            world.run(after=24)
        state = world.state(site.url())
        assert state.adopted_url == site.url("/new")
        assert state.adopted_at is not None
        assert state.succeeded_at is not None
        assert state.succeeded_at - state.adopted_at >= timedelta(days=7)
