"""Writes the blocks of an article as markdown: CommonMark and tables. Without its marks, markdown equals the body.

A mark that CommonMark would not read at its place is left out. Characters of the text that CommonMark would read as a
mark are escaped.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import NamedTuple
from urllib.parse import urljoin

from lxml.etree import _Element as Element

from aggregator.extraction.body.blocks import CELL_BREAK, CLOSE, LINE_BREAK, MARKS, Block, Place
from aggregator.extraction.body.inline import escape_lines, inline

_TICKS = re.compile(r"`+")
_HEADING = re.compile("h[1-6]")
_CLOSING = re.compile(r"(?<= )(#+)$")  # would end a heading and not be read (CommonMark 0.31, 4.2)
_NO_WORDS = re.compile(rf"[{''.join(MARKS.values())}{CLOSE}{LINE_BREAK}\s]*")
_MAX_START = 9  # digits


class _Lists(NamedTuple):
    """The numbering of the HTML lists of which some entries are already written as markdown.

    `markers` maps the `Place.number` of each list entry to the entry's marker ("- ", "3. "). `last` maps each list to
    one of its entries, the last one counted, and to the number of entries before that one.
    """

    markers: dict[int, str]
    last: dict[Element, tuple[Element, int]]


def markdown_of(blocks: Sequence[Block], url: str = "") -> str:
    """Return the blocks as markdown; links are made absolute by `url`, the address of the page."""
    parts: list[str] = []
    lists = _Lists({}, {})
    number = 0
    while number < len(blocks):
        rows = _rows_from(blocks, number)
        if len(rows) > 1:
            parts.append(_placed(_table(rows, url), rows[0], lists))
            number += len(rows)
        else:
            parts.append(_placed(_text_of(blocks[number], url), blocks[number], lists))
            number += 1
    return "\n\n".join(parts)


def markdown_of_text(body: str) -> str:
    """Return a plain body as markdown: characters that CommonMark would read as marks are escaped."""
    return "\n\n".join(escape_lines(paragraph) for paragraph in body.split("\n\n"))


def _text_of(block: Block, url: str) -> str:
    """Return the words of a block as markdown: a fenced code block, a heading or a paragraph."""
    if block.is_code:
        fence = "`" * max([3, *(len(ticks) + 1 for ticks in _TICKS.findall(block.text))])
        return f"{fence}\n{block.text}\n{fence}"
    text = _words(block, url)
    if level := _level(block):
        return f"{'#' * level} " + _CLOSING.sub(r"\\\1", " ".join(text.split()))
    return text


def _placed(text: str, block: Block, lists: _Lists) -> str:
    """Return the text of a block with the prefix that its place needs: that of a list entry, or of a quotation."""
    items = [place for place in block.place.around() if place.tag == "li"]
    if items:
        return _in_list(text, items, lists)
    if any(place.tag == "blockquote" for place in block.place.around()):
        return "\n".join(f"> {line}" for line in text.split("\n"))
    return text


def _words(block: Block, url: str) -> str:
    if not block.has_marks:
        return escape_lines(block.text.replace("\t", " "))
    return inline(block.marked.replace(CELL_BREAK, " "), _links_of(block, url))


def _level(block: Block) -> int:
    """Return the level of a heading, at least 2, since the title has level 1; 0: the block is no heading."""
    heading = next((place.tag for place in block.place.around() if _HEADING.fullmatch(place.tag)), "")
    return max(2, int(heading[1])) if heading and not block.is_code else 0


def _in_list(text: str, items: Sequence[Place], lists: _Lists) -> str:
    own, *around = items
    indent = " " * sum(len(lists.markers.get(item.number, "")) for item in around)
    is_begun = own.number in lists.markers
    marker = lists.markers[own.number] if is_begun else _marker(own, lists)
    lists.markers[own.number] = marker
    lead, *rest = text.split("\n")
    first = " " * len(marker) if is_begun else marker
    return "\n".join([indent + first + lead, *(indent + " " * len(marker) + line for line in rest)])


def _marker(item: Place, lists: _Lists) -> str:
    around = item.element.getparent()
    if around is None or around.tag != "ol":
        return "- "
    start = around.get("start") or ""
    first = int(start) if start.isdecimal() and start.isascii() and len(start) < _MAX_START else 1
    return f"{first + _entries_before(item.element, around, lists)}. "


def _entries_before(entry: Element, around: Element, lists: _Lists) -> int:
    """Return how many entries of the list `around` come before `entry`.

    It counts back only to the entry of the last call for this list, since lists may be long.
    """
    last, count = lists.last.get(around, (None, 0))
    for other in entry.itersiblings("li", preceding=True):
        count += 1
        if other is last:
            break
    lists.last[around] = (entry, count)
    return count


def _links_of(block: Block, url: str) -> Iterator[str]:
    return iter([_address(link.strip(), url) for link in block.links])


def _address(link: str, url: str) -> str:
    """Return a link as an absolute http(s) address; "": the link stays on the page or has no such address."""
    if not link or link.startswith("#"):
        return ""
    with suppress(ValueError):
        address = urljoin(url, link)
        return address if address.lower().startswith(("http://", "https://")) else ""
    return ""


# --- tables -----------------------------------------------------------------------------------------------------------


def _rows_from(blocks: Sequence[Block], first: int) -> list[Block]:
    """Return the rows of the data table that begins at block `first`; empty: that block is no row of a data table."""
    table = _table_of(blocks[first])
    last = first
    while table is not None and last < len(blocks) and _table_of(blocks[last]) is table:
        last += 1
    return list(blocks[first:last])


def _table_of(block: Block) -> Place | None:
    if block.tag != "tr" or CELL_BREAK not in block.marked:
        return None
    return next((place for place in block.place.around() if place.tag == "table"), None)


def _table(rows: Sequence[Block], url: str) -> str:
    """Return rows as a markdown table.

    The head gets as many cells as the longest row. Shorter rows stay short: missing cells are read as empty (GitHub's
    markdown, 4.10).
    """
    head, *rest = (_cells(row, url) for row in rows)
    columns = max(len(head), *map(len, rest))
    lines = [[*head, *[""] * (columns - len(head))], ["---"] * columns, *rest]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _cells(row: Block, url: str) -> list[str]:
    links = _links_of(row, url)
    before, *parts = row.marked.split(CELL_BREAK)
    if _NO_WORDS.fullmatch(before):
        parts[0] = before + parts[0]
    else:  # an empty line has cut the row within a cell
        parts.insert(0, before)
    return [" ".join(inline(raw, links).replace("|", "\\|").split()) for raw in parts]
