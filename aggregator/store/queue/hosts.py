"""Hosts: the order of visits, claims, leases, and the time until which a host is backed off."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import ColumnElement, Row, bindparam, case, func, or_, select, update

from aggregator.models.ids import FeedId, HostId, PageId
from aggregator.models.pages import Page
from aggregator.ports.run_scope import RunScope
from aggregator.ports.store_records import Claim
from aggregator.store.db.any_of import any_of
from aggregator.store.db.column_types import NEVER
from aggregator.store.db.database import Transaction
from aggregator.store.db.schema import DUE, feeds, hosts, pages
from aggregator.urls import host_of

_claim_columns: Final = (
    hosts.c.id,
    hosts.c.name,
    hosts.c.token,
    hosts.c.failures,
    hosts.c.robots,
    hosts.c.robots_at,
    hosts.c.priority,
)
_now: Final = bindparam("now", type_=hosts.c.not_before.type)
_first_due: Final = case(
    (hosts.c.feeds_due_at.is_(None), hosts.c.pages_due_at),
    (hosts.c.pages_due_at.is_(None), hosts.c.feeds_due_at),
    (hosts.c.feeds_due_at < hosts.c.pages_due_at, hosts.c.feeds_due_at),
    else_=hosts.c.pages_due_at,
)
_pages_alone: Final = case((hosts.c.feeds_due_at <= _now, 0), else_=1)  # hosts with due pages must not delay feeds
_free_at: Final = case((hosts.c.not_before > hosts.c.lease_until, hosts.c.not_before), else_=hosts.c.lease_until)


# --- rows -------------------------------------------------------------------------------------------------------------

_by_name: Final = select(hosts.c.id, hosts.c.name).where(any_of(hosts.c.name))
_by_id_locked: Final = (
    select(hosts.c.id, hosts.c.token).where(any_of(hosts.c.id)).order_by(hosts.c.id).with_for_update()
)
_token: Final = select(hosts.c.token).where(hosts.c.id == bindparam("id")).with_for_update()


def host_ids(tx: Transaction, names: Iterable[str]) -> dict[str, HostId]:
    """Return the ids of hosts by name:port. Unknown hosts are added."""
    wanted = sorted(set(names))
    found = _host_ids(tx, wanted)
    missing = [name for name in wanted if name not in found]
    if missing:
        tx.add(hosts, [{"name": name} for name in missing])
        found |= _host_ids(tx, missing)
    return found


def home_of(tx: Transaction, claim: Claim, page: Page) -> HostId:
    """Return the host of the page's own address. The next fetch starts there, even if this fetch was redirected."""
    home = host_of(page.url)
    return claim.host_id if page.host == home else host_ids(tx, [home])[home]


def _host_ids(tx: Transaction, names: Iterable[str]) -> dict[str, HostId]:
    return {row.name: HostId(row.id) for row in tx.all_of(_by_name, names)}


def lock_hosts(tx: Transaction, ids: Iterable[HostId]) -> dict[HostId, int]:
    """Lock host rows in id order, so that no two transactions wait for each other; return their tokens by id."""
    return {row.id: row.token for row in tx.all_of(_by_id_locked, sorted(set(ids)))}


def is_current(tx: Transaction, claim: Claim) -> bool:
    """Lock the claimed host and return whether the claim still holds."""
    row = tx.first(_token, {"id": claim.host_id})
    return row is not None and row.token == claim.token


_lower_feeds: Final = (
    update(hosts)
    .where(
        hosts.c.id == bindparam("host"),
        or_(hosts.c.feeds_due_at.is_(None), hosts.c.feeds_due_at > bindparam("at")),
    )
    .values(feeds_due_at=bindparam("at"))
)
_lower_pages: Final = (
    update(hosts)
    .where(
        hosts.c.id == bindparam("host"),
        or_(hosts.c.pages_due_at.is_(None), hosts.c.pages_due_at > bindparam("at")),
    )
    .values(pages_due_at=bindparam("at"))
)


def lower_feeds_due(tx: Transaction, host_id: HostId, at: datetime) -> None:
    """Make the host due for feeds at `at` at the latest, even if it is leased."""
    tx.run(_lower_feeds, {"host": host_id, "at": at})


