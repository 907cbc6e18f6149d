"""Simplifies a page's tree for all later steps.

The steps repair markup, remove hidden words, and turn inline elements into plain text. Without them the extractors drop
a whole paragraph for one `time`, `math` or `button` inside. The steps change the tree. They do not decide which text is
the article.
"""

from __future__ import annotations

import re
from functools import lru_cache
from itertools import islice

from lxml import etree
from lxml.etree import _Element as Element

from aggregator.extraction.body.vocabulary import HIDDEN_CLASSES, QUOTES

_SWALLOWING_TAGS = (
    *("button", "canvas", "iframe", "label", "noscript", "object", "option", "select", "svg", "template", "textarea"),
    *("video", "audio", "nav", "footer", "header", "aside", "form", "dialog"),
)
_FRAME_TAGS = frozenset({"nav", "footer", "header", "aside", "form", "dialog"})
_CLOSED_TAGS = frozenset({"footer", "form", "dialog"})
_LANDMARKS = ("h1", "article", "main")
_MANY, _MOST = 0.3, 0.5  # the share of the words in paragraphs
_HIDDEN_STYLE = re.compile(
    r"display\s*:\s*none|visibility\s*:\s*hidden"
    r"|(?:left|right|top|text-indent)\s*:\s*-(?:[5-9]\d{3}|\d{5,})(?:\.\d+)?px|clip\s*:\s*rect\(\s*[01](?:px)?[\s,]+[01]",
    re.IGNORECASE,
)
_STRUCK_STYLE = re.compile(r"text-decoration[a-z-]*\s*:[^;]*\bline-through", re.IGNORECASE)
_HIDDEN_QUERY = etree.XPath("//body//*[@hidden or @popover or @aria-hidden='true' or @style or @class or self::dialog]")
_RUNNING_TAGS = frozenset(
    {"p", "li", "dd", "dt", "td", "th", "blockquote", "h1", "h2", "h3", "h4", "h5", "h6", "em", "strong", "b", "i"}
    | {"span", "a", "q", "cite", "summary", "figcaption", "caption", "legend"}
)
_HEADINGS = frozenset({"h1", "h2", "h3", "h4", "h5", "h6", "dt", "summary"})
_SUPERSCRIPTS = str.maketrans("0123456789+-−=()n", "⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻⁻⁼⁽⁾ⁿ")
_RAISED = re.compile(r"[0-9+\-−=()n]{1,6}")
_NOTE = re.compile(r"\W*(?:\d{1,3}|[a-z*†‡§¶↑#]{1,2})\W*")
_OPENING_QUOTES = "\"'“„«‹‘‚「『《〈”»›"


def simplify(tree: Element, language: str = "") -> None:
    """Reduce a page's tree to the text that readers see. Changes `tree`.

    `language` decides which quotation marks stand for `q`.
    """
    rescue_swallowed(tree)
    keep_formulas(tree)
    drop_hidden(tree)
    drop_readings(tree)
    drop_struck(tree)
    unwrap_inline(tree)
    raise_figures(tree)
    quote_words(tree, language)


# --- pages in one element ---------------------------------------------------------------------------------------------


def rescue_swallowed(tree: Element) -> None:
    """Remove the tags of an element that contains the page because it was never closed: `<button><div>…<div></button>`.

    An element counts as unclosed if it contains an `h1`, `article` or `main` and at least 30 % of the page's text in
    paragraphs. Without an `h1`, `article` or `main` the share must be 50 %, and for `nav`, `header` and `aside` 50 % of
    the page's whole text; a `footer`, `form` or `dialog` never counts then.
    """
    total = _paragraph_chars(tree)
    for element in list(tree.iter(*_SWALLOWING_TAGS)):
        own = _paragraph_chars(element) if total else 0
        if own < _MANY * total or not own:
            continue
        has_landmark = next(element.iter(*_LANDMARKS), None) is not None
        has_most = element.tag not in _CLOSED_TAGS and own >= _MOST * (
            _chars(tree) if element.tag in _FRAME_TAGS else total
        )
        if has_landmark or has_most:
            unwrap(element)


def _paragraph_chars(element: Element) -> int:
    return sum(len(text.strip()) for p in element.iter("p") for text in p.itertext(with_tail=False))


# --- hidden elements --------------------------------------------------------------------------------------------------


