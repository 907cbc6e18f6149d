"""Cuts a page into blocks: paragraphs, headings, list entries, table rows, each with its place in the page.

It does not decide which blocks are the article. The parsed tree is walked once, without recursion, so deep nesting
costs nothing extra.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice

from lxml import etree
from lxml.etree import _Element as Element

_BLOCK_TAGS = frozenset(
    {"address", "article", "aside", "blockquote", "body", "caption", "center", "dd", "details", "div", "dl", "dt"}
    | {"fieldset", "figcaption", "figure", "footer", "form", "h1", "h2", "h3", "h4", "h5", "h6", "header", "hr", "html"}
    | {"legend", "li", "main", "nav", "ol", "p", "pre", "section", "summary", "table", "tbody", "td", "tfoot", "th"}
    | {"thead", "tr", "ul"}
)
NO_TEXT_TAGS = frozenset(
    {"audio", "button", "canvas", "datalist", "head", "iframe", "input", "math", "noscript", "object", "option"}
    | {"progress", "script", "select", "style", "svg", "template", "textarea", "video"}
)
_PLACE_TAGS = frozenset(
    {"a", "article", "aside", "blockquote", "dl", "figcaption", "figure", "footer", "form", "h1", "header", "li", "nav"}
    | {"pre", "table"}
)
LINE_BREAK = "\u2028"  # stands for `br` while a block is collected
CELL_BREAK = "\ufdd0"
MARKS = {"em": "\ufdd1", "strong": "\ufdd2", "code": "\ufdd3", "a": "\ufdd4"}  # open; the same with "\ufdde": close
CLOSE = "\ufdde"
_MARK_OF = {"em": "em", "i": "em", "cite": "em", "strong": "strong", "b": "strong", "code": "code", "kbd": "code"} | {
    "samp": "code",
    "tt": "code",
    "a": "a",
}
_ANY_MARK = re.compile(f"[{''.join(MARKS.values())}{CLOSE}]+")
_UNSEEN = re.compile("[\u00ad\u200b\u2060\ufeff]+")  # hints for line breaks: not part of a word
_SENTENCE_ENDS = (".", "!", "?", "…", ":", "。", "！", "？", "」", "।", "؟")
_MAX_CELL_CHARS = 200
_MAX_CELLS = 4000
_GUTTER = re.compile(r"[\d\s]+")
_WORD = re.compile(r"[a-z]+|[A-Z]+(?![a-z])|[A-Z][a-z]+")


class Place:
    """An element on the way from the root of the page to a block: the block's own element, or one around it.

    `number` is its position among all elements of the page; `up` is the element around it.
    """

    __slots__ = ("_look", "_words", "element", "number", "tag", "up")

    def __init__(self, number: int, element: Element, up: Place | None) -> None:
        self.number = number
        self.element = element
        self.tag = str(element.tag)
        self.up = up
        self._look: str | None = None
        self._words: tuple[tuple[str, ...], ...] | None = None

    @property
    def look(self) -> str:
        """Return tag, class and id as one key, to compare elements."""
        if self._look is None:
            self._look = f"{self.tag}.{self.element.get('class') or ''}#{self.element.get('id') or ''}"
        return self._look

    @property
    def names(self) -> tuple[tuple[str, ...], ...]:
        """Return the class names and the id, each as a tuple of its words in small letters: ("related", "links").

        An id that was made from a heading ("sharing-the-costs") is left out: its words come from the author, not the
        template.
        """
        if self._words is None:
            own_id = self.element.get("id") or ""
            stated = (self.element.get("class") or "").split()
            stated += [] if _is_slug(own_id, self.element) else own_id.split()
            self._words = tuple(map(words_of_name, stated))
        return self._words

    def around(self) -> Iterator[Place]:
        """Yield this element, then the elements around it, from the inner to the outer."""
        place: Place | None = self
        while place is not None:
            yield place
            place = place.up


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """One block of text. `text` has single blanks, LF for each `br`, and TAB between the cells of a data table's row.

    In `pre`, `text` keeps its line breaks and blanks. `letters` are the letters and digits of the text in small
    letters, for comparisons. `tag` and `place` are the block's own element. `link_share` is the share of the text in
    links (0 to 1). `marked` is the text with marks for emphasis, code and links (`MARKS`); `links` are the addresses of
    the links. `article` is the number of the innermost `article` element (0: none).
    """

    text: str
    letters: str
    tag: str
    place: Place
    article: int
    link_share: float
    inside: frozenset[str]  # the elements around it that are in _PLACE_TAGS
    marked: str
    links: tuple[str, ...]

    @property
    def is_heading(self) -> bool:
        """Return whether the block is a subhead (h2 to h6)."""
        return self.tag in ("h2", "h3", "h4", "h5", "h6")

    @property
    def is_code(self) -> bool:
        """Return whether the block is in `pre`, so that its line breaks and blanks are kept."""
        return "pre" in self.inside

    @property
    def ends_sentence(self) -> bool:
        """Return whether the block ends with punctuation that ends a sentence or announces more, such as a colon."""
        return self.text.rstrip("\"'”’»)“").endswith(_SENTENCE_ENDS)

    @property
    def has_marks(self) -> bool:
        """Return whether some words of the block are emphasised, code or a link."""
        return CLOSE in self.marked or any(mark in self.marked for mark in MARKS.values())

    @property
    def parent(self) -> int:
        """Return the number of the element around the block's own element (0: none)."""
        return self.place.up.number if self.place.up is not None else 0

    @property
    def style(self) -> tuple[str, str]:
        """Return tag, class and id (`Place.look`) of the block's own element, then those of the element around it."""
        return self.place.look, self.place.up.look if self.place.up is not None else ""


