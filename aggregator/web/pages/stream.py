"""The Atom stream of articles (RFC 4287), the latest recorded text first, in pages (RFC 5005, section 3).

Near duplicates of earlier articles are left out.
"""

from __future__ import annotations

import uuid
from dataclasses import replace
from datetime import UTC, datetime
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Request, Response

from aggregator.ports.readings import ArticleSearch, Found
from aggregator.web.article_search import find, query_string, read_search
from aggregator.web.pages import filters as words
from aggregator.web.pages.templating import environment
from aggregator.web.state import Site

_ENTRIES: Final = 100
_EMPTY: Final = "1970-01-01T00:00:00+00:00"


def stream_router(site: Site) -> APIRouter:
    """Return the route of the Atom stream, `/feed.atom`."""
    router = APIRouter()

    @router.get("/feed.atom")
    def stream(request: Request, wanted: Annotated[ArticleSearch, Depends(read_search)]) -> Response:
        """Return the articles that match the search, the last changed first, without near duplicates."""
        wanted = replace(wanted, once=True, order="recorded", limit=_ENTRIES, marked=False)
        page = find(site, wanted)
        address = f"{request.base_url}feed.atom"
        own = replace(wanted, once=False)  # every stream has each story once: no parameter says so
        body = (
            environment()
            .get_template("feed.atom")
            .render(
                base=str(request.base_url),
                first=address + query_string(own),
                this=address + query_string(own, after=wanted.after),
                next=address + query_string(own, after=page.next) if page.next else "",
                subject=wanted.query or wanted.feed or wanted.tag,
                entries=[_entry(one) for one in page.found],
                updated=max((_utc(one.recorded_at) for one in page.found), default=_EMPTY),
            )
        )
        return Response(body, media_type="application/atom+xml; charset=utf-8")

    return router


def _entry(found: Found) -> dict[str, Any]:  # Any: what the template takes
    """Return the Atom entry of an article. Its id never changes, even if the address of the article changes.

    `updated` is the time when the present text was recorded, so it changes with each revision.
    """
    article, content = found.article, found.article.content
    published = _aware(content.published)
    return {
        "id": uuid.uuid5(uuid.NAMESPACE_URL, f"urn:aggregator:{article.id}").urn,
        "title": content.title or article.url,
        "url": article.url,
        "authors": content.authors or (content.site,) if content.authors or content.site else (),
        "published": "" if published is None else published.isoformat(),
        "updated": _utc(found.recorded_at),
        "language": content.language,
        "tags": article.tags,
        "body": words.paragraphs(words.xml_text(content.body)),
    }


def _utc(at: datetime) -> str:
    return at.astimezone(UTC).isoformat()


def _aware(text: str) -> datetime | None:
    """Return the time that `text` states with day, time and offset; None if one of them is missing."""
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        return None
    return at if at.tzinfo is not None and "T" in text.upper() else None
