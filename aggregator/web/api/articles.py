"""The API routes about articles: changes after a cursor, one article, search, and facts about an address."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import Callable
from dataclasses import asdict, replace
from datetime import UTC, datetime
from html import escape
from typing import Annotated, Final, Literal

from fastapi import APIRouter, Depends, HTTPException, Query, Request, Response
from fastapi.concurrency import run_in_threadpool

from aggregator.ports.readings import ArticleSearch, Change, Found, Position
from aggregator.sinks.records import TextChoice, article_record, change_record
from aggregator.web.api import schemas
from aggregator.web.api.paging import Limit, Record, Start, part_of
from aggregator.web.api.problems import statuses
from aggregator.web.article_search import find, read_search
from aggregator.web.state import Site

_LARGEST: Final = 2**63 - 1  # a cursor beyond it is no number of the store
_LARGEST_ANSWER: Final = 800_000  # characters of an answer's changes; one change may be longer
_READ_AT_ONCE: Final = 50  # changes
_LOOKED_THROUGH: Final = 1000  # changes that one request with a filter reads: .13 s
_LOOK_EVERY: Final = 1.0  # second, while a request waits
_MOST_WAITING: Final = 8  # requests; further ones are answered at once
_OTHER_STORE: Final = (
    "this cursor is of another store, or of this one before it was restored; start again with after=0 and "
    "epoch={last.epoch}, and replace what you have by what comes"
)


def add_articles(router: APIRouter, site: Site) -> None:
    """Add the API routes about articles to `router`."""
    _add_changes(router, site)
    _add_one(router, site)
    _add_search(router, site)


def _add_changes(router: APIRouter, site: Site) -> None:
    waiting = threading.Semaphore(_MOST_WAITING)

    @router.get("/articles", response_model=schemas.Changes, tags=["articles"], responses=statuses(304, 409))
    async def follow(
        request: Request,
        after: Annotated[int, Query(ge=0, le=_LARGEST, description="the cursor of the last answer; 0: all")] = 0,
        epoch: Annotated[str, Query(max_length=64, description="the epoch of the last answer")] = "",
        limit: Annotated[int, Query(ge=1, le=1000, description="at most; fewer where texts are long")] = 100,
        text: Annotated[Literal["seed", "body", "markdown"], Query(description="layout of `text`")] = "seed",
        url: Annotated[str, Query(max_length=4000, description="only the article with this address")] = "",
        feed: Annotated[str, Query(max_length=2000, description="only articles of this feed: name or address")] = "",
        since: Annotated[datetime | None, Query(description="only articles first seen at or after (ISO 8601)")] = None,
        wait: Annotated[
            str, Query(pattern=r"^(60|[1-5]?\d)s$", description="wait so long for a change: `30s`, at most `60s`")
        ] = "0s",
    ) -> Record:
        """Follow the corpus: return the changes after a cursor, each with the present state of its article.

        With `feed` or `since`, changes of other articles are left out, but tombstones are returned. With `url`, at most
        the last change of the article with this address is returned, and no tombstone. The next request does not return
        changes that were left out, since the returned `cursor` is past them.
        """
        seconds = int(wait[:-1])
        if seconds and waiting.acquire(blocking=False):
            try:
                await _wait_for_change(request, site, after, epoch, seconds)
            finally:
                waiting.release()
        since_ = since.replace(tzinfo=UTC) if since is not None and since.tzinfo is None else since

        def is_wanted(change: Change) -> bool:
            article = change.article
            if article is None:
                return not url
            of_feed = not feed or feed == article.feed or feed in article.feeds
            return of_feed and (since_ is None or article.first_seen >= since_)

        return await run_in_threadpool(_changes, site, after, epoch, limit, text, url.replace("\0", ""), is_wanted)


async def _wait_for_change(request: Request, site: Site, after: int, epoch: str, seconds: int) -> None:
    """Wait for a change after the cursor `after`: until there is one, the time is over, or the client has gone.

    If `epoch` is that of another store, return at once, since the request will be refused.
    """
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        position = await run_in_threadpool(site.store.position)
        if position.seq != after or epoch not in ("", position.epoch) or await request.is_disconnected():
            return
        await asyncio.sleep(min(_LOOK_EVERY, max(until - time.monotonic(), 0.0)))


def _changes(
    site: Site,
    after: int,
    epoch: str,
    limit: int,
    text: TextChoice,
    url: str,
    is_wanted: Callable[[Change], bool],
) -> Record:
    last = site.store.position()
    if after > last.seq or epoch not in ("", last.epoch):
        raise HTTPException(409, _OTHER_STORE.format(last=last))
    if url:
        return _of_address(site, after, text, url, last, is_wanted)
    given: list[Record] = []
    cursor, size, read = after, 0, 0
    while len(given) < limit and size < _LARGEST_ANSWER and read < _LOOKED_THROUGH:
        changes = site.store.changes_after(cursor, _READ_AT_ONCE)
        if not changes:
            break
        for change in changes:
            record = change_record(change, text) if is_wanted(change) else None
            if record is not None:
                size += len(json.dumps(record, default=str))
                if given and (size > _LARGEST_ANSWER or len(given) == limit):
                    size = _LARGEST_ANSWER
                    break
                given.append(record)
            cursor, read = change.seq, read + 1
    return {"changes": given, "cursor": cursor, "epoch": last.epoch, "more": cursor < last.seq}


def _of_address(
    site: Site, after: int, text: TextChoice, url: str, last: Position, is_wanted: Callable[[Change], bool]
) -> Record:
    """Return the answer for `url`: the last change of its article, or none if `after` or `is_wanted` excludes it."""
    article = site.store.article(url)
    found: tuple[Change, ...] = ()
    if article is not None and article.change_seq is not None and article.change_seq > after:
        found = site.store.changes_after(article.change_seq - 1, 1)
    given = [change_record(change, text) for change in found if change.article is not None and is_wanted(change)]
    return {"changes": given, "cursor": last.seq, "epoch": last.epoch, "more": False}


def _add_one(router: APIRouter, site: Site) -> None:
    @router.get(
        "/articles/{article_id}", response_model=schemas.Article, tags=["articles"], responses=statuses(304, 404)
    )
    def article(article_id: str, text: Literal["seed", "body", "markdown"] = "seed") -> Record:
        """Return one article by its id. The id of a merged article returns the article that it was merged into."""
        return article_record(site.article(article_id), text)

    @router.get(
        "/articles/{article_id}/revisions",
        response_model=list[schemas.Revision],
        tags=["articles"],
        responses=statuses(304, 404),
    )
    def revisions(
        article_id: str, request: Request, response: Response, start: Start = 0, limit: Limit = 1000
    ) -> list[Record]:
        """Return the revisions of an article, oldest first. A Link header gives the address of the next part."""
        found = site.store.revisions(site.article(article_id).id)[start : start + limit + 1]
        records = (
            {
                "number": one.number,
                "recorded_at": one.recorded_at,
                "title": one.content.title,
                "body": one.content.body,
            }
            for one in found
        )
        return part_of(request, response, records, start, limit)

    @router.get(
        "/articles/{article_id}/raw",
        tags=["articles"],
        response_class=Response,
        responses={200: {"content": {"application/octet-stream": {}}}, **statuses(304, 404)},
    )
    def raw(article_id: str) -> Response:
        """Return the raw page from which an article was extracted, byte for byte, as a download."""
        body = site.raw_page(site.article(article_id))
        name = f'attachment; filename="{article_id}.html"'
        headers = {"Content-Disposition": name, "Content-Security-Policy": "sandbox; default-src 'none'"}
        return Response(body, media_type="application/octet-stream", headers=headers)

    @router.get("/why", response_model=schemas.Why, tags=["articles"], responses=statuses(304))
    def why(url: Annotated[str, Query(min_length=1, max_length=4000)]) -> Record:
        """Return all stored facts about an address: the facts that `aggregator why` prints.

        They are the feed entries that led to it, its page, its article, evidence about its keys, and decisions.
        """
        asked = url.replace("\0", "")
        article = site.store.article(asked)
        urls, keys = ((asked,), ()) if article is None else ((asked, *article.urls), (article.key,))
        return {"url": url, **asdict(site.store.trace(urls, keys))}


def _add_search(router: APIRouter, site: Site) -> None:
    @router.get("/search", response_model=schemas.FoundPage, tags=["articles"], responses=statuses(304))
    def search(
        wanted: Annotated[ArticleSearch, Depends(read_search)], limit: Annotated[int, Query(ge=1, le=200)] = 20
    ) -> Record:
        """Search titles and bodies, best match first. Without `q`, or with over 10,000 matches: newest first."""
        page = find(site, replace(wanted, limit=limit))
        return {"found": [_match(one) for one in page.found], "count": page.count, "next": page.next or None}


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
