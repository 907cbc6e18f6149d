"""Writes the words of one block with their marks as CommonMark: emphasis, code, links.

The marks are those in `Block.marked`. A mark is written only if CommonMark would read it as a mark: for example, no
blank may follow the `*` that opens emphasis.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from aggregator.extraction.body.blocks import CLOSE, LINE_BREAK, MARKS

_NAMES = {sign: name for name, sign in MARKS.items()}
_TOKEN = re.compile(f"([{''.join(MARKS.values())}]{CLOSE}?)")
_SIGNS = {"em": "*", "strong": "**"}
# Each branch begins with a character of its own: so `re` skips the others fast.
_SPECIAL = re.compile(r"\\|`|\*|\[|\]|<|_(?:(?<![^\W_]_)|(?![^\W_]))|&(?=#?\w+;)|~(?=[~\s]|$)")
_LINE_START = re.compile(r"#{1,6}(?=\s|$)|>|[+-](?=\s|$)|[=:|\s-]+$")
_NUMBER_START = re.compile(r"\d{1,9}(?=[.)](?:\s|$))")
_TICKS = re.compile(r"`+")


@dataclass(frozen=True, slots=True)
class _Piece:
    """A piece of marked words: words, a gap (" " or LF), or the beginning or end of a mark.

    Only the beginning of a link has a `link`: the address.
    """

    kind: str  # "words", "gap", "open", "close"
    value: str
    link: str = ""


def inline(marked: str, links: Iterator[str]) -> str:
    """Return the text of one block, with its marks (`Block.marked`), as CommonMark; `links`: the links' addresses."""
    pieces = _without_idle(_folded(marked, links))
    written = _written(pieces, _pairs_of(pieces))
    return "  \n".join(map(_escape_start, written.split("\n")))


def escape_lines(text: str) -> str:
    """Escape the characters of a plain text that CommonMark would read as marks. LF becomes a hard line break."""
    return "  \n".join(_escape_start(_SPECIAL.sub(r"\\\g<0>", line)) for line in text.split("\n"))


def _escape_start(line: str) -> str:
    """Escape the beginning of a line that CommonMark would read as a heading, a list entry, a quotation or a rule."""
    if number := _NUMBER_START.match(line):
        return f"{number.group()}\\{line[number.end() :]}"
    return f"\\{line}" if _LINE_START.match(line) else line


def _folded(marked: str, links: Iterator[str]) -> list[_Piece]:
    """Return the pieces of a text that is cut at its marks of emphasis, code and links; `links` has their addresses.

    A gap just inside a mark ("<em> word</em>") is moved outside it. Marks without words between them are left out.
    """
    pieces: list[_Piece] = []
    opened: list[_Piece] = []
    gap = ""
    for token in _TOKEN.split(marked):
        if token and token[0] in _NAMES:
            name = _NAMES[token[0]]
            if not token.endswith(CLOSE):
                opened.append(_Piece("open", name, next(links, "") if name == "a" else ""))
            elif any(piece.value == name for piece in opened):
                opened.remove(next(piece for piece in reversed(opened) if piece.value == name))
            else:
                pieces.append(_Piece("close", name))
            continue
        token = token.replace(CLOSE, "")
        words = token.strip()
        gap = _gap(gap, token[: len(token) - len(token.lstrip())])
        if not words:
            continue
        if gap and any(piece.kind == "words" for piece in pieces):
            pieces.append(_Piece("gap", gap))
        pieces += opened
        opened.clear()
        pieces.append(_Piece("words", _single_gaps(words)))
        gap = _gap("", token[len(token.rstrip()) :])
    return pieces


def _gap(before: str, blanks: str) -> str:
    """Return the gap that `before` and the `blanks` after it make: LF if one has a line break, "" if both are empty."""
    if not blanks:
        return before
    return "\n" if LINE_BREAK in blanks or before == "\n" else " "


def _single_gaps(words: str) -> str:
    if LINE_BREAK not in words:
        return " ".join(words.split())
    return "\n".join(line for line in (" ".join(part.split()) for part in words.split(LINE_BREAK)) if line)


def _without_idle(pieces: Sequence[_Piece]) -> list[_Piece]:
    """Leave out each emphasis, code or link that cannot be written in Markdown. The words stay.

    Such a mark has no partner, crosses another, is inside its own kind or inside code, or is a link without an address.
    """
    places: set[int] = set()
    around: list[tuple[int, int]] = []  # the marks that are open
    for first, last in _matched(pieces).items():
        piece = pieces[first]
        around = [(i, end) for i, end in around if end > last]
        if not {pieces[i].value for i, _ in around} & {"code", piece.value} and (piece.value != "a" or piece.link):
            around.append((first, last))
            places |= {first, last}
    return [piece for i, piece in enumerate(pieces) if piece.kind in ("words", "gap") or i in places]


