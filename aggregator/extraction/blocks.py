"""A page cut into blocks: paragraphs, headings, list entries, each with where it stands. It chooses nothing.

Walks the parsed tree once, without recursion: a page nested a thousand deep costs no more than a flat one.
"""

from __future__ import annotations

from dataclasses import dataclass

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
    | {"script", "select", "style", "svg", "template", "textarea", "video"}
)
_PLACE_TAGS = frozenset({"a", "article", "figcaption", "figure", "h1", "li", "nav"})
_LINE_BREAK = "\u2028"  # what `br` is while a block is collected


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """One block of text; `text` has single blanks, and LF where the page breaks a line.

    `letters` is what is compared: small letters and digits alone. `parent` numbers the element around the block's own,
    `article` the innermost `article` element (0: none); `style` is how its own element and the one around it are made
    (tag, class and id), `classes` the class names of it and the two around it.
    """

    text: str
    letters: str
    tag: str
    parent: int
    article: int
    style: tuple[str, str]
    classes: str
    link_share: float
    inside: frozenset[str]  # of a, article, figcaption, figure, h1, li, nav: those it stands in

    @property
    def is_heading(self) -> bool:
        """Tell whether it is a subhead (h2 to h6)."""
        return self.tag in ("h2", "h3", "h4", "h5", "h6")


def letters_of(text: str) -> str:
    """Return the letters and digits of `text`, small, without anything between.

    >>> letters_of("“More to follow…”, he said.")
    'moretofollowhesaid'
    """
    return "".join(filter(str.isalnum, text)).casefold()


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


class _Collector:
    """The walk's state: where it is, and the text of the block that is not complete yet."""

    def __init__(self) -> None:
        self.blocks: list[Block] = []
        nowhere = _Place(0, etree.Element("html"))
        self._path = [nowhere, nowhere]  # every element has one around it
        self._block_depths: list[int] = [1]  # which elements of the path are blocks
        self._places: dict[str, list[int]] = {tag: [] for tag in _PLACE_TAGS}
        self._inside: frozenset[str] = frozenset()  # the places that are open
        self._texts: list[str] = []
        self._link_chars = 0
        self._count = 0

    def open(self, element: Element) -> None:
        tag = element.tag
        self._count += 1
        if tag in _BLOCK_TAGS:
            if self._texts:
                self._finish()
            self._block_depths.append(len(self._path))
        if tag in _PLACE_TAGS:
            self._places[tag].append(self._count)
            self._inside |= {tag}
        self._path.append(_Place(self._count, element))
        if tag == "br":
            self._break_line()
        elif text := element.text:
            self.add(text)

    def close(self, element: Element) -> None:
        tag = element.tag
        if tag in _BLOCK_TAGS:
            if self._texts:
                self._finish()
            self._block_depths.pop()
        if tag in _PLACE_TAGS:
            numbers = self._places[tag]
            numbers.pop()
            if not numbers:
                self._inside -= {tag}
        self._path.pop()

    def add(self, text: str) -> None:
        if not self._texts and text.isspace():
            return  # what is between two blocks: most of a page's texts
        self._texts.append(text)
        if self._places["a"]:
            self._link_chars += len(text.strip())

    def _break_line(self) -> None:
        last = next((text for text in reversed(self._texts) if text.strip(" \t\r\n")), "")
        if last == _LINE_BREAK:
            self._finish()  # an empty line ends a paragraph
        else:
            self._texts.append(_LINE_BREAK)

    def _finish(self) -> None:
        """Make a block of the text since the last one."""
        lines = (" ".join(line.split()) for line in "".join(self._texts).split(_LINE_BREAK))
        text = "\n".join(line for line in lines if line)
        if letters := letters_of(text):
            self.blocks.append(self._block(text, letters))
        self._texts.clear()
        self._link_chars = 0

    def _block(self, text: str, letters: str) -> Block:
        depth = self._block_depths[-1]
        own, around, outer = self._path[depth], self._path[depth - 1], self._path[max(depth - 2, 0)]
        articles = self._places["article"]
        return Block(
            text=text,
            letters=letters,
            tag=str(own.element.tag),
            parent=around.number,
            article=articles[-1] if articles else 0,
            style=(own.look, around.look),
            classes=f"{outer.class_name} {around.class_name} {own.class_name}",
            link_share=min(1.0, self._link_chars / len(text)),
            inside=self._inside,
        )


class _Place:
    """An element on the way down to where the walk is; what it looks like is read when a block asks for it."""

    __slots__ = ("_look", "element", "number")

    def __init__(self, number: int, element: Element) -> None:
        self.number = number
        self.element = element
        self._look: tuple[str, str] | None = None

    @property
    def class_name(self) -> str:
        return self._read()[0]

    @property
    def look(self) -> str:
        return self._read()[1]

    def _read(self) -> tuple[str, str]:
        if self._look is None:
            class_name = self.element.get("class") or ""
            self._look = class_name, f"{self.element.tag}.{class_name}#{self.element.get('id') or ''}"
        return self._look
