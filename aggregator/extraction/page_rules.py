"""Applies the selectors of a publisher's rule or a site-config file to a page.

A selector that begins with "/", "./" or "(" is XPath; any other is CSS. lxml finds the elements of XPath. Resiliparse
finds the elements of CSS and marks them with an attribute in the source, which lxml then parses. So only one library
reads CSS.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from lxml.etree import XPath, XPathError
from lxml.etree import _Element as Element
from lxml.html import HtmlElement, HTMLParser, document_fromstring
from resiliparse.parse.html import CSSParserException, ElementNode, HTMLTree

from aggregator.extraction.body.blocks import text_in
from aggregator.extraction.metadata.stated import Stated

logger = logging.getLogger(__name__)

_MARK = "data-aggregator-rule"  # an attribute that no page has; names the selectors that mean the element
_REMEDY = 'write a selector such as "div.story", or XPath that begins with "/"'
_NAMES = ("content", "strip", "author", "date", "next_page")


class PageRules(Protocol):
    """The selectors for a site's pages, a list for each kind.

    All selectors of `strip` are used. Of every other kind, only the first selector that finds an element is used. To
    join several selectors, use "," in CSS and "|" in XPath.
    """

    @property
    def content(self) -> tuple[str, ...]:
        """CSS or XPath selectors of the elements with the article's text."""

    @property
    def strip(self) -> tuple[str, ...]:
        """Selectors of elements that do not belong to the article; they are removed."""

    @property
    def author(self) -> tuple[str, ...]:
        """Selectors of elements or attributes with the author's name."""

    @property
    def date(self) -> tuple[str, ...]:
        """Selectors of elements or attributes with the date of publication."""

    @property
    def next_page(self) -> tuple[str, ...]:
        """Selectors of links to the next page of the article."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Applied:
    """What the selectors of a publisher rule or site-config file found on a page.

    `stated` has the authors, dates and the link to the next page; `content` the elements with the article, or none.
    """

    stated: Stated
    content: tuple[Element, ...]


def rules_in_force(publisher: PageRules | None, site_config: PageRules | None) -> PageRules | None:
    """Return the publisher's rule if it has a selector for pages, else the rule of the site-config file."""
    says = publisher is not None and any(getattr(publisher, name) for name in _NAMES)
    return publisher if says else site_config


def mark_css(page_html: str, rules: PageRules) -> str:
    """Return a page's source, in which each element that a CSS selector of `rules` finds has a further attribute.

    The attribute names the kind of rule and the selector. Without a CSS selector the source is returned unchanged.
    """
    wanted = [(name, css) for name in _NAMES for css in getattr(rules, name) if not is_xpath(css)]
    if not wanted:
        return page_html
    tree = HTMLTree.parse(page_html)
    for name, css in wanted:
        for node in _by_css(tree, css):
            node[_MARK] = f"{node.getattr(_MARK) or ''}\n{name} {css}"
    return str(tree)


def apply_rules(tree: Element, rules: PageRules) -> Applied:
    """Find the elements that the rules select, and remove the elements of `strip` from the tree.

    For CSS selectors, `tree` must come from the source that `mark_css` returned.
    """
    dates = _first_found(tree, "date", rules.date)
    authors = _first_found(tree, "author", rules.author)
    next_page = find_next_page(tree, rules)
    for selector in rules.strip:
        for element in _found(tree, "strip", selector):
            if isinstance(element, HtmlElement) and element.getparent() is not None:
                element.drop_tree()
    content = [element for element in _first_found(tree, "content", rules.content) if isinstance(element, Element)]
    outer = [element for element in content if not any(around in content for around in element.iterancestors())]
    stated = Stated(
        authors=tuple(_value_of(found, "content") for found in authors),
        dates=tuple(_value_of(found, "datetime", "content") for found in dates),
        next_page=next_page,
    )
    return Applied(stated=stated, content=tuple(outer))


def acting_rules(page_html: str, rules: PageRules) -> tuple[tuple[str, str], ...]:
    """Return the selectors that have an effect on a page, as pairs (kind, selector).

    Of `strip` these are all selectors that find an element. Of every other kind it is the first one that does.
    """
    parser = HTMLParser(encoding="utf-8")
    tree = document_fromstring((mark_css(page_html, rules) or "<p>").encode("utf-8", "replace"), parser=parser)
    acting = []
    for name in _NAMES:
        found = [selector for selector in getattr(rules, name) if _found(tree, name, selector)]
        acting += [(name, selector) for selector in (found if name == "strip" else found[:1])]
    return tuple(acting)


def find_next_page(tree: Element, rules: PageRules) -> str:
    """Return the link to the next page, as written on the page; "" if the rules find none."""
    return next((_value_of(found, "href") for found in _first_found(tree, "next_page", rules.next_page)), "")


def selector_faults(rules: PageRules) -> tuple[str, ...]:
    """Return a message for each invalid selector. The message names its kind, the selector and the remedy."""
    return tuple(
        f"{name}: {selector!r} is not {'XPath' if is_xpath(selector) else 'CSS'}; {_REMEDY}"
        for name in _NAMES
        for selector in getattr(rules, name)
        if not _is_valid(selector)
    )


def _is_valid(selector: str) -> bool:
    document = HTMLTree.parse("<p>a</p>").document
    assert document is not None
    try:
        if is_xpath(selector):
            XPath(selector)(document_fromstring("<p>a</p>"))
        else:
            document.query_selector_all(selector)
    except (XPathError, CSSParserException):
        return False
    return True


def is_xpath(selector: str) -> bool:
    """Return whether a selector is XPath, not CSS."""
    return selector.startswith(("/", "./", "("))


def _value_of(found: Element | str, *attributes: str) -> str:
    if isinstance(found, str):
        return found
    return next((value for name in attributes if (value := found.get(name))), "") or text_in(found)


def _first_found(tree: Element, name: str, selectors: Sequence[str]) -> Sequence[Element | str]:
    return next((found for selector in selectors if (found := _found(tree, name, selector))), ())


def _found(tree: Element, name: str, selector: str) -> Sequence[Element | str]:
    if is_xpath(selector):
        return _by_xpath(tree, selector)
    mark = f"{name} {selector}"
    return [element for element in tree.iterfind(f".//*[@{_MARK}]") if mark in element.get(_MARK, "").split("\n")]


def _by_css(tree: HTMLTree, selector: str) -> Sequence[ElementNode]:
    try:
        # A slice is a tuple; the list itself looks up anew at each access.
        return tree.document.query_selector_all(selector)[:] if tree.document is not None else ()
    except CSSParserException:
        logger.warning("selector is not CSS", extra={"selector": selector})
        return ()


def _by_xpath(tree: Element, selector: str) -> Sequence[Element | str]:
    try:
        found = XPath(selector)(tree)
    except XPathError:
        logger.warning("selector is not XPath", extra={"selector": selector})
        return ()
    if isinstance(found, str):
        return [str(found)] if found.strip() else ()
    items = found if isinstance(found, list) else ()
    return [item if isinstance(item, Element) else str(item) for item in items if isinstance(item, Element | str)]
