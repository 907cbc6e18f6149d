"""Writes polls: feed state, history, entries, new pages and articles, in one transaction.

Polls that change only feed state and history are written by `history.record_bare_polls`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from functools import cache
from typing import Any, Final

from sqlalchemy import Row, and_, bindparam, or_, select, update

from aggregator.errors import LeaseLostError
from aggregator.identity.identify import article_id
from aggregator.models.ids import HostId, Key, PageId
from aggregator.ports.store_records import ArticleRecorded, PollRecorded
from aggregator.store.articles.erasure import BLANK_ENTRY, forgotten_pages
from aggregator.store.articles.filtering import Settled, filter_recorded
from aggregator.store.articles.record import record_with_poll
from aggregator.store.articles.rows import PAGE_COLUMNS, ArticleWrite
from aggregator.store.db.any_of import any_of
from aggregator.store.db.column_types import NEVER
from aggregator.store.db.database import Transaction
from aggregator.store.db.dialects import Insert, insert
from aggregator.store.db.schema import DONE, DUE, FAILED, FETCHED, SKIPPED, entries, pages
from aggregator.store.identity.decisions import record_all_decisions
from aggregator.store.identity.doubts import doubted_keys
from aggregator.store.identity.lessons import HELD, LONGEST_WAIT, TAKEN
from aggregator.store.identity.partition import note_edges, note_urls, repartition
from aggregator.store.identity.wordpress import note_short_links
from aggregator.store.polls.history import save_feeds
from aggregator.store.polls.matching import MatchedEntry, MatchedPoll, PollDraft, edges_of_moved
from aggregator.store.polls.plan import PollWrite, match_entries, plan_polls, split_disjoint
from aggregator.store.polls.variants import VariantPlan, plan_variants, save_variants
from aggregator.store.queue.hosts import host_ids, lock_hosts, lower_feeds_due, lower_pages_due


def record_polls(tx: Transaction, drafts: Sequence[PollDraft]) -> Sequence[PollRecorded]:
    """Save all results of several polls. The result is the same as if each poll was saved alone.

    Polls that have no feed and no address in common are saved together, with fewer statements.

    Raises:
        LeaseLostError: a claim is lost; the transaction must not be committed.
    """
    recorded: dict[int, PollRecorded] = {}
    left: Sequence[int] = range(len(drafts))
    while left:
        disjoint, left = split_disjoint(drafts, left)
        recorded |= zip(disjoint, _record(tx, [drafts[number] for number in disjoint]), strict=True)
    return [recorded[number] for number in range(len(drafts))]


def _record(tx: Transaction, drafts: Sequence[PollDraft]) -> list[PollRecorded]:
    at = max(draft.at for draft in drafts)
    matched = match_entries(tx, drafts)
    doubted = _note_evidence(tx, matched, at)
    polls = plan_polls(tx, matched)
    plan = plan_variants(tx, _learnable(polls), at)
    if plan.takes:
        tx.dialect.lock_identity(tx.conn)
    names = {poll.record.host for poll in polls}
    ids = host_ids(tx, names | {poll.host_of(one.sighting) for poll in polls for one in poll.new.values()})
    due = _due_hosts(polls, ids)
    tokens = lock_hosts(tx, {*(poll.claim.host_id for poll in polls), *(ids[poll.record.host] for poll in polls), *due})
    for poll in polls:
        if tokens.get(poll.claim.host_id) != poll.claim.token:
            raise LeaseLostError(poll.claim.host)
    added = _add_pages(tx, polls, ids, plan)
    save_variants(tx, plan, {hashed: PageId(row.id) for hashed, row in added.items()})
    _save_entries(tx, polls, added)
    if doubted:
        repartition(tx, doubted, at)
    _work_on_pages(tx, polls)
    for host_id, pages_at in sorted(due.items()):
        lower_pages_due(tx, host_id, pages_at)
    record_all_decisions(tx, [poll.decisions for poll in polls], at)
    articles = _record_articles(tx, polls, added)
    _note_addresses(tx, polls, added, articles, at)
    settled = _filter(tx, polls, added)
    for poll in polls:
        if ids[poll.record.host] != poll.claim.host_id:
            lower_feeds_due(tx, ids[poll.record.host], poll.record.state.due_at)
    articles |= {page: replace(one, kind="skipped") for page, one in articles.items() if page in settled.skipped}
    recorded = [_recorded(poll, ids, added, articles, settled, plan) for poll in polls]
    outcomes = zip(polls, recorded, strict=True)
    save_feeds(tx, [(poll.record, outcome.host_id, outcome.entries_new) for poll, outcome in outcomes])
    return recorded


def _record_articles(
    tx: Transaction, polls: Sequence[PollWrite], added: Mapping[bytes, Row[Any]]
) -> dict[PageId, ArticleRecorded]:
    """Record the articles whose text came with the feeds. A page that another feed's poll inserted is left out."""
    writes = [
        ArticleWrite(added[hashed], draft, tx.now)
        for poll in polls
        for hashed, draft in poll.articles.items()
        if added[hashed].feed_id == poll.record.feed_id
    ]
    return record_with_poll(tx, writes) if writes else {}


