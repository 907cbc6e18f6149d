"""Runs tasks on foreign bytes in worker processes (Pebble).

A task that hangs, crashes or needs over a gigabyte fails alone. In the standard library's pool, the crash of one
worker fails all running tasks.
"""

from __future__ import annotations

import gc
import logging
import os
import resource
import signal
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError, Future
from concurrent.futures import TimeoutError as FutureTimeoutError
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager, suppress
from datetime import timedelta
from multiprocessing import forkserver, get_context, resource_tracker
from typing import Any, ParamSpec, TypeVar

from pebble import ProcessExpired, ProcessPool

from aggregator.engine.memory import collect_seldom
from aggregator.models.fetching import Cause
from aggregator.models.pages import PageFailed

logger = logging.getLogger(__name__)

P = ParamSpec("P")
T = TypeVar("T")

_TASKS_PER_WORKER = 5_000  # then the worker is replaced, in case a native parser leaks
_ADDRESS_SPACE = 2 * 2**30  # bytes; the libraries alone map 0.6 GiB
_NICENESS = 5  # 19 is the lowest priority; with 5 a worker gets a third of a core that the parent needs, too
# all that a worker needs; otherwise each worker loads it again
_PRELOADED = ["aggregator.engine.feed_readers", "aggregator.extraction.extract"]


class WorkerPool:
    """A pool of worker processes. The workers start with the first task, or by `warm_up`."""

    def __init__(self, workers: int, timeout: timedelta) -> None:
        self.workers = workers
        self.timeout = timeout
        self._pool: ProcessPool | None = None
        self._first: Future[None] | None = None
        self._unfinished: set[Future[Any]] = set()  # Any: of any task
        self._lock = threading.Lock()

    def submit(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Run `function` in a worker, as `submit_within` does, with the pool's time limit."""
        return self.submit_within(self.timeout, function, *args, **kwargs)

    def submit_within(
        self, timeout: timedelta, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs
    ) -> Future[T]:
        """Run `function` in a worker. If it takes longer than `timeout`, its worker is killed and the future fails."""
        self.mend()
        with self._lock:
            return self._submit(timeout, function, *args, **kwargs)

    def _submit(self, timeout: timedelta, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        future: Future[T] = self._started().schedule(
            function, args=args, kwargs=kwargs, timeout=timeout.total_seconds()
        )
        self._unfinished.add(future)
        future.add_done_callback(self._unfinished.discard)
        return future

    @property
    def is_warm(self) -> bool:
        """Whether the workers have started, so that one can begin at once. The start takes a second or two."""
        return self._first is not None and self._first.done()

    @property
    def unfinished(self) -> int:
        """The number of submitted tasks that have not finished."""
        return len(self._unfinished)

    def warm_up(self, then: Callable[[], object]) -> None:
        """Start the workers, and call `then` in another thread when the first of them can begin a task.

        If they were started before, `then` is not called.
        """
        self.mend()
        with self._lock:
            if self._first is not None:
                return
            self._first = self._submit(self.timeout, _nothing)
        self._first.add_done_callback(lambda _: then())

    def close(self) -> None:
        """Stop the workers at once and cancel all tasks. A later task starts new workers."""
        with self._lock:
            self._end()

    def mend(self) -> None:
        """If Pebble has stopped the pool after an error, cancel all tasks. The next task starts new workers.

        Without this, tasks submitted while the pool stopped would never finish.
        """
        with self._lock:
            if self._pool is not None and not self._pool.active:
                logger.warning("worker processes ended; new ones are started")
                self._end()

    def _started(self) -> ProcessPool:
        """Return the running pool; start it if there is none."""
        if self._pool is None:
            context = get_context("forkserver")
            context.set_forkserver_preload(_PRELOADED)
            _start_fork_server()
            self._pool = ProcessPool(
                max_workers=self.workers, max_tasks=_TASKS_PER_WORKER, initializer=_limit_worker, context=context
            )
        return self._pool

    def _end(self) -> None:
        if self._pool is None:
            return
        for future in tuple(self._unfinished):
            future.cancel()  # first, since the end of its worker would count as a crash
        self._pool.stop()  # type: ignore[no-untyped-call] # Pebble has no types here
        self._pool.join(timeout=5)
        self._pool = self._first = None


def _start_fork_server() -> None:
    """Start the process from which the workers are forked. SIGINT is blocked in it and in the workers.

    Ctrl-C sends SIGINT to the whole process group. A process that is still loading modules would print a traceback.
    """
    resource_tracker.ensure_running()  # it unblocks SIGINT in this thread: so it comes first
    with interrupts_blocked():
        forkserver.ensure_running()


@contextmanager
def interrupts_blocked() -> Iterator[None]:
    """Return a context manager that blocks SIGINT in this thread.

    A process that is started meanwhile has SIGINT blocked from its first moment on.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _nothing() -> None:
    """Do nothing. This is the first task: when it ends, the workers have started."""


def _lower_priority(nice: Callable[[int], int] = os.nice) -> None:
    """Lower the priority of this process, unless the system forbids it."""
    with suppress(OSError):
        nice(_NICENESS)


def _limit_worker() -> None:
    """Prepare a worker: limit its memory, ignore SIGINT, lower its priority below that of the visits' threads.

    The garbage collector runs seldom, and never looks at the modules that the fork server has loaded.
    """
    gc.freeze()
    collect_seldom()
    _lower_priority()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    limit = _ADDRESS_SPACE if hard == resource.RLIM_INFINITY else min(_ADDRESS_SPACE, hard)
    resource.setrlimit(resource.RLIMIT_AS, (limit, hard))


def result_of(future: Future[T]) -> T | PageFailed | None:
    """Wait for a task; return its result or its failure. None: it was cancelled, or the pool stopped."""
    try:
        error = future.exception()
    except CancelledError as cancelled:
        error = cancelled
    return future.result() if error is None else failure_of(error)


def failure_of(error: BaseException) -> PageFailed | None:
    """Return the failure of a task that ended with `error`. None: it was cancelled, or the pool stopped."""
    match error:
        case CancelledError() | BrokenProcessPool():
            return None
        case FutureTimeoutError():
            return PageFailed(cause=Cause.EXTRACTION_TIMEOUT, detail="took longer than [extraction] timeout")
        case ProcessExpired():
            return PageFailed(cause=Cause.EXTRACTION_CRASHED, detail=f"the worker ended with {error.exitcode}")
        case MemoryError():
            return PageFailed(cause=Cause.EXTRACTION_MEMORY, detail="needed more memory than a worker has")
        case _:
            return PageFailed(cause=Cause.EXTRACTION_FAILED, detail=f"{type(error).__name__}: {error}")
