"""What a publisher's rule or a site-config file says about pages, applied to a page: selectors to elements.

Selectors are CSS, or XPath when they begin with "/", "./" or "(". CSS is looked up by Resiliparse, which marks the
elements in the text that lxml then parses: one place less where CSS is read.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Protocol

from lxml.etree import XPath, XPathError
from lxml.etree import _Element as Element
from lxml.html import HtmlElement
from resiliparse.parse.html import CSSParserException, ElementNode, HTMLTree

from aggregator.blocks import text_in
from aggregator.metadata import Stated

logger = logging.getLogger(__name__)

_MARK = "data-aggregator-rule"  # an attribute that no page has; holds the names of the rules that mean the element
_NAMES = ("content", "strip", "author", "date", "next_page")


class PageRules(Protocol):
    """Where things are on a site's pages; each a list of selectors."""

    @property
    def content(self) -> tuple[str, ...]:
        """Elements that hold the article."""

    @property
    def strip(self) -> tuple[str, ...]:
        """Elements that are no part of it."""

    @property
    def author(self) -> tuple[str, ...]:
        """Elements that name who wrote it."""

    @property
    def date(self) -> tuple[str, ...]:
        """Elements that say when it was published."""

    @property
    def next_page(self) -> tuple[str, ...]:
        """Links to its next page."""


def mark_css(page_html: str, rules: PageRules) -> str:
    """Return the page with what the CSS selectors mean marked; unchanged if there are none."""
    wanted = [(name, css) for name in _NAMES for css in getattr(rules, name) if not is_xpath(css)]
    if not wanted:
        return page_html
    tree = HTMLTree.parse(page_html)
    for name, css in wanted:
        for node in _by_css(tree, css):
            node[_MARK] = f"{node.getattr(_MARK) or ''} {name}"
    return str(tree)


def apply_rules(tree: Element, rules: PageRules) -> Stated:
    """Take what the rules strip out of the tree and return what they find; content stays marked."""
    for name in _NAMES:
        for selector in getattr(rules, name):
            for element in _by_xpath(tree, selector) if is_xpath(selector) else ():
                element.set(_MARK, f"{element.get(_MARK) or ''} {name}")
    for element in marked_elements(tree, "strip"):
        assert isinstance(element, HtmlElement)  # all of lxml.html's elements are
        element.drop_tree()
    dates = [e.get("datetime") or e.get("content") or text_in(e) for e in marked_elements(tree, "date")]
    authors = [e.get("content") or text_in(e) for e in marked_elements(tree, "author")]
    links = [e.get("href") or "" for e in marked_elements(tree, "next_page")]
    return Stated(authors=tuple(authors), dates=tuple(dates), next_page=links[0] if links else "")


def marked_elements(tree: Element, name: str) -> list[Element]:
    """Return the elements below the root that the rule `name` means."""
    return [element for element in tree.iterfind(f".//*[@{_MARK}]") if name in element.get(_MARK, "").split()]


def is_xpath(selector: str) -> bool:
    """Tell whether a selector is XPath."""
    return selector.startswith(("/", "./", "("))


def _by_css(tree: HTMLTree, selector: str) -> Sequence[ElementNode]:
    try:
        return tree.document.query_selector_all(selector) if tree.document is not None else ()
    except CSSParserException:
        logger.warning("selector is not CSS", extra={"selector": selector})
        return ()


def _by_xpath(tree: Element, selector: str) -> Sequence[Element]:
    try:
        found = XPath(selector)(tree)
    except XPathError:
        logger.warning("selector is not XPath", extra={"selector": selector})
        return ()
    return [item for item in found if isinstance(item, Element)] if isinstance(found, list) else ()
