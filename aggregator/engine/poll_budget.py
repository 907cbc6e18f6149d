"""Keeps the number of polls near the configured budget, by slow changes of the poll threshold.

A feed is due when its expected new entries have together waited as long as the threshold
(`schedule/publication_rate.py`). The store keeps the threshold.
"""

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
    """Return `policy` with the stored poll threshold; unchanged if none is stored for the budget of `policy`."""
    budget, _, threshold = (store.read_fact(_PROPERTY) or "").partition(" ")
    if not threshold or float(budget) != policy.budget:
        return policy
    return replace(policy, threshold=float(threshold))


class PollBudget:
    """Counts the polls of feeds without a fixed interval, and adjusts `PollPolicy.threshold` to their number."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._polls = 0
        self._lock = threading.Lock()

    def count_poll(self, feed: Feed) -> None:
        """Count a poll of `feed`, unless the feed has a fixed interval: the budget does not limit such polls."""
        if feed.interval is None:
            with self._lock:
                self._polls += 1

    def adjust(self, policy: PollPolicy, *, feeds: float, elapsed: timedelta) -> PollPolicy:
        """Return `policy` with a new poll threshold, and store the threshold.

        `elapsed` is the time since the last call, and `feeds` the number of feeds without a fixed interval (in a
        fleet, this process's share of them). The polls counted in that time are compared with the policy's budget.

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
