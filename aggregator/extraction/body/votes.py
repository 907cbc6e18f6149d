"""The votes of the extractors: an extractor votes for a block if the text that it extracts contains the block.

The text of a block is never taken from an extractor.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache

from aggregator.extraction.body.blocks import Block, letters_of

_MIN_CONTAINED = 25  # a text with so many letters may be part of a line; a shorter one must be a whole line
_MIN_TOLERANT = 60  # a block with so many letters may be found in pieces
_MIN_PIECE = 20
_PIECES_SHARE = 0.7  # the share of a block's letters that its found pieces must have
_GRAM = 8  # letters
_STEP = _MIN_PIECE - _GRAM + 1  # between two grams: any text of _MIN_PIECE letters holds one
_END = re.compile(r"[.!?。！？;:,、，।؟\n\t]+")


class _Letters:
    """The letters of a text without anything between them. `in` searches them for a string of letters, fast.

    `_grams` holds pieces of eight letters, taken at regular distances. A string without such a piece near its beginning
    does not occur in the text; only other strings are compared in full. A string must have at least 20 letters.
    """

    __slots__ = ("_grams", "whole")

    def __init__(self, whole: str) -> None:
        self.whole = whole
        self._grams = {whole[at : at + _GRAM] for at in range(0, len(whole), _STEP)}

    def __contains__(self, letters: str) -> bool:
        grams = [letters[at : at + _GRAM] for at in range(_STEP)]
        return not self._grams.isdisjoint(grams) and letters in self.whole


class Opinion:
    """The text that one extractor takes for the article.

    `lines` are read at the first call of a method, so a generator (readability) runs only if it is needed.
    """

    __slots__ = ("_read", "_source")

    def __init__(self, lines: Iterable[str]) -> None:
        self._source = lines
        self._read: tuple[Counter[str], _Letters] | None = None

    @property
    def size(self) -> int:
        """How many letters the extractor's text has."""
        return len(self._letters()[1].whole)

    def has(self, letters: str) -> bool:
        """Return whether the extractor's text contains `letters`: as a line or, if at least 25 letters, anywhere."""
        lines, whole = self._read or self._letters()
        return letters in lines or (len(letters) >= _MIN_CONTAINED and letters in whole)

    def has_pieces(self, letters: str, pieces: Sequence[str]) -> bool:
        """Return whether the extractor's text contains most of a block: `pieces` with 70 % of the block's `letters`.

        The block is searched in pieces, since extractors drop words of inline elements.
        """
        whole = (self._read or self._letters())[1]
        return sum(len(piece) for piece in pieces if piece in whole) >= _PIECES_SHARE * len(letters)

    def count(self, letters: str) -> int:
        """Return how many lines are exactly this text."""
        return self._letters()[0][letters]

    def _letters(self) -> tuple[Counter[str], _Letters]:
        if self._read is None:
            folded = [letters_of(line) for line in self._source]
            self._read = Counter(folded), _Letters("".join(folded))
        return self._read


@dataclass(frozen=True, slots=True, kw_only=True)
class Opinions:
    """What each of three extractors takes for the article's text, and which of them contain a block of the page.

    `recall` is trafilatura's text, set to take too much rather than too little; `plain` is Resiliparse's.
    """

    recall: Opinion
    readable: Opinion
    plain: Opinion

    @property
    def size(self) -> int:
        """The number of letters in the longer text of trafilatura and readability, which both leave out menus."""
        return max(self.recall.size, self.readable.size)

    def votes_for(self, block: Block) -> int:
        """Return how many of the three extractors' texts contain a block, 0 to 3."""
        return sum(_has(opinion, block) for opinion in (self.recall, self.readable, self.plain))

    def is_recalled(self, block: Block) -> bool:
        """Return whether trafilatura's text contains a block."""
        return _has(self.recall, block)

    def is_plain(self, block: Block) -> bool:
        """Return whether Resiliparse's text contains a block."""
        return _has(self.plain, block)


def _has(opinion: Opinion, block: Block) -> bool:
    if opinion.has(block.letters):
        return True
    return len(block.letters) >= _MIN_TOLERANT and opinion.has_pieces(block.letters, pieces_of(block.text))


@lru_cache(maxsize=8)
def pieces_of(text: str) -> tuple[str, ...]:
    """Cut a text at its punctuation marks, and return the pieces with 20 letters or more, as letters."""
    return tuple(letters for letters in map(letters_of, _END.split(text)) if len(letters) >= _MIN_PIECE)
