"""Plans what to write for a poll: entries, new pages, work on known pages. `record.py` writes it.

The plan is made before `record.py` locks the rows of the hosts: of the feed, and of the pages that become due.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import chain
from typing import Any, Final, Literal

from sqlalchemy import Row, bindparam, select

from aggregator.identity.identify import article_id
from aggregator.models.ids import Key
from aggregator.ports.store_records import Claim, PollRecord, Sighting
from aggregator.schedule.due_times import revisit_after_update
from aggregator.store.articles.rows import ArticleDraft
from aggregator.store.db.any_of import any_of
from aggregator.store.db.database import Transaction
from aggregator.store.db.schema import entries, feeds, pages
from aggregator.store.identity.decisions import SourceDecisions
from aggregator.store.identity.partition import known_articles
from aggregator.store.polls.matching import KNOWN, MatchedEntry, MatchedPoll, PollDraft, mark_renamed, recognise
from aggregator.store.polls.shared_links import separate_entries


@dataclass(frozen=True, slots=True)
class PageWork:
    """The work on a known page that an entry of a poll causes.

    "revisit": fetch the page again at `at`. "extract": extract the article again, since it is the entry's text and
    has changed. "fetch": fetch the page for the first time; so far its article is the text of another feed's entry.
    """

    kind: Literal["revisit", "extract", "fetch"]
    page_id: int
    host_id: int
    at: datetime


@dataclass(frozen=True, slots=True)
class PollWrite:
    """A matched poll, and what to write for it."""

    matched: MatchedPoll
    page_ids: Mapping[bytes, int | None]  # of unsettled entries, by entry hash; new pages are not among them
    new: Mapping[bytes, MatchedEntry]  # the entry that announces a new page, by the page's key hash
    articles: Mapping[bytes, ArticleDraft]  # articles that the feed brought whole, by the new page's key hash
    work: tuple[PageWork, ...]
    known: int  # entries of articles and pages that were known already

    @property
    def claim(self) -> Claim:
        """The claim under which the feed was polled."""
        return self.matched.draft.claim

    @property
    def record(self) -> PollRecord:
        """All results of the poll."""
        return self.matched.draft.record

    @property
    def at(self) -> datetime:
        """When the feed was polled."""
        return self.matched.draft.at

    @property
    def decisions(self) -> SourceDecisions:
        """The decisions about the addresses of the poll's entries. Entries with `is_renamed` are left out."""
        made = [one.sighting.decisions for one in self.matched.entries if not one.is_renamed]
        return SourceDecisions(
            f"feed {self.record.feed_id}", list(chain.from_iterable(made)), is_first=self.matched.is_first
        )

    def host_of(self, sighting: Sighting) -> str:
        """Return the host (name:port) of an entry's page; without a page, the host that was polled."""
        return sighting.host or self.claim.host


def split_disjoint(drafts: Sequence[PollDraft], numbers: Sequence[int]) -> tuple[list[int], list[int]]:
    """Return the numbers of polls that can be saved together, and the other numbers. `numbers` are indices in `drafts`.

    Polls can be saved together if no two of them have a feed, a key or an address in common.
    """
    taken: set[object] = set()
    disjoint: list[int] = []
    others: list[int] = []
    for number in numbers:
        record = drafts[number].record
        named: set[object] = {record.feed_id}
        for one in record.sightings:
            named |= set() if one.identity is None else {one.identity.key, one.identity.url}
        (disjoint if taken.isdisjoint(named) else others).append(number)
        taken |= named
    return disjoint, others


_known_entries: Final = select(*KNOWN).where(entries.c.feed_id == bindparam("feed"), any_of(entries.c.entry_hash))
_polled_before: Final = select(feeds.c.id, (feeds.c.poll_count > 0).label("polled")).where(any_of(feeds.c.id))


def match_entries(tx: Transaction, drafts: Sequence[PollDraft]) -> list[MatchedPoll]:
    """Return the polls, with their entries matched with the stored entries of the feed.

    Entries that share a link, but are different articles, get keys of their own (`separate_entries`).
    """
    with_entries = [draft.record.feed_id for draft in drafts if draft.entries]
    never_polled = {row.id for row in tx.all_of(_polled_before, with_entries) if not row.polled}
    return [_match_poll(tx, draft, is_first=draft.record.feed_id in never_polled) for draft in drafts]


def _match_poll(tx: Transaction, draft: PollDraft, *, is_first: bool) -> MatchedPoll:
    feed_id = draft.record.feed_id
    if is_first:
        new = [MatchedEntry(one, one.entry_hash) for one in draft.entries]
        return MatchedPoll(draft, tuple(separate_entries(tx, feed_id, new, is_known=False)), is_first)
    hashes = (one.entry_hash for one in draft.entries)
    known = {row.entry_hash: row for row in tx.all_of(_known_entries, hashes, {"feed": feed_id})}
    matched = [MatchedEntry(one, one.entry_hash, known.get(one.entry_hash)) for one in draft.entries]
    matched = mark_renamed(tx, feed_id, recognise(tx, feed_id, matched, draft.at))
    return MatchedPoll(draft, tuple(separate_entries(tx, feed_id, matched, is_known=True)), is_first)


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


