"""Finds the visible author of a page: near the headline, by names of elements, by addresses of links, by words."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice
from typing import Literal
from urllib.parse import urlsplit

from lxml.etree import _Element as Element

from aggregator.extraction.body.blocks import letters_of, text_in, words_of_name
from aggregator.extraction.body.vocabulary import AUTHOR_NAMES, AUTHOR_PATHS, NOT_AUTHOR_NAMES
from aggregator.extraction.metadata.bylines import is_lead_in, is_led_in, looks_personal, persons_of, without_lead_in
from aggregator.extraction.metadata.headline_area import SILENT_TAGS, is_beside, near_headline
from aggregator.text.date_names import date_names, fold

_LINE_TAGS = frozenset(
    {"a", "address", "b", "byline", "cite", "dd", "div", "em", "h2", "h3", "h4", "h5", "h6", "i", "li", "p", "small"}
    | {"span", "strong", "td"}
)
_NUMBER = re.compile(r"(?<!\w)\d")
_SHORT = r"(?:[^\W\u3040-\u30ff\u4e00-\u9fff\uac00-\ud7af]{1,3}|\w)"  # names of East Asia have two or three characters
_JOINER = re.compile(rf"\W*(?:{_SHORT}\W+)?|\W*{_SHORT}\W*")
_MAX_CANDIDATES = 100
_MAX_RUNS = 30
_MAX_LINES = 6
_MAX_LINE_CHARS = 70
_MAX_NICK_CHARS = 30
_MAX_NAME_WORDS = 6
_MIN_SLUG_LETTERS = 3

Kind = Literal["item", "rel", "class", "link", "line"]
_SURE: frozenset[Kind] = frozenset({"item", "rel", "class"})  # the markup itself says "author"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Found:
    names: tuple[str, ...]
    rank: tuple[bool, bool, bool]  # persons before nicknames; below the headline before above it; named before worded
    kind: Kind
    around: Element | None


def visible_authors(tree: Element, site: str) -> tuple[str, ...]:
    """Return the names in the best byline near the headline; empty: no byline is visible.

    A byline of persons is better than one of a nickname. Next, one below the headline is better than one above. Last,
    one that the markup names as an author is better than one found by its words. `site`, the site's name, is no author.
    """
    best: _Found | None = None
    for element, kind, is_below in islice(_candidates(tree), _MAX_CANDIDATES):
        names = _names_of(element, kind, site)
        if not names or is_beside(element):
            continue
        rank = (all(map(looks_personal, names)), is_below, kind in _SURE)
        around = element.getparent()
        if best is None or rank > best.rank:
            best = _Found(names=names, rank=rank, kind=kind, around=around)
        elif rank == best.rank and rank[0] and kind == best.kind and around is best.around:
            best = _Found(names=tuple(dict.fromkeys((*best.names, *names))), rank=rank, kind=kind, around=around)
    return best.names if best else ()


def _candidates(tree: Element) -> Iterator[tuple[Element, Kind, bool]]:
    """Yield elements that may be a byline, with what shows it, such as "rel", and whether below the headline."""
    for element, is_below in near_headline(tree):
        kind = _stated_kind(element) or (_worded_kind(element) if is_below else None)
        if kind:
            yield element, kind, is_below


def _stated_kind(element: Element) -> Kind | None:
    """Return by what the markup marks an element as a byline: microdata, `rel`, or class and id; None: by nothing."""
    attributes = element.attrib
    if not attributes:
        return None
    if {"author", "creator"} & set((attributes.get("itemprop") or "").split()):
        return "item"
    if "author" in (attributes.get("rel") or "").split():
        return "rel"
    if _is_named_for_author(attributes.get("class") or "", attributes.get("id") or ""):
        return "class"
    return None


def _worded_kind(element: Element) -> Kind | None:
    """Return "link" for a link to an author's page, "line" for a short line with a lead-in ("By"), else None.

    Such an element is a byline, even if no markup says so.
    """
    if element.tag == "a" and _leads_to_author(element.get("href") or ""):
        return "link"
    if element.tag in _LINE_TAGS and (text := (element.text or "").strip()) and len(text) <= _MAX_LINE_CHARS:
        is_alone = is_lead_in(text) and sum(map(len, element.itertext())) <= _MAX_LINE_CHARS
        if is_alone or is_led_in(text):
            return "line"
    return None


@lru_cache(maxsize=10_000)
def _is_named_for_author(classes: str, own_id: str) -> bool:
    return any(_names_author(words_of_name(name)) for name in (*classes.split(), *own_id.split()))


def _names_author(words: Sequence[str]) -> bool:
    """Return whether a class name says that its element holds an author's name, and not the picture of one.

    >>> _names_author(("post", "author")), _names_author(("author", "avatar")), _names_author(("authority",))
    (True, False, False)
    """
    return len(words) <= _MAX_NAME_WORDS and not AUTHOR_NAMES.isdisjoint(words) and NOT_AUTHOR_NAMES.isdisjoint(words)


def _leads_to_author(href: str) -> bool:
    """Return whether a link leads to the page of an author: /author/ada-lovelace."""
    return not AUTHOR_PATHS.isdisjoint(_segments(href)[:-1])


def _segments(href: str) -> list[str]:
    try:
        return [segment for segment in urlsplit(href).path.lower().split("/") if segment]
    except ValueError:
        return []


def _names_of(element: Element, kind: Kind, site: str) -> tuple[str, ...]:
    if kind == "item" and (stated := _microdata(element)):
        return persons_of(stated, site)
    lines = list(_lines(element))
    for line in lines[:_MAX_LINES]:
        names = persons_of([line], site)
        if names and all(map(looks_personal, names)):
            return names if kind != "link" or _is_named_in(element.get("href") or "", names) else ()
    if kind in _SURE and lines and len(lines[0]) <= _MAX_NICK_CHARS and len(lines[0].split()) <= 2:
        return persons_of(lines[:1], site)
    return ()


def _microdata(element: Element) -> list[str]:
    """Return the names that microdata states in an author's element: of its `name` parts, else its own `content`."""
    parts = [part for part in element.iter("*") if "name" in (part.get("itemprop") or "").split()]
    return [part.get("content") or text_in(part) for part in parts] or list(filter(None, [element.get("content")]))


