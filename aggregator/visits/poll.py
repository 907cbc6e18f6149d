"""Polls one feed: fetches its answer, reads it, makes the record of the poll. Knows neither the store nor the lease.

`read_answer` and `decide` are pure. If `AnswerContent.needs_first_seen`, the visit first asks the store when the feed
showed each entry for the first time. `store/polls/record.py` stores the record.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from random import Random
from typing import Protocol, assert_never

from aggregator.feeds.discovery import find_feeds
from aggregator.feeds.older_entries import sections_of, sources_of
from aggregator.models.feeds import Feed, FeedState, GapFill, ParsedFeed
from aggregator.models.fetching import (
    Cause,
    Fetched,
    FetchFailed,
    FetchRequest,
    FetchResult,
    NotModified,
    Redirected,
    Validators,
)
from aggregator.models.sources import PLAIN_FEED, SourceRule
from aggregator.ports.protocols import Fetcher
from aggregator.ports.store_records import FeedReading, PollOutcome, PollRecord, Sighting
from aggregator.schedule.due_times import (
    PollPolicy,
    after_failure,
    after_gap,
    after_success,
    next_poll_at,
)
from aggregator.schedule.publication_rate import update_stats
from aggregator.urls import host_of
from aggregator.visits.feed_address import adopt, end_redirect, host_of_feed
from aggregator.visits.source_rules import read_under
from aggregator.visits.validators import confirm, end_distrust, is_unconditional, judge

_SHORTEST_DEADLINE = timedelta(milliseconds=10)  # the time for a redirect after the poll's deadline
_ADOPTION_FAILURES = 3.0  # after so many failures of an adopted address the configured one is used again


class FeedReader(Protocol):
    """Parses a feed. The engine decides whether this happens here or in a worker process."""

    def __call__(self, feed: Feed, fetched: Fetched, known: Collection[str], now: datetime) -> FeedReading:
        """Return the parsed feed without the entries whose raw hash is in `known`: they were in an earlier answer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PollSettings:
    """The settings of every poll. `deadline` is for all requests of a poll together."""

    policy: PollPolicy
    max_bytes: int
    deadline: timedelta
    fill_gaps: bool = False
    learns: bool = True  # use the lessons of sites about their addresses


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedAnswer:
    """The answer to a poll. `unconditional`: the poll left out the feed's validators, to check them."""

    feed: Feed
    result: FetchResult
    unconditional: bool
    requests: int
    took: timedelta  # all requests together

    @property
    def failed(self) -> FetchFailed | None:
        """The failure, or None if the poll did not fail."""
        return self.result if isinstance(self.result, FetchFailed) else None


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerContent:
    """The content of a 200. `reading` None: the body is byte for byte the body of the last answer.

    `no_overlap`: none of the entries was in the last answer, so there may be a gap between the two answers.
    """

    body_hash: str
    reading: FeedReading | None = None
    no_overlap: bool = False
    needs_first_seen: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class _Terms:
    """The arguments of `decide` that its helpers share."""

    settings: PollSettings
    now: datetime
    random: Random


# --- fetch and read ---------------------------------------------------------------------------------------------------


def fetch_feed(
    feed: Feed,
    fetcher: Fetcher,
    settings: PollSettings,
    now: datetime,
    may_follow: Callable[[str], bool],
    rule: SourceRule = PLAIN_FEED,
) -> FeedAnswer:
    """Fetch the feed's answer; `rule` tells how the feed is read.

    `may_follow` is asked before a redirect to another host is followed. If it returns False, the result is
    `Redirected`: a later poll continues with the target, and sends no second request to the first host.
    """
    feed = replace(feed, state=read_under(end_distrust(feed.state, now), rule))
    state = feed.state
    unconditional = is_unconditional(state)
    request = FetchRequest(
        url=state.pending_target or state.adopted_url or feed.url,
        accept="page" if rule.kind == "html" else "feed",
        validators=Validators() if unconditional else state.validators,
        validators_of=state.validators_of,
        hops=state.pending_hops,
        follow_hosts=False,
        feed=feed.url,
        max_bytes=settings.max_bytes,
        deadline=settings.deadline,
    )
    result = fetcher.fetch(request)
    requests, took = 1, result.elapsed
    while isinstance(result, Redirected) and may_follow(result.target):
        left = max(settings.deadline - took, _SHORTEST_DEADLINE)
        result = fetcher.fetch(replace(request, url=result.target, hops=result.hops, deadline=left))
        requests, took = requests + 1, took + result.elapsed
    return FeedAnswer(feed=feed, result=result, unconditional=unconditional, requests=requests, took=took)


