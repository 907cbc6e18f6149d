"""The store: the only queue and the only memory, on SQLite or PostgreSQL. The port's methods, each one transaction.

Knows no rule and no network; what is decided, `schedule`, `identify`, `evidence` and the use cases decide.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import datetime, timedelta
from hashlib import blake2b
from pathlib import Path

from aggregator.errors import LeaseLostError
from aggregator.identity.evidence import Edge
from aggregator.models.fetching import Cause, Hop, Validators
from aggregator.models.records import (
    Article,
    ArticleId,
    Feed,
    FeedId,
    FetchedPage,
    HostId,
    Identity,
    Key,
    Page,
    PageFailed,
    PageId,
    RawResponse,
    Subscription,
)
from aggregator.ports.protocols import Clock
from aggregator.ports.run_scope import RunScope
from aggregator.ports.store_records import (
    Activity,
    ArticleFilter,
    ArticleOutcome,
    ArticleRecord,
    ArticleRecorded,
    ArticleSearch,
    Change,
    Claim,
    Counts,
    Decision,
    FeedSigns,
    FoundPage,
    Gap,
    Onward,
    PollOutcome,
    PollRecord,
    PollRecorded,
    Position,
    Revision,
    Sighting,
    SyncReport,
    Trace,
)
from aggregator.store.articles import changes as publishing
from aggregator.store.articles import erasure as maintenance
from aggregator.store.articles import latest, reading, wall_search
from aggregator.store.articles import record as articles
from aggregator.store.articles import reextract as reextraction
from aggregator.store.articles import rekey as rekeying
from aggregator.store.articles.rows import draft_of
from aggregator.store.db.database import Database
from aggregator.store.db.dialects import PUBLISH_LOCK, SqliteDialect
from aggregator.store.identity import decisions
from aggregator.store.lifecycle import copying
from aggregator.store.lifecycle.copying import copy_store
from aggregator.store.lifecycle.opening import open_database, upgrade
from aggregator.store.lifecycle.process_lock import ProcessLock, file_lock
from aggregator.store.polls import history as outcomes
from aggregator.store.polls import matching
from aggregator.store.polls import record as polls
from aggregator.store.polls.matching import poll_draft
from aggregator.store.queue import clock_steps as stepping
from aggregator.store.queue import feeds, fleet, hosts, page_parts, pages
from aggregator.store.queue import fetched_pages as extraction
from aggregator.store.reports import activity, statistics, trace

__all__ = ["SqlStore", "copy_store", "open_store", "upgrade"]


def open_store(
    url: str, clock: Clock, *, create: bool = True, readonly: bool = False, use_clock: bool = False
) -> SqlStore:
    """Open the store at a `[storage] url`, made or brought to our schema where that is due.

    `readonly` changes nothing at all. `use_clock` makes `clock` the store's time even where the database has its own.

    Raises:
        StorageError: there is no store, or it cannot be used; one line says why and what to do.
        StoreVersionError: it was written by a newer version.
        StoreHeldError: its schema is old, and another process holds it.
    """
    database, lock = open_database(url, clock, create=create, readonly=readonly, use_clock=use_clock)
    return SqlStore(database, lock, clock)


class SqlStore:
    """Holds the connections and, on SQLite, this process's lock file; implements `ports.Store`."""

    def __init__(self, database: Database, lock: ProcessLock | None, clock: Clock) -> None:
        self._db = database
        self._lock = lock
        self._clock = clock
        self._closing = threading.Lock()

    def now(self) -> datetime:
        """Return the store's clock."""
        return self._db.now()

    def close(self) -> None:
        """Close every connection and free this process's lock file."""
        with self._closing:
            self._db.close()
            if self._lock is not None:
                self._lock.close()
                self._lock = None

    # --- small facts --------------------------------------------------------------------------------------------------

    def read_fact(self, name: str) -> str | None:
        """Return what was kept under this name; None: nothing."""
        return self._db.read(lambda tx: feeds.read_property(tx, name))

    def write_fact(self, name: str, value: str) -> None:
        """Keep a small fact for the next start."""
        self._db.write(lambda tx: feeds.write_property(tx, name, value))

    def heed_clock(self) -> timedelta | None:
        """Move times ahead of now back with the clock, if it went back since they were set; return how far it went."""
        if self._db.read(stepping.step_back) is None:
            return None
        return self._db.write(stepping.heed_clock)

    # --- feeds and claims ---------------------------------------------------------------------------------------------

    def sync_feeds(
        self, subscriptions: Sequence[Subscription], config_hash: str, config_at: datetime, *, decides: bool = False
    ) -> SyncReport:
        """Bring the feed table in line with the configuration."""
        return self._db.write(lambda tx: feeds.sync_feeds(tx, subscriptions, config_hash, config_at, decides=decides))

    def preview_feeds(self, subscriptions: Sequence[Subscription], config_at: datetime) -> SyncReport:
        """Return what `sync_feeds` would refuse of a configuration; nothing is written."""
        return self._db.read(lambda tx: feeds.preview_feeds(tx, subscriptions, config_at))

    def feeds(self, *, enabled_only: bool = True) -> tuple[Feed, ...]:
        """Return the feeds in the order in which they were added."""
        return self._db.read(lambda tx: feeds.list_feeds(tx, enabled_only))

    def make_due(self, feed_ids: Sequence[FeedId], at: datetime) -> None:
        """Make feeds due at `at` at the latest."""
        self._db.write(lambda tx: feeds.make_due(tx, feed_ids, at))

    def scope_due(self, at: datetime, feed_ids: Sequence[FeedId] | None = None) -> RunScope:
        """Return what is due at `at`."""
        return self._db.read(lambda tx: feeds.scope_due(tx, at, feed_ids))

    def claim_hosts(
        self, limit: int, lease: timedelta, *, scope: RunScope | None = None, pages: bool = True
    ) -> tuple[Claim, ...]:
        """Claim hosts with due work (of `scope`), by priority; those with due feeds first."""
        return self._db.write(lambda tx: hosts.claim_hosts(tx, limit, lease, scope, pages))

    def claim_host(self, host: str, lease: timedelta) -> Claim | None:
        """Claim one host by name:port, due or not."""
        return self._db.write(lambda tx: hosts.claim_host(tx, host, lease))

    def resume(self, host_id: HostId, token: int, lease: timedelta) -> Claim | None:
        """Go on under a claim that another process made; None: it is not the current one."""
        return self._db.write(lambda tx: hosts.resume_claim(tx, host_id, token, lease))

    def renew(self, claim: Claim, lease: timedelta) -> bool:
        """Start the lease anew; False: the claim is lost."""
        return self._db.write(lambda tx: hosts.renew(tx, claim, lease))

    def release(
        self,
        claim: Claim,
        *,
        not_before: datetime | None = None,
        failures: int = 0,
        asked_until: datetime | None = None,
    ) -> None:
        """End the claim."""
        self._db.write(lambda tx: hosts.release(tx, claim, not_before, failures, asked_until))

    def free_dead_leases(self) -> int:
        """Give back leases of processes of this machine that are no longer alive (SQLite); return how many."""
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
        """Return when the next host (of `scope`) can be claimed, for work due by now; None: there is none."""
        return self._db.read(lambda tx: hosts.wait_until(tx, scope, pages))

    def due_feeds(
        self, claim: Claim, at: datetime, *, scope: RunScope | None = None, limit: int = 50
    ) -> tuple[Feed, ...]:
        """Return the host's due feeds, the longest due first."""
        return self._db.read(lambda tx: feeds.due_feeds(tx, claim, at, scope, limit))

    def first_seen(self, feed_id: FeedId, sightings: Sequence[Sighting]) -> tuple[datetime | None, ...]:
        """Return when this feed first showed each entry, or another one of the same page; None: never."""
        return self._db.read(lambda tx: matching.first_seen(tx, feed_id, sightings))

    def due_pages(
        self, claim: Claim, at: datetime, *, scope: RunScope | None = None, limit: int = 50
    ) -> tuple[Page, ...]:
        """Return the host's due pages: first fetches before revisits, then by due time."""
        return self._db.read(lambda tx: pages.due_pages(tx, claim, at, scope, limit))

    # --- a fleet's queue ----------------------------------------------------------------------------------------------

    def set_up_queue(self, queue: fleet.VisitQueue, *, migrate: bool = False) -> None:
        """Make the queue's own tables where there are none; `migrate`: bring older ones up."""
        self._db.write(lambda tx: fleet.set_up_queue(tx, queue, migrate=migrate))

    def fill_queue(
        self, queue: fleet.VisitQueue, threads: int, lease: timedelta, *, pages: bool = True
    ) -> fleet.Filled:
        """Claim due hosts and queue their visits in one transaction; `threads` is what we add to the fleet."""
        return self._db.write(lambda tx: fleet.fill_queue(tx, queue, threads, lease, pages))

    def leave_fleet(self) -> None:
        """Be no member of the fleet any more."""
        self._db.write(fleet.leave_fleet)

    # --- outcomes of a visit ------------------------------------------------------------------------------------------

    def record_poll(self, claim: Claim, record: PollRecord) -> PollRecorded | None:
        """Save feed state, history row, entries and new pages."""
        if outcomes.is_bare(claim, record):
            return self._db.write_each(outcomes.record_bare_polls, (claim, record))
        try:
            return self._db.write_each(polls.record_polls, poll_draft(claim, record))
        except LeaseLostError:
            return None

    def record_fetched(
        self, claim: Claim, page: Page, raw: RawResponse, folder: str, hops: tuple[Hop, ...], validators: Validators
    ) -> bool:
        """The page's bytes are in the raw store: it waits for extraction."""
        return self._db.write(lambda tx: pages.record_fetched(tx, claim, page, raw, folder, hops, validators))

    def leave_part(self, claim: Claim, page: Page) -> bool:
        """Leave a part of an article to workers that can read the others."""
        return self._db.write(lambda tx: page_parts.leave_part(tx, claim, page))

    def record_unchanged(self, claim: Claim, page: Page, validators: Validators, next_at: datetime | None) -> bool:
        """A revisit found the page unchanged."""
        return self._db.write(lambda tx: pages.record_unchanged(tx, claim, page, validators, next_at))

    def record_page_failure(
        self, claim: Claim, page: Page, failed: PageFailed, next_at: datetime | None, *, counts: bool = True
    ) -> bool:
        """Try again at `next_at`; None: failed for good."""
        return self._db.write(lambda tx: pages.record_page_failure(tx, claim, page, failed, next_at, counts))

    def record_handover(
        self,
        claim: Claim,
        page: Page,
        target: Identity,
        host: str,
        hops: tuple[Hop, ...],
        edges: tuple[Edge, ...] = (),
    ) -> tuple[PageId, HostId] | None:
        """The page redirects to another host: make it due there, or done when the target is known already."""
        return self._db.write(lambda tx: pages.record_handover(tx, claim, page, target, host, hops, edges))

    def record_robots(self, claim: Claim, robots: str, at: datetime) -> bool:
        """Keep what robots.txt said."""
        return self._db.write(lambda tx: hosts.record_robots(tx, claim, robots, at))

    # --- extraction ---------------------------------------------------------------------------------------------------

    def waiting_for_extraction(self) -> int:
        """Return how many fetched pages wait."""
        return self._db.read(extraction.waiting_for_extraction)

    def claim_fetched(
        self, limit: int, lease: timedelta, folder: str, *, scope: RunScope | None = None, batch: int = 1
    ) -> tuple[FetchedPage, ...]:
        """Claim fetched pages whose bytes lie in `folder`, for `limit` tasks; each claim counts as an attempt."""
        return self._db.write(lambda tx: extraction.claim_fetched(tx, limit, lease, folder, scope, batch))

    def renew_page(self, page: FetchedPage, lease: timedelta) -> bool:
        """Start the lease of an extraction anew; False: it is lost."""
        return self._db.write(lambda tx: extraction.renew_page(tx, page, lease))

    def give_back_page(self, page: FetchedPage) -> None:
        """End the claim without an outcome; the attempt does not count."""
        self._db.write(lambda tx: extraction.give_back_page(tx, page))

    def record_articles(self, outcomes: Sequence[ArticleOutcome]) -> tuple[ArticleRecorded | None, ...]:
        """Save several articles in one transaction."""
        drafts = [draft_of(outcome.record) for outcome in outcomes]
        return self._db.write(lambda tx: articles.record_articles(tx, outcomes, drafts))

    def record_onward(self, page: FetchedPage, onward: Onward) -> HostId | None:
        """The article goes on: make its next part due; None: the claim is lost."""
        return self._db.write(lambda tx: page_parts.record_onward(tx, page, onward))

    def record_extraction_failure(self, page: FetchedPage, failed: PageFailed, next_at: datetime | None) -> bool:
        """Extraction gave nothing; None: for good."""
        return self._db.write(lambda tx: extraction.record_extraction_failure(tx, page, failed, next_at))

    # --- publishing ---------------------------------------------------------------------------------------------------

    def publishing(self, wait: timedelta) -> AbstractContextManager[bool]:
        """Hold the right to publish; enters with False when another process kept it for all of `wait`."""
        return self._shared_lock("publish", PUBLISH_LOCK, wait)

    def delivering(self, output: str, wait: timedelta) -> AbstractContextManager[bool]:
        """Hold the right to deliver to an output; enters with False when another process kept it for all of `wait`."""
        digest = blake2b(output.encode(), digest_size=6)
        return self._shared_lock(f"output-{digest.hexdigest()}", int.from_bytes(digest.digest()), wait)

    def _shared_lock(self, name: str, number: int, wait: timedelta) -> AbstractContextManager[bool]:
        """Hold a lock that all processes on this store know: a file beside SQLite's, a number in PostgreSQL."""
        dialect = self._db.dialect
        if isinstance(dialect, SqliteDialect):
            return file_lock(dialect.path.with_name(f"{dialect.path.name}.{name}.lock"), wait, self._clock)
        return publishing.advisory_lock(dialect, self._db.engine, number, wait, self._clock)

    def number_changes(self) -> int:
        """Number the new changes in commit order, give new articles day and number; return how many."""
        return self._db.write(publishing.number_changes, durable=True)

    def changes_after(self, seq: int, limit: int) -> tuple[Change, ...]:
        """Return numbered changes after `seq`, each with its article as it is now."""
        return self._db.read(lambda tx: publishing.changes_after(tx, seq, limit))

    def position(self) -> Position:
        """Return the store's epoch and the number of its last change."""
        return self._db.read(publishing.position)

    def delivered(self, sink: str, folder: str) -> int:
        """Return the last change that the sink has."""
        return self._db.read(lambda tx: publishing.delivered(tx, sink, folder))

    def set_delivered(self, sink: str, folder: str, seq: int) -> None:
        """Move the sink's cursor."""
        self._db.write(lambda tx: publishing.set_delivered(tx, sink, folder, seq))

    # --- reading ------------------------------------------------------------------------------------------------------

    def articles(self, wanted: ArticleFilter = ArticleFilter()) -> Iterator[Article]:  # noqa: B008 # frozen
        """Yield articles that are not merged away or forgotten, by first sighting, from one snapshot."""
        return self._db.stream(lambda tx: reading.stream_articles(tx, wanted))

    def article(self, id_or_url: str, keys: Sequence[Key] = ()) -> Article | None:
        """Return one article by id, by any of its addresses, or by key; merged ones lead to the survivor."""
        return self._db.read(lambda tx: reading.read_article(tx, id_or_url, keys))

    def revisions(self, article_id: ArticleId) -> tuple[Revision, ...]:
        """Return all texts of an article, oldest first."""
        return self._db.read(lambda tx: reading.list_revisions(tx, article_id))

    def search(self, wanted: ArticleSearch) -> FoundPage:
        """Return a page of articles that match, best first.

        Raises:
            ValueError: `after` is no place that a page gave.
        """
        return self._db.read(lambda tx: reading.search_articles(tx, wanted))

    def decisions(self, urls: Sequence[str], keys: Sequence[Key]) -> tuple[Decision, ...]:
        """Return what was decided about these addresses and keys, oldest first."""
        return self._db.read(lambda tx: decisions.list_decisions(tx, urls, keys))

    def polls(self, feed_id: FeedId) -> tuple[PollOutcome, ...]:
        """Return the last outcomes of a feed, newest first."""
        return self._db.read(lambda tx: outcomes.list_polls(tx, feed_id))

    def gaps(self) -> tuple[Gap, ...]:
        """Return times in which a feed may have lost entries, oldest first."""
        return self._db.read(outcomes.list_gaps)

    def failed_pages(self) -> tuple[tuple[str, Cause, str], ...]:
        """Return the pages that gave no article, for good or so far: URL, cause, detail."""
        return self._db.read(pages.failed_pages)

    def counts(self) -> Counts:
        """Return what the store holds."""
        return self._db.read(statistics.count_all)

    def latest(self, limit: int, *, skip: int = 0, distinct: bool = False) -> tuple[Article, ...]:
        """Return the articles first seen last, newest first; `distinct` leaves out near duplicates of earlier ones."""
        return self._db.read(lambda tx: latest.latest_articles(tx, limit, skip, distinct))

    def signs(self, since: datetime) -> Mapping[FeedId, FeedSigns]:
        """Return what the latest entries, pages and articles of each feed look like, none older than `since`."""
        return self._db.read(lambda tx: activity.signs(tx, since))

    def activity(self, since: datetime) -> Activity:
        """Return what happened since then."""
        return self._db.read(lambda tx: activity.activity(tx, since))

    def trace(self, urls: Sequence[str], keys: Sequence[Key]) -> Trace:
        """Return all that is known about these spellings of an address and its keys."""
        return self._db.read(lambda tx: trace.trace(tx, urls, keys))

    def near_duplicates(self, article_id: ArticleId) -> tuple[ArticleId, ...]:
        """Return the articles that were found to repeat this one nearly word for word."""
        return self._db.read(lambda tx: trace.near_duplicates(tx, article_id))

    def raw_of(self, article_id: ArticleId) -> tuple[RawResponse, ...]:
        """Return the responses an article was extracted from, those of its parts in order."""
        return self._db.read(lambda tx: reading.raw_of(tx, article_id))

    # --- extraction once more -----------------------------------------------------------------------------------------

    def stored_pages(self, after: PageId, limit: int) -> tuple[FetchedPage, ...]:
        """Return pages after `after` whose response is kept and that gave an article, or failed for good."""
        return self._db.read(lambda tx: reextraction.stored_pages(tx, after, limit))

    def record_reextracted(self, page: FetchedPage, record: ArticleRecord) -> bool:
        """Save what another extraction gave: other words are a new revision, other facts correct the current one."""
        return self._db.write(lambda tx: reextraction.record_reextracted(tx, page, record))

    def is_published(self, article_id: ArticleId, day: str, number: int) -> bool:
        """Tell whether a file of this day and number belongs to the article."""
        return self._db.read(lambda tx: publishing.is_published(tx, article_id, day, number))

    # --- upkeep -------------------------------------------------------------------------------------------------------

    def forget(self, keys: Sequence[Key], hosts: Sequence[str]) -> tuple[tuple[ArticleId, ...], tuple[str, ...]]:
        """Erase texts; keys stay. Returns the articles and the content hashes that nothing refers to any more."""
        return self._db.write(lambda tx: maintenance.forget(tx, keys, hosts), durable=True)

    def expire(self, before: datetime) -> tuple[tuple[ArticleId, ...], tuple[str, ...]]:
        """Erase the texts of articles first seen before then; keys stay. Returns what `forget` does."""
        return self._db.write(lambda tx: maintenance.expire(tx, before), durable=True)

    def expire_raw(self, before: datetime) -> tuple[str, ...]:
        """Drop extracted responses fetched before then; return the content hashes that nothing refers to any more."""
        return self._db.write(lambda tx: maintenance.expire_raw(tx, before), durable=True)

    def referenced_raw(self, content_hashes: Collection[str]) -> frozenset[str]:
        """Return those of the content hashes that something refers to: the others may be swept."""
        return self._db.read(lambda tx: maintenance.referenced_raw(tx, content_hashes))

    def rekey(self, version: str, identify: Callable[[str], Identity], *, limit: int = 200) -> bool:
        """Bring the next `limit` keys in line with the rules; call it again until it says True."""
        if self._db.read(lambda tx: rekeying.is_done(tx, version)):
            return True
        return self._db.write(lambda tx: rekeying.rekey(tx, version, identify, limit))

    def search_walls(self) -> bool:
        """Look through some articles of an earlier version for walls; call it again until it says True."""
        return self._db.read(wall_search.is_done) or self._db.write(wall_search.search_walls)

    def backup(self, target: Path) -> None:
        """Write a consistent copy while the store is used (SQLite)."""
        copying.backup(self._db, target)

    def check(self) -> str:
        """Return "ok", or what is wrong with the store."""
        return copying.check(self._db)
