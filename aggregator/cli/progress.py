"""Progress bars on stderr. Nothing is shown if stderr is not a terminal."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from rich.progress import Progress

T = TypeVar("T")

_SETTLED = tuple(f"articles_{kind}" for kind in ("new", "updated", "unchanged", "duplicate", "failed"))


@contextmanager
def run_progress() -> Iterator[Callable[[Counter[str]], None] | None]:
    """Show the progress of `run-once`: feeds, pages, rate, time left. Give the function that takes the run's counters.

    Give None if stderr is not a terminal.
    """
    if not sys.stderr.isatty():
        yield None
        return
    with _bar() as bar:
        task = bar.add_task("starting", total=None)

        def show(done: Counter[str]) -> None:
            feeds, pages = done["feeds_polled"], done["pages_failed"] + sum(done[name] for name in _SETTLED)
            all_feeds, all_pages = feeds + done["feeds_left"], max(done["pages_known"], pages)
            bar.update(
                task,
                completed=feeds + pages,
                total=all_feeds + all_pages,
                description=f"{feeds}/{all_feeds} feeds, {pages}/{all_pages} pages, {_rate(bar)}",
            )

        yield show


def counted(things: Iterable[T], what: str) -> Iterator[T]:
    """Yield `things`, and show on stderr how many were yielded: only if stderr is a terminal and stdout is not."""
    if not sys.stderr.isatty() or sys.stdout.isatty():
        yield from things
        return
    with _bar() as bar:
        task = bar.add_task(what, total=None)
        for number, thing in enumerate(things, 1):
            bar.update(task, completed=number, description=f"{number} {what}, {_rate(bar)}")
            yield thing


@contextmanager
def steps(total: int, what: str) -> Iterator[Callable[[], None]]:
    """Show a bar of `total` steps. Give a function, which the caller calls after each step."""
    if not sys.stderr.isatty():
        yield lambda: None
        return
    with _bar() as bar:
        task = bar.add_task(what, total=total)
        yield lambda: bar.advance(task)


def _bar() -> Progress:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn(), TextColumn("left"))
    return Progress(
        *columns,
        TimeRemainingColumn(),
        console=Console(stderr=True),
        transient=True,
        redirect_stdout=sys.stdout.isatty(),  # otherwise results and bar would share the terminal
    )


def _rate(bar: Progress) -> str:
    return f"{bar.tasks[0].speed or 0:.0f}/s"
