"""Collects the facts about an entry and its article that filter rules test. Pure; knows no rule."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, Literal, get_args
from urllib.parse import unquote

from aggregator.models.articles import Extraction
from aggregator.models.feeds import Entry
from aggregator.text.words import count_words

TextField = Literal["title", "url", "author", "category", "language", "text", "feed"]
TEXT_FIELDS: Final[tuple[TextField, ...]] = get_args(TextField)


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """The known facts about an entry. `texts` has the texts, none empty, that a rule's field is compared with.

    `is_whole` False: the article is not extracted yet, so that a missing fact may still become known.
    """

    texts: Mapping[TextField, tuple[str, ...]]
    words: int | None = None
    age_seconds: float | None = None
    is_whole: bool = False


def facts_of(
    entry: Entry, *, feed: Sequence[str], url: str, first_seen: datetime, content: Extraction | None = None
) -> Facts:
    """Return the facts about an entry, and about its article (`content`) if there is one.

    `feed` is the feed's name and address. If the entry has no title, author, category or date, that of the article is
    used. Language, text and number of words are always the article's. The age is the entry's age at its first sighting,
    so a decision does not change with time.
    """
    texts: dict[TextField, tuple[str, ...]] = {
        "title": (entry.title,),
        "url": tuple({url, unquote(url)}),
        "author": entry.authors,
        "category": entry.categories,
        "feed": tuple(feed),
    }
    published_at = entry.published_at or entry.updated_at
    words = None
    if content is not None:
        texts["title"] = (entry.title or content.title,)
        texts["author"] = entry.authors or content.authors
        texts["category"] = entry.categories or content.tags
        texts["language"] = (content.language,)
        texts["text"] = (content.body,)
        words = count_words(content.body)
        published_at = published_at or _read_time(content.published)
    return Facts(
        texts={field: tuple(filter(None, values)) for field, values in texts.items()},
        words=words,
        age_seconds=None if published_at is None else (first_seen - published_at).total_seconds(),
        is_whole=content is not None,
    )


def _read_time(published: str) -> datetime | None:
    """Return the time of an ISO 8601 text. For a bare day, month or year, return its beginning in UTC."""
    if not published:
        return None
    at = datetime.fromisoformat(published if "T" in published else f"{published}-01-01"[:10])
    return at if at.tzinfo is not None else at.replace(tzinfo=UTC)