@lru_cache(maxsize=2048)  # the extractors of a page have most of its lines in common
def letters_of(text: str) -> str:
    """Return the letters and digits of `text` in small letters, without anything between them.

    >>> letters_of("“More to follow…”, he said.")
    'moretofollowhesaid'
    """
    return "".join(filter(str.isalnum, text)).casefold()


@lru_cache(maxsize=10_000)
def words_of_name(name: str) -> tuple[str, ...]:
    """Return the words of a class name or id in small letters.

    >>> words_of_name("relatedLinks-box")
    ('related', 'links', 'box')
    """
    return tuple(word.lower() for word in _WORD.findall(name))


def without_hints(text: str) -> str:
    """Return a text without invisible hints for line breaks (soft hyphens and the like)."""
    return _UNSEEN.sub("", text)


def blocks_of(root: Element) -> list[Block]:
    """Return the blocks under `root` in the document's order."""
    collector = _Collector()
    opens, closes, add = collector.open, collector.close, collector.add
    walker = etree.iterwalk(root, events=("start", "end", "comment", "pi"))
    for event, element in walker:
        if event == "start":
            if element.tag in NO_TEXT_TAGS:
                walker.skip_subtree()
            else:
                opens(element)
        elif event == "end" and element.tag not in NO_TEXT_TAGS:
            closes(element)
            if element is not root and (tail := element.tail):
                add(tail)
        elif tail := element.tail:
            add(tail)
    return collector.blocks


def text_in(element: Element) -> str:
    """Return the text of an element as one line."""
    return " ".join("".join(map(str, element.itertext())).split())


def is_data_table(table: Element) -> bool:
    """Return whether a table holds data: rows of several short cells. Old pages use tables for layout, too."""
    if next(islice(table.iter("table"), 1, 2), None) is not None:
        return False
    cells = list(islice(table.iter("td", "th"), _MAX_CELLS))
    rows = sum(1 for _ in table.iter("tr"))
    if rows < 2 or len(cells) < 1.5 * rows or next(table.iter("h1", "h2", "ul", "ol", "pre", "form"), None) is not None:
        return False
    if any(sum(1 for _ in cell.iter("p")) > 1 for cell in cells):
        return False
    return all(sum(map(len, cell.itertext())) <= _MAX_CELL_CHARS for cell in cells)


def _is_slug(own_id: str, element: Element) -> bool:
    heading = next(islice(element.iter("h1", "h2", "h3", "h4", "h5", "h6"), 1), None) if own_id else None
    return heading is not None and letters_of(own_id)[:20] in letters_of(text_in(heading))


