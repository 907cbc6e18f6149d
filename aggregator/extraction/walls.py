"""Recognises walls (pages that are no article): errors, bot checks, questions for consent, logins, paywalls.

Each check needs evidence of two kinds: the words of such pages (`publishers/tables/wall_words.toml`), and markup,
length or place. Words alone prove nothing: news mention cookies, robots and road number 404.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property

from aggregator.extraction.body.blocks import letters_of
from aggregator.extraction.markup import Markup
from aggregator.extraction.metadata.json_ld import text_of
from aggregator.models.articles import ExtractInput, Extraction
from aggregator.text.tables import read_table
from aggregator.text.words import count_unspaced, count_words

_WORDS = read_table("wall_words")

SHORT_WORDS = 200  # a longer text is an article even if it is about cookies
_TINY_WORDS = 110
_FEW_WORDS, _DENSE = 60, 0.12  # the whole text is little more than these words
_TITLE_PARTS = re.compile(r"\s+[|–—·•:»«›-]+\s+|\s*[|｜]\s*|(?<=[!?…])\s+")
_CODE = re.compile(r"(?<!\d)(?:40[0-9]|410|429|451|50[0-4]|52[0-6])(?!\d)")
_CODE_ALONE = re.compile(
    r"(?:^|[\s:：(])(?:http\s*)?(?:error\s*)?(?:40[0-9]|410|429|451|50[0-4]|52[0-6])[.)]?\s*$", re.I | re.M
)
_PASSWORD = re.compile(r"<input\b[^<>]{0,300}type\s*=\s*[\"']?password", re.IGNORECASE)
_CONTROL = re.compile(r"<button\b|<input\b[^<>]{0,300}type\s*=\s*[\"']?(?:submit|button|checkbox)", re.IGNORECASE)
_CLASS = re.compile(r"\b(?:class|id)\s*=\s*[\"']([^\"'<>]{1,300})", re.IGNORECASE)
_NOINDEX = re.compile(r"<meta\b[^<>]{0,200}\bnoindex\b", re.IGNORECASE)
_PARTNERS = re.compile(r"\b[1-9]\d{1,3}\b")
_SENTENCE_ENDS = (".", "!", "?", "。", "！", "？", "।", "؟", "”", '"', "»", ")", "’", "」", "』", "“")
_END_OF_STUB = re.compile(r"(?:\.\.\.|…)[\])]?\s*$")
_HANGUL = re.compile("[\uac00-\ud7af]")  # endings follow its words without a blank
_NOISE = re.compile(
    r"^(?:oops|sorry|uh oh|http|error|fehler|erreur|errore|erro|ошибка|错误|오류)?\W*\d{0,3}\W*", re.IGNORECASE
)


def folded(text: str) -> str:
    """Return a text in small letters, with single blanks and without punctuation, to compare it with the tables."""
    return " ".join(re.sub(r"[^\w\s]", "", re.sub(r"[-–—/]", " ", text)).casefold().split())


def _pattern(phrases: list[str], *, stems: bool = False) -> re.Pattern[str]:
    """Return a pattern that finds any of the phrases as whole words; if `stems`, also as beginnings of words.

    A phrase in a script without blanks, or in Korean, is found anywhere.
    """
    ends = "" if stems else r"(?!\w)"
    parts = [(re.escape(folded(one)), count_unspaced(one) > 0 or bool(_HANGUL.search(one))) for one in phrases]
    return re.compile("|".join(part if unspaced else rf"(?<!\w){part}{ends}" for part, unspaced in parts))


_ERROR_TITLES = frozenset(map(letters_of, _WORDS["error"]["titles"]))
_BOT_TITLES = frozenset(map(letters_of, _WORDS["bot"]["titles"]))
_CONSENT_TITLES = frozenset(map(letters_of, _WORDS["consent"]["titles"]))
_LOGIN_TITLES = _pattern(_WORDS["login"]["titles"])
_BOT_WORDS = _pattern(_WORDS["bot"]["words"])
_BOT_MARKUP: tuple[str, ...] = tuple(map(str.lower, _WORDS["bot"]["markup"]))
_BOT_FORMS: tuple[str, ...] = tuple(map(str.lower, _WORDS["bot"]["forms"]))
_COOKIES = _pattern(_WORDS["consent"]["cookies"], stems=True)
_SUBJECTS = _pattern(_WORDS["consent"]["subjects"], stems=True)
_CHOICES = _pattern(_WORDS["consent"]["choices"], stems=True)
_LOGIN_PHRASES = _pattern(_WORDS["login"]["phrases"])
_PAYWALL = _pattern(_WORDS["paywall"]["phrases"], stems=True)
_PAYWALL_CLASSES = _pattern(_WORDS["paywall"]["classes"])


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """What the checks of a page use: its extracted article, its HTTP response, its decoded source."""

    content: Extraction
    page: ExtractInput
    markup: Markup

    @cached_property
    def words(self) -> int:
        """How many words the body has."""
        return count_words(self.content.body)

    @cached_property
    def source(self) -> str:
        """The page's source in small letters, in which plain words are searched."""
        return self.markup.text.lower()

    @cached_property
    def said(self) -> str:
        """The title and the first 8000 characters of the body, folded (`folded`), in which words are searched."""
        return folded(f"{self.content.title}\n{self.content.body[:8000]}")

    @cached_property
    def title_parts(self) -> frozenset[str]:
        """The extracted title and its parts between separators (" | "), each reduced to its letters.

        A word such as "Error" or "Oops" and a status code at the beginning of a part are removed.
        """
        parts = [*_TITLE_PARTS.split(self.content.title), self.content.title]
        return frozenset(letters_of(_NOISE.sub("", part)) or letters_of(part) for part in parts) - {""}

    @property
    def is_short(self) -> bool:
        """Return whether the body is short enough for a wall: less than 200 words."""
        return self.words < SHORT_WORDS

    @property
    def has_article(self) -> bool:
        """Return whether the page's JSON-LD has an article with a headline."""
        return bool(self.markup.json_ld.article.get("headline"))


