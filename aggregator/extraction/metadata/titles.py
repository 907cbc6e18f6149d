"""Chooses a page's headline: its statements vote, its headings are compared, the name of the site is removed."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from html import unescape
from itertools import islice
from urllib.parse import urlsplit

from lxml.etree import _Element as Element

from aggregator.extraction.body.blocks import blocks_of, letters_of, text_in, without_hints

_SEPARATOR = re.compile(r"\s+[|–—·•:»«›‹~ㅣ-]+\s+|\s*[|｜ㅣ]\s*|:\s+|\s+::\s+|\s*[‹›»]\s+")
_CUT = re.compile(r"\s*(?:\.\.\.|…)$")
_HEAD_WEIGHT = 1.45  # what readers see goes before one statement, not before two that agree
_LONE_HEAD_WEIGHT = 0.9
_MOST = 0.5  # of a statement that an h1 has to be, else a smaller heading may be the headline
_MAX_CHARS = 500
_MIN_HEAD_CHARS = 8
_MIN_CUT_LETTERS = 15
_MAX_HEADS = 8
_MAX_NAME_CHARS = 80
_TITLE = re.compile(r"<title\b[^<>]*>([^<]{0,500})", re.IGNORECASE)
_META = re.compile(r"<meta\b[^<>]{0,1500}>", re.IGNORECASE)
_OF_TITLE = re.compile(
    r"""\b(?:property|name|itemprop)\s*=\s*["']?[\w:.-]{0,40}(?:title|headline)["'\s/>]""", re.IGNORECASE
)
_CONTENT = re.compile(r"""\bcontent\s*=\s*(?:"([^"]*)"|'([^']*)')""", re.IGNORECASE)
_HOME = re.compile(r"(?:(?:https?:)?//(?:www\.)?([^/?#]+))?(?:/|/index\.html|/index\.php|/home)?", re.IGNORECASE)


def title_of(tree: Element, statements: Sequence[tuple[str, float]], site: str, url: str) -> str:
    """Return the title that most of the page's statements (with their weights, best first) agree on, as one line.

    JSON-LD may have a headline for search engines, and `og:title` one for networks. A heading counts only if a
    statement agrees, since the first h1 of many pages is the name of the blog.
    """
    names = site_names(tree, site, url)
    cleaned = [(without_names(one_line(text), names), weight) for text, weight in statements]
    head, weight_of_head = _head_of(tree, [letters_of(text) for text, _ in cleaned], names)
    votes: defaultdict[str, float] = defaultdict(float)
    spelled: dict[str, str] = {}
    for text, weight in [*cleaned[:2], (head, weight_of_head), *cleaned[2:]]:
        title = head if head and _is_head_and_more(text, head) and not _is_told(text, head, cleaned[0][0]) else text
        letters = letters_of(title)
        if letters and letters not in names:
            votes[letters] += weight
            spelled.setdefault(letters, title)
    for letters, title in list(spelled.items()):
        whole = next((one for one in spelled if one != letters and _is_cut(title, letters, one)), "")
        if whole:
            votes[whole] += votes.pop(letters)
    return spelled[max(votes, key=votes.__getitem__)] if votes else ""


def stated_titles(source: str) -> Iterator[str]:
    """Yield the titles that a page's source states in its head.

    >>> list(stated_titles("<title>On whales - The Show</title><meta property='og:title' content='On whales'>"))
    ['On whales - The Show', 'On whales']
    """
    yield from (one_line(unescape(found)) for found in _TITLE.findall(source))
    for meta in _META.findall(source):
        if _OF_TITLE.search(meta) and (content := _CONTENT.search(meta)):
            yield one_line(unescape(content[1] or content[2] or ""))


def one_line(text: str) -> str:
    """Return a title as one line, without hints for line breaks."""
    return " ".join(without_hints(text[:_MAX_CHARS]).split())


