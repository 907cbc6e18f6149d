"""Matches the entries of a poll with the stored entries of the feed, even if their ids changed.

An entry with an unknown id is matched with a stored entry that is missing from the polled document. Both lead to the
same page; or no page is fetched for the entry, and `content_hash` is equal. If the feed's own text is the article, the
same page is not enough: title or `content_hash` must be equal, too.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Row, bindparam, func, select

from aggregator.filters.decide import NO_FILTERS, Filters
from aggregator.identity.evidence import Edge
from aggregator.identity.identify import key_hash
from aggregator.identity.parameters import differ_in_values
from aggregator.models.feeds import Entry
from aggregator.models.ids import OWN_CONTENT, EvidenceKind, FeedId, Key
from aggregator.ports.store_records import Claim, Decision, PollRecord, Sighting
from aggregator.store.articles.rows import ArticleDraft, draft_of
from aggregator.store.db.any_of import any_of
from aggregator.store.db.codec import dump_entry_rest, load_entry
from aggregator.store.db.database import Transaction
from aggregator.store.db.hashes import entry_hash
from aggregator.store.db.schema import FAILED, entries, pages
from aggregator.store.identity.decisions import record_decisions
from aggregator.urls import registrable_domain

# --- before the transaction -------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class EntryDraft:
    """An entry of a poll, with all values for its row that can be computed before the transaction."""

    sighting: Sighting
    entry_hash: bytes
    key: Key | None
    key_hash: bytes  # empty without a key
    rest: str  # the fields of the entry that have no column in `entries`
    article: ArticleDraft | None  # the article, if the feed brought it whole

    @property
    def url_hash(self) -> bytes:
        """The hash of the entry's address; empty without an address."""
        return b"" if self.sighting.identity is None else key_hash(self.sighting.identity.url)


@dataclass(frozen=True, slots=True)
class PollDraft:
    """A poll that is about to be stored, with all values that can be computed before the transaction."""

    claim: Claim
    record: PollRecord
    entries: tuple[EntryDraft, ...]  # one for each entry id
    filters: Filters

    @property
    def at(self) -> datetime:
        """When the feed was polled."""
        return self.record.outcome.at


def poll_draft(claim: Claim, record: PollRecord, filters: Filters = NO_FILTERS) -> PollDraft:
    """Return the draft of a poll. Of entries with the same id, the first is kept."""
    by_hash: dict[bytes, Sighting] = {}
    for sighting in record.sightings:
        by_hash.setdefault(entry_hash(sighting.entry.entry_id), sighting)
    drafts = tuple(entry_draft(hashed, sighting) for hashed, sighting in by_hash.items())
    return PollDraft(claim, record, drafts, filters)


def entry_draft(hashed: bytes, sighting: Sighting) -> EntryDraft:
    """Return the values to be stored for an entry and its article. `hashed` is the hash of the entry's id."""
    key = _key_of(sighting)
    return EntryDraft(
        sighting=sighting,
        entry_hash=hashed,
        key=key,
        key_hash=b"" if key is None else key_hash(key),
        rest=dump_entry_rest(sighting.entry),
        article=None if sighting.article is None else draft_of(sighting.article),
    )


# --- within the transaction -------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class MatchedEntry:
    """An entry of the poll. `known` is the stored entry that it was matched with; None: the entry is new."""

    draft: EntryDraft
    entry_hash: bytes  # of the known entry, if that has another id
    known: Row[Any] | None = None
    is_recognised: bool = False  # by its page, under another id: its addresses are noted again
    is_renamed: bool = False  # nothing is new but the value of a parameter in its link, and its times: the page stays

    @property
    def sighting(self) -> Sighting:
        """The entry in this poll."""
        return self.draft.sighting

    @property
    def key(self) -> Key | None:
        """The key of the entry's address."""
        return self.draft.key

    @property
    def key_hash(self) -> bytes:
        """The hash of the key."""
        return self.draft.key_hash

    @property
    def is_changed(self) -> bool:
        """Whether title, links, text or `updated` of the entry differ from those of the stored entry."""
        return self.known is not None and self.known.content_hash != self.sighting.content_hash

    @property
    def is_settled(self) -> bool:
        """Whether nothing is written for the entry: it is stored, unchanged, and has a page or no key.

        If `is_renamed`, only `updated` must be unchanged. An entry that has a new id at a known page is written.
        """
        if self.known is not None and self.is_renamed:
            return bool(self.known.updated_at == self.sighting.entry.updated_at)
        if self.known is None or self.is_changed or self.is_recognised:
            return False
        return self.known.page_id is not None or self.key is None


