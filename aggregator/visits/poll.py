"""Poll one feed: fetch, parse, identify; say what is to be recorded. Knows neither the store nor the lease."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from random import Random
from typing import Protocol, assert_never

from aggregator.feeds.older_entries import sections_of, sources_of
from aggregator.feeds.subscriptions import find_feeds
from aggregator.models.fetching import (
    Cause,
    Fetched,
    FetchFailed,
    FetchRequest,
    Hop,
    NotModified,
    Redirected,
    Validators,
)
from aggregator.models.records import Feed, FeedId, FeedState, GapFill, ParsedFeed
from aggregator.ports.protocols import Fetcher
from aggregator.ports.store_records import FeedReading, PollOutcome, PollRecord, Sighting
from aggregator.schedule.due_times import (
    PollPolicy,
    after_failure,
    after_gap,
    after_success,
    expected_rate,
    next_poll_at,
    update_stats,
)
from aggregator.urls import host_of

logger = logging.getLogger(__name__)

_PERMANENT = frozenset({301, 308})
_SHORTEST_DEADLINE = timedelta(milliseconds=10)  # of a hop whose time is over
_ADOPTION_FAILURES = 3.0  # an adopted address that fails so often is given up for the configured one
_DOUBT_AFTER = timedelta(days=1)  # the shortest time of nothing but 304 that raises a doubt
_EXPECTED_ENTRIES = 3.0  # ... if so many entries were expected in it
_DOUBT_AGAIN_AFTER = timedelta(days=7)  # ... when an unconditional request proved the validators right
_DOUBT_SOON_AFTER = timedelta(hours=1)  # ... when they were distrusted before
_DISTRUST_FOR = timedelta(days=7)
_SURELY_BEFORE = timedelta(hours=1)  # an entry's date lies so far before its appearance at most


FirstSeen = Callable[[FeedId, Sequence[Sighting]], Sequence[datetime | None]]


class FeedReader(Protocol):
    """Bytes to records; the engine decides whether here or in a worker process."""

    def __call__(self, feed: Feed, fetched: Fetched, known: Collection[str], now: datetime) -> FeedReading:
        """Return what an answer of the feed says; entries whose raw hash is in `known` are left out."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class PollSettings:
    """What every poll obeys."""

    policy: PollPolicy
    max_bytes: int
    deadline: timedelta
    fill_gaps: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Polled:
    """The outcome of a poll: what to record, and the failure that the host may have to answer for."""

    record: PollRecord
    failed: FetchFailed | None
    requests: int
    took: timedelta  # by all of them


def poll_feed(
    feed: Feed,
    *,
    fetcher: Fetcher,
    read: FeedReader,
    settings: PollSettings,
    now: Callable[[], datetime],
    may_hop: Callable[[str], bool],
    own_network_is_down: Callable[[FetchFailed], bool],
    first_seen: FirstSeen,
    random: Random,
) -> Polled:
    """Fetch the feed and say what to record.

    `first_seen` is asked when none of the entries stood in the last answer: when did this feed show each of them first?
    `may_hop` is asked before a redirect to another host is followed; when it says no, the target is kept and the poll
    goes on there later without asking the first host again.
    """
    reconsidered = _reconsidered(feed.state, now())
    if reconsidered is not feed.state:
        feed = replace(feed, state=reconsidered)
    state = feed.state
    unconditional = _is_unconditional(state)
    request = FetchRequest(
        url=state.pending_target or state.adopted_url or feed.url,
        accept="feed",
        validators=Validators() if unconditional else state.validators,
        validators_of=state.validators_of,
        hops=state.pending_hops,
        follow_hosts=False,
        max_bytes=settings.max_bytes,
        deadline=settings.deadline,
    )
    result = fetcher.fetch(request)
    requests, took = 1, result.elapsed
    while isinstance(result, Redirected) and may_hop(result.target):
        left = max(settings.deadline - took, _SHORTEST_DEADLINE)  # one deadline for all hops
        result = fetcher.fetch(replace(request, url=result.target, hops=result.hops, deadline=left))
        requests, took = requests + 1, took + result.elapsed
    match result:
        case Redirected():
            record, failed = _moving(feed, result, now()), None
        case FetchFailed():
            own = own_network_is_down(result)
            record, failed = _failed(feed, result, now(), settings.policy, random, own_network=own), result
        case NotModified():
            record, failed = _unchanged(feed, result, now(), settings, random), None
        case Fetched():
            means = _Means(read=read, first_seen=first_seen, unconditional=unconditional)
            record, failed = _read(feed, result, means, now(), settings, random), None
        case _:
            assert_never(result)
    if unconditional:
        record = replace(record, outcome=replace(record.outcome, unconditional=True))
    return Polled(record=record, failed=failed, requests=requests, took=took)


