"""The pages for people: status, feeds, articles; the Atom stream. Templates escape everything; nothing is scripted."""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from functools import cache
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, HTTPException, Query, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse
from jinja2 import Environment, PackageLoader, StrictUndefined

from aggregator import __version__
from aggregator.models.records import Article, ArticleId, Feed
from aggregator.monitoring.overview import title_of
from aggregator.ports.store_records import ArticleSearch
from aggregator.redaction import mask_password
from aggregator.schedule.due_times import NEVER
from aggregator.schedule.publication_rate import expected_rate
from aggregator.sinks.records import document
from aggregator.web import filters as words
from aggregator.web.article_search import find, query_string, read_search
from aggregator.web.state import Site

_FEEDS_A_PAGE: Final = 200
_ARTICLES_A_PAGE: Final = 50
_ATOM_ENTRIES: Final = 100


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("aggregator.web"),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=words.without_bidi_controls,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    for filter_ in (
        words.moment,
        words.span,
        words.size,
        words.weblink,
        words.paragraphs,
        words.xml_text,
        words.line_of_xml,
    ):
        environment.filters[filter_.__name__] = filter_
    environment.filters["title_of"] = title_of
    environment.filters["mask_password"] = mask_password
    environment.globals["version"] = __version__
    return environment


def render(template: str, *, code: int = 200, **facts: Any) -> Response:  # Any: whatever the template shows
    """Return a page made of a template."""
    return HTMLResponse(_environment().get_template(template).render(**facts), code)


def pages_router(site: Site, openapi: Callable[[], dict[str, Any]]) -> APIRouter:  # Any: JSON
    """Return the routes of the pages; `openapi` gives the description of the API."""
    router = APIRouter()
    _add_status(router, site)
    _add_feeds(router, site)
    _add_articles(router, site)
    _add_stream(router, site)

    @router.get("/api/docs")
    def api_docs() -> Response:
        """Show the API's description, without anything from elsewhere."""
        return render("api.html", api=openapi())

    return router


# --- status and feeds -------------------------------------------------------------------------------------------------


def _add_status(router: APIRouter, site: Site) -> None:
    @router.get("/")
    def status() -> Response:
        """Show throughput, delay, feeds that need attention."""
        seen = site.lookout.look()
        broken = sum(one.is_broken for one in seen.diagnoses)
        return render("status.html", seen=seen, broken=broken, ready=site.ready())


def _add_feeds(router: APIRouter, site: Site) -> None:
    @router.get("/feeds")
    def feeds(page: Annotated[int, Query(ge=1, le=10**6)] = 1) -> Response:
        """List the feeds."""
        diagnoses = site.lookout.look().diagnoses
        start = (page - 1) * _FEEDS_A_PAGE
        shown = diagnoses[start : start + _FEEDS_A_PAGE]
        more = len(diagnoses) > start + _FEEDS_A_PAGE
        return render("feeds.html", shown=shown, total=len(diagnoses), page=page, more=more, rate=_rate, due=_due)

    @router.get("/feeds/{feed_id}")
    def feed(feed_id: int) -> Response:
        """Show a feed with its findings and the history of its polls."""
        found = site.diagnosis(feed_id)
        if found is None:
            raise HTTPException(404, "there is no such feed")
        polls = site.store.polls(found.feed.id)
        may_refresh = site.refresh is not None
        return render(
            "feed.html", one=found, feed=found.feed, polls=polls, may_refresh=may_refresh, rate=_rate, due=_due
        )


def _rate(feed: Feed) -> str:
    return f"{expected_rate(feed.state.stats, feed.state.polled_at or feed.state.due_at):.1f}"


def _due(feed: Feed) -> str:
    if not feed.enabled or feed.state.due_at >= NEVER:
        return "never"
    return words.moment(max(feed.state.due_at, feed.state.not_before or feed.state.due_at))


# --- articles ---------------------------------------------------------------------------------------------------------


def _add_articles(router: APIRouter, site: Site) -> None:
    @router.get("/articles")
    def articles(wanted: Annotated[ArticleSearch, Depends(read_search)]) -> Response:
        """Search, or list the newest."""
        wanted = replace(wanted, limit=_ARTICLES_A_PAGE)
        page = find(site, wanted)
        more = query_string(wanted, after=page.next) if page.next else ""
        return render("articles.html", wanted=wanted, page=page, more=more, start=query_string(wanted))

    @router.get("/articles/{article_id}")
    def article(article_id: str) -> Response:
        """Show an article: text, where it comes from, how it changed, what repeats it."""
        found = site.store.article(ArticleId(article_id))
        if found is None:
            raise HTTPException(404, "there is no such article")
        if found.id != article_id:
            return RedirectResponse(f"/articles/{found.id}", status_code=302)
        like = (found.near_duplicate_of, *site.store.near_duplicates(found.id))
        duplicates = [other for one in like if one is not None and (other := site.store.article(one)) is not None]
        trace = site.store.trace(found.urls, (found.key,))
        return render(
            "article.html",
            article=found,
            text=document(found.content, "seed"),
            differences=words.differences(site.store.revisions(found.id)),
            duplicates=duplicates,
            merged=[one for one in trace.articles if one.merged_into == found.id],
            trace=trace,
        )


# --- the stream -------------------------------------------------------------------------------------------------------


def _add_stream(router: APIRouter, site: Site) -> None:
    @router.get("/feed.atom")
    def stream(request: Request) -> Response:
        """Give out the newest articles, each once, as Atom (RFC 4287)."""
        base = str(request.base_url)
        entries = [_atom_entry(one) for one in site.store.latest(_ATOM_ENTRIES, distinct=True)]
        updated = max((entry["updated"] for entry in entries), default="1970-01-01T00:00:00+00:00")
        body = _environment().get_template("feed.atom").render(base=base, entries=entries, updated=updated)
        etag = f'"{hashlib.blake2b(body.encode(), digest_size=12).hexdigest()}"'
        if etag in request.headers.get("if-none-match", ""):
            return Response(status_code=304, headers={"ETag": etag})
        return Response(body, media_type="application/atom+xml; charset=utf-8", headers={"ETag": etag})


def _atom_entry(article: Article) -> dict[str, Any]:  # Any: what the template takes
    """Return the entry of an article; ids never change, even when its address does."""
    content = article.content
    published = _aware(content.published)
    return {
        "id": uuid.uuid5(uuid.NAMESPACE_URL, f"urn:aggregator:{article.id}").urn,
        "title": content.title or article.url,
        "url": article.url,
        "authors": content.authors or (content.site,) if content.authors or content.site else (),
        "published": "" if published is None else published.isoformat(),
        "updated": (_aware(content.updated) or published or article.first_seen).astimezone(UTC).isoformat(),
        "language": content.language,
        "tags": article.tags,
        "body": words.paragraphs(words.xml_text(content.body)),
    }


def _aware(text: str) -> datetime | None:
    """Return a full time with offset; a bare day is none."""
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        return None
    return at if at.tzinfo is not None and "T" in text.upper() else None
