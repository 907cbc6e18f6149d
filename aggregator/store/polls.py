"""The outcome of a poll: feed state, history, entries and new pages in one transaction."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from typing import Any, Final

from sqlalchemy import Row, and_, bindparam, func, or_, select, update

from aggregator.errors import LeaseLostError
from aggregator.identify import article_id, key_hash
from aggregator.ledger import Claim, PollRecord, PollRecorded, Sighting
from aggregator.models import FeedId, HostId, Key, PageId
from aggregator.schedule import revisit_after_update
from aggregator.store.blogs import note_short_links
from aggregator.store.codec import dump_entry_rest
from aggregator.store.database import Transaction
from aggregator.store.decisions import record_decisions
from aggregator.store.dialects import Insert, insert
from aggregator.store.hashes import batches, entry_hash
from aggregator.store.hosts import host_ids, is_current, lock_hosts, lower_feeds_due, lower_pages_due
from aggregator.store.identity import known_articles, note_edges, note_urls, repartition
from aggregator.store.outcomes import nothing_new, save_feed
from aggregator.store.schema import DONE, DUE, FAILED, FETCHED, NEVER, entries, pages
from aggregator.store.sighted import KNOWN, Sighted, edges_of_moved, recognise


def record_poll(tx: Transaction, claim: Claim, record: PollRecord) -> PollRecorded:
    """Save the whole outcome.

    Raises:
        LeaseLostError: the claim is lost; the transaction must not be committed.
    """
    if not record.sightings and record.host == claim.host:
        if not is_current(tx, claim):
            raise LeaseLostError(claim.host)
        save_feed(tx, record, claim.host_id, 0)
        return nothing_new(claim)
    return _record_sightings(tx, claim, record)


# --- sightings --------------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class _Plan:
    """What is to be written, decided before the first lock is taken."""

    new: list[Sighted] = field(default_factory=list)  # one for each new page
    revisits: list[tuple[int, int, datetime]] = field(default_factory=list)  # page, host, at the latest
    again: list[tuple[int, int]] = field(default_factory=list)  # page without bytes whose entry changed, host
    to_fetch: list[tuple[int, int]] = field(default_factory=list)  # page that only another feed's content stands for
    known: int = 0


def _record_sightings(tx: Transaction, claim: Claim, record: PollRecord) -> PollRecorded:
    at = record.outcome.at
    sighted = _look_up_entries(tx, record)
    _heed_evidence(tx, sighted, record.host, at)
    plan = _plan(tx, sighted, record)
    ids = host_ids(tx, {record.host, *(_host(new.sighting, claim) for new in plan.new)})
    due = _due_hosts(plan, ids, claim, at)
    tokens = lock_hosts(tx, {claim.host_id, ids[record.host], *due})
    if tokens.get(claim.host_id) != claim.token:
        raise LeaseLostError(claim.host)
    added = _add_pages(tx, plan.new, ids, claim, record)
    for one in sighted:
        one.page_id = added.get(one.key_hash, one.page_id) if one.key is not None else one.page_id
    entries_new = sum(one.known is None for one in sighted)
    entries_changed = sum(one.is_changed for one in sighted)
    _save_entries(tx, sighted, record.feed_id, at)
    for page_id, _, revisit_at in plan.revisits:
        tx.run(_revisit, {"page": page_id, "at": revisit_at})
    for page_id, _ in plan.again:
        tx.run(_extract_again, {"page": page_id})
    for page_id, _ in plan.to_fetch:
        tx.run(_fetch_after_all, {"page": page_id, "at": at})
    for host_id, pages_at in sorted(due.items()):
        lower_pages_due(tx, host_id, pages_at)
    note_urls(tx, [one.sighting.identity for one in sighted if one.sighting.identity and not one.is_settled], at)
    record_decisions(tx, f"feed {record.feed_id}", [d for one in sighted for d in one.sighting.decisions], at)
    if ids[record.host] != claim.host_id:
        lower_feeds_due(tx, ids[record.host], record.state.due_at)
    save_feed(tx, record, ids[record.host], entries_new)
    new_pages = [(PageId(added[one.key_hash]), ids[_host(one.sighting, claim)]) for one in plan.new]
    new_pages += [(PageId(page_id), HostId(host_id)) for page_id, host_id in (*plan.again, *plan.to_fetch)]
    return PollRecorded(
        entries_new=entries_new,
        entries_changed=entries_changed,
        new_pages=tuple(new_pages),
        host_id=ids[record.host],
        known=plan.known,
    )


def _host(sighting: Sighting, claim: Claim) -> str:
    return sighting.host or claim.host


def _heed_evidence(tx: Transaction, sighted: Sequence[Sighted], feed_host: str, at: datetime) -> None:
    """Keep what the entries say about their addresses."""
    edges = {edge for one in sighted if not one.is_settled for edge in one.sighting.edges}
    edges |= edges_of_moved(tx, sighted, feed_host)
    keys = {key for edge in edges for key in (edge.key, edge.other)}
    links = note_short_links(tx, keys | {one.key for one in sighted if one.key is not None and not one.is_settled})
    if not edges and not links:
        return
    tx.dialect.lock_identity(tx.conn)
    note_edges(tx, edges, at)
    repartition(tx, keys | links, at)


def _due_hosts(plan: _Plan, ids: Mapping[str, HostId], claim: Claim, at: datetime) -> dict[HostId, datetime]:
    """Return which hosts get pages, due when at the latest."""
    due = {HostId(host_id): at for _, host_id in plan.to_fetch}
    for _, host_id, revisit_at in plan.revisits:
        due[HostId(host_id)] = min(revisit_at, due.get(HostId(host_id), revisit_at))
    return due | {ids[_host(new.sighting, claim)]: at for new in plan.new if not new.sighting.from_feed}


_known_entries: Final = select(*KNOWN).where(
    entries.c.feed_id == bindparam("feed"), entries.c.entry_hash.in_(bindparam("hashes", expanding=True))
)


def _look_up_entries(tx: Transaction, record: PollRecord) -> list[Sighted]:
    """Return the sightings, one for each entry id, with what the store knows about their entries."""
    by_hash: dict[bytes, Sighting] = {}
    for sighting in record.sightings:
        by_hash.setdefault(entry_hash(sighting.entry.entry_id), sighting)
    known = {
        row.entry_hash: row
        for batch in batches(by_hash)
        for row in tx.all(_known_entries, {"feed": record.feed_id, "hashes": batch})
    }
    sighted = []
    for hashed, sighting in by_hash.items():
        key = sighting.identity.key if sighting.identity is not None else None
        row = known.get(hashed)
        page_id = None if row is None else row.page_id
        sighted.append(Sighted(sighting, hashed, key, b"" if key is None else key_hash(key), row, page_id))
    recognise(tx, record.feed_id, sighted, record.outcome.at)
    return sighted


_pages: Final = select(
    pages.c.id,
    pages.c.key_hash,
    pages.c.host_id,
    pages.c.state,
    pages.c.fetched_at,
    pages.c.article_id,
    pages.c.raw_hash,
    pages.c.key,
    pages.c.feed_id,
    pages.c.cause,
)
_pages_by_key: Final = _pages.where(pages.c.key_hash.in_(bindparam("values", expanding=True)))
_pages_by_id: Final = _pages.where(pages.c.id.in_(bindparam("values", expanding=True)))


def _plan(tx: Transaction, sighted: Sequence[Sighted], record: PollRecord) -> _Plan:
    """Decide for each sighting: an article or a page that is known, or a new page."""
    plan = _Plan()
    open_ones = [one for one in sighted if one.key is not None and not one.is_settled]
    plan.known = sum(one.key is not None for one in sighted) - len(open_ones)
    articles = known_articles(tx, [one.key_hash for one in open_ones], [one.url_hash for one in open_ones])
    by_key = {row.key_hash: row for row in _rows(tx, _pages_by_key, (one.key_hash for one in open_ones))}
    by_id = {row.id: row for row in _rows(tx, _pages_by_id, (page for page in articles.values() if page is not None))}
    new: set[bytes] = set()
    for one in open_ones:
        page = by_key.get(one.key_hash)
        if page is None and (known := {one.key_hash, one.url_hash} & articles.keys()):
            page = by_id.get(articles[one.key_hash if one.key_hash in known else one.url_hash])
            one.page_id = None if page is None else page.id
            plan.known += 1
        elif page is not None:
            one.page_id = page.id
            plan.known += 1
        elif one.key_hash in new:
            one.page_id = None
            plan.known += 1
        else:
            one.page_id = None
            if _can_collect(one.sighting):
                new.add(one.key_hash)
                plan.new.append(one)
        if page is not None:
            _plan_again(plan, one, page, record)
    return plan


def _rows(tx: Transaction, query: Any, values: Iterable[Any]) -> list[Row[Any]]:
    return [row for batch in batches(values) for row in tx.all(query, {"values": batch})]


def _can_collect(sighting: Sighting) -> bool:
    """Tell whether there is anything to collect: an address, or the entry's own content."""
    if not sighting.from_feed:
        return sighting.url is not None
    return bool(sighting.entry.content or sighting.entry.summary)


