"""The outcome of polls: feed state, history, entries and new pages in one transaction."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from typing import Any, Final

from sqlalchemy import Row, and_, bindparam, func, or_, select, update

from aggregator.errors import LeaseLostError
from aggregator.identify import article_id, key_hash
from aggregator.ledger import ArticleRecord, ArticleRecorded, Claim, PollRecord, PollRecorded, Sighting
from aggregator.models import FeedId, HostId, Key, PageId
from aggregator.schedule import revisit_after_update
from aggregator.store.articles import record_along
from aggregator.store.blogs import note_short_links
from aggregator.store.codec import dump_entry_rest
from aggregator.store.database import Transaction
from aggregator.store.decisions import Said, record_all_decisions
from aggregator.store.dialects import Insert, insert
from aggregator.store.hashes import batches, entry_hash
from aggregator.store.hosts import host_ids, lock_hosts, lower_feeds_due, lower_pages_due
from aggregator.store.identity import known_articles, note_edges, note_urls, repartition
from aggregator.store.incoming import TEXT_COLUMNS, Text
from aggregator.store.outcomes import save_feeds
from aggregator.store.schema import DONE, DUE, FAILED, FETCHED, NEVER, entries, feeds, pages
from aggregator.store.sighted import KNOWN, Sighted, edges_of_moved, recognise


def record_polls(tx: Transaction, polled: Sequence[tuple[Claim, PollRecord]]) -> Sequence[PollRecorded]:
    """Save the whole outcome of each poll; what comes of them is what one after the other would give.

    Polls that have no page in common are saved in as many statements as one of them.

    Raises:
        LeaseLostError: a claim is lost; the transaction must not be committed.
    """
    recorded: dict[int, PollRecorded] = {}
    left = [_Poll(number, claim, record) for number, (claim, record) in enumerate(polled)]
    while left:
        together, left = _apart(left)
        for poll, outcome in zip(together, _record(tx, together), strict=True):
            recorded[poll.number] = outcome
    return [recorded[number] for number in range(len(polled))]


# --- sightings --------------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class _Poll:
    """One of the polls, and what is to be written of it, decided before the first lock is taken."""

    number: int
    claim: Claim
    record: PollRecord
    sighted: list[Sighted] = field(default_factory=list)
    new: list[Sighted] = field(default_factory=list)  # one for each new page
    revisits: list[tuple[int, int, datetime]] = field(default_factory=list)  # page, host, at the latest
    again: list[tuple[int, int]] = field(default_factory=list)  # page without bytes whose entry changed, host
    to_fetch: list[tuple[int, int]] = field(default_factory=list)  # page that only another feed's content stands for
    along: Mapping[bytes, ArticleRecord] = field(default_factory=dict)  # read with the feed, by the new page's key hash
    known: int = 0
    is_first: bool = False  # nothing was recorded of the feed before

    @property
    def at(self) -> datetime:
        """When it was."""
        return self.record.outcome.at

    @property
    def said(self) -> Said:
        """What was decided about the addresses of its entries."""
        made = [decision for one in self.sighted for decision in one.sighting.decisions]
        return Said(f"feed {self.record.feed_id}", made, is_first=self.is_first)

    def host_of(self, sighting: Sighting) -> str:
        """Return the host of an entry's page."""
        return sighting.host or self.claim.host


def _apart(polls: Sequence[_Poll]) -> tuple[list[_Poll], list[_Poll]]:
    """Return polls that share no address with one before, and the others."""
    taken: set[object] = set()
    together: list[_Poll] = []
    others: list[_Poll] = []
    for poll in polls:
        named: set[object] = {poll.record.feed_id}
        for one in poll.record.sightings:
            named |= set() if one.identity is None else {one.identity.key, one.identity.url}
        (together if taken.isdisjoint(named) else others).append(poll)
        taken |= named
    return together, others


