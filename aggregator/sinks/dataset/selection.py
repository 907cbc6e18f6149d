"""Selects the articles of an export. Pure: it tests records, and reads none."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Literal

from aggregator.models.articles import Article
from aggregator.models.ids import ArticleId
from aggregator.models.pages import PageFacts

Dedup = Literal["none", "cluster", "longest"]
QualityChoice = Literal["any", "strict"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """The filters of an export; an empty field does not filter."""

    since: datetime | None = None  # first seen at or after
    until: datetime | None = None  # first seen before
    feed: str = ""  # name or URL
    tag: str = ""
    language: str = ""  # a code such as "en"; "en" takes "en-GB", too
    category: str = ""
    free: bool = False  # only articles that everybody may read, as the page states
    rights: bool = False  # leave out articles that reserve mining or forbid AI use
    dedup: Dedup = "none"
    quality: QualityChoice = "any"

    def as_facts(self) -> dict[str, str]:
        """Return the filters that are set, by their names on the command line."""
        wanted = ((one.name, getattr(self, one.name)) for one in fields(self) if getattr(self, one.name) != one.default)
        return {name: _spelled(value) for name, value in wanted}


def _spelled(value: datetime | str | bool) -> str:
    if isinstance(value, datetime):
        return value.isoformat()
    return "yes" if value is True else str(value)


def select(read: Callable[[], Iterable[Article]], wanted: Selection) -> Iterator[Article]:
    """Yield the articles that `wanted` selects, in the order of `read`: by first sighting.

    If the longest of near duplicates is wanted, `read` is called twice: only after all articles the longest is known.
    """

    def taken() -> Iterator[Article]:
        return (article for article in read() if is_selected(article, wanted))

    match wanted.dedup:
        case "none":
            return taken()
        case "cluster":
            return earliest_of_each_cluster(taken())
        case "longest":
            return longest_of_each_cluster(taken)


def is_selected(article: Article, wanted: Selection) -> bool:
    """Return whether an article passes all filters except `dedup`, since `dedup` compares all articles."""
    facts = article.content.facts
    return (
        (wanted.since is None or article.first_seen >= wanted.since)
        and (wanted.until is None or article.first_seen < wanted.until)
        and (not wanted.tag or wanted.tag in article.tags)
        and (not wanted.language or speaks(article.content.language, wanted.language))
        and (not wanted.category or wanted.category in article.content.tags)
        and (not wanted.free or (facts is not None and facts.is_free is True))
        and (not wanted.rights or not is_reserved(facts))
        and (wanted.quality == "any" or not article.quality)
    )


def is_reserved(facts: PageFacts | None) -> bool:
    """Return whether a page reserves text and data mining, or forbids AI use."""
    return facts is not None and facts.rights is not None and bool(facts.rights.tdm_reservation or facts.rights.noai)


def speaks(language: str, wanted: str) -> bool:
    """Return whether a language tag is in the wanted range (RFC 4647, 3.3.1).

    >>> speaks("en-GB", "en"), speaks("en", "en-GB"), speaks("", "en")
    (True, False, False)
    """
    return f"{language.casefold()}-".startswith(f"{wanted.casefold()}-")


class Clusters:
    """Groups of articles that repeat one another nearly word for word. Add articles by first sighting."""

    def __init__(self) -> None:
        self._groups: dict[ArticleId, ArticleId] = {}

    def group_of(self, article: Article) -> ArticleId:
        """Return the id that identifies an article's group."""
        near = article.near_duplicate_of
        if near is None:
            return article.id
        group = self._groups[article.id] = self._groups.get(near, near)
        return group


def earliest_of_each_cluster(articles: Iterable[Article]) -> Iterator[Article]:
    """Yield the articles that repeat no earlier article."""
    clusters = Clusters()
    given: set[ArticleId] = set()
    for article in articles:
        group = clusters.group_of(article)
        if group not in given:
            given.add(group)
            yield article


def longest_of_each_cluster(read: Callable[[], Iterable[Article]]) -> Iterator[Article]:
    """Yield the article with the longest body of each cluster. If several are equally long, the earliest is taken."""
    clusters = Clusters()
    longest: dict[ArticleId, tuple[int, ArticleId]] = {}
    for article in read():
        group, length = clusters.group_of(article), len(article.content.body)
        if group not in longest or length > longest[group][0]:
            longest[group] = (length, article.id)
    chosen = {article_id for _, article_id in longest.values()}
    yield from (article for article in read() if article.id in chosen)
