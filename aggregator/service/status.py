"""Writes the `DaemonRecord` of this process to the store, for page, probes and metrics."""

from __future__ import annotations

import logging
import os
import socket
import threading
import time
import uuid
from collections import deque
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Final

from aggregator.engine.visit_runner import VisitRunner
from aggregator.errors import StorageError
from aggregator.monitoring.daemon_record import DaemonRecord, forget_records, write_record
from aggregator.monitoring.metrics import Metrics
from aggregator.ports.store import Store

logger = logging.getLogger(__name__)

_SHOWN: Final = 50  # hosts being visited
_WINDOW: Final = 300.0  # requests of so many seconds are checked for an outage of our network
_FEWEST: Final = 5  # with fewer requests no outage is reported
_SHARE: Final = 0.9
_UNREACHABLE: Final = ("cause_dns", "cause_connect", "cause_timeout")


class DaemonStatus:
    """Writes and removes the `DaemonRecord` of this process."""

    def __init__(self, store: Store, metrics: Metrics) -> None:
        self._store = store
        self._metrics = metrics
        self.name = f"{socket.gethostname()}:{os.getpid()}:{uuid.uuid4().hex[:8]}"
        self._started_at = store.now()
        self._outages = OutageWatch()
        self._cpu = CpuShare(time.monotonic, time.process_time)
        self._lock = threading.Lock()  # a job of another thread may write while `end` removes
        self._has_ended = False

    def write(
        self, visits: VisitRunner, *, ticked_at: float, paused: str, page_fault: str = "", config_fault: str = ""
    ) -> None:
        """Save the present state of the daemon. `ticked_at` is the last tick, in seconds of the monotonic clock.

        After `end`, nothing is written. If the store cannot be written, this is only logged.
        """
        monotonic, totals = time.monotonic(), visits.totals
        hosts = visits.hosts
        try:
            now = self._store.now()
            record = DaemonRecord(
                at=now,
                started_at=self._started_at,
                ticked_at=now - timedelta(seconds=monotonic - ticked_at),
                paused=paused,
                is_offline=self._outages.is_offline(monotonic, totals),
                visiting=len(hosts),
                hosts=hosts[:_SHOWN],
                requests=totals["requests"],
                cores=self._cpu.lately(),
                page_fault=page_fault,
                config_fault=config_fault,
                metrics=self._metrics.render().decode(),
            )
            with self._lock:
                if not self._has_ended:
                    write_record(self._store, self.name, record)
        except StorageError as error:
            logger.debug("status not written", extra={"reason": str(error)})

    def begin(self) -> None:
        """Remove old records of daemons: those that are unreadable, or were last written over an hour ago."""
        self._forget("")

    def end(self) -> None:
        """Remove the status record of this process, which is about to end, and the old records that `begin` removes."""
        with self._lock:
            self._has_ended = True
            self._forget(self.name)

    def _forget(self, name: str) -> None:
        try:
            forget_records(self._store, self._store.now(), name)
        except StorageError as error:
            logger.debug("status not removed", extra={"reason": str(error)})


class CpuShare:
    """Measures how much CPU this process uses between two calls of `lately`."""

    def __init__(self, monotonic: Callable[[], float], cpu: Callable[[], float]) -> None:
        self._monotonic, self._cpu = monotonic, cpu
        self._at, self._used = monotonic(), cpu()

    def lately(self) -> float:
        """Return how many cores the process used on average since the last call."""
        at, used = self._monotonic(), self._cpu()
        seconds, taken = at - self._at, used - self._used
        self._at, self._used = at, used
        return taken / seconds if seconds > 0 else 0.0


class OutageWatch:
    """Recognises an outage of our own network by the share of requests that reach no host."""

    def __init__(self) -> None:
        self._seen: deque[tuple[float, int, int]] = deque()

    def is_offline(self, monotonic: float, totals: Mapping[str, int]) -> bool:
        """Return whether nine in ten requests of the last five minutes, and at least five, reached no host.

        Such a request failed with the cause dns, connect or timeout. `totals` are the engine's counters now.
        """
        unreachable = sum(totals.get(cause, 0) for cause in _UNREACHABLE)
        self._seen.append((monotonic, totals.get("requests", 0), unreachable))
        while len(self._seen) > 2 and self._seen[1][0] < monotonic - _WINDOW:
            self._seen.popleft()
        (_, requests_before, failed_before), (_, requests, failed) = self._seen[0], self._seen[-1]
        failures = failed - failed_before
        return failures >= _FEWEST and failures >= _SHARE * (requests - requests_before)
