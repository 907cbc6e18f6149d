"""A wait that another thread, or a signal handler, ends.

It waits for a pipe, not for a lock: where the clocks are moved (libfaketime, as in tests that live some hours later),
glibc takes the moved end of a timed lock for a real one, and a gap of one second lasts as long as the clock was moved.
"""

from __future__ import annotations

import os
import select
import weakref
from contextlib import suppress
from math import ceil


class Bell:
    """Rung, it stays so until it is silenced: whoever waits, or waits later, goes on at once. For any thread."""

    def __init__(self) -> None:
        self._ear, self._cord = os.pipe()
        for end in (self._ear, self._cord):
            os.set_blocking(end, False)
            weakref.finalize(self, os.close, end).atexit = False  # a thread may still wait when the process ends

    def ring(self) -> None:
        """End every wait; safe in a signal handler."""
        with suppress(BlockingIOError):  # rung so often already that nothing more fits in
            os.write(self._cord, b"!")

    def silence(self) -> None:
        """Let the next wait last again."""
        with suppress(BlockingIOError):
            while os.read(self._ear, 4096):
                pass

    def wait(self, seconds: float) -> bool:
        """Wait until it rings or `seconds` have passed; True: it has rung."""
        poller = select.poll()
        poller.register(self._ear, select.POLLIN)
        return bool(poller.poll(ceil(max(seconds, 0.0) * 1000)))
