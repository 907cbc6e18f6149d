"""Handles SIGINT and SIGTERM: ends a command in order, or tells the command to end."""

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
    """Raise an exception at a signal, so that temporary files are removed and claims are given back.

    If a library swallows the exception, the exit status still names the signal.
    """
    caught: list[int] = []

    def end(number: int, frame: FrameType | None) -> None:
        caught.append(number)
        _end(number, frame)

    before = {number: signal.getsignal(number) for number in _STOPS}
    for number, handler in before.items():
        if handler is not signal.SIG_IGN:  # as `nohup` and background jobs of a shell set it
            signal.signal(number, end)
    try:
        yield
        if caught:
            raise SystemExit(128 + caught[0])
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def held_signals() -> Iterator[None]:
    """Hold signals back until the end of the block. No other thread may run, since it would receive the signals."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _STOPS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def end_services_well() -> None:
    """Let a signal end the command with status 0, even if the signal comes before a service has started."""

    def end(number: int, frame: FrameType | None) -> None:
        _end(number, frame, 0)

    for number in _STOPS:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, end)


def catch_signals(stop: Callable[[], object]) -> list[int]:
    """End in order at the first SIGINT or SIGTERM and at once at the second; return the list of received signals."""
    caught: list[int] = []

    def handle(number: int, frame: FrameType | None) -> None:
        if caught:
            os._exit(128 + number)
        caught.append(number)
        stop()

    for number in _STOPS:
        signal.signal(number, handle)
    return caught


def _end(number: int, frame: FrameType | None, status: int | None = None) -> None:
    """Raise SystemExit. While a module is being imported, send the signal again a moment later instead.

    An exception inside an import may be lost: libraries catch failed imports, the interpreter drops exceptions of its
    callbacks, and a module in Rust panics.
    """
    if not _is_importing(frame):
        raise SystemExit(128 + number if status is None else status)
    again = threading.Timer(_MOMENT, os.kill, (os.getpid(), number))
    again.daemon = True
    again.start()


def _is_importing(frame: FrameType | None) -> bool:
    while frame is not None:
        if frame.f_code.co_filename.startswith("<frozen importlib"):
            return True
        frame = frame.f_back
    return False