class _Collector:
    """The state of the walk through a tree: finished blocks, open elements, and the text of the unfinished block."""

    def __init__(self) -> None:
        self.blocks: list[Block] = []
        nowhere = Place(0, etree.Element("html"), None)
        self._path = [nowhere]
        self._block_places: list[Place] = [nowhere]
        self._places: dict[str, list[int]] = {tag: [] for tag in _PLACE_TAGS}
        self._inside: frozenset[str] = frozenset()  # the open places
        self._texts: list[str] = []
        self._links: list[str] = []
        self._link_chars = 0
        self._count = 0
        self._rows: list[bool] = []  # for each open table: does it hold data?

    def open(self, element: Element) -> None:
        tag = element.tag
        self._count += 1
        place = Place(self._count, element, self._path[-1])
        self._path.append(place)
        if tag == "table":
            self._finish()
            self._rows.append(is_data_table(element))
        if tag in _BLOCK_TAGS:
            if self._is_inline(tag):
                self._separate(tag)
            else:
                if self._texts:
                    self._finish()
                self._block_places.append(place)
        if tag in _PLACE_TAGS:
            self._places[tag].append(self._count)
            self._inside |= {tag}
        if mark := _MARK_OF.get(tag):
            self._texts.append(MARKS[mark])
            if mark == "a":
                self._links.append(element.get("href") or "")
        if tag == "br":
            self._break_line()
        elif text := element.text:
            self.add(text)

    def close(self, element: Element) -> None:
        tag = element.tag
        if mark := _MARK_OF.get(tag):
            self._texts.append(MARKS[mark] + CLOSE)
        if tag in _BLOCK_TAGS:
            if self._is_inline(tag):
                self._separate("end")
            else:
                if self._texts:
                    self._finish()
                self._block_places.pop()
        if tag in _PLACE_TAGS:
            numbers = self._places[tag]
            numbers.pop()
            if not numbers:
                self._inside -= {tag}
        if tag == "table":
            self._rows.pop()
        self._path.pop()

    def _is_inline(self, tag: str) -> bool:
        """Return whether a block element (`p`, `div`) starts no block, since it is in `pre` or a data table's row."""
        if self._places["pre"]:
            return tag != "pre"
        return bool(self._rows) and self._rows[-1] and tag not in ("table", "tr", "caption", "thead", "tbody", "tfoot")

    def _separate(self, tag: str) -> None:
        if self._places["pre"]:
            if self._texts and not self._texts[-1].endswith("\n"):
                self._texts.append("\n")
        elif tag in ("td", "th"):
            self._texts.append(CELL_BREAK)
        else:
            self._texts.append(" ")

    def add(self, text: str) -> None:
        if not self._texts and text.isspace() and not self._places["pre"]:
            return  # blanks between two blocks: most texts of a page
        self._texts.append(text)
        if self._places["a"]:
            self._link_chars += len(text.strip())

    def _break_line(self) -> None:
        if self._places["pre"]:
            self._texts.append("\n")
            return
        last = next((text for text in reversed(self._texts) if text.strip(" \t\r\n")), "")
        if last == LINE_BREAK:
            self._finish()  # an empty line ends a paragraph
        else:
            self._texts.append(LINE_BREAK)

    def _finish(self) -> None:
        """Make a block of the text since the last block. A link that is still open continues in the next block.

        Text without letters and digits makes no block, nor does a column of line numbers in `pre`.
        """
        raw = _UNSEEN.sub("", "".join(self._texts))
        plain = _ANY_MARK.sub("", raw)
        if self._places["pre"]:
            text = "\n".join(line.rstrip() for line in plain.split("\n")).strip("\n")
            is_gutter = _GUTTER.fullmatch(text) is not None
        else:
            cells = (_lines(cell) for cell in plain.split(CELL_BREAK))
            text, is_gutter = "\t".join(cell for cell in cells if cell), False
        if not is_gutter and (letters := letters_of(text)):
            self.blocks.append(self._block(text, letters, raw))
        self._texts.clear()
        self._links = self._links[-1:] if self._places["a"] else []
        if self._places["a"]:
            self._texts.append(MARKS["a"])
        self._link_chars = 0

    def _block(self, text: str, letters: str, raw: str) -> Block:
        articles = self._places["article"]
        place = self._block_places[-1]
        return Block(
            text=text,
            letters=letters,
            tag=place.tag,
            place=place,
            article=articles[-1] if articles else 0,
            link_share=min(1.0, self._link_chars / len(text)),
            inside=self._inside,
            marked=raw,
            links=tuple(self._links),
        )


def _lines(text: str) -> str:
    return "\n".join(line for line in (" ".join(part.split()) for part in text.split(LINE_BREAK)) if line)
