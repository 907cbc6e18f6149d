"""Stores feed states, poll history and gaps, and has a fast path for polls that write only state and history."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any, Final

from sqlalchemy import bindparam, func, select, update

from aggregator.models.fetching import Cause
from aggregator.models.ids import FeedId, HostId
from aggregator.ports.readings import Gap
from aggregator.ports.store_records import Claim, PollOutcome, PollRecord, PollRecorded
from aggregator.store.db.any_of import any_of
from aggregator.store.db.codec import record_of
from aggregator.store.db.database import Transaction
from aggregator.store.db.dialects import Insert, insert
from aggregator.store.db.schema import feeds, gaps, polls
from aggregator.store.queue.feeds import state_values
from aggregator.store.queue.hosts import lock_hosts

_KEPT_POLLS: Final = 50

_state_columns: Final = (
    "due_at",
    "status",
    "cause",
    "detail",
    "failures",
    "failing_since",
    "polled_at",
    "succeeded_at",
    "not_before",
    "etag",
    "last_modified",
    "body_hash",
    "raw_hashes",
    "title",
    "rest",
)
_save_states: Final = (
    update(feeds)
    .where(feeds.c.id == bindparam("feed"))
    .values(
        poll_count=feeds.c.poll_count + bindparam("polled"),
        host_id=bindparam("on_host"),
        **{name: bindparam(f"new_{name}", type_=feeds.c[name].type) for name in _state_columns},
    )
)
_there: Final = select(feeds.c.id).where(any_of(feeds.c.id))


_fill_gaps: Final = (
    update(gaps)
    .where(gaps.c.feed_id == bindparam("feed"), gaps.c.since >= bindparam("from_then"), gaps.c.filled_at.is_(None))
    .values(filled_at=bindparam("at"))
)


_outcome_columns: Final = tuple(column.name for column in polls.columns if column.name not in ("feed_id", "slot", "n"))


@cache
def _add_to_history(dialect: str) -> Insert:
    """Return the INSERT that adds a poll to its feed's history. It replaces the oldest of `_KEPT_POLLS` polls."""
    numbered = select(
        feeds.c.id,
        feeds.c.poll_count % _KEPT_POLLS,
        feeds.c.poll_count,
        *(bindparam(f"of_{name}", type_=polls.c[name].type) for name in _outcome_columns),
    ).where(feeds.c.id == bindparam("feed"))
    statement = insert(dialect, polls).from_select(["feed_id", "slot", "n", *_outcome_columns], numbered)
    replaced = {name: statement.excluded[name] for name in ("n", *_outcome_columns)}
    return statement.on_conflict_do_update(index_elements=[polls.c.feed_id, polls.c.slot], set_=replaced)


def save_feeds(tx: Transaction, saved: Sequence[tuple[PollRecord, HostId, int]]) -> None:
    """Save feed states, gaps and rows of the poll history. Nothing is saved for a deleted feed.

    Each item of `saved` is a poll, the feed's host, and the number of new entries.
    """
    tx.run_all(_save_states, [_state(record, host_id) for record, host_id, _ in saved])
    with_gaps = [record for record, _, _ in saved if record.gap is not None or record.filled_since is not None]
    there = {row.id for row in tx.all_of(_there, (one.feed_id for one in with_gaps))}
    for record in with_gaps:
        if record.feed_id in there:
            _save_gaps(tx, record)
    polled = [_history_row(record, entries_new) for record, _, entries_new in saved if record.is_poll]
    tx.run_all(_add_to_history(tx.dialect.name), polled)


def _save_gaps(tx: Transaction, record: PollRecord) -> None:
    if record.gap is not None:
        since, until = record.gap
        tx.add(gaps, [{"feed_id": record.feed_id, "since": since, "until": until}])
    if record.filled_since is not None:
        tx.run(_fill_gaps, {"feed": record.feed_id, "from_then": record.filled_since, "at": record.outcome.at})


def _state(record: PollRecord, host_id: HostId) -> dict[str, Any]:
    values: dict[str, Any] = {f"new_{name}": value for name, value in state_values(record.state).items()}
    return values | {"feed": record.feed_id, "on_host": host_id, "polled": int(record.is_poll)}


def _history_row(record: PollRecord, entries_new: int) -> dict[str, Any]:
    outcome = record.outcome
    return {
        "feed": record.feed_id,
        "of_at": outcome.at,
        "of_outcome": outcome.outcome,
        "of_status": outcome.status,
        "of_cause": outcome.cause,
        "of_detail": outcome.detail,
        "of_elapsed": outcome.elapsed,
        "of_wire_bytes": outcome.wire_bytes,
        "of_entries_seen": outcome.entries_seen,
        "of_entries_new": entries_new,
        "of_unconditional": outcome.unconditional,
    }


# --- polls that bring no entries --------------------------------------------------------------------------------------


def is_bare(claim: Claim, record: PollRecord) -> bool:
    """Return whether a poll found no entry, no new or filled gap and no new host: only state and history are saved."""
    is_alone = record.gap is None and record.filled_since is None and record.is_poll
    return is_alone and not record.sightings and record.host == claim.host


def record_bare_polls(tx: Transaction, bare: Sequence[tuple[Claim, PollRecord]]) -> tuple[PollRecorded | None, ...]:
    """Save polls for which `is_bare` is true, of any hosts, with fewer statements than `record_polls`.

    Return a result for each poll, in their order. It is None if the claim of the poll is lost: it was not saved.
    """
    tokens = lock_hosts(tx, (claim.host_id for claim, _ in bare))
    is_held = [tokens.get(claim.host_id) == claim.token for claim, _ in bare]
    held = [one for one, current in zip(bare, is_held, strict=True) if current]
    save_feeds(tx, [(record, claim.host_id, 0) for claim, record in held])
    return tuple(nothing_new(claim) if current else None for (claim, _), current in zip(bare, is_held, strict=True))


def nothing_new(claim: Claim) -> PollRecorded:
    """Return the result of recording a poll without entries: no new entries, no new pages."""
    return PollRecorded(entries_new=0, new_pages=(), host_id=claim.host_id, known=0)


# --- reading ----------------------------------------------------------------------------------------------------------

_history: Final = select(polls).where(polls.c.feed_id == bindparam("feed")).order_by(polls.c.n.desc())
_gaps: Final = (
    select(
        gaps.c.feed_id,
        func.coalesce(func.nullif(feeds.c.name, ""), feeds.c.url).label("feed"),
        gaps.c.since,
        gaps.c.until,
        gaps.c.filled_at,
    )
    .join(feeds, feeds.c.id == gaps.c.feed_id)
    .order_by(gaps.c.since, gaps.c.id)
)


def list_polls(tx: Transaction, feed_id: FeedId) -> tuple[PollOutcome, ...]:
    """Return the outcomes of the stored polls of a feed, newest first."""
    rows = tx.all(_history, {"feed": feed_id})
    return tuple(record_of(PollOutcome, row, cause=row.cause and Cause(row.cause)) for row in rows)


def list_gaps(tx: Transaction, *, start: int = 0, limit: int | None = None) -> tuple[Gap, ...]:
    """Return the gaps of all feeds, oldest first: at most `limit` of them, without the first `start`."""
    return tuple(record_of(Gap, row) for row in tx.all(_gaps.limit(limit).offset(start)))
