"""The port `Store` on SQLite or PostgreSQL. Each method is one transaction; modules of `store/` contain the queries."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import datetime, timedelta

from aggregator.errors import LeaseLostError
from aggregator.filters.decide import NO_FILTERS, Filters
from aggregator.identity.evidence import Edge
from aggregator.models.articles import Article
from aggregator.models.feeds import Feed, Subscription
from aggregator.models.fetching import Cause, Hop, Validators
from aggregator.models.ids import ArticleId, FeedId, HostId, Identity, Key, PageId
from aggregator.models.pages import FetchedPage, Page, PageFailed, RawResponse
from aggregator.ports.protocols import Clock, RawStore
from aggregator.ports.readings import (
    Activity,
    ArticleFilter,
    ArticleSearch,
    Change,
    Counts,
    DayCounts,
    FeedLine,
    FeedScreen,
    FeedSigns,
    FilterChange,
    FoundPage,
    Gap,
    PollSums,
    Position,
    Revision,
    SyncReport,
    Trace,
)
from aggregator.ports.run_scope import RunScope
from aggregator.ports.store import Store
from aggregator.ports.store_records import (
    ArticleOutcome,
    ArticleRecord,
    ArticleRecorded,
    Claim,
    Decision,
    NextPage,
    PollOutcome,
    PollRecord,
    PollRecorded,
    Sighting,
)
from aggregator.store.articles import changes, erasure, filtering, reading, reextract, rekey
from aggregator.store.articles.lessons.listing import LessonList
from aggregator.store.articles.record import record_articles
from aggregator.store.articles.rows import draft_of
from aggregator.store.articles.walls import search as walls
from aggregator.store.db import properties
from aggregator.store.db.database import Database
from aggregator.store.identity import decisions
from aggregator.store.lifecycle import copying, scrubbing
from aggregator.store.lifecycle.process_lock import ProcessLock
from aggregator.store.lifecycle.shared_lock import output_lock, publish_lock
from aggregator.store.polls import history, matching, sums
from aggregator.store.polls.record import record_polls
from aggregator.store.queue import clock_steps, feeds, fetched_pages, fleet, handover, hosts, page_parts, pages
from aggregator.store.queue.refused_pages import ask_refused_again
from aggregator.store.reports import activity, screening, statistics, trace
from aggregator.store.snapshot import SqlSnapshot, open_snapshot


class SqlStore(Store):
    """Holds the connections and, on SQLite, this process's lock file. The port describes the methods."""

    def __init__(self, database: Database, lock: ProcessLock | None, clock: Clock) -> None:
        self._db, self._lock, self._clock = database, lock, clock
        self._closing = threading.Lock()
        self._filters = NO_FILTERS

    def now(self) -> datetime:
        return self._db.now()

    def close(self) -> None:
        with self._closing:
            self._db.close()
            if self._lock is not None:
                self._lock.close()
                self._lock = None

    def read_fact(self, name: str) -> str | None:
        return self._db.read(lambda tx: properties.read_property(tx, name))

    def read_facts(self, prefix: str) -> Mapping[str, str]:
        return self._db.read(lambda tx: properties.read_properties(tx, prefix))

    def delete_fact(self, name: str) -> None:
        self._db.write(lambda tx: properties.delete_property(tx, name))

    def write_fact(self, name: str, value: str) -> None:
        self._db.write(lambda tx: properties.write_property(tx, name, value))

    def shift_due_times(self) -> timedelta | None:
        return self._db.read(clock_steps.clock_step) and self._db.write(clock_steps.shift_due_times)

    # --- feeds and claims ---------------------------------------------------------------------------------------------

    def sync_feeds(
        self, subscriptions: Sequence[Subscription], config_hash: str, config_at: datetime, *, decides: bool = False
    ) -> SyncReport:
        return self._db.write(lambda tx: feeds.sync_feeds(tx, subscriptions, config_hash, config_at, decides=decides))

    def preview_feeds(self, subscriptions: Sequence[Subscription], config_at: datetime) -> SyncReport:
        """Return the changes that `sync_feeds` would refuse; nothing is written."""
        return self._db.read(lambda tx: feeds.preview_feeds(tx, subscriptions, config_at))

    def feed_ids(self) -> tuple[FeedId, ...]:
        return self._db.read(feeds.list_feed_ids)

    def feeds(self, *, enabled_only: bool = True, ids: Collection[FeedId] | None = None) -> tuple[Feed, ...]:
        return self._db.read(lambda tx: feeds.list_feeds(tx, enabled_only, ids))

    def feed_lines(self) -> tuple[FeedLine, ...]:
        """Return the facts about all feeds for a listing."""
        return self._db.read(lambda tx: tuple(feeds.list_lines(tx)))

    def feed_titles(self, urls: Collection[str]) -> Mapping[str, str]:
        return self._db.read(lambda tx: feeds.titles_of(tx, urls))

    def make_due(self, feed_ids: Sequence[FeedId], at: datetime) -> None:
        self._db.write(lambda tx: feeds.make_due(tx, feed_ids, at))

    def scope_due(self, at: datetime, feed_ids: Sequence[FeedId] | None = None) -> RunScope:
        return self._db.read(lambda tx: feeds.scope_due(tx, at, feed_ids))

    def claim_hosts(
        self, limit: int, lease: timedelta, *, scope: RunScope | None = None, pages: bool = True
    ) -> tuple[Claim, ...]:
        return self._db.write(lambda tx: hosts.claim_hosts(tx, limit, lease, scope, pages))

    def claim_host(self, host: str, lease: timedelta) -> Claim | None:
        return self._db.write(lambda tx: hosts.claim_host(tx, host, lease))

    def resume(self, host_id: HostId, token: int, lease: timedelta) -> Claim | None:
        """Take over a queued claim; return None if its token is stale."""
        return self._db.write(lambda tx: hosts.resume_claim(tx, host_id, token, lease))

    def renew(self, claim: Claim, lease: timedelta) -> bool:
        return self._db.write(lambda tx: hosts.renew(tx, claim, lease))

    def release(
        self,
        claim: Claim,
        *,
        not_before: datetime | None = None,
        failures: int = 0,
        asked_until: datetime | None = None,
    ) -> None:
        self._db.write(lambda tx: hosts.release(tx, claim, not_before, failures, asked_until))

    def free_dead_leases(self) -> int:
        lock = self._lock
        if lock is None:
            return 0
        lock.renew()
        owners = self._db.read(hosts.lease_owners)
        lock.sweep(owners)
        if not any(lock.is_dead(owner) for owner in owners):
            return 0
        return self._db.write(lambda tx: hosts.free_leases(tx, lock.is_dead))

    def wait_until(self, scope: RunScope | None = None, *, pages: bool = True) -> datetime | None:
        return self._db.read(lambda tx: hosts.wait_until(tx, scope, pages))

    def due_feeds(
        self, claim: Claim, at: datetime, *, scope: RunScope | None = None, limit: int = 50
    ) -> tuple[Feed, ...]:
        return self._db.read(lambda tx: feeds.due_feeds(tx, claim, at, scope, limit))

    def first_seen(self, feed_id: FeedId, sightings: Sequence[Sighting]) -> tuple[datetime | None, ...]:
        return self._db.read(lambda tx: matching.first_seen(tx, feed_id, sightings))

    def due_pages(
        self, claim: Claim, at: datetime, *, scope: RunScope | None = None, limit: int = 50
    ) -> tuple[Page, ...]:
        return self._db.read(lambda tx: pages.due_pages(tx, claim, at, scope, limit))

    # --- a fleet's queue ----------------------------------------------------------------------------------------------

    def set_up_queue(self, queue: fleet.VisitQueue, *, migrate: bool = False) -> None:
        """Create the queue's own tables if they are missing; `migrate`: upgrade older ones."""
        self._db.write(lambda tx: fleet.set_up_queue(tx, queue, migrate=migrate))

    def fill_queue(
        self, queue: fleet.VisitQueue, threads: int, lease: timedelta, *, pages: bool = True
    ) -> fleet.Filled:
        """Claim due hosts and queue their visits in one transaction; `threads` is the number of our threads."""
        return self._db.write(lambda tx: fleet.fill_queue(tx, queue, threads, lease, pages))

    def leave_fleet(self) -> None:
        self._db.write(fleet.leave_fleet)

    # --- outcomes of a visit ------------------------------------------------------------------------------------------

    def record_poll(self, claim: Claim, record: PollRecord) -> PollRecorded | None:
        if history.is_bare(claim, record):
            return self._db.write_each(history.record_bare_polls, (claim, record))
        try:
            return self._db.write_each(record_polls, matching.poll_draft(claim, record, self._filters))
        except LeaseLostError:
            return None

    def record_fetched(
        self, claim: Claim, page: Page, raw: RawResponse, folder: str, hops: tuple[Hop, ...], validators: Validators
    ) -> bool:
        return self._db.write(lambda tx: pages.record_fetched(tx, claim, page, raw, folder, hops, validators))

    def leave_part(self, claim: Claim, page: Page) -> bool:
        return self._db.write(lambda tx: page_parts.leave_part(tx, claim, page))

    def record_unchanged(self, claim: Claim, page: Page, validators: Validators, next_at: datetime | None) -> bool:
        return self._db.write(lambda tx: pages.record_unchanged(tx, claim, page, validators, next_at))

    def record_page_failure(
        self, claim: Claim, page: Page, failed: PageFailed, next_at: datetime | None, *, counts: bool = True
    ) -> bool:
        return self._db.write(lambda tx: pages.record_page_failure(tx, claim, page, failed, next_at, counts))

    def is_known_target(self, page: Page, target: Identity) -> bool:
        return self._db.read(lambda tx: handover.is_known_target(tx, page, target))

    def record_handover(
        self, claim: Claim, page: Page, target: Identity, host: str, hops: tuple[Hop, ...], edges: tuple[Edge, ...] = ()
    ) -> tuple[PageId, HostId] | None:
        return self._db.write(lambda tx: handover.record_handover(tx, claim, page, target, host, hops, edges))

    def record_robots(self, claim: Claim, robots: str, at: datetime) -> bool:
        return self._db.write(lambda tx: hosts.record_robots(tx, claim, robots, at))

    # --- extraction ---------------------------------------------------------------------------------------------------

    def waiting_for_extraction(self) -> int:
        return self._db.read(fetched_pages.waiting_for_extraction)

    def claim_fetched(
        self, limit: int, lease: timedelta, folder: str, *, scope: RunScope | None = None, batch: int = 1
    ) -> tuple[FetchedPage, ...]:
        return self._db.write(lambda tx: fetched_pages.claim_fetched(tx, limit, lease, folder, scope, batch))

    def renew_page(self, page: FetchedPage, lease: timedelta) -> bool:
        return self._db.write(lambda tx: fetched_pages.renew_page(tx, page, lease))

    def give_back_page(self, page: FetchedPage) -> None:
        self._db.write(lambda tx: fetched_pages.give_back_page(tx, page))

    def record_articles(self, outcomes: Sequence[ArticleOutcome]) -> tuple[ArticleRecorded | None, ...]:
        drafts = [draft_of(outcome.record) for outcome in outcomes]
        return self._db.write(lambda tx: record_articles(tx, outcomes, drafts, self._filters))

    def record_next_page(self, page: FetchedPage, next_page: NextPage) -> HostId | None:
        return self._db.write(lambda tx: filtering.record_next_page(tx, self._filters, page, next_page))

    def record_extraction_failure(self, page: FetchedPage, failed: PageFailed, next_at: datetime | None) -> bool:
        return self._db.write(lambda tx: filtering.record_extraction_failure(tx, self._filters, page, failed, next_at))

    # --- publishing ---------------------------------------------------------------------------------------------------

    def publishing(self, wait: timedelta) -> AbstractContextManager[bool]:
        return publish_lock(self._db, self._clock, wait)

    def delivering(self, output: str, wait: timedelta) -> AbstractContextManager[bool]:
        return output_lock(self._db, self._clock, output, wait)

    def number_changes(self) -> int:
        return self._db.write(changes.number_changes, durable=True)

    def changes_after(self, seq: int, limit: int) -> tuple[Change, ...]:
        return self._db.read(lambda tx: changes.changes_after(tx, seq, limit))

    def position(self) -> Position:
        return self._db.read(changes.position)

    def delivered(self, sink: str, folder: str) -> int:
        return self._db.read(lambda tx: changes.delivered(tx, sink, folder))

    def set_delivered(self, sink: str, folder: str, seq: int) -> None:
        self._db.write(lambda tx: changes.set_delivered(tx, sink, folder, seq))

    # --- reading ------------------------------------------------------------------------------------------------------

    def snapshot(self) -> AbstractContextManager[SqlSnapshot]:
        return open_snapshot(self._db)

    def articles(self, wanted: ArticleFilter = ArticleFilter()) -> Iterator[Article]:  # noqa: B008 # frozen
        return self._db.stream(lambda tx: reading.stream_articles(tx, wanted))

    def article(self, id_or_url: str, keys: Sequence[Key] = ()) -> Article | None:
        return self._db.read(lambda tx: reading.read_article(tx, id_or_url, keys))

    def revisions(self, article_id: ArticleId) -> tuple[Revision, ...]:
        return self._db.read(lambda tx: reading.list_revisions(tx, article_id))

    def search(self, wanted: ArticleSearch) -> FoundPage:
        return self._db.read(lambda tx: reading.search_articles(tx, wanted))

    def decisions(self, urls: Sequence[str], keys: Sequence[Key]) -> tuple[Decision, ...]:
        return self._db.read(lambda tx: decisions.list_decisions(tx, urls, keys))

    def poll_histories(self, limit: int) -> tuple[int, tuple[tuple[Feed, PollSums], ...]]:
        return self._db.read(lambda tx: sums.poll_histories(tx, limit))

    def polls(self, feed_id: FeedId) -> tuple[PollOutcome, ...]:
        return self._db.read(lambda tx: history.list_polls(tx, feed_id))

    def gaps(self, *, start: int = 0, limit: int | None = None) -> tuple[Gap, ...]:
        return self._db.read(lambda tx: history.list_gaps(tx, start, limit))

    def failed_pages(self) -> tuple[tuple[str, Cause, str], ...]:
        return self._db.read(pages.failed_pages)

    def counts(self) -> Counts:
        return self._db.read(statistics.count_all)

    def latest(self, limit: int, *, skip: int = 0, distinct: bool = False) -> tuple[Article, ...]:
        return self._db.read(lambda tx: reading.latest_articles(tx, limit, skip, distinct))

    def suspect_ids(self, screen: FeedScreen) -> tuple[FeedId, ...]:
        return self._db.read(lambda tx: screening.suspect_ids(tx, screen))

    def hosts_answered(self, since: datetime) -> frozenset[str]:
        return self._db.read(lambda tx: screening.hosts_answered(tx, since))

    def signs(self, since: datetime) -> Mapping[FeedId, FeedSigns]:
        return self._db.read(lambda tx: activity.signs(tx, since))

    def activity(self, since: datetime) -> Activity:
        return self._db.read(lambda tx: activity.activity(tx, since))

    def days(self, until: datetime, count: int) -> tuple[DayCounts, ...]:
        return self._db.read(lambda tx: activity.days(tx, until, count))

    def trace(self, urls: Sequence[str], keys: Sequence[Key]) -> Trace:
        return self._db.read(lambda tx: trace.trace(tx, urls, keys))

    def near_duplicates(self, article_id: ArticleId) -> tuple[ArticleId, ...]:
        return self._db.read(lambda tx: trace.near_duplicates(tx, article_id))

    def raw_of(self, article_id: ArticleId) -> tuple[RawResponse, ...]:
        return self._db.read(lambda tx: reading.raw_of(tx, article_id))

    def stored_pages(self, after: PageId, limit: int) -> tuple[FetchedPage, ...]:
        return self._db.read(lambda tx: reextract.stored_pages(tx, after, limit))

    def record_reextracted(self, page: FetchedPage, record: ArticleRecord) -> bool:
        return self._db.write(lambda tx: reextract.record_reextracted(tx, page, record, self._filters))

    def is_published(self, article_id: ArticleId, day: str, number: int) -> bool:
        return self._db.read(lambda tx: changes.is_published(tx, article_id, day, number))

    # --- upkeep -------------------------------------------------------------------------------------------------------

    def use_filters(self, filters: Filters) -> None:
        self._filters = filters
        filtering.decide_waiting(self._db, filters)

    def apply_filters(self, filters: Filters, *, dry_run: bool = False) -> Iterator[FilterChange]:
        return filtering.apply_to_all(self._db, filters, dry_run=dry_run)

    def forget(self, keys: Sequence[Key], hosts: Sequence[str]) -> tuple[tuple[ArticleId, ...], tuple[str, ...]]:
        return self._db.write(lambda tx: erasure.forget(tx, keys, hosts), durable=True)

    def scrub(self, wait: timedelta) -> bool:
        return scrubbing.scrub(self._db, wait)

    @property
    def lessons(self) -> LessonList:
        return LessonList(self._db)

    def expire(self, before: datetime) -> tuple[tuple[ArticleId, ...], tuple[str, ...]]:
        """Erase the texts of articles first seen before then; keys stay. Return the same as `forget`."""
        return self._db.write(lambda tx: erasure.expire(tx, before), durable=True)

    def expire_raw(self, before: datetime) -> tuple[str, ...]:
        """Delete extracted responses fetched before then; return the content hashes that nothing refers to."""
        return self._db.write(lambda tx: erasure.expire_raw(tx, before), durable=True)

    def referenced_raw(self, content_hashes: Collection[str]) -> frozenset[str]:
        """Return the content hashes among these that some row refers to. The others may be deleted."""
        return self._db.read(lambda tx: erasure.referenced_raw(tx, content_hashes))

    def rekey(self, version: str, identify: Callable[[str], Identity], *, limit: int = 200) -> bool:
        is_done = self._db.read(lambda tx: rekey.is_done(tx, version))
        return is_done or self._db.write(lambda tx: rekey.rekey(tx, version, identify, limit))

    def search_walls(self) -> bool:
        return self._db.read(walls.is_done) or self._db.write(walls.search_walls)

    def ask_refused_again(self, raw_store: RawStore) -> bool:
        return ask_refused_again(self._db, raw_store)

    def check(self) -> str:
        return copying.check(self._db)
