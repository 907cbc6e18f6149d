"""Counts the articles of a dataset while it is written. Reads records, writes nothing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from aggregator.models.articles import Article
from aggregator.models.pages import PageFacts, Rights

LENGTHS: Final = (50, 100, 200, 400, 800, 1600, 3200)  # upper bounds in words; the last class has none
RIGHTS: Final = (
    "reserve text and data mining",
    "forbid use by AI",
    "name a licence",
    "are free to read",
    "are not free",
)


@dataclass(slots=True, kw_only=True)
class Statistics:
    """The counts of a dataset's articles. `add` is called once for each article."""

    articles: int = 0
    words: int = 0
    duplicates: int = 0
    first: datetime | None = None
    last: datetime | None = None
    days: Counter[str] = field(default_factory=Counter)
    languages: Counter[str] = field(default_factory=Counter)
    feeds: Counter[str] = field(default_factory=Counter)
    lengths: Counter[str] = field(default_factory=Counter)
    quality: Counter[str] = field(default_factory=Counter)
    rights: Counter[str] = field(default_factory=Counter)  # by what a page says: `RIGHTS`
    extractors: Counter[str] = field(default_factory=Counter)

    def add(self, article: Article, words: int) -> None:
        """Count an article, whose body has `words` words.

        The articles must come in the order in which they were first seen.
        """
        self.articles += 1
        self.words += words
        self.duplicates += article.near_duplicate_of is not None
        self.first = self.first or article.first_seen
        self.last = article.first_seen
        self.days[article.first_seen.date().isoformat()] += 1
        self.languages[article.content.language or "unknown"] += 1
        self.feeds[article.feed or "unknown"] += 1
        self.lengths[length_class(words)] += 1
        self.quality.update(article.quality)
        self.rights.update(_said_rights(article.content.facts))
        self.extractors[f"{article.content.extractor_name} {article.content.extractor_version}"] += 1

    def counts(self) -> dict[str, dict[str, int]]:
        """Return the counts by day, language, feed, length in words, quality and rights, each sorted by name."""
        named = {
            "days": self.days,
            "languages": self.languages,
            "feeds": self.feeds,
            "words": self.lengths,
            "quality": self.quality,
            "rights": self.rights,
        }
        return {name: dict(sorted(counter.items())) for name, counter in named.items()}


def _said_rights(facts: PageFacts | None) -> Iterator[str]:
    if facts is None:
        return
    rights = facts.rights or Rights()
    said = (
        rights.tdm_reservation,
        rights.noai,
        facts.licence or rights.licence_url,
        facts.is_free,
        facts.is_free is False,
    )
    yield from (name for name, holds in zip(RIGHTS, said, strict=True) if holds)


def length_class(words: int) -> str:
    """Return the name of the range of lengths to which a number of words belongs.

    >>> length_class(49), length_class(50), length_class(5000)
    ('under 50', '50 to 99', '3200 and more')
    """
    lower = 0
    for upper in LENGTHS:
        if words < upper:
            return f"{lower} to {upper - 1}" if lower else f"under {upper}"
        lower = upper
    return f"{lower} and more"


def length_classes() -> tuple[str, ...]:
    """Return the names that `length_class` gives, the shortest length first."""
    return tuple(length_class(words) for words in (0, *LENGTHS))
