"""The pages for people: status, feeds, articles; the Atom stream. Templates escape everything; nothing is scripted."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, HTTPException, Query, Response
from fastapi.responses import RedirectResponse

from aggregator.models.feeds import Feed
from aggregator.models.ids import ArticleId
from aggregator.ports.readings import ArticleSearch
from aggregator.schedule.due_times import NEVER
from aggregator.schedule.publication_rate import expected_rate
from aggregator.sinks.records import document
from aggregator.web.article_search import find, query_string, read_search
from aggregator.web.pages import filters as words
from aggregator.web.pages.templating import render
from aggregator.web.state import Site

_FEEDS_A_PAGE: Final = 200
_ARTICLES_A_PAGE: Final = 50


def pages_router(site: Site, openapi: Callable[[], dict[str, Any]]) -> APIRouter:  # Any: JSON
    """Return the routes of the pages; `openapi` gives the description of the API."""
    router = APIRouter()
    _add_status(router, site)
    _add_feeds(router, site)
    _add_articles(router, site)

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
        titles = site.store.feed_titles({one.article.feed for one in page.found})
        return render("articles.html", wanted=wanted, page=page, more=more, start=query_string(wanted), titles=titles)

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
            titles=site.store.feed_titles(
                {*found.feeds, *(one.feed for one in duplicates), *(one.feed for one in trace.entries)}
            ),
        )
