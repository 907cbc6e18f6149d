"""The parameters that select articles. The page of articles, the API and the Atom stream have the same ones."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Final, Literal
from urllib.parse import urlencode

from fastapi import HTTPException, Query

from aggregator.ports.readings import ArticleSearch, FoundPage
from aggregator.text.search_words import is_vague, read_query
from aggregator.web.state import Site

_FEED: Final = "name or address of a feed that announced it"
_DAY: Final = "YYYY-MM-DD: first seen on this day (UTC)"
_LANGUAGE: Final = "language tag; `de` finds `de-AT`, too"
_WORDS: Final = 'words that all occur; "words in quotes" side by side; begin* for words that begin so'


def read_search(
    q: Annotated[str, Query(max_length=500, description=_WORDS, examples=["storm"])] = "",
    feed: Annotated[
        str,
        Query(max_length=2000, description=_FEED, examples=["Example News"]),
    ] = "",
    tag: Annotated[str, Query(max_length=200, description="tag of such a feed", examples=["news"])] = "",
    day: Annotated[str, Query(max_length=10, description=_DAY, examples=["2026-11-19"])] = "",
    language: Annotated[str, Query(max_length=35, description=_LANGUAGE, examples=["de"])] = "",
    quality: Annotated[Literal["", "good", "doubtful"], Query(description="without or with reasons to doubt")] = "",
    once: Annotated[bool, Query(description="each story once: no near duplicates of earlier articles")] = False,
    after: Annotated[str, Query(max_length=100, description="`next` of the answer before")] = "",
) -> ArticleSearch:
    """Return the search that the parameters of a request describe.

    Raises:
        HTTPException: `day` is no day, or `q` has a prefix (`a*`) with fewer than two letters or digits.
    """
    if is_vague(read_query(q)):
        raise HTTPException(422, "q: a beginning of words needs two letters or digits at least, such as en*")
    return ArticleSearch(
        query=_without_nul(q),
        feed=_without_nul(feed),
        tag=_without_nul(tag),
        day=_day(day),
        language=_without_nul(language),
        doubtful=None if not quality else quality == "doubtful",
        once=once,
        after=after,
    )


def _without_nul(text: str) -> str:
    """Return `text` without NUL and lone surrogates, which databases refuse; each is replaced."""
    return text.replace("\0", " ").encode("utf-8", "replace").decode()


def _day(text: str) -> datetime | None:
    if not text:
        return None
    try:
        return datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=UTC)
    except ValueError as error:
        raise HTTPException(422, f"day: {text!r} is no day; write YYYY-MM-DD") from error


def find(site: Site, wanted: ArticleSearch) -> FoundPage:
    """Search the store; return one page of the articles found.

    Raises:
        HTTPException: `after` is not the `next` of an earlier answer to the same search.
    """
    try:
        return site.store.search(wanted)
    except ValueError as error:
        raise HTTPException(422, "after: this is no `next` of an answer to the same question") from error


def query_string(wanted: ArticleSearch, **changed: str) -> str:
    """Return the search as the query string of an address, such as "?q=storm&tag=news"; "" if it has no parameter.

    `changed` replaces some of the parameters.
    """
    quality = "" if wanted.doubtful is None else "doubtful" if wanted.doubtful else "good"
    parameters = {
        "q": wanted.query,
        "feed": wanted.feed,
        "tag": wanted.tag,
        "day": "" if wanted.day is None else wanted.day.strftime("%Y-%m-%d"),
        "language": wanted.language,
        "quality": quality,
        "once": "1" if wanted.once else "",
        **changed,
    }
    given = urlencode({name: value for name, value in parameters.items() if value})
    return f"?{given}" if given else ""
