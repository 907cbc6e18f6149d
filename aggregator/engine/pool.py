"""Worker processes (Pebble) for foreign bytes. A task that hangs, crashes or needs a gigabyte costs only itself.

If one worker crashes, the pool of the standard library loses all running tasks. Pebble's pool loses only the worker's
own task.
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
    """A Pebble pool that starts with its first task."""

    def __init__(self, workers: int, timeout: timedelta) -> None:
        self.workers = workers
        self.timeout = timeout
        self._pool: ProcessPool | None = None
        self._first: Future[None] | None = None
        self._unfinished: set[Future[Any]] = set()  # Any: of any task
        self._lock = threading.Lock()

    def submit(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Run `function` in a worker. The future fails when it takes longer than the pool's time limit."""
        return self.submit_within(self.timeout, function, *args, **kwargs)

    def submit_within(
        self, timeout: timedelta, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs
    ) -> Future[T]:
        """Run `function` in a worker under a time limit of its own."""
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
        """Whether a worker can begin at once. The first workers take a second or two to start."""
        return self._first is not None and self._first.done()

    @property
    def unfinished(self) -> int:
        """How many tasks are unfinished."""
        return len(self._unfinished)

    def warm_up(self, then: Callable[[], object]) -> None:
        """Start the workers. When one can begin, `then` is called in another thread. A second call does nothing."""
        self.mend()
        with self._lock:
            if self._first is not None:
                return
            self._first = self._submit(self.timeout, _nothing)
        self._first.add_done_callback(lambda _: then())

    def close(self) -> None:
        """End the workers at once and cancel their tasks."""
        with self._lock:
            self._end()

    def mend(self) -> None:
        """Cancel the tasks of a broken pool, since Pebble never runs a task that was submitted while the pool broke."""
        with self._lock:
            if self._pool is not None and not self._pool.active:
                logger.warning("worker processes ended; new ones are started")
                self._end()

    def _started(self) -> ProcessPool:
        """Return the pool, or a new one if there is none."""
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
    """Start the process that workers are forked from. SIGINT is blocked in this process and in the workers.

    Ctrl-C goes to the whole process group. A process that is still loading modules would print a traceback.
    """
    resource_tracker.ensure_running()  # it unblocks SIGINT in this thread: so it comes first
    with interrupts_blocked():
        forkserver.ensure_running()


@contextmanager
def interrupts_blocked() -> Iterator[None]:
    """Block SIGINT in this thread, so that a process started meanwhile has it blocked from the first moment on."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _nothing() -> None:
    """Do nothing, as the first task."""


def _lower_priority(nice: Callable[[int], int] = os.nice) -> None:
    """Lower the priority of this process; a filter of system calls may forbid it."""
    with suppress(OSError):
        nice(_NICENESS)


def _limit_worker() -> None:
    """Limit the worker's memory, ignore SIGINT and lower its priority. The parent's threads are more urgent.

    The garbage collector leaves the modules that the fork server has loaded alone, and runs seldom.
    """
    gc.freeze()
    collect_seldom()
    _lower_priority()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    limit = _ADDRESS_SPACE if hard == resource.RLIM_INFINITY else min(_ADDRESS_SPACE, hard)
    resource.setrlimit(resource.RLIMIT_AS, (limit, hard))


def result_of(future: Future[T]) -> T | PageFailed | None:
    """Wait for a task and return its result; None: the task was cancelled, so its outcome is unknown."""
    try:
        error = future.exception()
    except CancelledError as cancelled:
        error = cancelled
    return future.result() if error is None else failure_of(error)


def failure_of(error: BaseException) -> PageFailed | None:
    """Return the cause for a page whose future failed; None: the task was cancelled, so its outcome is unknown."""
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
