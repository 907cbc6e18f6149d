"""A stay at one claimed host: its due feeds, then its due pages, at its pace, under its lease.

The visit is where use cases meet the store. It never sleeps for longer than a visit may last: the gap between two
requests is spent in the table (`not_before`), not in a thread.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import assert_never

from aggregator.errors import LeaseLostError
from aggregator.http.robots import MAX_BYTES, RobotsRule, max_age, refusal, robots_of, robots_url, sitemaps
from aggregator.identity.identify import identify
from aggregator.models.fetching import Cause, Fetched, FetchFailed, FetchRequest, NotModified, Redirected
from aggregator.models.records import Feed, GapFill, Page, PageFailed, RawResponse
from aggregator.ports.run_scope import RunScope
from aggregator.ports.store_records import Claim, FeedReading, PollRecord, PollRecorded
from aggregator.schedule.due_times import (
    HOST_CAUSES,
    host_not_before,
    next_page_attempt,
    own_network_is_down,
    revisit_at,
)
from aggregator.urls import host_of
from aggregator.visits.backfill import Reader, come_again, look_up, postpone, read_answer, request_of, skip
from aggregator.visits.collect import fetch_page, page_failure_of
from aggregator.visits.host_session import QUIET, TIMEOUTS, Hops, Stay, Tools, asks_for_quiet
from aggregator.visits.poll import FeedReader, poll_feed

logger = logging.getLogger(__name__)

_FEEDS = 50  # asked of the store at once
_PAGES = 20  # the same
_FIRST_PAGES = 2  # at a pace most visits end after one page, since another host is due
_LONG_PARSE_BYTES = 1_000_000  # beyond it a parse may take as long as a request


@dataclass(slots=True, kw_only=True)
class VisitReport:
    """What was done in a visit; the engine adds these up."""

    feeds_polled: int = 0
    feeds_unchanged: int = 0
    feeds_failed: int = 0
    entries_seen: int = 0
    entries_new: int = 0
    pages_requested: int = 0
    pages_failed: int = 0
    requests: int = 0
    causes: dict[Cause, int] = field(default_factory=dict)
    articles: Counter[str] = field(default_factory=Counter)  # what became of those read along with their feed
    is_over: bool = False  # the host is left alone: it asked for that, or kept us waiting for too long
    goes_on: bool = False  # the search for what a gap lost, in seconds or at once

    @property
    def is_empty(self) -> bool:
        """Whether there was nothing to do."""
        return self.requests == 0 and self.pages_failed == 0 and not self.goes_on

    def count_new(self, recorded: PollRecorded) -> None:
        """Note what a poll brought."""
        self.entries_new += recorded.entries_new
        self.articles.update(article.kind for article in recorded.articles)

    def count_cause(self, cause: Cause) -> None:
        """Note one failure."""
        self.causes[cause] = self.causes.get(cause, 0) + 1


def visit(
    claim: Claim,
    tools: Tools,
    *,
    scope: RunScope | None = None,
    max_pages: int,
    others_due: Callable[[], bool],
    stopping: Callable[[], bool],
    with_pages: bool = True,
) -> VisitReport:
    """Do the due work of a claimed host and give the claim back.

    `max_pages` bounds the pages asked for; `scope` is enlarged by what the visit's own polls announce. `others_due`
    tells whether another host waits for this thread, `stopping` whether the process is to end.
    """
    report = VisitReport()
    stay = Stay(claim, tools, scope, others_due, stopping)
    try:
        goes_on = _poll_feeds(stay, tools, report)
        if goes_on and with_pages:
            _collect_pages(stay, tools, report, max_pages)
    except LeaseLostError:
        level = logging.DEBUG if stopping() else logging.WARNING  # a stop gives leases back itself
        logger.log(level, "lease lost: what was in hand is discarded", extra={"host": claim.host})
        return report
    except BaseException:
        tools.store.release(claim, not_before=stay.free_from(), failures=stay.failures, asked_until=stay.asked_until)
        raise
    tools.store.release(claim, not_before=stay.free_from(), failures=stay.failures, asked_until=stay.asked_until)
    report.is_over = stay.backing_off or stay.is_worn_out
    logger.info(
        "visited",
        extra={
            "host": claim.host,
            "feeds": report.feeds_polled,
            "new": report.entries_new,
            "pages": report.pages_requested,
            "failed": report.feeds_failed + report.pages_failed,
            "elapsed": round((stay.now() - claim.now).total_seconds(), 3),
        },
    )
    return report


# --- feeds ------------------------------------------------------------------------------------------------------------


def _poll_feeds(stay: Stay, tools: Tools, report: VisitReport) -> bool:
    """Poll what is due; False: the visit is over."""
    is_more = True
    while is_more:
        feeds = tools.store.due_feeds(stay.claim, stay.now(), scope=stay.scope, limit=_FEEDS)
        is_more = len(feeds) == _FEEDS
        for feed in feeds:
            if not stay.may_ask():
                return False
            filling = feed.state.filling if tools.polling.fill_gaps else None
            if filling is not None and not filling.waits and stay.now() < filling.resume_at:
                due_at = _fill_one(feed, filling, stay, tools, report)
            else:
                due_at = _poll_one(feed, stay, tools, report)
            is_more = is_more or due_at <= stay.now()
    return not stay.backing_off


def _poll_one(feed: Feed, stay: Stay, tools: Tools, report: VisitReport) -> datetime:
    """Poll and record; return when the feed is due again."""
    source = feed.state.pending_target or feed.state.adopted_url or feed.url
    deadline = stay.deadline(tools.polling.deadline, source)
    settings = tools.polling if deadline == tools.polling.deadline else replace(tools.polling, deadline=deadline)
    hops = Hops(stay, tools)
    try:
        polled = poll_feed(
            feed,
            fetcher=tools.fetcher,
            read=_reader_under_lease(stay, tools),
            settings=settings,
            now=stay.now,
            may_hop=hops.may_go,
            own_network_is_down=lambda failed: _blames_us(failed, tools),
            first_seen=tools.store.first_seen,
            random=tools.random,
        )
        hops.heed(polled.failed)
    finally:
        hops.release()
    stay.asked(polled.took, polled.failed)
    tools.recent.append((stay.claim.host, polled.failed.cause if polled.failed is not None else None))
    record: PollRecord = polled.record
    if record.state.pending_target is not None:
        stay.went_on(source, record.state.pending_target, polled.took)
    report.requests += polled.requests
    recorded = tools.store.record_poll(stay.claim, record)
    if recorded is None:
        raise LeaseLostError(stay.claim.host)
    tools.on_poll(feed, record, recorded)
    _heed_host(polled.failed, feed.url, stay, tools)
    report.feeds_polled += 1
    report.feeds_unchanged += record.outcome.outcome == "unchanged"
    report.entries_seen += record.outcome.entries_seen
    report.count_new(recorded)
    if record.outcome.cause is not None:
        report.feeds_failed += 1
        report.count_cause(record.outcome.cause)
    _enlarge(stay.scope, record, recorded)
    return record.state.due_at


def _reader_under_lease(stay: Stay, tools: Tools) -> FeedReader:
    """Return a reader during and after which the host is still ours: ten thousand entries can take long."""

    def read(feed: Feed, fetched: Fetched, known: Collection[str], now: datetime) -> FeedReading:
        stay.keep_lease(whole=len(fetched.body) > _LONG_PARSE_BYTES)
        reading = tools.read(feed, fetched, known, now)
        stay.keep_lease()
        return reading

    return read


def _enlarge(scope: RunScope | None, record: PollRecord, recorded: PollRecorded) -> None:
    """Take in what a poll announced; the feed itself is done with unless it moved on or has a gap to fill."""
    if scope is None:
        return
    if record.outcome.outcome == "moving":
        scope.add(recorded.host_id)
    elif (filling := record.state.filling) is None or record.state.due_at >= filling.resume_at:
        scope.feeds.discard(record.feed_id)
    for page_id, host_id in recorded.new_pages:
        scope.add(host_id, page_id)


# --- gaps -------------------------------------------------------------------------------------------------------------


def _fill_one(feed: Feed, filling: GapFill, stay: Stay, tools: Tools, report: VisitReport) -> datetime:
    """Ask the next source of what a gap lost: under its own host's claim, at its pace, as its robots.txt allows.

    Returns when the feed is due again.
    """
    with _stay_at(filling.sources[0].url, stay, tools) as there:
        record = _fill_step(feed, filling, there, tools, report)
    if record is None:
        return feed.state.due_at
    recorded = tools.store.record_poll(stay.claim, record)
    if recorded is None:
        raise LeaseLostError(stay.claim.host)
    report.entries_seen += record.outcome.entries_seen
    report.count_new(recorded)
    report.goes_on |= record.state.filling is not None and record.state.due_at < record.state.filling.resume_at
    _enlarge(stay.scope, record, recorded)
    return record.state.due_at


def _fill_step(
    feed: Feed, filling: GapFill, there: Stay | None, tools: Tools, report: VisitReport
) -> PollRecord | None:
    """Return what to record; None: the visit is over."""
    source = filling.sources[0]
    if there is None:
        return come_again(feed, filling, tools.store.now())
    robots = _robots_for(source.url, there, tools, report)
    if robots is None and not there.backing_off:
        return None
    if robots is None or robots.kind == "unreachable":
        return postpone(feed, filling, there.now())
    if source.kind == "site":
        return look_up(feed, filling, sitemaps(robots, source.url), there.now())
    if refusal(robots, source.url, tools.policy.user_agent) is not None:
        return skip(feed, filling, there.now())
    if not there.may_ask():
        return None
    deadline = there.deadline(tools.polling.deadline, source.url)
    result = tools.fetcher.fetch(request_of(source, replace(tools.polling, deadline=deadline)))
    failed = result if isinstance(result, FetchFailed) else None
    there.asked(result.elapsed, failed)
    report.requests += 1
    tools.recent.append((there.claim.host, None if failed is None else failed.cause))
    _heed_host(failed, source.url, there, tools)
    reader = Reader(read=tools.read, first_seen=tools.store.first_seen)
    return read_answer(feed, filling, result, reader, there.now())


@contextmanager
def _stay_at(url: str, stay: Stay, tools: Tools) -> Iterator[Stay | None]:
    """Give the stay at the host of `url`; None: it cannot be claimed now."""
    if host_of(url) == stay.claim.host:
        yield stay
        return
    claim = tools.store.claim_host(host_of(url), tools.policy.lease)
    there = None if claim is None else stay.beside(claim)
    try:
        yield there
    finally:
        if there is not None:
            tools.store.release(
                there.claim,
                not_before=there.free_from(),
                failures=there.failures,
                asked_until=there.asked_until,
            )


# --- pages ------------------------------------------------------------------------------------------------------------


def _collect_pages(stay: Stay, tools: Tools, report: VisitReport, max_pages: int) -> None:
    at_once = _FIRST_PAGES
    robots: RobotsRule | None = None
    while report.pages_requested < max_pages:
        limit = min(at_once, max_pages - report.pages_requested)
        if stay.scope is not None and not stay.scope.pages:
            return
        pages = tools.store.due_pages(stay.claim, stay.now(), scope=stay.scope, limit=limit)
        if not pages:
            return
        at_once = _PAGES
        for page in pages:
            if page.part is not None and page.folder != tools.raw_store.folder:
                if tools.store.leave_part(stay.claim, page):
                    continue  # to the workers that can read the parts before
                raise LeaseLostError(stay.claim.host)
            if robots is None and tools.policy.respect_robots:
                robots = _robots_for(page.target, stay, tools, report)
                if robots is None:
                    return
            failed = None if robots is None else refusal(robots, page.target, tools.policy.user_agent)
            if failed is not None:
                _refuse_page(page, failed, stay, tools, report)
            elif not stay.may_ask():
                return
            else:
                _collect_one(page, stay, tools, report)
            if stay.backing_off:
                return


def _robots_for(url: str, stay: Stay, tools: Tools, report: VisitReport) -> RobotsRule | None:
    """Return the host's rules, asked for at most once a day; None: the visit is over."""
    if stay.robots is not None:
        return stay.robots
    claim, at = stay.claim, stay.claim.robots_at
    kept = RobotsRule.from_text(claim.robots) if claim.robots else None
    if kept is not None and at is not None and at <= stay.now() < at + max_age(kept):
        stay.obey(kept)
        return kept
    if not stay.may_ask():
        return None
    deadline = stay.deadline(tools.pages.deadline, robots_url(url))
    request = FetchRequest(url=robots_url(url), accept="robots", max_bytes=2 * MAX_BYTES, deadline=deadline)
    result = tools.fetcher.fetch(request)
    failed = result if isinstance(result, FetchFailed) else None
    rule = robots_of(result, kept, stay.now())
    report.requests += 1
    stay.obey(rule)
    stay.asked(result.elapsed, failed)
    if not tools.store.record_robots(claim, rule.to_text(), stay.now()):
        raise LeaseLostError(claim.host)
    _heed_host(failed, url, stay, tools)
    return None if stay.backing_off else rule


