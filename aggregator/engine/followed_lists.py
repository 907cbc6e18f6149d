"""Follows lists of feeds that others maintain: fetches the lists and keeps their feeds in the store.

If a list is unreadable, cut off or empty, its feeds stay as they were.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final, assert_never

from pydantic import TypeAdapter

from aggregator.errors import ConfigError
from aggregator.feeds.opml import read_list
from aggregator.models.feeds import Subscription
from aggregator.models.fetching import (
    Fetched,
    FetchFailed,
    FetchRequest,
    FetchResult,
    NotModified,
    Redirected,
    Validators,
)
from aggregator.models.sources import FollowedList
from aggregator.ports.protocols import Fetcher
from aggregator.ports.store import Store
from aggregator.redaction import mask
from aggregator.urls import host_of

logger = logging.getLogger("aggregator.service")  # changes of a list are logged at the default level

_PREFIX: Final = "list "  # the prefix of the facts in the store
_RETRY: Final = timedelta(hours=1)  # the longest wait after a failure
_END_OF_OPML: Final = b"</opml"


@dataclass(frozen=True, slots=True, kw_only=True)
class ListState:
    """The stored state of a list. `next_at` is when the list is due; None: now.

    `stamp` identifies the version of a file that was read last. `problem` says why the list could not be read ("": it
    was read), and `since` is the time of the first failure in a row.
    """

    next_at: datetime | None = None
    validators: Validators = Validators()  # noqa: RUF009 - frozen
    stamp: str = ""
    problem: str = ""
    since: datetime | None = None
    feeds: tuple[Subscription, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ListTerms:
    """The limits of a request for a list of feeds. `pace` is the pause before its host gets another request."""

    max_bytes: int
    deadline: timedelta
    lease: timedelta
    pace: timedelta


_states: Final = TypeAdapter(ListState)


def read_state(store: Store, place: str) -> ListState:
    """Return the stored state of the list at `place`, an address or a path."""
    text = store.read_fact(_PREFIX + place)
    return ListState() if text is None else _states.validate_json(text)


def feeds_of(store: Store, lists: Iterable[FollowedList]) -> tuple[Subscription, ...]:
    """Return the feeds in `lists`, each once. A feed has the tags configured for its lists and the tags in them."""
    found: dict[str, Subscription] = {}
    for one in lists:
        for feed in read_state(store, one.place).feeds:
            known = found.get(feed.url)
            tags = dict.fromkeys((*(known.tags if known else ()), *one.tags, *feed.tags))
            found[feed.url] = replace(known or feed, tags=tuple(tags))
    return tuple(found.values())


def failing_lists(store: Store, lists: Iterable[FollowedList]) -> tuple[tuple[str, datetime | None], ...]:
    """Return, for each list that cannot be read, its problem and the time of the first failure in a row."""
    states = ((one, read_state(store, one.place)) for one in lists)
    return tuple((mask(f"{one.place}: {state.problem}"), state.since) for one, state in states if state.problem)


def follow(store: Store, fetcher: Fetcher, one: FollowedList, terms: ListTerms) -> bool:
    """Read a list of feeds if it is due and its host can be claimed, store it, and return whether its feeds changed."""
    state, now = read_state(store, one.place), store.now()
    if one.is_file:
        return _follow_file(store, one, state, now)
    if not _is_due(state, now):
        return False
    claim = store.claim_host(host_of(one.place), terms.lease)
    if claim is None:
        return False
    wait = terms.pace
    try:
        state = read_state(store, one.place)
        if not _is_due(state, now):
            return False  # another process of the fleet has just read it
        result = fetcher.fetch(_request(one, state, terms))
        if isinstance(result, FetchFailed) and result.retry_after is not None:
            wait = max(wait, result.retry_after)
    finally:
        store.release(claim, not_before=store.now() + wait, failures=claim.failures)
    return _keep(store, one, state, _after_answer(one, state, result, store.now()))


def _is_due(state: ListState, now: datetime) -> bool:
    return state.next_at is None or state.next_at <= now


def _request(one: FollowedList, state: ListState, terms: ListTerms) -> FetchRequest:
    return FetchRequest(
        url=one.place,
        accept="feed",
        validators=state.validators,
        validators_of=one.place,
        feed=one.place,
        max_bytes=terms.max_bytes,
        deadline=terms.deadline,
    )


def _follow_file(store: Store, one: FollowedList, state: ListState, now: datetime) -> bool:
    """Read a list from its file if it is due or the file has changed; return whether the list's feeds changed."""
    path = Path(one.place)
    try:
        facts = path.stat()
        stamp = f"{facts.st_dev} {facts.st_ino} {facts.st_size} {facts.st_mtime_ns}"
        if stamp == state.stamp and not _is_due(state, now):
            return False
        data = path.read_bytes()
    except OSError as error:
        if state.problem and not _is_due(state, now):
            return False
        return _keep(store, one, state, _failed(one, state, f"cannot be read ({error.strerror})", now))
    return _keep(store, one, state, replace(_after_reading(one, state, data, now), stamp=stamp))


def _after_answer(one: FollowedList, state: ListState, result: FetchResult, now: datetime) -> ListState:
    match result:
        case Fetched():
            after = _after_reading(one, state, result.body, now)
            return after if after.problem else replace(after, validators=result.validators)
        case NotModified():
            return replace(state, problem="", since=None, next_at=now + one.interval)
        case FetchFailed():
            return _failed(one, state, f"{result.cause}: {result.detail}", now, result.retry_after)
        case Redirected():  # only where redirects to other hosts are not followed
            return _failed(one, state, f"redirected to {result.target}", now)
        case _:
            assert_never(result)


def _after_reading(one: FollowedList, state: ListState, data: bytes, now: datetime) -> ListState:
    """Return the state of the list after reading its content, `data`.

    OPML without its end tag is a failure. Otherwise feeds in the missing part would count as removed.
    """
    try:
        found = read_list(data)
    except ConfigError as error:
        return _failed(one, state, str(error), now)
    if b"<opml" in data.lower() and _END_OF_OPML not in data.lower():
        return _failed(one, state, "is cut off: its end is missing", now)
    if not found.feeds:
        return _failed(one, state, "names no feed", now)
    return replace(state, feeds=found.feeds, problem="", since=None, next_at=now + one.interval)


def _failed(
    one: FollowedList, state: ListState, problem: str, now: datetime, retry_after: timedelta | None = None
) -> ListState:
    wait = max(min(one.interval, _RETRY), retry_after or timedelta(0))
    return replace(state, problem=problem, since=state.since or now, next_at=now + wait)


def _keep(store: Store, one: FollowedList, before: ListState, after: ListState) -> bool:
    store.write_fact(_PREFIX + one.place, _states.dump_json(after, exclude_defaults=True).decode())
    if after.problem and not before.problem:
        logger.warning(
            "list not read; its feeds stay as they were", extra={"list": mask(one.place), "reason": after.problem}
        )
    return before.feeds != after.feeds
