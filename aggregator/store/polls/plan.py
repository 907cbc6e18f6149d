"""What polls are to change, decided before the first lock is taken: entries, new pages, what is read again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Row, bindparam, select

from aggregator.identity.identify import article_id, key_hash
from aggregator.models.records import Key
from aggregator.ports.store_records import Claim, PollRecord, Sighting
from aggregator.schedule.due_times import revisit_after_update
from aggregator.store.articles.rows import ArticleDraft, draft_of
from aggregator.store.db.any_of import any_of
from aggregator.store.db.codec import dump_entry_rest
from aggregator.store.db.database import Transaction
from aggregator.store.db.hashes import entry_hash
from aggregator.store.db.schema import entries, feeds, pages
from aggregator.store.identity.decisions import Said
from aggregator.store.identity.partition import known_articles
from aggregator.store.polls.matching import KNOWN, Sighted, recognise, recognise_renamed
from aggregator.store.polls.shared_links import keep_apart


@dataclass(frozen=True, slots=True)
class Prepared:
    """A poll with all that is computed of it before a transaction begins: others wait for its end."""

    claim: Claim
    record: PollRecord
    shown: Sequence[Sighted]  # one for each entry id, as nothing is known yet


def prepare(claim: Claim, record: PollRecord) -> Prepared:
    """Return what is to be recorded."""
    by_hash: dict[bytes, Sighting] = {}
    for sighting in record.sightings:
        by_hash.setdefault(entry_hash(sighting.entry.entry_id), sighting)
    return Prepared(claim, record, [_shown(hashed, sighting) for hashed, sighting in by_hash.items()])


def _shown(hashed: bytes, sighting: Sighting) -> Sighted:
    key = sighting.identity.key if sighting.identity is not None else None
    return Sighted(
        sighting=sighting,
        entry_hash=hashed,
        key=key,
        key_hash=b"" if key is None else key_hash(key),
        rest=dump_entry_rest(sighting.entry),
        draft=None if sighting.article is None else draft_of(sighting.article),
    )


@dataclass(slots=True)
class Plan:
    """One of the polls, and what is to be written of it, decided before the first lock is taken."""

    number: int
    prepared: Prepared
    sighted: list[Sighted] = field(default_factory=list)
    new: list[Sighted] = field(default_factory=list)  # one for each new page
    revisits: list[tuple[int, int, datetime]] = field(default_factory=list)  # page, host, at the latest
    again: list[tuple[int, int]] = field(default_factory=list)  # page without bytes whose entry changed, host
    to_fetch: list[tuple[int, int]] = field(default_factory=list)  # page that only another feed's content stands for
    along: Mapping[bytes, ArticleDraft] = field(default_factory=dict)  # read with the feed, by the new page's key hash
    known: int = 0
    is_first: bool = False  # nothing was recorded of the feed before

    @property
    def claim(self) -> Claim:
        """Under which it was made."""
        return self.prepared.claim

    @property
    def record(self) -> PollRecord:
        """What came of it."""
        return self.prepared.record

    @property
    def at(self) -> datetime:
        """When it was."""
        return self.record.outcome.at

    @property
    def said(self) -> Said:
        """What was decided about the addresses of its entries."""
        made = [decision for one in self.sighted if not one.is_renamed for decision in one.sighting.decisions]
        return Said(f"feed {self.record.feed_id}", made, is_first=self.is_first)

    def host_of(self, sighting: Sighting) -> str:
        """Return the host of an entry's page."""
        return sighting.host or self.claim.host


def apart(polls: Sequence[Plan]) -> tuple[list[Plan], list[Plan]]:
    """Return polls that share no address with one before, and the others."""
    taken: set[object] = set()
    together: list[Plan] = []
    others: list[Plan] = []
    for poll in polls:
        named: set[object] = {poll.record.feed_id}
        for one in poll.record.sightings:
            named |= set() if one.identity is None else {one.identity.key, one.identity.url}
        (together if taken.isdisjoint(named) else others).append(poll)
        taken |= named
    return together, others


_known_entries: Final = select(*KNOWN).where(entries.c.feed_id == bindparam("feed"), any_of(entries.c.entry_hash))
_polled_before: Final = select(feeds.c.id, (feeds.c.poll_count > 0).label("polled")).where(any_of(feeds.c.id))


def look_up_entries(tx: Transaction, polls: Sequence[Plan]) -> None:
    """Find for each entry id what the store knows about the entry."""
    shown = [poll.record.feed_id for poll in polls if poll.record.sightings]
    never_polled = {row.id for row in tx.all_of(_polled_before, shown) if not row.polled}
    for poll in polls:
        poll.is_first = poll.record.feed_id in never_polled
        poll.sighted = _sighted(tx, poll.prepared, is_known=not poll.is_first)


def _sighted(tx: Transaction, prepared: Prepared, *, is_known: bool) -> list[Sighted]:
    """Return the sightings with what is known of them; `is_known`: the feed may have entries."""
    sighted = [one.anew() for one in prepared.shown]  # of this attempt: the next one begins anew
    record = prepared.record
    if not is_known:
        keep_apart(tx, record.feed_id, sighted, is_known=False)
        return sighted
    known = {
        row.entry_hash: row
        for row in tx.all_of(_known_entries, (one.entry_hash for one in sighted), {"feed": record.feed_id})
    }
    for one in sighted:
        one.known = known.get(one.entry_hash)
        one.page_id = None if one.known is None else one.known.page_id
    recognise(tx, record.feed_id, sighted, record.outcome.at)
    recognise_renamed(tx, record.feed_id, sighted)
    keep_apart(tx, record.feed_id, sighted, is_known=True)
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
_pages_by_key: Final = _pages.where(any_of(pages.c.key_hash))
_pages_by_id: Final = _pages.where(any_of(pages.c.id))


def plan(tx: Transaction, polls: Sequence[Plan]) -> None:
    """Decide for each sighting: an article or a page that is known, or a new page."""
    open_ones = [one for poll in polls for one in poll.sighted if one.key is not None and not one.is_settled]
    articles = known_articles(tx, [one.key_hash for one in open_ones], [one.url_hash for one in open_ones])
    by_key = {row.key_hash: row for row in tx.all_of(_pages_by_key, (one.key_hash for one in open_ones))}
    named = [page for page in articles.values() if page is not None]
    named += [one.page_id for one in open_ones if one.is_renamed and one.page_id is not None]
    by_id = {row.id: row for row in tx.all_of(_pages_by_id, named)}
    for poll in polls:
        _plan_one(poll, articles, by_key, by_id)


def _plan_one(
    poll: Plan,
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
        page = by_id.get(one.page_id or 0) if one.is_renamed else by_key.get(one.key_hash)
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


def _along(poll: Plan) -> dict[bytes, ArticleDraft]:
    """Return the articles that were read with the feed.

    Where an entry that was known before leads to the page, too, that one is the article: it came first.
    """
    before = {one.key_hash for one in poll.sighted if one.known is not None}
    read = {one.key_hash: one.draft for one in poll.new if one.key_hash not in before}
    return {hashed: draft for hashed, draft in read.items() if draft is not None}


def _can_collect(sighting: Sighting) -> bool:
    """Tell whether there is anything to collect: an address, or the entry's own content."""
    if not sighting.from_feed:
        return sighting.url is not None
    return bool(sighting.entry.content or sighting.entry.summary)


def _plan_again(poll: Plan, one: Sighted, page: Row[Any]) -> None:
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