def lower_pages_due(tx: Transaction, host_id: HostId, at: datetime) -> None:
    """Make the host due for pages at `at` at the latest, even if it is leased."""
    lower_all_pages_due(tx, {host_id: at})


def lower_all_pages_due(tx: Transaction, due: Mapping[HostId, datetime]) -> None:
    """Make pages of each host due at the time that `due` gives for it, or earlier if they already are.

    A host that is claimed now is changed too.
    """
    tx.run_all(_lower_pages, [{"host": host_id, "at": at} for host_id, at in sorted(due.items())])


# --- claims -----------------------------------------------------------------------------------------------------------


def _has_due(at: ColumnElement[datetime], pages_too: bool) -> ColumnElement[bool]:
    due: ColumnElement[bool] = hosts.c.feeds_due_at <= at
    return or_(due, hosts.c.pages_due_at <= at) if pages_too else due


def _claimable(pages_too: bool) -> Any:
    return (
        select(hosts.c.id)
        .where(hosts.c.lease_until <= _now, hosts.c.not_before <= _now, _has_due(_now, pages_too))
        .order_by(hosts.c.priority.desc(), _pages_alone, _first_due, hosts.c.id)
    )


_claimable_any: Final = {pages_too: _claimable(pages_too) for pages_too in (True, False)}
_claimable_some: Final = {
    pages_too: _claimable(pages_too).limit(bindparam("limit")).with_for_update(skip_locked=True)
    for pages_too in (True, False)
}
_claimable_one: Final = (
    select(hosts.c.id)
    .where(hosts.c.id == bindparam("id"), hosts.c.lease_until <= _now, hosts.c.not_before <= _now)
    .with_for_update(skip_locked=True)
)
_take: Final = (
    update(hosts)
    .where(hosts.c.id == bindparam("host"))
    .values(token=hosts.c.token + 1, lease_until=bindparam("until"), lease_owner=bindparam("owner"))
    .returning(*_claim_columns)
)
_take_over: Final = _take.where(hosts.c.token == bindparam("held"))


def claim_hosts(
    tx: Transaction, limit: int, lease: timedelta, *, scope: RunScope | None = None, pages_too: bool = True
) -> tuple[Claim, ...]:
    """Claim hosts with due work (of `scope`). Order: priority, hosts with due feeds before others, due time."""
    if scope is not None:
        return _claim_in_scope(tx, limit, lease, scope, pages_too)
    rows = tx.all(_claimable_some[pages_too], {"now": tx.now, "limit": limit})
    return tuple(_claim(tx, row.id, lease) for row in rows)


def _claim_in_scope(
    tx: Transaction, limit: int, lease: timedelta, scope: RunScope, pages_too: bool
) -> tuple[Claim, ...]:
    """Claim up to `limit` hosts of one run that have work within its `scope`; return the claims.

    The scope is not checked in SQL, since it may be large and changes between two claims.
    """
    claims: list[Claim] = []
    rows = tx.run(_claimable_any[pages_too], {"now": tx.now})
    while len(claims) < limit and (row := rows.fetchone()) is not None:
        if row.id not in scope.hosts or not _has_work(tx, row.id, scope, pages_too):
            continue
        if tx.first(_claimable_one, {"id": row.id, "now": tx.now}) is not None:
            claims.append(_claim(tx, row.id, lease))
    rows.close()
    return tuple(claims)


def _claim(tx: Transaction, host_id: HostId, lease: timedelta) -> Claim:
    row = tx.run(_take, {"host": host_id, "until": tx.now + lease, "owner": tx.owner}).one()
    return _claim_of(row, tx.now, lease)


def resume(tx: Transaction, host_id: HostId, token: int, lease: timedelta) -> Claim | None:
    """Take over a queued claim with a new token; return None if `token` is stale.

    Of two processes that try, only one succeeds. A queued claim stays valid after its lease, until the host is
    claimed again.
    """
    parameters = {"host": host_id, "held": token, "until": tx.now + lease, "owner": tx.owner}
    row = tx.run(_take_over, parameters).one_or_none()
    return None if row is None else _claim_of(row, tx.now, lease)