def read_answer(answer: FeedAnswer, read: FeedReader, now: datetime) -> AnswerContent | None:
    """Return the content of a feed's answer if its status is 200, else None.

    A body that is the same as in the last poll is not parsed.
    """
    result, state = answer.result, answer.feed.state
    if not isinstance(result, Fetched):
        return None
    body_hash = hashlib.blake2b(result.body, digest_size=16).hexdigest()
    if body_hash == state.body_hash:
        return AnswerContent(body_hash=body_hash)
    reading = read(answer.feed, result, state.raw_hashes, now)
    no_overlap = bool(state.raw_hashes) and not set(state.raw_hashes) & set(reading.parsed.raw_hashes)
    return AnswerContent(
        body_hash=body_hash,
        reading=reading,
        no_overlap=no_overlap,
        needs_first_seen=bool(reading.sightings) and (no_overlap or answer.unconditional),
    )


# --- decide -----------------------------------------------------------------------------------------------------------


def decide(
    answer: FeedAnswer,
    content: AnswerContent | None,
    first_seen: Sequence[datetime | None] = (),
    *,
    settings: PollSettings,
    now: datetime,
    random: Random,
    own_network: bool = False,
) -> PollRecord:
    """Return the record of a poll.

    If `content.needs_first_seen`, `first_seen` has the time when the feed first showed each entry (None: never before).
    `own_network`: our own network is down, so a failure does not count against the feed.
    """
    feed, terms = answer.feed, _Terms(settings=settings, now=now, random=random)
    match answer.result:
        case Redirected() as result:
            record = _moving(feed, result, now)
        case FetchFailed() as result:
            record = _failed(feed, result, terms, own_network=own_network)
        case NotModified() as result:
            record = _unchanged(feed, result, terms)
        case Fetched() as result:
            assert content is not None  # `read_answer` gives one for each 200
            record = _fetched(answer, result, content, first_seen, terms)
        case _ as never:
            assert_never(never)
    if answer.unconditional:
        return replace(record, outcome=replace(record.outcome, unconditional=True))
    return record


def _moving(feed: Feed, result: Redirected, now: datetime) -> PollRecord:
    state = replace(feed.state, due_at=now, pending_target=result.target, pending_hops=result.hops)
    outcome = PollOutcome(
        at=now, outcome="moving", status=None, cause=None, detail=result.target, elapsed=result.elapsed, wire_bytes=0
    )
    return PollRecord(feed_id=feed.id, host=host_of(result.target), state=state, outcome=outcome)


def _failed(feed: Feed, failed: FetchFailed, terms: _Terms, *, own_network: bool = False) -> PollRecord:
    arrived = replace(feed, state=end_redirect(feed.state))
    state = after_failure(
        arrived, failed, now=terms.now, policy=terms.settings.policy, random=terms.random, own_network=own_network
    )
    if state.adopted_url is not None and state.failures >= _ADOPTION_FAILURES:
        state = replace(state, adopted_url=None, adopted_at=None)
    outcome = PollOutcome(
        at=terms.now,
        outcome="failed",
        status=failed.status,
        cause=failed.cause,
        detail=failed.detail,
        elapsed=failed.elapsed,
        wire_bytes=0,
    )
    return PollRecord(feed_id=feed.id, host=host_of_feed(feed, state), state=state, outcome=outcome)


def _unchanged(feed: Feed, result: NotModified, terms: _Terms) -> PollRecord:
    """Record a 304. Its freshness and each validator that it has replace the stored ones (RFC 9111, 4.3.4)."""
    before = feed.state.validators
    validators = Validators(
        etag=result.validators.etag or before.etag,
        last_modified=result.validators.last_modified or before.last_modified,
    )
    state = replace(
        adopt(feed.state, feed, result.hops, terms.now),
        pending_target=None,
        pending_hops=(),
        validators=validators,
        fresh_for=result.fresh_for,
    )
    return _success(feed, state, result, terms)


