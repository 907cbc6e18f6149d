"""The store's port for visits and the engine: what is due, claims, and what visits and extractions gave.

Every `record_...` is one transaction. What is recorded under a claim that is no longer current is discarded: the
method answers `None` or `False`, and the caller stops (docs/architecture.md, "Every lease is fenced").
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
from aggregator.ports.readings import (
    SyncReport,
)
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
    """What is due, claims, and the outcomes of visits and extractions."""

    def now(self) -> datetime:
        """Return the store's clock."""
        ...

    def close(self) -> None:
        """Close every connection and free this process's lock file."""
        ...

    def read_fact(self, name: str) -> str | None:
        """Return the fact kept under this name; None: there is none."""
        ...

    def read_facts(self, prefix: str) -> Mapping[str, str]:
        """Return the facts whose names begin with `prefix`."""
        ...

    def delete_fact(self, name: str) -> None:
        """Keep a fact no longer."""
        ...

    def write_fact(self, name: str, value: str) -> None:
        """Keep a small fact for the next start."""
        ...

    def shift_due_times(self) -> timedelta | None:
        """Move times ahead of now back with the clock, if it went back since they were set; return how far it went.

        What is due would else wait until the clock is where it was. A poll ahead of now tells.
        """
        ...

    def sync_feeds(
        self, subscriptions: Sequence[Subscription], config_hash: str, config_at: datetime, *, decides: bool = False
    ) -> SyncReport:
        """Bring the feed table in line with the configuration.

        New feeds are due at once. Feeds that are no longer listed are disabled. A feed that is listed again goes on
        where it was. A configuration that is older (`config_at`) than the one last synced is a stale member's in a
        fleet: it adds feeds, the report names what was refused. `decides`: this one holds whatever its age.
        """
        ...

    def feed_ids(self) -> tuple[FeedId, ...]:
        """Return the enabled feeds in the order in which they were added."""
        ...

    def feeds(self, *, enabled_only: bool = True, ids: Collection[FeedId] | None = None) -> tuple[Feed, ...]:
        """Return the feeds in the order in which they were added; `ids`: those of them, disabled ones too."""
        ...

    def make_due(self, feed_ids: Sequence[FeedId], at: datetime) -> None:
        """Make feeds due at `at` at the latest (`run-once --all`, a refresh), and end our back-off of their hosts."""
        ...

    def scope_due(self, at: datetime, feed_ids: Sequence[FeedId] | None = None) -> RunScope:
        """Return the work due at `at`: feeds (of those named), pages, pages to extract; and their hosts."""
        ...

    def claim_hosts(
        self, limit: int, lease: timedelta, *, scope: RunScope | None = None, pages: bool = True
    ) -> tuple[Claim, ...]:
        """Claim hosts with due work (of `scope`), by priority; those with due feeds first, then by due time.

        `pages` False counts feeds alone.
        """
        ...

    def claim_host(self, host: str, lease: timedelta) -> Claim | None:
        """Claim one host by name:port, due or not; None when it is leased or must be left alone for now."""
        ...

    def renew(self, claim: Claim, lease: timedelta) -> bool:
        """Renew the lease; False: the claim is lost."""
        ...

    def release(
        self,
        claim: Claim,
        *,
        not_before: datetime | None = None,
        failures: int = 0,
        asked_until: datetime | None = None,
    ) -> None:
        """End the claim: set pace and failures, recompute both due times from what is there now.

        `asked_until`: the host itself asks for quiet until then (Retry-After), which `make_due` respects.
        """
        ...

    def free_dead_leases(self) -> int:
        """Give back leases of processes of this machine that are no longer alive (SQLite); return how many."""
        ...

    def wait_until(self, scope: RunScope | None = None, *, pages: bool = True) -> datetime | None:
        """Return when the next host (of `scope`) can be claimed, for work due by now; None: there is none.

        A host that backs off is not waited for. Work of a scope counts too that is due within half a minute.
        """
        ...

    def due_feeds(
        self, claim: Claim, at: datetime, *, scope: RunScope | None = None, limit: int = 50
    ) -> tuple[Feed, ...]:
        """Return the host's due feeds, the longest due first."""
        ...

    def first_seen(self, feed_id: FeedId, sightings: Sequence[Sighting]) -> tuple[datetime | None, ...]:
        """Return when this feed first showed each entry, or another one of the same page; None: never."""
        ...

    def due_pages(
        self, claim: Claim, at: datetime, *, scope: RunScope | None = None, limit: int = 50
    ) -> tuple[Page, ...]:
        """Return the host's due pages: first fetches before revisits, then by due time."""
        ...

    def record_poll(self, claim: Claim, record: PollRecord) -> PollRecorded | None:
        """Save feed state, history row, entries and new pages."""
        ...

    def record_fetched(
        self, claim: Claim, page: Page, raw: RawResponse, folder: str, hops: tuple[Hop, ...], validators: Validators
    ) -> bool:
        """The page's bytes are in the raw store: it waits for extraction."""
        ...

    def leave_part(self, claim: Claim, page: Page) -> bool:
        """Put off a part whose others lie in a folder of other workers; begin anew when these are gone."""
        ...

    def record_unchanged(self, claim: Claim, page: Page, validators: Validators, next_at: datetime | None) -> bool:
        """A revisit found the page unchanged."""
        ...

    def record_page_failure(
        self, claim: Claim, page: Page, failed: PageFailed, next_at: datetime | None, *, counts: bool = True
    ) -> bool:
        """Try again at `next_at`; None: failed for good. `counts` False: no attempt was made (robots.txt, pace).

        A page that failed for good and whose entry has content waits for extraction from that content; one of which a
        further part failed (`page.part`) with the parts before.
        """
        ...

    def is_known_target(self, page: Page, target: Identity) -> bool:
        """Return whether a feed announced a redirect's target, and it is an article or was not fetched before."""
        ...

    def record_handover(
        self,
        claim: Claim,
        page: Page,
        target: Identity,
        host: str,
        hops: tuple[Hop, ...],
        edges: tuple[Edge, ...] = (),
    ) -> tuple[PageId, HostId] | None:
        """The page redirects: make it due at the target, or done when the target is known already.

        Returns the page to fetch next and its host (see `RunScope`). None: there is no such page, or claim lost.
        """
        ...

    def record_robots(self, claim: Claim, robots: str, at: datetime) -> bool:
        """Save the host's robots.txt record."""
        ...

    def waiting_for_extraction(self) -> int:
        """Return how many fetched pages wait."""
        ...

    def claim_fetched(
        self, limit: int, lease: timedelta, folder: str, *, scope: RunScope | None = None, batch: int = 1
    ) -> tuple[FetchedPage, ...]:
        """Claim fetched pages whose bytes lie in `folder`, or that have none, for `limit` tasks.

        A page is a task; up to `batch` pages that have no bytes and were not claimed before make one together.
        Each claim counts as an attempt. A fifth one is not given out: the page failed (`extraction_crashed`).
        """
        ...

    def renew_page(self, page: FetchedPage, lease: timedelta) -> bool:
        """Renew the lease of an extraction; False: it is lost."""
        ...

    def give_back_page(self, page: FetchedPage) -> None:
        """End the claim without an outcome; the attempt does not count."""
        ...

    def record_articles(self, outcomes: Sequence[ArticleOutcome]) -> tuple[ArticleRecorded | None, ...]:
        """Save several articles in one transaction, each with aliases, evidence, fingerprint and decisions.

        None: the claim of that page is lost. The same normalised title and body as before is `unchanged`. A page is due
        again at `if_changed` when its article is new or updated, else at `if_unchanged`; None: never.
        """
        ...

    def record_next_page(self, page: FetchedPage, next_page: NextPage) -> HostId | None:
        """Make the page due with its next part; return its host for a `RunScope`. None: the claim is lost."""
        ...

    def record_extraction_failure(self, page: FetchedPage, failed: PageFailed, next_at: datetime | None) -> bool:
        """Record that extraction gave no article. The page is fetched again at `next_at`; None: never."""
        ...