def says_enough(evidence: Evidence) -> bool:
    """Return whether the text has 90 % of the length that the page states, by articleBody or wordCount.

    Such a text is whole, even if it is short: news may be short.
    """
    article = evidence.markup.json_ld.article
    whole, count = letters_of(text_of(article.get("articleBody"))), str(article.get("wordCount") or "")
    if whole:
        return len(letters_of(evidence.content.body)) >= 0.9 * len(whole)
    return count.isdecimal() and evidence.words >= 0.9 * int(count)


def is_bot_check(evidence: Evidence) -> bool:
    """Return whether the page is a bot check: less than 110 words, no article in JSON-LD, and one of two signs.

    One sign is the script or form of a bot check, with its usual title or words. (Beside a `textarea`, the form only
    protects comments.) The other is such a title, with less than 40 words, `noindex` or a button.
    """
    if evidence.words >= _TINY_WORDS or evidence.has_article:
        return False
    is_titled = not _BOT_TITLES.isdisjoint(evidence.title_parts)
    if _has_bot_markup(evidence):
        return is_titled or bool(_BOT_WORDS.search(evidence.said))
    if any(form in evidence.source for form in _BOT_FORMS):
        return (is_titled or bool(_BOT_WORDS.search(evidence.said))) and not _is_comment_form(evidence)
    has_sign = (
        evidence.words < 40
        or bool(_NOINDEX.search(evidence.markup.text))
        or bool(_CONTROL.search(evidence.markup.text))
    )
    return is_titled and has_sign


def _has_bot_markup(evidence: Evidence) -> bool:
    return any(script in evidence.source for script in _BOT_MARKUP)


def _is_comment_form(evidence: Evidence) -> bool:
    return "<textarea" in evidence.source


def is_certain_wall(evidence: Evidence) -> bool:
    """Return whether the page is a bot check and its markup proves it: the page has the scripts of bot checks."""
    return is_bot_check(evidence) and _has_bot_markup(evidence)


