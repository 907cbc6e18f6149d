"""Twenty entries whose pages answer with one document: nothing of it is an article, and nothing is lost by it."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from aggregator.selftest.server import Peer
from tests.support.citizen import HTML, Site, World, html_page, item, rss, story

pytestmark = pytest.mark.unmeasured

_SUBJECTS = ("Council", "Ferry", "Museum", "Orchard", "Railway", "Teacher", "Garden", "Festival", "Bakery", "Library")
_EVENTS = ("opens after years of repairs", "loses its oldest members quietly")
TITLES = tuple(f"{subject} {event}" for event in _EVENTS for subject in _SUBJECTS)
TEXTS = {
    "subscription": (
        "Subscribe now",
        "You have reached your limit of free pages. Subscribe now to get unlimited access to all our journalism on "
        "every device. Cancel at any time. Already a subscriber? Sign in to continue reading.",
    ),
    "app": (
        "Get the app",
        "This page can be read in our app. Download it for your telephone and follow the news wherever you are. It is "
        "there for all devices, and it costs nothing.",
    ),
    "holding page": (
        "We will be right back",
        "We are making our site better for you. Please come back in a few minutes. Thank you for your patience, our "
        "people are working on it.",
    ),
    "consent": (
        "Your privacy",
        "We and our 120 partners use cookies to show you what you like. Accept all cookies or manage your choices in "
        "the settings.",
    ),
    "bot check": ("Just a moment...", "Checking your browser before you continue. Enable JavaScript and cookies."),
}
DECLARATIONS = ("none", "canonical", "canonical and og:url", "redirect", "redirect with return")


@dataclass
class WalledSite:
    """A site with a feed of twenty entries; while `stands`, every page is the wall."""

    text: str
    declares: str
    stands: bool = True
    asked: list[str] = field(default_factory=list)

    def site(self) -> Site:
        feed = rss(*(item(f"/a/{n}/the-{n}", title=title) for n, title in enumerate(TITLES)))
        site = Site(feed)
        for n, title in enumerate(TITLES):
            site.paths[f"/a/{n}/the-{n}"] = lambda peer, n=n, title=title: self._answer(peer, n, title)  # type: ignore[misc]
            site.paths[f"/subscribe?return={n}"] = self._wall
        site.paths["/subscribe"] = self._wall
        return site

    def _answer(self, peer: Peer, n: int, title: str) -> None:
        if not self.stands:
            self.asked.append(title)
            peer.answer(200, html_page(title, story(title)), (HTML,))
        elif self.declares == "redirect":
            peer.redirect("/subscribe", status=302)
        elif self.declares == "redirect with return":
            peer.redirect(f"/subscribe?return={n}", status=302)
        else:
            self._wall(peer)

    def _wall(self, peer: Peer) -> None:
        heads = {"canonical": '<link rel="canonical" href="/consent">'}
        heads["canonical and og:url"] = heads["canonical"] + '<meta property="og:url" content="/consent">'
        title, text = TEXTS[self.text]
        peer.answer(200, html_page(title, f"<p>{text}</p>", heads.get(self.declares, "")), (HTML,))


def collected(world: World) -> list[str]:
    return sorted(article.content.title for article in world.articles)


@pytest.mark.parametrize("declares", DECLARATIONS)
@pytest.mark.parametrize("text", TEXTS)
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
