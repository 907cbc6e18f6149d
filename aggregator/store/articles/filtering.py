"""Applies the operator's filters in the store: which pages are fetched, and which articles are in the corpus.

The verdict depends only on the entries that announced a page, the page's article, and the rules. So it is the same
whether the rule or the article came first. A page is kept if one of its entries is kept.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import partial
from typing import Any, Final

from sqlalchemy import Row, Select, and_, bindparam, or_, select, update

from aggregator.filters.decide import Filters, Verdict, decide
from aggregator.filters.facts import facts_of
from aggregator.models.articles import Extraction
from aggregator.models.feeds import Entry
from aggregator.models.ids import NO_PAGE, OWN_CONTENT, ArticleId, HostId, Key, PageId
from aggregator.models.pages import FetchedPage, PageFailed
from aggregator.ports.readings import FilterChange
from aggregator.ports.store_records import Decision, NextPage
from aggregator.store.articles.skipped import ROWS, put_back, withdraw
from aggregator.store.db.any_of import any_of
from aggregator.store.db.codec import load_extraction
from aggregator.store.db.database import Database, Transaction
from aggregator.store.db.properties import read_property, write_property
from aggregator.store.db.schema import CLAIM_ENDS, DUE, IS_CURRENT, SKIPPED, articles, entries, feeds, pages, revisions
from aggregator.store.identity.decisions import record_decisions
from aggregator.store.identity.partition import SKIPPED as OUT
from aggregator.store.queue import fetched_pages, page_parts
from aggregator.store.queue.fetched_pages import entry_of
from aggregator.store.queue.hosts import lower_pages_due

_SOURCE: Final = "filter"
_APPLIED: Final = "filters"  # a property: the digest of the rules by which what waits was decided last
_AT_ONCE: Final = 500
_NO_RULE: Final = "no filter skips it"

# --- queries ----------------------------------------------------------------------------------------------------------

_columns: Final = select(
    pages.c.id,
    pages.c.url,
    pages.c.key,
    pages.c.host_id,
    pages.c.state,
    pages.c.article_id,
    pages.c.raw_hash,
    pages.c.fetched_at,
    pages.c.attempts,
    pages.c.cause,
).order_by(pages.c.id)
_pages: Final = _columns.where(any_of(pages.c.id))
_pages_of: Final = _columns.where(any_of(pages.c.article_id))
_entries: Final = (
    select(entries, feeds.c.url.label("feed_url"), feeds.c.name.label("feed_name"), feeds.c.full_text)
    .join(feeds, feeds.c.id == entries.c.feed_id)
    .where(any_of(entries.c.page_id))
    .order_by(entries.c.id)
)
_articles: Final = (
    select(articles.c.id, articles.c.merged_into, revisions.c.title)
    .join(revisions, IS_CURRENT)
    .where(any_of(articles.c.id))
)
_texts: Final = _articles.add_columns(revisions.c.body, revisions.c.content)


@dataclass(frozen=True, slots=True)
class _Unit:
    """The pages that have one verdict in common: all pages of an article, or one page without an article."""

    pages: tuple[Row[Any], ...]
    entries: tuple[Row[Any], ...]
    found: Row[Any] | None  # the article, where there is one
    verdict: Verdict

    @property
    def article(self) -> ArticleId | None:
        """The article that was extracted from these pages; None: there is no article."""
        return None if self.found is None else ArticleId(self.found.id)

    @property
    def is_out(self) -> bool:
        """Whether filters have withdrawn the article of the pages."""
        return self.found is not None and self.found.merged_into == OUT

    @property
    def is_skipped(self) -> bool:
        """Whether the rules skip the pages."""
        return self.verdict.kind == "skipped"

    @property
    def moved(self) -> tuple[Row[Any], ...]:
        """The pages whose state changes now.

        If the rules skip the pages, these are the "due" pages, and the "done" pages that have an article. If not, these
        are the "skipped" pages, and the "fetched" pages that must be requested first.
        """
        if not self.is_skipped:
            return tuple(
                page
                for page in self.pages
                if page.state == "skipped" or (page.state == "fetched" and _was_never_asked(page, self.entries))
            )
        return tuple(
            page for page in self.pages if page.state == "due" or (page.state == "done" and page.article_id is not None)
        )

    @property
    def moves_article(self) -> bool:
        """Whether the article must be withdrawn or put back now.

        A withdrawn article is put back only if the verdict is "kept". The verdict "open" leaves it withdrawn.
        """
        if self.is_skipped:
            return self.found is not None and not self.is_out
        return self.is_out and self.verdict.kind == "kept"

    def change(self) -> FilterChange:
        """Return the decision about these pages as a `FilterChange`, for commands."""
        title = self.entries[0].title if self.entries else ""
        return FilterChange(
            url=self.pages[0].url,
            title=title or (self.found.title if self.found is not None else ""),
            article_id=self.article,
            is_skipped=self.is_skipped,
            rule=self.verdict.rule,
            place=self.verdict.place,
        )


def _is_announced(page: Row[Any], named_by: Sequence[Row[Any]]) -> bool:
    """Return whether at least one feed with `full_text` announced the page, and the page has an address to fetch."""
    is_page = not page.key.startswith(OWN_CONTENT)
    return is_page and any(row.full_text for row in named_by if row.page_id == page.id)


def _was_never_asked(page: Row[Any], named_by: Sequence[Row[Any]]) -> bool:
    """Return whether the page has never been requested, although a feed with `full_text` announced it."""
    is_untried = page.raw_hash is None and page.fetched_at is None and not page.attempts
    return is_untried and _is_announced(page, named_by)


def _units(tx: Transaction, filters: Filters, page_ids: Iterable[int]) -> Iterator[_Unit]:
    """Yield each `_Unit` that contains one of these pages, with the rules' verdict.

    The text of an article is loaded only if its entries alone give the verdict "open". Forgotten articles are left out.
    """
    found = {row.id: row for row in tx.all_of(_pages, page_ids)}
    ids = {row.article_id for row in found.values() if row.article_id is not None}
    found |= {row.id: row for row in tx.all_of(_pages_of, ids)}
    grouped: dict[object, list[Row[Any]]] = defaultdict(list)
    for page in sorted(found.values(), key=lambda row: int(row.id)):
        grouped[page.article_id or page.id].append(page)
    announced: dict[int, list[Row[Any]]] = defaultdict(list)
    for row in tx.all_of(_entries, found):
        announced[row.page_id].append(row)
    known = {row.id: row for row in tx.all_of(_articles, ids)}
    told = {row.id: entry_of(row) for rows in announced.values() for row in rows}
    units = [
        _Unit(
            tuple(rows),
            named_by := tuple(row for page in rows for row in announced[page.id]),
            known.get(rows[0].article_id),
            _verdict(filters, rows, named_by, told, None),
        )
        for rows in grouped.values()
        if rows[0].article_id is None or rows[0].article_id in known  # else its text is forgotten: nothing can go
    ]
    asked = [unit.article for unit in units if unit.article is not None and unit.verdict.kind == "open"]
    texts = {row.id: load_extraction(row.title, row.body, row.content) for row in tx.all_of(_texts, asked)}
    for unit in units:
        content = texts.get(unit.article)
        yield (
            unit
            if content is None
            else replace(unit, verdict=_verdict(filters, unit.pages, unit.entries, told, content))
        )


def _verdict(
    filters: Filters,
    of_pages: Sequence[Row[Any]],
    named_by: Sequence[Row[Any]],
    told: Mapping[int, Entry],
    content: Extraction | None,
) -> Verdict:
    """Return the rules' verdict on the pages of one article. `told` has the entries, by the number of the entry's row.

    If one entry is "kept", the verdict is "kept"; else, if one is "open", it is "open"; else it is "skipped". Pages
    without entries are "kept". The rules do not use `content`, the article's text, while a page waits for its
    extraction, or if it came from a feed and a page's text will replace it.
    """
    urls = {page.id: page.url for page in of_pages}
    is_pending = any(page.state == "fetched" for page in of_pages) or (
        content is not None and content.source == "feed" and any(_was_never_asked(page, named_by) for page in of_pages)
    )
    verdicts = [
        decide(
            filters.sets_of(row.feed_url),
            facts_of(
                told[row.id],
                feed=(row.feed_name, row.feed_url),
                url=urls[row.page_id],
                first_seen=row.first_seen,
                content=None if is_pending else content,
            ),
        )
        for row in named_by
    ]
    for kind in ("kept", "open"):
        if (first := next((one for one in verdicts if one.kind == kind), None)) is not None:
            return first
    return verdicts[0] if verdicts else Verdict(kind="kept")


# --- settling ---------------------------------------------------------------------------------------------------------

_move: Final = (
    update(pages)
    .where(pages.c.id == bindparam("page"))
    .values(
        state=bindparam("new_state"),
        due_at=bindparam("at"),
        **CLAIM_ENDS,
    )
)


@dataclass(frozen=True, slots=True)
class Settled:
    """What the filters decided about some pages.

    `skipped` are the pages that they skip. `waiting` are the pages that now wait to be fetched or extracted, each with
    its host. `changes` are for the output of commands.
    """

    skipped: frozenset[PageId] = frozenset()
    waiting: Mapping[PageId, HostId] = field(default_factory=dict)
    changes: tuple[FilterChange, ...] = ()


def filter_recorded(tx: Transaction, filters: Filters, page_ids: Iterable[int]) -> Settled:
    """Skip or readmit pages whose entries or articles were just recorded, as `filters` say; return what changed."""
    if not filters.digest:
        return Settled()
    tx.dialect.lock_identity(tx.conn)
    return settle(tx, filters, page_ids)


def settle(tx: Transaction, filters: Filters, page_ids: Iterable[int]) -> Settled:
    """Skip pages and withdraw their articles, or undo both, as `filters` say; return what changed.

    The caller holds the identity lock.
    """
    skipped: set[PageId] = set()
    waiting: dict[PageId, HostId] = {}
    changed: list[FilterChange] = []
    decisions: list[Decision] = []
    for unit in list(_units(tx, filters, page_ids)):
        is_changed = bool(unit.moved) or unit.moves_article
        if unit.is_skipped:
            skipped |= {PageId(page.id) for page in unit.pages}
        if is_changed or unit.verdict.rule:
            decisions += _decisions(unit)
        if is_changed:
            changed.append(unit.change())
        waiting |= _move_pages(tx, unit)
        for row in tx.all_of(ROWS, [unit.article] if unit.moves_article else []):
            (withdraw if unit.is_skipped else put_back)(tx, row)
    record_decisions(tx, _SOURCE, decisions, tx.now)
    return Settled(frozenset(skipped), waiting, tuple(changed))


def _decisions(unit: _Unit) -> Iterator[Decision]:
    for page in unit.pages:
        yield Decision(
            url=page.url,
            key=Key(page.key),
            verdict="skipped" if unit.is_skipped else "kept",
            rule=unit.verdict.rule or _NO_RULE,
            detail=unit.verdict.place,
            article_id=unit.article,
        )


def _move_pages(tx: Transaction, unit: _Unit) -> dict[PageId, HostId]:
    """Change the states of the unit's pages that are skipped from now on or come back.

    Return the pages that now wait for a request or for their extraction, each with its host.
    """
    states = {page.id: "skipped" if unit.is_skipped else _state_of(page, unit) for page in unit.moved}
    tx.run_all(_move, [{"page": page, "new_state": state, "at": tx.now} for page, state in states.items()])
    for page in unit.pages:
        if states.get(page.id) == "due":
            lower_pages_due(tx, HostId(page.host_id), tx.now)
    waiting = {page for page, state in states.items() if state in ("due", "fetched")}
    waiting |= {page.id for page in unit.pages if unit.is_skipped and page.state == "fetched"}
    return {PageId(page.id): HostId(page.host_id) for page in unit.pages if page.id in waiting}


def _state_of(page: Row[Any], unit: _Unit) -> str:
    """Return the new state of a page that the rules do not skip: "due" (fetch it), "fetched" (extract it) or "done".

    A page is "due" if it was never requested although a feed with `full_text` announced it. Any other page is "done" if
    it has an article, else "fetched" if it can be extracted without a request, else "due".
    """
    if _was_never_asked(page, unit.entries):
        return "due"
    if unit.found is not None:
        return "done"
    return (
        "fetched"
        if page.cause is None and (page.raw_hash is not None or not _is_announced(page, unit.entries))
        else "due"
    )


def record_next_page(tx: Transaction, filters: Filters, page: FetchedPage, next_page: NextPage) -> HostId | None:
    """Make a multi-page article due for its next page, unless `filters` skip the article.

    Return the host of the next page; None: the claim is lost, or the article is skipped.
    """
    host_id = page_parts.record_next_page(tx, page, next_page)
    return None if page.id in filter_recorded(tx, filters, [page.id]).skipped else host_id


def record_extraction_failure(
    tx: Transaction, filters: Filters, page: FetchedPage, failed: PageFailed, next_at: datetime | None
) -> bool:
    """Record a failed extraction; return False if the claim is lost.

    The page is fetched again at `next_at` (None: never), unless the filter rules skip it.
    """
    is_held = fetched_pages.record_extraction_failure(tx, page, failed, next_at)
    filter_recorded(tx, filters, [page.id])
    return is_held


# --- all pages --------------------------------------------------------------------------------------------------------

_after: Final = select(pages.c.id).where(pages.c.id > bindparam("last")).order_by(pages.c.id).limit(bindparam("limit"))
_waiting_after: Final = _after.where(
    or_(pages.c.state == SKIPPED, and_(pages.c.state == DUE, pages.c.article_id.is_(None)))
)


def decide_waiting(db: Database, filters: Filters) -> None:
    """Decide again about skipped pages, and about due pages without an article, in batches.

    Do nothing if the rules are those applied last. Articles in the corpus stay: `apply_to_all` decides about them.
    """
    if (db.read(lambda tx: read_property(tx, _APPLIED)) or "") == filters.digest:
        return
    last: PageId | None = NO_PAGE
    while last is not None:
        last = db.write(partial(_apply, filters, _waiting_after, last))[1]
    db.write(lambda tx: write_property(tx, _APPLIED, filters.digest))


def apply_to_all(db: Database, filters: Filters, *, dry_run: bool) -> Iterator[FilterChange]:
    """Apply the rules to all pages, in batches. Yield each change: what is skipped from now on, and what comes back.

    With `dry_run` nothing is written.
    """
    last: PageId | None = NO_PAGE
    while last is not None:
        if dry_run:
            found, last = db.read(partial(_preview, filters, last))
        else:
            found, last = db.write(partial(_apply, filters, _after, last))
        yield from found
    if not dry_run:
        db.write(lambda tx: write_property(tx, _APPLIED, filters.digest))


_Batch = tuple[tuple[FilterChange, ...], PageId | None]  # what changes; the last page of the batch, None at the end


def _preview(filters: Filters, last: PageId, tx: Transaction) -> _Batch:
    ids = [row.id for row in tx.all(_after, {"last": last, "limit": _AT_ONCE})]
    units = (unit for unit in _units(tx, filters, ids) if unit.moved or unit.moves_article)
    changed = tuple(unit.change() for unit in units if unit.pages[0].id > last)  # a page of it may have come before
    return changed, PageId(ids[-1]) if ids else None


def _apply(filters: Filters, query: Select[Any], last: PageId, tx: Transaction) -> _Batch:
    tx.dialect.lock_identity(tx.conn)
    ids = [row.id for row in tx.all(query, {"last": last, "limit": _AT_ONCE})]
    return settle(tx, filters, ids).changes, PageId(ids[-1]) if ids else None