# --- what the answer means --------------------------------------------------------------------------------------------


def _moving(feed: Feed, result: Redirected, now: datetime) -> PollRecord:
    state = replace(feed.state, due_at=now, pending_target=result.target, pending_hops=result.hops)
    outcome = PollOutcome(
        at=now, outcome="moving", status=None, cause=None, detail=result.target, elapsed=result.elapsed, wire_bytes=0
    )
    return PollRecord(feed_id=feed.id, host=host_of(result.target), state=state, outcome=outcome)


def _failed(
    feed: Feed, failed: FetchFailed, now: datetime, policy: PollPolicy, random: Random, *, own_network: bool = False
) -> PollRecord:
    arrived = replace(feed, state=_arrived(feed.state))
    state = after_failure(arrived, failed, now=now, policy=policy, random=random, own_network=own_network)
    if state.adopted_url is not None and state.failures >= _ADOPTION_FAILURES:
        state = replace(state, adopted_url=None, adopted_at=None)
    outcome = PollOutcome(
        at=now,
        outcome="failed",
        status=failed.status,
        cause=failed.cause,
        detail=failed.detail,
        elapsed=failed.elapsed,
        wire_bytes=0,
    )
    return PollRecord(feed_id=feed.id, host=_host(feed, state), state=state, outcome=outcome)


def _unchanged(feed: Feed, result: NotModified, now: datetime, settings: PollSettings, random: Random) -> PollRecord:
    """A 304 keeps the validators, updates those it carries, and carries freshness (RFC 9111, 4.3.4)."""
    before = feed.state.validators
    validators = Validators(
        etag=result.validators.etag or before.etag,
        last_modified=result.validators.last_modified or before.last_modified,
    )
    state = _adopt(_arrived(feed.state), feed, result.hops, now)
    if (state.validators, state.fresh_for) != (validators, result.fresh_for):
        state = replace(state, validators=validators, fresh_for=result.fresh_for)
    return _success(feed, state, result, 0, (), now, settings, random)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Means:
    """What an answer is read with. `unconditional`: although we had validators, none were sent."""

    read: FeedReader
    first_seen: FirstSeen
    unconditional: bool