def _record(tx: Transaction, polls: Sequence[_Poll]) -> list[PollRecorded]:
    at = max(poll.at for poll in polls)
    _look_up_entries(tx, polls)
    _heed_evidence(tx, polls, at)
    _plan(tx, polls)
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
    untold = [one.sighting for one in open_ones if not (one.has_new_page and one.page_id in articles)]
    note_urls(tx, [sighting.identity for sighting in untold if sighting.identity], at)
    for poll in polls:
        if ids[poll.record.host] != poll.claim.host_id:
            lower_feeds_due(tx, ids[poll.record.host], poll.record.state.due_at)
    recorded = [_recorded(poll, ids, added, articles) for poll in polls]
    outcomes = zip(polls, recorded, strict=True)
    save_feeds(tx, [(poll.record, outcome.host_id, outcome.entries_new) for poll, outcome in outcomes])
    return recorded


def _record_along(
    tx: Transaction, polls: Sequence[_Poll], added: Mapping[bytes, Row[Any]]
) -> dict[PageId, ArticleRecorded]:
    """Record the articles that were read along with the feeds, of pages that nobody added before."""
    texts = [
        Text(added[hashed], article)
        for poll in polls
        for hashed, article in poll.along.items()
        if added[hashed].feed_id == poll.record.feed_id
    ]
    return record_along(tx, texts) if texts else {}


