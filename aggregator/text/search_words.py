r"""Splits texts and queries into the words of the search index, in the same way for every database.

Scripts with blanks between words are indexed by whole words. Runs of Han, kana, Thai, Lao, Khmer and Burmese are
indexed by overlapping pairs of characters, so every word in them is found without a dictionary. The words are stored in
the index. So a change of `index_words` needs a migration that indexes all texts again.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from typing import Final

# Thai, Lao, Burmese (with extensions), Khmer, Han with its iteration marks, kana, Han of the higher planes.
_UNSPACED: Final = (
    "\u0e00-\u0eff\u1000-\u109f\ua9e0-\ua9ff\uaa60-\uaa7f\u1780-\u17ff\u3005-\u3007\u3040-\u30ff\u31f0-\u31ff"
    "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
)
_SEGMENT: Final = re.compile(f"([{_UNSPACED}]+)|([^{_UNSPACED}]+)")
_HAS_UNSPACED: Final = re.compile(f"[{_UNSPACED}]")
# Soft hyphen, zero width space and joiners, direction marks, word joiner, variation selectors, byte order mark.
_IGNORED: Final = re.compile("[\u00ad\u061c\u200b-\u200f\u2060-\u2064\ufe00-\ufe0f\ufeff]")
_LONGEST: Final = 64  # characters of a word that are compared
_ASCII_SIGNS: Final = {code: " " for code in range(128) if not chr(code).isalnum()}
_BLANK: Final = re.compile(r"\s+")


@cache
def _marks(*, folded: bool) -> str:
    """Return the ranges of combining marks for a character class, without its brackets.

    `folded` True: only the marks that `fold` removes, which many writers leave out. These are marks above and below a
    letter (combining class 200 and more), overlays (1), and vowel points of Hebrew and Arabic (10 to 36).
    """
    numbers = [
        number
        for number in range(0x300, 0xFE30)
        if unicodedata.category(chr(number))[0] == "M"
        and (not folded or _is_folded(unicodedata.combining(chr(number))))
    ]
    ranges: list[list[int]] = []
    for number in numbers:
        if ranges and ranges[-1][1] == number - 1:
            ranges[-1][1] = number
        else:
            ranges.append([number, number])
    return "".join(f"{chr(first)}-{chr(last)}" for first, last in ranges)


def _is_folded(combining_class: int) -> bool:
    return combining_class == 1 or 10 <= combining_class <= 36 or combining_class >= 200


@cache
def _folded_marks() -> re.Pattern[str]:
    return re.compile(f"[{_marks(folded=True)}]")


@cache
def _words() -> re.Pattern[str]:
    return re.compile(rf"[\w{_marks(folded=False)}]+")


@cache
def _raw_words() -> re.Pattern[str]:
    """Return a pattern for the words of a text before `fold`: invisible characters may be inside a word."""
    return re.compile(rf"[\w{_marks(folded=False)}{_IGNORED.pattern[1:-1]}]+")


def fold(text: str) -> str:
    r"""Return `text` in the form for comparison: without case, diacritics, width and invisible characters.

    >>> fold("\u00dcnter\u00adneh\u200bmen"), fold("\uff76\uff9e"), fold("Stra\u00dfe")
    ('unternehmen', '\u30ac', 'strasse')
    """
    if text.isascii():
        return text.lower().replace("_", " ")
    plain = unicodedata.normalize("NFKD", _IGNORED.sub("", text)).casefold()
    plain = _folded_marks().sub("", unicodedata.normalize("NFKD", plain))
    return unicodedata.normalize("NFC", plain).replace("_", " ")


def index_words(text: str) -> list[str]:
    r"""Return the words of `text` in their order, as they are indexed.

    Characters of a script without blanks give overlapping pairs. The last one of a run also is a word of its own, so
    each character begins a word.

    >>> index_words("The iPhone\u624b\u673a, d\u00e9j\u00e0 vu")
    ['the', 'iphone', '\u624b\u673a', '\u673a', 'deja', 'vu']
    """
    folded = fold(text)
    if folded.isascii():
        found = folded.translate(_ASCII_SIGNS).split()  # a fifth of the time that an expression takes
        return found if max(map(len, found), default=0) <= _LONGEST else [word[:_LONGEST] for word in found]
    found = _words().findall(folded)
    if _HAS_UNSPACED.search(folded) is None:
        return [word[:_LONGEST] for word in found]
    return [word for run in found for word in _words_of_run(run)]


def _words_of_run(run: str) -> Iterator[str]:
    for unspaced, other in _SEGMENT.findall(run):
        if other:
            yield other[:_LONGEST]
        else:
            yield from (first + second for first, second in pairwise(unspaced))
            yield unspaced[-1]


# --- queries ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Term:
    """Words that must stand side by side. `is_prefix` True: the last one may be the beginning of a longer word."""

    words: tuple[str, ...]
    is_prefix: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """A parsed query: all `terms` must occur in a text.

    A word matches if it is one of the `pieces` or begins with one of the `beginnings` (all folded). In scripts without
    blanks a piece is a run of characters, which matches wherever it occurs.
    """

    terms: tuple[Term, ...]
    pieces: frozenset[str] = frozenset()
    beginnings: tuple[str, ...] = ()


def read_query(query: str) -> Query:
    r"""Return the parsed query. Its syntax is: words, "words side by side", and `begin*` for the beginning of a word.

    >>> [term.words for term in read_query('Storm "north sea" \u96a7\u9053\u53e3').terms]
    [('storm',), ('north', 'sea'), ('\u96a7\u9053', '\u9053\u53e3')]
    >>> read_query("Kher*").terms
    (Term(words=('kher',), is_prefix=True),)
    """
    terms: list[Term] = []
    pieces: set[str] = set()
    beginnings: list[str] = []
    for number, part in enumerate(query.split('"')):
        for phrase in [part] if number % 2 else part.split():
            term = _term(phrase)
            if term is None:
                continue
            terms.append(term)
            segments = _segments(phrase)
            if term.is_prefix and not _is_unspaced(segments[-1]):
                beginnings.append(segments.pop())
            pieces.update(segments)
    return Query(terms=tuple(terms), pieces=frozenset(pieces), beginnings=tuple(beginnings))


def is_vague(query: Query) -> bool:
    """Return whether a term is a beginning that fits nearly every text: one digit, or one letter of an alphabet.

    Such a query is slow: a database first merges the entries of all words with this beginning. A single syllable
    (Hangul, Ethiopic) is not vague, since fewer words begin with it.

    >>> [is_vague(read_query(query)) for query in ("e*", "storm 2*", "en*", "e", "\ud55c*")]
    [True, True, False, False, False]
    """
    return any(
        term.is_prefix
        and len(term.words[-1]) == 1
        and (term.words[-1].isdecimal() or term.words[-1].upper() != term.words[-1])
        for term in query.terms
    )


def _segments(text: str) -> list[str]:
    return [found.group() for run in _words().findall(fold(text)) for found in _SEGMENT.finditer(run)]


def _is_unspaced(segment: str) -> bool:
    return _HAS_UNSPACED.match(segment) is not None


def _term(phrase: str) -> Term | None:
    words = index_words(phrase)
    if not words:
        return None
    last = _segments(phrase)[-1]
    if not _is_unspaced(last):
        return Term(words=tuple(words), is_prefix=phrase.rstrip().endswith("*"))
    if len(last) == 1:
        return Term(words=tuple(words), is_prefix=True)  # a pair that begins with it, or its end
    return Term(words=tuple(words[:-1]))


# --- places -----------------------------------------------------------------------------------------------------------

Piece = tuple[str, bool]  # a stretch of a text, and whether it matches


def find_places(text: str, query: Query) -> list[tuple[int, int]]:
    """Return the places in `text` with words of the query, in order, as pairs of offsets (start, end)."""
    places: list[tuple[int, int]] = []
    for found in _raw_words().finditer(text):
        run, start = found.group(), found.start()
        folded = fold(run)
        if _HAS_UNSPACED.search(folded) is None:
            if any(_matches(word, query) for word in _words().findall(folded)):
                places.append((start, found.end()))
        else:
            places.extend((start + first, start + last) for first, last in _places_in_run(run, query))
    return places


def _matches(word: str, query: Query) -> bool:
    return word in query.pieces or any(word.startswith(beginning) for beginning in query.beginnings)


def _places_in_run(run: str, query: Query) -> list[tuple[int, int]]:
    """Return the matches in `run`, which has characters of a script without blanks, as pairs of offsets in `run`.

    The query is compared with the folded run, whose length may differ.
    """
    folded = ""
    origins: list[int] = []
    for position, character in enumerate(run):
        part = unicodedata.normalize("NFC", folded[-1:] + fold(character))  # a kana and its voicing mark are one
        folded = folded[:-1] + part
        origins += [position] * (len(folded) - len(origins))
    origins.append(len(run))
    places: list[tuple[int, int]] = []
    for piece in query.pieces:
        if _is_unspaced(piece):
            starts = (found.start() for found in re.finditer(re.escape(piece), folded))
            places += ((origins[start], origins[start + len(piece)]) for start in starts)
    for found in _SEGMENT.finditer(folded):
        if found.group(2) and _matches(found.group(), query):
            places.append((origins[found.start()], origins[found.end()]))
    return _united(sorted(places))


def _united(places: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    united: list[tuple[int, int]] = []
    for start, end in places:
        if united and start <= united[-1][1]:
            united[-1] = (united[-1][0], max(united[-1][1], end))
        else:
            united.append((start, end))
    return united


def mark(text: str, query: Query) -> tuple[Piece, ...]:
    """Return `text` as a sequence of pieces; each piece tells whether it matches the query."""
    pieces: list[Piece] = []
    at = 0
    for start, end in find_places(text, query):
        pieces += ((text[at:start], False), (text[start:end], True))
        at = end
    return tuple(piece for piece in (*pieces, (text[at:], False)) if piece[0])


def snippet(text: str, query: Query, length: int = 240) -> tuple[Piece, ...]:
    """Return about `length` characters of `text` on one line, around the first match; without a match its beginning.

    >>> snippet("One. Two three.", read_query("three"))
    (('One. Two ', False), ('three', True), ('.', False))
    """
    first = next(iter(find_places(text, query)), (0, 0))[0]
    start = max(0, first - length // 4)
    if start:  # at a word's beginning, where there is a blank in reach
        start = next((found.end() for found in _BLANK.finditer(text, start, first)), start)
    end = start + length
    if end < len(text):
        blank = max(text.rfind(mark_, first, end) for mark_ in " \n")
        end = blank if blank > first else end
    line = _BLANK.sub(" ", text[start:end])
    return (*((("… ", False),) if start else ()), *mark(line, query), *(((" …", False),) if end < len(text) else ()))
