"""Reads the sitemaps of an index, one request at a time, at the host's pace. Knows neither the store nor the lease.

A poll of the index begins a round of requests: one for each sitemap that is new, was not read, has another date in the
index than before, or has no date. If an answer is an index itself, its sitemaps are requested in the same round.
Indexes inside that index are not read, so every round ends.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from random import Random
from typing import Final

from aggregator.models.feeds import Feed, FeedState
from aggregator.models.fetching import (
    Cause,
    Fetched,
    FetchFailed,
    FetchRequest,
    FetchResult,
    NotModified,
    Redirected,
)
from aggregator.models.sources import IndexWalk, KnownSitemap, NamedSitemap
from aggregator.ports.store_records import FeedReading, PollOutcome, PollRecord
from aggregator.schedule.due_times import PollPolicy, after_failure, after_success
from aggregator.schedule.publication_rate import update_stats
from aggregator.visits.poll import AnswerContent, FeedAnswer, FeedReader, PollSettings

MAX_SITEMAPS: Final = 20  # of an index and the indexes in it
_KNOWN_ENTRIES: Final = 20_000  # hashes of entries that are not read again


# --- the index --------------------------------------------------------------------------------------------------------


def begin(answer: FeedAnswer, content: AnswerContent | None, record: PollRecord) -> PollRecord:
    """Return the record of a poll. If the feed is an index of sitemaps, add the sitemaps to request next.

    Until these are read, the feed stays due, and keeps the failure that it had before the poll.
    """
    before, state = answer.feed.state, record.state
    reading = None if content is None else content.reading
    named = () if reading is None else reading.parsed.sitemaps
    if record.outcome.outcome in ("failed", "moving") or not (named or before.index):
        return record
    if reading is not None and not named:
        return replace(record, state=replace(state, index=None))  # the address has a sitemap now, and no index
    sitemaps = _known(before.index, named) if named else before.index.sitemaps if before.index else ()
    pending = tuple(one.url for one in sitemaps if not (one.is_read and one.lastmod))
    if not pending:
        return replace(record, state=replace(state, index=IndexWalk(sitemaps=sitemaps)))
    walk = IndexWalk(sitemaps=sitemaps, pending=pending, resume_at=state.due_at)
    state = replace(state, due_at=record.outcome.at, index=walk, status=before.status, cause=before.cause)
    state = replace(state, detail=before.detail, failures=before.failures, failing_since=before.failing_since)
    return replace(record, state=state)


def _known(walk: IndexWalk | None, named: Sequence[NamedSitemap]) -> tuple[KnownSitemap, ...]:
    """Return the sitemaps that an index lists now (`named`), each with its stored state if `walk` has one; at most 20.

    Those that an index inside it listed before are kept.
    """
    earlier = walk.sitemaps if walk is not None else ()
    by_url = {one.url: one for one in earlier}
    urls = {one.url for one in named}
    kept = tuple(one for one in earlier if one.parent in urls and one.url not in urls)
    return (*(_updated(by_url.get(one.url), one) for one in named), *kept)[:MAX_SITEMAPS]


def _updated(known: KnownSitemap | None, named: NamedSitemap, parent: str = "") -> KnownSitemap:
    if known is None:
        return KnownSitemap(url=named.url, lastmod=named.lastmod, parent=parent)
    return replace(known, lastmod=named.lastmod, is_read=known.is_read and known.lastmod == named.lastmod)


# --- one sitemap ------------------------------------------------------------------------------------------------------


def request_of(feed: Feed, walk: IndexWalk, settings: PollSettings) -> FetchRequest:
    """Return the conditional request for the first of `walk.pending`."""
    return FetchRequest(
        url=walk.pending[0],
        accept="feed",
        validators=_next(walk).validators,
        validators_of=walk.pending[0],
        follow_hosts=False,
        feed=feed.url,
        max_bytes=settings.max_bytes,
        deadline=settings.deadline,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class SitemapContent:
    """The content of the answer for a sitemap. `reading` None: there is no body, or the same body as last time."""

    body_hash: str = ""
    reading: FeedReading | None = None


def read_sitemap(feed: Feed, walk: IndexWalk, result: FetchResult, read: FeedReader, now: datetime) -> SitemapContent:
    """Return the content of a sitemap. `result` is the answer for it; it is the first of `walk.pending`.

    The content is empty if the fetch failed, and has only a hash if the sitemap is unchanged.
    """
    if not isinstance(result, Fetched):
        return SitemapContent()
    body_hash = hashlib.blake2b(result.body, digest_size=16).hexdigest()
    if body_hash == _next(walk).body_hash:
        return SitemapContent(body_hash=body_hash)
    return SitemapContent(body_hash=body_hash, reading=read(feed, result, feed.state.raw_hashes, now))


def decide(
    feed: Feed,
    walk: IndexWalk,
    result: FetchResult,
    content: SitemapContent,
    *,
    policy: PollPolicy,
    now: datetime,
    random: Random,
) -> PollRecord:
    """Return the record of one answer: `result` is the answer for the first of the sitemaps that wait (`walk.pending`).

    If no sitemap waits after this one, the record also ends the round through the index.
    """
    reading, state = content.reading, feed.state
    failed = _failure_of(result, reading)
    walk = _after(feed, walk, result, content, failed)
    if reading is not None and failed is None:
        hashes = dict.fromkeys((*reading.parsed.raw_hashes, *state.raw_hashes))
        dates = [at for one in reading.parsed.entries if (at := one.published_at or one.updated_at) is not None]
        window = len(reading.parsed.raw_hashes) or state.stats.window
        state = replace(
            state,
            raw_hashes=tuple(hashes)[:_KNOWN_ENTRIES],
            stats=update_stats(state.stats, dates, window=window, polled_at=None, now=now),
        )
    state = replace(state, index=walk, due_at=now)
    if not walk.pending:
        state = _end_round(feed, state, walk, policy, now, random)
    return _record(feed, state, result, reading if failed is None else None, failed, now)


def skip(feed: Feed, walk: IndexWalk, now: datetime) -> PollRecord:
    """Return the record that ends the walk through a sitemap index early, since a sitemap's host cannot be claimed now.

    The sitemaps that were not read are requested after the next poll of the index.
    """
    state = replace(feed.state, index=replace(walk, pending=()), due_at=walk.resume_at or now)
    nothing = PollOutcome(
        at=now, outcome="unchanged", status=None, cause=None, detail="", elapsed=timedelta(0), wire_bytes=0
    )
    return PollRecord(feed_id=feed.id, host=feed.host, state=state, outcome=nothing, is_poll=False)


def is_over(state: FeedState) -> bool:
    """Return whether the round is over: no sitemap is left to read. A feed that is no index has no round."""
    return state.index is None or not state.index.pending


def _next(walk: IndexWalk) -> KnownSitemap:
    return next(one for one in walk.sitemaps if one.url == walk.pending[0])


def _failure_of(result: FetchResult, reading: FeedReading | None) -> FetchFailed | None:
    """Return why the answer for a sitemap cannot be used; None: it can."""
    match result:
        case FetchFailed():
            return result
        case Redirected(url=url, target=target):
            cause, detail, status = Cause.NOT_A_FEED, f"redirected to another host, {target}", None
        case Fetched(url=url, status=status) if reading is not None and reading.parsed.kind != "feed":
            cause, detail = Cause.UNREADABLE, reading.parsed.error or "a page stands where a sitemap was"
        case _:
            return None
    return FetchFailed(url=url, final_url=url, cause=cause, detail=detail, status=status, elapsed=result.elapsed)


def _after(
    feed: Feed, walk: IndexWalk, result: FetchResult, content: SitemapContent, failed: FetchFailed | None
) -> IndexWalk:
    """Return the state of the walk through a sitemap index, after the answer for the first of `walk.pending`.

    If the answer is an index that the feed's own index names, its sitemaps are added to the walk.
    """
    asked, pending = _next(walk), walk.pending[1:]
    read = replace(asked, is_read=failed is None)
    if failed is not None:
        sitemaps = tuple(read if one.url == asked.url else one for one in walk.sitemaps)
        detail = f"{asked.url}: {failed.detail}"
        return replace(walk, sitemaps=sitemaps, pending=pending, cause=failed.cause, detail=detail)
    if isinstance(result, Fetched):
        read = replace(read, validators=result.validators, body_hash=content.body_hash)
    known = {one.url: read if one.url == asked.url else one for one in walk.sitemaps}
    named = content.reading.parsed.sitemaps if content.reading is not None and not asked.parent else ()
    for one in named:
        before = known.get(one.url)
        is_new = before is None and len(known) < MAX_SITEMAPS and one.url != feed.url
        if is_new or (before is not None and before.parent == asked.url):
            known[one.url] = _updated(before, one, asked.url)
            pending = (*pending, *(() if known[one.url].is_read and one.lastmod else (one.url,)))
    pending = tuple(dict.fromkeys(pending))
    return replace(walk, sitemaps=tuple(known.values()), pending=pending)


def _end_round(
    feed: Feed, state: FeedState, walk: IndexWalk, policy: PollPolicy, now: datetime, random: Random
) -> FeedState:
    """Return a feed's state after all due sitemaps of its index were requested.

    The feed has failed if a request failed and none of its sitemaps was ever read.
    """
    if walk.cause is None or any(one.is_read for one in walk.sitemaps):
        return replace(after_success(state, now=now), due_at=walk.resume_at or now)
    failed = FetchFailed(url=feed.url, final_url=feed.url, cause=walk.cause, detail=walk.detail)
    return after_failure(replace(feed, state=state), failed, now=now, policy=policy, random=random)


def _record(
    feed: Feed,
    state: FeedState,
    result: FetchResult,
    reading: FeedReading | None,
    failed: FetchFailed | None,
    now: datetime,
) -> PollRecord:
    """Return the record of one request for a sitemap, with the entries found. The request counts as a poll."""
    sightings = () if reading is None else reading.sightings
    status = {Fetched: 200, NotModified: 304}.get(type(result))
    outcome = PollOutcome(
        at=now,
        outcome="failed" if failed is not None else "new" if sightings else "unchanged",
        status=status if failed is None else failed.status,
        cause=None if failed is None else failed.cause,
        detail=f"sitemap: {result.url}" if failed is None else f"{result.url}: {failed.detail}",
        elapsed=result.elapsed,
        wire_bytes=result.wire_bytes if isinstance(result, Fetched) else 0,
        entries_seen=0 if reading is None else len(reading.parsed.raw_hashes),
    )
    return PollRecord(feed_id=feed.id, host=feed.host, state=state, outcome=outcome, sightings=sightings)
