"""Articles that are spread over several pages: one article, whatever happens between its parts."""

from __future__ import annotations

import os
import signal
import threading
from pathlib import Path

import pytest

from aggregator.models.articles import Article
from aggregator.ports.readings import ArticleFilter
from aggregator.selftest.server import Peer, Script
from tests.support.citizen import HTML, Site, World, answering, html_page, item, one_by_one, rss, story
from tests.support.installation import Installation

RULE = """
hosts = ["127.0.0.1"]

[extract]
next_page = ["a.next"]
"""
PARTS = ["/a/1", "/a/1?page=2", "/a/1?page=3"]


def part(number: int, following: str = "", text: str = "") -> bytes:
    link = f'<a class="next" href="{following}">Next page</a>' if following else ""
    return html_page(
        "The long report", f"<p>What the teaser says of it, as ever.</p>{text or story(f'part{number}')}{link}"
    )


def pages(*, last: Script | None = None) -> dict[str, Script]:
    return {
        PARTS[0]: answering(part(1, "?page=2"), HTML),
        PARTS[1]: answering(part(2, PARTS[2]), HTML),
        PARTS[2]: last or answering(part(3), HTML),
    }


@pytest.fixture
def ruled(world: World) -> World:
    (world.folder / "publishers").mkdir()
    (world.folder / "publishers" / "local.toml").write_text(RULE, encoding="utf-8")
    return world


def only(world: World) -> Article:
    (article,) = world.articles
    return article


def parts_in(article: Article) -> list[str]:
    """Return which parts the body has, and assert that each paragraph is there once and in order."""
    paragraphs = article.content.body.split("\n\n")
    assert len(set(paragraphs)) == len(paragraphs)
    found = [line.split()[0] for line in paragraphs if line.startswith("part")]
    assert found == sorted(found)
    return sorted(set(found))


def test_three_pages_are_one_article(ruled: World) -> None:
    with Site(rss(item(PARTS[0])), pages()) as site:
        ruled.follow(site.url())
        ruled.run()
        article = only(ruled)
        assert parts_in(article) == ["part1", "part2", "part3"]
        assert article.content.body.count("What the teaser says") == 1
        assert article.content.text.count("The long report") == 3  # the seed text is that of each page
        assert [site.url(path) for path in PARTS] == sorted(article.urls)
        assert article.quality == ()
        assert [len(site.asked(path)) for path in PARTS] == [1, 1, 1]
        ruled.run()
        assert [len(site.asked(path)) for path in PARTS] == [1, 1, 1]


def test_without_a_rule_a_page_is_an_article(world: World) -> None:
    with Site(rss(item(PARTS[0])), pages()) as site:
        world.follow(site.url())
        world.run()
        assert parts_in(only(world)) == ["part1"]
        assert [len(site.asked(path)) for path in PARTS] == [1, 0, 0]


def test_a_site_config_file_names_the_next_page(world: World) -> None:
    folder = world.folder / "site-config"
    folder.mkdir()
    (folder / "127.0.0.1.txt").write_text("next_page_link: //a[@class='next']\n", encoding="utf-8")
    with Site(rss(item(PARTS[0])), pages()) as site:
        world.follow(site.url())
        world.extraction["site_config_dir"] = str(folder)
        world.run()
        assert parts_in(only(world)) == ["part1", "part2", "part3"]


def test_a_further_page_that_a_feed_announces_is_no_second_article(ruled: World) -> None:
    feed = one_by_one(answering(rss(item(PARTS[0]))), answering(rss(item(PARTS[0]), item(PARTS[1]), item(PARTS[2]))))
    with Site(feed, pages()) as site:
        ruled.follow(site.url())
        ruled.run()
        ruled.run()
        assert parts_in(only(ruled)) == ["part1", "part2", "part3"]
        assert [len(site.asked(path)) for path in PARTS] == [1, 1, 1]


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 0)])
def test_all_pages_announced_at_once_are_one_article(ruled: World, order: tuple[int, ...]) -> None:
    with Site(rss(*(item(PARTS[at]) for at in order)), pages()) as site:
        ruled.follow(site.url())
        ruled.run()
        ruled.run()
        assert parts_in(only(ruled)) == ["part1", "part2", "part3"]


def test_a_part_that_is_gone_leaves_what_is_there_and_says_so(ruled: World) -> None:
    with Site(rss(item(PARTS[0])), pages(last=answering(b"gone", HTML, status=410))) as site:
        ruled.follow(site.url())
        ruled.run()
        article = only(ruled)
        assert parts_in(article) == ["part1", "part2"]
        assert article.quality == ("truncated",)
        assert ruled.use(lambda app: len(list(app.store.articles(ArticleFilter(quality=True))))) == 1
        ruled.runs(3)
        assert len(site.asked(PARTS[2])) == 1


def test_a_part_that_comes_later_completes_the_article(ruled: World) -> None:
    last = one_by_one(answering(b"busy", HTML, status=500), answering(part(3), HTML))
    with Site(rss(item(PARTS[0])), pages(last=last)) as site:
        ruled.follow(site.url())
        ruled.run()
        assert parts_in(only(ruled)) == ["part1", "part2"]
        assert only(ruled).quality == ("truncated",)
        ruled.run()
        assert parts_in(only(ruled)) == ["part1", "part2", "part3"]
        assert only(ruled).quality == ()
        assert [len(site.asked(path)) for path in PARTS] == [1, 1, 2]


