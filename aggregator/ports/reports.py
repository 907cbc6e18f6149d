"""The store's port for operators: health, status page and commands that explain."""

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
    """Past activity and its reasons, for operators."""

    def feed_titles(self, urls: Collection[str]) -> Mapping[str, str]:
        """Return the own titles of feeds that have no configured name, by the feed's address."""

    def decisions(self, urls: Sequence[str], keys: Sequence[Key]) -> tuple[Decision, ...]:
        """Return the decisions about these addresses and keys, oldest first."""

    def poll_histories(self, limit: int = 5_000) -> tuple[int, tuple[FeedHistory, ...]]:
        """Return the number of polled feeds, and the histories of at most `limit` of them, a random sample."""

    def polls(self, feed_id: FeedId) -> tuple[PollOutcome, ...]:
        """Return the last outcomes of a feed, newest first."""

    def gaps(self, *, start: int = 0, limit: int | None = None) -> tuple[Gap, ...]:
        """Return times in which a feed may have lost entries, oldest first; `limit` of them after the first `start`."""

    def failed_pages(self) -> tuple[tuple[str, Cause, str], ...]:
        """Return the pages without an article, failed for good or to be retried: URL, cause, detail."""

    def counts(self) -> Counts:
        """Return the numbers of rows in the store."""

    def suspect_ids(self, screen: FeedScreen) -> tuple[FeedId, ...]:
        """Return the feeds whose own state may lead to a finding."""

    def hosts_answered(self, since: datetime) -> frozenset[str]:
        """Return the hosts (name:port) on which a poll succeeded since then."""

    def signs(self, since: datetime) -> Mapping[FeedId, FeedSigns]:
        """Return facts about the latest entries, pages and articles of each feed, none older than `since`."""

    def activity(self, since: datetime) -> Activity:
        """Return the activity since then."""

    def days(self, until: datetime, count: int) -> tuple[DayCounts, ...]:
        """Return the numbers of each of the last `count` days (UTC), the day of `until` last."""

    def trace(self, urls: Sequence[str], keys: Sequence[Key]) -> Trace:
        """Return all stored facts about these spellings of an address and its keys, for `aggregator why`."""
