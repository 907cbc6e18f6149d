"""Pages that answer many addresses with one document: a subscription wall, a bot check, a holding page. Pure.

A feed gives every entry its title, and that title comes from another document than the page. So a page that says
nothing of its entry's title is in doubt, and a text (or the target of a redirect, or a canonical address) that stands
at two such addresses with different titles is a wall. A page that says the title is never one, whatever else it says.
"""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache

from aggregator.identity.fingerprint import is_unspaced, words_of

_LONG = 4  # letters; shorter words stand in every text
_STEM = 5  # letters; an ending changes with the sentence
_ONE_TEXT = 0.75  # of the words of the shorter text
_SHARE = 0.5  # of a title's long words: a text with as many may be about the same thing


class Resemblance(StrEnum):
    """How much of its entry's title a page says."""

    SAYS = "says"  # the title itself, or another version of the headline
    ECHOES = "echoes"  # half of its words or more
    NOTHING = "nothing"


def compare_title(announced: str, title: str, body: str) -> Resemblance:
    """Return how much of the announced title a page with this title and body says; of an empty one it says all.

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
    """Say whether one of the titles that a page states anywhere says something of the announced one."""
    return any(compare_title(announced, title, "") is not Resemblance.NOTHING for title in titles)


@lru_cache(maxsize=1024)
def are_versions(one: str, other: str) -> bool:
    """Say whether two titles are versions of one headline: most of their words are the same, and all numbers.

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
    """Say whether one document at several addresses is a wall; given are the titles announced for each address.

    The addresses are no wall as long as their titles lead from one to the next as versions of one headline. An address
    without a title says nothing.
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
    """What stands at an address, and the titles under which feeds announced it."""

    announced: frozenset[str]
    title: str
    body: str


def may_be_one(one: AnnouncedPage, other: AnnouncedPage) -> bool:
    """Say whether two pages may be one article, as far as their titles tell; False: only a wall may have joined them.

    They may be one under one title, when a page says the title of the other's entry, or when they have one title and
    were announced by versions of one headline of which the page says something.
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
    """Say whether two texts are one but for a few words: most words of the shorter one stand in the other as often.

    >>> resemble(
    ...     "Subscribe to read: Storm. It is easy and cheap, and helps us.",
    ...     "Subscribe to read: Bridge. It is easy and cheap, and helps us.",
    ... )
    True
    """
    left, right = Counter(_tokens(one)), Counter(_tokens(other))
    return (left & right).total() >= _ONE_TEXT * min(left.total(), right.total())


def _says(page: AnnouncedPage, wanted: Sequence[str]) -> bool:
    return _contains(_tokens(page.title), wanted) or (len(wanted) > 1 and _contains(_tokens(page.body), wanted))


def _tokens(text: str) -> tuple[str, ...]:
    """Return the words of a text; pairs of characters where the script does not separate words."""
    normalised = unicodedata.normalize("NFKC", text).casefold()
    words = words_of(normalised)
    if not is_unspaced(normalised):
        return tuple(words)
    joined = "".join(words)
    return tuple(joined[at : at + 2] for at in range(max(len(joined) - 1, 1)) if joined)


def _long_words(tokens: Sequence[str]) -> tuple[str, ...]:
    """Return the words that say what a title is about; all of them where there is no long one."""
    return tuple(t for t in tokens if len(t) >= _LONG or t.isdigit()) or tuple(tokens)


def _contains(text: Sequence[str], wanted: Sequence[str]) -> bool:
    size = len(wanted)
    return any(tuple(text[at : at + size]) == wanted for at in range(len(text) - size + 1) if text[at] == wanted[0])
