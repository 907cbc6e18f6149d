"""Recognises text of an article in a wrapper of its own: sentences, headings of questions. Asks no extractor."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import groupby, pairwise
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
    """Return whether a block ends like a sentence and has at least 60 letters, or 66 characters other than blanks.

    Characters of scripts without blanks count twice. Vowel signs are characters, but no letters.
    """
    if not block.ends_sentence:
        return False
    signs = len(block.text) - block.text.count(" ")
    return len(block.letters) >= MIN_SENTENCE or signs + count_unspaced(block.text) >= _MIN_SIGNS


def is_prose(block: Block) -> bool:
    """Return whether a block is a sentence, not mostly linked, and in no navigation, form or furniture (share bars)."""
    return (
        is_sentence(block) and block.link_share < _MOST_LINKED and not block.inside & ASIDE and not is_furniture(block)
    )


def is_within(block: Block, number: int) -> bool:
    """Return whether a block stands in the element with this number (`Place.number`)."""
    return any(place.number == number for place in block.place.around())


def heads_of_items(blocks: Sequence[Block], boxes: Sequence[Place], chosen: set[int]) -> frozenset[int]:
    """Return the indices of headings to add to `chosen`: of items such as a question with its answer.

    An item is an element that contains the heading and a chosen block right below it. At least two items must have the
    same tag and first class. Left out are headings that link to another page, or occur twice with the same text below.
    """
    again = Counter((block.letters, below.letters) for block, below in pairwise(blocks) if block.is_heading)
    filled = Counter(box.number for box in boxes)
    items: dict[int, Place] = {}
    for i in range(len(blocks) - 1):
        item = boxes[i]
        is_own = again[blocks[i].letters, blocks[i + 1].letters] == 1
        is_own = is_own and all(link.startswith("#") for link in blocks[i].links)
        if is_own and i + 1 in chosen and i not in chosen:
            if filled[item.number] == 1 and not is_within(blocks[i + 1], item.number):
                item = item.up or item
            if item.tag != "body" and is_within(blocks[i + 1], item.number):
                items[i] = item
    looks = Counter((item.tag, *item.names[:1]) for item in items.values())
    return frozenset(i for i, item in items.items() if looks[item.tag, *item.names[:1]] >= 2)


def add_enclosed(blocks: Sequence[Block], chosen: set[int], votes: Sequence[int]) -> set[int]:
    """Return `chosen` (indexes of blocks) with the sentences of a wrapper (a box inside the text) added to it.

    They are added if the blocks right above and below them are chosen and are in the box around the wrapper. The
    extractors drop some wrappers for a part of their class name: "commentary", "no-sidebar". A wrapper with a
    picture, a link or anything but sentences is not added.
    """
    lone = [i for i, block in enumerate(blocks) if votes[i] < 2 and i not in chosen and not block.links]
    sentences = [i for i in lone if is_prose(blocks[i])]
    added = set(chosen)
    for _, numbered in groupby(enumerate(sentences), key=lambda pair: pair[1] - pair[0]):  # without a gap
        run = [i for _, i in numbered]
        above, below = run[0] - 1, run[-1] + 1
        if above not in chosen or below not in chosen:
            continue
        box, around = box_of(blocks[run[0]]), box_of(blocks[above])
        is_inner = box is not around and is_within(blocks[run[0]], around.number)
        is_one = box_of(blocks[below]) is around and all(box_of(blocks[i]) is box for i in run)
        if is_inner and is_one and next(box.element.iter(*_NOT_PROSE_TAGS), None) is None:
            added.update(run)
    return added
