"""Converts titles from HTML to plain text, and plain text to HTML. Pure functions; no parser."""

from __future__ import annotations

import re
from html import unescape

_TAG = re.compile(
    r"<(script|style)\b[^<>]*>.*?(?:</\1\s*>|\Z)|<!--.*?(?:-->|\Z)|</?([A-Za-z][\w:-]*)[^<>]*>",
    re.DOTALL | re.IGNORECASE,
)
_ACTIVE = re.compile(r"</script\b|<[A-Za-z][^<>]{0,500}?[\s/\"'](?:on[a-z]{3,30}|srcdoc)\s{0,5}=", re.IGNORECASE)
_ANY_TAG = re.compile(r"<[A-Za-z/!][^<>]*>")
# Elements that a browser sets on lines of their own (HTML Standard, 15.3: Rendering, read 2026-11-30), and others.
_BLOCK_NAMES = (
    "address article aside blockquote body br caption center dd details dialog dir div dl dt fieldset figcaption "
    "figure footer form h1 h2 h3 h4 h5 h6 header hgroup hr html legend li main menu nav ol optgroup option p "
    "plaintext pre search section summary table tbody td tfoot th thead tr ul xmp"
)
_INLINE_NAMES = (
    "a abbr acronym b bdi bdo big cite code data del dfn em font i ins kbd label mark q s samp script small span "
    "strike strong style sub sup time tt u var"
)
BLOCKS = frozenset(_BLOCK_NAMES.split())
_ELEMENTS = "|".join(sorted({*BLOCKS, *_INLINE_NAMES.split()}))
# A "<" without one of these is a sign like any other: an end tag, a reference, an element that never has an end tag.
_HTML_SIGN = re.compile(
    rf"</(?:{_ELEMENTS})\s{{0,5}}>|&#?\w{{1,30}};|<(?:br|hr|wbr|img)\b[^<>]{{0,500}}>", re.IGNORECASE
)
_MAX_TITLE_CHARS = 20_000
_SOFT_HYPHEN = "\u00ad"
_SOFT_HYPHENS = re.compile("\u00ad|&shy;|&#0*173;|&#[xX]0*[aA][dD];")
_PARAGRAPH_END = re.compile(r"\n[ \t]*(?:\n[ \t]*)+")
_WRAP_COLUMNS = (55, 80)  # a line that a program wrapped is about as long as its neighbours


def one_line(text: str) -> str:
    r"""Return a plain text on one line, without soft hyphens and doubled blanks.

    >>> one_line(" Wind\u00adpark \n am See ")
    'Windpark am See'
    """
    return " ".join(text.replace(_SOFT_HYPHEN, "").split())


def plain_text(html: str) -> str:
    """Return the text of a short piece of HTML, such as a title, on one line; a blank separates the texts of blocks.

    >>> plain_text("Tom &amp; <b>Jer</b>ry<br>at sea")
    'Tom & Jerry at sea'
    """
    return one_line(unescape(_TAG.sub(_blank_of_tag, html[:_MAX_TITLE_CHARS])))


def _blank_of_tag(match: re.Match[str]) -> str:
    return " " if (match.group(2) or "").lower() in BLOCKS else ""


def looks_like_html(text: str) -> bool:
    """Return whether a title of unknown type is HTML, by an end tag, a character reference, or a tag such as `<br>`.

    >>> looks_like_html("I <3 the ferry"), looks_like_html("Bridge<br>open"), looks_like_html("Don&apos;t")
    (False, True, True)
    """
    return _HTML_SIGN.search(text) is not None


def has_active_markup(text: str) -> bool:
    """Return whether a text contains markup that runs code: the end of a script, or an attribute with a script.

    Such markup is never meant as the words of a title.

    >>> has_active_markup("<svg/onload=alert(1)>Storm"), has_active_markup("How <script> works: 1 < 2")
    (True, False)
    """
    return bool(_ACTIVE.search(text[:_MAX_TITLE_CHARS]))


def has_tags(text: str) -> bool:
    """Return whether anything in `text` could be a tag."""
    return _ANY_TAG.search(text) is not None


def without_soft_hyphens(html: str) -> str:
    """Return HTML without soft hyphens, however they are written. They are only hints for line breaks."""
    return _SOFT_HYPHENS.sub("", html)


def lines_to_html(text: str, *, wrapped: bool = False) -> str:
    r"""Return escaped plain text as HTML that keeps its paragraphs and lines. A text of one line gets no markup.

    `wrapped`: lines that a program seems to have wrapped (`_is_wrapped`) are joined by blanks.

    >>> lines_to_html("Dear all!\n\nThe ferry\nis back.")
    '<p>Dear all!</p><p>The ferry<br>is back.</p>'
    >>> lines_to_html("Dear all!\u2029The ferry\u2028is back.")
    '<p>Dear all!</p><p>The ferry<br>is back.</p>'
    """
    text = text.replace("\r\n", "\n").replace("\r", "\n").replace("\u2028", "\n").replace("\u2029", "\n\n").strip()
    if "\n" not in text:
        return text
    paragraphs = (part.strip("\n") for part in _PARAGRAPH_END.split(text))
    return "".join(f"<p>{_join_lines(part.splitlines(), wrapped)}</p>" for part in paragraphs)


def _join_lines(lines: list[str], wrapped: bool) -> str:
    glue = " " if wrapped and len(lines) > 1 and _is_wrapped(lines) else "<br>"
    return glue.join(line.strip() for line in lines)


def _is_wrapped(lines: list[str]) -> bool:
    """Return whether a program wrapped the lines: all but the first are indented, or all but the last fill a column."""
    if all(line[:1] in (" ", "\t") for line in lines[1:]):
        return True
    shortest, longest = _WRAP_COLUMNS
    return all(shortest <= len(line.rstrip()) <= longest for line in lines[:-1]) and len(lines[-1]) <= longest
