"""Recognises text beside the article by names of elements: captions, share bars, newsletters, comments ("furniture").

Names are compared as whole words: "unrelated" and "shareholders" do not match. The last word counts; words for kinds of
boxes are skipped first. So "share-buttons" and "c-newsletter__title" are furniture, and "share-price" is not.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from itertools import islice

from aggregator.extraction.body.blocks import Block, Place
from aggregator.extraction.body.vocabulary import BOXES, FURNITURE

_LEVELS = 3  # how many elements around a block are checked, its own included


def is_furniture(block: Block) -> bool:
    """Return whether the block's own element, or one of the two around it, has a name of furniture."""
    return furniture_around(block) is not None


def furniture_around(block: Block) -> Place | None:
    """Return the block's own element, or one of the two around it, if it has a name of furniture; else None."""
    return next((place for place in islice(block.place.around(), _LEVELS) if names_furniture(place.names)), None)


@lru_cache(maxsize=10_000)
def names_furniture(names: tuple[tuple[str, ...], ...]) -> bool:
    """Return whether one of the names, each given in words, is a name of furniture.

    >>> names_furniture((("share", "buttons"),)), names_furniture((("share", "price"),))
    (True, False)
    """
    return any(_core(words) in FURNITURE for words in names)


def _core(words: tuple[str, ...]) -> str:
    """Return the last word of a name that is not a kind of box: "share" of ("share", "bar", "wrapper")."""
    return next((word for word in reversed(words) if word not in BOXES), "")


def without_furniture(blocks: Sequence[Block], chosen: set[int]) -> set[int]:
    """Drop blocks that are furniture by name, unless they have over a third of the text.

    In that case the name is around the whole text ("article has-share-bar"), and no block is dropped.
    """
    furniture = {i for i in chosen if is_furniture(blocks[i])}
    size = sum(len(blocks[i].letters) for i in chosen)
    return chosen - furniture if 3 * sum(len(blocks[i].letters) for i in furniture) <= size else chosen
