"""`/api/v1`: articles after a cursor, feeds, health. Records in, records out; no HTML but a redirect for forms."""

from __future__ import annotations

from dataclasses import replace
from html import escape
from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, Depends, HTTPException, Query, Request, Response
from fastapi.responses import RedirectResponse

from aggregator.models.records import Article, ArticleId, Feed, FeedId
from aggregator.monitoring.overview import finding_record
from aggregator.ports.store_records import ArticleSearch, Found, PollOutcome
from aggregator.redaction import mask_password
from aggregator.schedule.due_times import NEVER
from aggregator.schedule.publication_rate import expected_rate
from aggregator.sinks.records import article_record, change_record
from aggregator.web import schemas
from aggregator.web.article_search import find, read_search
from aggregator.web.state import Site

_LARGEST: Final = 2**63 - 1  # a cursor beyond it is no number of the store

_OTHER_STORE: Final = (
    "this cursor is of another store, or of this one before it was restored; start again with after=0 and "
    "epoch={last.epoch}, and replace what you have by what comes"
)

Record = dict[str, Any]  # checked by the response model


def api_router(site: Site) -> APIRouter:
    """Return the routes of the API."""
    router = APIRouter(prefix="/api/v1")
    _add_articles(router, site)
    _add_feeds(router, site)
    _add_health(router, site)
    return router


# --- articles ---------------------------------------------------------------------------------------------------------


def _add_articles(router: APIRouter, site: Site) -> None:
    store = site.store

    @router.get("/articles", response_model=schemas.Changes, tags=["articles"])
    def follow(
        after: Annotated[int, Query(ge=0, le=_LARGEST, description="the cursor of the last answer; 0: all")] = 0,
        epoch: Annotated[str, Query(max_length=64, description="the epoch of the last answer")] = "",
        limit: Annotated[int, Query(ge=1, le=1000)] = 100,
        text: Annotated[Literal["seed", "body"], Query(description="layout of `text`")] = "seed",
    ) -> Record:
        """Follow the corpus: changes after a cursor, in one order, each with its article as it is now."""
        last = store.position()
        if after > last.seq or epoch not in ("", last.epoch):
            raise HTTPException(409, _OTHER_STORE.format(last=last))
        changes = store.changes_after(after, limit + 1)
        given = changes[:limit]
        return {
            "changes": [change_record(change, text) for change in given],
            "cursor": given[-1].seq if given else after,
            "epoch": last.epoch,
            "more": len(changes) > limit,
        }

    @router.get("/articles/{article_id}", response_model=schemas.Article, tags=["articles"])
    def article(article_id: str, text: Literal["seed", "body"] = "seed") -> Record:
        """Return one article by id; the id of a merged one leads to the article that it is part of."""
        return article_record(_found(site, article_id), text)

    @router.get("/articles/{article_id}/revisions", response_model=list[schemas.Revision], tags=["articles"])
    def revisions(article_id: str) -> list[Record]:
        """Return all texts of an article, oldest first."""
        return [
            {
                "number": one.number,
                "recorded_at": one.recorded_at,
                "title": one.content.title,
                "body": one.content.body,
            }
            for one in store.revisions(_found(site, article_id).id)
        ]

    @router.get("/search", response_model=schemas.FoundPage, tags=["articles"])
    def search(
        wanted: Annotated[ArticleSearch, Depends(read_search)], limit: Annotated[int, Query(ge=1, le=200)] = 20
    ) -> Record:
        """Search titles and bodies, best match first; without `q`: those first seen last."""
        page = find(site, replace(wanted, limit=limit))
        return {"found": [_match(one) for one in page.found], "count": page.count, "next": page.next or None}


def _found(site: Site, article_id: str) -> Article:
    found = site.store.article(ArticleId(article_id))
    if found is None:
        raise HTTPException(404, "there is no such article")
    return found


def _match(one: Found) -> Record:
    return {
        "id": one.article.id,
        "url": one.article.url,
        "title": one.article.content.title,
        "date": one.article.content.date,
        "feed": one.article.feed,
        "first_seen": one.article.first_seen,
        "language": one.article.content.language,
        "snippet": "".join(f"<mark>{escape(text)}</mark>" if hit else escape(text) for text, hit in one.snippet),
    }


# --- feeds ------------------------------------------------------------------------------------------------------------


def _add_feeds(router: APIRouter, site: Site) -> None:
    @router.get("/feeds", response_model=list[schemas.Feed], tags=["feeds"])
    def feeds() -> list[Record]:
        """List the feeds in the order in which they were added."""
        seen = site.lookout.look()
        return [_feed(one.feed) for one in seen.diagnoses]

    @router.get("/feeds/{feed_id}", response_model=schemas.FeedDetail, tags=["feeds"])
    def feed(feed_id: int) -> Record:
        """Return a feed with its last polls, newest first, and what is wrong with it."""
        found = site.diagnosis(feed_id)
        if found is None:
            raise HTTPException(404, "there is no such feed")
        return {
            **_feed(found.feed),
            "polls": [_poll(poll) for poll in site.store.polls(found.feed.id)],
            "findings": [finding_record(found.feed, finding) for finding in found.findings],
        }

    @router.post("/feeds/{feed_id}/refresh", response_model=schemas.Refreshed, status_code=202, tags=["feeds"])
    def refresh(feed_id: int, request: Request) -> Response | Record:
        """Make a feed due now; 409 when its server asked to be left alone, 503 where nothing polls."""
        found = site.diagnosis(feed_id)
        if found is None:
            raise HTTPException(404, "there is no such feed")
        if site.refresh is None:
            raise HTTPException(503, "this process makes no feed due")
        if not site.refresh(FeedId(feed_id)):
            raise HTTPException(409, "not now: disabled, gone, or its server asked to be left alone")
        site.lookout.forget()
        if "text/html" in request.headers.get("accept", ""):
            return RedirectResponse(f"/feeds/{feed_id}", status_code=303)
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


def _poll(poll: PollOutcome) -> Record:
    return {
        "at": poll.at,
        "outcome": poll.outcome,
        "status": poll.status,
        "cause": poll.cause,
        "detail": poll.detail,
        "seconds": poll.elapsed.total_seconds(),
        "wire_bytes": poll.wire_bytes,
        "entries_seen": poll.entries_seen,
        "entries_new": poll.entries_new,
    }


# --- health -----------------------------------------------------------------------------------------------------------


def _add_health(router: APIRouter, site: Site) -> None:
    @router.get("/health", response_model=schemas.Health, tags=["health"])
    def health() -> Record:
        """List what is wrong with which feed, broken ones first; the same as `aggregator health`."""
        seen = site.lookout.look()
        return {
            "feeds": len(seen.diagnoses),
            "broken": sum(one.is_broken for one in seen.diagnoses),
            "findings": [finding_record(one.feed, finding) for one in seen.unwell for finding in one.findings],
        }

    @router.get("/gaps", response_model=list[schemas.Gap], tags=["health"])
    def gaps() -> list[Record]:
        """List times in which a feed may have lost entries."""
        return [
            {
                "feed": gap.feed,
                "feed_id": gap.feed_id,
                "since": gap.since,
                "until": gap.until,
                "filled_at": gap.filled_at,
            }
            for gap in site.store.gaps()
        ]

    @router.get("/status", response_model=schemas.Status, tags=["health"])
    def status() -> Record:
        """Return the state of the installation and what was done in the last 24 hours."""
        seen = site.lookout.look()
        done = seen.activity
        return {
            "at": seen.at,
            "feeds": len(seen.diagnoses),
            "feeds_broken": sum(one.is_broken for one in seen.diagnoses),
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
