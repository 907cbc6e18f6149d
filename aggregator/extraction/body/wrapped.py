"""Recognises text of an article that has a wrapper of its own: sentences, headings of items. Asks no extractor."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import groupby
from typing import Final

from aggregator.extraction.body.blocks import Block, Place
from aggregator.extraction.body.boxes import box_of
from aggregator.extraction.body.furniture import is_furniture
from aggregator.text.words import count_unspaced

MIN_SENTENCE: Final = 60  # a link that ends as a sentence and has so many letters is a paragraph
ASIDE: Final = frozenset({"form", "aside", "footer", "nav", "header"})
_MOST_LINKED: Final = 0.5
_MIN_SIGNS: Final = 66  # with punctuation
_NOT_PROSE_TAGS: Final = ("img", "picture", "video", "form")


def is_sentence(block: Block) -> bool:
    """Return whether a block is long and ends like a sentence, in any script.

    A sign of a script without blanks counts twice; vowels that are marks on letters count, too.
    """
    if not block.ends_sentence:
        return False
    signs = len(block.text) - block.text.count(" ")
    return len(block.letters) >= MIN_SENTENCE or signs + count_unspaced(block.text) >= _MIN_SIGNS


def is_prose(block: Block) -> bool:
    """Return whether a block is a sentence in a place for text."""
    return (
        is_sentence(block) and block.link_share < _MOST_LINKED and not block.inside & ASIDE and not is_furniture(block)
    )


def is_within(block: Block, number: int) -> bool:
    """Return whether a block stands in the element of that number."""
    return any(place.number == number for place in block.place.around())


def heads_of_items(blocks: Sequence[Block], boxes: Sequence[Place], chosen: set[int]) -> frozenset[int]:
    """Return the headings of items that look alike and contain chosen text: questions, entries of a live blog.

    A heading may have a wrapper of its own in the item. A heading that leads to another page is another article's, and
    one that comes again is that of a player or of an offer.
    """
    again = Counter(block.letters for block in blocks if block.is_heading)
    filled = Counter(box.number for box in boxes)
    items: dict[int, Place] = {}
    for i in range(len(blocks) - 1):
        item = boxes[i]
        is_own = again[blocks[i].letters] == 1 and all(link.startswith("#") for link in blocks[i].links)
        if is_own and i + 1 in chosen and i not in chosen:
            if filled[item.number] == 1 and not is_within(blocks[i + 1], item.number):
                item = item.up or item
            if item.tag != "body" and is_within(blocks[i + 1], item.number):
                items[i] = item
    looks = Counter((item.tag, *item.names[:1]) for item in items.values())
    return frozenset(i for i, item in items.items() if looks[item.tag, *item.names[:1]] >= 2)


def add_enclosed(blocks: Sequence[Block], chosen: set[int], votes: Sequence[int]) -> set[int]:
    """Add the sentences in a wrapper between two chosen blocks. Both blocks must be in the box around the wrapper.

    The extractors drop a wrapper for a part of its class name: "commentary", "no-sidebar". A wrapper with a picture, a
    link or anything but sentences has another purpose.
    """
    boxes = [box_of(block) for block in blocks]
    added = set(chosen)
    for number, run in groupby(range(len(blocks)), key=lambda i: boxes[i].number):
        inside = list(run)
        above, below = inside[0] - 1, inside[-1] + 1
        if above not in chosen or below not in chosen or boxes[above] is not boxes[below]:
            continue
        if not all(votes[i] < 2 and is_prose(blocks[i]) and not blocks[i].links for i in inside):
            continue
        is_inner = number != boxes[above].number and is_within(blocks[inside[0]], boxes[above].number)
        if is_inner and next(boxes[inside[0]].element.iter(*_NOT_PROSE_TAGS), None) is None:
            added.update(inside)
    return added