def _fetched(
    answer: FeedAnswer,
    result: Fetched,
    content: AnswerContent,
    first_seen: Sequence[datetime | None],
    terms: _Terms,
) -> PollRecord:
    """Return the record of a poll answered by a 200. Its validators replace the stored ones (RFC 9111, 3.3)."""
    feed, now = answer.feed, terms.now
    state = replace(
        adopt(end_redirect(feed.state), feed, result.hops, now),
        validators=result.validators,
        validators_of=result.final_url,
        fresh_for=result.fresh_for,
        unconditional_at=now,
    )
    if content.reading is None:
        state = confirm(state) if answer.unconditional else state
        return _success(feed, state, result, terms, seen=feed.state.stats.window)
    parsed, sightings = content.reading.parsed, content.reading.sightings
    if parsed.kind != "feed":
        return _no_feed(feed, result, parsed, terms)
    state = _parsed(state, feed.state, content.body_hash, parsed, now)
    if answer.unconditional:
        new = [sighting for sighting, at in zip(sightings, first_seen, strict=True) if at is None]
        state = judge(state, feed.state, new, result.validators, now)
    elif sightings:
        state = replace(state, revalidation="", distrusted_at=None)  # the validators showed that the feed changed
    last, gap = feed.state.succeeded_at, None
    if content.no_overlap and last is not None and sightings and not any(first_seen):
        gap = (last, now)
        state = after_gap(feed, state, covered=_covered(parsed, now), now=now)
        if terms.settings.fill_gaps and not state.read_as:
            state = replace(state, filling=_gap_fill(feed, parsed, result, sightings, gap))
    record = _success(feed, state, result, terms, seen=state.stats.window, sightings=sightings)
    return replace(record, gap=gap)


def _parsed(state: FeedState, before: FeedState, body_hash: str, parsed: ParsedFeed, now: datetime) -> FeedState:
    """Return the state with the facts of the parsed feed, such as its title and the hashes of its entries.

    If the feed has no entry, the earlier hashes stay, for the comparison with the next answer. If the document is cut
    off, no validators are stored, so that the next poll gets the whole body.
    """
    window = len(parsed.raw_hashes) or len(parsed.entries)
    return replace(
        state,
        validators=state.validators if parsed.complete else Validators(),
        body_hash=body_hash,
        raw_hashes=parsed.raw_hashes or before.raw_hashes,
        title=parsed.title,
        format=parsed.format or "",
        hints=parsed.hints,
        hub=parsed.hub,
        advertised=(),
        entry_ids=_id_rule(parsed, state),
        stats=state.stats
        if parsed.sitemaps
        else update_stats(state.stats, _dates(parsed), window=window, polled_at=before.polled_at, now=now),
    )


def _id_rule(parsed: ParsedFeed, state: FeedState) -> str:
    """Return the rule that replaces the feed's ids if they are broken, such as "link"; "": they are not broken."""
    if not parsed.entries:
        return state.entry_ids
    is_broken = parsed.entry_id_rule != "id" and any(entry.id for entry in parsed.entries)
    return parsed.entry_id_rule if is_broken else ""


def _dates(parsed: ParsedFeed) -> list[datetime]:
    return [at for entry in parsed.entries if (at := entry.published_at or entry.updated_at)]


def _covered(parsed: ParsedFeed, now: datetime) -> timedelta | None:
    """Return the time that the feed covers: the age of its oldest entry. None: no entry has a date."""
    dates = _dates(parsed)
    return now - min(dates) if dates else None


def _gap_fill(
    feed: Feed, parsed: ParsedFeed, result: Fetched, sightings: Sequence[Sighting], gap: tuple[datetime, datetime]
) -> GapFill | None:
    """Return the search for the entries lost in `gap`. If an earlier gap is still open, the search includes it."""
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


def _no_feed(feed: Feed, result: Fetched, parsed: ParsedFeed, terms: _Terms) -> PollRecord:
    """Return the record of a poll that failed since the answer is no feed, with the feeds that an HTML page names."""
    if not result.body.strip():
        cause, detail = Cause.EMPTY, "the answer is empty"
    elif parsed.format == "html":
        cause, detail = Cause.NO_LINKS, parsed.error
    elif parsed.kind == "html":
        cause, detail = Cause.NOT_A_FEED, "the feed's address answers with an HTML page"
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
    record = _failed(feed, failed, terms)
    if parsed.kind != "html":
        return record
    advertised = tuple(found.url for found in find_feeds(result.body, result.final_url))
    return replace(record, state=replace(record.state, advertised=advertised))


def _success(
    feed: Feed,
    state: FeedState,
    result: Fetched | NotModified,
    terms: _Terms,
    *,
    seen: int = 0,
    sightings: tuple[Sighting, ...] = (),
) -> PollRecord:
    settings, now = terms.settings, terms.now
    state = after_success(state, now=now)
    due_at = next_poll_at(replace(feed, state=state), now=now, policy=settings.policy, random=terms.random)
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
    return PollRecord(
        feed_id=feed.id, host=host_of_feed(feed, state), state=state, outcome=outcome, sightings=sightings
    )
