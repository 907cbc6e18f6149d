"""The store's port for visits and the engine: due work, claims, and the results of visits and extractions.

A claim is the right of one process to work on a host or a page until its lease ends. Every `record_...` is one
transaction. If the claim is no longer current, the result is discarded. The method then returns `None` or `False`, and
the caller stops (docs/architecture.md, "Every lease is fenced").
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
    """The store as a queue: due feeds and pages, claims on hosts and pages, and the results of the work on them."""

    def now(self) -> datetime:
        """Return the present time: of PostgreSQL's server, so that a fleet has one clock, or of this machine."""

    def close(self) -> None:
        """Close all connections to the database and release this process's lock file."""

    def read_fact(self, name: str) -> str | None:
        """Return the stored fact with this name (see `write_fact`); None: there is none."""

    def read_facts(self, prefix: str) -> Mapping[str, str]:
        """Return, by name, the stored facts (small texts, such as a list's state) whose names begin with `prefix`."""

    def delete_fact(self, name: str) -> None:
        """Delete the fact with this name, if there is one."""

    def write_fact(self, name: str, value: str) -> None:
        """Store a short text under a name, so that a later start of the program can read it."""

    def shift_due_times(self) -> timedelta | None:
        """If the clock was set back, move due times after now back by the same span; return the span, else None.

        The clock was set back if the time of the last poll is at least five minutes in the future.
        """

    def sync_feeds(
        self, subscriptions: Sequence[Subscription], config_hash: str, config_at: datetime, *, decides: bool = False
    ) -> SyncReport:
        """Make the feeds in the store those of `subscriptions`; do nothing if `config_hash` is that of the last call.

        New feeds are due at once. Feeds that are no longer listed are disabled. A feed that is listed again keeps its
        state. If `config_at` is earlier than in the last call, new feeds are added, and all other changes are refused
        (`SyncReport.refused`). `decides` True: no change is refused.
        """

    def feed_ids(self) -> tuple[FeedId, ...]:
        """Return the ids of the enabled feeds in the order in which they were added."""

    def feeds(self, *, enabled_only: bool = True, ids: Collection[FeedId] | None = None) -> tuple[Feed, ...]:
        """Return the feeds in the order in which they were added. `ids`: only these feeds, even disabled ones."""

    def make_due(self, feed_ids: Sequence[FeedId], at: datetime) -> None:
        """Make these feeds due at `at` or earlier, since an operator asked for a poll (`run-once --all`, a refresh).

        Their hosts are claimed before others, and our own back-off of these hosts ends. A host's Retry-After still
        holds.
        """

    def scope_due(self, at: datetime, feed_ids: Sequence[FeedId] | None = None) -> RunScope:
        """Return the work for one run: feeds and pages due at `at`, all pages that wait for extraction, their hosts.

        With `feed_ids`, only these feeds and the pages that they announced first.
        """

    def claim_hosts(
        self, limit: int, lease: timedelta, *, scope: RunScope | None = None, pages_too: bool = True
    ) -> tuple[Claim, ...]:
        """Claim up to `limit` hosts with due work. With `scope`, only its work counts.

        Hosts with priority (`make_due`) come first, then hosts with due feeds, then by due time. `pages_too` False: a
        host that has only due pages is not claimed.
        """

    def claim_host(self, host: str, lease: timedelta) -> Claim | None:
        """Claim the host `host` (name:port), even if nothing is due there.

        None: another claim on it is current, or it may not be requested yet (pace, back-off).
        """

    def renew(self, claim: Claim, lease: timedelta) -> bool:
        """Extend the lease of a claimed host to `lease` from now; False: the claim is lost."""

    def release(
        self,
        claim: Claim,
        *,
        not_before: datetime | None = None,
        failures: int = 0,
        asked_until: datetime | None = None,
    ) -> None:
        """End the claim on a host. The host is due again when its next feed or page is, but not before `not_before`.

        `failures` is the new number of failures in a row. `asked_until` is the end of the host's own Retry-After, which
        `make_due` does not shorten. Nothing is done if the claim is lost.
        """

    def free_dead_leases(self) -> int:
        """End the leases that dead processes of this machine still have; return how many.

        With PostgreSQL nothing is done: those leases run out.
        """

    def wait_until(self, scope: RunScope | None = None) -> datetime | None:
        """Return when the next host with due work can be claimed; None: no host has due work.

        Hosts that are backed off are left out. With `scope`, only work of the scope counts, including work due in the
        next half minute.
        """

    def due_feeds(
        self, claim: Claim, at: datetime, *, scope: RunScope | None = None, limit: int = 50
    ) -> tuple[Feed, ...]:
        """Return up to `limit` feeds of the claimed host that are due at `at`, the longest due first."""

    def first_seen(self, feed_id: FeedId, sightings: Sequence[Sighting]) -> tuple[datetime | None, ...]:
        """Return, for each of `sightings`, when this feed first had its entry, or another entry for the same page.

        None: the feed did not have it before.
        """

    def due_pages(
        self, claim: Claim, at: datetime, *, scope: RunScope | None = None, limit: int = 50
    ) -> tuple[Page, ...]:
        """Return up to `limit` pages of the claimed host that are due at `at`.

        Pages without an article come first, then by due time.
        """

    def record_poll(self, claim: Claim, record: PollRecord) -> PollRecorded | None:
        """Save the result of a poll: the feed's state, a row of its history, its entries and new pages.

        None: the claim is lost.
        """

    def record_fetched(
        self, claim: Claim, page: Page, raw: RawResponse, folder: str, hops: tuple[Hop, ...], validators: Validators
    ) -> bool:
        """Record that the page, or its `part`, was fetched, and make the page wait for extraction.

        The bytes are in the raw store, whose folder has the id `folder`. False: the claim is lost.
        """

    def leave_part(self, claim: Claim, page: Page) -> bool:
        """Record that this process cannot fetch a further page of an article; return False if the claim is lost.

        The responses with the earlier pages are in another folder (`page.folder`). If a process uses that folder, the
        page waits for it. If not, the whole article is fetched again from its first page.
        """

    def record_unchanged(self, claim: Claim, page: Page, validators: Validators, next_at: datetime | None) -> bool:
        """Record that a revisit found the page unchanged. It is due again at `next_at`; None: never.

        A validator that is missing in `validators` keeps its stored value.
        """

    def record_page_failure(
        self, claim: Claim, page: Page, failed: PageFailed, next_at: datetime | None, *, counts: bool = True
    ) -> bool:
        """Record that a fetch failed. The page is retried at `next_at`; None: never.

        `counts` False: this is no attempt (robots.txt, pace, own network down). If the page has no article yet and its
        entry has content, this content is extracted first. If a further page failed (`page.part`), the article is
        extracted from the pages before it.
        """

    def is_known_target(self, page: Page, target: Identity) -> bool:
        """Return whether a redirect of `page` to `target` needs no request, because another page has the target's key.

        The other page gave an article, or it waits for its first fetch or for extraction.
        """

    def record_handover(
        self,
        claim: Claim,
        page: Page,
        target: Identity,
        host: str,
        hops: tuple[Hop, ...],
        edges: tuple[Edge, ...] = (),
    ) -> tuple[PageId, HostId] | None:
        """Record that `page` redirects to `target` on `host` (name:port).

        If `target` is a stored article that cannot be a wall, a page without an article is done. Any other page is
        fetched at `target`: at once, or later if another page about `target` waits. Return page and host, for
        `RunScope`. None: the page is done, or the claim is lost.
        """

    def record_robots(self, claim: Claim, robots: str, at: datetime) -> bool:
        """Save `robots` (the text of a `RobotsRule`), which was fetched at `at`. False: the claim is lost."""

    def waiting_for_extraction(self) -> int:
        """Return how many pages wait for extraction, claimed ones included."""

    def claim_fetched(
        self, limit: int, lease: timedelta, folder: str, *, scope: RunScope | None = None, batch: int = 1
    ) -> tuple[FetchedPage, ...]:
        """Claim pages that wait for extraction and have their bytes in the folder with the id `folder`, or no bytes.

        The pages make at most `limit` tasks. A task is one page, or up to `batch` pages that have no bytes and were not
        claimed before. A page fails after four claims without a result.
        """

    def renew_page(self, page: FetchedPage, lease: timedelta) -> bool:
        """Extend the lease of a page that is being extracted to `lease` from now; False: the claim is lost."""

    def give_back_page(self, page: FetchedPage) -> None:
        """End the claim on a page without a result. This claim does not count towards the four of `claim_fetched`."""

    def record_articles(self, outcomes: Sequence[ArticleOutcome]) -> tuple[ArticleRecorded | None, ...]:
        """Save the extracted articles of several pages in one transaction; return one result for each outcome.

        A result is None if the claim on its page is lost. It is `unchanged` if the article had the same title and body
        before, after normalisation. `ArticleOutcome` says when the page is fetched again.
        """

    def record_next_page(self, page: FetchedPage, next_page: NextPage) -> HostId | None:
        """Make `page` due, to fetch the further page `next_page` of its article; return the host of `next_page`.

        None: the claim is lost, or the filters skip the page.
        """

    def record_extraction_failure(self, page: FetchedPage, failed: PageFailed, next_at: datetime | None) -> bool:
        """Record that extraction gave no article. The page is fetched again at `next_at`; None: never.

        False: the claim is lost.
        """

    def awaited_raw(self, content_hashes: Collection[str]) -> frozenset[str]:
        """Return the hashes among `content_hashes` whose bytes a page still needs for its extraction.

        The page waits for extraction, or a further page of its article is still to be fetched.
        """
