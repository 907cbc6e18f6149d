"""A pool that works in this process, at once, for tests whose subject is neither processes nor their limits."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from datetime import timedelta
from typing import Any


class PoolHere:
    """Has the methods of `WorkerPool`; a task is done when `submit` returns."""

    workers = 1
    timeout = timedelta(seconds=20)
    is_warm = True
    unfinished = 0

    def submit(self, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Future[Any]:
        return self.submit_within(self.timeout, function, *args, **kwargs)

    def submit_within(self, timeout: timedelta, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Future[Any]:
        done: Future[Any] = Future()
        try:
            done.set_result(function(*args, **kwargs))
        except Exception as error:  # noqa: BLE001 - what a worker would hand back
            done.set_exception(error)
        return done

    def warm_up(self, then: Callable[[], object]) -> None:
        """Be warm."""

    def mend(self) -> None:
        """Nothing breaks."""

    def close(self) -> None:
        """Nothing is left to end."""


_KNOWN: dict[str, Future[Any]] = {}


class RememberingPool(PoolHere):
    """Does a task once in the whole process: tasks are pure functions, and hundreds of tests extract the same pages."""

    def submit_within(self, timeout: timedelta, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Future[Any]:
        task = repr((function, args, kwargs))  # of records: all that is in them
        if task not in _KNOWN:
            _KNOWN[task] = super().submit_within(timeout, function, *args, **kwargs)
        return _KNOWN[task]