def _filter(tx: Transaction, polls: Sequence[PollWrite], added: Mapping[bytes, Row[Any]]) -> Settled:
    """Apply the `keep` and `skip` rules to the new pages `added` and to the pages of entries that the polls wrote."""
    touched = {row.id for row in added.values()}
    touched |= {page for poll in polls for page in poll.page_ids.values() if page is not None}
    return filter_recorded(tx, polls[-1].matched.draft.filters, touched)


def _note_addresses(
    tx: Transaction,
    polls: Sequence[PollWrite],
    added: Mapping[bytes, Row[Any]],
    articles: Mapping[PageId, ArticleRecorded],
    at: datetime,
) -> None:
    """Store the addresses of entries. Entries whose article was just stored with its addresses are left out."""
    identities = [
        one.sighting.identity
        for poll in polls
        for one in poll.matched.unsettled
        if one.sighting.identity is not None and not one.is_renamed
        if poll.new.get(one.key_hash) is not one or added[one.key_hash].id not in articles
    ]
    note_urls(tx, identities, at)


def _recorded(
    poll: PollWrite,
    ids: Mapping[str, HostId],
    added: Mapping[bytes, Row[Any]],
    articles: Mapping[PageId, ArticleRecorded],
    settled: Settled,
    plan: VariantPlan,
) -> PollRecorded:
    taken = {hashed for hashed, use in plan.uses().items() if use == TAKEN and hashed in poll.new}
    new_pages = [
        (PageId(added[hashed].id), ids[poll.host_of(one.sighting)])
        for hashed, one in poll.new.items()
        if hashed not in taken
    ]
    waiting = [(page, host) for page, host in new_pages if page not in articles]
    waiting += [
        (PageId(work.page_id), HostId(work.host_id))
        for kind in ("extract", "fetch")
        for work in poll.work
        if work.kind == kind
    ]
    known = {PageId(page) for page in poll.page_ids.values() if page is not None}
    waiting += [(page, host) for page, host in settled.waiting.items() if page in known]
    return PollRecorded(
        entries_new=sum(one.known is None for one in poll.matched.entries),
        new_pages=tuple(
            (page, host) for page, host in waiting if page not in settled.skipped or page in settled.waiting
        ),
        host_id=ids[poll.record.host],
        known=poll.known + len(taken),
        articles=tuple(articles[page] for page, _ in new_pages if page in articles),
    )


def _learnable(polls: Sequence[PollWrite]) -> dict[bytes, tuple[Key, str]]:
    """Return the key and address of each new page to fetch of feeds that use lessons, by the hash of the key."""
    return {
        hashed: (one.key, one.sighting.url)
        for poll in polls
        if poll.record.learns
        for hashed, one in poll.new.items()
        if one.key is not None and one.sighting.url is not None and not one.sighting.from_feed
    }


def _note_evidence(tx: Transaction, polls: Sequence[MatchedPoll], at: datetime) -> set[Key]:
    """Store the evidence that the entries give about addresses; merge and split articles by it.

    Return the keys of entries whose pages redirect to another address or state one as their own: the titles of the
    entries may show that these pages are a wall. Take the identity lock if these polls may change articles.
    """
    unsettled = [one for poll in polls for one in poll.unsettled]
    edges = {edge for one in unsettled for edge in one.sighting.edges}
    for poll in polls:
        edges |= edges_of_moved(tx, poll.entries, poll.draft.record.host)
    keys = {key for edge in edges for key in (edge.key, edge.other)}
    links = note_short_links(tx, keys | {one.key for one in unsettled if one.key is not None})
    has_articles = any(one.draft.article is not None for poll in polls for one in poll.entries)
    doubted = doubted_keys(tx, {one.key for one in unsettled if one.key is not None})
    has_filters = any(poll.draft.filters.digest for poll in polls)
    if edges or links or has_articles or doubted or has_filters:
        tx.dialect.lock_identity(tx.conn)
    if edges or links:
        note_edges(tx, edges, at)
        repartition(tx, keys | links, at)
    return doubted


