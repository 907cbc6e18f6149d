"""Group commit: the writes of many threads share one transaction. Knows no database."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

W = TypeVar("W")

_LARGEST_GROUP = 64


class Pending(Generic[W]):
    """One thread's write and its outcome: a result or an error."""

    def __init__(self, work: W) -> None:
        self.work = work
        self.result: object = None
        self.error: BaseException | None = None
        self.is_done = False
        self.wakeup = threading.Event()  # set when the write is done, or when its own thread has to lead the next group


class GroupCommit(Generic[W]):
    """Lets one thread at a time, the leader, run the writes of all waiting threads.

    Alone, each of 32 writes needs a BEGIN, a COMMIT and a change of thread. As a group, all 32 share one of each
    (measured on unchanged polls: docs/performance.md).
    """

    def __init__(self, perform: Callable[[Sequence[Pending[W]]], None]) -> None:
        self._perform = perform
        self._lock = threading.Lock()
        self._waiting: deque[Pending[W]] = deque()
        self._has_leader = False

    @property
    def waiting(self) -> int:
        """The number of writes that no leader has taken yet."""
        return len(self._waiting)

    def run(self, work: W) -> object:
        """Let one thread run `work` with the writes of other threads; return its result, or raise its error."""
        pending = Pending(work)
        with self._lock:
            self._waiting.append(pending)
            leads = not self._has_leader
            self._has_leader = True
        if not leads:
            pending.wakeup.wait()
        if not pending.is_done:
            self._lead()
        if pending.error is not None:
            raise pending.error
        return pending.result

    def _lead(self) -> None:
        """Run up to `_LARGEST_GROUP` waiting writes, this thread's own first, and make the next thread the leader."""
        with self._lock:
            group = [self._waiting.popleft() for _ in range(min(len(self._waiting), _LARGEST_GROUP))]
        try:
            self._perform(group)
        except BaseException as error:  # noqa: BLE001 - raised again in every thread of the group
            for pending in group:
                pending.error = pending.error or error
        finally:
            with self._lock:
                successor = self._waiting[0] if self._waiting else None
                self._has_leader = successor is not None
            for pending in group:
                pending.is_done = True
                pending.wakeup.set()
            if successor is not None:
                successor.wakeup.set()
