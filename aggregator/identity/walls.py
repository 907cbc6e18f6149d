"""Recognises walls: one document at many addresses, such as a subscription wall, a bot check, a holding page. Pure.

A feed gives each entry a title, and the title does not come from the page. So a page that does not contain its entry's
title may be a wall. If two such pages share a document (a text, or the target of a redirect or `rel=canonical`), and
their entries have different titles, the document is a wall. The article of a page that contains its entry's title is
at most marked as doubtful.
"""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from hashlib import blake2b
from itertools import pairwise

from aggregator.identity.fingerprint import is_unspaced, words_of

_LONG = 4  # letters; shorter words stand in every text
_STEM = 5  # letters of a word that are compared; its ending changes with the sentence
_ONE_TEXT = 0.75  # the share of the words of the shorter text
_SHARE = 0.5  # the share of a title's long words that a text of the same subject has
_SKETCH = 16  # hashes in the sample of a text
MOST_OF_SKETCH = 9  # with so many equal hashes, at least three fifths of the pairs of words are the same
_FEWEST_PAIRS = 16  # captions are shorter
_BITS = (1 << 64) - 1


class Resemblance(StrEnum):
    """How much of an entry's title its page contains."""

    SAYS = "says"  # the title itself, or another version of the headline
    ECHOES = "echoes"  # half of its words or more
    NOTHING = "nothing"


def compare_title(announced: str, title: str, body: str) -> Resemblance:
    """Return how much of the announced title a page with this title and body contains.

    An announced title without words counts as contained.

    >>> compare_title("Council votes on bridge", "Council votes on harbour bridge", "").value
    'says'
    >>> compare_title("Council votes on bridge", "Subscribe", "Read without limits.").value
    'nothing'
    """
    wanted = _tokens(announced)
    if not wanted or are_versions(announced, title):
        return Resemblance.SAYS
    own, text = _tokens(title), _tokens(body)
    if _contains(own, wanted) or (len(wanted) > 1 and _contains(text, wanted)):
        return Resemblance.SAYS
    long_words = _long_words(wanted)
    said = {token[:_STEM] for token in (*own, *text)}
    share = sum(token[:_STEM] in said for token in long_words) / len(long_words)
    return Resemblance.ECHOES if share >= _SHARE else Resemblance.NOTHING


def states_title(announced: str, titles: Iterable[str]) -> bool:
    """Return whether one of a page's `titles` contains the announced title, or at least half of its long words."""
    return any(compare_title(announced, title, "") is not Resemblance.NOTHING for title in titles)


@lru_cache(maxsize=1024)
def are_versions(one: str, other: str) -> bool:
    """Return whether two titles are versions of one headline: most words are equal, and all numbers.

    >>> are_versions("Storm kills two", "Storm kills three"), are_versions("Storm kills two", "Parliament votes")
    (True, False)
    >>> are_versions("Our podcast, part 1", "Our podcast, part 2")
    False
    """
    left, right = set(_tokens(one)), set(_tokens(other))
    if {token for token in left if token.isdigit()} != {token for token in right if token.isdigit()}:
        return False
    return 2 * len(left & right) > max(len(left), len(right))


def is_wall(announced: Iterable[Collection[str]]) -> bool:
    """Return whether one document, found at several addresses, is a wall.

    `announced` has for each address the titles under which feeds announced it. Addresses whose titles
    are versions of one headline count as one, those without a title as none. It is a wall if at least two remain.
    """
    groups: list[list[str]] = []
    for titles in sorted({tuple(sorted({title for title in titles if _tokens(title)})) for titles in announced}):
        if not titles:
            continue
        near = [group for group in groups if any(are_versions(a, b) for a in titles for b in group)]
        groups = [group for group in groups if group not in near]
        groups.append([*titles, *(title for group in near for title in group)])
    return len(groups) > 1


