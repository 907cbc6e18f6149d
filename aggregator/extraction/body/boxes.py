"""The box of a block: the innermost element around the paragraph, list or table that the block belongs to."""

from __future__ import annotations

from itertools import islice

from lxml.etree import _Element as Element

from aggregator.extraction.body.blocks import Block, Place

_PARTS_OF_TEXT = frozenset(  # elements that the box of a text contains
    {"li", "ul", "ol", "dl", "dd", "dt", "table", "tbody", "thead", "tfoot", "tr", "td", "th", "blockquote", "figure"}
    | {"pre", "h1", "h2", "h3", "h4", "h5", "h6", "p", "details", "summary", "caption"}
)
_WRAPPED = frozenset({"blockquote", "pre", "figure"})
_MAX_WRAPPERS, _MAX_CHILDREN = 4, 20  # of an element that is only around one thing
_WRAPPED_WITH_ROWS = _WRAPPED | {"table"}  # a row of a data table is a block; a row of a layout table is not


def box_of(block: Block) -> Place:
    """Return the box of a block: the element around the block's paragraph, list or table."""
    return box_around(block, _WRAPPED_WITH_ROWS if block.tag == "tr" else _WRAPPED)


def box_around(block: Block, wrapped: frozenset[str] = frozenset()) -> Place:
    """Return the innermost box around a block: an element that is no text element (paragraph, list, table ...).

    It is also no wrapper, an element whose only content is one element with a tag in `wrapped`.
    """
    place = block.place
    while place.up is not None and (place.tag in _PARTS_OF_TEXT or (wrapped and _is_wrapper(place, wrapped))):
        place = place.up
    return place


def _is_wrapper(place: Place, wrapped: frozenset[str]) -> bool:
    """Return whether an element contains nothing but one element with a tag in `wrapped`, perhaps in further wrappers.

    Elements without text are ignored (a shadow, a button to scroll). An element with over 20 children is no wrapper.
    """
    element = place.element
    for _ in range(_MAX_WRAPPERS):
        children = list(islice(element, _MAX_CHILDREN + 1))
        if len(children) > _MAX_CHILDREN or (element.text or "").strip():
            return False
        parts = list(islice((child for child in children if child.tag in wrapped or _has_text(child)), 2))
        if len(parts) != 1:
            return False
        element = parts[0]
        if element.tag in wrapped:
            return True
    return False


def _has_text(element: Element) -> bool:
    return element.tag not in ("script", "style") and any(not text.isspace() for text in element.itertext())
