"""Every kind of wall, for one run, over the first revisit, for a week: nothing of it is an article, nothing is lost."""

from __future__ import annotations

from datetime import timedelta

import pytest

from tests.support.citizen import html_page
from tests.support.databases import ReusedStore
from tests.support.walls import DECLARATIONS, HOST, PATHS, TEXTS, TITLES, PlayedRun, PlayedSite, wall_page

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


@pytest.mark.parametrize("duration", DURATIONS)
@pytest.mark.parametrize("declares", DECLARATIONS)
@pytest.mark.parametrize("text", TEXTS)
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
    assert len(standing) == (1 if declares == "redirect" else FEW)
    assert {article.quality for article in standing} == {("fragment",)}
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