def _plan_again(plan: _Plan, one: Sighted, page: Row[Any], record: PollRecord) -> None:
    """A changed entry whose content is the article is read again; a changed `updated` brings a visit forward.

    Where another feed's content stands for the page and this feed's articles are fetched, the page is: what a feed
    says about an address is no match for the address itself.
    """
    if not one.sighting.from_feed and page.feed_id != record.feed_id and _stands_for_page(page):
        plan.to_fetch.append((page.id, page.host_id))
        return
    if one.known is None or not one.is_changed:
        return
    if one.sighting.from_feed and page.raw_hash is None and page.state in ("done", "failed"):
        plan.again.append((page.id, page.host_id))
        return
    updated_at = one.sighting.entry.updated_at
    is_updated = updated_at is not None and one.known.updated_at not in (None, updated_at)
    if record.revisits and is_updated and page.article_id is not None and page.fetched_at is not None:
        at = revisit_after_update(page.fetched_at, None, now=record.outcome.at)
        plan.revisits.append((page.id, page.host_id, at))


def _stands_for_page(page: Row[Any]) -> bool:
    """Tell whether a page was never asked for because a feed brought the content."""
    if page.fetched_at is not None or page.cause is not None:
        return False
    return page.state == "fetched" or bool(page.state == "done" and page.article_id == article_id(Key(page.key)))


