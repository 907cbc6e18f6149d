"""A site that announces each article under two addresses: each is fetched once, after the first few."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import pytest

from aggregator.selftest.server import Peer
from tests.support.citizen import HTML, RSS, Site, World, html_page, item, rss, story

COUNT = 12
Form = Callable[[int], str]


def plain(n: int) -> str:
    return f"/news/storm-kills-two-here-{48000 + n}"


FORMS: dict[str, Form] = {
    "a parameter": lambda n: f"{plain(n)}?maca=en-rss",
    "a value of its own": lambda n: f"{plain(n)}?wtx=v{n * 7}",
    "a short link": lambda n: f"/p/C{n * 31 + 7:X}x?maca=en-rss",
    "a folder": lambda n: f"/sp{plain(n)}",
    "another section": lambda n: plain(n).replace("/news/", "/world/"),
    "a number": lambda n: f"/node/{48000 + n}",
}


@dataclass
class TwoFeeds:
    """A site with two feeds of the same articles; `fetched` are the pages that it served."""

    form: Form
    redirects: bool = False
    numbers: range = range(COUNT)
    fetched: list[str] = field(default_factory=list)
    other: set[int] = field(default_factory=set)  # numbers whose second form is an article of its own

    def site(self) -> Site:
        site = Site(paths={"/one": self._feed(plain), "/two": self._feed(self.form)})
        for n in range(2 * COUNT):
            site.paths[plain(n)] = self._page(n)
            site.paths[self.form(n)] = self._redirect(n) if self.redirects else self._page(n, is_other=True)
        return site

    def _feed(self, form: Form) -> Callable[[Peer], None]:
        def answer(peer: Peer) -> None:
            entries = (item(form(n), title=f"Title of story {n} here") for n in self.numbers)
            peer.answer(body=rss(*entries), headers=(RSS,))

        return answer

    def _page(self, n: int, *, is_other: bool = False) -> Callable[[Peer], None]:
        def answer(peer: Peer) -> None:
            self.fetched.append(peer.request.target)
            seed = f"other {n}" if is_other and n in self.other else f"story {n}"
            peer.answer(body=html_page(f"Title of story {n} here", story(seed)), headers=(HTML,))

        return answer

    def _redirect(self, n: int) -> Callable[[Peer], None]:
        return lambda peer: peer.redirect(plain(n), status=301)

    def fetches(self, form: Form) -> int:
        return len([url for url in self.fetched if url in {form(n) for n in self.numbers}])


@pytest.fixture
def quiet(world: World) -> World:
    world.polling["revisit"] = []
    return world


@pytest.mark.parametrize("turned", [False, True])
@pytest.mark.parametrize("name", FORMS)
def test_the_second_address_of_an_article_costs_no_request_after_the_first_few(
    quiet: World, name: str, turned: bool
) -> None:
    pages = TwoFeeds(FORMS[name], redirects=name == "a short link")
    with pages.site() as site:
        feeds = [site.url("/one"), site.url("/two")]
        quiet.follow(*(feeds[::-1] if turned else feeds))
        for day in range(2):
            pages.numbers = range(day * COUNT, (day + 1) * COUNT)
            report = quiet.run(after=24)
            assert len(quiet.articles) == (day + 1) * COUNT
            assert report.pages_waiting == 0
            most = 3 if day == 0 else 1
            if pages.redirects:
                most = 0
            assert min(pages.fetches(plain), pages.fetches(pages.form)) <= most


def test_a_contradiction_fetches_what_was_skipped(quiet: World) -> None:
    pages = TwoFeeds(FORMS["a parameter"])
    with pages.site() as site:
        quiet.follow(site.url("/one"), site.url("/two"))
        quiet.run()
        assert pages.fetches(pages.form) == 3
        pages.numbers, pages.other = range(COUNT, COUNT + 1), {COUNT}
        quiet.run(after=24)
        pages.numbers = range(COUNT)
        quiet.run()
        assert pages.fetches(pages.form) == COUNT
        assert len(quiet.articles) == COUNT + 2
