"""Fetches one page within a visit, and decides whether the answer is a page. Knows no store."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta

from aggregator.models.fetching import Cause, Fetched, FetchRequest, FetchResult
from aggregator.models.pages import Page, PageFailed
from aggregator.ports.protocols import Fetcher

# The beginning of JSON. No page begins like this, whatever its header says.
_JSON_HEAD = re.compile(rb"(?:\xef\xbb\xbf)?\s*+(?:\{\s*+[\"}]|\[\s*+[\[{\"\]])")
# The beginning of a feed, after what XML allows before its root. A link to a feed leads to no article.
_FEED_HEAD = re.compile(rb"(?:\xef\xbb\xbf)?(?:\s*+<[?!][^>]{0,500}+>)*+\s*+<(?:rss|feed|rdf:RDF)[\s>]")
_TEXT_TYPES = ("text/html", "application/xhtml+xml", "text/plain", "application/xml", "text/xml")


@dataclass(frozen=True, slots=True, kw_only=True)
class PageLimits:
    """The limits of each fetch of a page."""

    max_bytes: int
    deadline: timedelta


def fetch_page(page: Page, fetcher: Fetcher, limits: PageLimits, is_known: Callable[[str], bool]) -> FetchResult:
    """Fetch the page from the host where it is due. A redirect to another host gives `Redirected`.

    If the page has no article yet and is no next page of an article, a redirect to an address whose article is stored
    (`is_known`) gives `Redirected`, too.
    """
    return fetcher.fetch(
        FetchRequest(
            url=page.target,
            accept="page",
            validators=page.validators,
            hops=page.hops,
            feed=page.feed_url,
            follow_hosts=False,
            ends_at=is_known if page.article_id is None and page.part is None else None,
            max_bytes=limits.max_bytes,
            deadline=limits.deadline,
        )
    )


def page_failure_of(fetched: Fetched) -> PageFailed | None:
    """Return why the answer cannot be a page with an article; None: it can.

    It cannot if its Content-Type is no text, or if it is empty, binary, JSON or a feed.
    """
    media_type = fetched.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type and media_type not in _TEXT_TYPES:
        return PageFailed(cause=Cause.NOT_TEXT, detail=f"Content-Type is {media_type!r}")
    if not fetched.body.strip():
        return PageFailed(cause=Cause.EMPTY, detail="the answer is empty")
    head = fetched.body[:4096]
    if head.lstrip().startswith(b"%PDF") or (b"\0" in head and not _is_utf16(head, fetched.headers)):
        return PageFailed(cause=Cause.NOT_TEXT, detail="the content is binary")
    if _JSON_HEAD.match(head) and fetched.body.rstrip().endswith((b"}", b"]")):
        return PageFailed(cause=Cause.NOT_TEXT, detail="the content is JSON")
    if _FEED_HEAD.match(head):
        return PageFailed(cause=Cause.NOT_TEXT, detail="the content is a feed")
    return None


def _is_utf16(head: bytes, headers: Mapping[str, str]) -> bool:
    """Return whether the body is UTF-16: its NUL bytes are then no sign of binary content.

    It must begin with a byte order mark, or with "<" if the Content-Type says UTF-16.
    """
    if head.startswith((b"\xff\xfe", b"\xfe\xff")):
        return True
    return b"utf-16" in headers.get("content-type", "").lower().encode() and head[:2] in (b"<\0", b"\0<")
