"""Finds the entries that a gap lost: one older page of a feed, or one news sitemap, at a time. Knows no store or lease.

It is used only with `[polling] fill_gaps`. A feed with an open gap is due at once. Each step is one request, at the
host's pace and allowed by its robots.txt. A gap gets at most ten requests. When the feed's own poll is due, it goes
first.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from aggregator.feeds.kinds.sitemap import named_sitemaps
from aggregator.feeds.older_entries import choose_in_index, choose_sitemaps, older_page, section_of
from aggregator.models.feeds import Entry, Feed, FeedState, GapFill, Source
from aggregator.models.fetching import Cause, Fetched, FetchFailed, FetchRequest, FetchResult, Redirected
from aggregator.ports.store_records import PollOutcome, PollRecord, Sighting
from aggregator.schedule.publication_rate import update_stats
from aggregator.visits.poll import FeedReader, PollSettings

logger = logging.getLogger(__name__)

MAX_REQUESTS: Final = 10  # for one gap
_FIRST_WAIT: Final = timedelta(seconds=2)
_LONGEST_WAIT: Final = timedelta(seconds=20)  # what `run-once` waits for
_PASSING: Final = frozenset(
    {
        Cause.DNS,
        Cause.CONNECT,
        Cause.TLS,
        Cause.TIMEOUT,
        Cause.PROXY,
        Cause.TRUNCATED,
        Cause.RATE_LIMITED,
        Cause.UNAVAILABLE,
        Cause.SERVER_ERROR,
        Cause.ROBOTS_UNREACHABLE,
    }
)


def request_of(feed: Feed, source: Source, settings: PollSettings) -> FetchRequest:
    """Return the request for `source`. It has no validators, since each source is fetched once."""
    return FetchRequest(
        url=source.url,
        accept="feed",
        follow_hosts=False,
        feed=feed.url,
        max_bytes=settings.max_bytes,
        deadline=settings.deadline,
    )


# --- steps ------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceContent:
    """The content of the answer for one source, in which lost entries may be found.

    `entries_seen` is None if the answer is neither a feed nor a news sitemap. `candidates` are the entries that the gap
    may have lost. `instead` are the sources to request next: an older page of the feed, or the sitemaps of an index.
    """

    entries_seen: int | None = None
    candidates: tuple[Sighting, ...] = ()
    instead: tuple[Source, ...] = ()


def read_source(feed: Feed, fill: GapFill, result: FetchResult, read: FeedReader, now: datetime) -> SourceContent:
    """Return what the answer of one source of older entries, such as a news sitemap, contains.

    The source is the first of `fill.sources`; `result` is its answer.
    """
    match result:
        case Fetched() if (
            fill.sources[0].kind == "sitemap"
            and (named := named_sitemaps(result.body, result.final_url, result.headers)) is not None
        ):
            return SourceContent(instead=choose_in_index(named))
        case Fetched():
            reading = read(feed, result, (), now)
        case Redirected(target=target):
            return SourceContent(instead=(replace(fill.sources[0], url=target),))
        case _:
            return SourceContent()
    parsed = reading.parsed
    if fill.sources[0].kind == "sitemap":
        news = tuple(one for one in reading.sightings if one.entry.title and _is_of(one.entry, fill))
        is_useful = parsed.format == "sitemap" and bool(news)
        return SourceContent(entries_seen=len(parsed.entries), candidates=news) if is_useful else SourceContent()
    if parsed.kind != "feed" or parsed.format == "sitemap":
        return SourceContent()
    page = older_page(parsed, result.final_url)
    instead = () if page is None else (Source(kind="page", url=page),)
    return SourceContent(entries_seen=len(parsed.entries), candidates=reading.sightings, instead=instead)


def decide(
    feed: Feed,
    fill: GapFill,
    result: FetchResult,
    content: SourceContent,
    first_seen: Sequence[datetime | None],
    now: datetime,
) -> PollRecord:
    """Return the record of one request of a backfill: it adds entries, plans a retry, or goes on to the next source.

    `result` is the answer for the first of `fill.sources`, the addresses that may show lost entries. `first_seen` has,
    for each of `content.candidates`, the time when the feed first showed it; None: never.
    """
    asked = replace(fill, asked=(*fill.asked, fill.sources[0].url))
    match result:
        case Fetched() if content.entries_seen is not None:
            return _found(feed, asked, result, content, first_seen, now)
        case FetchFailed(cause=cause) if cause in _PASSING:
            return postpone(feed, fill, now)
        case _:
            return _continue_with(feed, asked, content.instead, now)


def postpone(feed: Feed, fill: GapFill, now: datetime) -> PollRecord:
    """Return the record that continues the search after the feed's next poll, since a request failed.

    The failed request counts among the ten of the gap.
    """
    return _wait(feed, replace(fill, waits=True), fill.resume_at, now)


def retry_later(feed: Feed, fill: GapFill, now: datetime) -> PollRecord:
    """Return the record that retries the first of `fill.sources` soon, since its host cannot be claimed now.

    The attempt counts among the ten requests that a search for lost entries may make, so every search ends.
    """
    times = fill.asked.count(fill.sources[0].url)
    return _wait(feed, fill, min(now + min(_FIRST_WAIT * 2.0**times, _LONGEST_WAIT), fill.resume_at), now)


def _wait(feed: Feed, fill: GapFill, due_at: datetime, now: datetime) -> PollRecord:
    asked = (*fill.asked, fill.sources[0].url)
    if len(asked) >= MAX_REQUESTS:
        return give_up(feed, now)
    return _record(feed, replace(feed.state, filling=replace(fill, asked=asked), due_at=due_at), now)


def skip(feed: Feed, fill: GapFill, now: datetime) -> PollRecord:
    """Return the record by which a backfill leaves out the first of `fill.sources`, since robots.txt forbids it."""
    return _continue_with(feed, fill, (), now)


def resolve_sitemaps(feed: Feed, fill: GapFill, named: Sequence[str], now: datetime) -> PollRecord:
    """Return the record of a step of a backfill: the sitemaps named in robots.txt replace the site as a source.

    `named` are the addresses in the site's robots.txt; the site is the first of `fill.sources`.
    """
    return _continue_with(feed, fill, choose_sitemaps(named), now)


def give_up(feed: Feed, now: datetime) -> PollRecord:
    """Return the record that ends the search without success: the gap stays open."""
    fill = feed.state.filling
    due_at = feed.state.due_at if fill is None else fill.resume_at
    logger.info("gap not filled", extra={"feed": feed.url})
    return _record(feed, replace(feed.state, filling=None, due_at=due_at), now)


def _continue_with(feed: Feed, fill: GapFill, instead: Sequence[Source], now: datetime) -> PollRecord:
    """Return the record that continues the search for lost entries with the addresses `instead`, then the others.

    They replace the address that was just requested. If no address is left, the record ends the search.
    """
    state = _next_state(feed.state, fill, instead, now)
    return give_up(feed, now) if state.filling is None else _record(feed, state, now)


def _next_state(state: FeedState, fill: GapFill, instead: Sequence[Source], now: datetime) -> FeedState:
    fresh = tuple(source for source in instead if source.url not in fill.asked)
    sources = (*fresh, *fill.sources[1:])
    if not sources or len(fill.asked) >= MAX_REQUESTS:
        return replace(state, filling=None, due_at=fill.resume_at)
    return replace(state, filling=replace(fill, sources=sources), due_at=now)


def _record(feed: Feed, state: FeedState, now: datetime) -> PollRecord:
    """Return the record of a search for lost entries that found none. It does not count as a poll of the feed."""
    nothing = PollOutcome(
        at=now, outcome="unchanged", status=None, cause=None, detail="", elapsed=timedelta(0), wire_bytes=0
    )
    return PollRecord(feed_id=feed.id, host=feed.host, state=state, outcome=nothing, is_poll=False)


# --- answers ----------------------------------------------------------------------------------------------------------


def _found(
    feed: Feed,
    fill: GapFill,
    result: Fetched,
    content: SourceContent,
    first_seen: Sequence[datetime | None],
    now: datetime,
) -> PollRecord:
    """Return the record of an answer that has entries, when a gap of a feed is being filled.

    An entry that is older than the gap closes the gap and ends the search. Of a sitemap, an entry is recorded only if
    its date lies in the gap and the feed never showed it.
    """
    found, instead = content.candidates, content.instead
    is_closed = any(at is not None and at <= fill.since for at in first_seen)
    if fill.sources[0].kind == "sitemap":
        dates = [_date(one.entry) for one in found]
        is_closed = is_closed or any(at is not None and at <= fill.since for at in dates)
        dated = zip(found, first_seen, dates, strict=True)
        found = tuple(one for one, seen, at in dated if seen is None and at and fill.since <= at <= fill.until)
    elif None not in first_seen:
        instead = ()  # nothing new: the server sends the same page for each address
    if is_closed:
        logger.info("gap filled", extra={"feed": feed.url, "requests": len(fill.asked)})
        state = replace(feed.state, filling=None, due_at=fill.resume_at)
    else:
        state = _next_state(feed.state, fill, instead, now)
    return _entries_record(feed, state, fill, result, content, found, filled=is_closed, now=now)


def _is_of(entry: Entry, fill: GapFill) -> bool:
    return entry.link is not None and section_of(entry.link) in fill.sections


def _date(entry: Entry) -> datetime | None:
    return entry.published_at or entry.updated_at


def _entries_record(
    feed: Feed,
    state: FeedState,
    fill: GapFill,
    result: Fetched,
    content: SourceContent,
    sightings: tuple[Sighting, ...],
    *,
    filled: bool,
    now: datetime,
) -> PollRecord:
    """Return the record that stores the lost entries that were found (`sightings`).

    They count for the feed's publication rate, as after a poll.
    """
    published = [at for sighting in sightings if (at := _date(sighting.entry)) is not None]
    stats = update_stats(state.stats, published, window=state.stats.window, polled_at=fill.since, now=now)
    outcome = PollOutcome(
        at=now,
        outcome="new" if sightings else "unchanged",
        status=result.status,
        cause=None,
        detail=f"older entries: {result.final_url}",
        elapsed=result.elapsed,
        wire_bytes=result.wire_bytes,
        entries_seen=content.entries_seen or 0,
    )
    return PollRecord(
        feed_id=feed.id,
        host=feed.host,
        state=replace(state, stats=stats),
        outcome=outcome,
        sightings=sightings,
        filled_since=fill.since if filled else None,
    )
