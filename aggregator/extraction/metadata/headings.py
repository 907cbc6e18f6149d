"""Finds the heading that readers see as a page's headline, by comparing headings with the titles that the page states.

The caller removes the name of the site from these titles.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import dropwhile, islice, pairwise
from typing import Final, NamedTuple

from lxml.etree import _Element as Element

from aggregator.extraction.body.blocks import blocks_of, letters_of, text_in, without_hints
from aggregator.text.words import count_unspaced

SEPARATOR: Final = re.compile(r"\s+[|–—·•:»«›‹~ㅣ-]+\s+|\s*[|｜ㅣ：]\s*|:\s+|\s+::\s+|\s*[‹›»]\s+")
_BEFORE_A_NAME: Final = re.compile(r"\s+[|–—·•-]\s+|\s*[|｜]\s*")  # between a page's title and its book's
_COUNT: Final = re.compile(r"\d{1,3}")
_SHOWN_WEIGHT: Final = 3.0  # more than all statements for machines together, since software fills these from one field
_HEAD_WEIGHT: Final = 1.45  # a visible heading outweighs one statement, not two that agree
_LONE_WEIGHT: Final = 0.9
_MOST: Final = 0.5  # the share of a statement that an h1 must have; otherwise a smaller heading may win
_LEAST: Final = 0.3  # of a statement that an h1 has to be: the name of a section may be a word of the headline
_KICKER_MOST: Final = 0.7  # the share of an h1
_ALIKE: Final = 0.4  # the share of the groups of letters of the shorter title
_MIN_CHARS: Final = 8
_MIN_SHOWN_LETTERS: Final = 15
_MAX_HEADS: Final = 8
_MAX_CHARS: Final = 500


class Statements(NamedTuple):
    """The titles that a page and its feed state, the one with the greatest weight first; `""`: no such title."""

    headline: str = ""  # of JSON-LD; it may be written for search engines
    network: str = ""  # og:title
    feed: str = ""
    meta: str = ""  # of other `meta` elements
    name: str = ""  # of JSON-LD
    element: str = ""  # the `title` element


class Head(NamedTuple):
    """The heading that seems to be a page's headline, and the weight that it has in the vote on the article's title."""

    text: str
    weight: float


def head_of(tree: Element, stated: Statements, names: frozenset[str]) -> Head:
    """Return the page's headline and the weight of its vote; `names` are the site's names, as `letters_of` gives them.

    The first of these that exists is taken:
    - the h2 right below an h1, if the page states its text as the title (such an h1 is for search engines);
    - the h1 that contains a stated title, or is part of one. If there is none, or if h1 and title differ in length by a
      factor of two, an h2 or h3 that begins or ends a stated title is preferred, if it is longer than the h1;
    - the h1 that resembles a stated title;
    - the first long h1, with a small weight.
    """
    tops = [head for head in _lines(tree, "h1") if letters_of(head) not in names]
    lower = [head for head in _lines(tree, "h2") if letters_of(head) not in names]
    witnesses = [(letters_of(text), text) for text in stated if letters_of(text)]
    if shown := _shown_below(tree, (stated.network, stated.meta, stated.name)):
        return Head(shown, _SHOWN_WEIGHT)
    share, head = max(((_share(head, text), head) for head in tops for _, text in witnesses), default=(0.0, ""))
    if share < _MOST:
        lower += [head for head in _lines(tree, "h3") if letters_of(head) not in names]
        ends = [one for one in lower if _is_end(letters_of(one), [letters for letters, _ in witnesses])]
        longest = max(ends, key=len, default="")
        if len(letters_of(longest)) > len(letters_of(head)):
            return Head(longest, _HEAD_WEIGHT)
    if share:
        first = _first_part(tree, head, stated.element)
        is_part = share < _LEAST and not first and not any(is_head_and_more(text, head) for text in stated)
        return Head(first or _without_kicker(head, witnesses), _LONE_WEIGHT if is_part else _HEAD_WEIGHT)
    alike, _, head = max(
        ((alikeness(head, letters), -place, head) for place, head in enumerate(tops) for letters, _ in witnesses),
        default=(0.0, 0, ""),
    )
    if alike >= _ALIKE:
        return Head(head, _SHOWN_WEIGHT)
    return Head(next((one for one in tops if len(one) >= _MIN_CHARS), ""), _LONE_WEIGHT)


def one_line(text: str) -> str:
    """Return a title as one line, without invisible hints for line breaks (soft hyphens)."""
    return " ".join(without_hints(text[:_MAX_CHARS]).split())


def is_head_and_more(title: str, head: str) -> bool:
    """Return whether a title is a heading and, before or after it, the name of the site or of a section.

    >>> is_head_and_more("It won't rain | The Mill", "It won’t rain")
    True
    """
    letters = letters_of(head)
    parts = ((title[: found.start()], title[found.end() :]) for found in SEPARATOR.finditer(title))
    return bool(letters) and any(letters in (letters_of(before), letters_of(after)) for before, after in parts)


def alikeness(head: str, letters: str) -> float:
    """Return how alike a heading and a title are, from 0 to 1, by their groups of three letters in a row.

    It is the number of groups that both have, divided by the number in the one with fewer groups. Groups have two
    letters in scripts without blanks. `letters` are the letters of the title. A short heading gives 0.

    >>> round(alikeness("Old bridge is open again", "theoldbridgeopensagain"), 2), alikeness("Notes", "notesonabridge")
    (0.67, 0.0)
    """
    if len(head) < _MIN_CHARS:
        return 0.0
    size = 2 if 2 * count_unspaced(head) > len(head) else 3
    ours, theirs = _groups(letters_of(head), size), _groups(letters, size)
    return len(ours & theirs) / min(len(ours), len(theirs)) if ours and theirs else 0.0


def _groups(letters: str, size: int) -> set[str]:
    return {letters[start : start + size] for start in range(len(letters) - size + 1)}


def _lines(tree: Element, *tags: str) -> Iterator[str]:
    """Yield the text of headings with one of the tags, each as one line: the first eight for each tag."""
    for head in islice(tree.iter(*tags), _MAX_HEADS * len(tags)):
        if line := _line(head):
            yield line


def _line(head: Element) -> str:
    """Return a heading as one line. A sign that only links to the heading itself ("¶") is left out.

    A kicker (the line above a headline) in a block of its own is followed by a blank.
    """
    line = one_line(" ".join(block.text for block in blocks_of(head)))
    for link in head.iter("a"):
        sign = text_in(link)
        if (link.get("href") or "").startswith("#") and not letters_of(sign):
            line = line.removesuffix(sign).rstrip()
    return line


def _shown_below(tree: Element, statements: Sequence[str]) -> str:
    """Return the first stated title that the page also shows as an h2 right after an h1; `""`: there is none.

    A kicker (a short line) may stand before the title in the h2. A title that an h1 shows, too, does not count.
    """
    heads = [(head.tag, letters_of(_line(head))) for head in islice(tree.iter("h1", "h2"), 2 * _MAX_HEADS)]
    shown = [below for (over, _), (tag, below) in pairwise(heads) if over == "h1" and tag == "h2"]
    tops = {letters for tag, letters in heads if tag == "h1"}
    for text in statements:
        letters = letters_of(text)
        ends = any(one.endswith(letters) and len(letters) >= _MOST * len(one) for one in shown)
        if ends and len(letters) >= _MIN_SHOWN_LETTERS and letters not in tops:
            return text
    return ""


def _share(head: str, text: str) -> float:
    """Return the length of the shorter of a heading and another text as a share of the longer.

    The result is 0 if neither contains the other. It is also 0 for a short heading, unless the heading is the whole
    text or its first part ("Fields" in "Fields - The Manual").
    """
    ours, theirs = letters_of(head), letters_of(text)
    if len(ours) < _MIN_CHARS and ours != theirs:
        first = SEPARATOR.search(text)
        if first is None or letters_of(text[: first.start()]) != ours:
            return 0.0
    return min(len(ours), len(theirs)) / max(len(ours), len(theirs)) if ours in theirs or theirs in ours else 0.0


def _is_end(letters: str, witnesses: Sequence[str]) -> bool:
    """Return whether a heading of 8 letters or more is the beginning or end of a title; `witnesses` are the titles."""
    return len(letters) >= _MIN_CHARS and any(one.startswith(letters) or one.endswith(letters) for one in witnesses)


def _first_part(tree: Element, head: str, title: str) -> str:
    """Return the heading that equals "chapter" if `title` is "chapter - book" and `head` is "book"; else `""`."""
    found = list(_BEFORE_A_NAME.finditer(title))
    if not found or letters_of(title[found[-1].end() :]) != letters_of(head):
        return ""
    first = letters_of(title[: found[-1].start()])
    below = dropwhile(lambda line: line != head, _lines(tree, "h1", "h2"))
    return next((line for line in below if letters_of(line) == first), "")


def _without_kicker(head: str, witnesses: Sequence[tuple[str, str]]) -> str:
    """Return an h1 without the kicker before it, or the count of comments after it ("Old bridge opens 12").

    Either is removed only if the rest of the h1 equals a stated title. A kicker is a short line above a headline.
    """
    letters = letters_of(head)
    if any(letters in one for one, _ in witnesses):
        return head
    ends = [text for one, text in witnesses if letters.endswith(one) and len(one) >= (1 - _KICKER_MOST) * len(letters)]
    ends += [text for one, text in witnesses if letters.startswith(one) and _COUNT.fullmatch(letters, len(one))]
    return max(ends, key=len, default=head)
