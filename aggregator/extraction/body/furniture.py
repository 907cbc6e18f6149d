"""Recognises text beside the article ("furniture") by class names and ids: captions, share bars, newsletters, comments.

A name is furniture if its last word is in a table; words for kinds of boxes ("buttons", "title") are skipped. So
"share-buttons" and "c-newsletter__title" are furniture. "share-price", "unrelated" and "shareholders" are not.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from itertools import islice

from aggregator.extraction.body.blocks import Block, Place
from aggregator.extraction.body.vocabulary import BOXES, FURNITURE

_LEVELS = 3  # how many elements around a block are checked, its own included


def is_furniture(block: Block) -> bool:
    """Return whether a block is text beside the article, by class or id of its element or of the two around it."""
    return furniture_around(block) is not None


def furniture_around(block: Block) -> Place | None:
    """Return the first of the block's element and the two around it whose class or id names furniture; else None."""
    return next((place for place in islice(block.place.around(), _LEVELS) if names_furniture(place.names)), None)


@lru_cache(maxsize=10_000)
def names_furniture(names: tuple[tuple[str, ...], ...]) -> bool:
    """Return whether one of an element's class names or ids means furniture: share bars, captions and the like.

    Each name is given as its words.

    >>> names_furniture((("share", "buttons"),)), names_furniture((("share", "price"),))
    (True, False)
    """
    return any(_core(words) in FURNITURE for words in names)


def _core(words: tuple[str, ...]) -> str:
    """Return the last of a class name's words that names no kind of box: "share" of ("share", "bar", "wrapper")."""
    return next((word for word in reversed(words) if word not in BOXES), "")


def without_furniture(blocks: Sequence[Block], chosen: set[int]) -> set[int]:
    """Return the chosen blocks that are not furniture (share bars, captions and the like).

    If over a third of their text is furniture, return all: then the class name or id that looks like furniture is that
    of an element around the whole article ("article has-share-bar").
    """
    furniture = {i for i in chosen if is_furniture(blocks[i])}
    size = sum(len(blocks[i].letters) for i in chosen)
    return chosen - furniture if 3 * sum(len(blocks[i].letters) for i in furniture) <= size else chosen
