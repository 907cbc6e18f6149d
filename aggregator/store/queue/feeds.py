"""Feeds: the configured list, the state of each feed, and which feeds are due."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import Row, bindparam, case, select, update

from aggregator.models.feeds import Feed, FeedState, FeedStatus, Subscription
from aggregator.models.fetching import Cause, Validators
from aggregator.models.ids import FeedId, HostId, PageId
from aggregator.ports.readings import FeedLine, SyncReport
from aggregator.ports.run_scope import RunScope
from aggregator.ports.store_records import Claim
from aggregator.store.db.any_of import any_of
from aggregator.store.db.codec import dump, dump_feed_rest, load_feed_state, load_strings
from aggregator.store.db.database import Transaction
from aggregator.store.db.properties import read_property, write_property
from aggregator.store.db.schema import DUE, FETCHED, feeds, hosts, pages
from aggregator.store.queue.hosts import end_back_off, host_ids, lock_hosts, lower_feeds_due
from aggregator.text.units import format_duration
from aggregator.urls import host_of

_SYNCED: Final = "configuration"

# --- rows -------------------------------------------------------------------------------------------------------------

_feeds: Final = select(feeds, hosts.c.name.label("host")).join(hosts, hosts.c.id == feeds.c.host_id)


def state_values(state: FeedState) -> dict[str, Any]:
    """Return the values of the columns that hold a feed's state, by column."""
    return {
        "due_at": state.due_at,
        "status": state.status.value,
        "cause": state.cause,
        "detail": state.detail,
        "failures": state.failures,
        "failing_since": state.failing_since,
        "polled_at": state.polled_at,
        "succeeded_at": state.succeeded_at,
        "not_before": state.not_before,
        "etag": state.validators.etag,
        "last_modified": state.validators.last_modified,
        "body_hash": state.body_hash,
        "raw_hashes": " ".join(state.raw_hashes),
        "title": state.title,
        "rest": dump_feed_rest(state),
    }


def _feed(row: Row[Any]) -> Feed:
    state = load_feed_state(
        row.rest,
        due_at=row.due_at,
        status=FeedStatus(row.status),
        cause=None if row.cause is None else Cause(row.cause),
        detail=row.detail,
        failures=row.failures,
        failing_since=row.failing_since,
        polled_at=row.polled_at,
        succeeded_at=row.succeeded_at,
        not_before=row.not_before,
        validators=Validators(etag=row.etag, last_modified=row.last_modified),
        body_hash=row.body_hash,
        raw_hashes=tuple(row.raw_hashes.split()),
        title=row.title,
    )
    return Feed(
        id=FeedId(row.id),
        url=row.url,
        host=row.host,
        name=row.name,
        interval=row.interval,
        tags=load_strings(row.tags),
        full_text=row.full_text,
        enabled=row.enabled,
        state=state,
    )


_all_feeds: Final = _feeds.order_by(feeds.c.id)
_enabled_feeds: Final = _all_feeds.where(feeds.c.enabled)
_with_id: Final = _feeds.where(any_of(feeds.c.id))


_enabled_ids: Final = select(feeds.c.id).where(feeds.c.enabled).order_by(feeds.c.id)
_named: Final = _feeds.where(any_of(feeds.c.id))


def list_feed_ids(tx: Transaction) -> tuple[FeedId, ...]:
    """Return the ids of the enabled feeds in the order in which they were added."""
    return tuple(FeedId(row.id) for row in tx.all(_enabled_ids))


def list_feeds(
    tx: Transaction, *, enabled_only: bool = True, ids: Collection[FeedId] | None = None
) -> tuple[Feed, ...]:
    """Return the feeds in the order in which they were added; `ids`: only these, disabled ones too."""
    if ids is not None:
        return tuple(sorted((_feed(row) for row in tx.all_of(_named, ids)), key=lambda feed: feed.id))
    return tuple(_feed(row) for row in tx.all(_enabled_feeds if enabled_only else _all_feeds))


