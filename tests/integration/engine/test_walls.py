"""Every kind of wall, for one run, over the first revisit, for a week: nothing of it is an article, nothing is lost."""

from __future__ import annotations

from datetime import timedelta

import pytest

from tests.support.citizen import html_page
from tests.support.databases import ReusedStore
from tests.support.walls import DECLARATIONS, HOST, PATHS, TEXTS, TITLES, PlayedRun, PlayedSite, Shape, wall_page

DURATIONS = {"one run": (0,), "over the first revisit": (0, 7), "a week": (0, 7, 65, 96)}
FEW = 5  # entries where no number of them matters
AFTER = timedelta(hours=49)  # more than the longest back-off of these durations


def check_all_articles(run: PlayedRun, site: PlayedSite) -> None:
    """Each entry is one article at its own address, and nothing else is there."""
    assert {article.url: article.content.title for article in run.store.articles()} == {
        HOST + path: title for path, title in zip(PATHS[: site.shown], TITLES, strict=False)
    }
    assert {article.revision for article in run.store.articles()} == {1}
    assert sorted(site.asked) == sorted(PATHS[: site.shown])
    assert not run.store.failed_pages()


# Every two values meet in those without the mark; the soak tests try all three together.
COMBINATIONS = [
    pytest.param(text, declares, duration, marks=[] if (row + column) % len(DURATIONS) == number else pytest.mark.soak)
    for row, text in enumerate(TEXTS)
    for column, declares in enumerate(DECLARATIONS)
    for number, duration in enumerate(DURATIONS)
]


@pytest.mark.parametrize(("text", "declares", "duration"), COMBINATIONS)
def test_a_wall_is_no_article_and_what_stood_behind_it_is_collected(
    reused: ReusedStore, text: str, declares: str, duration: str
) -> None:
    entries = len(PATHS) if duration == "one run" and reused.url.startswith("sqlite") else FEW
    site = PlayedSite(text, declares, shown=entries)
    run = PlayedRun(reused.empty(), reused.clock, site)
    for hours in DURATIONS[duration]:
        run.run(after=timedelta(hours=hours))
        assert run.titles == []
    site.stands = False
    run.run(after=AFTER)
    check_all_articles(run, site)


@pytest.mark.parametrize("declares", DECLARATIONS)
@pytest.mark.parametrize("text", TEXTS)
def test_what_was_published_of_a_wall_is_withdrawn_with_its_second_address(
    reused: ReusedStore, text: str, declares: str
) -> None:
    site = PlayedSite(text, declares, shown=1)
    run = PlayedRun(reused.empty(), reused.clock, site)
    run.run()
    run.store.number_changes()
    published = list(run.store.articles())
    site.shown = FEW
    run.run(after=timedelta(hours=1))
    assert run.titles == []
    run.store.number_changes()
    kinds = [(change.article_id, change.kind) for change in run.store.changes_after(0, 100)]
    assert kinds == [(article.id, kind) for article in published for kind in ("new", "withdrawn")]
    site.stands = False
    run.run(after=AFTER)
    check_all_articles(run, site)


@pytest.mark.parametrize("declares", DECLARATIONS)
def test_a_wall_that_repeats_titles_is_in_doubt_and_nothing_of_it_is_left(reused: ReusedStore, declares: str) -> None:
    site = PlayedSite("subscription", declares, shown=FEW, echoes=True)
    run = PlayedRun(reused.empty(), reused.clock, site)
    run.run()
    standing = list(run.store.articles())
    assert len(standing) == (0 if declares == "redirect" else FEW)  # one address has one article
    assert {article.quality for article in standing} <= {("fragment",)}
    site.stands = False
    run.run(after=timedelta(hours=7))
    assert {article.url: (article.content.title, article.quality) for article in run.store.articles()} == {
        HOST + path: (title, ()) for path, title in zip(PATHS[:FEW], TITLES, strict=False)
    }


@pytest.mark.parametrize("revisit", [(), (timedelta(hours=6),)], ids=["no revisits", "one revisit"])
@pytest.mark.parametrize("declares", DECLARATIONS)
def test_a_wall_that_repeats_titles_is_asked_again_until_it_falls(
    reused: ReusedStore, declares: str, revisit: tuple[timedelta, ...]
) -> None:
    site = PlayedSite("subscription", declares, shown=FEW, echoes=True)
    run = PlayedRun(reused.empty(), reused.clock, site, revisit)
    for hours in (0, 7, 19, 50):
        run.run(after=timedelta(hours=hours))
    site.stands = False
    run.run(after=timedelta(days=5))
    assert {article.url: (article.content.title, article.quality) for article in run.store.articles()} == {
        HOST + path: (title, ()) for path, title in zip(PATHS[:FEW], TITLES, strict=False)
    }


