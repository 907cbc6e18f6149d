"""Twenty entries whose pages answer with one document: nothing of it is an article, and nothing is lost by it."""

from __future__ import annotations

import os
import signal
import threading
from dataclasses import dataclass, field

import pytest

from aggregator.selftest.server import Peer
from tests.support.citizen import HTML, Site, World, answering, html_page, item, rss, story
from tests.support.installation import Installation
from tests.support.walls import TEXTS, TITLES, feed_of_entries, redirect_of, wall_page


@dataclass
class WalledSite:
    """A site with a feed of twenty entries; while `stands`, every page is the wall."""

    text: str
    declares: str
    stands: bool = True
    asked: list[str] = field(default_factory=list)
    met: list[int] = field(default_factory=list)  # at which entries the wall stood
    is_far: threading.Event = field(default_factory=threading.Event)  # half of the entries were asked for

    def site(self) -> Site:
        site = Site(feed_of_entries())
        for n, title in enumerate(TITLES):
            site.paths[f"/a/{n}/the-{n}"] = lambda peer, n=n, title=title: self._answer(peer, n, title)  # type: ignore[misc]
            site.paths[f"/subscribe?return={n}"] = self._wall
        site.paths["/subscribe"] = self._wall
        return site

    def _answer(self, peer: Peer, n: int, title: str) -> None:
        if not self.stands:
            self.asked.append(title)
            peer.answer(200, html_page(title, story(title)), (HTML,))
            return
        self.met.append(n)
        if len(self.met) == len(TITLES) // 2:
            self.is_far.set()
        if target := redirect_of(self.declares, n):
            peer.redirect(target, status=302)
        else:
            self._wall(peer)

    def _wall(self, peer: Peer) -> None:
        peer.answer(200, wall_page(self.text, self.declares), (HTML,))


def collected(world: World) -> list[str]:
    return sorted(article.content.title for article in world.articles)


REPRESENTATIVE = [  # the others: tests/integration/engine/test_walls.py
    ("subscription", "canonical"),
    ("app", "redirect"),
    ("holding page", "redirect with return"),
    ("consent", "none"),
    ("bot check", "canonical and og:url"),
]


@pytest.mark.parametrize(("text", "declares"), REPRESENTATIVE)
def test_a_wall_is_no_article_and_what_stood_behind_it_is_collected(world: World, text: str, declares: str) -> None:
    wall = WalledSite(text, declares)
    with wall.site() as site:
        world.follow(site.url())
        world.run()
        assert world.articles == []
        wall.stands = False
        world.run(after=8)
        assert collected(world) == sorted(TITLES)
        assert sorted(wall.asked) == sorted(TITLES)
        assert all(
            article.url == site.url(f"/a/{n}/the-{n}")
            for n, title in enumerate(TITLES)
            for article in world.articles
            if article.content.title == title
        )


@pytest.mark.parametrize(("text", "declares"), REPRESENTATIVE[:2])
def test_a_wall_that_stands_for_a_week_loses_nothing(world: World, text: str, declares: str) -> None:
    wall = WalledSite(text, declares)
    with wall.site() as site:
        world.follow(site.url())
        for hours in (0, 7, 65, 96):  # the first revisit would be after six hours
            world.run(after=hours)
            assert world.articles == []
        wall.stands = False
        world.run(after=49)
        assert collected(world) == sorted(TITLES)


@pytest.mark.parametrize(
    ("command", "number", "text", "declares"),
    [("run-once", signal.SIGKILL, *REPRESENTATIVE[0]), ("run", signal.SIGTERM, *REPRESENTATIVE[2])],
)
def test_processes_that_end_before_a_wall_leave_nothing_of_it(
    world: World, command: str, number: signal.Signals, text: str, declares: str
) -> None:
    """One is killed, or told to end, half-way; the next run goes on, and what stood behind the wall is collected."""
    installed, wall = Installation(world.folder), WalledSite(text, declares)
    with wall.site() as site:
        world.follow(site.url())
        world.write()
        process = installed.start(command)
        assert wall.is_far.wait(60)
        os.killpg(process.pid, number)
        process.communicate(timeout=60)
        installed.run("run-once")
        assert installed.articles() == []
        assert set(wall.met) == set(range(len(TITLES)))
        wall.stands = False
        world.run(after=8)
        assert collected(world) == sorted(TITLES)
        assert len(list(world.folder.glob("**/*.txt"))) == len(TITLES)


def test_what_the_first_page_of_a_wall_gave_is_withdrawn_with_the_second(world: World) -> None:
    """The feed announces one entry, then all: the first was published as an article before anybody could know."""
    wall = WalledSite("subscription", "redirect")
    with wall.site() as site:
        whole = site.feed
        site.feed = answering(rss(item("/a/0/the-0", title=TITLES[0])))
        world.follow(site.url())
        world.run()
        assert len(world.articles) == 1
        site.feed = whole
        world.run()
        assert world.articles == []
        assert not list(world.folder.glob("**/*.txt"))
        wall.stands = False
        world.run(after=8)
        assert collected(world) == sorted(TITLES)
        assert {article.revision for article in world.articles} == {1}


