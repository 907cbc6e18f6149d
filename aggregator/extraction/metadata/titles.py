"""Chooses a page's title: the stated titles and the headline vote; the name of the site is removed."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator
from html import unescape
from itertools import islice
from urllib.parse import urlsplit

from lxml.etree import _Element as Element

from aggregator.extraction.body.blocks import letters_of, text_in
from aggregator.extraction.metadata.headings import SEPARATOR, Statements, head_of, is_head_and_more, one_line

_WEIGHTS = (1.0, 0.9, 0.7, 0.5, 0.3, 0.2)  # of the votes of `Statements`, in their order
_CUT = re.compile(r"\s*(?:\.\.\.|…)$")
_MIN_CUT_LETTERS = 15
_MAX_NAME_CHARS = 80
_MIN_LABEL_CHARS = 5
_MAX_LABEL_WORDS = 3
_TITLE = re.compile(r"<title\b[^<>]*>([^<]{0,500})", re.IGNORECASE)
_META = re.compile(r"<meta\b[^<>]{0,1500}>", re.IGNORECASE)
_OF_TITLE = re.compile(
    r"""\b(?:property|name|itemprop)\s*=\s*["']?[\w:.-]{0,40}(?:title|headline)["'\s/>]""", re.IGNORECASE
)
_CONTENT = re.compile(r"""\bcontent\s*=\s*(?:"([^"]*)"|'([^']*)')""", re.IGNORECASE)
_HOME = re.compile(r"(?:(?:https?:)?//(?:www\.)?([^/?#]+))?(?:/|/index\.html|/index\.php|/home)?", re.IGNORECASE)


def title_of(tree: Element, statements: Statements, site: str, url: str) -> str:
    """Return the title with the most votes, as one line. Each title that the page or its feed states is a vote.

    Votes differ in weight. The page's headline is a vote, too: with its full weight only if a stated title resembles
    it, since the first h1 of many pages is the name of the blog.
    """
    names, labels = site_names(tree, site, url), _labels_of(url)
    stated = Statements(*(without_names(one_line(text), names, labels) for text in statements))
    head = head_of(tree, stated, names)
    voting = list(zip(stated, _WEIGHTS, strict=True))
    votes: defaultdict[str, float] = defaultdict(float)
    spelled: dict[str, str] = {}
    for text, weight in [*voting[:2], head, *voting[2:]]:
        is_more = is_head_and_more(text, head.text) and not _is_told(text, head.text, stated.headline)
        title = head.text if is_more else text
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
    """Yield the titles that a page's source states in `title` and `meta` elements.

    >>> list(stated_titles("<title>On whales - The Show</title><meta property='og:title' content='On whales'>"))
    ['On whales - The Show', 'On whales']
    """
    yield from (one_line(unescape(found)) for found in _TITLE.findall(source))
    for meta in _META.findall(source):
        if _OF_TITLE.search(meta) and (content := _CONTENT.search(meta)):
            yield one_line(unescape(content[1] or content[2] or ""))


def site_names(tree: Element, site: str, url: str) -> frozenset[str]:
    """Return the names of the site, each as its letters alone ("thetimes"; see `letters_of`).

    They are the stated name `site`, the host with and without its last part, and the texts of links to the home page.
    """
    host = (urlsplit(url).hostname or "").removeprefix("www.")
    homes = islice((link for link in tree.iter("a") if _is_home(link.get("href") or "", host)), 10)
    linked = (text_in(link) for link in homes)
    names = [site, host, host.rpartition(".")[0], *(name for name in linked if len(name) <= _MAX_NAME_CHARS)]
    return frozenset(map(letters_of, names)) - {""}


def _is_home(href: str, host: str) -> bool:
    found = _HOME.fullmatch(href.strip())
    return found is not None and bool(found.group()) and found.group(1) in (None, host)


def _labels_of(url: str) -> tuple[str, ...]:
    """Return the parts of a host with five letters or more. The name of a site often begins with one of these parts."""
    parts = (urlsplit(url).hostname or "").split(".")[:-1]
    return tuple(letters for letters in map(letters_of, parts) if len(letters) >= _MIN_LABEL_CHARS)


def without_names(title: str, names: frozenset[str], labels: tuple[str, ...] = ()) -> str:
    """Return a title without the name of the site (one of `names`, as letters) at its end or beginning.

    A short last part that begins with one of the `labels` (parts of the host) is a name, too.

    >>> without_names("All is well | The Times", frozenset({"thetimes"}))
    'All is well'
    >>> without_names("A long way to the river - Rowers' Forum", frozenset(), ("rowers",))
    'A long way to the river'
    """
    for separator in reversed(list(SEPARATOR.finditer(title))):
        before, last = title[: separator.start()].rstrip(), title[separator.end() :]
        if before and (letters_of(last) in names or _is_labelled(before, last, labels)):
            return without_names(before, names, labels)
    first = SEPARATOR.search(title)
    if first and letters_of(title[: first.start()]) in names and letters_of(title[first.end() :]):
        return title[first.end() :]
    return title


def _is_labelled(before: str, last: str, labels: tuple[str, ...]) -> bool:
    is_short = len(last.split()) <= _MAX_LABEL_WORDS and len(last) < len(before)
    return is_short and bool(labels) and letters_of(last).startswith(labels)


def _is_told(title: str, head: str, headline: str) -> bool:
    """Return whether `title` is JSON-LD's headline and ends with the heading `head`: "Floods: Old bridge opens"."""
    return title == headline and headline.endswith(head)


def _is_cut(title: str, letters: str, whole: str) -> bool:
    """Return whether `title` is the longer title `whole`, cut off with an ellipsis.

    `letters` has the letters of `title` alone; `whole` too is given as letters.
    """
    return _CUT.search(title) is not None and len(letters) >= _MIN_CUT_LETTERS and whole.startswith(letters)