@dataclass(frozen=True, slots=True)
class MatchedPoll:
    """A poll with matched entries. `is_first`: it has entries, and the store has no earlier poll of the feed."""

    draft: PollDraft
    entries: tuple[MatchedEntry, ...]
    is_first: bool

    @property
    def unsettled(self) -> list[MatchedEntry]:
        """The entries for which something is written."""
        return [one for one in self.entries if not one.is_settled]


KNOWN: Final = (  # the columns read of known entries
    entries.c.entry_hash,
    entries.c.content_hash,
    entries.c.updated_at,
    entries.c.page_id,
    entries.c.title,
    entries.c.link,
)
# An expression hides the index of feeds: SQLite must go from the pages to their entries, not through all of the feed's.
OF_FEED: Final = func.coalesce(entries.c.feed_id, 0) == bindparam("feed")
_of_pages: Final = (
    select(*KNOWN, pages.c.key_hash.label("told_by"))
    .join(pages, pages.c.id == entries.c.page_id)
    .where(any_of(pages.c.key_hash), OF_FEED)
    .order_by(entries.c.id)
)
_of_words: Final = (
    select(*KNOWN, entries.c.content_hash.label("told_by"))
    .where(entries.c.feed_id == bindparam("feed"), any_of(entries.c.content_hash))
    .order_by(entries.c.id)
)


def recognise(tx: Transaction, feed_id: FeedId, matched: Sequence[MatchedEntry], at: datetime) -> list[MatchedEntry]:
    """Return the entries of a poll, and match one with a new id to a stored entry with the same page or text, if any.

    Each match by the page is stored as a decision.
    """
    unknown = [one for one in matched if one.known is None]
    paged = {one.entry_hash for one in unknown if one.key is not None and not one.key.startswith(OWN_CONTENT)}
    shown = {one.entry_hash for one in matched}
    recognised: dict[bytes, MatchedEntry] = {}
    for query, named in (
        (_of_pages, [(one.key_hash, one) for one in unknown if one.entry_hash in paged]),
        (_of_words, [(one.sighting.content_hash, one) for one in unknown if _is_told_by_words(one)]),
    ):
        older = _older(tx, query, feed_id, (value for value, _ in named), shown)
        for value, one in named:
            row = next((row for row in older[value] if _may_be(one, row)), None)
            if row is not None and one.entry_hash not in recognised:
                older[value].remove(row)
                recognised[one.entry_hash] = replace(
                    one, known=row, entry_hash=row.entry_hash, is_recognised=one.entry_hash in paged
                )
    made = [
        Decision(url=one.sighting.url, key=one.key, verdict="known", rule="another entry id")
        for one in recognised.values()
        if one.is_recognised and one.sighting.url is not None
    ]
    record_decisions(tx, f"entry ids of feed {feed_id}", made, at)
    return [recognised.get(one.entry_hash, one) for one in matched]


def _is_told_by_words(one: MatchedEntry) -> bool:
    return one.sighting.from_feed or one.key is None or one.key.startswith(OWN_CONTENT)


def _may_be(one: MatchedEntry, row: Row[Any]) -> bool:
    """Return whether a new entry may be the stored entry `row`, given that page or `content_hash` are equal.

    If the feed's own text is the article, an equal page does not suffice: title or `content_hash` must be equal, too.
    """
    if not one.sighting.from_feed or row.content_hash == one.sighting.content_hash:
        return True
    return bool(row.title) and row.title == one.sighting.entry.title