def _refuse_page(page: Page, failed: PageFailed, stay: Stay, tools: Tools, report: VisitReport) -> None:
    next_at = next_page_attempt(page.attempts, failed.cause, None, now=stay.now(), random=tools.random)
    if not tools.store.record_page_failure(stay.claim, page, failed, next_at, counts=False):
        raise LeaseLostError(stay.claim.host)
    stay.put_off(page, next_at)
    report.pages_failed += 1
    report.count_cause(failed.cause)


def _collect_one(page: Page, stay: Stay, tools: Tools, report: VisitReport) -> None:
    limits = replace(tools.pages, deadline=stay.deadline(tools.pages.deadline, page.target))
    result = fetch_page(page, tools.fetcher, limits)
    stay.asked(result.elapsed, result if isinstance(result, FetchFailed) else None)
    tools.recent.append((stay.claim.host, result.cause if isinstance(result, FetchFailed) else None))
    report.requests += 1
    report.pages_requested += 1
    if not isinstance(result, FetchFailed):
        _heed_host(None, page.target, stay, tools)
    store, claim, now = tools.store, stay.claim, stay.now()
    match result:
        case Fetched():
            failed = page_failure_of(result)
            if failed is None:
                raw = RawResponse(
                    content_hash=tools.raw_store.put(result.body),
                    url=page.url if page.part is None else page.part.url,
                    final_url=result.final_url,
                    status=result.status,
                    headers=result.headers,
                    fetched_at=now,
                )
                current = store.record_fetched(claim, page, raw, tools.raw_store.folder, result.hops, result.validators)
            else:
                current = _record_failure(page, failed, None, stay, tools, report)
        case NotModified():
            next_at = revisit_at(page, changed=False, now=now, revisit=tools.policy.revisit)
            current = store.record_unchanged(claim, page, result.validators, next_at)
        case Redirected() if page.part is not None:
            failed = PageFailed(cause=Cause.LOW_QUALITY, detail=f"redirected to {result.target!r}, another host")
            current = _record_failure(page, failed, None, stay, tools, report)
        case Redirected():
            stay.went_on(page.target, result.target, result.elapsed)
            target = identify(result.target, tools.publishers)
            went_on = store.record_handover(claim, page, target, host_of(result.target), result.hops)
            if went_on is not None and stay.scope is not None:
                stay.scope.add(went_on[1], went_on[0])
            current = True
        case FetchFailed():
            failed = PageFailed(cause=result.cause, detail=result.detail)
            current = _record_failure(page, failed, result.retry_after, stay, tools, report)
            _heed_host(result, page.target, stay, tools)
        case _:
            assert_never(result)
    if not current:
        raise LeaseLostError(claim.host)


