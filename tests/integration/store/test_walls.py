"""Documents at several addresses whose entries have other titles: no articles, in any order; nothing stays of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from itertools import permutations

import pytest

from aggregator.identity.evidence import Edge
from aggregator.identity.walls import Resemblance
from aggregator.models.ids import EvidenceKind, Key
from aggregator.models.pages import FetchedPage
from aggregator.ports.readings import ArticleSearch
from aggregator.ports.store_records import ArticleOutcome, ArticleRecord, Sighting
from aggregator.store import SqlStore
from tests.support.databases import ReusedStore
from tests.support.stores import (
    StandingClock,
    article_record,
    fetch_due,
    fetched_pages,
    identity,
    poll,
    sighting,
    subscribe,
    words,
)

TITLES = ("Council opens the bridge", "Ferry loses its captain", "Museum buys an orchard", "Teacher wins a prize")
WALL = words("wall", 80)
TARGET = Key("https://example.org/consent")
SITE = "example.org"
BACK_OFF = timedelta(hours=1)


def announced(number: int, title: str = "", content: str = "") -> Sighting:
    made = sighting(number, content=content)
    return replace(made, entry=replace(made.entry, title=title or TITLES[number]))


def walled(page: FetchedPage, body: str = WALL, *, edges: tuple[Edge, ...] = ()) -> ArticleRecord:
    record = article_record(page, title="Subscribe", body=body, edges=edges)
    return replace(record, says_title=Resemblance.NOTHING)


def names(page: FetchedPage, kind: EvidenceKind = EvidenceKind.CANONICAL) -> tuple[Edge, ...]:
    return (Edge(key=page.key, other=TARGET, kind=kind, site=SITE, other_site=SITE, witness=SITE),)


def record(store: SqlStore, *made: tuple[FetchedPage, ArticleRecord]) -> list[str]:
    until = store.now() + BACK_OFF
    outcomes = [ArticleOutcome(page=page, record=one, if_wall=until) for page, one in made]
    return [one.kind if one is not None else "lost" for one in store.record_articles(outcomes)]


def fetched(store: SqlStore) -> Sequence[FetchedPage]:
    fetch_due(store)
    return sorted(fetched_pages(store), key=lambda page: page.key)


def ready(store: SqlStore, number: int = 3) -> Sequence[FetchedPage]:
    """Return fetched pages of a feed's entries, in order."""
    (feed,) = subscribe(store, "https://www.example.org/feed")
    poll(store, feed, *(announced(n) for n in range(number)))
    return fetched(store)


def titles(store: SqlStore) -> list[str]:
    return sorted(article.content.title for article in store.articles())


def search_all(store: SqlStore) -> None:
    """Search every article of an earlier version for walls."""
    while not store.search_walls():
        pass


def kinds(store: SqlStore) -> list[str]:
    store.number_changes()
    return [change.kind for change in store.changes_after(0, 100)]


@pytest.mark.parametrize("kind", [None, EvidenceKind.CANONICAL, EvidenceKind.BARE_CANONICAL, EvidenceKind.REDIRECT])
def test_in_any_order_a_wall_is_no_article_and_then_all_are(reused: ReusedStore, kind: EvidenceKind | None) -> None:
    for order in permutations(range(3)):
        store = reused.empty()
        pages = ready(store)
        for n in order:
            edges = () if kind is None else names(pages[n], kind)
            record(store, (pages[n], walled(pages[n], edges=edges)))
        assert titles(store) == []
        reused.clock.pass_(BACK_OFF)
        again = fetched(store)
        assert len(again) == 3
        assert record(store, *((page, article_record(page, title=page.key)) for page in again)) == ["new"] * 3
        assert titles(store) == sorted(page.key for page in pages)
        assert [article.revision for article in store.articles()] == [1, 1, 1]


def test_all_at_once_is_the_same(reused: ReusedStore) -> None:
    store = reused.empty()
    pages = ready(store)
    assert record(store, *((page, walled(page, edges=names(page))) for page in pages)) == ["wall"] * 3
    assert titles(store) == []
    assert kinds(store) == []


def test_what_was_published_is_withdrawn_by_a_tombstone_and_comes_back(store: SqlStore, clock: StandingClock) -> None:
    pages = ready(store, 2)
    assert record(store, (pages[0], walled(pages[0]))) == ["new"]
    assert kinds(store) == ["new"]
    assert record(store, (pages[1], walled(pages[1]))) == ["wall"]
    assert kinds(store) == ["new", "withdrawn"]
    (_, gone) = store.changes_after(0, 100)
    assert gone.article is None
    clock.pass_(BACK_OFF)
    for page in fetched(store):
        record(store, (page, article_record(page)))
    assert kinds(store) == ["new", "withdrawn", "new", "new"]


