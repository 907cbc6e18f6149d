"""What stands beside an article, told by the names of its elements: captions, share bars, newsletters, comments.

A name is read in whole words: "unrelated" and "shareholders" say nothing. It counts by its last word, without those
that only say what kind of box it is ("share-buttons", "c-newsletter__title"): a "share-price" is a price.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

from aggregator.extraction.body.blocks import Block
from aggregator.extraction.body.vocabulary import BOXES, FURNITURE

_LEVELS = 3  # the block's element and those around it that are looked at


def is_furniture(block: Block) -> bool:
    """Return whether the names of a block's element, or of one around it, are those of furniture."""
    place = block.place
    for _ in range(_LEVELS):
        if names_furniture(place.names):
            return True
        if place.up is None:
            return False
        place = place.up
    return False


@lru_cache(maxsize=10_000)
def names_furniture(names: tuple[tuple[str, ...], ...]) -> bool:
    """Return whether one of the names, each in words, is that of furniture.

    >>> names_furniture((("share", "buttons"),)), names_furniture((("share", "price"),))
    (True, False)
    """
    return any(_core(words) in FURNITURE for words in names)


def _core(words: tuple[str, ...]) -> str:
    """Return the last word of a name that is not merely a kind of box."""
    return next((word for word in reversed(words) if word not in BOXES), "")


def without_furniture(blocks: Sequence[Block], chosen: set[int]) -> set[int]:
    """Drop what is named as furniture, unless a good part of the text is ("article has-share-bar")."""
    furniture = {i for i in chosen if is_furniture(blocks[i])}
    size = sum(len(blocks[i].letters) for i in chosen)
    return chosen - furniture if 3 * sum(len(blocks[i].letters) for i in furniture) <= size else chosen