def drop_hidden(tree: Element) -> None:
    """Drop hidden elements. An element with half of the page's text or more stays, since a script shows it later.

    Some pages are sent in several hidden parts. If these parts together have half of the text in paragraphs, each
    element with a paragraph stays.
    """
    found = _HIDDEN_QUERY(tree)
    assert isinstance(found, list)
    hidden = [element for element in found if isinstance(element, Element) and is_hidden(element)]
    if not hidden:
        return
    prose, sizes = _paragraph_chars(tree), [_chars(element) for element in hidden]
    total = prose if max(sizes) < _MOST * prose else _chars(tree)  # all words take long to count
    outer = set(hidden)
    parts = [element for element in hidden if outer.isdisjoint(element.iterancestors())]
    is_shown_later = sum(map(_paragraph_chars, parts)) >= _MOST * prose > 0
    for element, size in zip(hidden, sizes, strict=True):
        if size < _MOST * total and not (is_shown_later and _paragraph_chars(element)):
            remove(element)


def is_hidden(element: Element) -> bool:
    """Return whether the markup hides an element from readers: an attribute, an inline style, or a usual class name."""
    if element.get("hidden") is not None:
        return element.get("hidden") != "until-found"
    if (
        element.get("aria-hidden") == "true"
        or element.get("popover") is not None
        or (element.tag == "dialog" and element.get("open") is None)
    ):
        return True
    if (style := element.get("style")) and _HIDDEN_STYLE.search(style):
        return True
    return _hides(element.get("class") or "")


@lru_cache(maxsize=10_000)
def _hides(classes: str) -> bool:
    return not HIDDEN_CLASSES.isdisjoint(classes.lower().split())


def _chars(element: Element) -> int:
    """Return how many characters of text an element has. The text of `script` and `style` is not counted."""
    code = sum(len(one.text or "") for one in element.iter("script", "style") if not (one.text or "").isspace())
    return sum(len(text) for text in element.itertext() if not text.isspace()) - code


def keep_formulas(tree: Element) -> None:
    """Keep each formula once, as text.

    KaTeX and MathJax write a formula twice: as `math` and as the half that readers see. If there is such a half, `math`
    is removed. Otherwise `math` becomes a `span` with its text, or with its `alttext` if it has no text.
    """
    for formula in list(tree.iter("math")):
        visible = _visible_half(formula)
        if visible is not None:
            _forget(visible, "aria-hidden")
            remove(formula)
            continue
        for source in list(formula.iter("annotation", "annotation-xml")):
            remove(source)
        words = "".join(words_in(formula).split())
        for raised in formula.iter("msup"):
            if len(raised) == 2:
                words = words.replace(words_in(raised), _power(raised), 1)
        formula.tag = "span"
        for child in list(formula):
            formula.remove(child)
        formula.text = words or formula.get("alttext") or ""


def _power(raised: Element) -> str:
    base, power = ("".join(words_in(part).split()) for part in raised)
    return base + (power.translate(_SUPERSCRIPTS) if _RAISED.fullmatch(power) else f"^({power})")


def _visible_half(formula: Element) -> Element | None:
    """Return the visible half of a formula: an element with `aria-hidden` and words, beside or around `math`.

    None: there is no such element, or it contains a `math` element itself.
    """
    for own in [formula, *islice(formula.iterancestors(), 2)]:
        before, after = islice(own.itersiblings(preceding=True), 2), islice(own.itersiblings(), 2)
        for part in (own, *before, *after):
            if part.get("aria-hidden") == "true" and words_in(part).strip():
                return None if any(True for _ in part.iter("math")) else part
    return None


def drop_readings(tree: Element) -> None:
    """Drop the readings above characters (`rt` in `ruby`), since they would run into the text."""
    for reading in list(tree.iter("rt", "rp", "rtc")):
        remove(reading)
    for element in list(tree.iter("ruby", "rb")):
        unwrap(element)


def drop_struck(tree: Element) -> None:
    """Drop struck-out words (`del`, `s`, `strike`, inline style). The tags of `ins` are removed.

    An element with 30 % of the page's characters or more is no correction: only its tags are removed.
    """
    total = 0
    styled = [element for element in tree.iter("span") if _STRUCK_STYLE.search(element.get("style") or "")]
    for element in [*tree.iter("del", "s", "strike"), *styled]:
        total = total or _chars(tree)
        (remove if _chars(element) < _MANY * total else unwrap)(element)
    for element in list(tree.iter("ins")):
        unwrap(element)


# --- inline elements as text ------------------------------------------------------------------------------------------


def unwrap_inline(tree: Element) -> None:
    """Turn `time`, `label`, `button` and the like into a `span` if they stand within a text.

    A button that opens the text in the next element, such as a question its answer, becomes a heading. Others are
    controls and stay unchanged.
    """
    for element in list(tree.iter("time", "data", "output", "label", "button", "meter", "mjx-container", "acronym")):
        if _is_question(element):
            element.tag = "h4" if _parent_of(element).tag not in _HEADINGS else "span"
        elif _is_in_text(element):
            element.tag = "span"
            _forget(element, "class", "id", "role")


