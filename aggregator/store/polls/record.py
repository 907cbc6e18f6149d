"""The outcome of polls: feed state, history, entries and new pages in one transaction."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import cache
from typing import Any, Final

from sqlalchemy import Row, and_, bindparam, or_, select, update

from aggregator.errors import LeaseLostError
from aggregator.identity.identify import article_id
from aggregator.models.records import HostId, PageId
from aggregator.ports.store_records import ArticleRecorded, PollRecorded
from aggregator.store.articles.record import record_with_poll
from aggregator.store.articles.rows import PAGE_COLUMNS, ArticleWrite
from aggregator.store.db.any_of import any_of
from aggregator.store.db.database import Transaction
from aggregator.store.db.dialects import Insert, insert
from aggregator.store.db.schema import DONE, DUE, FAILED, FETCHED, NEVER, entries, pages
from aggregator.store.identity.decisions import record_all_decisions
from aggregator.store.identity.partition import note_edges, note_urls, repartition
from aggregator.store.identity.wordpress import note_short_links
from aggregator.store.polls.history import save_feeds
from aggregator.store.polls.matching import edges_of_moved
from aggregator.store.polls.plan import Plan, Prepared, apart, look_up_entries, plan
from aggregator.store.queue.hosts import host_ids, lock_hosts, lower_feeds_due, lower_pages_due


def record_polls(tx: Transaction, polled: Sequence[Prepared]) -> Sequence[PollRecorded]:
    """Save the whole outcome of each poll; what comes of them is what one after the other would give.

    Polls that have no page in common are saved in as many statements as one of them.

    Raises:
        LeaseLostError: a claim is lost; the transaction must not be committed.
    """
    recorded: dict[int, PollRecorded] = {}
    left = [Plan(number, prepared) for number, prepared in enumerate(polled)]
    while left:
        together, left = apart(left)
        for poll, outcome in zip(together, _record(tx, together), strict=True):
            recorded[poll.number] = outcome
    return [recorded[number] for number in range(len(polled))]


def _record(tx: Transaction, polls: Sequence[Plan]) -> list[PollRecorded]:
    at = max(poll.at for poll in polls)
    look_up_entries(tx, polls)
    _heed_evidence(tx, polls, at)
    plan(tx, polls)
    names = {poll.record.host for poll in polls} | {poll.host_of(one.sighting) for poll in polls for one in poll.new}
    ids = host_ids(tx, names)
    due = _due_hosts(polls, ids)
    tokens = lock_hosts(tx, {*(poll.claim.host_id for poll in polls), *(ids[poll.record.host] for poll in polls), *due})
    for poll in polls:
        if tokens.get(poll.claim.host_id) != poll.claim.token:
            raise LeaseLostError(poll.claim.host)
    added = _add_pages(tx, polls, ids)
    for one in (one for poll in polls for one in poll.sighted if one.key_hash in added):
        one.page_id = added[one.key_hash].id
    _save_entries(tx, polls)
    tx.run_all(_revisit, [{"page": page, "at": revisit_at} for poll in polls for page, _, revisit_at in poll.revisits])
    tx.run_all(_extract_again, [{"page": page} for poll in polls for page, _ in poll.again])
    tx.run_all(_fetch_after_all, [{"page": page, "at": poll.at} for poll in polls for page, _ in poll.to_fetch])
    for host_id, pages_at in sorted(due.items()):
        lower_pages_due(tx, host_id, pages_at)
    record_all_decisions(tx, [poll.said for poll in polls], at)
    articles = _record_along(tx, polls, added)
    open_ones = [one for poll in polls for one in poll.sighted if not one.is_settled]
    untold = [
        one.sighting for one in open_ones if not one.is_renamed and not (one.has_new_page and one.page_id in articles)
    ]
    note_urls(tx, [sighting.identity for sighting in untold if sighting.identity], at)
    for poll in polls:
        if ids[poll.record.host] != poll.claim.host_id:
            lower_feeds_due(tx, ids[poll.record.host], poll.record.state.due_at)
    recorded = [_recorded(poll, ids, added, articles) for poll in polls]
    outcomes = zip(polls, recorded, strict=True)
    save_feeds(tx, [(poll.record, outcome.host_id, outcome.entries_new) for poll, outcome in outcomes])
    return recorded


def _record_along(
    tx: Transaction, polls: Sequence[Plan], added: Mapping[bytes, Row[Any]]
) -> dict[PageId, ArticleRecorded]:
    """Record the articles that were read along with the feeds, of pages that nobody added before."""
    texts = [
        ArticleWrite(added[hashed], draft, tx.now)
        for poll in polls
        for hashed, draft in poll.along.items()
        if added[hashed].feed_id == poll.record.feed_id
    ]
    return record_with_poll(tx, texts) if texts else {}


def _recorded(
    poll: Plan, ids: Mapping[str, HostId], added: Mapping[bytes, Row[Any]], articles: Mapping[PageId, ArticleRecorded]
) -> PollRecorded:
    new_pages = [(PageId(added[one.key_hash].id), ids[poll.host_of(one.sighting)]) for one in poll.new]
    waiting = [(page, host) for page, host in new_pages if page not in articles]
    waiting += [(PageId(page_id), HostId(host_id)) for page_id, host_id in (*poll.again, *poll.to_fetch)]
    return PollRecorded(
        entries_new=sum(one.known is None for one in poll.sighted),
        entries_changed=sum(one.is_changed for one in poll.sighted),
        new_pages=tuple(waiting),
        host_id=ids[poll.record.host],
        known=poll.known,
        articles=tuple(articles[page] for page, _ in new_pages if page in articles),
    )


def _heed_evidence(tx: Transaction, polls: Sequence[Plan], at: datetime) -> None:
    """Keep what the entries say about their addresses."""
    open_ones = [one for poll in polls for one in poll.sighted if not one.is_settled]
    edges = {edge for one in open_ones for edge in one.sighting.edges}
    for poll in polls:
        edges |= edges_of_moved(tx, poll.sighted, poll.record.host)
    keys = {key for edge in edges for key in (edge.key, edge.other)}
    links = note_short_links(tx, keys | {one.key for one in open_ones if one.key is not None})
    is_read_along = any(one.sighting.article is not None for poll in polls for one in poll.sighted)
    if edges or links or is_read_along:
        tx.dialect.lock_identity(tx.conn)
    if not edges and not links:
        return
    note_edges(tx, edges, at)
    repartition(tx, keys | links, at)


def _due_hosts(polls: Sequence[Plan], ids: Mapping[str, HostId]) -> dict[HostId, datetime]:
    """Return which hosts get pages, due when at the latest."""
    due: dict[HostId, datetime] = {}
    for poll in polls:
        wanted = [(HostId(host_id), poll.at) for _, host_id in poll.to_fetch]
        wanted += [(HostId(host_id), revisit_at) for _, host_id, revisit_at in poll.revisits]
        wanted += [(ids[poll.host_of(one.sighting)], poll.at) for one in poll.new if not one.sighting.from_feed]
        for host_id, at in wanted:
            due[host_id] = min(at, due.get(host_id, at))
    return due


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


def _add_pages(tx: Transaction, polls: Sequence[Plan], ids: Mapping[str, HostId]) -> dict[bytes, Row[Any]]:
    """Insert the pages; another poll may have been faster. Returns them by key hash."""
    rows = []
    for poll, one in [(its, new) for its in polls for new in its.new]:
        identity, is_along = one.sighting.identity, one.key_hash in poll.along
        url = one.sighting.url or (identity.url if identity is not None else "")
        rows.append(
            {
                "key_hash": one.key_hash,
                "key": one.key,
                "url": url,
                "host_id": ids[poll.host_of(one.sighting)],
                "target": url,
                "hops": "",
                "state": "done" if is_along else "fetched" if one.sighting.from_feed else "due",
                "article_id": article_id(one.key) if is_along else None,
                "due_at": poll.at,
                "first_seen": poll.at,
                "feed_id": poll.record.feed_id,
            }
        )
    tx.add(pages, rows)
    return {row.key_hash: row for row in tx.all_of(_added, (new.key_hash for its in polls for new in its.new))}


_added: Final = select(*PAGE_COLUMNS, pages.c.key_hash).where(any_of(pages.c.key_hash))


@cache
def _upsert_entry(dialect: str) -> Insert:
    statement = insert(dialect, entries)
    kept = ("id", "feed_id", "entry_hash", "entry_id", "first_seen")
    replaced = {column.name: column for column in statement.excluded if column.name not in kept}
    return statement.on_conflict_do_update(index_elements=[entries.c.feed_id, entries.c.entry_hash], set_=replaced)


def _save_entries(tx: Transaction, polls: Sequence[Plan]) -> None:
    rows = [
        {
            "feed_id": poll.record.feed_id,
            "entry_hash": one.entry_hash,
            "entry_id": one.sighting.entry.entry_id,
            "link": one.sighting.entry.link,
            "title": one.sighting.entry.title,
            "published_at": one.sighting.entry.published_at,
            "updated_at": one.sighting.entry.updated_at,
            "content_hash": one.sighting.content_hash,
            "rest": one.rest,
            "page_id": one.page_id,
            "first_seen": poll.at,
        }
        for poll in polls
        for one in poll.sighted
        if not one.is_settled
    ]
    tx.run_all(_upsert_entry(tx.dialect.name), rows)
