"""Which articles an export holds. Pure: it decides about records, and reads none."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from aggregator.models.articles import Article
from aggregator.models.ids import ArticleId
from aggregator.models.pages import PageFacts

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
    category: str = ""
    free: bool = False  # only what everybody may read, as the page states
    rights: bool = False  # leave out what reserves mining or forbids AI use
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
            "category": self.category,
            "free": "yes" if self.free else "",
            "rights": "yes" if self.rights else "",
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