def _lines(element: Element) -> Iterator[str]:
    """Yield the texts in an element without lead-in ("By") and date.

    A text that is only "By", "and" or the like is left out.
    """
    for text in islice(_runs(element), _MAX_RUNS):
        line = without_lead_in(_without_date(text)).strip()
        if line and not _JOINER.fullmatch(line) and not is_lead_in(line):
            yield line


def _without_date(text: str) -> str:
    """Return a line up to its first number, without names of months and days before it. "Bo2man" has no number.

    >>> _without_date("Ada Lovelace, Sun Dec 5, 2021"), _without_date("Bo2man")
    ('Ada Lovelace', 'Bo2man')
    """
    number = _NUMBER.search(text)
    if number is None:
        return text
    words = text[: number.start()].split()
    while words and _is_of_date(words[-1]):
        words.pop()
    return " ".join(words).rstrip(" ,|·•–—-(")


def _is_of_date(word: str) -> bool:
    folded, names = fold(word.strip(".,()|·•–—-")), date_names()
    return not folded or any(folded in some for some in (names.months, names.rare_months, names.starts, names.days))


def _runs(element: Element) -> Iterator[str]:
    """Yield the texts in an element, cut at inner elements: names often have an element of their own."""
    waiting: list[Element | str | None] = [element]
    while waiting:
        part = waiting.pop()
        if isinstance(part, str):
            if text := " ".join(part.split()):
                yield text
        elif part is not None and part.tag not in SILENT_TAGS and part.tag != "time":
            inner: list[Element | str | None] = [part.text]
            for child in part:
                inner += [child, child.tail]
            waiting.extend(reversed(inner))


def _is_named_in(href: str, names: Sequence[str]) -> bool:
    """Return whether the last part of a link's path contains a word of one of the names.

    So the text "Log In" of a link to /author/ada-lovelace is not taken for a name.
    """
    letters = letters_of(_segments(href)[-1])
    parts = (letters_of(word) for name in names for word in name.split())
    return any(len(part) >= _MIN_SLUG_LETTERS and part in letters for part in parts)
