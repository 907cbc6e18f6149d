"""Sites without a feed: a list of links, a sitemap, an index of sitemaps, a program; from one run to the next."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from aggregator.app import App, reload_app
from aggregator.config.loading import load_config
from aggregator.models.feeds import FeedStatus
from aggregator.models.fetching import Cause
from aggregator.selftest.server import Peer, Script
from tests.support.citizen import HTML, Site, World, answering, html_page, item, one_by_one, rss

XML = "Content-Type: application/xml"
SOON = {"timeout": "600ms", "total_timeout": "600ms"}  # where everything hangs


def page_of(*numbers: int, form: str = "article") -> bytes:
    """Return a page that lists articles, the first on top."""
    entries = "".join(
        f'<{form} class="teaser"><a href="/a/{n}"><img src="x.jpg"></a>'
        f'<h2><a href="/a/{n}">Story number {n} of the town</a></h2>'
        f'<time datetime="2026-11-2{n % 8}T08:00:00Z">lately</time></{form}>'
        for n in numbers
    )
    return html_page("News of the town", f'<nav><a href="/a/99">All of the news of the town</a></nav>{entries}')


def urlset(*links: str, lastmod: str = "") -> bytes:
    """Return a sitemap."""
    dated = f"<lastmod>{lastmod}</lastmod>" if lastmod else ""
    urls = "".join(f"<url><loc>{link}</loc>{dated}</url>" for link in links)
    return f'<urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">{urls}</urlset>'.encode()


def index(*sitemaps: tuple[str, str]) -> bytes:
    """Return an index of sitemaps, each with its `lastmod`."""
    named = "".join(f"<sitemap><loc>{url}</loc><lastmod>{at}</lastmod></sitemap>" for url, at in sitemaps)
    return f'<?xml version="1.0"?><sitemapindex>{named}</sitemapindex>'.encode()


def numbers(world: World) -> list[int]:
    return sorted(int(article.url.rpartition("/")[2]) for article in world.articles)


# --- a list of links --------------------------------------------------------------------------------------------------

LIST = {"kind": "html", "select": {"entry": ".teaser", "link": "h2 a"}}


@pytest.mark.parametrize("options", [LIST, {"kind": "html"}], ids=["selectors", "no selectors"])
def test_a_list_of_links_is_read_like_a_feed(world: World, options: dict[str, object]) -> None:
    with Site(
        one_by_one(answering(page_of(2, 1), HTML), answering(page_of(2, 1), HTML), answering(page_of(3, 2), HTML))
    ) as site:
        world.follow(site.url(), **options)
        world.run()
        assert numbers(world) == [1, 2]
        assert world.articles[0].content.published.startswith("2026-11-2")
        report = world.run()
        assert (report.feeds_unchanged, numbers(world)) == (1, [1, 2])
        world.run()
        assert numbers(world) == [1, 2, 3]
        assert site.pages == ["/a/2", "/a/1", "/a/3"]  # none twice, none of the navigation


def test_a_list_that_moved_and_then_is_gone(world: World) -> None:
    with Site(answering(b"", "Location: /list", status=301)) as site:
        site.paths["/list"] = one_by_one(
            answering(page_of(1), HTML), answering(page_of(2, 1), HTML), answering(b"", status=410)
        )
        world.follow(site.url(), **LIST)
        world.runs(2)
        assert numbers(world) == [1, 2]
        assert world.state(site.url()).adopted_url == site.url("/list")
        world.run()
        assert world.state(site.url()).status is FeedStatus.GONE


def test_a_list_whose_form_changed_fails_and_says_so_until_the_selectors_are_changed(world: World) -> None:
    with Site(
        one_by_one(answering(page_of(1), HTML), answering(page_of(2, form="section").replace(b"teaser", b"card"), HTML))
    ) as site:
        world.follow(site.url(), **LIST)
        world.runs(2)
        state = world.state(site.url())
        assert (state.cause, state.detail) == (Cause.NO_LINKS, "no element fits `select`")
        world.feeds[0]["select"] = {"entry": ".card"}
        world.run(after=24)
        assert (world.state(site.url()).cause, numbers(world)) == (None, [1, 2])


def test_changed_selectors_read_a_page_again_that_has_not_changed(world: World) -> None:
    def conditional(peer: Peer) -> None:
        if peer.request.header("if-none-match"):
            peer.answer(304)
        else:
            peer.answer(200, page_of(2, 1), (HTML, 'ETag: "1"'))

    with Site(conditional) as site:
        world.follow(site.url(), kind="html", select={"entry": ".teaser", "link": 'a[href="/a/1"]'})
        world.runs(2)
        assert numbers(world) == [1]
        world.feeds[0]["select"] = {"entry": ".teaser"}
        world.run()
        assert numbers(world) == [1, 2]


def test_a_changed_source_is_read_anew_without_a_restart(world: World) -> None:
    with Site(answering(page_of(2, 1), HTML)) as site:
        world.follow(site.url(), kind="html", select={"entry": ".nothing"})
        world.write()

        def work(app: App) -> tuple[str, ...]:
            app.run_once()
            assert [feed.state.cause for feed in app.store.feeds()] == [Cause.NO_LINKS]
            world.feeds[0]["select"] = {"entry": ".teaser"}
            newer, changes = reload_app(app, load_config(world.write(), {}))
            newer.run_once(force=True)
            world.articles = list(newer.store.articles())
            return changes

        assert world.use(work) == (f"source of {site.url()}",)
        assert numbers(world) == [1, 2]


BOMB = b"<div>" * 50_000 + b'<a href="/a/1">One of the very many links</a>'
MANY = html_page("All", "".join(f'<p><a href="/b/{n}">Story number {n} of the town</a></p>' for n in range(20_000)))
FAR = html_page(
    "All", '<p><a href="https://other.example/a/1">A headline of another site</a></p>' + page_of(1).decode()
)


@pytest.mark.parametrize(
    ("page", "options", "seen"),
    [
        pytest.param(BOMB, {}, 0, id="depth"),
        pytest.param(BOMB, {"select": {"entry": "div"}}, 0, id="depth, every element selected"),
        pytest.param(MANY, {"full_text": False}, 1_000, id="20,000 links"),
        pytest.param(FAR, {}, 1, id="another host"),
    ],
)
def test_a_hostile_page_costs_itself(world: World, page: bytes, options: dict[str, object], seen: int) -> None:
    with Site(answering(page, HTML)) as site, Site() as good:
        world.follow(site.url(), kind="html", **options)
        world.follow(good.url())
        report = world.run()
        assert (report.entries_seen, world.state(good.url()).cause) == (seen + 1, None)


def test_a_slow_page_is_a_timeout(world: World) -> None:
    world.http |= SOON
    with Site(Peer.hang) as site:
        world.follow(site.url(), **LIST)
        world.run()
        assert world.state(site.url()).cause is Cause.TIMEOUT


# --- a sitemap --------------------------------------------------------------------------------------------------------


def test_the_addresses_of_a_sitemap_are_entries_and_a_pattern_chooses_among_them(world: World) -> None:
    with Site() as site:
        links = [site.url(path) for path in ("/a/1", "/a/2", "/b/3")]
        site.feed = one_by_one(answering(urlset(*links[:1]), XML), answering(urlset(*links, lastmod="2026-11-20"), XML))
        world.follow(site.url(), kind="sitemap", select={"link": "re:/[ac]/[0-9]+$"})
        world.run()
        assert numbers(world) == [1]
        world.run()
        assert numbers(world) == [1, 2]


def sitemaps(site: Site, **paths: Script) -> None:
    for name, script in paths.items():
        site.paths[f"/{name}.xml"] = script


def test_an_index_is_read_sitemap_by_sitemap_and_only_those_that_changed(world: World) -> None:
    with Site() as site:
        first = index((site.url("/one.xml"), "2026-11-01"), (site.url("/two.xml"), "2026-11-02"))
        later = index((site.url("/one.xml"), "2026-11-01"), (site.url("/two.xml"), "2026-11-03"))
        site.feed = one_by_one(answering(first, XML), answering(first, XML), answering(later, XML))
        two = one_by_one(
            answering(urlset(site.url("/a/2")), XML), answering(urlset(site.url("/a/2"), site.url("/a/3")), XML)
        )
        sitemaps(site, one=answering(urlset(site.url("/a/1")), XML), two=two)
        world.follow(site.url(), kind="sitemap")
        report = world.run()
        assert (numbers(world), report.feeds_polled) == ([1, 2], 1)
        assert [request.target for request in site.server.requests if "xml" in request.target] == [
            "/two.xml",
            "/one.xml",
        ]
        world.run()
        assert len(site.asked("/one.xml")) == len(site.asked("/two.xml")) == 1
        world.run()
        assert numbers(world) == [1, 2, 3]
        assert (len(site.asked("/one.xml")), len(site.asked("/two.xml"))) == (1, 2)


def test_a_pattern_chooses_the_sitemaps_of_an_index(world: World) -> None:
    with Site() as site:
        site.feed = answering(index((site.url("/sport.xml"), ""), (site.url("/town.xml"), "")), XML)
        sitemaps(site, town=answering(urlset(site.url("/a/1")), XML), sport=answering(urlset(site.url("/a/2")), XML))
        world.follow(site.url(), kind="sitemap", select={"entry": "/town"})
        world.run()
        assert (numbers(world), site.asked("/sport.xml")) == ([1], [])


def test_sitemaps_without_lastmod_are_asked_with_validators_each_time(world: World) -> None:
    def conditional(peer: Peer) -> None:
        if peer.request.header("if-none-match"):
            peer.answer(304)
        else:
            peer.answer(200, urlset(site.url("/a/1")), (XML, 'ETag: "1"'))

    with Site() as site:
        site.feed = answering(index((site.url("/one.xml"), "")), XML)
        sitemaps(site, one=conditional)
        world.follow(site.url(), kind="sitemap")
        world.runs(3)
        assert numbers(world) == [1]
        assert [request.header("if-none-match") for request in site.asked("/one.xml")] == [None, '"1"', '"1"']


def test_indexes_that_name_each_other_end(world: World) -> None:
    with Site() as site:
        top, inner = (
            index((site.url("/x.xml"), ""), (site.url("/feed"), "")),
            index((site.url("/feed"), ""), (site.url("/y.xml"), "")),
        )
        site.feed = answering(top, XML)
        deepest = index((site.url("/x.xml"), ""), (site.url("/z.xml"), ""))
        sitemaps(site, x=answering(inner, XML), y=answering(deepest, XML), z=answering(urlset(site.url("/a/1")), XML))
        world.follow(site.url(), kind="sitemap")
        world.runs(2)
        assert [len(site.asked(path)) for path in ("/feed", "/x.xml", "/y.xml", "/z.xml")] == [2, 2, 2, 0]
        assert world.state(site.url()).cause is None


def test_an_index_within_an_index_is_opened(world: World) -> None:
    with Site() as site:
        site.feed = answering(index((site.url("/x.xml"), "2026-11-01")), XML)
        sitemaps(site, x=answering(index((site.url("/y.xml"), "")), XML), y=answering(urlset(site.url("/a/1")), XML))
        world.follow(site.url(), kind="sitemap")
        world.runs(2)
        assert numbers(world) == [1]
        assert [len(site.asked(path)) for path in ("/x.xml", "/y.xml")] == [1, 2]


def test_a_sitemap_that_fails_is_asked_again_and_one_of_another_host_never(world: World) -> None:
    with Site() as site, Site() as other:
        named = [(site.url("/one.xml"), "2026-11-01"), (site.url("/two.xml"), "2026-11-02"), (other.url("/o.xml"), "")]
        site.feed = answering(index(*named), XML)
        ok = answering(urlset(site.url("/a/2")), XML)
        two = one_by_one(
            answering(b"", f"Location: {other.url('/o.xml')}", status=302), answering(html_page("x", "y"), HTML), ok
        )
        sitemaps(site, one=answering(urlset(site.url("/a/1")), XML), two=two)
        world.follow(site.url(), kind="sitemap")
        world.runs(2)
        assert (numbers(world), world.state(site.url()).cause) == ([1], None)
        world.runs(2)
        assert (numbers(world), other.server.requests) == ([1, 2], [])
        assert (len(site.asked("/one.xml")), len(site.asked("/two.xml"))) == (1, 3)


def test_an_index_all_of_whose_sitemaps_fail_fails(world: World) -> None:
    with Site() as site:
        site.feed = answering(index((site.url("/one.xml"), "")), XML)
        sitemaps(
            site,
            one=one_by_one(
                answering(b"", status=404), answering(b"", status=404), answering(urlset(site.url("/a/1")), XML)
            ),
        )
        world.follow(site.url(), kind="sitemap")
        world.run()
        state = world.state(site.url())
        assert (state.cause, state.status, site.url("/one.xml") in state.detail) == (
            Cause.NOT_FOUND,
            FeedStatus.FAILING,
            True,
        )
        world.run(after=24)
        assert world.state(site.url()).failing_since == state.failing_since
        world.run(after=24)
        assert (world.state(site.url()).cause, numbers(world)) == (None, [1])


def test_an_index_that_becomes_a_sitemap_is_read_as_one(world: World) -> None:
    with Site() as site:
        site.feed = one_by_one(
            answering(index((site.url("/one.xml"), "")), XML), answering(urlset(site.url("/a/2")), XML)
        )
        sitemaps(site, one=answering(urlset(site.url("/a/1")), XML))
        world.follow(site.url(), kind="sitemap")
        world.runs(2)
        assert numbers(world) == [1, 2]
        assert world.state(site.url()).index is None


# --- a program --------------------------------------------------------------------------------------------------------


@pytest.fixture
def program(tmp_path: Path) -> Callable[[str], list[str]]:
    def write(code: str) -> list[str]:
        path = tmp_path / "program.py"
        path.write_text(f"import os, sys, time\n{code}\n", encoding="utf-8")
        return [sys.executable, str(path), "; rm -rf $HOME"]

    return write


def printing(body: bytes) -> str:
    return f"sys.stdout.buffer.write({body!r})"


def test_what_a_program_prints_is_read_as_a_feed(world: World, program: Callable[[str], list[str]]) -> None:
    with Site() as site:
        url = site.url("/list/of/mine")
        world.follow(url, kind="command", command=program(printing(rss(item("/a/1")))))
        world.run()
        assert numbers(world) == [1]
        assert site.asked("/list/of/mine") == []  # links are relative to it; the program is asked instead
        program(printing(rss(item("/a/2"), item("../../a/1"))))
        report = world.run()
        assert (numbers(world), report.entries_new) == ([1, 2], 1)
        assert world.run().feeds_unchanged == 1


CHILD = "child = os.fork()\nopen(__file__ + f'.{os.getpid()}', 'w').close()\ntime.sleep(60)"


@pytest.mark.parametrize(
    ("code", "cause", "detail"),
    [
        pytest.param("sys.exit('no luck')", Cause.PROGRAM, "exit status 1 (no luck)", id="status"),
        pytest.param(printing(rss(item())) + "\nos.kill(os.getpid(), 9)", Cause.PROGRAM, "exit status -9", id="killed"),
        pytest.param(CHILD, Cause.PROGRAM, "killed after 0.6 s", id="hangs"),
        pytest.param(
            "os.close(1); os.close(2); time.sleep(60)", Cause.PROGRAM, "killed after 0.6 s", id="hangs in silence"
        ),
        pytest.param("while True: print('x' * 1000)", Cause.TOO_LARGE, "more than 16777216 bytes", id="too large"),
        pytest.param("print('hello')", Cause.UNREADABLE, "neither", id="no feed"),
        pytest.param("", Cause.EMPTY, "empty", id="nothing"),
    ],
)
def test_a_program_that_fails_is_a_failed_poll(
    world: World, program: Callable[[str], list[str]], code: str, cause: Cause, detail: str
) -> None:
    if detail.startswith("killed after"):
        world.http |= SOON
    with Site() as site:
        url = site.url("/mine")
        world.follow(url, kind="command", command=program(code))
        world.run()
        state = world.state(url)
        assert state.cause is cause
        assert detail in state.detail
        assert site.server.requests == []


def test_a_program_ends_with_its_children(world: World, program: Callable[[str], list[str]], tmp_path: Path) -> None:
    with Site() as site:
        world.follow(site.url("/mine"), kind="command", command=program(CHILD))
        world.run()
        left = [int(path.suffix[1:]) for path in tmp_path.glob("program.py.*")]
        assert len(left) == 2
        assert [pid for pid in left if is_alive(pid)] == []


def is_alive(pid: int) -> bool:
    """Say whether a process runs on; one that is dead and nobody's yet does not."""
    for _ in range(50):
        with suppress(OSError):
            if Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()[0] != "Z":
                os.kill(pid, signal.SIG_DFL)
                time.sleep(0.05)
                continue
        return False
    return True


def test_a_program_that_is_not_there_is_a_failed_poll(world: World) -> None:
    with Site() as site:
        world.follow(site.url("/mine"), kind="command", command=["/nowhere/program"])
        world.run()
        state = world.state(site.url("/mine"))
        assert (state.cause, state.detail) == (Cause.PROGRAM, "/nowhere/program: No such file or directory")


def test_programs_of_one_host_keep_its_pace(world: World, program: Callable[[str], list[str]]) -> None:
    world.http["per_host_interval"] = "400ms"
    stamp = "open(__file__ + '.log', 'a').write(f'{time.time()}\\n');" + printing(rss(item("/a/1")))
    with Site() as site:
        command = program(stamp)
        world.follow(site.url("/mine"), site.url("/yours"), kind="command", command=command, full_text=False)
        world.run()
        first, second = map(float, Path(f"{command[1]}.log").read_text(encoding="utf-8").split())
        assert second - first > 0.4
