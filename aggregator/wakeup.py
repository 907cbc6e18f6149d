"""An event that a signal handler may set. It waits on a pipe, not on a lock.

A handler runs in the main thread between two instructions. If the main thread holds the lock of a `threading.Event` at
that moment, `set` waits for it forever. A pipe has no lock. A change of the wall clock does not lengthen a wait on it.
"""

from __future__ import annotations

import os
import select
import weakref
from contextlib import suppress
from math import ceil


class PipeEvent:
    """An event with the interface of `threading.Event`. Threads and signal handlers may use it."""

    def __init__(self) -> None:
        self._reading_end, self._writing_end = os.pipe()
        for end in (self._reading_end, self._writing_end):
            os.set_blocking(end, False)
            weakref.finalize(self, os.close, end).atexit = False  # a thread may still wait when the process ends

    def set(self) -> None:
        """End every wait, now and until `clear`; safe in a signal handler."""
        with suppress(BlockingIOError):  # the pipe is full, so the event is set
            os.write(self._writing_end, b"!")

    def clear(self) -> None:
        """Reset the event, so that the next `wait` blocks again."""
        with suppress(BlockingIOError):
            while os.read(self._reading_end, 4096):
                pass

    def is_set(self) -> bool:
        """Return whether the event is set."""
        return self.wait(0)

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until the event is set or `timeout` seconds have passed; return whether it is set."""
        poller = select.poll()
        poller.register(self._reading_end, select.POLLIN)
        return bool(poller.poll(None if timeout is None else ceil(max(timeout, 0.0) * 1000)))