def _record_failure(
    page: Page, failed: PageFailed, retry_after: timedelta | None, stay: Stay, tools: Tools, report: VisitReport
) -> bool:
    report.pages_failed += 1
    report.count_cause(failed.cause)
    counts = not own_network_is_down(list(tools.recent))
    attempts = page.attempts + 1 if counts else 1
    next_at = next_page_attempt(attempts, failed.cause, retry_after, now=stay.now(), random=tools.random)
    stay.put_off(page, next_at)
    return tools.store.record_page_failure(stay.claim, page, failed, next_at, counts=counts)


# --- the host itself --------------------------------------------------------------------------------------------------


def _blames_us(failed: FetchFailed, tools: Tools) -> bool:
    """Say whether our own network is down: then nobody is punished for it."""
    latest = (host_of(failed.final_url), failed.cause)
    return own_network_is_down([*tools.recent, latest])


def _heed_host(failed: FetchFailed | None, url: str, stay: Stay, tools: Tools) -> None:
    """Leave the host alone when it asks for it or cannot be reached; an answer clears its failures."""
    if failed is not None and failed.cause is Cause.TIMEOUT and host_of(failed.final_url) == stay.claim.host:
        _heed_timeout(failed, stay, tools)
        return
    tools.timeouts.pop(stay.claim.host, None)
    if failed is None or failed.cause not in HOST_CAUSES:
        stay.failures = 0
        return
    if host_of(failed.final_url) != stay.claim.host:
        return  # a hop elsewhere failed; this host answered
    if failed.cause in QUIET and not asks_for_quiet(failed, url, tools):
        return
    failures = 0 if own_network_is_down(list(tools.recent)) else stay.failures
    until = host_not_before(failed, failures, now=stay.now(), random=tools.random)
    stay.back_off(until, was_asked=failed.retry_after is not None)


def _heed_timeout(failed: FetchFailed, stay: Stay, tools: Tools) -> None:
    """Count timeouts in a row; a host that hangs takes a thread for each request, so it is not asked again at once."""
    host, own_network = stay.claim.host, own_network_is_down(list(tools.recent))
    count = tools.timeouts[host] = tools.timeouts.get(host, 0) + (not own_network)
    if count >= TIMEOUTS:
        until = host_not_before(failed, count - TIMEOUTS, now=stay.now(), random=tools.random)
        stay.back_off(until, was_asked=False)