def _older(
    tx: Transaction, query: Any, feed_id: FeedId, values: Iterable[Hashable], shown: set[bytes]
) -> dict[Hashable, list[Row[Any]]]:
    found: dict[Hashable, list[Row[Any]]] = defaultdict(list)
    for row in tx.all_of(query, values, {"feed": feed_id}):
        if row.entry_hash not in shown:
            found[row.told_by].append(row)
    return found


# --- entries whose link changes at every poll -------------------------------------------------------------------------

_words: Final = (
    select(entries.c.entry_hash, entries.c.rest)
    .join(pages, pages.c.id == entries.c.page_id)
    .where(entries.c.feed_id == bindparam("feed"), any_of(entries.c.entry_hash), pages.c.state != FAILED)
)


def mark_renamed(tx: Transaction, feed_id: FeedId, matched: Sequence[MatchedEntry]) -> list[MatchedEntry]:
    """Return the entries in the same order. `is_renamed` is set if only values of parameters in the link changed.

    Title and text must be the same. Some feeds put other values into the link at each poll, so the page is not fetched
    again. If the page failed, `is_renamed` is not set: the page is fetched at the new link.
    """
    likely = {
        one.entry_hash: one.sighting.entry
        for one in matched
        if one.known is not None and one.is_changed and one.known.page_id is not None and one.known.link is not None
        if one.known.title == one.sighting.entry.title and one.sighting.entry.link is not None
        if differ_in_values(one.known.link, one.sighting.entry.link)
    }
    renamed = {
        row.entry_hash
        for row in tx.all_of(_words, likely, {"feed": feed_id})
        if _text_of(load_entry(row.rest, entry_id="", link=None)) == _text_of(likely[row.entry_hash])
    }
    return [replace(one, is_renamed=True) if one.entry_hash in renamed else one for one in matched]


def _text_of(entry: Entry) -> tuple[str, str, str | None]:
    return (entry.summary, entry.content, entry.content_id)


# --- entries that moved -----------------------------------------------------------------------------------------------

_led_to: Final = select(pages.c.id, pages.c.key, pages.c.url).where(any_of(pages.c.id))


def edges_of_moved(tx: Transaction, matched: Iterable[MatchedEntry], feed_host: str) -> set[Edge]:
    """Return the evidence that the old and the new link of an entry are one article, if id and title stayed the same.

    An entry under the same id with another title proves nothing: some feeds give one id to each top story in turn.
    """
    moved = [
        (one, one.known.page_id)
        for one in matched
        if one.known is not None and one.is_changed and not one.is_recognised and not one.is_renamed
        if one.known.page_id is not None
        if one.key is not None and one.known.title == one.sighting.entry.title
    ]
    before = {row.id: row for row in tx.all_of(_led_to, (page for _, page in moved))}
    return {
        Edge(
            key=one.key,
            other=Key(old.key),
            kind=EvidenceKind.SAME_ENTRY,
            site=registrable_domain(one.sighting.url),
            other_site=registrable_domain(old.url),
            witness=registrable_domain(feed_host),
        )
        for one, page in moved
        if (old := before.get(page)) is not None and one.key is not None and one.sighting.url is not None
        if old.key != one.key and not old.key.startswith(OWN_CONTENT) and not one.key.startswith(OWN_CONTENT)
    }


# --- entries that a feed showed before --------------------------------------------------------------------------------

_entries_seen: Final = select(entries.c.entry_hash.label("hash"), entries.c.first_seen).where(
    entries.c.feed_id == bindparam("feed"), any_of(entries.c.entry_hash)
)
_pages_seen: Final = (
    select(
        pages.c.key_hash.label("hash"),
        func.min(entries.c.first_seen, type_=entries.c.first_seen.type).label("first_seen"),
    )
    .join(entries, entries.c.page_id == pages.c.id)
    .where(OF_FEED, any_of(pages.c.key_hash))
    .group_by(pages.c.key_hash)
)


def first_seen(tx: Transaction, feed_id: FeedId, sightings: Sequence[Sighting]) -> tuple[datetime | None, ...]:
    """Return, for each entry, when the feed first showed it or an entry with the same page; None: never before."""
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
    return {row.hash: row.first_seen for row in tx.all_of(query, hashes, {"feed": feed_id})}