_lines: Final = select(
    feeds.c.url,
    feeds.c.title,
    feeds.c.status,
    feeds.c.cause,
    feeds.c.polled_at,
    feeds.c.due_at,
    case((feeds.c.rest.contains('"adopted_url":'), feeds.c.rest)).label("rest"),
)


def list_lines(tx: Transaction) -> tuple[FeedLine, ...]:
    """Return the few facts about each feed that `feeds list` shows. To read whole states takes twenty times as long."""
    return tuple(
        FeedLine(
            url=url,
            title=title,
            status=status,
            cause=cause,
            polled_at=polled_at,
            due_at=due_at,
            moved_to=None if rest is None else json.loads(rest).get("adopted_url"),
        )
        for url, title, status, cause, polled_at, due_at, rest in map(tuple, tx.all(_lines))
    )


def feeds_of(tx: Transaction, ids: Sequence[FeedId]) -> tuple[Feed, ...]:
    """Return the feeds with these ids, in that order. Unknown ids are left out."""
    rows = {row.id: row for row in tx.all_of(_with_id, ids)}
    return tuple(_feed(rows[feed_id]) for feed_id in ids if feed_id in rows)


# --- due feeds --------------------------------------------------------------------------------------------------------

_due: Final = (
    _feeds.where(feeds.c.host_id == bindparam("host"), feeds.c.due_at <= bindparam("at"), feeds.c.enabled)
    .order_by(feeds.c.due_at, feeds.c.id)
    .limit(bindparam("limit"))
)
_due_ids: Final = (
    select(feeds.c.id)
    .where(feeds.c.host_id == bindparam("host"), feeds.c.due_at <= bindparam("at"), feeds.c.enabled)
    .order_by(feeds.c.due_at, feeds.c.id)
)


def due_feeds(
    tx: Transaction, claim: Claim, at: datetime, *, scope: RunScope | None = None, limit: int = 50
) -> tuple[Feed, ...]:
    """Return the host's due feeds (of `scope`), the longest due first."""
    rows = tx.all(_due, {"host": claim.host_id, "at": at, "limit": limit})
    if scope is None or all(row.id in scope.feeds for row in rows):
        return tuple(_feed(row) for row in rows)
    due = (row.id for row in tx.all(_due_ids, {"host": claim.host_id, "at": at}))
    wanted = [feed_id for feed_id in due if feed_id in scope.feeds][:limit]
    return feeds_of(tx, wanted)


_make_due: Final = (
    update(feeds)
    .where(feeds.c.id == bindparam("feed"), feeds.c.due_at > bindparam("at"))
    .values(due_at=bindparam("at"))
)
_hosts_of: Final = select(feeds.c.id, feeds.c.host_id).where(any_of(feeds.c.id), feeds.c.enabled)
_raise_priority: Final = update(hosts).where(hosts.c.id == bindparam("host")).values(priority=1)


def make_due(tx: Transaction, feed_ids: Sequence[FeedId], at: datetime) -> None:
    """Make enabled feeds due at `at` at the latest, for an operator. Their hosts get priority; see `end_back_off`."""
    found = tx.all_of(_hosts_of, feed_ids)
    if not found:
        return
    host_rows = sorted({HostId(row.host_id) for row in found})
    lock_hosts(tx, host_rows)
    tx.run_all(_make_due, [{"feed": row.id, "at": at} for row in found])
    tx.run_all(_raise_priority, [{"host": host_id} for host_id in host_rows])
    for host_id in host_rows:
        lower_feeds_due(tx, host_id, at)
        end_back_off(tx, host_id, at)


_scope_feeds: Final = select(feeds.c.id, feeds.c.host_id).where(feeds.c.due_at <= bindparam("at"), feeds.c.enabled)
_scope_pages: Final = select(pages.c.id, pages.c.host_id, pages.c.feed_id).where(
    pages.c.due_at <= bindparam("at"), pages.c.state == DUE
)
_scope_fetched: Final = select(pages.c.id, pages.c.host_id, pages.c.feed_id).where(pages.c.state == FETCHED)


