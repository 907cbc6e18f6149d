"""Brings the number of polls to the budget, slowly, and remembers how far it came. Knows neither feeds nor clocks."""

from __future__ import annotations

import logging
import threading
from dataclasses import replace
from datetime import timedelta

from aggregator.models.records import Feed
from aggregator.ports.protocols import Store
from aggregator.schedule.due_times import PollPolicy, steer

logger = logging.getLogger(__name__)

_FACT = "busy_threshold"  # the name goes with the formula of `rhythm`: budget and threshold, separated by a blank


def remembered(store: Store, policy: PollPolicy) -> PollPolicy:
    """Return `policy` with the threshold that was arrived at under the same budget."""
    budget, _, threshold = (store.read_fact(_FACT) or "").partition(" ")
    if not threshold or float(budget) != policy.budget:
        return policy
    return replace(policy, threshold=float(threshold))


class Steering:
    """Counts polls of adaptive feeds, from any thread, until it is asked to steer."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._polls = 0
        self._lock = threading.Lock()

    def count(self, feed: Feed) -> None:
        """Note a poll; feeds with an interval of their own are no matter of the budget."""
        if feed.interval is None:
            with self._lock:
                self._polls += 1

    def steer(self, policy: PollPolicy, *, feeds: float, elapsed: timedelta) -> PollPolicy:
        """Return the policy for the time to come; `feeds` adaptive ones were followed for `elapsed`, the time since.

        Of the feeds that a fleet follows our share counts.

        Raises:
            StorageError: the threshold could not be kept.
        """
        with self._lock:
            polls, self._polls = self._polls, 0
        threshold = steer(
            policy.threshold,
            polls=polls,
            feed_days=feeds * (elapsed / timedelta(days=1)),
            budget=policy.budget,
            elapsed=elapsed,
        )
        self._store.write_fact(_FACT, f"{policy.budget} {threshold}")
        logger.info("steered", extra={"polls": polls, "feeds": feeds, "threshold": round(threshold, 3)})
        return replace(policy, threshold=threshold)
