"""Which articles an export holds."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from aggregator.models.articles import Article
from aggregator.models.ids import ArticleId
from aggregator.models.pages import PageFacts, Rights
from aggregator.sinks.dataset.selection import Selection, is_selected, select
from tests.support.articles import NOW, article, content

HOUR = timedelta(hours=1)
FACTS = PageFacts(is_free=True, rights=Rights(noai=True))


@pytest.mark.parametrize(
    ("wanted", "taken"),
    [
        (Selection(), True),
        (Selection(since=NOW), True),
        (Selection(since=NOW + HOUR), False),
        (Selection(until=NOW), False),
        (Selection(until=NOW + HOUR), True),
        (Selection(tag="news"), True),
        (Selection(tag="sport"), False),
        (Selection(language="en"), True),
        (Selection(language="EN-gb"), True),
        (Selection(language="en-US"), False),
        (Selection(language="e"), False),
        (Selection(quality="strict"), False),
        (Selection(category="ships"), True),
        (Selection(category="sea"), False),
        (Selection(free=True), True),
        (Selection(rights=True), False),
    ],
)
def test_filters(wanted: Selection, taken: bool) -> None:
    one = article(content=content(language="en-GB", tags=("ships",), facts=FACTS), quality=("too_short",))
    assert is_selected(one, wanted) is taken


@pytest.mark.parametrize("facts", [None, PageFacts(), PageFacts(rights=Rights(tdm_reservation=False))])
def test_what_reserves_nothing_is_taken_and_unknown_access_is_not_free(facts: PageFacts | None) -> None:
    one = article(content=content(facts=facts))
    assert is_selected(one, Selection(rights=True))
    assert not is_selected(one, Selection(free=True))


def test_an_article_without_reasons_is_strict_quality() -> None:
    assert is_selected(article(), Selection(quality="strict"))


def named(name: str, near: str | None = None) -> Article:
    return replace(article(ArticleId(name)), near_duplicate_of=None if near is None else ArticleId(near))


def test_a_cluster_gives_its_earliest_selected_article() -> None:
    found = [named("a"), named("b", "a"), named("c", "b"), named("d"), named("e", "x"), named("f", "e")]
    assert [one.id for one in select(lambda: found, Selection(dedup="cluster"))] == ["a", "d", "e"]
    assert len(list(select(lambda: found, Selection()))) == 6


def test_the_longest_of_a_cluster_is_given_in_its_place() -> None:
    lengths = {"a": 3, "b": 5, "c": 5, "d": 1, "e": 2, "f": 2}
    found = [
        replace(one, content=content(body="x" * lengths[one.id]))
        for one in (named("a"), named("d"), named("b", "a"), named("c", "b"), named("e", "x"), named("f", "x"))
    ]
    assert [one.id for one in select(lambda: found, Selection(dedup="longest"))] == ["d", "b", "e"]


def test_facts_name_what_is_set() -> None:
    wanted = Selection(since=NOW, language="de", dedup="cluster", quality="strict", free=True, rights=True)
    assert wanted.as_facts() == {
        "since": "2026-11-23T12:00:00+00:00",
        "language": "de",
        "free": "yes",
        "rights": "yes",
        "dedup": "cluster",
        "quality": "strict",
    }
