"""Find what a gap lost: one older page of a feed, or one news sitemap, at a time. Knows neither store nor lease.

Off unless `[polling] fill_gaps` says so. A feed with a gap to fill is due at once; each step is a request of its own,
at the host's pace and under its robots.txt, and at most ten are made for a gap. The feed's own polls go first.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final, assert_never

from aggregator.feeds.older_entries import choose_sitemaps, is_index, named_in_index, older_page, section_of
from aggregator.models.fetching import Cause, Fetched, FetchFailed, FetchRequest, FetchResult, NotModified, Redirected
from aggregator.models.records import Entry, Feed, FeedState, GapFill, ParsedFeed, Source
from aggregator.ports.store_records import PollOutcome, PollRecord, Sighting
from aggregator.schedule.due_times import update_stats
from aggregator.visits.poll import FeedReader, FirstSeen, PollSettings

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


@dataclass(frozen=True, slots=True, kw_only=True)
class Reader:
    """What an answer is read with."""

    read: FeedReader
    first_seen: FirstSeen


def request_of(source: Source, settings: PollSettings) -> FetchRequest:
    """Return the request for a page or sitemap; without validators, it is asked for once."""
    return FetchRequest(
        url=source.url,
        accept="feed",
        follow_hosts=False,
        max_bytes=settings.max_bytes,
        deadline=settings.deadline,
    )


# --- steps ------------------------------------------------------------------------------------------------------------


def read_answer(feed: Feed, filling: GapFill, result: FetchResult, reader: Reader, now: datetime) -> PollRecord:
    """Say what to record after the first of the sources was asked."""
    asked = replace(filling, asked=(*filling.asked, filling.sources[0].url))
    match result:
        case Fetched() if filling.sources[0].kind == "sitemap":
            return _read_sitemap(feed, asked, result, reader, now)
        case Fetched():
            return _read_page(feed, asked, result, reader, now)
        case Redirected(target=target):
            return _go_on(feed, asked, (replace(filling.sources[0], url=target),), now)
        case FetchFailed(cause=cause) if cause in _PASSING:
            return postpone(feed, filling, now)
        case FetchFailed() | NotModified():
            return _go_on(feed, asked, (), now)
        case _:
            assert_never(result)


def postpone(feed: Feed, filling: GapFill, now: datetime) -> PollRecord:
    """Leave the rest until after the feed's next poll: something failed there. Counts as a request."""
    return _wait(feed, replace(filling, waits=True), filling.resume_at, now)


def come_again(feed: Feed, filling: GapFill, now: datetime) -> PollRecord:
    """Try again in a few seconds: another visit is at that host. Counts as a request, so that it ends some day."""
    times = filling.asked.count(filling.sources[0].url)
    return _wait(feed, filling, min(now + min(_FIRST_WAIT * 2.0**times, _LONGEST_WAIT), filling.resume_at), now)


def _wait(feed: Feed, filling: GapFill, due_at: datetime, now: datetime) -> PollRecord:
    asked = (*filling.asked, filling.sources[0].url)
    if len(asked) >= MAX_REQUESTS:
        return give_up(feed, now)
    return _record(feed, replace(feed.state, filling=replace(filling, asked=asked), due_at=due_at), now)


def skip(feed: Feed, filling: GapFill, now: datetime) -> PollRecord:
    """Go on with the next source: robots.txt forbids this one."""
    return _go_on(feed, filling, (), now)


def look_up(feed: Feed, filling: GapFill, named: Sequence[str], now: datetime) -> PollRecord:
    """Put the sitemaps that a site's robots.txt names in the place of the site."""
    return _go_on(feed, filling, choose_sitemaps(named), now)


def give_up(feed: Feed, now: datetime) -> PollRecord:
    """End the search; the gap stays."""
    filling = feed.state.filling
    due_at = feed.state.due_at if filling is None else filling.resume_at
    logger.info("gap not filled", extra={"feed": feed.url})
    return _record(feed, replace(feed.state, filling=None, due_at=due_at), now)


def _go_on(feed: Feed, filling: GapFill, instead: Sequence[Source], now: datetime) -> PollRecord:
    """Put `instead` in the place of the first source; without any left the search ends."""
    state = _next_state(feed.state, filling, instead, now)
    return give_up(feed, now) if state.filling is None else _record(feed, state, now)


