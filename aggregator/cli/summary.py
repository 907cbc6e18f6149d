"""The text that `run-once` prints: work done, failures, feeds not polled and why, and when the next feed is due."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from aggregator.cli.framework import number, printable, spell_time

if TYPE_CHECKING:
    from aggregator.engine.local import RunReport
    from aggregator.models.feeds import Feed
    from aggregator.store import SqlStore

_SHOWN = 5
_COUNTS = {  # of a report, by part
    "feeds": ("polled", "unchanged", "failed"),
    "entries": ("seen", "new"),
    "pages": ("collected", "waiting", "failed"),
    "articles": ("new", "updated", "duplicate"),
}


def record(report: RunReport) -> dict[str, object]:
    """Return the counts of a run as the record that `run-once --json` prints."""
    counts = {part: {name: getattr(report, f"{part}_{name}") for name in names} for part, names in _COUNTS.items()}
    return {**counts, "seconds": report.seconds}


def summary_lines(report: RunReport) -> Iterator[str]:
    """Yield lines with the counts of the work that was done, and of the feeds that still wait."""
    for part, names in _COUNTS.items():
        yield f"{part:<10}" + ", ".join(f"{getattr(report, f'{part}_{name}')} {name}" for name in names)
    yield f"time      {report.seconds:.1f} s"
    if report.feeds_waiting:
        yield (
            f"waiting   {number(report.feeds_waiting, 'feed')}: at hosts that back off, are slow, "
            f"or are held by another process"
        )
    if not report.entries_new and not report.articles_new and not report.articles_updated:
        yield "Nothing new."


def failure_lines(feeds: Sequence[Feed], pages: Sequence[tuple[str, str, str]], since: datetime) -> Iterator[str]:
    """Yield lines about feeds that failed since `since`, and about failed pages: five of each, then how many more.

    `pages` holds the address, cause and detail of each page.
    """
    from aggregator.monitoring.overview import title_of

    failed = [
        f"feed failed: {title_of(feed)}: {feed.state.cause or feed.state.status.value} {feed.state.detail}".rstrip()
        for feed in feeds
        if feed.state.failures and feed.state.polled_at is not None and feed.state.polled_at >= since
    ]
    for lines, what in (
        (failed, "feed"),
        ([f"page failed: {url}: {cause} {text}".rstrip() for url, cause, text in pages], "page"),
    ):
        yield from lines[:_SHOWN]
        if len(lines) > _SHOWN:
            yield f"and {number(len(lines) - _SHOWN, what)} more; see `aggregator health`"


def next_due_line(feeds: Sequence[Feed], now: datetime) -> str:
    """Return the line that says when the next feed is due, or "" if there is no feed."""
    due = min((feed.state.due_at for feed in feeds), default=None)
    if due is None:
        return ""
    return "next      a feed is due now" if due <= now else f"next      a feed is due at {spell_time(due)}"


def reasons(feeds: Sequence[Feed], names: Sequence[str], since: datetime) -> Iterator[str]:
    """Yield a line for each feed in `names` (names or URLs) that was not polled since `since`. The line says why."""
    from aggregator.models.feeds import FeedStatus
    from aggregator.monitoring.overview import title_of

    for feed in feeds:
        state = feed.state
        if not {feed.name, feed.url} & set(names) or (state.polled_at is not None and state.polled_at >= since):
            continue
        if state.status is FeedStatus.GONE:
            why = "it is gone (410); `aggregator feeds remove` takes it off the list"
        elif state.not_before is not None and state.not_before > since:
            why = f"its server asks to wait until {spell_time(state.not_before)}"
        elif state.failures:
            why = f"it failed and is tried again at {spell_time(state.due_at)}; --all does not wait"
        elif state.due_at > since:
            why = f"it is not due before {spell_time(state.due_at)}; --all does not wait"
        else:
            why = "its host is held by another process, or backs off"
        yield f"not polled: {title_of(feed)}: {why}"


def print_outcome(
    report: RunReport,
    store: SqlStore,
    names: Sequence[str],
    since: datetime,
    failed_before: frozenset[str],
    *,
    quiet: bool,
) -> None:
    """Print the summary of a run that began at `since`; with `quiet` only the failures.

    `names` are the feeds named on the command line. `failed_before` are the addresses of pages that had failed before
    the run; these pages are not printed.
    """
    feeds = store.feeds()
    pages = store.failed_pages() if report.pages_failed else ()
    new = [(url, str(cause), text) for url, cause, text in pages if url not in failed_before]
    lines = [] if quiet else [*summary_lines(report)]
    lines += failure_lines(feeds, new, since)
    lines += [] if quiet else [*reasons(feeds, names, since), next_due_line(feeds, store.now())]
    for line in filter(None, lines):
        print(printable(line))