def _is_question(element: Element) -> bool:
    """Return whether a button is the heading of an accordion, or a question whose answer is in the next element.

    A `label` after a checkbox or radio button counts as a button: on some pages it opens the answer by CSS alone.
    """
    previous = element.getprevious()
    is_switch = element.tag == "label" and previous is not None and previous.get("type") in ("checkbox", "radio")
    if element.tag != "button" and not is_switch:
        return False
    parent = _parent_of(element)
    if parent.tag in _HEADINGS:
        return True
    words = words_in(element).strip()
    follows = element.getnext()
    if follows is None or (element.tail or "").strip() or (parent.text or "").strip():
        return False
    opens = is_switch or element.get("aria-controls") is not None or words.endswith(("?", "？", "؟", ";"))
    return opens and follows.tag in ("div", "p", "section", "ul", "ol") and _chars(follows) > len(words)


def _is_in_text(element: Element) -> bool:
    """Return whether an element stands within the words of a paragraph, heading or the like, and not in a form."""
    own = _chars(element)
    around = element.getparent()
    while around is not None and around.tag in _RUNNING_TAGS:
        others = _chars(around) - own
        if others >= max(own, 20) or (element.tag in ("mjx-container", "data") and others > 0):
            return not any(True for _ in element.iterancestors("form"))
        around = around.getparent()
    return False


def _forget(element: Element, *names: str) -> None:
    for name in names:
        if name in element.attrib:
            del element.attrib[name]


def _parent_of(element: Element) -> Element:
    """Return the element around `element`, or `element` itself if it is the root."""
    parent = element.getparent()
    return element if parent is None else parent


def raise_figures(tree: Element) -> None:
    """Write raised numbers as characters (10⁹), remove the marks of footnotes, and remove all tags `sup` and `sub`."""
    for element in list(tree.iter("sup")):
        words = words_in(element).strip()
        before = _text_before(element)
        if _is_note(element, words, before):
            remove(element)
        elif _RAISED.fullmatch(words):
            for child in list(element):
                element.remove(child)
            element.text = words.translate(_SUPERSCRIPTS)
            unwrap(element)
        else:
            unwrap(element)
    for element in list(tree.iter("sub")):
        unwrap(element)


def _is_note(element: Element, words: str, before: str) -> bool:
    if not _NOTE.fullmatch(words):
        return False
    if any("#" in (link.get("href") or "") for link in element.iter("a")) or _parent_of(element).tag == "a":
        return True
    return words.isdecimal() and bool(before) and not before[-1].isalnum() and before[-1] not in ")]}"


def _text_before(element: Element) -> str:
    previous = element.getprevious()
    if previous is not None:
        return (previous.tail or "") or words_in(previous)
    return _parent_of(element).text or ""


def quote_words(tree: Element, language: str) -> None:
    """Put quotation marks around the text of `q` elements, as a browser does, if it has none. The tags are removed."""
    opening, closing = QUOTES.get(language[:2].lower(), QUOTES[""])
    for element in list(tree.iter("q")):
        words = words_in(element).strip()
        before = _text_before(element).rstrip()
        if words and words[0] not in _OPENING_QUOTES and not before.endswith(tuple(_OPENING_QUOTES)):
            element.text = opening + (element.text or "")
            if len(element):
                element[-1].tail = (element[-1].tail or "") + closing
            else:
                element.text += closing
        unwrap(element)


# --- tree surgery -----------------------------------------------------------------------------------------------------


def remove(element: Element) -> None:
    """Remove an element and its content from its tree; the text after it stays."""
    parent = element.getparent()
    if parent is None:
        return
    _append_before(parent, element, element.tail)
    element.tail = None
    parent.remove(element)


def unwrap(element: Element) -> None:
    """Replace an element by its content."""
    parent = element.getparent()
    if parent is None:
        return
    _append_before(parent, element, element.text)
    place = parent.index(element)
    children = list(element)
    if children:
        children[-1].tail = (children[-1].tail or "") + (element.tail or "")
    else:
        _append_before(parent, element, element.tail)
    element.tail = None
    parent[place : place + 1] = children


def words_in(element: Element) -> str:
    """Return the text of an element, unchanged."""
    return "".join(map(str, element.itertext()))


def _append_before(parent: Element, element: Element, text: str | None) -> None:
    previous = element.getprevious()
    if previous is not None:
        previous.tail = (previous.tail or "") + (text or "")
    else:
        parent.text = (parent.text or "") + (text or "")
