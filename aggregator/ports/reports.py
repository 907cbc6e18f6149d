"""The store's port for reports to operators: `health`, the status page, `why` and other commands."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Protocol

from aggregator.models.fetching import Cause
from aggregator.models.ids import FeedId, Key
from aggregator.ports.readings import (
    Activity,
    Counts,
    DayCounts,
    FeedHistory,
    FeedScreen,
    FeedSigns,
    Gap,
    Trace,
)
from aggregator.ports.store_records import Decision, PollOutcome


class Reports(Protocol):
    """Queries about feeds, polls, pages and decisions, for operators."""

    def feed_titles(self, urls: Collection[str]) -> Mapping[str, str]:
        """Return the title that each feed gives itself, by address. Feeds with a configured name are left out."""

    def decisions(self, urls: Sequence[str], keys: Sequence[Key]) -> tuple[Decision, ...]:
        """Return the stored decisions about any of these addresses or keys, oldest first."""

    def poll_histories(self, limit: int = 5_000) -> tuple[int, tuple[FeedHistory, ...]]:
        """Return the number of all polled feeds, and the histories of a random sample of at most `limit` of them.

        The same store gives the same sample, in the order of the feeds' ids.
        """

    def polls(self, feed_id: FeedId) -> tuple[PollOutcome, ...]:
        """Return the outcomes of a feed's last polls, newest first."""

    def gaps(self, *, start: int = 0, limit: int | None = None) -> tuple[Gap, ...]:
        """Return the periods in which a feed may have lost entries, oldest first.

        The first `start` periods are skipped, and then at most `limit` are returned; None: all.
        """

    def failed_pages(self) -> tuple[tuple[str, Cause, str], ...]:
        """Return URL, cause and detail of each page without an article whose last fetch or extraction failed."""

    def counts(self) -> Counts:
        """Return how many feeds, entries, articles and pages the store has, and its size."""

    def suspect_ids(self, screen: FeedScreen) -> tuple[FeedId, ...]:
        """Return the ids of the feeds whose stored state may lead to a finding of `health`, by the limits in `screen`.

        Only the feeds are read; for their entries, pages and articles see `signs`.
        """

    def hosts_answered(self, since: datetime) -> frozenset[str]:
        """Return the hosts (name:port) on which a poll succeeded at `since` or later."""

    def signs(self, since: datetime) -> Mapping[FeedId, FeedSigns]:
        """Return counts of each feed's entries, pages and articles since `since`, and of all its failed polls."""

    def activity(self, since: datetime) -> Activity:
        """Return the numbers of polls, entries and articles since the time `since`."""

    def days(self, until: datetime, count: int) -> tuple[DayCounts, ...]:
        """Return the numbers of articles and entries of each of `count` days (UTC). The last day is that of `until`."""

    def trace(self, urls: Sequence[str], keys: Sequence[Key]) -> Trace:
        """Return all stored facts about one address, for `aggregator why`.

        `urls` are spellings of the address, and `keys` are the keys that the rules give it.
        """
