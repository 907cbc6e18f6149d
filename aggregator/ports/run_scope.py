"""The work that one `run-once` may take. The threads of the run share it, so it is mutable and has a lock."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from datetime import timedelta

from aggregator.models.ids import FeedId, HostId, PageId


class RunScope:
    """The hosts, feeds and pages on which one `run-once` works. The run's polls add the new pages that they find.

    `deferred` pages are left to a later run; the content of their entries may be extracted in this run. `waited` has
    the time of slow requests by host, `hops` the time of redirects by address. `is_forced` True: feeds are polled even
    in hours that they exclude (skipHours, skipDays). `additions` counts the calls of `add`.
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
        """Add a host to the run, and a page that is due there."""
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
        """Add `span`, the time that a slow request to a host took, to the host's `waited`."""
        with self._lock:
            self.waited[host] = self.waited.get(host, timedelta(0)) + span

    def drop_host(self, host: HostId, seen: int | None = None) -> None:
        """Remove a host from the run.

        `seen` is the value of `additions` when the caller looked for work there. If work was added since, the host
        stays. None: the host is removed in any case.
        """
        with self._lock:
            if seen is None or seen == self.additions:
                self.hosts.discard(host)
