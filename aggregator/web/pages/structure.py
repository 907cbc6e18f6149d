"""Makes HTML of an article's markdown, with its headings, lists and tables. HTML in the text is shown as text."""

from __future__ import annotations

from functools import cache
from typing import Final

import nh3
from markdown_it import MarkdownIt
from markupsafe import Markup

from aggregator.models.articles import Extraction
from aggregator.web.pages.filters import paragraphs, strip_bidi_controls

_LARGEST: Final = 200_000  # characters; a longer text is shown as paragraphs
_LOWEST: Final = 6  # of headings
_TAGS: Final = frozenset(
    {"p", "h2", "h3", "h4", "h5", "h6", "ul", "ol", "li", "blockquote", "pre", "code", "em", "strong", "a", "br", "hr"}
    | {"table", "thead", "tbody", "tr", "th", "td"}
)
_ATTRIBUTES: Final = {"*": {"dir"}, "a": {"href"}, "ol": {"start"}}
_OWN_DIRECTION: Final = frozenset({"paragraph_open", "heading_open", "list_item_open", "th_open", "td_open"})


def structured(content: Extraction) -> Markup:
    """Return the body as HTML with headings, lists, quotations, tables and links, but without pictures.

    Each block has its own text direction. An article without markdown (from an earlier version), or with very long
    markdown, is returned as plain paragraphs.
    """
    source = content.markdown
    if source is None or len(source) > _LARGEST:
        return paragraphs(strip_bidi_controls(content.body))
    parser = _parser()
    tokens = parser.parse(strip_bidi_controls(source))
    for token in tokens:
        if token.type in ("heading_open", "heading_close"):  # the title is the heading above all
            token.tag = f"h{min(int(token.tag[1:]) + 1, _LOWEST)}"
        if token.type in _OWN_DIRECTION:
            token.attrSet("dir", "auto")
    made = parser.renderer.render(tokens, parser.options, {})
    cleaned = nh3.clean(
        made,
        tags=set(_TAGS),
        attributes={tag: set(names) for tag, names in _ATTRIBUTES.items()},
        url_schemes={"http", "https"},
        link_rel="noreferrer noopener nofollow",
    )
    return Markup(cleaned)  # noqa: S704 - cleaned in the line before


@cache
def _parser() -> MarkdownIt:
    return MarkdownIt("commonmark", {"html": False}).enable("table")
