"""The status page and the pages about feeds. `articles.py` has the pages about articles.

Templates escape all values. No page has a script.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, Final
from urllib.parse import urlencode

from fastapi import APIRouter, Path, Query, Response

from aggregator.models.feeds import Feed
from aggregator.monitoring.daemon_record import read_records, sentence
from aggregator.monitoring.overview import title_of
from aggregator.schedule.due_times import NEVER
from aggregator.schedule.publication_rate import expected_rate
from aggregator.sinks.outputs.follow import output_states
from aggregator.web.pages import filters as words
from aggregator.web.pages.articles import add_articles
from aggregator.web.pages.charts import HEIGHT, WIDTH, bars
from aggregator.web.pages.templating import render
from aggregator.web.public_address import root
from aggregator.web.state import LARGEST_ID, Site

_FEEDS_A_PAGE: Final = 200
_EXAMPLES: Final = 8  # feeds of a group that the status page names


def pages_router(site: Site, openapi: Callable[[], dict[str, Any]]) -> APIRouter:  # Any: JSON
    """Return the routes of all HTML pages. `openapi` returns the OpenAPI description of the API."""
    router = APIRouter()
    _add_status(router, site)
    _add_feeds(router, site)
    add_articles(router, site)

    @router.get("/api/docs")
    def api_docs() -> Response:
        """Show the description of the API, without scripts and styles from other servers."""
        return render("api.html", api=openapi())

    return router


# --- status and feeds -------------------------------------------------------------------------------------------------


def _add_status(router: APIRouter, site: Site) -> None:
    @router.get("/")
    def status() -> Response:
        """Show the state of the daemons, the numbers of the last 30 days, and the findings in groups."""
        records, now = read_records(site.store), site.store.now()
        seen = site.cached_overview.glance()
        said, is_well = sentence(records, now)
        examples = () if seen is None else {feed_id for one in seen.groups for feed_id in one.feed_ids[:_EXAMPLES]}
        return render(
            "status.html",
            seen=seen,
            said=said,
            is_well=is_well,
            ready=site.ready(),
            hosts=tuple(dict.fromkeys(host for one in records if one.is_alive(now) for host in one.hosts)),
            requests=sum(one.requests for one in records if one.is_alive(now)),
            bars=() if seen is None else bars(seen.days),
            width=WIDTH,
            height=HEIGHT,
            titles={feed.id: title_of(feed) for feed in site.store.feeds(ids=examples)},
            examples=_EXAMPLES,
            outputs=output_states(site.store),
        )


def _add_feeds(router: APIRouter, site: Site) -> None:
    @router.get("/feeds")
    def feeds(
        page: Annotated[int, Query(ge=1, le=10**6)] = 1,
        finding: Annotated[str, Query(max_length=40)] = "",
        cause: Annotated[str, Query(max_length=40)] = "",
    ) -> Response:
        """List all feeds, or only those with the finding and the cause in the parameters."""
        ids = site.feed_ids()
        if finding:
            groups = (
                one for one in site.cached_overview.look().groups if one.kind == finding and (one.cause or "") == cause
            )
            ids = tuple(dict.fromkeys(feed_id for one in groups for feed_id in one.feed_ids))
        start = (page - 1) * _FEEDS_A_PAGE
        return render(
            "feeds.html",
            shown=site.diagnoses(ids[start : start + _FEEDS_A_PAGE]),
            total=len(ids),
            page=page,
            more=len(ids) > start + _FEEDS_A_PAGE,
            finding=finding,
            cause=cause,
            path=root() + (f"/feeds?{urlencode({'finding': finding, 'cause': cause})}&" if finding else "/feeds?"),
            rate=_rate,
            due=_due,
        )

    @router.get("/feeds/{feed_id}")
    def feed(feed_id: Annotated[int, Path(ge=0, le=LARGEST_ID)]) -> Response:
        """Show a feed with its findings and its latest polls."""
        found = site.diagnosis(feed_id)
        polls = site.store.polls(found.feed.id)
        return render("feed.html", one=found, feed=found.feed, polls=polls, rate=_rate, due=_due)


def _rate(feed: Feed) -> str:
    return f"{expected_rate(feed.state.stats, feed.state.polled_at or feed.state.due_at):.1f}"


def _due(feed: Feed) -> str:
    if not feed.enabled or feed.state.due_at >= NEVER:
        return "never"
    return words.moment(max(feed.state.due_at, feed.state.not_before or feed.state.due_at))