def _read(
    feed: Feed, result: Fetched, means: _Means, now: datetime, settings: PollSettings, random: Random
) -> PollRecord:
    """A complete 200: replace both validators, once the body has proved to be a feed (RFC 9111, 3.3)."""
    body_hash = hashlib.blake2b(result.body, digest_size=16).hexdigest()
    state = _adopt(_arrived(feed.state), feed, result.hops, now)
    state = replace(
        state,
        validators=result.validators,
        validators_of=result.final_url,
        fresh_for=result.fresh_for,
        unconditional_at=now,
    )
    if body_hash == feed.state.body_hash:
        if means.unconditional:
            state = _trusted(state)
        return _success(feed, state, result, feed.state.stats.window, (), now, settings, random)
    reading = means.read(feed, result, feed.state.raw_hashes, now)
    parsed, sightings = reading.parsed, reading.sightings
    if parsed.kind != "feed":
        return _no_feed(feed, result, parsed, now, settings.policy, random)
    if not parsed.complete:
        state = replace(state, validators=Validators())  # of what was cut off; the same bytes again are all there is
    published = [at for entry in parsed.entries if (at := entry.published_at or entry.updated_at)]
    window = len(parsed.raw_hashes) or len(parsed.entries)
    state = replace(
        state,
        body_hash=body_hash,
        raw_hashes=parsed.raw_hashes or feed.state.raw_hashes,  # an empty window is none to compare the next one with
        title=parsed.title,
        format=parsed.format or "",
        hints=parsed.hints,
        hub=parsed.hub,
        advertised=(),
        entry_ids=_stand_in(parsed, state),
        stats=update_stats(state.stats, published, window=window, polled_at=feed.state.polled_at, now=now),
    )
    is_apart = bool(feed.state.raw_hashes) and not set(feed.state.raw_hashes) & set(parsed.raw_hashes)
    seen = means.first_seen(feed.id, sightings) if sightings and (is_apart or means.unconditional) else ()
    if means.unconditional:
        new = [sighting for sighting, at in zip(sightings, seen, strict=True) if at is None]
        state = _judged(state, feed.state, new, result.validators, now)
    elif sightings:
        state = replace(state, revalidation="", distrusted_at=None)  # the validators did what they are for
    last, gap = feed.state.succeeded_at, None
    if is_apart and last is not None and sightings and not any(seen):
        gap = (last, now)
        state = after_gap(feed, state, covered=_covered(published, now), now=now)
        if settings.fill_gaps:
            state = replace(state, filling=_filling(feed, parsed, result, sightings, gap))
    return replace(_success(feed, state, result, window, sightings, now, settings, random), gap=gap)


def _stand_in(parsed: ParsedFeed, state: FeedState) -> str:
    """Return what stands in for ids that the feed has and that do not hold; a feed without any has nothing broken."""
    if not parsed.entries:
        return state.entry_ids
    is_broken = parsed.entry_id_rule != "id" and any(entry.id for entry in parsed.entries)
    return parsed.entry_id_rule if is_broken else ""


def _covered(published: Sequence[datetime], now: datetime) -> timedelta | None:
    """Return how far back the entries of the window reach, by their own dates."""
    return now - min(published) if published else None


def _filling(
    feed: Feed, parsed: ParsedFeed, result: Fetched, sightings: Sequence[Sighting], gap: tuple[datetime, datetime]
) -> GapFill | None:
    """Return where to look for what was lost; with an earlier gap that is still being filled, from its beginning on."""
    entry_urls = [one.url for one in sightings if one.url is not None and not one.from_feed]
    sources = sources_of(parsed, result.final_url, entry_urls)
    earlier = feed.state.filling
    since, until = gap
    if not sources:
        return earlier
    return GapFill(
        since=since if earlier is None else earlier.since,
        until=until,
        resume_at=until,
        sources=sources,
        sections=sections_of(entry_urls),
    )


def _no_feed(
    feed: Feed, result: Fetched, parsed: ParsedFeed, now: datetime, policy: PollPolicy, random: Random
) -> PollRecord:
    """A 200 that is no feed: validators and entries stay; the feeds that the page advertises are reported."""
    if not result.body.strip():
        cause, detail = Cause.EMPTY, "the answer is empty"
    elif parsed.kind == "html":
        cause, detail = Cause.NOT_A_FEED, "an HTML page stands where the feed was"
    else:
        cause, detail = Cause.UNREADABLE, parsed.error or "neither RSS, Atom, RDF nor JSON Feed"
    failed = FetchFailed(
        url=result.url,
        final_url=result.final_url,
        cause=cause,
        detail=detail,
        status=result.status,
        hops=result.hops,
        elapsed=result.elapsed,
    )
    record = _failed(feed, failed, now, policy, random)
    if parsed.kind != "html":
        return record
    advertised = tuple(found.url for found in find_feeds(result.body, result.final_url))
    return replace(record, state=replace(record.state, advertised=advertised))


