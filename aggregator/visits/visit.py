"""Polls the due feeds and collects the due pages of one claimed host, at its pace, under its lease.

The steps are in `poll`, `collect`, `backfill` and `index_walk`; this module records their results. A visit never sleeps
longer than its own time limit. A longer pause is kept in the store as the host's `not_before`, so it blocks no thread.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection
from dataclasses import replace
from datetime import datetime, timedelta
from typing import assert_never

from aggregator.errors import LeaseLostError
from aggregator.http.robots import MAX_BYTES, RobotsRule, max_age, refusal, robots_of, robots_url, sitemaps
from aggregator.identity.identify import identify
from aggregator.models.feeds import Feed, GapFill
from aggregator.models.fetching import Cause, Fetched, FetchFailed, FetchRequest, NotModified, Redirected
from aggregator.models.pages import Page, PageFailed, RawResponse
from aggregator.models.sources import PLAIN_FEED, IndexWalk
from aggregator.ports.run_scope import RunScope
from aggregator.ports.store_records import Claim, FeedReading, PollRecord, PollRecorded
from aggregator.schedule.due_times import is_skipped, own_network_is_down, page_retry_at, revisit_at
from aggregator.urls import host_of
from aggregator.visits import backfill, index_walk, poll
from aggregator.visits.collect import fetch_page, page_failure_of
from aggregator.visits.context import VisitContext
from aggregator.visits.host_session import HostSession, RedirectClaims
from aggregator.visits.report import VisitReport

logger = logging.getLogger(__name__)

_FEEDS = 50  # asked of the store at once
_PAGES = 20  # asked of the store at once
_FIRST_PAGES = 2  # pages per query: most visits end after one page, since another host is due
_LONG_PARSE_BYTES = 1_000_000  # bytes; parsing more may take as long as a request


class HostVisit:
    """One visit to a claimed host: polls its due feeds, collects its due pages, counts both in `report`.

    `max_pages` limits the requested pages. `scope` is the work of one `run-once` (None: no such limit); the pages that
    the visit's polls announce are added to it. `others_due` tells whether another host waits for this thread,
    `stopping` whether the process is to end.
    """

    def __init__(
        self,
        claim: Claim,
        context: VisitContext,
        *,
        scope: RunScope | None = None,
        max_pages: int,
        others_due: Callable[[], bool],
        stopping: Callable[[], bool],
    ) -> None:
        self.report = VisitReport()
        self._context = context
        self._store = context.store
        self._session = HostSession(claim, context, scope, others_due, stopping)
        self._scope = scope
        self._max_pages = max_pages
        self._stopping = stopping

    def run(self, *, with_pages: bool = True) -> VisitReport:
        """Do the due work of the host, give the claim back, and return the counts.

        `with_pages` False: poll feeds only.
        """
        session, report = self._session, self.report
        try:
            if self._poll_feeds() and with_pages:
                self._collect_pages()
        except LeaseLostError:
            level = logging.DEBUG if self._stopping() else logging.WARNING  # a stop gives the leases back itself
            logger.log(level, "lease lost: the result of the last request is discarded", extra={"host": self._host})
            return report
        except BaseException:
            session.release()
            raise
        session.release()
        report.host_done = session.backing_off or session.is_time_spent
        logger.info(
            "visited",
            extra={
                "host": self._host,
                "feeds": report.feeds_polled,
                "new": report.entries_new,
                "pages": report.pages_requested,
                "failed": report.feeds_failed + report.pages_failed,
                "elapsed": round((session.now() - session.claim.now).total_seconds(), 3),
            },
        )
        return report

    @property
    def _host(self) -> str:
        return self._session.claim.host

    # --- feeds --------------------------------------------------------------------------------------------------------

    def _poll_feeds(self) -> bool:
        """Poll the due feeds; False: the visit must end."""
        session, is_more = self._session, True
        while is_more:
            feeds = self._store.due_feeds(session.claim, session.now(), scope=self._scope, limit=_FEEDS)
            is_more = len(feeds) == _FEEDS
            for feed in feeds:
                if self._leaves_out(feed):
                    continue
                if not session.wait_for_turn():
                    return False
                fill = feed.state.filling if self._context.polling.fill_gaps else None
                walk = feed.state.index
                if walk is not None and walk.pending and walk.resume_at and session.now() < walk.resume_at:
                    due_at = self._read_sitemap(feed, walk)
                elif fill is not None and not fill.waits and session.now() < fill.resume_at:
                    due_at = self._fill_gap(feed, fill)
                else:
                    due_at = self._poll_feed(feed)
                is_more = is_more or due_at <= session.now()
        return not session.backing_off

    def _leaves_out(self, feed: Feed) -> bool:
        """Return whether a `run-once` leaves the feed to a later run: its skipHours or skipDays cover this time."""
        scope = self._scope
        if scope is None or scope.is_forced or not is_skipped(feed.state.hints, self._session.now()):
            return False
        scope.feeds.discard(feed.id)
        return True

    def _poll_feed(self, feed: Feed) -> datetime:
        """Poll the feed and record the result; return when the feed is due again."""
        session, context = self._session, self._context
        answer = self._fetch_feed(feed)
        content = poll.read_answer(answer, self._read, session.now())
        first_seen: tuple[datetime | None, ...] = ()
        if content is not None and content.reading is not None and content.needs_first_seen:
            first_seen = self._store.first_seen(feed.id, content.reading.sightings)
        record = poll.decide(
            answer,
            content,
            first_seen,
            settings=context.polling,
            now=session.now(),
            random=context.random,
            own_network=answer.failed is not None and own_network_is_down(list(context.recent)),
        )
        record = index_walk.begin(answer, content, record)
        recorded = self._record_poll(record)
        context.on_poll(feed, record, recorded)
        self.report.count_poll(record, recorded)
        return record.state.due_at

    def _fetch_feed(self, feed: Feed) -> poll.FeedAnswer:
        session, context = self._session, self._context
        source = feed.state.pending_target or feed.state.adopted_url or feed.url
        settings = replace(context.polling, deadline=session.deadline(context.polling.deadline, source))
        redirects = RedirectClaims(session, context)
        try:
            rule = context.rules.get(feed.url, PLAIN_FEED)
            answer = poll.fetch_feed(feed, context.fetcher, settings, session.now(), redirects.claim, rule)
            redirects.note_failure(answer.failed)
        finally:
            redirects.release()
        session.note_request(feed.url, answer.took, answer.failed)
        if isinstance(answer.result, Redirected):
            session.note_redirect(source, answer.result.target, answer.took)
        self.report.requests += answer.requests
        return answer

    def _read(self, feed: Feed, fetched: Fetched, known: Collection[str], now: datetime) -> FeedReading:
        """Parse a feed. The lease is renewed before and after if needed, since ten thousand entries can take long."""
        self._session.renew_lease(whole=len(fetched.body) > _LONG_PARSE_BYTES)
        reading = self._context.read(feed, fetched, known, now)
        self._session.renew_lease()
        return reading

    def _record_poll(self, record: PollRecord) -> PollRecorded:
        record = replace(record, learns=self._context.polling.learns)
        recorded = self._store.record_poll(self._session.claim, record)
        if recorded is None:
            raise LeaseLostError(self._host)
        if self._scope is not None:
            _extend(self._scope, record, recorded)
        return recorded

    def _read_sitemap(self, feed: Feed, walk: IndexWalk) -> datetime:
        """Fetch the next sitemap of an index and record its entries; return when the feed is due again."""
        context, url = self._context, walk.pending[0]
        with self._session.at_other_host(url) as session:
            if session is None:
                record = index_walk.skip(feed, walk, self._store.now())
            else:
                settings = replace(context.polling, deadline=session.deadline(context.polling.deadline, url))
                result = context.fetcher.fetch(index_walk.request_of(feed, walk, settings))
                session.note_request(url, result.elapsed, result if isinstance(result, FetchFailed) else None)
                content = index_walk.read_sitemap(feed, walk, result, self._read, session.now())
                policy, now = context.polling.policy, session.now()
                record = index_walk.decide(feed, walk, result, content, policy=policy, now=now, random=context.random)
                self.report.requests += 1
        recorded = self._record_poll(record)
        context.on_poll(feed, record, recorded)
        self.report.count_entries(record, recorded)
        return record.state.due_at

    # --- gaps ---------------------------------------------------------------------------------------------------------

    def _fill_gap(self, feed: Feed, fill: GapFill) -> datetime:
        """Request the next source that may have the entries lost in a gap; return when the feed is due again."""
        with self._session.at_other_host(fill.sources[0].url) as other:
            record = self._fill_step(feed, fill, other)
        if record is None:
            return feed.state.due_at
        recorded = self._record_poll(record)
        self.report.count_entries(record, recorded)
        fill_after, due_at = record.state.filling, record.state.due_at
        self.report.more_to_fill |= fill_after is not None and due_at < fill_after.resume_at
        return due_at

    def _fill_step(self, feed: Feed, fill: GapFill, session: HostSession | None) -> PollRecord | None:
        """Return the record of one request for the entries lost in a gap; None: the visit must end."""
        context, source = self._context, fill.sources[0]
        if session is None:
            return backfill.retry_later(feed, fill, self._store.now())
        robots = self._robots_for(source.url, session)
        if robots is None and not session.backing_off:
            return None
        if robots is None or robots.kind == "unreachable":
            return backfill.postpone(feed, fill, session.now())
        if source.kind == "site":
            return backfill.resolve_sitemaps(feed, fill, sitemaps(robots, source.url), session.now())
        if refusal(robots, source.url, context.policy.user_agent) is not None:
            return backfill.skip(feed, fill, session.now())
        if not session.wait_for_turn():
            return None
        deadline = session.deadline(context.polling.deadline, source.url)
        result = context.fetcher.fetch(backfill.request_of(feed, source, replace(context.polling, deadline=deadline)))
        session.note_request(source.url, result.elapsed, result if isinstance(result, FetchFailed) else None)
        self.report.requests += 1
        content = backfill.read_source(feed, fill, result, self._read, session.now())
        first_seen = self._store.first_seen(feed.id, content.candidates) if content.candidates else ()
        return backfill.decide(feed, fill, result, content, first_seen, session.now())

    # --- robots.txt ---------------------------------------------------------------------------------------------------

    def _robots_for(self, url: str, session: HostSession) -> RobotsRule | None:
        """Return the robots.txt for `url`, fetched if the stored one is too old; None: no request may follow now."""
        if session.robots is not None:
            return session.robots
        claim, at = session.claim, session.claim.robots_at
        kept = RobotsRule.from_text(claim.robots) if claim.robots else None
        if kept is not None and at is not None and at <= session.now() < at + max_age(kept):
            session.apply_robots(kept)
            return kept
        if not session.wait_for_turn():
            return None
        deadline = session.deadline(self._context.pages.deadline, robots_url(url))
        request = FetchRequest(
            url=robots_url(url), accept="robots", feed=None, max_bytes=2 * MAX_BYTES, deadline=deadline
        )
        result = self._context.fetcher.fetch(request)
        rule = robots_of(result, kept, session.now())
        self.report.requests += 1
        session.apply_robots(rule)
        session.note_request(url, result.elapsed, result if isinstance(result, FetchFailed) else None)
        if not self._store.record_robots(claim, rule.to_text(), session.now()):
            raise LeaseLostError(claim.host)
        return None if session.backing_off else rule

    # --- pages --------------------------------------------------------------------------------------------------------

    def _collect_pages(self) -> None:
        """Collect the due pages until none is left, the limit is reached, or the visit must end."""
        session, report, limit = self._session, self.report, _FIRST_PAGES
        while report.pages_requested < self._max_pages:
            if self._scope is not None and not self._scope.pages:
                return
            limit = min(limit, self._max_pages - report.pages_requested)
            pages = self._store.due_pages(session.claim, session.now(), scope=self._scope, limit=limit)
            limit = _PAGES
            if not pages or not all(self._collect_page(page) for page in pages):
                return

    def _collect_page(self, page: Page) -> bool:
        """Fetch the page if robots.txt allows it, and record the result; False: the visit must end.

        If the page continues an article whose earlier pages this process cannot read, leave it to another process.
        """
        session, context = self._session, self._context
        if page.part is not None and page.folder != context.raw_store.folder:
            if self._store.leave_part(session.claim, page):
                return True  # a worker that can read the earlier parts collects it
            raise LeaseLostError(self._host)
        failed = None
        if context.requests.respects_robots(page.feed_url, page.target, context.policy.respect_robots):
            robots = self._robots_for(page.target, session)
            if robots is None:
                return False
            agent = context.requests.agent_for(page.feed_url, page.target, context.policy.user_agent)
            failed = refusal(robots, page.target, agent)
        if failed is not None:
            self._record_refusal(page, failed)
        elif session.wait_for_turn():
            self._fetch_and_record(page)
        else:
            return False
        return not session.backing_off

    def _fetch_and_record(self, page: Page) -> None:
        session, context, store, claim = self._session, self._context, self._store, self._session.claim
        limits = replace(context.pages, deadline=session.deadline(context.pages.deadline, page.target))

        def is_known(url: str) -> bool:
            return store.is_known_target(page, identify(url, context.publishers))

        result = fetch_page(page, context.fetcher, limits, is_known)
        session.note_request(page.target, result.elapsed, result if isinstance(result, FetchFailed) else None)
        self.report.requests += 1
        self.report.pages_requested += 1
        match result:
            case Fetched() if (failed := page_failure_of(result)) is not None:
                is_current = self._record_failure(page, failed)
            case Fetched():
                fetched_at = session.now()
                raw = RawResponse(
                    content_hash=context.raw_store.put(result.body, fetched_at),
                    url=page.url if page.part is None else page.part.url,
                    final_url=result.final_url,
                    status=result.status,
                    headers=result.headers,
                    fetched_at=fetched_at,
                )
                folder = context.raw_store.folder
                is_current = store.record_fetched(claim, page, raw, folder, result.hops, result.validators)
            case NotModified():
                next_at = revisit_at(page, changed=False, now=session.now(), revisit=context.policy.revisit)
                is_current = store.record_unchanged(claim, page, result.validators, next_at)
            case Redirected() if page.part is not None:
                detail = f"redirected to {result.target!r}, another host"
                is_current = self._record_failure(page, PageFailed(cause=Cause.LOW_QUALITY, detail=detail))
            case Redirected():
                self._hand_over(page, result)
                is_current = True
            case FetchFailed():
                failed = PageFailed(cause=result.cause, detail=result.detail)
                is_current = self._record_failure(page, failed, result.retry_after)
            case _:
                assert_never(result)
        if not is_current:
            raise LeaseLostError(self._host)

    def _hand_over(self, page: Page, result: Redirected) -> None:
        """Record a redirect to another host. The page is due at that host, unless the target's article is stored."""
        self._session.note_redirect(page.target, result.target, result.elapsed)
        target = identify(result.target, self._context.publishers)
        due = self._store.record_handover(self._session.claim, page, target, host_of(result.target), result.hops)
        if due is not None and self._scope is not None:
            page_id, host_id = due
            self._scope.add(host_id, page_id)

    def _record_refusal(self, page: Page, failed: PageFailed) -> None:
        """Record that robots.txt forbids the page. This does not count as an attempt to fetch it."""
        session = self._session
        next_at = page_retry_at(page.attempts, failed.cause, None, now=session.now(), random=self._context.random)
        if not self._store.record_page_failure(session.claim, page, failed, next_at, counts=False):
            raise LeaseLostError(self._host)
        session.defer(page.id, next_at)
        self.report.count_page_failure(failed.cause)

    def _record_failure(self, page: Page, failed: PageFailed, retry_after: timedelta | None = None) -> bool:
        """Record a failed fetch; return False if the claim is lost. No attempt counts while our own network is down."""
        session, random = self._session, self._context.random
        counts = not own_network_is_down(list(self._context.recent))
        attempts = page.attempts + 1 if counts else 1
        next_at = page_retry_at(attempts, failed.cause, retry_after, now=session.now(), random=random)
        session.defer(page.id, next_at)
        self.report.count_page_failure(failed.cause)
        return self._store.record_page_failure(session.claim, page, failed, next_at, counts=counts)


def _extend(scope: RunScope, record: PollRecord, recorded: PollRecorded) -> None:
    """Add the announced pages to the run, and take the polled feed out of it.

    A feed stays in the run while a redirect must be followed, a sitemap be read, or lost entries be searched.
    """
    if record.outcome.outcome == "moving":
        scope.add(recorded.host_id)
    elif index_walk.is_over(record.state) and (
        (fill := record.state.filling) is None or record.state.due_at >= fill.resume_at
    ):
        scope.feeds.discard(record.feed_id)
    for page_id, host_id in recorded.new_pages:
        scope.add(host_id, page_id)
