"""Lists of feeds that are kept elsewhere: what is added and removed there follows, and nothing else changes it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

import pytest

from aggregator.app import App, reload_app
from aggregator.config.loading import load_config
from aggregator.config.sources import lists_of
from aggregator.engine.followed_lists import failing_lists
from aggregator.selftest.server import Peer
from aggregator.urls import host_of
from tests.support.citizen import Site, World, answering, html_page, item, one_by_one, rss
from tests.support.command import call

OPML = "Content-Type: text/x-opml"


def opml(*urls: str, folder: str = "") -> bytes:
    outlines = "".join(f'<outline type="rss" text="Feed {n}" xmlUrl="{url}"/>' for n, url in enumerate(urls))
    inner = f'<outline text="{folder}">{outlines}</outline>' if folder else outlines
    return f'<?xml version="1.0"?><opml version="2.0"><body>{inner}</body></opml>'.encode()


def listed(world: World) -> list[str]:
    """Return the paths of the enabled feeds."""
    return sorted(url.rpartition("/")[2] for url in world.listed)


def problems(world: World) -> list[str]:
    return [
        problem.partition(": ")[2]
        for problem, _ in world.use(lambda app: failing_lists(app.store, lists_of(app.config)))
    ]


def test_feeds_of_a_list_come_and_go_with_it_and_have_its_tags(world: World) -> None:
    with Site() as site:
        one, two, three = (site.url(f"/{name}") for name in ("one", "two", "three"))
        for name in ("one", "two", "three"):
            site.paths[f"/{name}"] = answering(rss(item(f"/a/{name}")))
        site.paths["/list"] = one_by_one(
            answering(opml(one, two, folder="Town"), OPML), answering(opml(two, three), OPML)
        )
        world.lists = [{"url": site.url("/list"), "tags": ["mine"]}]
        world.run()
        assert listed(world) == ["one", "two"]
        assert world.listed[one].tags == ("mine", "Town")
        assert world.titles() == ["About /a/one", "About /a/two"]
        world.run()  # an hour later: the list is not due
        assert len(site.asked("/list")) == 1
        world.run(after=24)
        assert listed(world) == ["three", "two"]
        assert world.titles() == ["About /a/one", "About /a/three", "About /a/two"]  # nothing that was collected goes
        world.lists = []
        world.run()
        assert listed(world) == []


def test_a_list_is_asked_with_validators_and_through_redirects(world: World) -> None:
    def conditional(peer: Peer) -> None:
        if peer.request.header("if-none-match"):
            peer.answer(304)
        else:
            peer.answer(200, opml(site.url()), (OPML, 'ETag: "1"'))

    with Site() as site, Site() as old:
        site.paths["/list"] = conditional
        old.paths["/list"] = answering(b"", f"Location: {site.url('/list')}", status=301)
        world.lists = [{"url": old.url("/list"), "interval": "30m"}, {"url": site.url("/list"), "interval": "30m"}]
        world.runs(3)
        assert listed(world) == ["feed"]
        assert [request.header("if-none-match") for request in site.asked("/list")][1:] == [
            None,
            None,
            '"1"',
            None,
            '"1"',
        ]


BAD = [
    pytest.param(answering(b"", status=500), "server_error", id="error"),
    pytest.param(answering(b"", status=404), "not_found", id="gone"),
    pytest.param(Peer.hang, "timeout", id="slow"),
    pytest.param(answering(html_page("Log in", "<p>Please</p>")), "not <opml>", id="a page"),
    pytest.param(answering(b"Sorry, try again later."), "neither OPML nor a list", id="a sentence"),
    pytest.param(answering(b""), "neither OPML nor a list", id="nothing"),
    pytest.param(answering(opml()), "names no feed", id="an empty list"),
    pytest.param(answering(opml("https://a.example/", "https://b.example/")[:150]), "is cut off", id="cut off"),
    pytest.param(answering(b"<!DOCTYPE l [" + b'<!ENTITY a "&a;&a;">' * 9 + b"]><opml>&a;"), "is cut off", id="a bomb"),
    pytest.param(answering(b"x" * (17 << 20)), "too_large", id="too large"),
    pytest.param(answering(b"", "Location: http://10.0.0.1/", status=302), "forbidden_address", id="an inner address"),
]  # fmt: skip


@pytest.mark.parametrize(("bad", "problem"), BAD)
def test_a_list_that_cannot_be_read_changes_nothing_and_stands_in_health(
    world: World, bad: object, problem: str
) -> None:
    if bad is Peer.hang:
        world.http |= {"timeout": "600ms"}
    with Site() as site:
        good = answering(opml(site.url()), OPML)
        site.paths["/list"] = one_by_one(good, bad, bad, good)  # type: ignore[arg-type]
        world.lists = [{"url": site.url("/list"), "interval": "30m"}]
        world.run()
        assert problems(world) == []
        world.runs(2)
        assert listed(world) == ["feed"]
        (found,) = problems(world)
        assert problem in found
        world.run(after=8)
        assert problems(world) == []


def test_a_feed_that_stands_in_the_configuration_stays_the_operators(world: World) -> None:
    with Site() as site:
        site.paths["/list"] = answering(opml(site.url() + "#top", site.url("/other")), OPML)
        world.follow(site.url(), enabled=False, name="Mine")
        world.lists = [{"url": site.url("/list")}]
        world.run()
        assert listed(world) == ["other"]
        assert site.asked() == []


def test_a_retry_after_is_waited_for(world: World) -> None:
    with Site() as site:
        site.paths["/list"] = one_by_one(answering(b"", "Retry-After: 10000", status=503), answering(opml(site.url())))
        world.lists = [{"url": site.url("/list"), "interval": "30m"}]
        world.runs(2)
        assert (len(site.asked("/list")), listed(world)) == (1, [])
        world.run(after=2)
        assert listed(world) == ["feed"]


def test_a_list_waits_while_its_host_is_visited(world: World) -> None:
    with Site() as site:
        site.paths["/list"] = answering(opml(site.url()), OPML)
        world.lists = [{"url": site.url("/list")}]

        def work(app: App) -> tuple[bool, ...]:
            claim = app.store.claim_host(host_of(site.url()), timedelta(minutes=1))
            assert claim is not None
            held = app.read_lists()
            app.store.release(claim, failures=claim.failures)
            return held, app.read_lists(), app.read_lists()

        assert world.use(work) == (False, True, False)
        assert len(site.asked("/list")) == 1


def test_a_file_that_did_not_change_or_is_not_there_is_not_read_again(world: World) -> None:
    world.lists = [{"path": "feeds.txt"}]
    path = world.folder / "feeds.txt"

    def work(app: App) -> tuple[bool, ...]:
        missing = app.read_lists(), app.read_lists()
        write(path, ["https://a.example/feed"])
        return *missing, app.read_lists(), app.read_lists()

    assert world.use(work) == (False, False, True, False)


def write(path: Path, urls: Sequence[str]) -> None:
    path.write_text("# mine\n" + "\n".join(urls), encoding="utf-8")


def test_a_file_is_read_when_it_changes(world: World) -> None:
    path = world.folder / "feeds.txt"
    with Site() as site:
        site.paths["/other"] = answering(rss(item()))
        world.lists = [{"path": "feeds.txt", "tags": ["file"]}]
        world.run()
        assert problems(world) == ["cannot be read (No such file or directory)"]
        write(path, [site.url()])
        world.run()
        assert (listed(world), problems(world)) == (["feed"], [])
        write(path, [site.url(), site.url("/other")])
        world.run()
        assert listed(world) == ["feed", "other"]
        path.unlink()
        world.run(after=48)
        assert (listed(world), len(problems(world))) == (["feed", "other"], 1)


def test_a_reload_brings_a_list_in_without_a_restart(world: World) -> None:
    with Site() as site:
        site.paths["/list"] = answering(opml(site.url()), OPML)
        world.follow(site.url("/other"))

        def work(app: App) -> tuple[list[str], ...]:
            world.feeds, world.lists = [], [{"url": site.url("/list"), "tags": ["x"]}]
            newer, changes = reload_app(app, load_config(world.write(), {}))
            assert "lists" in changes
            assert newer.read_lists()
            lines = newer.sync_feeds()
            assert not newer.read_lists()
            return [feed.url for feed in newer.store.feeds()], list(lines)

        assert world.use(work) == ([site.url()], ["feed + Feed 0"])


def test_health_and_list_tell_of_it(world: World) -> None:
    with Site() as site:
        site.paths["/list"] = one_by_one(answering(opml(site.url()), OPML), answering(opml()))
        world.lists = [{"url": site.url("/list"), "interval": "30m"}]
        world.runs(2)
        health = call("health", "--config", str(world.config))
        assert f"list: {site.url('/list')}: names no feed" in health.out
        assert health.status == 1
        assert site.url() in call("feeds", "list", "--config", str(world.config)).out
