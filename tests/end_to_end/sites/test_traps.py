"""Pages that are easily taken for one article or for a wall, in both orders, on both databases; all at once."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass

import pytest

from aggregator.models.articles import Article
from aggregator.selftest.server import Peer
from tests.support.citizen import HTML, Site, World, html_page, item, rss
from tests.support.traps import TRAPS, Answer, Trap


@dataclass(frozen=True, slots=True, kw_only=True)
class Collected:
    """What was collected of one trap: addresses of each article, those that failed, those in doubt."""

    articles: list[list[str]]
    failed: list[str]
    doubtful: list[str]


def _script(answer: Answer) -> Callable[[Peer], None]:
    if answer.to:
        return lambda peer: peer.redirect(answer.to)
    page = html_page(answer.title, answer.body, answer.head)
    return lambda peer: peer.answer(answer.status, page, (HTML,))


def _site(trap: Trap, *, backwards: bool) -> Site:
    entries = [item(path, title=title) for path, title in trap.entries]
    pages = {**trap.pages, **trap.others}
    paths = {path: _script(answer) for path, answer in pages.items()}
    return Site(rss(*(reversed(entries) if backwards else entries)), paths)


def _collected(trap: Trap, site: Site, articles: list[Article], failed: set[str]) -> Collected:
    own: dict[str, list[str]] = defaultdict(list)
    doubtful = []
    for path, _ in trap.entries:
        for article in articles:
            if site.url(path) in article.urls:
                own[article.id].append(path)
                doubtful += [path] if article.quality else []
    return Collected(
        articles=sorted(map(sorted, own.values())),
        failed=sorted(path for path, _ in trap.entries if site.url(path) in failed),
        doubtful=sorted(doubtful),
    )


@pytest.fixture(params=["sqlite", "postgresql"])
def storage(request: pytest.FixtureRequest) -> dict[str, str]:
    if request.param == "sqlite":
        return {}
    from tests.support.databases import empty_postgres

    url: str = request.getfixturevalue("postgres_url")
    empty_postgres(url)
    return {"url": url}


@pytest.mark.parametrize("backwards", [False, True], ids=["forwards", "backwards"])
def test_what_is_one_article_and_what_is_none(
    make_world: Callable[[], World], storage: dict[str, str], *, backwards: bool
) -> None:
    """All traps are collected in one world: the entries one by one, in two runs."""
    world = make_world()
    world.storage = storage
    world.polling |= {"workers": 4}  # test processes share one server's connections
    with ExitStack() as stack:
        sites = {name: stack.enter_context(_site(trap, backwards=backwards)) for name, trap in TRAPS.items()}
        world.follow(*(site.url() for site in sites.values()))
        world.run()
        failed = {url for url, _, _ in world.use(lambda app: app.store.failed_pages())}
        found = {name: _collected(trap, sites[name], world.articles, failed) for name, trap in TRAPS.items()}
    assert {name: found[name] for name, trap in TRAPS.items() if not _is_right(trap, found[name])} == {}


def _is_right(trap: Trap, found: Collected) -> bool:
    articles, failed = sorted(map(sorted, trap.articles)), sorted(trap.failed)
    return (found.articles, found.failed) == (articles, failed) and set(found.doubtful) >= set(trap.doubtful)
