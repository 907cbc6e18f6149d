"""The work that one `run-once` may take. The threads of the run share it, so it is mutable and has a lock."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from datetime import timedelta

from aggregator.models.ids import FeedId, HostId, PageId


class RunScope:
    """Hosts, feeds and pages of one `run-once`. The run's own polls add to it.

    A later run fetches the `deferred` pages. The content of their entries may be extracted in this run. `waited` is the
    time that slow requests took, by host. `hops` is the time that redirects took, by address. `is_forced` True: feeds
    are polled even in hours in which they ask for no polls.
    """

    def __init__(
        self, hosts: Iterable[HostId] = (), feeds: Iterable[FeedId] = (), pages: Iterable[PageId] = ()
    ) -> None:
        self.hosts = set(hosts)
        self.feeds = set(feeds)
        self.pages = set(pages)
        self.deferred: set[PageId] = set()
        self.waited: dict[HostId, timedelta] = {}
        self.hops: dict[str, timedelta] = {}
        self.is_forced = False
        self.additions = 0
        self._lock = threading.Lock()

    def add(self, host: HostId, page: PageId | None = None) -> None:
        """Add a host, and a page that is due there."""
        with self._lock:
            self.hosts.add(host)
            if page is not None:
                self.pages.add(page)
            self.additions += 1

    def defer_page(self, page: PageId) -> None:
        """Leave a page to a later run. The content of its entry may still be extracted in this run."""
        with self._lock:
            self.pages.discard(page)
            self.deferred.add(page)

    def add_wait(self, host: HostId, span: timedelta) -> None:
        """Count the time that a slow request to a host took."""
        with self._lock:
            self.waited[host] = self.waited.get(host, timedelta(0)) + span

    def drop_host(self, host: HostId, seen: int | None = None) -> None:
        """Leave a host out from now on.

        If `additions` is above `seen`, work was added meanwhile, and the host stays.
        """
        with self._lock:
            if seen is None or seen == self.additions:
                self.hosts.discard(host)