@pytest.mark.parametrize("target", ["", "/subscribe", "/subscribe?return=0"])
def test_a_wall_in_front_of_one_entry_is_asked_again_until_it_falls(reused: ReusedStore, target: str) -> None:
    """It cannot be told from an article, but it says nothing of its title."""
    site = PlayedSite(shown=1, shape=lambda number, request: (wall_page("subscription", "none"), target))
    run = PlayedRun(reused.empty(), reused.clock, site, ())
    for hours in (0, 7, 19, 50):
        run.run(after=timedelta(hours=hours))
    site.stands = False
    run.run(after=timedelta(days=5))
    assert {article.url: article.content.title for article in run.store.articles()} == {HOST + PATHS[0]: TITLES[0]}


def test_an_article_in_doubt_is_asked_again_no_more_than_five_times(reused: ReusedStore) -> None:
    text = f"<p>{'Every week two of us talk about what happened in our town. ' * 8}</p>"
    site = PlayedSite(shown=2, shape=lambda number, request: (html_page(TITLES[number], text), ""))
    run = PlayedRun(reused.empty(), reused.clock, site, ())
    for _ in range(40):
        run.run(after=timedelta(days=1))
    assert run.titles == sorted(TITLES[:2])
    assert site.requests == 2 * (1 + 5)


def test_podcasts_named_in_the_head_alone_are_no_wall(reused: ReusedStore) -> None:
    """The headline of each page is the name of the show, and all have one description."""
    text = f"<p>{'Every week two of us talk about what happened in our town. ' * 8}</p>"

    def show(number: int, request: int) -> tuple[bytes, str]:
        page = html_page("The Show", text, '<link rel="canonical" href="/the-show">')
        return page.replace(b"<title>", f"<title>{TITLES[number]} - ".encode()), ""

    run = PlayedRun(reused.empty(), reused.clock, PlayedSite(shown=FEW, shape=show))
    run.run()
    assert {article.url for article in run.store.articles()} == {HOST + path for path in PATHS[:FEW]}
    assert {article.quality for article in run.store.articles()} == {("fragment",)}
    assert not run.store.failed_pages()


_SUBSCRIBE = TEXTS["subscription"][1]
SHAPES: dict[str, Shape] = {
    "a counter": lambda number, request: (_page(f"{_SUBSCRIBE} You have {9 - number} left."), ""),
    "a number of the visit": lambda number, request: (_page(f"{_SUBSCRIBE} Visit {request * 7_919_333:x}."), ""),
    "the time": lambda number, request: (_page(f"{_SUBSCRIBE} It is 12:{10 + request} on this day."), ""),
    "the address": lambda number, request: (_page(f"{_SUBSCRIBE} You asked for {HOST}{PATHS[number]}."), ""),
    "the latest": lambda number, request: (_page(f"{_SUBSCRIBE} Most read: {TITLES[10 + number]}."), ""),
    "one of two": lambda number, request: (wall_page(("subscription", "app")[number % 2], "none"), ""),
    "a counter, led there": lambda number, request: (_page(f"{_SUBSCRIBE} You have {number}."), f"/to?from={number}"),
    "a counter, one target": lambda number, request: (_page(f"{_SUBSCRIBE} You have {number} left."), "/to"),
}


def _page(text: str) -> bytes:
    return html_page("Subscribe now", f"<p>{text}</p>")


@pytest.mark.parametrize("shape", SHAPES)
def test_a_wall_whose_words_differ_in_few_is_none_the_less_one(reused: ReusedStore, shape: str) -> None:
    site = PlayedSite(shown=4, shape=SHAPES[shape])
    run = PlayedRun(reused.empty(), reused.clock, site)
    for hours in (0, 7):
        run.run(after=timedelta(hours=hours))
        assert run.titles == []
    site.stands = False
    run.run(after=AFTER)
    check_all_articles(run, site)


def test_captions_that_differ_in_few_words_are_no_wall(reused: ReusedStore) -> None:
    """They are shorter than walls, and the entries are named after something else."""
    caption = "By our artist, drawn on day {} for you, all rights are with the paper."
    site = PlayedSite(shown=3, shape=lambda number, request: (_page(caption.format(number)), ""))
    run = PlayedRun(reused.empty(), reused.clock, site)
    run.run()
    assert len(run.titles) == 3


def test_nothing_of_an_article_is_lost_by_a_wall_in_front_of_it(reused: ReusedStore) -> None:
    """It is the only entry of its feed, so the wall stands at no second address."""
    site = PlayedSite("subscription", "canonical", stands=False, shown=1)
    run = PlayedRun(reused.empty(), reused.clock, site)
    run.run()
    before = list(run.store.articles())
    site.stands = True
    for hours in (7, 20, 50):
        run.run(after=timedelta(hours=hours))
        assert list(run.store.articles()) == before
    site.stands = False
    run.run(after=AFTER)
    assert list(run.store.articles()) == before
    assert not run.store.failed_pages()
