"""The engine of many machines. Due hosts become jobs in PostgreSQL, and each machine visits the hosts of its jobs."""

from __future__ import annotations

import logging
import threading
from contextlib import suppress
from datetime import timedelta

from aggregator.engine.jobs import JobQueue, JobWorker
from aggregator.engine.visit_runner import VisitRunner
from aggregator.errors import StorageError
from aggregator.models.ids import HostId
from aggregator.store import SqlStore

logger = logging.getLogger(__name__)

_LENGTH = timedelta(seconds=30)  # the length of a visit: a job costs more than a claim
_PATIENCE = 2.0  # seconds to wait for the queue at the end


class FleetEngine:
    """One process of a fleet: it adds jobs to the queue, and runs jobs from the queue in the database at `uri`."""

    def __init__(self, visits: VisitRunner, store: SqlStore, uri: str) -> None:
        self.visits = visits
        self._store = store
        self._uri = uri
        self._queue = JobQueue()
        self._worker: JobWorker | None = None
        self._thread: threading.Thread | None = None
        self._filling = threading.Lock()
        self._visits_since_fill = 0  # visits since this member last filled the queue
        self._fleet = visits.workers
        store.set_up_queue(self._queue)

    @property
    def share(self) -> float:
        """The part of all polls that this process makes: its threads divided by the threads of the fleet."""
        return self.visits.workers / max(self._fleet, self.visits.workers)

    def fill(self) -> int:
        """Queue visits to due hosts, and start to take jobs. Return how many visits were queued."""
        if self.visits.stopping:
            return 0
        queued = self._fill_queue()
        self._start_worker()
        return queued

    def rest(self) -> None:
        """Take no job until the next `fill`."""
        if self._worker is not None:
            self._worker.end()

    def stop(self) -> None:
        """End visits within a few seconds, and give back the claims that are still held.

        Queued jobs stay for other processes.
        """
        self.visits.request_stop()
        self.rest()
        self.visits.stop()
        if self._thread is not None:
            self._thread.join(_PATIENCE)
        with suppress(StorageError):  # then the fleet drops this member after a minute
            self._store.leave_fleet()

    # --- the queue ---------------------------------------------------------------------------------------------------

    def _fill_queue(self) -> int:
        if not self._filling.acquire(blocking=False):
            return 0
        try:
            visits = self.visits
            self._visits_since_fill = 0
            with_pages = visits.update_backpressure()
            filled = self._store.fill_queue(
                self._queue, visits.workers, visits.context.policy.lease, pages_too=with_pages
            )
            self._fleet = filled.fleet
            return filled.queued
        finally:
            self._filling.release()

    # --- visits ------------------------------------------------------------------------------------------------------

    def _start_worker(self) -> None:
        """Start a `JobWorker` with `VisitRunner.workers` threads, unless one runs.

        If the number of threads has changed, end the running worker; a later call starts the next one.
        """
        if self._thread is not None and self._thread.is_alive():
            if self._worker is not None and self._worker.threads != self.visits.workers:
                self._worker.end()
            return
        self._worker = JobWorker(self._uri, self.visits.workers, self._run_job)
        self._thread = threading.Thread(target=self._work, args=(self._worker,), name="worker", daemon=True)
        self._thread.start()

    def _work(self, worker: JobWorker) -> None:
        try:
            worker.run()
        except (StorageError, OSError) as error:
            self.visits.fail(error)

    def _run_job(self, host_id: HostId, token: int) -> None:
        """Visit the host of a job. Do nothing if `token` is no longer that of the current claim."""
        visits = self.visits
        try:
            claim = self._store.resume(host_id, token, visits.context.policy.lease)
            if claim is None:
                logger.debug("the claim of a job is stale", extra={"host_id": host_id, "token": token})
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
            self._visits_since_fill += 1
            if self._visits_since_fill > visits.workers / 2 and not visits.stopping:
                self._fill_queue()  # short visits empty the queue between two ticks
        except StorageError as error:
            visits.fail(error)