def test_robots_txt_forbids_a_part(ruled: World) -> None:
    robots = answering(b"User-agent: *\nDisallow: /*page=3\n", "Content-Type: text/plain")
    with Site(rss(item(PARTS[0])), pages() | {"/robots.txt": robots}) as site:
        ruled.follow(site.url())
        ruled.runs(2)
        assert parts_in(only(ruled)) == ["part1", "part2"]
        assert only(ruled).quality == ("truncated",)
        assert site.asked(PARTS[2]) == []


def test_a_part_at_another_host_is_not_followed(ruled: World) -> None:
    with Site() as other:
        away = {PARTS[1]: answering(b"", f"Location: {other.url('/a/1?page=2')}", status=302)}
        with Site(rss(item(PARTS[0])), pages() | away) as site:
            ruled.follow(site.url())
            ruled.run()
            assert parts_in(only(ruled)) == ["part1"]
            assert only(ruled).quality == ("truncated",)
            assert other.pages == []


@pytest.mark.parametrize("following", ["/a/1", "#more", "/a/2", "http://127.0.0.2/a/1?page=2", "mailto:us", ""])
def test_a_link_that_is_no_further_page_is_not_followed(ruled: World, following: str) -> None:
    with Site(rss(item(PARTS[0])), {PARTS[0]: answering(part(1, following), HTML)}) as site:
        ruled.follow(site.url())
        ruled.run()
        assert parts_in(only(ruled)) == ["part1"]
        assert only(ruled).quality == ()
        assert site.pages == [PARTS[0]]


def test_pages_that_lead_in_a_circle_or_on_for_ever_end(ruled: World) -> None:
    def endless(peer: Peer) -> None:
        number = int(peer.request.target.rpartition("=")[2])
        peer.answer(200, part(number, f"?page={number + 1}", story(f"part{number:02}", 2)), (HTML,))

    again = {"/a/1?page=2": answering(part(2, "/a/1"), HTML)}
    endless_paths = {f"/a/2?page={number}": endless for number in range(2, 30)}
    second = {"/a/2": answering(part(1, "?page=2"), HTML)}
    with Site(rss(item("/a/1"), item("/a/2")), pages() | again | second | endless_paths) as site:
        ruled.follow(site.url())
        ruled.run()
        circle, long = sorted(ruled.articles, key=lambda one: one.url)
        assert (parts_in(circle), circle.quality) == (["part1", "part2"], ())
        assert (len(site.pages), long.quality) == (2 + 20, ("truncated",))


def test_a_changed_page_is_followed_anew_and_a_failing_part_costs_nothing(ruled: World) -> None:
    ruled.polling["revisit"] = ["1h", "2h", "3h"]
    first = one_by_one(*(answering(part(1, "?page=2", story(f"part1 as of {n}")), HTML) for n in range(3)))
    last = one_by_one(answering(part(3), HTML), answering(b"", HTML, status=410), answering(part(3), HTML))
    with Site(rss(item(PARTS[0])), pages(last=last) | {PARTS[0]: first}) as site:
        ruled.follow(site.url())
        ruled.run()
        before = only(ruled)
        ruled.run(after=1.5)
        assert len(site.asked(PARTS[2])) == 2
        assert only(ruled).content == before.content


@pytest.mark.soak
def test_reextract_makes_the_same_again_and_forget_takes_all(ruled: World) -> None:
    installed = Installation(ruled.folder)
    with Site(rss(item(PARTS[0])), pages()) as site:
        ruled.follow(site.url())
        ruled.run()
        before = only(ruled)
        assert installed.run("reextract", "--json").stdout == ""
        warc = ruled.folder / "pages.warc.gz"
        assert "3" in installed.run("export", "--format", "warc", "--out", str(warc)).stderr
        (ruled.folder / "publishers" / "local.toml").unlink()
        installed.run("reextract")
        (shorter,) = ruled.use(lambda app: list(app.store.articles()))
        assert parts_in(shorter) == ["part1"]
        ruled.write()
        (ruled.folder / "publishers" / "local.toml").write_text(RULE, encoding="utf-8")
        installed.run("reextract")
        (again,) = ruled.use(lambda app: list(app.store.articles()))
        assert (again.content, again.quality) == (before.content, before.quality)
        raw = [path for path in (ruled.folder / "data" / "raw").rglob("*") if len(path.name) == 64]
        assert len(raw) == 3
        installed.run("forget", site.url(PARTS[1]))
        assert [path for path in raw if path.exists()] == []


@pytest.mark.soak
def test_kill_9_between_the_parts_repeats_only_the_request_in_flight(ruled: World) -> None:
    reached = threading.Event()

    def second(peer: Peer) -> None:
        if not reached.is_set():
            reached.set()
            peer.hang(30)
        else:
            peer.answer(200, part(2, PARTS[2]), (HTML,))

    ruled.http |= {"timeout": "20s", "total_timeout": "20s"}
    installed = Installation(ruled.folder)
    with Site(rss(item(PARTS[0])), pages() | {PARTS[1]: second}) as site:
        ruled.follow(site.url())
        ruled.write()
        process = installed.start("run-once")
        assert reached.wait(30)
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        installed.run("run-once")
        (article,) = ruled.use(lambda app: list(app.store.articles()))
        assert parts_in(article) == ["part1", "part2", "part3"]
        assert [len(site.asked(path)) for path in PARTS] == [1, 2, 1]
        files = list((Path(ruled.folder) / "data" / "articles").glob("*/*/*/*.txt"))
        assert len(files) == 1