def test_a_wall_in_front_of_published_articles_changes_none(world: World) -> None:
    wall = WalledSite("app", "canonical", stands=False)
    with wall.site() as site:
        world.follow(site.url())
        world.run()
        before = [(one.id, one.content.title, one.content.text, one.revision) for one in world.articles]
        assert len(before) == len(TITLES)
        wall.stands = True
        world.run(after=7)
        assert [(one.id, one.content.title, one.content.text, one.revision) for one in world.articles] == before


def test_a_wall_on_another_host_is_no_article_either(world: World) -> None:
    head, text = TEXTS["subscription"]
    titles = (TITLES[0], TITLES[10], TITLES[1], TITLES[11])
    links = [f"/a/{n}" for n in range(4)]
    with Site() as site, Site(host="127.0.0.2") as login:
        site.feed = answering(rss(*(item(link, title=title) for link, title in zip(links, titles, strict=True))))
        login.paths["/login-page"] = answering(html_page(head, f"<p>{text}</p>"), HTML)
        site.paths |= {link: lambda peer: peer.redirect(login.url("/login-page")) for link in links}
        world.follow(site.url())
        world.run()
        assert world.articles == []
        for n, link in enumerate(links):
            site.paths[link] = answering(html_page(titles[n], story(link)), HTML)
        world.run(after=8)
        assert collected(world) == sorted(titles)


@pytest.mark.parametrize("titles", [(TITLES[0], TITLES[10]), (TITLES[0], TITLES[0])], ids=["two titles", "one title"])
def test_two_sites_with_one_wall_on_a_third_lose_nothing(world: World, titles: tuple[str, str]) -> None:
    """What the first site's page gave is a known article when the second site's pages are led there."""
    head, text = TEXTS["subscription"]
    named = {"/a/1": titles[1], "/a/2": TITLES[1], "/a/3": TITLES[2]}
    with Site() as one, Site() as other, Site(host="127.0.0.3") as login:
        login.paths["/login-page"] = answering(html_page(head, f"<p>{text}</p>"), HTML)
        one.feed = answering(rss(item("/a/0", title=titles[0])))
        other.feed = answering(rss(*(item(link, title=title) for link, title in named.items())))
        one.paths["/a/0"] = lambda peer: peer.redirect(login.url("/login-page"))
        other.paths |= dict.fromkeys(named, one.paths["/a/0"])
        world.follow(one.url())
        world.run()
        world.follow(other.url())
        world.run()
        assert world.articles == []
        one.paths, other.paths = {}, {}
        world.run(after=8)
        assert {article.url for article in world.articles} == {one.url("/a/0"), *map(other.url, named)}


# --- no walls ---------------------------------------------------------------------------------------------------------


def test_a_live_blog_is_no_wall(world: World) -> None:
    posts = "".join(f"<h2>{title}</h2>{story(title, 1)}" for title in TITLES)
    page = html_page("The day in our town", posts, '<link rel="canonical" href="/a/live">')
    links = [f"/a/live?post={n}" for n in range(len(TITLES))]
    with Site(rss(*(item(link, title=title) for link, title in zip(links, TITLES, strict=True)))) as site:
        site.paths |= dict.fromkeys(links, answering(page, HTML))
        world.follow(site.url())
        report = world.run()
        assert report.pages_failed == 0
        assert {article.content.title for article in world.articles} == {"The day in our town"}


def test_a_page_whose_headline_was_edited_is_no_wall(world: World) -> None:
    titles = [f"{TITLES[0]}, says {name} again" for name in ("mayor", "baker", "captain", "teacher", "nobody")]
    page = html_page("From the harbour", story("harbour"))
    with Site(rss(*(item(f"/a/x?rev={n}", title=title) for n, title in enumerate(titles)))) as site:
        site.paths |= {f"/a/x?rev={n}": answering(page, HTML) for n in range(5)}
        world.follow(site.url())
        assert world.run().pages_failed == 0
        assert world.articles


def test_podcasts_with_one_description_are_no_wall(world: World) -> None:
    text = "<p>" + "Every week two of us talk about what happened in our town and in the harbour. " * 6 + "</p>"
    with Site(rss(*(item(f"/a/{n}", title=title) for n, title in enumerate(TITLES)))) as site:
        site.paths |= {f"/a/{n}": answering(html_page(title, text), HTML) for n, title in enumerate(TITLES)}
        world.follow(site.url())
        world.runs(2)
        assert collected(world) == sorted(TITLES)
