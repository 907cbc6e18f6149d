"""Work of many threads, done by one of them at a time and many at once. Knows no database."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

W = TypeVar("W")

_MOST = 64  # pieces of work in one go


class Piece(Generic[W]):
    """One thread's work and what became of it: a result or an error."""

    def __init__(self, work: W) -> None:
        self.work = work
        self.result: object = None
        self.error: BaseException | None = None
        self.is_done = False
        self._asleep = threading.Lock()  # held while nobody has woken it; a third of the cost of an Event
        self._asleep.acquire()

    def wait(self) -> None:
        """Wait until it is done, or until its own thread has to do what waits."""
        self._asleep.acquire()

    def wake(self) -> None:
        """Let its thread go on; once for each wait at most."""
        self._asleep.release()


class Group(Generic[W]):
    """Lets one thread at a time do what all of them want; the next one takes over after each go.

    With one writer behind a lock every transaction of 32 threads pays for its own BEGIN, COMMIT and change of thread;
    together they pay once (measured on unchanged polls: docs/performance.md).
    """

    def __init__(self, perform: Callable[[Sequence[Piece[W]]], None]) -> None:
        self._perform = perform
        self._gate = threading.Lock()
        self._waiting: deque[Piece[W]] = deque()
        self._busy = False

    @property
    def waiting(self) -> int:
        """How many pieces nobody has taken up yet."""
        return len(self._waiting)

    def run(self, work: W) -> object:
        """Return what `work` gives, once somebody has done it; raise what it raised."""
        piece = Piece(work)
        with self._gate:
            self._waiting.append(piece)
            leads = not self._busy
            self._busy = True
        if not leads:
            piece.wait()
        if not piece.is_done:
            self._lead()
        if piece.error is not None:
            raise piece.error
        return piece.result

    def _lead(self) -> None:
        """Do what waits, this thread's piece among it, and hand over."""
        with self._gate:
            batch = [self._waiting.popleft() for _ in range(min(len(self._waiting), _MOST))]
        try:
            self._perform(batch)
        except BaseException as error:  # noqa: BLE001 - raised again in every thread that waits for it
            for piece in batch:
                piece.error = piece.error or error
        finally:
            with self._gate:
                heir = self._waiting[0] if self._waiting else None
                self._busy = heir is not None
            for piece in batch:
                piece.is_done = True
                piece.wake()
            if heir is not None:
                heir.wake()
