"""What SIGINT and SIGTERM do to a command: end it in order, or tell it to end."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

_STOPS = (signal.SIGINT, signal.SIGTERM)
_MOMENT = 0.02  # seconds


@contextmanager
def ended_by_signals() -> Iterator[None]:
    """End a command at once, but in order: temporary files go, what was claimed is given back.

    Where the exception is lost (a library drops it, or the interpreter in a callback) the status still tells of it.
    """
    caught: list[int] = []

    def end(number: int, frame: FrameType | None) -> None:
        caught.append(number)
        _end(number, frame)

    before = {number: signal.getsignal(number) for number in _STOPS}
    for number, handler in before.items():
        if handler is not signal.SIG_IGN:  # as `nohup` and a shell's background have it
            signal.signal(number, end)
    try:
        yield
        if caught:
            raise SystemExit(128 + caught[0])
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def catch_signals(stop: Callable[[], object]) -> list[int]:
    """Let the first SIGINT or SIGTERM stop in order and the second one at once; returns a list that fills with them."""
    caught: list[int] = []

    def handle(number: int, frame: FrameType | None) -> None:
        if caught:
            os._exit(128 + number)
        caught.append(number)
        stop()

    for number in _STOPS:
        signal.signal(number, handle)
    return caught


def _end(number: int, frame: FrameType | None) -> None:
    """Raise where an exception goes its way, else send the signal again a moment later.

    While a module is loaded it would not: libraries that try an import go on without it, the interpreter drops what is
    raised in its callbacks, and a module in Rust panics.
    """
    if not _is_importing(frame):
        raise SystemExit(128 + number)
    again = threading.Timer(_MOMENT, os.kill, (os.getpid(), number))
    again.daemon = True
    again.start()


def _is_importing(frame: FrameType | None) -> bool:
    while frame is not None:
        if frame.f_code.co_filename.startswith("<frozen importlib"):
            return True
        frame = frame.f_back
    return False
