"""The store's port for visits and the engine: due work, claims, and the results of visits and extractions.

Every `record_...` is one transaction. If the claim is no longer current, the result is discarded. The method then
returns `None` or `False`, and the caller stops (docs/architecture.md, "Every lease is fenced").
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Protocol

from aggregator.identity.evidence import Edge
from aggregator.models.feeds import Feed, Subscription
from aggregator.models.fetching import Hop, Validators
from aggregator.models.ids import FeedId, HostId, Identity, PageId
from aggregator.models.pages import FetchedPage, Page, PageFailed, RawResponse
from aggregator.ports.readings import SyncReport
from aggregator.ports.run_scope import RunScope
from aggregator.ports.store_records import (
    ArticleOutcome,
    ArticleRecorded,
    Claim,
    NextPage,
    PollRecord,
    PollRecorded,
    Sighting,
)


class Queue(Protocol):
    """Due work, claims, and the results of visits and extractions."""

    def now(self) -> datetime:
        """Return the store's clock."""

    def close(self) -> None:
        """Close every connection and free this process's lock file."""

    def read_fact(self, name: str) -> str | None:
        """Return the fact with this name; None: there is none."""

    def read_facts(self, prefix: str) -> Mapping[str, str]:
        """Return the facts whose names begin with `prefix`."""

    def delete_fact(self, name: str) -> None:
        """Delete a fact."""

    def write_fact(self, name: str, value: str) -> None:
        """Store a small fact for the next start."""

    def shift_due_times(self) -> timedelta | None:
        """If the clock was set back, move due times back by the same time; return this time. None: it was not set back.

        Without this, nothing would be due until the clock reaches the old times. A poll with a future time shows that
        the clock was set back.
        """

    def sync_feeds(
        self, subscriptions: Sequence[Subscription], config_hash: str, config_at: datetime, *, decides: bool = False
    ) -> SyncReport:
        """Bring the feed table in line with the configuration.

        New feeds are due at once. Feeds that are no longer listed are disabled. A feed that is listed again keeps its
        state. In a fleet, a configuration that is older (`config_at`) than the last synced one only adds feeds. The
        report names its refused changes. `decides`: this configuration is used even if it is older.
        """

    def feed_ids(self) -> tuple[FeedId, ...]:
        """Return the enabled feeds in the order in which they were added."""

    def feeds(self, *, enabled_only: bool = True, ids: Collection[FeedId] | None = None) -> tuple[Feed, ...]:
        """Return the feeds in the order in which they were added; `ids`: only these, disabled ones too."""

    def make_due(self, feed_ids: Sequence[FeedId], at: datetime) -> None:
        """Make feeds due at `at` at the latest (`run-once --all`, a refresh). End the back-off of their hosts."""

    def scope_due(self, at: datetime, feed_ids: Sequence[FeedId] | None = None) -> RunScope:
        """Return the work due at `at`: feeds (of `feed_ids`), pages to fetch, pages to extract, and their hosts."""

    def claim_hosts(
        self, limit: int, lease: timedelta, *, scope: RunScope | None = None, pages_too: bool = True
    ) -> tuple[Claim, ...]:
        """Claim hosts with due work (in `scope`). Order: priority, hosts with due feeds first, due time.

        `pages_too` False: only due feeds count.
        """

    def claim_host(self, host: str, lease: timedelta) -> Claim | None:
        """Claim one host by name:port, even if nothing is due; None: it is leased or backs off."""

    def renew(self, claim: Claim, lease: timedelta) -> bool:
        """Renew the lease; False: the claim is lost."""

    def release(
        self,
        claim: Claim,
        *,
        not_before: datetime | None = None,
        failures: int = 0,
        asked_until: datetime | None = None,
    ) -> None:
        """End the claim: set pace and failures, and compute both due times from the present rows.

        `asked_until` is the host's own Retry-After, which `make_due` respects.
        """

    def free_dead_leases(self) -> int:
        """End the leases of dead processes of this machine (SQLite); return how many."""

    def wait_until(self, scope: RunScope | None = None) -> datetime | None:
        """Return when the next host with due work can be claimed; None: there is none. `scope` limits the work.

        Hosts that back off are left out. With a scope, work counts as due half a minute early.
        """

    def due_feeds(
        self, claim: Claim, at: datetime, *, scope: RunScope | None = None, limit: int = 50
    ) -> tuple[Feed, ...]:
        """Return the host's due feeds, the longest due first."""

    def first_seen(self, feed_id: FeedId, sightings: Sequence[Sighting]) -> tuple[datetime | None, ...]:
        """Return when this feed first showed each entry, or another entry with the same page. None: never before."""

    def due_pages(
        self, claim: Claim, at: datetime, *, scope: RunScope | None = None, limit: int = 50
    ) -> tuple[Page, ...]:
        """Return the host's due pages: first fetches before revisits, then by due time."""

    def record_poll(self, claim: Claim, record: PollRecord) -> PollRecorded | None:
        """Save feed state, history row, entries and new pages."""

    def record_fetched(
        self, claim: Claim, page: Page, raw: RawResponse, folder: str, hops: tuple[Hop, ...], validators: Validators
    ) -> bool:
        """Record that the page's bytes are in the raw store. The page waits for extraction."""

    def leave_part(self, claim: Claim, page: Page) -> bool:
        """Leave a part to the workers that have the earlier parts. If no worker has them, fetch the article again."""

    def record_unchanged(self, claim: Claim, page: Page, validators: Validators, next_at: datetime | None) -> bool:
        """Record that a revisit found the page unchanged."""

    def record_page_failure(
        self, claim: Claim, page: Page, failed: PageFailed, next_at: datetime | None, *, counts: bool = True
    ) -> bool:
        """Record a failure. Retry at `next_at`; None: never. `counts` False: no attempt was made (robots.txt, pace).

        If a page failed for good and its entry has content, the page waits for extraction from this content. If a
        further part failed (`page.part`), the page waits for extraction with the earlier parts.
        """

    def is_known_target(self, page: Page, target: Identity) -> bool:
        """Return whether a feed announced a redirect's target, and the target gave an article or will be fetched."""

    def record_handover(
        self,
        claim: Claim,
        page: Page,
        target: Identity,
        host: str,
        hops: tuple[Hop, ...],
        edges: tuple[Edge, ...] = (),
    ) -> tuple[PageId, HostId] | None:
        """Record that the page redirects: make it due at the target, or done if the target is a known article.

        Return the page to fetch next and its host, for `RunScope`. None: no page is to be fetched, or the claim is
        lost.
        """

    def record_robots(self, claim: Claim, robots: str, at: datetime) -> bool:
        """Save the host's robots.txt record."""

    def waiting_for_extraction(self) -> int:
        """Return how many fetched pages wait for extraction."""

    def claim_fetched(
        self, limit: int, lease: timedelta, folder: str, *, scope: RunScope | None = None, batch: int = 1
    ) -> tuple[FetchedPage, ...]:
        """Claim fetched pages for `limit` tasks: pages whose bytes are in `folder`, and pages that have no bytes.

        A task is one page, or up to `batch` pages that have no bytes and were not claimed before. Each claim counts as
        an attempt. After four attempts the page has failed (`extraction_crashed`).
        """

    def renew_page(self, page: FetchedPage, lease: timedelta) -> bool:
        """Renew the lease of an extraction; False: the lease is lost."""

    def give_back_page(self, page: FetchedPage) -> None:
        """End the claim without an outcome; the attempt does not count."""

    def record_articles(self, outcomes: Sequence[ArticleOutcome]) -> tuple[ArticleRecorded | None, ...]:
        """Save several articles in one transaction, each with aliases, evidence, fingerprint and decisions.

        None: the claim of the page is lost. An article with the same normalised title and body as before is
        `unchanged`. If its article is new or updated, a page is due again at `if_changed`, else at `if_unchanged`;
        None: never.
        """

    def record_next_page(self, page: FetchedPage, next_page: NextPage) -> HostId | None:
        """Make the page due with its next part; return the part's host; None: the claim is lost."""

    def record_extraction_failure(self, page: FetchedPage, failed: PageFailed, next_at: datetime | None) -> bool:
        """Record that extraction gave no article. The page is fetched again at `next_at`; None: never."""