def _pairs_of(pieces: Sequence[_Piece]) -> dict[int, int]:
    """Return the marks to be written: a mapping from the index of an opening piece to that of its closing piece.

    Emphasis inside other emphasis is written only if the two touch at both ends or at none: CommonMark would read
    `***a** b**c***` in another way.
    """
    kept: dict[int, int] = {}
    around: list[tuple[int, int]] = []  # the emphasis that is open
    for first, last in _matched(pieces).items():
        if pieces[first].value in _SIGNS:
            around = [(i, end) for i, end in around if end > last]
            if not _is_read(pieces, first, last) or any(
                _touch(pieces, i, first) != _touch(pieces, last, end) for i, end in around
            ):
                continue
            around.append((first, last))
        kept[first] = last
    return kept


def _touch(pieces: Sequence[_Piece], first: int, last: int) -> bool:
    return all(pieces[i].value in _SIGNS and pieces[i].kind != "words" for i in range(first, last))


def _matched(pieces: Sequence[_Piece]) -> dict[int, int]:
    """Map the index of each opening piece to that of its closing piece. Of two marks that cross, one is left out."""
    stack: list[int] = []
    pairs: dict[int, int] = {}
    for i, piece in enumerate(pieces):
        if piece.kind == "open":
            stack.append(i)
        elif piece.kind == "close":
            begun = next((j for j in reversed(stack) if pieces[j].value == piece.value), None)
            if begun is not None:
                del stack[stack.index(begun) :]
                pairs[begun] = i
    return dict(sorted(pairs.items()))


def _is_read(pieces: Sequence[_Piece], first: int, last: int) -> bool:
    """Return whether CommonMark (0.31, section 6.2) would read the pieces `first` and `last` as marks of emphasis."""
    if "close" in _marks_beside(pieces, first, -1) or "open" in _marks_beside(pieces, last, 1):
        return False
    before, after = _neighbour(pieces, first, -1), _neighbour(pieces, last, 1)
    begins, ends = _neighbour(pieces, first, 1), _neighbour(pieces, last, -1)
    opens = not _is_punctuation(begins) or before.isspace() or _is_punctuation(before)
    closes = not _is_punctuation(ends) or after.isspace() or _is_punctuation(after)
    return opens and closes


def _marks_beside(pieces: Sequence[_Piece], place: int, step: int) -> set[str]:
    """Return the kinds ("open", "close") of the Markdown marks next to `place`, up to the first text or gap.

    `step` -1: on the left; 1: on the right.
    """
    kinds: set[str] = set()
    i = place + step
    while 0 <= i < len(pieces) and pieces[i].kind not in ("words", "gap"):
        kinds.add(pieces[i].kind)
        i += step
    return kinds


def _neighbour(pieces: Sequence[_Piece], place: int, step: int) -> str:
    """Return the character beside a Markdown mark such as `**`: on its left (`step` -1) or right (1).

    Marks of emphasis are skipped. A mark of code or of a link gives "`"; the beginning or end of the block gives " ".
    """
    i = place + step
    while 0 <= i < len(pieces):
        piece = pieces[i]
        if piece.kind in ("words", "gap"):
            return piece.value[0 if step > 0 else -1]
        if piece.value not in _SIGNS:
            return "`"
        i += step
    return " "


def _is_punctuation(char: str) -> bool:
    return unicodedata.category(char)[0] in "PS"


def _written(pieces: Sequence[_Piece], pairs: dict[int, int]) -> str:
    ends = {last: first for first, last in pairs.items()}
    texts: list[str] = []
    codes: dict[int, list[str]] = {}  # the words of each span, by its place; two that touch would be read as one
    code_ends = -1
    for i, piece in enumerate(pieces):
        if i <= code_ends:
            continue
        if i in pairs and piece.value == "code":
            code_ends = pairs[i]
            words = "".join(part.value for part in pieces[i:code_ends] if part.kind in ("words", "gap"))
            if len(texts) - 1 not in codes:
                codes[len(texts)] = []
                texts.append("")
            codes[len(texts) - 1].append(words)
        elif i in pairs:
            if piece.value == "a" and texts and texts[-1].endswith("!"):
                texts[-1] = texts[-1][:-1] + "\\!"
            texts.append(_SIGNS.get(piece.value, "["))
        elif i in ends:
            link = pieces[ends[i]].link
            texts.append(f"](<{re.sub(r'[<>]', _percent, link)}>)" if piece.value == "a" else _SIGNS[piece.value])
        elif piece.kind in ("words", "gap"):
            texts.append(piece.value if piece.kind == "gap" else _SPECIAL.sub(r"\\\g<0>", piece.value))
    for place, spans in codes.items():
        texts[place] = _code("".join(spans))
    return "".join(texts)


def _percent(char: re.Match[str]) -> str:
    return "%3C" if char.group() == "<" else "%3E"


def _code(words: str) -> str:
    words = words.replace("\n", " ")
    fence = "`" * (1 + max((len(ticks) for ticks in _TICKS.findall(words)), default=0))
    pad = " " if words.startswith("`") or words.endswith("`") else ""
    return f"{fence}{pad}{words}{pad}{fence}"