# --- writing ----------------------------------------------------------------------------------------------------------

_revisit: Final = (
    update(pages)
    .where(
        pages.c.id == bindparam("page"),
        or_(pages.c.state == DONE, and_(pages.c.state == DUE, pages.c.due_at > bindparam("at"))),
    )
    .values(state=DUE, due_at=bindparam("at"))
)
_extract_again: Final = (
    update(pages)
    .where(pages.c.id == bindparam("page"), or_(pages.c.state == DONE, pages.c.state == FAILED))
    .values(state=FETCHED, extract_attempts=0, cause=None, detail="")
)

_fetch_after_all: Final = (
    update(pages)
    .where(
        pages.c.id == bindparam("page"),
        or_(pages.c.state == DONE, pages.c.state == FETCHED),
        pages.c.fetched_at.is_(None),
    )
    .values(state=DUE, due_at=bindparam("at"), token=pages.c.token + 1, lease_until=NEVER, lease_owner="")
)


def _add_pages(
    tx: Transaction, new: Sequence[Sighted], ids: Mapping[str, HostId], claim: Claim, record: PollRecord
) -> dict[bytes, int]:
    """Insert the pages; another poll may have been faster. Returns page ids by key hash."""
    if not new:
        return {}
    at = record.outcome.at
    rows = []
    for one in new:
        identity = one.sighting.identity
        url = one.sighting.url or (identity.url if identity is not None else "")
        rows.append(
            {
                "key_hash": one.key_hash,
                "key": one.key,
                "url": url,
                "host_id": ids[_host(one.sighting, claim)],
                "target": url,
                "hops": "",
                "state": "fetched" if one.sighting.from_feed else "due",
                "due_at": at,
                "first_seen": at,
                "feed_id": record.feed_id,
            }
        )
    tx.add(pages, rows)
    return {row.key_hash: row.id for row in _rows(tx, _page_ids, (one.key_hash for one in new))}


