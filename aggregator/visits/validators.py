"""Decides whether a feed's validators (ETag, Last-Modified) can be trusted. Pure.

Some servers answer 304 although there are new entries. If a feed has brought nothing new for too long, one poll leaves
the validators out. Its answer shows whether entries were hidden by the 304s; then the validators are distrusted.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from aggregator.models.feeds import FeedState
from aggregator.models.fetching import Validators
from aggregator.ports.store_records import Sighting
from aggregator.schedule.publication_rate import expected_rate

_EXPECTED_ENTRIES = 3.0  # a doubt needs so many expected entries
_DOUBT_AFTER = timedelta(days=1)  # the shortest time of nothing but 304 that raises a doubt
_DOUBT_AGAIN_AFTER = timedelta(days=7)  # ... when a poll without validators proved them right
_DOUBT_SOON_AFTER = timedelta(hours=1)  # ... when they were distrusted before
_DISTRUST_FOR = timedelta(days=7)
_SURELY_BEFORE = timedelta(hours=1)  # an entry may appear in the feed up to an hour after its date


def is_unconditional(state: FeedState) -> bool:
    """Return whether the next poll leaves the validators out: because they are distrusted, or to check them.

    They are checked if only 304 came for a day and at least three new entries were expected in this time. The time is a
    week if the last check brought nothing new, and an hour if the validators were distrusted before.
    """
    if state.validators == Validators():
        return False
    if state.revalidation == "distrusted":
        return True
    if state.unconditional_at is None or state.succeeded_at is None:
        return False
    quiet = state.succeeded_at - state.unconditional_at  # no entry is hidden while there is no poll
    expected = expected_rate(state.stats, state.unconditional_at) * (quiet / timedelta(days=1))
    return quiet >= _patience(state) and expected >= _EXPECTED_ENTRIES


def _patience(state: FeedState) -> timedelta:
    if state.revalidation == "checked":
        return _DOUBT_AGAIN_AFTER
    return _DOUBT_AFTER if state.distrusted_at is None else _DOUBT_SOON_AFTER


def end_distrust(state: FeedState, now: datetime) -> FeedState:
    """Return the state in which the validators are trusted again if they have been distrusted for a week."""
    is_over = state.distrusted_at is None or now - state.distrusted_at >= _DISTRUST_FOR
    return replace(state, revalidation="") if state.revalidation == "distrusted" and is_over else state


def judge(
    state: FeedState, before: FeedState, new: Sequence[Sighting], validators: Validators, now: datetime
) -> FeedState:
    """Return the state after an answer to a request without validators.

    The validators are distrusted if the answer has `new` entries, and either the validators are the same as before or
    the 304s hid some of these entries. `before` is the state before the poll.
    """
    if before.revalidation == "distrusted":
        return state
    if not new:
        return confirm(state)
    if validators == before.validators or _were_hidden(new, before):
        return replace(state, revalidation="distrusted", distrusted_at=now)
    return state


def confirm(state: FeedState) -> FeedState:
    """Return the state after a poll without validators brought nothing new: the validators are "checked".

    Validators that are "distrusted" stay so: every poll leaves them out, so nothing new proves nothing.
    """
    if state.revalidation == "distrusted":
        return state
    return replace(state, revalidation="checked", distrusted_at=None)


def _were_hidden(new: Sequence[Sighting], before: FeedState) -> bool:
    """Return whether the server last answered 304 although the feed already had some of the `new` entries.

    An entry was there if it is dated at least an hour before that 304, and after the last answer to a request without
    validators. If no entry has a date, three new entries are enough.
    """
    dates = [at for one in new if (at := one.entry.published_at or one.entry.updated_at) is not None]
    if not dates:
        return len(new) >= _EXPECTED_ENTRIES
    first, last = before.unconditional_at, before.succeeded_at
    return first is not None and last is not None and any(first < at <= last - _SURELY_BEFORE for at in dates)
