"""Reads sitemap indexes, and checks and applies the patterns of a source of `kind = "sitemap"`. Pure; no requests.

A pattern is a part of an address, or "re:" and a regular expression (RE2) that matches any part of the address.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from html import unescape
from itertools import islice
from typing import Final
from urllib.parse import urlsplit

from aggregator.feeds.repair import read_text
from aggregator.identity.patterns import Pattern, compile_search
from aggregator.models.sources import NamedSitemap, Select
from aggregator.text.dates import parse_date
from aggregator.urls import absolute, host_of

MAX_SITEMAPS: Final = 10  # of one index
_INDEX: Final = re.compile(r"<(?:[\w.-]{1,30}:)?sitemapindex[\s>]", re.IGNORECASE)
_INDEX_START: Final = 2_000  # characters in which the root of a sitemap index must appear
_MAX_FIELDS: Final = 100_000  # of one index: 50,000 sitemaps (sitemaps.org), each with its date
_FIELD: Final = re.compile(
    r"<(?:[\w.-]{1,30}:)?(loc|lastmod)(?=[\s>])[^<>]{0,100}>\s{0,99}(?:<!\[CDATA\[\s{0,99})?([^<>\s]{1,2000})",
    re.IGNORECASE,
)
_EXPRESSION: Final = "re:"
_OLDEST: Final = datetime(1970, 1, 1, tzinfo=UTC)


def named_sitemaps(body: bytes, url: str, headers: Mapping[str, str]) -> tuple[NamedSitemap, ...] | None:
    """Return the sitemaps that an index lists, in its order, each once; None: the body is no index.

    A `lastmod` is taken as that of the `loc` before it.
    """
    text = read_text(body, headers).body
    if _INDEX.search(text[:_INDEX_START]) is None:
        return None
    found, last = dict[str, str](), ""
    for field in islice(_FIELD.finditer(text), _MAX_FIELDS):
        name, value = field[1], field[2].removesuffix("]]")  # the end of a CDATA section
        if name.lower() == "lastmod":
            found[last] = value
        else:
            last = absolute(url, unescape(value)) or ""
            found.setdefault(last, "")
    return tuple(NamedSitemap(url=address, lastmod=lastmod) for address, lastmod in found.items() if address)


def choose_sitemaps(named: Sequence[NamedSitemap], url: str, pattern: str, now: datetime) -> tuple[NamedSitemap, ...]:
    """Return the sitemaps of an index that are to be read, the latest first, `MAX_SITEMAPS` at most.

    They are on the host of the index at `url`, and their addresses fit `pattern`. `pattern` "": those with "news" in
    the path are chosen, or all if no path has it. Sitemaps without `lastmod` come last, in the order of the index.
    """
    own = [one for one in named if host_of(one.url) == host_of(url) and one.url != url and fits(pattern, one.url)]
    news = [] if pattern else [one for one in own if is_for_news(one.url)]
    dated = sorted(news or own, key=lambda one: parse_date(one.lastmod, now) or _OLDEST, reverse=True)
    return tuple(dated[:MAX_SITEMAPS])


def is_for_news(url: str) -> bool:
    """Return whether the path of a sitemap contains "news"."""
    return "news" in urlsplit(url).path.lower()


def fits(pattern: str, url: str) -> bool:
    """Return whether an address fits a pattern; "" fits all.

    A pattern without "re:" fits if the address contains it, in upper or lower case.

    >>> fits("/sport/", "https://a.example/en/Sport/1"), fits("re:/[0-9]{4}$", "https://a.example/en/1")
    (True, False)
    """
    if not pattern.startswith(_EXPRESSION):
        return pattern.casefold() in url.casefold()
    return Pattern(pattern.removeprefix(_EXPRESSION)).is_in(url)


def check_select(select: Select) -> None:
    """Raise an error if a pattern has an invalid regular expression.

    Raises:
        ValueError: the expression is invalid; the message names it and the reason.
    """
    for name, pattern in (("entry", select.entry), ("link", select.link)):
        if pattern.startswith(_EXPRESSION):
            try:
                compile_search(pattern.removeprefix(_EXPRESSION))
            except ValueError as error:
                raise ValueError(f"{name}: {pattern!r} {error}") from error