def site_names(tree: Element, site: str, url: str) -> frozenset[str]:
    """Return the names of the site, as letters: from its own statement, its host, and the links to its home page."""
    host = (urlsplit(url).hostname or "").removeprefix("www.")
    homes = islice((link for link in tree.iter("a") if _is_home(link.get("href") or "", host)), 10)
    linked = (text_in(link) for link in homes)
    names = [site, host, host.rpartition(".")[0], *(name for name in linked if len(name) <= _MAX_NAME_CHARS)]
    return frozenset(map(letters_of, names)) - {""}


def _is_home(href: str, host: str) -> bool:
    found = _HOME.fullmatch(href.strip())
    return found is not None and bool(found.group()) and found.group(1) in (None, host)


def without_names(title: str, names: frozenset[str]) -> str:
    """Return a title without one of the site's names (as letters) at its end or beginning.

    >>> without_names("All is well | The Times", frozenset({"thetimes"}))
    'All is well'
    """
    for separator in reversed(list(_SEPARATOR.finditer(title))):
        if separator.start() > 0 and letters_of(title[separator.end() :]) in names:
            return without_names(title[: separator.start()].rstrip(), names)
    first = _SEPARATOR.search(title)
    if first and letters_of(title[: first.start()]) in names and letters_of(title[first.end() :]):
        return title[first.end() :]
    return title


def _head_of(tree: Element, witnesses: Sequence[str], names: frozenset[str]) -> tuple[str, float]:
    """Return the page's heading and its weight: an h1 that a statement has, else a smaller one, else any h1."""
    tops = [head for head in _lines(tree, "h1") if letters_of(head) not in names]
    agreed = max((_share(letters_of(head), witness), head) for head in (*tops, "") for witness in (*witnesses, ""))
    if agreed[0] < _MOST:
        for head in (*_lines(tree, "h2"), *_lines(tree, "h3")):
            letters = letters_of(head)
            is_end = len(letters) >= _MIN_HEAD_CHARS and any(one.endswith(letters) for one in witnesses)
            is_first = len(letters) >= _MIN_HEAD_CHARS and any(one.startswith(letters) for one in witnesses)
            if letters not in names and (is_end or is_first) and len(letters) > len(letters_of(agreed[1])):
                return head, _HEAD_WEIGHT
    if agreed[0]:
        return agreed[1], _HEAD_WEIGHT
    return next((head for head in tops if len(head) >= _MIN_HEAD_CHARS), ""), _LONE_HEAD_WEIGHT


def _share(head: str, witness: str) -> float:
    """Return the length of the shorter of two texts as a share of the longer; 0 if neither contains the other."""
    if not head or not witness or (head != witness and len(head) < _MIN_HEAD_CHARS):
        return 0.0
    return min(len(head), len(witness)) / max(len(head), len(witness)) if head in witness or witness in head else 0.0


def _lines(tree: Element, tag: str) -> Iterator[str]:
    """Yield the headings of a tag as lines; a kicker in a block of its own is a word of its own."""
    for head in islice(tree.iter(tag), _MAX_HEADS):
        if line := one_line(" ".join(block.text for block in blocks_of(head))):
            yield line


def _is_head_and_more(title: str, head: str) -> bool:
    """Return whether a title is the heading with the site's name or a section after or before it."""
    if len(head) >= len(title):
        return False
    if title.startswith(head):
        return _SEPARATOR.match(title, len(head)) is not None
    before = next((found for found in _SEPARATOR.finditer(title) if title[found.end() :] == head), None)
    return before is not None


def _is_told(title: str, head: str, headline: str) -> bool:
    """Return whether the title is the headline in the page's own data, which has a kicker before the heading."""
    return title == headline and headline.endswith(head)


def _is_cut(title: str, letters: str, whole: str) -> bool:
    """Return whether a title is the beginning of another one, cut off."""
    return _CUT.search(title) is not None and len(letters) >= _MIN_CUT_LETTERS and whole.startswith(letters)
