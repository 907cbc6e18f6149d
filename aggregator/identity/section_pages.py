"""Guesses from an address whether its page is a listing: a home page or a section page. Pure; looks at keys alone.

A wrong guess costs little. If a listing is taken for an article, `evidence` has other reasons not to merge it. If an
article is taken for a listing, it is not merged with its duplicates.
"""

from __future__ import annotations

import re
from urllib.parse import unquote

from aggregator.models.ids import Key
from aggregator.text.tables import read_table

_GENERIC = re.compile(r"https://[^/]+(/[^?#]*)(?:\?([^#]*))?(#.*)?", re.DOTALL)
_ROOT_ID = re.compile(r"(?:p|id|page_id|post|post_id|article|articleid|article_id|newsid|news_id|storyid)=[\w-]{1,40}")
_LANGUAGE = re.compile(
    r"(?:ar|bg|bn|bs|cs|da|de|el|en|es|fa|fi|fr|ha|hi|hr|hu|id|it|ja|ko|mk|nl|no|pl|ps|pt|ro|ru|sk|sq|sr|sv|sw|tr|uk|ur"
    r"|vi|zh)(?:-[a-z]{2})?",
    re.IGNORECASE,
)
_WORDS_OF_SECTIONS = read_table("section_words")
_SECTION_NAMES = frozenset(_WORDS_OF_SECTIONS["sections"])
_DATE_ARCHIVE = re.compile(r"/(?:199|20[0-9])[0-9](?:/[0-9]{1,2}){0,2}")
_LISTING_WORDS = frozenset(_WORDS_OF_SECTIONS["listings"])
_WORDS = re.compile(r"[^\W_]+")
_MIN_WORDS = 4  # words of a headline in an address; the names of rubrics and topics are shorter
_ID = re.compile(r"[0-9]{5}")


def is_listing(key: Key) -> bool:
    """Return whether the address in a key looks like a home page or a section page.

    >>> is_listing(Key("https://example.org/news")), is_listing(Key("https://example.org/news/storm-kills-two"))
    (True, False)
    >>> is_listing(Key("https://example.org/archive/2020/08")), is_listing(Key("https://example.org/archive/x/615610"))
    (True, False)
    """
    match = _GENERIC.fullmatch(key)
    if match is None:
        return False  # a publisher's number means an article
    path, query, fragment = match.groups()
    if fragment:
        return False
    if path == "/":
        return query is None or _ROOT_ID.fullmatch(query) is None
    if query is not None:
        return False
    segments = path[1:].split("/")
    return (
        (not _LISTING_WORDS.isdisjoint(segments) and not _ends_as_article(segments[-1]))
        or _DATE_ARCHIVE.fullmatch(path) is not None
        or all(segment.lower() in _SECTION_NAMES or is_language(segment) for segment in segments)
    )


def is_language(segment: str) -> bool:
    """Return whether a segment of a path is the code of a language, such as "de" or "pt-br"."""
    return _LANGUAGE.fullmatch(segment) is not None


def _ends_as_article(segment: str) -> bool:
    """Return whether a path's last segment is no word for listings, and has four words or five digits in a row."""
    if segment in _LISTING_WORDS:
        return False
    return _ID.search(segment) is not None or len(_WORDS.findall(unquote(segment))) >= _MIN_WORDS


def is_home(key: Key) -> bool:
    """Return whether a key has the path "/" and is that of a home page, not of a post ("?p=1").

    >>> is_home(Key("https://example.org/?t=1")), is_home(Key("https://example.org/?p=1"))
    (True, False)
    """
    match = _GENERIC.fullmatch(key)
    return match is not None and match[1] == "/" and is_listing(key)


def may_be_article(key: Key | None, asked: Key) -> bool:
    """Return whether `key`, the key of an answer's final address, can be that of an article.

    It cannot if it is None or means a home page, nor if it means a listing, unless it is also the key of the requested
    page (`asked`).
    """
    return key is not None and not is_home(key) and (key == asked or not is_listing(key))
