"""The routes of the API under `/api/v1`: feeds and health are here, articles in `articles.py`. Answers are JSON."""

from __future__ import annotations

from dataclasses import asdict
from itertools import islice
from typing import Annotated

from fastapi import APIRouter, Depends, HTTPException, Path, Request, Response
from fastapi.responses import RedirectResponse

from aggregator.models.feeds import Feed
from aggregator.monitoring.overview import finding_record
from aggregator.redaction import mask_password
from aggregator.schedule.due_times import NEVER
from aggregator.schedule.publication_rate import expected_rate
from aggregator.web.api import schemas
from aggregator.web.api.articles import add_articles
from aggregator.web.api.paging import Limit, Record, Start, part_of
from aggregator.web.api.problems import refuse_unknown, statuses
from aggregator.web.public_address import root
from aggregator.web.state import LARGEST_ID, Site


def api_router(site: Site) -> APIRouter:
    """Return the routes of the API."""
    router = APIRouter(prefix="/api/v1", dependencies=[Depends(refuse_unknown)])
    add_articles(router, site)
    _add_feeds(router, site)
    _add_health(router, site)
    return router


# --- feeds ------------------------------------------------------------------------------------------------------------


def _add_feeds(router: APIRouter, site: Site) -> None:
    @router.get("/feeds", response_model=list[schemas.Feed], tags=["feeds"], responses=statuses(304))
    def feeds(request: Request, response: Response, start: Start = 0, limit: Limit = 1000) -> list[Record]:
        """List the feeds in the order in which they were added. A Link header gives the address of the next part."""
        shown = site.diagnoses(site.feed_ids()[start : start + limit + 1])
        return part_of(request, response, (_feed(one.feed) for one in shown), start, limit)

    @router.get("/feeds/{feed_id}", response_model=schemas.FeedDetail, tags=["feeds"], responses=statuses(304, 404))
    def feed(feed_id: Annotated[int, Path(ge=0, le=LARGEST_ID)]) -> Record:
        """Return a feed with its last polls, newest first, and its findings."""
        found = site.diagnosis(feed_id)
        return {
            **_feed(found.feed),
            "polls": [
                {**asdict(poll), "seconds": poll.elapsed.total_seconds()} for poll in site.store.polls(found.feed.id)
            ],
            "findings": [finding_record(found.feed, finding) for finding in found.findings],
        }

    @router.post(
        "/feeds/{feed_id}/refresh",
        response_model=schemas.Refreshed,
        status_code=202,
        tags=["feeds"],
        responses={303: {"description": "to the feed's page, where text/html is asked for"}, **statuses(403, 404, 409)},
    )
    def refresh(feed_id: Annotated[int, Path(ge=0, le=LARGEST_ID)], request: Request) -> Response | Record:
        """Make a feed due now.

        409: the feed is disabled or gone, or its server asked to wait. 503: the store cannot be written. A browser's
        form is redirected to the page of the feed.
        """
        if not site.refresh(site.diagnosis(feed_id).feed):
            raise HTTPException(409, "not now: disabled, gone, or its server asked to be left alone")
        if "text/html" in request.headers.get("accept", ""):
            return RedirectResponse(f"{root()}/feeds/{feed_id}", status_code=303)
        return {"feed_id": feed_id, "due": True}


def _feed(feed: Feed) -> Record:
    state = feed.state
    return {
        "id": feed.id,
        "url": mask_password(feed.url),
        "name": feed.name,
        "title": state.title,
        "tags": list(feed.tags),
        "full_text": feed.full_text,
        "enabled": feed.enabled,
        "status": state.status.value,
        "cause": state.cause,
        "detail": state.detail,
        "failing_since": state.failing_since,
        "polled_at": state.polled_at,
        "succeeded_at": state.succeeded_at,
        "due_at": None if state.due_at >= NEVER else state.due_at,
        "entries_per_day": round(expected_rate(state.stats, state.polled_at or state.due_at), 3),
        "adopted_url": state.adopted_url,
    }


# --- health -----------------------------------------------------------------------------------------------------------


def _add_health(router: APIRouter, site: Site) -> None:
    @router.get("/health", response_model=schemas.Health, tags=["health"], responses=statuses(304))
    def health(request: Request, response: Response, start: Start = 0, limit: Limit = 1000) -> Record:
        """List the findings about feeds, broken feeds first. A Link header gives the address of the next part."""
        seen = site.cached_overview.look()
        shown = site.diagnoses(list(islice(seen.unwell, start, start + limit + 1)))
        feeds = ({"findings": [finding_record(one.feed, finding) for finding in one.findings]} for one in shown)
        parts = part_of(request, response, feeds, start, limit)
        return {
            "feeds": len(seen.feed_ids),
            "broken": seen.broken,
            "findings": [finding for part in parts for finding in part["findings"]],
        }

    @router.get("/gaps", response_model=list[schemas.Gap], tags=["health"], responses=statuses(304))
    def gaps(request: Request, response: Response, start: Start = 0, limit: Limit = 1000) -> list[Record]:
        """List times in which a feed may have lost entries. A Link header gives the address of the next part."""
        found = site.store.gaps(start=start, limit=limit + 1)
        return part_of(request, response, map(asdict, found), start, limit)

    @router.get("/status", response_model=schemas.Status, tags=["health"], responses=statuses(304))
    def status() -> Record:
        """Return the numbers of the installation and its activity in the last 24 hours."""
        seen = site.cached_overview.look()
        done = seen.activity
        return {
            "at": seen.at,
            "feeds": len(seen.feed_ids),
            "feeds_broken": seen.broken,
            "articles": seen.counts.articles,
            "pages_due": seen.counts.pages_due,
            "pages_fetched": seen.counts.pages_fetched,
            "polls": done.polls,
            "polls_failed": done.polls_failed,
            "wire_bytes": done.wire_bytes,
            "entries_new": done.entries_new,
            "articles_new": done.articles_new,
            "delay_p50": None if seen.delay_p50 is None else seen.delay_p50.total_seconds(),
            "delay_p95": None if seen.delay_p95 is None else seen.delay_p95.total_seconds(),
        }