@dataclass(frozen=True, slots=True, kw_only=True)
class AnnouncedPage:
    """Title and body of a page, and the titles under which feeds announced its address (`announced`)."""

    announced: frozenset[str]
    title: str
    body: str


def may_be_one(one: AnnouncedPage, other: AnnouncedPage) -> bool:
    """Return whether the titles of two pages allow that they are one article. If not, only a wall can have joined them.

    A page's announced titles are those that feeds gave it. They allow it if a page has none, if the pages have one in
    common, or if a page contains an announced title of the other. They also allow it if the pages' own titles are
    equal, their announced titles are versions of one headline, and a page contains at least half of the long words of
    its own announced title.
    """
    left, right = ({_tokens(title) for title in page.announced} - {()} for page in (one, other))
    if not left or not right or left & right:
        return True
    if any(_says(one, title) for title in right) or any(_says(other, title) for title in left):
        return True
    return (
        _tokens(one.title) == _tokens(other.title)
        and any(are_versions(a, b) for a in one.announced for b in other.announced)
        and any(
            compare_title(title, page.title, page.body) is not Resemblance.NOTHING
            for page in (one, other)
            for title in page.announced
        )
    )


def resemble(one: str, other: str) -> bool:
    """Return whether at least three quarters of the words of the shorter text are in the other text.

    A word counts as often as both texts have it.

    >>> resemble(
    ...     "Subscribe to read: Storm. It is easy and cheap, and helps us.",
    ...     "Subscribe to read: Bridge. It is easy and cheap, and helps us.",
    ... )
    True
    """
    left, right = Counter(_tokens(one)), Counter(_tokens(other))
    return (left & right).total() >= _ONE_TEXT * min(left.total(), right.total())


def sketch_of(text: str) -> frozenset[bytes]:
    """Return a sample of a text, which has many hashes in common with the sample of a similar text.

    It is empty if the text is very short. The method is MinHash over pairs of neighbouring words (A. Broder, On the
    resemblance and containment of documents, 1997).

    >>> wall = "Read without limits, today and every day. You have {} articles left; then subscribe, as many have done."
    >>> len(sketch_of(wall.format(5)) & sketch_of(wall.format(4))) >= MOST_OF_SKETCH
    True
    """
    tokens = _tokens(text)
    pairs = {_number(f"{one} {other}") for one, other in pairwise(tokens)}
    if len(pairs) < _FEWEST_PAIRS:
        return frozenset()
    first = (min(pair * order & _BITS for pair in pairs) for order in _ORDERS)
    return frozenset(blake2b(f"{n} {pair}".encode(), digest_size=16).digest() for n, pair in enumerate(first))


def _number(text: str) -> int:
    return int.from_bytes(blake2b(text.encode("utf-8", "replace"), digest_size=8).digest(), "big")


_ORDERS = tuple(_number(f"order {n}") | 1 for n in range(_SKETCH))


def _says(page: AnnouncedPage, wanted: Sequence[str]) -> bool:
    return _contains(_tokens(page.title), wanted) or (len(wanted) > 1 and _contains(_tokens(page.body), wanted))


def _tokens(text: str) -> tuple[str, ...]:
    """Return the words of a text in lower case, or its pairs of characters if its script does not separate words."""
    normalised = unicodedata.normalize("NFKC", text).casefold()
    words = words_of(normalised)
    if not is_unspaced(normalised):
        return tuple(words)
    joined = "".join(words)
    return tuple(joined[at : at + 2] for at in range(max(len(joined) - 1, 1)) if joined)


def _long_words(tokens: Sequence[str]) -> tuple[str, ...]:
    """Return the long words and the numbers of a title; all words if there are none."""
    return tuple(t for t in tokens if len(t) >= _LONG or t.isdigit()) or tuple(tokens)


def _contains(text: Sequence[str], wanted: Sequence[str]) -> bool:
    size = len(wanted)
    return any(tuple(text[at : at + size]) == wanted for at in range(len(text) - size + 1) if text[at] == wanted[0])
