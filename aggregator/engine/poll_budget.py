"""Adjust the poll threshold slowly until the number of polls meets the budget. The store keeps the threshold."""

from __future__ import annotations

import logging
import threading
from dataclasses import replace
from datetime import timedelta

from aggregator.models.feeds import Feed
from aggregator.ports.store import Store
from aggregator.schedule.due_times import PollPolicy, adjust_threshold

logger = logging.getLogger(__name__)

_PROPERTY = "busy_threshold"  # budget and threshold, separated by a blank; belongs to `publication_rate`'s formula


def restore_threshold(store: Store, policy: PollPolicy) -> PollPolicy:
    """Return `policy` with the threshold that was last kept for the same budget."""
    budget, _, threshold = (store.read_fact(_PROPERTY) or "").partition(" ")
    if not threshold or float(budget) != policy.budget:
        return policy
    return replace(policy, threshold=float(threshold))


class PollBudget:
    """The polls of adaptive feeds since the last adjustment, counted by any thread."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._polls = 0
        self._lock = threading.Lock()

    def count_poll(self, feed: Feed) -> None:
        """Count a poll. Feeds with a fixed interval do not belong to the budget."""
        if feed.interval is None:
            with self._lock:
                self._polls += 1

    def adjust(self, policy: PollPolicy, *, feeds: float, elapsed: timedelta) -> PollPolicy:
        """Return `policy` with a new threshold for polls, and store the threshold.

        The number of polls since the last call is compared with the budget for `feeds` adaptive feeds in `elapsed`.
        Then the count starts anew. In a fleet, `feeds` is this process's share of the feeds.

        Raises:
            StorageError: the threshold could not be stored.
        """
        with self._lock:
            polls, self._polls = self._polls, 0
        threshold = adjust_threshold(
            policy.threshold,
            polls=polls,
            feed_days=feeds * (elapsed / timedelta(days=1)),
            budget=policy.budget,
            elapsed=elapsed,
        )
        self._store.write_fact(_PROPERTY, f"{policy.budget} {threshold}")
        logger.info("poll threshold adjusted", extra={"polls": polls, "feeds": feeds, "threshold": round(threshold, 3)})
        return replace(policy, threshold=threshold)