def _success(
    feed: Feed,
    state: FeedState,
    result: Fetched | NotModified,
    seen: int,
    sightings: tuple[Sighting, ...],
    now: datetime,
    settings: PollSettings,
    random: Random,
) -> PollRecord:
    state = after_success(state, now=now)
    due_at = next_poll_at(replace(feed, state=state), now=now, policy=settings.policy, random=random)
    if state.filling is not None and settings.fill_gaps:
        state = replace(state, due_at=now, filling=replace(state.filling, resume_at=due_at, waits=False))
    else:
        state = replace(state, due_at=due_at, filling=None)
    outcome = PollOutcome(
        at=now,
        outcome="new" if sightings else "unchanged",
        status=result.status if isinstance(result, Fetched) else 304,
        cause=None,
        detail="",
        elapsed=result.elapsed,
        wire_bytes=result.wire_bytes if isinstance(result, Fetched) else 0,
        entries_seen=seen,
    )
    return PollRecord(feed_id=feed.id, host=_host(feed, state), state=state, outcome=outcome, sightings=sightings)


# --- addresses --------------------------------------------------------------------------------------------------------


def _arrived(state: FeedState) -> FeedState:
    """Forget the hop that was pending: this poll went its way to the end."""
    if state.pending_target is None and not state.pending_hops:
        return state
    return replace(state, pending_target=None, pending_hops=())


def _host(feed: Feed, state: FeedState) -> str:
    return host_of(state.pending_target or state.adopted_url or feed.url)


def _adopt(state: FeedState, feed: Feed, hops: tuple[Hop, ...], now: datetime) -> FeedState:
    """Use the address behind the leading permanent redirects from the next poll on (RFC 9110, 15.4.2 and 15.4.9)."""
    target = None
    for hop in hops:
        if hop.status not in _PERMANENT:
            break
        target = hop.target
    if target is None or target == state.adopted_url:
        return state
    return replace(state, adopted_url=None if target == feed.url else target, adopted_at=now)


# --- validators -------------------------------------------------------------------------------------------------------


def _is_unconditional(state: FeedState) -> bool:
    """Leave the validators out: they are known to lie, or nothing but 304 came although entries were expected."""
    if state.validators == Validators():
        return False
    if state.revalidation == "distrusted":
        return True
    if state.unconditional_at is None or state.succeeded_at is None:
        return False
    quiet = state.succeeded_at - state.unconditional_at  # while we did not ask, nothing was hidden from us
    expected = expected_rate(state.stats, state.unconditional_at) * (quiet / timedelta(days=1))
    return quiet >= _patience(state) and expected >= _EXPECTED_ENTRIES


def _patience(state: FeedState) -> timedelta:
    if state.revalidation == "checked":
        return _DOUBT_AGAIN_AFTER
    return _DOUBT_AFTER if state.distrusted_at is None else _DOUBT_SOON_AFTER


def _reconsidered(state: FeedState, now: datetime) -> FeedState:
    """Give validators that were distrusted for a week another chance."""
    is_over = state.distrusted_at is None or now - state.distrusted_at >= _DISTRUST_FOR
    return replace(state, revalidation="") if state.revalidation == "distrusted" and is_over else state


def _judged(
    state: FeedState, before: FeedState, new: Sequence[Sighting], validators: Validators, now: datetime
) -> FeedState:
    """Return what an answer without validators, with `new` entries, says about those that we had."""
    if before.revalidation == "distrusted":
        return state
    if not new:
        return _trusted(state)
    if validators == before.validators or _were_hidden(new, before):
        return replace(state, revalidation="distrusted", distrusted_at=now)
    return state


def _trusted(state: FeedState) -> FeedState:
    """An answer without validators that shows nothing new proves them right; while distrusted it proves nothing."""
    if state.revalidation == "distrusted":
        return state
    return replace(state, revalidation="checked", distrusted_at=None)


def _were_hidden(new: Sequence[Sighting], before: FeedState) -> bool:
    """Say whether entries were there while the server answered 304: by their dates, else by their number."""
    dates = [at for one in new if (at := one.entry.published_at or one.entry.updated_at) is not None]
    if not dates:
        return len(new) >= _EXPECTED_ENTRIES
    first, last = before.unconditional_at, before.succeeded_at
    return first is not None and last is not None and any(first < at <= last - _SURELY_BEFORE for at in dates)