def scope_due(tx: Transaction, at: datetime, feed_ids: Sequence[FeedId] | None = None) -> RunScope:
    """Return the feeds and pages that are due at `at`, and the pages that wait for extraction.

    With `feed_ids`: only these feeds and the pages that they announced first.
    """
    scope = RunScope()
    named = None if feed_ids is None else set(feed_ids)
    for row in tx.all(_scope_feeds, {"at": at}):
        if named is None or row.id in named:
            scope.feeds.add(FeedId(row.id))
            scope.hosts.add(HostId(row.host_id))
    for row in (*tx.all(_scope_pages, {"at": at}), *tx.all(_scope_fetched)):
        if named is None or row.feed_id in named:
            scope.pages.add(PageId(row.id))
            scope.hosts.add(HostId(row.host_id))
    return scope


# --- the list of the configuration ------------------------------------------------------------------------------------

_listed: Final = select(
    feeds.c.id,
    feeds.c.url,
    feeds.c.name,
    feeds.c.tags,
    feeds.c.interval,
    feeds.c.full_text,
    feeds.c.enabled,
    feeds.c.due_at,
    feeds.c.host_id,
)
_change: Final = (
    update(feeds)
    .where(feeds.c.id == bindparam("feed"))
    .values(
        name=bindparam("new_name"),
        tags=bindparam("new_tags"),
        interval=bindparam("new_interval"),
        full_text=bindparam("new_full_text"),
        enabled=bindparam("new_enabled"),
    )
)
_disable: Final = update(feeds).where(feeds.c.id == bindparam("feed")).values(enabled=False)


_titles: Final = select(feeds.c.url, feeds.c.title).where(any_of(feeds.c.url), feeds.c.name == "", feeds.c.title != "")


def titles_of(tx: Transaction, urls: Collection[str]) -> dict[str, str]:
    """Return the title that each feed gives itself, by address. Feeds with a configured name are left out."""
    return {row.url: row.title for row in tx.all_of(_titles, urls)}


def sync_feeds(
    tx: Transaction,
    subscriptions: Sequence[Subscription],
    config_hash: str,
    config_at: datetime,
    *,
    decides: bool = False,
) -> SyncReport:
    """Add, change and disable feeds as the configuration lists them; do nothing if `config_hash` is the last one.

    A configuration older than the last one only adds feeds, unless `decides` is set.
    """
    last_hash, _, _ = (read_property(tx, _SYNCED) or "").partition(" ")
    if last_hash == config_hash:
        return SyncReport()
    known = {row.url: row for row in tx.all(_listed)}
    added = _add(tx, [listed for listed in _by_url(subscriptions).values() if listed.url not in known])
    if not decides and (refused := _refused(tx, known, subscriptions, config_at)) is not None:
        return replace(refused, added=added)
    changes = _changes(known, subscriptions)
    if changes:
        tx.run_all(_change, [{"feed": row.id, **_new_values(listed)} for row, listed in changes])
        _make_hosts_due(tx, [row for row, listed in changes if listed.enabled and not row.enabled])
    gone = _unlisted(known, subscriptions)
    if gone:
        tx.run_all(_disable, [{"feed": row.id} for row in gone])
    write_property(tx, _SYNCED, f"{config_hash} {min(config_at, tx.now).isoformat()}")
    return SyncReport(added=added, removed=_names(gone), changed=_change_lines(changes))


def preview_feeds(tx: Transaction, subscriptions: Sequence[Subscription], config_at: datetime) -> SyncReport:
    """Return the changes that `sync_feeds` would refuse; nothing is written."""
    known = {row.url: row for row in tx.all(_listed)}
    return _refused(tx, known, subscriptions, config_at) or SyncReport()