def test_a_wall_of_a_week_keeps_its_pages_due(store: SqlStore, clock: StandingClock) -> None:
    pages = ready(store)
    for _ in range(20):
        assert record(store, *((page, walled(page)) for page in pages))
        clock.pass_(BACK_OFF)
        pages = fetched(store)
        assert len(pages) == 3
    assert record(store, *((page, article_record(page)) for page in pages)) == ["new"] * 3


def test_a_page_that_is_not_to_be_tried_again_fails_for_good(store: SqlStore, clock: StandingClock) -> None:
    pages = ready(store, 2)
    store.record_articles([ArticleOutcome(page=page, record=walled(page)) for page in pages])
    clock.pass_(timedelta(days=30))
    assert fetched(store) == []
    assert [cause.value for _, cause, _ in store.failed_pages()] == ["wall", "wall"]


def test_an_article_that_a_wall_replaced_gets_its_text_back(store: SqlStore, clock: StandingClock) -> None:
    pages = ready(store, 2)
    until = store.now() + BACK_OFF
    store.record_articles(
        [ArticleOutcome(page=one, record=article_record(one, title=one.key), if_unchanged=until, if_changed=until)
         for one in pages]
    )  # fmt: skip
    before = [(one.id, one.content.title, one.content.body, one.revision) for one in store.articles()]
    clock.pass_(BACK_OFF)
    first, second = fetched(store)
    assert record(store, (first, walled(first))) == ["updated"]
    assert record(store, (second, walled(second))) == ["wall"]
    assert [(one.id, one.content.title, one.content.body, one.revision) for one in store.articles()] == before
    assert store.search(ArticleSearch(query="wall1")).count == 0
    clock.pass_(BACK_OFF)
    again = fetched(store)
    assert record(store, *((page, article_record(page, title=page.key)) for page in again)) == ["unchanged"] * 2


def test_a_page_that_gives_its_article_stays_while_others_are_walls(store: SqlStore, clock: StandingClock) -> None:
    """They are recorded together; both stood at the wall before."""
    record(store, *((page, walled(page)) for page in ready(store)))
    clock.pass_(BACK_OFF)
    first, *others = fetched(store)
    made = [(first, article_record(first, title=TITLES[0])), *((page, walled(page)) for page in others)]
    assert record(store, *made) == ["new", "wall", "wall"]
    assert titles(store) == [TITLES[0]]


@pytest.mark.parametrize("kind", [EvidenceKind.CANONICAL, EvidenceKind.REDIRECT])
def test_pages_of_entries_without_a_title_that_name_one_address_are_asked_again(
    store: SqlStore, clock: StandingClock, kind: EvidenceKind
) -> None:
    """Nothing tells such a wall from an article. While it stands its pages are one; then they are articles."""
    (feed,) = subscribe(store, "https://www.example.org/feed")
    untitled = [replace(one, entry=replace(one.entry, title="")) for one in map(announced, range(3))]
    poll(store, feed, *untitled)
    again = store.now() + BACK_OFF
    for page in fetched(store):
        made = article_record(page, title="Subscribe", body=WALL, edges=names(page, kind))
        store.record_articles([ArticleOutcome(page=page, record=made, if_doubtful=again)])
    assert len(titles(store)) == 1
    clock.pass_(BACK_OFF)
    pages = fetched(store)
    assert record(store, *((page, article_record(page, title=page.key)) for page in pages)) == ["updated"] * 3
    assert titles(store) == sorted(page.key for page in pages)


def test_the_feeds_text_stands_in_meanwhile(store: SqlStore) -> None:
    (feed,) = subscribe(store, "https://www.example.org/feed")
    content = f"<p>{words('feed', 200)}</p>"
    poll(store, feed, announced(0, content=content), announced(1, content=content))
    pages = fetched(store)
    assert record(store, *((page, walled(page)) for page in pages)) == ["wall", "wall"]
    assert [page.raw for page in fetched_pages(store)] == [None, None]


def test_what_a_wall_named_joins_nothing_any_more(store: SqlStore, clock: StandingClock) -> None:
    """A page that says its title names the wall's address, too."""
    pages = ready(store)
    record(store, (pages[0], walled(pages[0], edges=names(pages[0]))))
    other = article_record(pages[2], title="Subscribe", body=WALL, edges=names(pages[2]))
    assert record(store, (pages[2], other)) == ["new"]
    record(store, (pages[1], walled(pages[1], edges=names(pages[1]))))
    assert [article.key for article in store.articles()] == [pages[2].key]


