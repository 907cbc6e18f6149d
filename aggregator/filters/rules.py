"""The rules of `keep` and `skip`, and the tests of their fields. Pure. A test takes time linear in its text."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from aggregator.filters.facts import Facts, TextField
from aggregator.identity.patterns import Pattern, compile_search
from aggregator.text.units import parse_duration
from aggregator.text.words import count_unspaced

PATTERN: Final = "re:"
_LANGUAGE: Final = re.compile(r"[a-z]{2,3}(?:-[a-z0-9]{2,8})*")


@dataclass(frozen=True, slots=True)
class Words:
    """A test of a text: it must contain these words one after the other, in upper or lower case."""

    folded: str

    def is_in(self, text: str) -> bool:
        """Return whether the text contains the words. They must be whole words if their script separates words."""
        folded = _fold(text)
        at = folded.find(self.folded)
        while at >= 0:
            end = at + len(self.folded)
            if not _is_within_word(folded, at) and not _is_within_word(folded, end):
                return True
            at = folded.find(self.folded, at + 1)
        return False


@dataclass(frozen=True, slots=True)
class Substring:
    """A test of an address: it must contain these characters, in upper or lower case."""

    folded: str

    def is_in(self, text: str) -> bool:
        """Return whether `text` contains the characters."""
        return self.folded in _fold(text)


@dataclass(frozen=True, slots=True)
class Language:
    """A test of a language tag. `code` "pt" also fits "pt-BR"."""

    code: str

    def is_in(self, text: str) -> bool:
        """Return whether `text` is `code`, or `code` followed by a region or another subtag."""
        code = text.lower()
        return code == self.code or code.startswith(f"{self.code}-")


@dataclass(frozen=True, slots=True)
class Bound:
    """A test of a number of words or seconds: it must be below or above `limit`."""

    is_below: bool
    limit: float

    def is_met(self, value: float) -> bool:
        """Return whether `value` is below `limit`, or above it if `is_below` is False."""
        return value < self.limit if self.is_below else value > self.limit


TextTest = Words | Substring | Language | Pattern


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One rule of `keep` or `skip`. It fits an entry if all of its tests do.

    `name` is shown in listings, and `place` is where the rule is written in the configuration.
    """

    name: str
    place: str
    texts: tuple[tuple[TextField, TextTest], ...] = ()
    words: Bound | None = None
    age: Bound | None = None

    def fits(self, facts: Facts) -> bool | None:
        """Return whether the rule fits an entry with these facts; None: the article must be fetched first."""
        answers = [_fits_text(test, facts.texts.get(field, ()), facts) for field, test in self.texts]
        answers += [
            _fits_bound(bound, value, facts)
            for bound, value in ((self.words, facts.words), (self.age, facts.age_seconds))
            if bound is not None
        ]
        return False if False in answers else None if None in answers else True


def _fits_text(test: TextTest, values: Sequence[str], facts: Facts) -> bool | None:
    if not values and not facts.is_whole:
        return None
    return any(test.is_in(value) for value in values)


def _fits_bound(bound: Bound, value: float | None, facts: Facts) -> bool | None:
    if value is None:
        return False if facts.is_whole else None
    return bound.is_met(value)


# --- reading rules ----------------------------------------------------------------------------------------------------


def read_test(field: TextField, written: str) -> TextTest:
    """Return the test that a rule has for a field, from its text: `re:` and a pattern, or plain words.

    Raises:
        ValueError: `written` is empty, no valid pattern, or no language code; the message is the remedy.
    """
    if written.startswith(PATTERN):
        return compile_search(written.removeprefix(PATTERN))
    folded = _fold(written).strip()
    if not folded:
        raise ValueError('is empty; write words, or "re:" and a pattern')
    if field == "url":
        return Substring(folded)
    if field == "language":
        if not _LANGUAGE.fullmatch(folded.replace("_", "-")):
            raise ValueError('is no code of a language; write one such as "de" or "pt-br"')
        return Language(folded.replace("_", "-"))
    return Words(folded)


def read_words(written: str) -> Bound:
    """Return the test of the number of words that `written` ("<80" or ">2000") means.

    Raises:
        ValueError: `written` has another form; the message is the remedy.
    """
    found = re.fullmatch(r"([<>])\s*([0-9]{1,9})", written.strip())
    if found is None:
        raise ValueError('is no bound of words; write "<80" or ">2000"')
    return Bound(found[1] == "<", int(found[2]))


def read_age(written: str) -> Bound:
    """Return the bound of an article's age, in seconds, that a rule states as ">30d" or "<2h" (`written`).

    Raises:
        ValueError: `written` has another form; the message is the remedy.
    """
    found = re.fullmatch(r"([<>])\s*(\S+)", written.strip())
    if found is None:
        raise ValueError('is no bound of age; write ">30d" or "<2h"')
    try:
        return Bound(found[1] == "<", parse_duration(found[2], unit="d").total_seconds())
    except ValueError as error:
        raise ValueError(f"{error}, after the sign") from None


# --- words ------------------------------------------------------------------------------------------------------------


@lru_cache(maxsize=16)
def _fold(text: str) -> str:
    """Return a text in the form in which texts are compared: NFKC, case-folded, single blanks between words."""
    return " ".join(unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold()).split())


def _is_within_word(text: str, at: int) -> bool:
    """Return whether the index `at` is inside a word. A script without blanks between words has no such index."""
    return 0 < at < len(text) and _is_of_word(text[at - 1]) and _is_of_word(text[at])


def _is_of_word(sign: str) -> bool:
    return (sign.isalnum() or sign == "_" or unicodedata.category(sign)[0] == "M") and not count_unspaced(sign)
