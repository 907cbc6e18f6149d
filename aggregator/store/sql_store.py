"""The port `Store` on SQLite or PostgreSQL. Modules of `store/` contain the queries.

Most methods are one transaction. `use_filters` and `apply_filters` work in batches, one transaction each.
`shift_due_times`, `free_dead_leases`, `rekey`, `search_walls` and `ask_refused_again` first read whether there is work,
then do it in a second transaction.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from datetime import datetime, timedelta
from typing import Concatenate, ParamSpec, TypeVar

from aggregator.errors import LeaseLostError
from aggregator.filters.decide import NO_FILTERS, Filters
from aggregator.models.articles import Article
from aggregator.models.ids import ArticleId, HostId, Identity
from aggregator.models.pages import FetchedPage, PageFailed, RawResponse
from aggregator.ports.protocols import Clock, RawStore, Snapshot
from aggregator.ports.readings import ArticleFilter, FilterChange, Gap, Position
from aggregator.ports.store import Store
from aggregator.ports.store_records import (
    ArticleOutcome,
    ArticleRecord,
    ArticleRecorded,
    Claim,
    NextPage,
    PollRecord,
    PollRecorded,
)
from aggregator.store.articles import changes, erasure, filtering, reading, reextract, rekey
from aggregator.store.articles.lessons.listing import LessonList
from aggregator.store.articles.record import record_articles
from aggregator.store.articles.rows import draft_of
from aggregator.store.articles.walls import search as walls
from aggregator.store.db import properties
from aggregator.store.db.database import Database, Transaction
from aggregator.store.identity.decisions import list_decisions
from aggregator.store.lifecycle import scrubbing
from aggregator.store.lifecycle.shared_lock import output_lock, publish_lock
from aggregator.store.polls import history, matching, sums
from aggregator.store.polls.record import record_polls
from aggregator.store.queue import clock_steps, fetched_pages, fleet, handover, hosts, page_parts, pages
from aggregator.store.queue import feeds as feed_list
from aggregator.store.queue.refused_pages import ask_refused_again
from aggregator.store.reports import screening
from aggregator.store.reports.activity import activity, days, signs
from aggregator.store.reports.statistics import count_all
from aggregator.store.reports.trace import near_duplicates, trace

P = ParamSpec("P")
T = TypeVar("T")


def _read(query: Callable[Concatenate[Transaction, P], T]) -> Callable[Concatenate[SqlStore, P], T]:
    """Return the method that runs `query` in a reading transaction; see `Database.read`."""

    def method(store: SqlStore, /, *args: P.args, **kwargs: P.kwargs) -> T:
        return store._db.read(lambda tx: query(tx, *args, **kwargs))

    return method


def _write(
    query: Callable[Concatenate[Transaction, P], T], *, durable: bool = False
) -> Callable[Concatenate[SqlStore, P], T]:
    """Return the method that runs `query` in a writing transaction; see `Database.write`."""

    def method(store: SqlStore, /, *args: P.args, **kwargs: P.kwargs) -> T:
        return store._db.write(lambda tx: query(tx, *args, **kwargs), durable=durable)

    return method


class SqlSnapshot(Snapshot):
    """One state of a store: all answers come from one transaction. The port describes the methods."""

    def __init__(self, tx: Transaction) -> None:
        self._tx = tx

    def position(self) -> Position:
        return changes.position(self._tx)

    def articles(self, wanted: ArticleFilter) -> Iterator[Article]:
        return reading.stream_articles(self._tx, wanted)

    def raw_of(self, article_id: ArticleId) -> tuple[RawResponse, ...]:
        return reading.raw_of(self._tx, article_id)

    def gaps(self) -> tuple[Gap, ...]:
        return history.list_gaps(self._tx)


class SqlStore(Store):
    """The store in one SQL database. It also holds the entry filters that are in use, and applies them.

    The port describes its methods. Methods that are not in the port are described where their query is.
    """

    def __init__(self, database: Database, clock: Clock) -> None:
        self._db, self._clock = database, clock
        self._filters = NO_FILTERS

    def now(self) -> datetime:
        return self._db.now()

    def close(self) -> None:
        self._db.close()

    read_fact = _read(properties.read_property)
    read_facts = _read(properties.read_properties)
    delete_fact = _write(properties.delete_property)
    write_fact = _write(properties.write_property)

    def shift_due_times(self) -> timedelta | None:
        return self._db.read(clock_steps.clock_step) and self._db.write(clock_steps.shift_due_times)

    # --- feeds and claims ---------------------------------------------------------------------------------------------

    sync_feeds = _write(feed_list.sync_feeds)
    preview_feeds = _read(feed_list.preview_feeds)
    feed_ids = _read(feed_list.list_feed_ids)
    feeds = _read(feed_list.list_feeds)
    feed_lines = _read(feed_list.list_lines)
    feed_titles = _read(feed_list.titles_of)
    make_due = _write(feed_list.make_due)
    scope_due = _read(feed_list.scope_due)
    claim_hosts = _write(hosts.claim_hosts)
    claim_host = _write(hosts.claim_host)
    resume = _write(hosts.resume)
    renew = _write(hosts.renew)
    release = _write(hosts.release)
    wait_until = _read(hosts.wait_until)
    due_feeds = _read(feed_list.due_feeds)
    first_seen = _read(matching.first_seen)
    due_pages = _read(pages.due_pages)

    def free_dead_leases(self) -> int:
        lock = self._db.process_lock
        if lock is None:
            return 0
        lock.renew()
        owners = self._db.read(hosts.lease_owners)
        lock.sweep(owners)
        if not any(lock.is_dead(owner) for owner in owners):
            return 0
        return self._db.write(lambda tx: hosts.free_leases(tx, lock.is_dead))

    # --- a fleet's queue ----------------------------------------------------------------------------------------------

    set_up_queue = _write(fleet.set_up_queue)
    fill_queue = _write(fleet.fill_queue)
    leave_fleet = _write(fleet.leave_fleet)

    # --- outcomes of a visit ------------------------------------------------------------------------------------------

    def record_poll(self, claim: Claim, record: PollRecord) -> PollRecorded | None:
        if history.is_bare(claim, record):
            return self._db.write_each(history.record_bare_polls, (claim, record))
        try:
            return self._db.write_each(record_polls, matching.poll_draft(claim, record, self._filters))
        except LeaseLostError:
            return None

    record_fetched = _write(pages.record_fetched)
    leave_part = _write(page_parts.leave_part)
    record_unchanged = _write(pages.record_unchanged)
    record_page_failure = _write(pages.record_page_failure)
    is_known_target = _read(handover.is_known_target)
    record_handover = _write(handover.record_handover)
    record_robots = _write(hosts.record_robots)

    # --- extraction ---------------------------------------------------------------------------------------------------

    waiting_for_extraction = _read(fetched_pages.waiting_for_extraction)
    claim_fetched = _write(fetched_pages.claim_fetched)
    renew_page = _write(fetched_pages.renew_page)
    give_back_page = _write(fetched_pages.give_back_page)

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

    number_changes = _write(changes.number_changes, durable=True)
    changes_after = _read(changes.changes_after)
    position = _read(changes.position)
    delivered = _read(changes.delivered)
    set_delivered = _write(changes.set_delivered)
    is_published = _read(changes.is_published)

    # --- reading ------------------------------------------------------------------------------------------------------

    @contextmanager
    def snapshot(self) -> Iterator[SqlSnapshot]:
        with self._db.snapshot() as tx:
            yield SqlSnapshot(tx)

    def articles(self, wanted: ArticleFilter = ArticleFilter()) -> Iterator[Article]:  # noqa: B008 # frozen
        return self._db.stream(lambda tx: reading.stream_articles(tx, wanted))

    article = _read(reading.read_article)
    revisions = _read(reading.list_revisions)
    search = _read(reading.search_articles)
    raw_of = _read(reading.raw_of)
    near_duplicates = _read(near_duplicates)
    decisions = _read(list_decisions)
    trace = _read(trace)
    poll_histories = _read(sums.poll_histories)
    polls = _read(history.list_polls)
    gaps = _read(history.list_gaps)
    failed_pages = _read(pages.failed_pages)
    counts = _read(count_all)
    suspect_ids = _read(screening.suspect_ids)
    hosts_answered = _read(screening.hosts_answered)
    signs = _read(signs)
    activity = _read(activity)
    days = _read(days)

    # --- upkeep -------------------------------------------------------------------------------------------------------

    stored_pages = _read(reextract.stored_pages)

    def record_reextracted(self, page: FetchedPage, record: ArticleRecord) -> bool:
        return self._db.write(lambda tx: reextract.record_reextracted(tx, page, record, self._filters))

    def use_filters(self, filters: Filters) -> None:
        self._filters = filters
        filtering.decide_waiting(self._db, filters)

    def apply_filters(self, filters: Filters, *, dry_run: bool = False) -> Iterator[FilterChange]:
        return filtering.apply_to_all(self._db, filters, dry_run=dry_run)

    @property
    def lessons(self) -> LessonList:
        return LessonList(self._db)

    forget = _write(erasure.forget, durable=True)
    expire = _write(erasure.expire, durable=True)
    expire_raw = _write(erasure.expire_raw, durable=True)
    referenced_raw = _read(erasure.referenced_raw)
    awaited_raw = _read(erasure.awaited_raw)

    def scrub(self, wait: timedelta) -> bool:
        return scrubbing.scrub(self._db, wait)

    def rekey(self, version: str, identify: Callable[[str], Identity], *, limit: int = 200) -> bool:
        is_done = self._db.read(lambda tx: rekey.is_done(tx, version))
        return is_done or self._db.write(lambda tx: rekey.rekey(tx, version, identify, limit))

    def search_walls(self) -> bool:
        return self._db.read(walls.is_done) or self._db.write(walls.search_walls)

    def ask_refused_again(self, raw_store: RawStore) -> bool:
        return ask_refused_again(self._db, raw_store)
