"""Finds the visible date around the headline, for pages that state no date in their markup."""

from __future__ import annotations

import re
from collections.abc import Iterator

from lxml.etree import _Element as Element

from aggregator.extraction.metadata.headline_area import SILENT_TAGS, is_beside, near_headline

_NUMBER = re.compile(r"\d+")
_MIN_CHARS, _MAX_CHARS = 6, 60  # characters of a line with a date


def shown_dates(tree: Element) -> Iterator[str]:
    """Yield lines that may be the page's date: first those below the headline, then those above it.

    Each line has two numbers or more, since a year or month alone is no day of publication.
    """
    above: list[str] = []
    for element, is_below in near_headline(tree):
        lines = [] if element.tag in SILENT_TAGS else list(_lines_of(element))
        if lines and not is_beside(element):
            if is_below:
                yield from lines
            else:
                above += lines
    yield from above


def _lines_of(element: Element) -> Iterator[str]:
    stated = element.get("datetime") if element.tag == "time" else None
    texts = [stated] if stated else [element.text, *(child.tail for child in element)]
    for text in texts:
        line = " ".join(text.split()) if text and len(text) < 4 * _MAX_CHARS else ""
        if _MIN_CHARS <= len(line) <= _MAX_CHARS and len(_NUMBER.findall(line)) >= 2:
            yield line
