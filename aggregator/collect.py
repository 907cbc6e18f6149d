"""Collect one page within a visit: fetch it, and say whether what came is a page at all. Knows no store."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from aggregator.models import Cause, Fetched, FetchRequest, FetchResult, Page, PageFailed
from aggregator.ports import Fetcher

_TEXT_TYPES = ("text/html", "application/xhtml+xml", "text/plain", "application/xml", "text/xml")


@dataclass(frozen=True, slots=True, kw_only=True)
class PageLimits:
    """What every fetch of a page obeys."""

    max_bytes: int
    deadline: timedelta


def fetch_page(page: Page, fetcher: Fetcher, limits: PageLimits) -> FetchResult:
    """Ask for the page at the host where it is due; a hop to another host ends as `Redirected`."""
    return fetcher.fetch(
        FetchRequest(
            url=page.target,
            accept="page",
            validators=page.validators,
            hops=page.hops,
            follow_hosts=False,
            max_bytes=limits.max_bytes,
            deadline=limits.deadline,
        )
    )


def page_failure_of(fetched: Fetched) -> PageFailed | None:
    """Return why the answer is no page: header and content must both say text; None when they do."""
    media_type = fetched.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type and media_type not in _TEXT_TYPES:
        return PageFailed(cause=Cause.NOT_TEXT, detail=f"Content-Type is {media_type!r}")
    if not fetched.body.strip():
        return PageFailed(cause=Cause.EMPTY, detail="the answer is empty")
    head = fetched.body[:4096]
    if head.lstrip().startswith(b"%PDF") or (b"\0" in head and not head.startswith((b"\xff\xfe", b"\xfe\xff"))):
        return PageFailed(cause=Cause.NOT_TEXT, detail="the content is binary")
    return None
