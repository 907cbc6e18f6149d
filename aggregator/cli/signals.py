"""How commands end at SIGINT and SIGTERM: by an exception, at once, or after they finished their work."""

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
    """During the block, SIGINT and SIGTERM raise SystemExit, so that `finally` blocks remove files and release claims.

    If a library catches the exception, the exit status is 128 + the signal's number all the same.
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
    """Block SIGINT and SIGTERM until the end of the block. No other thread may run: it would receive the signals."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _STOPS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def end_services_well() -> None:
    """Make SIGINT and SIGTERM end the command with status 0, until the service sets its own handlers."""

    def end(number: int, frame: FrameType | None) -> None:
        _end(number, frame, 0)

    for number in _STOPS:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, end)


def catch_signals(stop: Callable[[], object]) -> list[int]:
    """Call `stop` at the first SIGINT or SIGTERM, and exit at once at the second.

    The returned list is empty now. The number of the first signal is added to it when the signal comes.
    """
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
    """Raise SystemExit with `status`; None: with 128 + `number`, the number of the signal.

    While a module is being imported, send the signal again a moment later instead: the import may catch an exception.
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