def _claim_of(row: Row[Any], now: datetime, lease: timedelta) -> Claim:
    return Claim(
        host_id=HostId(row.id),
        host=row.name,
        token=row.token,
        now=now,
        lease=lease,
        failures=row.failures,
        robots=row.robots,
        robots_at=row.robots_at,
        priority=row.priority,
    )


_due_feeds: Final = select(feeds.c.id, feeds.c.due_at).where(
    feeds.c.host_id == bindparam("host"), feeds.c.due_at <= bindparam("at"), feeds.c.enabled
)
_due_pages: Final = select(pages.c.id, pages.c.due_at).where(
    pages.c.host_id == bindparam("host"), pages.c.due_at <= bindparam("at"), pages.c.state == DUE
)


def _has_work(tx: Transaction, host_id: HostId, scope: RunScope, pages_too: bool) -> bool:
    """Return whether one of the feeds and pages in `scope` is at this host and due now; `pages_too` False: no page."""
    return next(_work_times(tx, host_id, scope, pages_too, tx.now), None) is not None


def _work_times(tx: Transaction, host_id: HostId, scope: RunScope, pages_too: bool, at: datetime) -> Iterator[datetime]:
    """Yield the due times of those feeds and pages of the host that are in the scope and due by `at`."""
    parameters = {"host": host_id, "at": at}
    if scope.feeds:
        yield from (row.due_at for row in tx.all(_due_feeds, parameters) if FeedId(row.id) in scope.feeds)
    if pages_too and scope.pages:
        yield from (row.due_at for row in tx.all(_due_pages, parameters) if PageId(row.id) in scope.pages)


def claim_host(tx: Transaction, host: str, lease: timedelta) -> Claim | None:
    """Claim one host by name:port, even if nothing is due. None: it is leased, or may not be requested yet."""
    host_id = host_ids(tx, [host])[host]
    if tx.first(_claimable_one, {"id": host_id, "now": tx.now}) is None:
        return None
    return _claim(tx, host_id, lease)


_renew: Final = (
    update(hosts)
    .where(hosts.c.id == bindparam("host"), hosts.c.token == bindparam("held"))
    .values(lease_until=bindparam("until"))
)


def renew(tx: Transaction, claim: Claim, lease: timedelta) -> bool:
    """Renew the lease. Return False if the claim is lost."""
    parameters = {"host": claim.host_id, "held": claim.token, "until": tx.now + lease}
    return tx.run(_renew, parameters).rowcount == 1


_next_feed: Final = select(func.min(feeds.c.due_at)).where(feeds.c.host_id == bindparam("id"), feeds.c.enabled)
_next_page: Final = select(func.min(pages.c.due_at)).where(pages.c.host_id == bindparam("id"), pages.c.state == DUE)
_let_go: Final = (
    update(hosts)
    .where(hosts.c.id == bindparam("host"))
    .values(
        token=hosts.c.token + 1,
        lease_until=NEVER,
        lease_owner="",
        feeds_due_at=bindparam("feeds_at"),
        pages_due_at=bindparam("pages_at"),
        not_before=func.coalesce(bindparam("quiet_until", type_=hosts.c.not_before.type), hosts.c.not_before),
        asked_until=func.coalesce(bindparam("wished_until", type_=hosts.c.asked_until.type), hosts.c.asked_until),
        failures=bindparam("failed"),
        priority=0,
    )
)


def release(
    tx: Transaction,
    claim: Claim,
    *,
    not_before: datetime | None = None,
    failures: int = 0,
    asked_until: datetime | None = None,
) -> None:
    """End the claim of a host, unless it is lost, and set the host's due times from its feeds and pages.

    The row is locked first, so that these times include all work added during the visit. If `not_before` or
    `asked_until` is None, its stored value stays.
    """
    if not is_current(tx, claim):
        return
    back = max(claim.now - tx.now, timedelta(0))  # the clock went back during the visit: its times are too late
    parameters = {
        "host": claim.host_id,
        "feeds_at": tx.run(_next_feed, {"id": claim.host_id}).scalar_one(),
        "pages_at": tx.run(_next_page, {"id": claim.host_id}).scalar_one(),
        "quiet_until": not_before and not_before - back,
        "wished_until": asked_until and asked_until - back,
        "failed": failures,
    }
    tx.run(_let_go, parameters)