def plan_polls(tx: Transaction, polls: Sequence[MatchedPoll]) -> list[PollWrite]:
    """Return what to write for each poll.

    An entry leads to a known article, to a known page, or to a new page. An entry without a key leads to none of them.
    """
    unsettled = [one for poll in polls for one in poll.unsettled if one.key is not None]
    articles = known_articles(tx, [one.key_hash for one in unsettled], [one.draft.url_hash for one in unsettled])
    by_key = {row.key_hash: row for row in tx.all_of(_pages_by_key, (one.key_hash for one in unsettled))}
    named = [page for page in articles.values() if page is not None]
    named += [page for one in unsettled if one.is_renamed and one.known is not None and (page := one.known.page_id)]
    by_id = {row.id: row for row in tx.all_of(_pages_by_id, named)}
    return [_plan_poll(poll, articles, by_key, by_id) for poll in polls]


def _plan_poll(
    poll: MatchedPoll,
    articles: Mapping[bytes, int | None],
    by_key: Mapping[bytes, Row[Any]],
    by_id: Mapping[int, Row[Any]],
) -> PollWrite:
    page_ids: dict[bytes, int | None] = {}
    new: dict[bytes, MatchedEntry] = {}
    work: list[PageWork] = []
    known = 0
    for one in poll.entries:
        if one.key is None:
            continue
        if one.is_settled:
            known += 1
            continue
        page = by_key.get(one.key_hash)
        if one.is_renamed and one.known is not None:
            page = by_id.get(one.known.page_id)
        is_known = page is not None or one.key_hash in new
        if page is None and (hashes := {one.key_hash, one.draft.url_hash} & articles.keys()):
            is_known = True
            page = by_id.get(articles[one.key_hash if one.key_hash in hashes else one.draft.url_hash] or 0)
        page_ids[one.entry_hash] = None if page is None else page.id
        known += is_known
        if not is_known and _can_collect(one.sighting):
            new[one.key_hash] = one
        if page is not None and (more := _work_on(poll.draft, one, page)) is not None:
            work.append(more)
    return PollWrite(poll, page_ids, new, _articles_of(poll, new), tuple(work), known)


def _articles_of(poll: MatchedPoll, new: Mapping[bytes, MatchedEntry]) -> dict[bytes, ArticleDraft]:
    """Return the articles whose whole text came with entries in `new`, by the hash of the page's key.

    A page is left out if an entry that was stored before also leads to it.
    """
    before = {one.key_hash for one in poll.entries if one.known is not None}
    return {
        hashed: one.draft.article
        for hashed, one in new.items()
        if one.draft.article is not None and hashed not in before
    }


def _can_collect(sighting: Sighting) -> bool:
    """Return whether an entry can become an article: it has a page to fetch, or the feed has its text."""
    if not sighting.from_feed:
        return sighting.url is not None
    return bool(sighting.entry.content or sighting.entry.summary)


def _work_on(poll: PollDraft, one: MatchedEntry, page: Row[Any]) -> PageWork | None:
    """Return what must be done with a known page because of an entry that leads to it; None: nothing.

    "fetch": this feed's pages are fetched, and the page has only another feed's text. The others need a changed entry:
    "extract" if the feed's text is the article, "revisit" if `updated` changed and the feed's pages are revisited.
    """
    record = poll.record
    if not one.sighting.from_feed and page.feed_id != record.feed_id and _stands_for_page(page):
        return PageWork("fetch", page.id, page.host_id, poll.at)
    if one.known is None or not one.is_changed:
        return None
    had_text = page.state in ("done", "failed") or (page.state == "skipped" and page.article_id is not None)
    if one.sighting.from_feed and page.raw_hash is None and had_text:
        return PageWork("extract", page.id, page.host_id, poll.at)
    updated_at = one.sighting.entry.updated_at
    is_updated = updated_at is not None and one.known.updated_at not in (None, updated_at)
    if record.revisits and is_updated and page.article_id is not None and page.fetched_at is not None:
        return PageWork("revisit", page.id, page.host_id, revisit_after_update(page.fetched_at, None, now=poll.at))
    return None


def _stands_for_page(page: Row[Any]) -> bool:
    """Return whether an entry's text is, or will be, the article of a page that was never requested."""
    if page.fetched_at is not None or page.cause is not None:
        return False
    return page.state == "fetched" or bool(page.state == "done" and page.article_id == article_id(Key(page.key)))
