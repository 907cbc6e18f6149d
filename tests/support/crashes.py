"""A process that ends between two statements. No test of its own."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import event
from sqlalchemy.engine import Engine


class CrashError(Exception):
    """The process ends here."""


@contextmanager
def crash_at(countdown: int) -> Iterator[list[int]]:
    """Raise instead of the n-th statement; what is yielded counts them."""
    count = [0]

    def strike(*_: object) -> None:
        count[0] += 1
        if count[0] == countdown:
            raise CrashError

    event.listen(Engine, "before_cursor_execute", strike)
    try:
        yield count
    finally:
        event.remove(Engine, "before_cursor_execute", strike)