# --- no walls ---------------------------------------------------------------------------------------------------------


def test_versions_of_one_headline_are_no_wall(store: SqlStore) -> None:
    (feed,) = subscribe(store, "https://www.example.org/feed")
    headlines = (
        "Storm kills two in town",
        "Storm kills three in town",
        "Storm kills four in town",
        "Storm kills five in town",
    )
    poll(store, feed, *(announced(n, title) for n, title in enumerate(headlines)))
    assert record(store, *((page, walled(page)) for page in fetched(store))) == ["new"] * 4


def test_one_text_on_two_hosts_is_no_wall(store: SqlStore) -> None:
    (feed,) = subscribe(store, "https://www.example.org/feed")
    seen = [
        replace(announced(n), url=url, host=f"{host}:443", identity=identity(url))
        for n, host in enumerate(("a.example.org", "b.example.com"))
        if (url := f"https://{host}/x/{n}")
    ]
    poll(store, feed, *seen)
    assert record(store, *((page, walled(page)) for page in fetched(store))) == ["new", "new"]


@pytest.mark.parametrize("says", [Resemblance.SAYS, Resemblance.ECHOES])
def test_pages_that_say_their_titles_are_no_wall(store: SqlStore, says: Resemblance) -> None:
    made = [(page, replace(walled(page), says_title=says)) for page in ready(store)]
    assert record(store, *made) == ["new"] * 3


def test_a_page_that_echoes_its_title_behind_a_wall_fails_with_the_others(store: SqlStore) -> None:
    pages = ready(store)
    echo = replace(walled(pages[0]), says_title=Resemblance.ECHOES)
    assert record(store, (pages[0], echo)) == ["new"]
    assert record(store, *((page, walled(page)) for page in pages[1:])) == ["wall", "wall"]
    assert titles(store) == []


def test_what_a_feed_says_is_no_wall(store: SqlStore) -> None:
    made = [(page, article_record(page, body=WALL, source="feed")) for page in ready(store)]
    made = [(page, replace(one, says_title=Resemblance.NOTHING)) for page, one in made]
    assert record(store, *made) == ["new"] * 3


def test_articles_that_lead_to_one_that_a_feed_announces_are_no_wall(store: SqlStore) -> None:
    """The publisher made one article of several; or a template names the wrong address."""
    pages = ready(store)
    target = pages[2].key
    edges = [
        (Edge(key=page.key, other=target, kind=EvidenceKind.REDIRECT, site=SITE, other_site=SITE, witness=SITE),)
        for page in pages[:2]
    ]
    made = [(page, walled(page, words(f"v{n}", 80), edges=edges[n])) for n, page in enumerate(pages[:2])]
    assert "wall" not in record(store, *made)


# --- stores of an earlier version -------------------------------------------------------------------------------------


def as_before(store: SqlStore, pages: Sequence[FetchedPage], *edges: tuple[Edge, ...]) -> None:
    """Record a wall as an earlier version did, which knew nothing of titles."""
    for page, its in zip(pages, edges, strict=True):
        made = article_record(page, title="Subscribe", body=WALL, edges=its)
        store.record_articles([ArticleOutcome(page=page, record=made)])


def test_what_a_wall_gave_is_withdrawn_by_itself(store: SqlStore) -> None:
    pages = ready(store)
    as_before(store, pages, *(names(page) for page in pages))
    assert titles(store) == ["Subscribe"] * 3
    search_all(store)
    assert titles(store) == []
    again = fetched(store)
    assert record(store, *((page, article_record(page, title=page.key)) for page in again)) == ["new"] * 3
    assert titles(store) == sorted(page.key for page in pages)
    assert store.search_walls()


def test_pages_that_one_redirect_led_to_one_article_come_apart(store: SqlStore) -> None:
    pages = ready(store)
    for page in pages:
        served = identity("https://www.example.org/subscribe", TARGET)
        made = article_record(page, title="Subscribe", body=WALL, served=served, edges=names(page))
        store.record_articles([ArticleOutcome(page=page, record=made)])
    assert len(titles(store)) == 1
    search_all(store)
    assert titles(store) == []
    assert len(fetched(store)) == 3


def test_articles_with_one_text_that_say_their_titles_stay(store: SqlStore) -> None:
    pages = ready(store)
    for n, page in enumerate(pages):
        store.record_articles([ArticleOutcome(page=page, record=article_record(page, title=TITLES[n], body=WALL))])
    search_all(store)
    assert titles(store) == sorted(TITLES[:3])
