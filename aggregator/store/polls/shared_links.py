"""Separates entries of one feed that link to one page, but are different articles: warnings, change logs, notes.

This concerns feeds whose own text is the article. The first entry keeps the key of the page. A later entry gets a key
of its own, unless its title or text is that of an entry with the page's key.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from sqlalchemy import Row, bindparam, select

from aggregator.identity.own_entries import own_identity
from aggregator.models.feeds import Entry
from aggregator.models.ids import OWN_CONTENT, FeedId, Identity
from aggregator.ports.store_records import ArticleRecord, Decision, Sighting
from aggregator.store.db.any_of import any_of
from aggregator.store.db.codec import load_entry
from aggregator.store.db.database import Transaction
from aggregator.store.db.schema import entries, feeds, pages
from aggregator.store.polls.matching import OF_FEED, MatchedEntry, entry_draft

_SHARED: Final = "shared link"


@dataclass(frozen=True, slots=True)
class _Words:
    """Title and text of an entry, to tell whether entries with the same link are different articles."""

    title: str
    text: str

    def are_those_of(self, other: _Words) -> bool:
        """Return whether two entries with the same link are one article: they have the same text, or the same title."""
        return self.text == other.text or (bool(self.title) and self.title == other.title)


_with_pages: Final = (
    select(entries.c.entry_hash, entries.c.title, entries.c.rest, pages.c.key, pages.c.key_hash)
    .join(pages, pages.c.id == entries.c.page_id)
    .where(OF_FEED)
    .order_by(entries.c.id)
)
_of_links: Final = _with_pages.where(any_of(pages.c.key_hash))
_of_pages: Final = _with_pages.where(any_of(entries.c.page_id))
_feed_url: Final = select(feeds.c.url).where(feeds.c.id == bindparam("feed"))


def separate_entries(
    tx: Transaction, feed_id: FeedId, matched: Sequence[MatchedEntry], *, is_known: bool
) -> list[MatchedEntry]:
    """Return the entries in the same order. An entry that shares a link with a different article gets a key of its own.

    `is_known`: the feed was polled before, so its stored entries are compared, too.
    """
    sharing = [one for one in matched if _may_share(one)]
    if not sharing or (not is_known and len({one.key_hash for one in sharing}) == len(sharing)):
        return list(matched)
    rows = _rows_of(tx, feed_id, sharing) if is_known else []
    own_keys = {row.entry_hash for row in rows if row.key.startswith(OWN_CONTENT)}
    owners: defaultdict[bytes, list[tuple[bytes, _Words]]] = defaultdict(list)
    for row in rows:
        if not row.key.startswith(OWN_CONTENT):
            owners[row.key_hash].append((row.entry_hash, _words_of_row(row)))
    apart: dict[bytes, MatchedEntry] = {}
    for one in sharing:
        words, mine = _words_of(one.sighting.entry), owners[one.key_hash]
        others = [theirs for hashed, theirs in mine if hashed != one.entry_hash]
        is_owner = len(others) < len(mine)
        if one.entry_hash in own_keys or (others and not is_owner and not any(map(words.are_those_of, others))):
            apart[one.entry_hash] = _with_own_key(one, tx.run(_feed_url, {"feed": feed_id}).scalar_one())
            continue
        if others and not is_owner and words not in others:
            apart[one.entry_hash] = _merged(one)
        mine.append((one.entry_hash, words))
    return [apart.get(one.entry_hash, one) for one in matched]


def _may_share(one: MatchedEntry) -> bool:
    if not one.sighting.from_feed or one.key is None or one.key.startswith(OWN_CONTENT):
        return False
    return one.known is None or one.is_changed


def _rows_of(tx: Transaction, feed_id: FeedId, sharing: Sequence[MatchedEntry]) -> list[Row[Any]]:
    """Return the feed's stored entries whose page is one that the entries in `sharing` lead to now or led to before."""
    known = {one.known.page_id for one in sharing if one.known is not None and one.known.page_id is not None}
    rows = tx.all_of(_of_links, {one.key_hash for one in sharing}, {"feed": feed_id})
    rows += tx.all_of(_of_pages, known, {"feed": feed_id})
    return list({row.entry_hash: row for row in rows}.values())


def _words_of(entry: Entry) -> _Words:
    return _Words(entry.title, entry.content or entry.summary)


def _words_of_row(row: Row[Any]) -> _Words:
    return _words_of(load_entry(row.rest, entry_id="", link=None, title=row.title))


def _merged(one: MatchedEntry) -> MatchedEntry:
    decision = Decision(url=one.sighting.url or "", key=one.key, verdict="merged", rule=f"{_SHARED}, same title")
    return replace(one, draft=replace(one.draft, sighting=replace(one.sighting, decisions=(decision,))))


def _with_own_key(one: MatchedEntry, feed_url: str) -> MatchedEntry:
    sighting = one.sighting
    identity = own_identity(feed_url, sighting.entry.entry_id, sighting.url or feed_url)
    return replace(one, draft=entry_draft(one.draft.entry_hash, _under(sighting, identity)))


def _under(sighting: Sighting, identity: Identity) -> Sighting:
    """Return the sighting with `identity` in place of the shared address, and without evidence."""
    decision = Decision(
        url=identity.url, key=identity.key, verdict="announced", rule=_SHARED, detail=sighting.url or ""
    )
    article = None if sighting.article is None else _record_under(sighting.article, identity)
    return replace(sighting, url=identity.url, identity=identity, edges=(), decisions=(decision,), article=article)


def _record_under(record: ArticleRecord, identity: Identity) -> ArticleRecord:
    decisions = tuple(replace(one, url=identity.url, key=identity.key) for one in record.decisions[:1])
    return replace(
        record, identity=identity, url=identity.url, urls=(identity,), edges=(), pointers=(), decisions=decisions
    )
