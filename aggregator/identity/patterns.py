"""Regular expressions that operators write. RE2 runs them, in a time linear in the length of the text.

So no pattern can keep a process busy for long. This module reads no rule and no file.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

import re2

MAX_PATTERN_LENGTH: Final = 300
MAX_SEARCH_LENGTH: Final = 2000  # characters of a pattern: a list of names may be long
_CONSTRUCTS: Final = {
    "invalid perl operator: (?=": "a look-ahead",
    "invalid perl operator: (?!": "a look-ahead",
    "invalid perl operator: (?<": "a look-behind",
    "invalid perl operator: (?>": "an atomic group",
    "invalid perl operator: (?P": "a back-reference",
    "invalid perl operator: (?(": "a condition",
    "invalid perl operator: (?#": "a comment",
    "bad repetition operator: ": "a possessive or doubled quantifier",
    "invalid escape sequence: ": "a back-reference or an unknown escape",
    "invalid repetition size: ": "a repetition of more than 1000",
}


@dataclass(frozen=True, slots=True)
class Pattern:
    """A checked regular expression. The record holds only its text, so that it can be sent to other processes."""

    text: str

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the named groups in the expression."""
        return tuple(_compiled(self.text).groupindex)

    def groups_of(self, text: str) -> dict[str, str] | None:
        """Return the match of each named group, by name; None if the expression does not match the whole text."""
        found = _compiled(self.text).fullmatch(text)
        return None if found is None else found.groupdict()

    def is_in(self, text: str) -> bool:
        """Return whether the expression matches any part of the text."""
        return _compiled(self.text).search(text) is not None

    def without(self, text: str) -> str:
        """Return the text with all matches removed."""
        return str(_compiled(self.text).sub("", text))


def compile_search(text: str) -> Pattern:
    r"""Check an expression that may match any part of a text, and return it as a `Pattern`.

    >>> compile_search(r"\bsport\b").is_in("all sport today")
    True
    >>> compile_search(r"\[[a-z]+\] ").without("[live] the vote")
    'the vote'

    Raises:
        ValueError: `text` is empty, too long or no regular expression, or needs features that RE2 does not have. The
            message tells which.
    """
    if not text:
        raise ValueError("is empty, so it would fit everything")
    if len(text) > MAX_SEARCH_LENGTH:
        raise ValueError(f"has {len(text)} characters; {MAX_SEARCH_LENGTH} are the most")
    _check(text)
    return Pattern(text)


def compile_pattern(text: str) -> Pattern:
    r"""Check an expression for a whole text, written from "^" to "$", and return it as a `Pattern`.

    >>> compile_pattern(r"^/story/(?P<id>\d+)$").groups_of("/story/17")
    {'id': '17'}

    Raises:
        ValueError: `text` is too long, not anchored or no regular expression, or needs features that RE2 does not have.
            The message tells which.
    """
    if len(text) > MAX_PATTERN_LENGTH:
        raise ValueError(f"has {len(text)} characters; {MAX_PATTERN_LENGTH} are the most")
    if not text.startswith("^"):
        raise ValueError('is not anchored; begin it with "^"')
    if not text.endswith("$"):
        raise ValueError('is not anchored; end it with "$"')
    _check(text)
    return Pattern(text)


def _check(text: str) -> None:
    try:
        _compiled(text)
    except re2.error as error:
        raise ValueError(_explain(error.args[0])) from error


@lru_cache(maxsize=4096)
def _compiled(text: str) -> Any:  # re2 has no types
    options = re2.Options()
    options.log_errors = False  # RE2 would print them
    return re2.compile(text, options)


def _explain(problem: bytes) -> str:
    message = problem.decode("utf-8", "replace")
    for beginning, construct in _CONSTRUCTS.items():
        if message.startswith(beginning):
            return f"has {construct}, which RE2 cannot do: {message.rpartition(': ')[2]}"
    return f"is no regular expression ({message})"
