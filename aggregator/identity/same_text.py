"""Decides whether two addresses of one owner (`tenant`) with the same text are one article. Pure.

The evidence is two fetched pages with equal text, title and language, first seen within 14 days, and feeds that
announced both under one title. There is none if the addresses look like those of different articles
(`_says_otherwise`).
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from aggregator.identity.evidence import Edge, is_above
from aggregator.identity.fingerprint import MIN_CHARACTERS, is_unspaced, words_of
from aggregator.identity.section_pages import is_language, is_listing
from aggregator.models.ids import EvidenceKind, Key

MIN_WORDS: Final = 60  # shorter texts are stubs, captions and forecasts
WITHIN: Final = timedelta(days=14)  # between the times when the two were first seen

_GENERIC = re.compile(r"https://([^/?#]+)(/[^?#]*)?", re.DOTALL)
_DATE = re.compile(r"(?:19|20)[0-9]{2}[-/_.]?(?:0[1-9]|1[0-2])[-/_.]?(?:0[1-9]|[12][0-9]|3[01])(?![0-9])")
_OWNER = ("@", "~")  # the first folder of a person's pages begins like this on shared hosts


@dataclass(frozen=True, slots=True, kw_only=True)
class ServedText:
    """The text that was fetched at an address. `feed_titles` are the titles under which feeds announced the address."""

    key: Key
    site: str
    text_hash: bytes
    title_hash: bytes
    language: str
    feed_titles: frozenset[str]
    first_seen: datetime


def is_long_enough(text: str) -> bool:
    """Return whether a text is long enough to prove that two addresses are one article.

    It needs 60 words, or 240 characters in a script that does not separate words. Blanks and punctuation do not count.
    """
    words = words_of(text)
    if is_unspaced("".join(words)):
        return sum(map(len, words)) >= MIN_CHARACTERS
    return len(words) >= MIN_WORDS


def edge_of_same_text(one: ServedText, other: ServedText) -> Edge | None:
    """Return the edge between two addresses; None: their texts do not prove that they are one article."""
    first, second = sorted((one, other), key=lambda served: served.key)
    equal = (first.text_hash, first.title_hash, first.language) == (
        second.text_hash,
        second.title_hash,
        second.language,
    )
    if not equal or first.key == second.key or abs(first.first_seen - second.first_seen) > WITHIN:
        return None
    if tenant(first.key) is None or tenant(first.key) != tenant(second.key) or _says_otherwise(first.key, second.key):
        return None
    if not _share_title(first.feed_titles, second.feed_titles):
        return None
    return Edge(
        key=first.key,
        other=second.key,
        kind=EvidenceKind.SAME_TEXT,
        site=first.site,
        other_site=second.site,
        witness=first.site,
    )


def tenant(key: Key) -> str | None:
    """Return the owner of an address: its host, or a person's folder at the host ("/@ann").

    None: the key is no address, but a publisher's number ("dw:63723431").

    >>> tenant(Key("https://example.org/a/b")), tenant(Key("https://blogs.example/@ann/post"))
    ('example.org', 'blogs.example/@ann')
    """
    match = _GENERIC.match(key)
    if match is None:
        return None
    folder = (match[2] or "/").split("/")[1]
    return f"{match[1]}/{folder}" if folder.startswith(_OWNER) else match[1]


def _says_otherwise(one: Key, other: Key) -> bool:
    """Return whether two addresses look like those of different articles.

    They do if one of them is a listing or the section above the other, if they do not name the same languages ("/de/"),
    or if both contain dates and the dates differ.
    """
    if is_listing(one) or is_listing(other) or is_above(one, other) or is_above(other, one):
        return True
    return _languages(one) != _languages(other) or len({tuple(_DATE.findall(key)) for key in (one, other)} - {()}) > 1


def _languages(key: Key) -> set[str]:
    return {segment for segment in re.split(r"[/?&=]", key.lower()) if is_language(segment)}


def _share_title(ones: Collection[str], others: Collection[str]) -> bool:
    """Return whether a title in `ones` and a title in `others` have the same words, or one contains the other."""
    left, right = ([" ".join(words_of(title.casefold())) for title in titles] for titles in (ones, others))
    return any(a and b and (f" {a} " in f" {b} " or f" {b} " in f" {a} ") for a in left for b in right)