def is_consent_wall(evidence: Evidence) -> bool:
    """Return whether the page asks for consent: a short text about cookies or data that offers a choice.

    Words about cookies, data and choices must be a large part of the text. The title, a button or many different words
    must confirm this, unless the text is very short.
    """
    if not evidence.is_short or evidence.has_article:
        return False
    cookies = len(_COOKIES.findall(evidence.said))
    subjects = len(set(_SUBJECTS.findall(evidence.said)))
    choices = len(set(_CHOICES.findall(evidence.said)))
    is_titled = not _CONSENT_TITLES.isdisjoint(evidence.title_parts)
    if not (choices and (cookies or subjects >= 2)):
        return False
    density = (cookies + subjects + choices) / max(1, evidence.words)
    if evidence.words < _FEW_WORDS and density >= _DENSE and min(cookies, 2) + subjects + choices >= 3:
        return True
    signs = (
        is_titled + (cookies >= 2) + (subjects >= 2) + (choices >= 2) + bool(_PARTNERS.search(evidence.content.body))
    )
    return density >= 0.05 and signs >= 2 and (is_titled or bool(_CONTROL.search(evidence.markup.text)) or signs >= 4)


def is_error_page(evidence: Evidence) -> bool:
    """Return whether the page is an error page: less than 150 words, and a title with a part that names an error.

    A title with a status code counts, too, if it has at most 12 letters or a line of the body ends with such a code.
    """
    if not evidence.is_short or evidence.words >= 0.75 * SHORT_WORDS:
        return False
    if not _ERROR_TITLES.isdisjoint(evidence.title_parts):
        return True
    codes = _CODE.findall(evidence.content.title)
    is_bare = bool(codes) and len(letters_of(evidence.content.title)) <= 12
    return is_bare or (bool(codes) and bool(_CODE_ALONE.search(evidence.content.body)))


def is_login(evidence: Evidence) -> bool:
    """Return whether the page is a login: a short text, a password field, and a title or words of a login."""
    if not evidence.is_short or not _PASSWORD.search(evidence.markup.text):
        return False
    title = folded(evidence.content.title)
    return bool(_LOGIN_TITLES.match(title) and len(title.split()) <= 8) or bool(_LOGIN_PHRASES.search(evidence.said))


def is_paywall_stub(evidence: Evidence) -> bool:
    """Return whether the page is a paywall's stub: the short free beginning of a paid article.

    JSON-LD says that it is not free, or it has two different offers to subscribe. One offer is enough if the text
    breaks off or an element is named as a paywall. A text that is as long as the page states is no stub.
    """
    if not evidence.is_short or says_enough(evidence):
        return False
    free = evidence.markup.json_ld.article.get("isAccessibleForFree")
    if free is False or text_of(free).lower() == "false":
        return True
    asks = _asks_for_subscription(evidence)
    return asks >= 2 or (asks == 1 and (_breaks_off(evidence.content.body) or _has_paywall_box(evidence)))


def _breaks_off(body: str) -> bool:
    return bool(_END_OF_STUB.search(body)) or not body.rstrip().endswith(_SENTENCE_ENDS)


def _has_paywall_box(evidence: Evidence) -> bool:
    return any(_PAYWALL_CLASSES.search(_class_words(names)) for names in _CLASS.findall(evidence.markup.text))


def _class_words(names: str) -> str:
    return " ".join(re.findall(r"[a-z]+|[A-Z][a-z]+", names.replace("_", "-"))).lower()


def _asks_for_subscription(evidence: Evidence) -> int:
    """Return the number of different paywall phrases at the end of the body and of the page.

    Searched are the last two paragraphs of the body, if short, and those of the page's last 60 lines that are not in
    the body.
    """
    body = evidence.content.body.split("\n\n")
    end = [line for line in body[-2:] if count_words(line) <= 40 and line is not body[0]]
    known = letters_of(evidence.content.body)
    below = [
        line for line in evidence.content.text.splitlines()[-60:] if line.strip() and letters_of(line) not in known
    ]
    return len({phrase for line in (*end, *below) for phrase in _PAYWALL.findall(folded(line))})
