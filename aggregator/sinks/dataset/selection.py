"""Which articles an export holds. Pure: it decides about records, and reads none."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from aggregator.models.articles import Article
from aggregator.models.ids import ArticleId

Dedup = Literal["none", "cluster"]
QualityChoice = Literal["any", "strict"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """The filters of an export; an empty field does not filter."""

    since: datetime | None = None  # first seen at or after
    until: datetime | None = None  # first seen before
    feed: str = ""  # name or URL
    tag: str = ""
    language: str = ""  # a code such as "en"; "en" takes "en-GB", too
    dedup: Dedup = "none"
    quality: QualityChoice = "any"

    def as_facts(self) -> dict[str, str]:
        """Return the filters that are set, by their names on the command line."""
        facts = {
            "since": self.since.isoformat() if self.since else "",
            "until": self.until.isoformat() if self.until else "",
            "feed": self.feed,
            "tag": self.tag,
            "language": self.language,
            "dedup": "" if self.dedup == "none" else self.dedup,
            "quality": "" if self.quality == "any" else self.quality,
        }
        return {name: value for name, value in facts.items() if value}


def select(articles: Iterable[Article], wanted: Selection) -> Iterator[Article]:
    """Yield those that `wanted` takes, in the order given: by first sighting."""
    taken = (article for article in articles if is_selected(article, wanted))
    return one_of_each_cluster(taken) if wanted.dedup == "cluster" else taken


def is_selected(article: Article, wanted: Selection) -> bool:
    """Return whether one article passes the filters; near duplicates need a look at all."""
    return (
        (wanted.since is None or article.first_seen >= wanted.since)
        and (wanted.until is None or article.first_seen < wanted.until)
        and (not wanted.tag or wanted.tag in article.tags)
        and (not wanted.language or speaks(article.content.language, wanted.language))
        and (wanted.quality == "any" or not article.quality)
    )


def speaks(language: str, wanted: str) -> bool:
    """Return whether a language tag lies within the wanted range (RFC 4647, 3.3.1).

    >>> speaks("en-GB", "en"), speaks("en", "en-GB"), speaks("", "en")
    (True, False, False)
    """
    return f"{language.casefold()}-".startswith(f"{wanted.casefold()}-")


def one_of_each_cluster(articles: Iterable[Article]) -> Iterator[Article]:
    """Leave out each article that repeats, nearly word for word, one that was already yielded."""
    cluster_of: dict[ArticleId, ArticleId] = {}
    given: set[ArticleId] = set()
    for article in articles:
        near = article.near_duplicate_of
        cluster = article.id if near is None else cluster_of.get(near, near)
        if near is not None:
            cluster_of[article.id] = cluster
        if cluster not in given:
            given.add(cluster)
            yield article
