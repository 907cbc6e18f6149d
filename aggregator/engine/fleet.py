"""The engine of many machines: due hosts become jobs on PostgreSQL, each worker visits those that it takes."""

from __future__ import annotations

import logging
import threading
from contextlib import suppress
from datetime import timedelta
from typing import Protocol

from aggregator.engine.jobs import Carrier, JobQueue
from aggregator.engine.visit_runner import VisitRunner
from aggregator.errors import StorageError
from aggregator.models.records import HostId
from aggregator.ports.store_records import Claim
from aggregator.store.queue.fleet import Filled, VisitQueue

logger = logging.getLogger(__name__)

_LENGTH = timedelta(seconds=30)  # of a visit: a job costs more than a claim
_PATIENCE = 2.0  # seconds for the last words to the queue, at the end


class FleetStore(Protocol):
    """What the queue is filled from, beside what visits ask of a store."""

    def set_up_queue(self, queue: VisitQueue, *, migrate: bool = False) -> None:
        """Make the queue's own tables where there are none; `migrate`: bring older ones up."""
        ...

    def fill_queue(self, queue: VisitQueue, threads: int, lease: timedelta, *, pages: bool = True) -> Filled:
        """Claim due hosts and queue their visits in one transaction; `threads` is what we add to the fleet."""
        ...

    def leave_fleet(self) -> None:
        """Be no member of the fleet any more."""
        ...

    def resume(self, host_id: HostId, token: int, lease: timedelta) -> Claim | None:
        """Go on under a claim that another process made; None: it is not the current one."""
        ...


class FleetEngine:
    """One member of a fleet. Every member fills the queue, one at a time; `uri` names the database."""

    def __init__(self, visits: VisitRunner, store: FleetStore, uri: str) -> None:
        self.visits = visits
        self._store = store
        self._uri = uri
        self._queue = JobQueue()
        self._carrier: Carrier | None = None
        self._thread: threading.Thread | None = None
        self._filling = threading.Lock()
        self._begun = 0  # visits since we last filled the queue
        self._fleet = visits.workers
        store.set_up_queue(self._queue)

    @property
    def share(self) -> float:
        """Which part of all polls are ours: as our threads are to those of the fleet."""
        return self.visits.workers / max(self._fleet, self.visits.workers)

    def fill(self) -> int:
        """Queue visits to due hosts, unless another member does; see to it that we take some."""
        if self.visits.stopping:
            return 0
        queued = self._fill_queue()
        self._carry()
        return queued

    def rest(self) -> None:
        """Take no job until the next `fill`."""
        if self._carrier is not None:
            self._carrier.end()

    def stop(self) -> None:
        """End visits within a few seconds; what is still in hand then is given back. Jobs that wait are others'."""
        self.visits.request_stop()
        self.rest()
        self.visits.stop()
        if self._thread is not None:
            self._thread.join(_PATIENCE)
        with suppress(StorageError):  # then we are forgotten in a minute
            self._store.leave_fleet()

    # --- the queue ---------------------------------------------------------------------------------------------------

    def _fill_queue(self) -> int:
        if not self._filling.acquire(blocking=False):
            return 0
        try:
            visits = self.visits
            self._begun = 0
            with_pages = visits.update_backpressure()
            filled = self._store.fill_queue(self._queue, visits.workers, visits.context.policy.lease, pages=with_pages)
            self._fleet = filled.fleet
            return filled.queued
        finally:
            self._filling.release()

    # --- visits ------------------------------------------------------------------------------------------------------

    def _carry(self) -> None:
        """Take jobs, in as many threads as the settings say now."""
        if self._thread is not None and self._thread.is_alive():
            if self._carrier is not None and self._carrier.threads != self.visits.workers:
                self._carrier.end()
            return
        self._carrier = Carrier(self._uri, self.visits.workers, self._hold)
        self._thread = threading.Thread(target=self._work, args=(self._carrier,), name="carrier", daemon=True)
        self._thread.start()

    def _work(self, carrier: Carrier) -> None:
        try:
            carrier.run()
        except (StorageError, OSError) as error:
            self.visits.fail(error)

    def _hold(self, host_id: HostId, token: int) -> None:
        """Do one job: visit the host, if the claim that was queued still holds."""
        visits = self.visits
        try:
            claim = self._store.resume(host_id, token, visits.context.policy.lease)
            if claim is None:
                logger.debug("the job came too late", extra={"host_id": host_id, "token": token})
                return
            visits.start(claim)
            try:
                visits.run_visit(
                    claim,
                    max_pages=visits.max_pages,
                    others_due=lambda: visits.running >= visits.workers,
                    with_pages=visits.with_pages,
                    length=_LENGTH,
                )
            finally:
                visits.finish(claim)
            self._begun += 1
            if self._begun > visits.workers / 2 and not visits.stopping:
                self._fill_queue()  # short visits empty the queue between two ticks
        except StorageError as error:
            visits.fail(error)
