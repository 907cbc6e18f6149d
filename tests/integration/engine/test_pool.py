"""Worker processes: what one task does costs that task only."""

from __future__ import annotations

import errno
import os
import queue
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import CancelledError, ThreadPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from datetime import timedelta

import pytest

from aggregator.engine.pool import _PRELOADED, WorkerPool, _limit_worker, _lower_priority, failure_of, result_of
from aggregator.extraction.extract import extract_page
from aggregator.extraction.pipeline import run_jobs
from aggregator.feeds.sightings import read_feed
from aggregator.models.fetching import Cause
from aggregator.models.pages import PageFailed
from tests.support import tasks


@pytest.fixture
def pool() -> Iterator[WorkerPool]:
    pool = WorkerPool(2, timedelta(seconds=2))
    yield pool
    pool.close()


def test_a_hang_a_crash_and_a_glutton_cost_themselves_only(pool: WorkerPool) -> None:
    numbers = range(22)
    futures = [pool.submit(tasks.double, number) for number in numbers[:11]]
    bad = {
        Cause.EXTRACTION_TIMEOUT: pool.submit(tasks.hang),
        Cause.EXTRACTION_CRASHED: pool.submit(tasks.crash),
        Cause.EXTRACTION_MEMORY: pool.submit(tasks.devour),
        Cause.EXTRACTION_FAILED: pool.submit(tasks.fail),
    }
    futures += [pool.submit(tasks.double, number) for number in numbers[11:]]
    assert [future.result(30) for future in futures] == [2 * number for number in numbers]
    for cause, future in bad.items():
        error = future.exception(30)
        assert error is not None
        failed = failure_of(error)
        assert failed is not None
        assert failed.cause is cause
    assert pool.submit(tasks.double, 21).result(30) == 42, "the pool lives"


def test_a_task_may_have_a_limit_of_its_own(pool: WorkerPool) -> None:
    error = pool.submit_within(timedelta(milliseconds=100), tasks.hang).exception(30)
    assert error is not None
    failed = failure_of(error)
    assert failed is not None
    assert failed.cause is Cause.EXTRACTION_TIMEOUT


def test_what_was_cancelled_was_not_tried() -> None:
    assert failure_of(CancelledError()) is None
    assert failure_of(BrokenProcessPool()) is None


def test_an_idle_worker_that_is_killed_is_replaced(pool: WorkerPool) -> None:
    idle = pool.submit(os.getpid).result(30)
    os.kill(idle, signal.SIGKILL)
    workers = set()
    for _ in range(40):  # Pebble looks ten times a second, and then gives the pool up
        future = pool.submit(os.getpid)
        while not wait([future], 1).done:  # it came while the pool broke
            pool.mend()
        outcome = result_of(future)
        assert not isinstance(outcome, PageFailed), "nothing is held against what was in hand"
        workers.add(outcome)
        time.sleep(0.02)
    assert pool.submit(tasks.double, 21).result(30) == 42
    assert idle not in workers
    assert len(workers - {None}) >= 2


def test_what_waits_when_the_pool_ends_is_told(pool: WorkerPool) -> None:
    hanging = [pool.submit(tasks.hang) for _ in range(10)]
    pool.close()
    assert [result_of(future) for future in hanging] == [None] * 10


def test_workers_start_when_they_are_wanted_and_end_when_the_pool_does(pool: WorkerPool) -> None:
    assert not pool.is_warm
    warm = queue.SimpleQueue[int]()
    with ThreadPoolExecutor(8) as many:  # the threads of visits ask for it all at once
        list(many.map(pool.warm_up, [lambda: warm.put(1)] * 8))
    assert pool.unfinished <= 1
    warm.get(timeout=30)
    assert pool.is_warm
    pool.close()
    assert not pool.is_warm
    assert pool.submit(tasks.double, 2).result(30) == 4, "a closed pool starts anew"


def test_all_that_a_worker_needs_is_loaded_before_it_is_there() -> None:
    """Each worker would load it anew: a second of a core for each, at every start."""
    code = "import sys; [__import__(name) for name in sys.argv[1:]]; print(*sys.modules)"
    loaded = subprocess.run(
        [sys.executable, "-c", code, *_PRELOADED], capture_output=True, text=True, check=True
    ).stdout
    wanted = {function.__module__ for function in (_limit_worker, read_feed, run_jobs, extract_page)} | {"pebble"}
    assert wanted <= set(loaded.split())


def test_a_worker_that_may_not_lower_its_priority_works() -> None:
    """A filter of system calls forbids it with EPERM."""
    asked: list[int] = []

    def refuse(by: int) -> int:
        asked.append(by)
        raise PermissionError(errno.EPERM, "Operation not permitted")

    _lower_priority(refuse)
    assert len(asked) == 1