_end_back_off: Final = (
    update(hosts)
    .where(
        hosts.c.id == bindparam("host"),
        hosts.c.failures > 0,
        hosts.c.not_before > bindparam("at"),
        hosts.c.asked_until <= bindparam("at"),
    )
    .values(not_before=bindparam("at"))
)


def end_back_off(tx: Transaction, host_id: HostId, at: datetime) -> None:
    """End our own back-off of the host at `at`. The host's Retry-After and its pace still hold."""
    tx.run(_end_back_off, {"host": host_id, "at": at})


# --- dead owners ------------------------------------------------------------------------------------------------------

_host_owners: Final = select(hosts.c.lease_owner).where(hosts.c.lease_until > _now).distinct()
_page_owners: Final = select(pages.c.lease_owner).where(pages.c.lease_until > _now).distinct()
_free_hosts: Final = (
    update(hosts)
    .where(hosts.c.lease_owner == bindparam("dead"), hosts.c.lease_until > _now)
    .values(token=hosts.c.token + 1, lease_until=NEVER, lease_owner="")
)
_free_pages: Final = (
    update(pages)
    .where(pages.c.lease_owner == bindparam("dead"), pages.c.lease_until > _now)
    .values(token=pages.c.token + 1, lease_until=NEVER, lease_owner="")
)


def lease_owners(tx: Transaction) -> set[str]:
    """Return the owners of all leases that have not ended."""
    return {row.lease_owner for query in (_host_owners, _page_owners) for row in tx.all(query, {"now": tx.now})}


def free_leases(tx: Transaction, is_dead: Callable[[str], bool]) -> int:
    """End the leases of dead owners; return how many."""
    freed = 0
    for owner in filter(is_dead, sorted(lease_owners(tx))):
        for statement in (_free_hosts, _free_pages):
            freed += tx.run(statement, {"dead": owner, "now": tx.now}).rowcount
    return freed


# --- waiting ----------------------------------------------------------------------------------------------------------


_SOON: Final = timedelta(seconds=30)  # work of a scope counts so early: for the next request of a `backfill`
_soon: Final = bindparam("soon", type_=hosts.c.not_before.type)


def _waiting(at: ColumnElement[datetime]) -> Any:
    """Return the query for hosts that have work due by `at` and are not backed off."""
    return (
        select(hosts.c.id, _free_at.label("free_at"))
        .where(_has_due(at, pages_too=True), or_(hosts.c.failures == 0, hosts.c.not_before <= _now))
        .order_by(_free_at, hosts.c.id)
    )


_waiting_first: Final = _waiting(_now).limit(1)
_waiting_soon: Final = _waiting(_soon)


def wait_until(tx: Transaction, scope: RunScope | None = None) -> datetime | None:
    """Return when the next host with due work can be claimed; None: there is none. Backed-off hosts are left out.

    If `scope` is given, only work in it counts, but then also work that becomes due within `_SOON`.
    """
    if scope is None:
        row = tx.first(_waiting_first, {"now": tx.now})
        return None if row is None else _free(row)
    soon = tx.now + _SOON
    found = tx.all(_waiting_soon, {"now": tx.now, "soon": soon})
    rows = [row for row in found if row.id in scope.hosts]
    times = (max(_free(row), due_at) for row in rows for due_at in _work_times(tx, row.id, scope, True, soon))
    return min(times, default=None)


def _free(row: Row[Any]) -> datetime:
    at: datetime = row.free_at
    return at


_robots: Final = (
    update(hosts)
    .where(hosts.c.id == bindparam("host"))
    .values(robots=bindparam("rules"), robots_at=bindparam("asked_at"))
)


def record_robots(tx: Transaction, claim: Claim, robots: str, at: datetime) -> bool:
    """Save the record of the host's robots.txt, requested at `at`. Return False if the claim is lost."""
    if not is_current(tx, claim):
        return False
    tx.run(_robots, {"host": claim.host_id, "rules": robots, "asked_at": at})
    return True