def _recorded(
    poll: _Poll, ids: Mapping[str, HostId], added: Mapping[bytes, Row[Any]], articles: Mapping[PageId, ArticleRecorded]
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


def _heed_evidence(tx: Transaction, polls: Sequence[_Poll], at: datetime) -> None:
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


def _due_hosts(polls: Sequence[_Poll], ids: Mapping[str, HostId]) -> dict[HostId, datetime]:
    """Return which hosts get pages, due when at the latest."""
    due: dict[HostId, datetime] = {}
    for poll in polls:
        wanted = [(HostId(host_id), poll.at) for _, host_id in poll.to_fetch]
        wanted += [(HostId(host_id), revisit_at) for _, host_id, revisit_at in poll.revisits]
        wanted += [(ids[poll.host_of(one.sighting)], poll.at) for one in poll.new if not one.sighting.from_feed]
        for host_id, at in wanted:
            due[host_id] = min(at, due.get(host_id, at))
    return due


_known_entries: Final = select(*KNOWN).where(
    entries.c.feed_id == bindparam("feed"), entries.c.entry_hash.in_(bindparam("hashes", expanding=True))
)


_polled_before: Final = select(feeds.c.id, (feeds.c.poll_count > 0).label("polled")).where(
    feeds.c.id.in_(bindparam("values", expanding=True))
)


def _look_up_entries(tx: Transaction, polls: Sequence[_Poll]) -> None:
    """Find for each entry id what the store knows about the entry."""
    shown = [poll.record.feed_id for poll in polls if poll.record.sightings]
    never_polled = {row.id for row in _rows(tx, _polled_before, shown) if not row.polled}
    for poll in polls:
        poll.is_first = poll.record.feed_id in never_polled
        poll.sighted = _sighted(tx, poll.record, is_known=not poll.is_first)


def _sighted(tx: Transaction, record: PollRecord, *, is_known: bool) -> list[Sighted]:
    """Return the sightings, one for each entry id; `is_known`: the feed has entries."""
    by_hash: dict[bytes, Sighting] = {}
    for sighting in record.sightings:
        by_hash.setdefault(entry_hash(sighting.entry.entry_id), sighting)
    known = {
        row.entry_hash: row
        for batch in batches(by_hash if is_known else ())
        for row in tx.all(_known_entries, {"feed": record.feed_id, "hashes": batch})
    }
    sighted = []
    for hashed, sighting in by_hash.items():
        key = sighting.identity.key if sighting.identity is not None else None
        row = known.get(hashed)
        page_id = None if row is None else row.page_id
        sighted.append(Sighted(sighting, hashed, key, b"" if key is None else key_hash(key), row, page_id))
    if is_known:
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


def _plan(tx: Transaction, polls: Sequence[_Poll]) -> None:
    """Decide for each sighting: an article or a page that is known, or a new page."""
    open_ones = [one for poll in polls for one in poll.sighted if one.key is not None and not one.is_settled]
    articles = known_articles(tx, [one.key_hash for one in open_ones], [one.url_hash for one in open_ones])
    by_key = {row.key_hash: row for row in _rows(tx, _pages_by_key, (one.key_hash for one in open_ones))}
    by_id = {row.id: row for row in _rows(tx, _pages_by_id, (page for page in articles.values() if page is not None))}
    for poll in polls:
        _plan_one(poll, articles, by_key, by_id)


def _plan_one(
    poll: _Poll,
    articles: Mapping[bytes, int | None],
    by_key: Mapping[bytes, Row[Any]],
    by_id: Mapping[int, Row[Any]],
) -> None:
    new: set[bytes] = set()
    for one in poll.sighted:
        if one.key is None:
            continue
        if one.is_settled:
            poll.known += 1
            continue
        page = by_key.get(one.key_hash)
        if page is None and (known := {one.key_hash, one.url_hash} & articles.keys()):
            page = by_id.get(articles[one.key_hash if one.key_hash in known else one.url_hash] or 0)
            one.page_id = None if page is None else page.id
            poll.known += 1
        elif page is not None:
            one.page_id = page.id
            poll.known += 1
        elif one.key_hash in new:
            one.page_id = None
            poll.known += 1
        else:
            one.page_id = None
            if _can_collect(one.sighting):
                new.add(one.key_hash)
                poll.new.append(one)
                one.has_new_page = True
        if page is not None:
            _plan_again(poll, one, page)
    poll.along = _along(poll)


def _along(poll: _Poll) -> dict[bytes, ArticleRecord]:
    """Return the articles that were read with the feed.

    Where an entry that was known before leads to the page, too, that one is the article: it came first.
    """
    before = {one.key_hash for one in poll.sighted if one.known is not None}
    read = {one.key_hash: one.sighting.article for one in poll.new if one.key_hash not in before}
    return {hashed: article for hashed, article in read.items() if article is not None}


def _rows(tx: Transaction, query: Any, values: Iterable[Any]) -> list[Row[Any]]:
    return [row for batch in batches(values) for row in tx.all(query, {"values": batch})]


def _can_collect(sighting: Sighting) -> bool:
    """Tell whether there is anything to collect: an address, or the entry's own content."""
    if not sighting.from_feed:
        return sighting.url is not None
    return bool(sighting.entry.content or sighting.entry.summary)


def _plan_again(poll: _Poll, one: Sighted, page: Row[Any]) -> None:
    """A changed entry whose content is the article is read again; a changed `updated` brings a visit forward.

    Where another feed's content stands for the page and this feed's articles are fetched, the page is: what a feed
    says about an address is no match for the address itself.
    """
    record = poll.record
    if not one.sighting.from_feed and page.feed_id != record.feed_id and _stands_for_page(page):
        poll.to_fetch.append((page.id, page.host_id))
        return
    if one.known is None or not one.is_changed:
        return
    if one.sighting.from_feed and page.raw_hash is None and page.state in ("done", "failed"):
        poll.again.append((page.id, page.host_id))
        return
    updated_at = one.sighting.entry.updated_at
    is_updated = updated_at is not None and one.known.updated_at not in (None, updated_at)
    if record.revisits and is_updated and page.article_id is not None and page.fetched_at is not None:
        at = revisit_after_update(page.fetched_at, None, now=poll.at)
        poll.revisits.append((page.id, page.host_id, at))


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


def _add_pages(tx: Transaction, polls: Sequence[_Poll], ids: Mapping[str, HostId]) -> dict[bytes, Row[Any]]:
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
    return {row.key_hash: row for row in _rows(tx, _added, (row["key_hash"] for row in rows))}


_added: Final = select(*TEXT_COLUMNS, pages.c.key_hash).where(pages.c.key_hash.in_(bindparam("values", expanding=True)))


@cache
def _upsert_entry(dialect: str) -> Insert:
    statement = insert(dialect, entries)
    kept = ("id", "feed_id", "entry_hash", "entry_id", "first_seen")
    replaced = {column.name: column for column in statement.excluded if column.name not in kept}
    return statement.on_conflict_do_update(index_elements=[entries.c.feed_id, entries.c.entry_hash], set_=replaced)


def _save_entries(tx: Transaction, polls: Sequence[_Poll]) -> None:
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
            "rest": dump_entry_rest(one.sighting.entry),
            "page_id": one.page_id,
            "first_seen": poll.at,
        }
        for poll in polls
        for one in poll.sighted
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