def _due_hosts(polls: Sequence[PollWrite], ids: Mapping[str, HostId]) -> dict[HostId, datetime]:
    """Return, for each host on which pages become due, the time when the earliest of them is due."""
    due: dict[HostId, datetime] = {}
    for poll in polls:
        wanted = [(HostId(work.host_id), work.at) for work in poll.work if work.kind != "extract"]
        wanted += [
            (ids[poll.host_of(one.sighting)], poll.at) for one in poll.new.values() if not one.sighting.from_feed
        ]
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
    .where(pages.c.id == bindparam("page"), pages.c.state.in_((DONE, FAILED, SKIPPED)))
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


def _work_on_pages(tx: Transaction, polls: Sequence[PollWrite]) -> None:
    """Set the state of the pages with planned work: "due" for a fetch or a revisit, "fetched" for an extraction."""
    work = [one for poll in polls for one in poll.work]
    tx.run_all(_revisit, [{"page": one.page_id, "at": one.at} for one in work if one.kind == "revisit"])
    tx.run_all(_extract_again, [{"page": one.page_id} for one in work if one.kind == "extract"])
    tx.run_all(_fetch_after_all, [{"page": one.page_id, "at": one.at} for one in work if one.kind == "fetch"])


def _add_pages(
    tx: Transaction, polls: Sequence[PollWrite], ids: Mapping[str, HostId], plan: VariantPlan
) -> dict[bytes, Row[Any]]:
    """Insert the new pages; return their rows by the hash of the key. A page that another poll inserted first stays."""
    rows = []
    uses = plan.uses()
    for poll, hashed, one in [(its, hashed, new) for its in polls for hashed, new in its.new.items()]:
        identity, is_done = one.sighting.identity, hashed in poll.articles
        url = one.sighting.url or (identity.url if identity is not None else "")
        rows.append(
            {
                "key_hash": hashed,
                "key": one.key,
                "url": url,
                "host_id": ids[poll.host_of(one.sighting)],
                "target": url,
                "hops": "",
                "state": "done" if is_done else "fetched" if one.sighting.from_feed else "due",
                "article_id": article_id(one.key) if is_done and one.key is not None else None,
                "due_at": poll.at + LONGEST_WAIT if uses.get(hashed) == HELD else poll.at,
                "family": plan.families.get(hashed),
                "first_seen": poll.at,
                "feed_id": poll.record.feed_id,
            }
        )
    tx.add(pages, rows)
    return {row.key_hash: row for row in tx.all_of(_added, (hashed for poll in polls for hashed in poll.new))}


_added: Final = select(*PAGE_COLUMNS, pages.c.key_hash).where(any_of(pages.c.key_hash))


@cache
def _upsert_entry(dialect: str) -> Insert:
    statement = insert(dialect, entries)
    kept = ("id", "feed_id", "entry_hash", "entry_id", "first_seen")
    replaced = {column.name: column for column in statement.excluded if column.name not in kept}
    return statement.on_conflict_do_update(index_elements=[entries.c.feed_id, entries.c.entry_hash], set_=replaced)


def _save_entries(tx: Transaction, polls: Sequence[PollWrite], added: Mapping[bytes, Row[Any]]) -> None:
    forgotten = forgotten_pages(tx, {page for poll in polls for page in poll.page_ids.values() if page is not None})
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
            "rest": one.draft.rest,
            "page_id": (page := _page_id(poll, one, added)),
            "first_seen": poll.at,
            **(BLANK_ENTRY if page in forgotten else {}),
        }
        for poll in polls
        for one in poll.matched.unsettled
    ]
    tx.run_all(_upsert_entry(tx.dialect.name), rows)


def _page_id(poll: PollWrite, one: MatchedEntry, added: Mapping[bytes, Row[Any]]) -> int | None:
    """Return the id of an entry's page; None: it has none.

    The page is one that this poll inserted, or else the one in `poll.page_ids`, or else the stored entry's.
    """
    if one.key_hash in added:
        return int(added[one.key_hash].id)
    had = None if one.known is None else one.known.page_id
    return poll.page_ids.get(one.entry_hash, had)
