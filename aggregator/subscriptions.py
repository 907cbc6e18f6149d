"""The feed list that a process uses: the feeds of the configuration, and those of the lists that it follows."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from aggregator.config.files import FEEDS_FILE
from aggregator.config.settings import Config, same_address
from aggregator.config.sources import lists_of
from aggregator.engine.followed_lists import ListTerms, feeds_of, follow
from aggregator.http.fetch import HttpFetcher
from aggregator.models.feeds import Subscription
from aggregator.ports.readings import SyncReport
from aggregator.store import SqlStore
from aggregator.urls import host_of

logger = logging.getLogger(__name__)

_LEASE_MARGIN = timedelta(seconds=30)


def subscriptions_of(store: SqlStore, config: Config) -> tuple[Subscription, ...]:
    """Return the feeds of the configuration, then those of the followed lists that the configuration does not have."""
    own = config.subscriptions()
    if not config.lists:
        return own
    known = {same_address(feed.url) for feed in own}
    followed = {same_address(feed.url): feed for feed in feeds_of(store, lists_of(config))}
    return (*own, *(feed for address, feed in followed.items() if address not in known))


def read_lists(store: SqlStore, config: Config, fetcher: HttpFetcher) -> bool:
    """Read the followed lists that are due; return whether the feeds of one of them changed."""
    http, changed = config.http, False
    for one in lists_of(config):
        terms = ListTerms(
            max_bytes=http.max_feed_size,
            deadline=http.total_timeout,
            lease=http.total_timeout + _LEASE_MARGIN,
            pace=fetcher.rules.interval_of(host_of(one.place), http.per_host_interval),
        )
        changed = follow(store, fetcher, one, terms) or changed
    return changed


def feed_changes(report: SyncReport) -> Iterator[str]:
    """Yield a line for each feed that was added, removed or changed."""
    yield from (f"feed + {name}" for name in report.added)
    yield from (f"feed - {name}" for name in report.removed)
    yield from (f"feed {change}" for change in report.changed)


def sync_feeds(store: SqlStore, config: Config) -> SyncReport:
    """Make the feeds in the store those of `subscriptions_of`. Changes that the store refuses are logged as a warning.

    With SQLite this configuration always decides. In a fleet (PostgreSQL) the configuration that was edited last
    decides, and an older one only adds feeds.
    """
    is_alone = config.storage.sqlite_path is not None
    listed, state = subscriptions_of(store, config), config.config_hash
    if config.lists:
        state = hashlib.sha256(f"{state} {listed}".encode("utf-8", "replace")).hexdigest()
    report = store.sync_feeds(listed, state, written_at(config), decides=is_alone)
    if report.refused:
        logger.warning(refusal(config, report))
    return report


def refusal(config: Config, report: SyncReport) -> str:
    """Return a line with the changes that were refused because a newer configuration is in use, and with the remedy."""
    shown = ", ".join(report.refused[:5]) + (f" and {len(report.refused) - 5} more" if len(report.refused) > 5 else "")
    return (
        f"{config.path}: is older than the feed list in force, which was written at "
        f"{report.newer_at:%Y-%m-%d %H:%M:%SZ}; refused: {shown}; bring the newer file here, or `touch` this one"
    )


def written_at(config: Config) -> datetime:
    """Return when the configuration file or `feeds.toml` beside it was last edited; 1970 if neither exists."""
    files = [path for path in (config.path, config.path.with_name(FEEDS_FILE)) if path.exists()]
    stamps = [path.stat().st_mtime for path in files]
    return datetime.fromtimestamp(max(stamps, default=0), UTC)