_page_ids: Final = select(pages.c.id, pages.c.key_hash).where(pages.c.key_hash.in_(bindparam("values", expanding=True)))


@cache
def _upsert_entry(dialect: str) -> Insert:
    statement = insert(dialect, entries)
    kept = ("id", "feed_id", "entry_hash", "entry_id", "first_seen")
    replaced = {column.name: column for column in statement.excluded if column.name not in kept}
    return statement.on_conflict_do_update(index_elements=[entries.c.feed_id, entries.c.entry_hash], set_=replaced)


def _save_entries(tx: Transaction, sighted: Sequence[Sighted], feed_id: FeedId, at: datetime) -> None:
    rows = [
        {
            "feed_id": feed_id,
            "entry_hash": one.entry_hash,
            "entry_id": one.sighting.entry.entry_id,
            "link": one.sighting.entry.link,
            "title": one.sighting.entry.title,
            "published_at": one.sighting.entry.published_at,
            "updated_at": one.sighting.entry.updated_at,
            "content_hash": one.sighting.content_hash,
            "rest": dump_entry_rest(one.sighting.entry),
            "page_id": one.page_id,
            "first_seen": at,
        }
        for one in sighted
        if not one.is_settled
    ]
    tx.run_all(_upsert_entry(tx.dialect.name), rows)


# --- what a feed has shown before -------------------------------------------------------------------------------------

_entries_seen: Final = select(entries.c.entry_hash.label("hash"), entries.c.first_seen).where(
    entries.c.feed_id == bindparam("feed"), entries.c.entry_hash.in_(bindparam("hashes", expanding=True))
)
_pages_seen: Final = (
    select(
        pages.c.key_hash.label("hash"),
        func.min(entries.c.first_seen, type_=entries.c.first_seen.type).label("first_seen"),
    )
    .join(entries, entries.c.page_id == pages.c.id)
    .where(entries.c.feed_id == bindparam("feed"), pages.c.key_hash.in_(bindparam("hashes", expanding=True)))
    .group_by(pages.c.key_hash)
)


def first_seen(tx: Transaction, feed_id: FeedId, sightings: Sequence[Sighting]) -> tuple[datetime | None, ...]:
    """Return when the feed first showed each entry, or another one of the same page; None: never."""
    ids = [entry_hash(sighting.entry.entry_id) for sighting in sightings]
    keys = [None if (key := _key_of(sighting)) is None else key_hash(key) for sighting in sightings]
    by_id = _first_seen(tx, _entries_seen, feed_id, ids)
    by_key = _first_seen(tx, _pages_seen, feed_id, (key for key in keys if key is not None))
    return tuple(
        min((at for at in (by_id.get(one), by_key.get(key or b"")) if at is not None), default=None)
        for one, key in zip(ids, keys, strict=True)
    )


def _key_of(sighting: Sighting) -> Key | None:
    return None if sighting.identity is None else sighting.identity.key


def _first_seen(tx: Transaction, query: Any, feed_id: FeedId, hashes: Iterable[bytes]) -> dict[bytes, datetime]:
    return {
        row.hash: row.first_seen
        for batch in batches(set(hashes))
        for row in tx.all(query, {"feed": feed_id, "hashes": batch})
    }
