"""The daemon's log at its default level: feeds that begin to fail, feeds that work again, and one line a minute."""

from __future__ import annotations

import logging
import threading
from collections import Counter
from collections.abc import Iterable, Mapping

from aggregator.models.feeds import Feed, FeedStatus
from aggregator.ports.store_records import PollRecord

logger = logging.getLogger("aggregator.service")

_LINES_A_MINUTE = 20  # lines about feeds per minute; further feeds are counted, as in an outage of our own network
_SHOWN = 20  # changes of one reload
_TOTALS = {
    "polled": "feeds_polled",
    "unchanged": "feeds_unchanged",
    "failed": "feeds_failed",
    "entries": "entries_new",
    "articles": "articles_new",
    "updated": "articles_updated",
    "duplicates": "articles_duplicate",
    "pages_failed": "pages_failed",
}


class ActivityLog:
    """Writes the daemon's log lines about feeds and about the work of each minute. Any thread may call it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._before: Counter[str] = Counter()
        self._logged = 0
        self._unlogged = Counter[str]()

    def note_poll(self, feed: Feed, record: PollRecord) -> None:
        """Log a line if the feed begins to fail with this poll, or works again.

        `feed` is the feed as it was before the poll. At most 20 such lines are logged in a minute; the next
        `say_minute` logs the number of the others.
        """
        was, state = feed.state, record.state
        begins = state.failures > 0 and was.failures == 0
        ends = state.failures == 0 and was.failures > 0 and state.status is FeedStatus.OK
        if not begins and not ends:
            return
        with self._lock:
            self._logged += 1
            if self._logged > _LINES_A_MINUTE:
                self._unlogged["more_begin_to_fail" if begins else "more_work_again"] += 1
                return
        name = feed.name or state.title or feed.url
        if begins:
            cause = None if state.cause is None else state.cause.value
            logger.warning("feed fails", extra={"feed": name, "cause": cause, "detail": state.detail})
        else:
            since = None if was.failing_since is None else f"{was.failing_since:%Y-%m-%d %H:%M:%SZ}"
            logger.info("feed works again", extra={"feed": name, "failing_since": since})

    def say_minute(self, totals: Mapping[str, int], published: int) -> None:
        """Log one line with the work since the last call, or nothing if there was none.

        `totals` are the counters of the engine, `published` is the number of published changes; both count from the
        start of the daemon.
        """
        with self._lock:
            now = Counter({name: totals.get(total, 0) for name, total in _TOTALS.items()} | {"published": published})
            done = (now - self._before) + self._unlogged
            self._before, self._logged, self._unlogged = now, 0, Counter()
        if done:
            logger.info("in the last minute", extra=dict(done))


def say_changes(message: str, changes: Iterable[str]) -> None:
    """Log `message` with each of the first 20 changes, and with the number of the others."""
    lines = tuple(changes)
    for line in lines[:_SHOWN]:
        logger.info(message, extra={"change": line})
    if len(lines) > _SHOWN:
        logger.info(message, extra={"change": f"and {len(lines) - _SHOWN} more"})
