"""Returns the reasons to doubt that a text is an article. It changes nothing and extracts nothing.

An article without reasons counts as good. An article with reasons is stored with them, as its `quality`.
"""

from __future__ import annotations

import html as entities
import re
from collections.abc import Callable
from datetime import date, timedelta
from typing import Literal

from aggregator.extraction.body.blocks import letters_of
from aggregator.extraction.markup import Markup, read_markup
from aggregator.extraction.metadata.json_ld import text_of
from aggregator.extraction.walls import (
    Evidence,
    is_bot_check,
    is_consent_wall,
    is_error_page,
    is_login,
    is_paywall_stub,
    says_enough,
)
from aggregator.models.articles import DateSource, ExtractInput, Extraction
from aggregator.text.languages import is_nearer, language_of, language_tag
from aggregator.text.words import count_unspaced, count_words

Reason = Literal[
    "consent_wall",
    "paywall_stub",
    "bot_check",
    "error_page",
    "login",
    "listing",
    "truncated",
    "fragment",
    "wrong_language",
    "implausible_date",
    "too_short",
]


_SENTENCE_ENDS = (".", "!", "?", "…", "”", '"', "。", "！", "？", "।", "؟", "»", "」", "’", ":")
_END_OF_STUB = re.compile(r"(?:\.\.\.|…|\[…\]|\[\.\.\.\]|read more|weiterlesen|lire la suite)\s*$", re.IGNORECASE)
_LINK = re.compile(r"<a\b[^<>]{0,2000}>(.{0,600}?)</a\s*>", re.IGNORECASE | re.DOTALL)
_TAG = re.compile(r"<[^<>]{0,2000}>")
_TINY_CHARS = 140
_TINY_WORDS = 25
_FEW_WORDS_SHARE = 0.5  # the share of the length that page or feed announce
_LONG_LINE_WORDS = 18
_MIN_ELSEWHERE = 1000  # with so many letters of prose outside it, the body is a fragment
_FRAGMENT_SHARE = 3.0


def assess(content: Extraction, page: ExtractInput, markup: Markup | None = None) -> tuple[Reason, ...]:
    """Return the reasons to doubt that this is an article, in a fixed order; empty: there are none.

    `markup` is the decoded page, if the caller has it. If the text comes from the feed, only its date is checked.
    """
    evidence = Evidence(content=content, page=page, markup=markup or read_markup(page))
    checks = _CHECKS if content.source == "page" else _CHECKS_OF_FEED_CONTENT
    return tuple(reason for reason, check in checks.items() if check(evidence))


def _plain(markup: str) -> str:
    return " ".join(entities.unescape(_TAG.sub(" ", markup)).split())


def _day(stated: str) -> date | None:
    try:
        return date.fromisoformat((stated[:10] + "-01-01")[:10])
    except ValueError:
        return None


def _is_listing(evidence: Evidence) -> bool:
    """Return whether the page is a list: no article in JSON-LD, and at least 8 paragraphs in the body.

    Less than a quarter of the paragraphs are sentences or long, and at least a quarter are the text of a link.
    """
    paragraphs = [line for line in evidence.content.body.split("\n\n") if line.strip()]
    if len(paragraphs) < 8 or evidence.has_article:
        return False
    sentences = sum(
        1 for line in paragraphs if count_words(line) >= _LONG_LINE_WORDS or line.rstrip().endswith(_SENTENCE_ENDS)
    )
    if sentences >= len(paragraphs) / 4:
        return False
    links = {letters_of(_plain(words)) for words in _LINK.findall(evidence.markup.text)}
    return sum(letters_of(line) in links for line in paragraphs) >= len(paragraphs) / 4


def _is_truncated(evidence: Evidence) -> bool:
    """Return whether JSON-LD (wordCount, articleBody) or the feed's text is more than twice as long as the body.

    A body of less than 120 words that ends with an ellipsis or an offer to read on is truncated, too.
    """
    body = evidence.content.body
    words = evidence.words + count_unspaced(body)  # some count characters
    article = evidence.markup.json_ld.article
    announced = text_of(article.get("wordCount")) or str(article.get("wordCount") or "")
    if announced.isdecimal() and 50 < int(announced) < 100_000 and words < _FEW_WORDS_SHARE * int(announced):
        return True
    letters = len(letters_of(body))
    elsewhere = (
        text_of(article.get("articleBody")),
        _plain(evidence.page.feed_html),
        _plain(evidence.page.feed_summary),
    )
    if any(letters < _FEW_WORDS_SHARE * len(letters_of(text)) for text in elsewhere if len(text) > 200):
        return True
    return evidence.words < 120 and bool(_END_OF_STUB.search(body))


def _is_fragment(evidence: Evidence) -> bool:
    """Return whether much prose of the page is not in the body: 1000 letters, and three times as much as the body."""
    body = letters_of(evidence.content.body)
    lines = (line for line in evidence.content.text.splitlines() if count_words(line) >= _LONG_LINE_WORDS)
    outside = sum(len(letters) for letters in map(letters_of, lines) if letters not in body)
    return outside >= _MIN_ELSEWHERE and outside >= _FRAGMENT_SHARE * len(body)


def _is_wrong_language(evidence: Evidence) -> bool:
    """Return whether the text is clearly in another language than the feed: a translation, a login page, spam.

    Many feeds state the default language of their software. So the text may also be in the language of its entry's
    title and summary.
    """
    announced = language_tag(evidence.page.feed_language)
    if not announced:
        return False
    found = language_of(evidence.content.body, announced)
    own = f"{evidence.page.feed_title}\n{_plain(evidence.page.feed_summary or evidence.page.feed_html)}"
    return found != announced and not is_nearer(own, found, announced)


def _has_implausible_date(evidence: Evidence) -> bool:
    """Return whether the date is unreadable, before 1995, or more than two days after the page was first seen.

    A date from the page is also implausible if it is over a year away from the feed's date. A date that comes from
    neither page nor feed is not checked.
    """
    content, seen = evidence.content, evidence.page.first_seen
    if content.date_source in (DateSource.NONE, DateSource.FIRST_SEEN):
        return False
    day = _day(content.date)
    if day is None or day.year < 1995 or (seen is not None and day > seen.date() + timedelta(days=2)):
        return True
    announced = _day(evidence.page.feed_published)
    return content.date_source is DateSource.PAGE and announced is not None and abs(announced - day).days > 366


def _is_too_short(evidence: Evidence) -> bool:
    body = evidence.content.body.strip()
    return len(body) < _TINY_CHARS and evidence.words < _TINY_WORDS and not says_enough(evidence)


_CHECKS: dict[Reason, Callable[[Evidence], bool]] = {
    "bot_check": is_bot_check,
    "consent_wall": is_consent_wall,
    "error_page": is_error_page,
    "login": is_login,
    "paywall_stub": is_paywall_stub,
    "listing": _is_listing,
    "truncated": _is_truncated,
    "fragment": _is_fragment,
    "wrong_language": _is_wrong_language,
    "implausible_date": _has_implausible_date,
    "too_short": _is_too_short,
}
_CHECKS_OF_FEED_CONTENT: dict[Reason, Callable[[Evidence], bool]] = {"implausible_date": _has_implausible_date}
