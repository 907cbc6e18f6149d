"""Tells which articles an export takes. Pure: it tests records that the caller reads."""

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
    """The filters of an export. An empty field takes all articles."""

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
        """Return the filters that are set, as name and value. The names are those of the command's options."""
        wanted = ((one.name, getattr(self, one.name)) for one in fields(self) if getattr(self, one.name) != one.default)
        return {name: _spelled(value) for name, value in wanted}


def _spelled(value: datetime | str | bool) -> str:
    if isinstance(value, datetime):
        return value.isoformat()
    return "yes" if value is True else str(value)


def select(read: Callable[[], Iterable[Article]], wanted: Selection) -> Iterator[Article]:
    """Yield the articles of `read` that `wanted` takes, in the order of `read`: the first seen first.

    `read` is called twice if only the longest of near duplicates is wanted, since the longest is known only at the end.
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
    """Return whether the article passes the filters that need no other article.

    `feed` and `dedup` are not tested: the store applies `feed`, and `dedup` compares all articles.
    """
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
    """Return whether the page reserves text and data mining to its owner, or forbids use by AI."""
    return facts is not None and facts.rights is not None and bool(facts.rights.tdm_reservation or facts.rights.noai)


def speaks(language: str, wanted: str) -> bool:
    """Return whether the language tag `language` belongs to the tag `wanted` (basic filtering, RFC 4647, 3.3.1).

    >>> speaks("en-GB", "en"), speaks("en", "en-GB"), speaks("", "en")
    (True, False, False)
    """
    return f"{language.casefold()}-".startswith(f"{wanted.casefold()}-")


class Clusters:
    """Finds the cluster of each article: the group of its near duplicates.

    The articles must come in the order in which they were first seen.
    """

    def __init__(self) -> None:
        self._groups: dict[ArticleId, ArticleId] = {}

    def group_of(self, article: Article) -> ArticleId:
        """Return the id of the first article in the group (cluster) of `article`."""
        near = article.near_duplicate_of
        if near is None:
            return article.id
        group = self._groups[article.id] = self._groups.get(near, near)
        return group


def earliest_of_each_cluster(articles: Iterable[Article]) -> Iterator[Article]:
    """Yield the first article of each cluster. An article without near duplicates is a cluster of its own."""
    clusters = Clusters()
    given: set[ArticleId] = set()
    for article in articles:
        group = clusters.group_of(article)
        if group not in given:
            given.add(group)
            yield article


def longest_of_each_cluster(read: Callable[[], Iterable[Article]]) -> Iterator[Article]:
    """Yield the article with the longest body of each cluster; if several are as long, the earliest.

    An article without near duplicates is a cluster of its own.
    """
    clusters = Clusters()
    longest: dict[ArticleId, tuple[int, ArticleId]] = {}
    for article in read():
        group, length = clusters.group_of(article), len(article.content.body)
        if group not in longest or length > longest[group][0]:
            longest[group] = (length, article.id)
    chosen = {article_id for _, article_id in longest.values()}
    yield from (article for article in read() if article.id in chosen)