def _refused(
    tx: Transaction, known: Mapping[str, Row[Any]], subscriptions: Sequence[Subscription], config_at: datetime
) -> SyncReport | None:
    """Return the changes that are refused because the configuration is older than the last one.

    None: it is not older.
    """
    _, _, last_at = (read_property(tx, _SYNCED) or "").partition(" ")
    if not last_at or config_at >= datetime.fromisoformat(last_at):
        return None
    lines = (
        *(f"- {name}" for name in _names(_unlisted(known, subscriptions))),
        *_change_lines(_changes(known, subscriptions)),
    )
    return SyncReport(refused=lines, newer_at=datetime.fromisoformat(last_at))


def _by_url(subscriptions: Sequence[Subscription]) -> dict[str, Subscription]:
    return {subscription.url: subscription for subscription in subscriptions}


def _unlisted(known: Mapping[str, Row[Any]], subscriptions: Sequence[Subscription]) -> list[Row[Any]]:
    wanted = _by_url(subscriptions)
    return [row for url, row in known.items() if url not in wanted and row.enabled]


def _names(rows: Sequence[Row[Any]]) -> tuple[str, ...]:
    return tuple(row.name or row.url for row in rows)


def _add(tx: Transaction, new: Sequence[Subscription]) -> tuple[str, ...]:
    if not new:
        return ()
    names = {subscription.url: host_of(subscription.url) for subscription in new}
    ids = host_ids(tx, names.values())
    lock_hosts(tx, ids.values())
    state = state_values(FeedState(due_at=tx.now))
    rows = [
        {
            **state,
            "url": subscription.url,
            "host_id": ids[names[subscription.url]],
            **_settings(subscription),
        }
        for subscription in new
    ]
    tx.add(feeds, rows)
    due = {ids[names[subscription.url]] for subscription in new if subscription.enabled}
    for host_id in sorted(due):
        lower_feeds_due(tx, host_id, tx.now)
    return tuple(subscription.name or subscription.url for subscription in new)


def _settings(subscription: Subscription) -> dict[str, Any]:
    return {
        "name": subscription.name,
        "tags": dump(subscription.tags),
        "interval": subscription.interval,
        "full_text": subscription.full_text,
        "enabled": subscription.enabled,
    }


def _changes(
    known: Mapping[str, Row[Any]], subscriptions: Sequence[Subscription]
) -> list[tuple[Row[Any], Subscription]]:
    """Return the known feeds whose configured settings changed, each with its new settings."""
    return [
        (known[url], listed)
        for url, listed in _by_url(subscriptions).items()
        if url in known and any(known[url]._mapping[name] != value for name, value in _settings(listed).items())
    ]


def _new_values(subscription: Subscription) -> dict[str, Any]:
    return {f"new_{name}": value for name, value in _settings(subscription).items()}


def _change_lines(changes: Iterable[tuple[Row[Any], Subscription]]) -> tuple[str, ...]:
    """Return the changes for the log: `"DW English": interval 30m -> 10m`."""
    lines = []
    for row, listed in changes:
        differences = (
            f"{name} {_spell(name, row._mapping[name])} -> {_spell(name, value)}"
            for name, value in _settings(listed).items()
            if row._mapping[name] != value
        )
        lines.append(f'"{listed.name or listed.url}": {", ".join(differences)}')
    return tuple(lines)


def _make_hosts_due(tx: Transaction, rows: Iterable[Row[Any]]) -> None:
    """Make the hosts of these feeds due at the times when the feeds are due."""
    due: dict[HostId, datetime] = {}
    for row in rows:
        due[row.host_id] = min(row.due_at, due.get(row.host_id, row.due_at))
    lock_hosts(tx, due)
    for host_id, at in sorted(due.items()):
        lower_feeds_due(tx, host_id, at)


def _spell(name: str, value: object) -> str:
    if name == "interval":
        return format_duration(value) if isinstance(value, timedelta) else "adaptive"
    if name == "tags":
        return str(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    return f'"{value}"'
