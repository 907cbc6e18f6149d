"""Yields the elements around the headline of a page, where author and date stand."""

from __future__ import annotations

from collections.abc import Iterator

from lxml.etree import _Element as Element

from aggregator.extraction.body.blocks import words_of_name
from aggregator.extraction.body.vocabulary import AUTHOR_NAMES, OTHERS_NAMES

SILENT_TAGS = frozenset(
    {"button", "figure", "form", "iframe", "noscript", "option", "script", "select", "style", "svg", "template"}
    | {"textarea", "title"}
)
_LANDMARKS = frozenset({"article", "main", "body"})
_FRAME_TAGS = frozenset({"nav", "footer", "aside", "form"})
_LONG_CHARS = 150  # letters in a paragraph's own text
_MOST_LONG = 1


def near_headline(tree: Element) -> Iterator[tuple[Element, bool]]:
    """Yield the elements of a page up to the second long paragraph below the headline.

    Each is yielded with True if it is below the first h1, else False. Later elements are left out: comments, other
    articles, persons in the text.
    """
    body = tree.find("body")
    is_below, long_paragraphs = False, 0
    for element in (tree if body is None else body).iter("*"):
        if element.tag == "h1":
            is_below = True
        elif is_below and element.tag in ("p", "div") and _own_chars(element) > _LONG_CHARS:
            long_paragraphs += 1
            if long_paragraphs > _MOST_LONG:
                return
        yield element, is_below


def is_beside(element: Element) -> bool:
    """Return whether an element stands in navigation, a form, comments or among other articles."""
    around: Element | None = element
    while around is not None and around.tag not in _LANDMARKS:
        if around.tag in _FRAME_TAGS:
            return True
        names = [words_of_name(name) for name in stated_names(around)]
        if any(not OTHERS_NAMES.isdisjoint(words) and AUTHOR_NAMES.isdisjoint(words) for words in names):
            return True
        around = around.getparent()
    return False


def stated_names(element: Element) -> list[str]:
    """Return an element's class names and its id."""
    return (element.get("class") or "").split() + (element.get("id") or "").split()


def _own_chars(element: Element) -> int:
    return len(element.text or "") + sum(len(child.tail or "") for child in element)