def _next_state(state: FeedState, filling: GapFill, instead: Sequence[Source], now: datetime) -> FeedState:
    fresh = tuple(source for source in instead if source.url not in filling.asked)
    sources = (*fresh, *filling.sources[1:])
    if not sources or len(filling.asked) >= MAX_REQUESTS:
        return replace(state, filling=None, due_at=filling.resume_at)
    return replace(state, filling=replace(filling, sources=sources), due_at=now)


def _record(feed: Feed, state: FeedState, now: datetime) -> PollRecord:
    """A step without entries: nothing was asked of the feed itself."""
    nothing = PollOutcome(
        at=now, outcome="unchanged", status=None, cause=None, detail="", elapsed=timedelta(0), wire_bytes=0
    )
    return PollRecord(feed_id=feed.id, host=feed.host, state=state, outcome=nothing, is_poll=False)


# --- answers ----------------------------------------------------------------------------------------------------------


def _read_page(feed: Feed, filling: GapFill, result: Fetched, reader: Reader, now: datetime) -> PollRecord:
    """An older page of the feed: it closes the gap when it shows what was known before."""
    reading = reader.read(feed, result, (), now)
    parsed, sightings = reading.parsed, reading.sightings
    if parsed.kind != "feed" or parsed.format == "sitemap":
        return _go_on(feed, filling, (), now)
    seen = reader.first_seen(feed.id, sightings)
    if any(at is not None and at <= filling.since for at in seen):
        return _filled(feed, filling, parsed, result, sightings, now)
    page = older_page(parsed, result.final_url) if None in seen else None  # nothing new: the same page again
    instead = () if page is None else (Source(kind="page", url=page),)
    return _found(feed, _next_state(feed.state, filling, instead, now), filling, parsed, result, sightings, now)


def _read_sitemap(feed: Feed, filling: GapFill, result: Fetched, reader: Reader, now: datetime) -> PollRecord:
    """A news sitemap: it closes the gap when it reaches back to its beginning."""
    if is_index(result.body):
        return _go_on(feed, filling, choose_sitemaps(named_in_index(result.body, result.final_url)), now)
    reading = reader.read(feed, result, (), now)
    parsed = reading.parsed
    news = [one for one in reading.sightings if one.entry.title and _is_of(one.entry, filling)]
    if parsed.format != "sitemap" or not news:
        return _go_on(feed, filling, (), now)
    seen = reader.first_seen(feed.id, news)
    lost = tuple(
        sighting
        for sighting, at in zip(news, seen, strict=True)
        if at is None and (dated := _date(sighting.entry)) is not None and filling.since <= dated <= filling.until
    )
    reaches_back = any((dated := _date(one.entry)) is not None and dated <= filling.since for one in news)
    if reaches_back or any(at is not None and at <= filling.since for at in seen):
        return _filled(feed, filling, parsed, result, lost, now)
    return _found(feed, _next_state(feed.state, filling, (), now), filling, parsed, result, lost, now)


def _is_of(entry: Entry, filling: GapFill) -> bool:
    return entry.link is not None and section_of(entry.link) in filling.sections


def _date(entry: Entry) -> datetime | None:
    return entry.published_at or entry.updated_at


def _filled(
    feed: Feed,
    filling: GapFill,
    parsed: ParsedFeed,
    result: Fetched,
    sightings: tuple[Sighting, ...],
    now: datetime,
) -> PollRecord:
    logger.info("gap filled", extra={"feed": feed.url, "requests": len(filling.asked)})
    state = replace(feed.state, filling=None, due_at=filling.resume_at)
    return replace(_found(feed, state, filling, parsed, result, sightings, now), filled_since=filling.since)


def _found(
    feed: Feed,
    state: FeedState,
    filling: GapFill,
    parsed: ParsedFeed,
    result: Fetched,
    sightings: tuple[Sighting, ...],
    now: datetime,
) -> PollRecord:
    """Record the entries of an older page as those of a poll; the feed's rhythm learns of them too."""
    published = [at for sighting in sightings if (at := _date(sighting.entry)) is not None]
    window = state.stats.window
    stats = update_stats(state.stats, published, window=window, polled_at=filling.since, now=now)
    outcome = PollOutcome(
        at=now,
        outcome="new" if sightings else "unchanged",
        status=result.status,
        cause=None,
        detail=f"older entries: {result.final_url}",
        elapsed=result.elapsed,
        wire_bytes=result.wire_bytes,
        entries_seen=len(parsed.entries),
    )
    state = replace(state, stats=stats)
    return PollRecord(feed_id=feed.id, host=feed.host, state=state, outcome=outcome, sightings=sightings)
