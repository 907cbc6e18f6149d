"""The rules that a feed's table in the configuration sets for its articles: titles, language, selectors for pages.

Pure: the functions read neither configuration files nor pages.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

from aggregator.extraction.page_rules import PageRules
from aggregator.identity.patterns import compile_search
from aggregator.models.articles import ExtractInput, Extraction

_SEPARATORS: Final = " \t\u00a0|-\u2010\u2011\u2012\u2013\u2014\u2015:\u00b7\u2022\u00bb\u00ab\u203a\u2039/~_,"
PATTERN: Final = "re:"  # what begins a pattern; any other text is plain


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedRules:
    """Rules for one feed's articles. Selectors are as in `PageRules`. An empty field sets no rule."""

    title_strip: tuple[str, ...] = ()  # plain texts, and patterns of RE2 after "re:"
    language: str = ""
    content: tuple[str, ...] = ()
    strip: tuple[str, ...] = ()
    author: tuple[str, ...] = ()
    date: tuple[str, ...] = ()
    next_page: tuple[str, ...] = ()  # a feed has none: where an article goes on is a publisher's rule


@dataclass(frozen=True, slots=True, kw_only=True)
class ArticleRules:
    """The rules for one article: the selectors for its page, and the rules of its feed."""

    pages: PageRules | None = None
    feed: FeedRules = FeedRules()


RulesOf = Callable[[str, str], ArticleRules]  # of the page's host (name:port) and the feed's address


def article_rules(feed: FeedRules, others: PageRules | None) -> ArticleRules:
    """Return the rules for a feed's articles. `others` are the selectors of the publisher or of the site-config file.

    The feed's selectors are tried first. Of `strip`, all selectors are used: the feed's and the others.
    """
    own = (feed.content, feed.strip, feed.author, feed.date)
    if not any(own):
        return ArticleRules(pages=others, feed=feed)
    if others is None:
        return ArticleRules(pages=feed, feed=feed)
    joined = replace(
        feed,
        content=(*feed.content, *others.content),
        strip=(*feed.strip, *others.strip),
        author=(*feed.author, *others.author),
        date=(*feed.date, *others.date),
        next_page=others.next_page,
    )
    return ArticleRules(pages=joined, feed=feed)


def announced_by(page: ExtractInput, rules: FeedRules) -> ExtractInput:
    """Return `page` with the title and language that its feed announced, as the rules for this feed change them."""
    if not _says_something(rules):
        return page
    title = strip_title(page.feed_title, rules.title_strip)
    return replace(page, feed_title=title, feed_language=rules.language or page.feed_language)


def ruled(content: Extraction, rules: FeedRules) -> Extraction:
    """Return the article with its title and language changed by the feed's rules."""
    if not _says_something(rules):
        return content
    title = strip_title(content.title, rules.title_strip)
    return replace(content, title=title, language=rules.language or content.language)


def _says_something(rules: FeedRules) -> bool:
    return bool(rules.title_strip or rules.language)  # most rules do not: nothing is copied


def strip_title(title: str, parts: tuple[str, ...]) -> str:
    r"""Return a title without the given texts at its beginning or end, and without matches of the given patterns.

    A title is never emptied. The separator beside a plain text is removed, too. Case does not count.

    >>> strip_title("[12] Ferry late | The Harbour", ("the harbour", r"re:^\[[0-9]+\]"))
    'Ferry late'
    """
    left = title
    for part in parts:
        if part.startswith(PATTERN):
            left = " ".join(compile_search(part.removeprefix(PATTERN)).without(left).split())
        else:
            left = _without_ends(left, " ".join(part.split()))
    return left or title


def _without_ends(title: str, part: str) -> str:
    size, folded = len(part), part.casefold()
    if title[-size:].casefold() == folded and not _is_one_word(title[-size - 1 : -size], part[:1]):
        title = title[:-size].rstrip(_SEPARATORS)
    if title[:size].casefold() == folded and not _is_one_word(part[-1:], title[size : size + 1]):
        title = title[size:].lstrip(_SEPARATORS)
    return title


def _is_one_word(left: str, right: str) -> bool:
    """Return whether two characters side by side belong to one word: each is a digit or a letter with case.

    Letters without case (Chinese, Arabic) do not count, since such scripts often have no blanks between words.
    """
    return all(sign.isdigit() or sign.lower() != sign.upper() for sign in (left, right))
