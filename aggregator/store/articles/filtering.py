"""The operator's filters over what is stored: which pages are fetched, and which articles are in the corpus.

The decision depends on nothing but what is stored: the entries that announced a page, its article, and the rules. So it
is the same whether the rules were there from the start or came later. A page is kept if one of its entries is.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final

from sqlalchemy import Row, Select, and_, bindparam, or_, select, update

from aggregator.filters.decide import Filters, Verdict, decide
from aggregator.filters.facts import facts_of
from aggregator.models.articles import Extraction
from aggregator.models.ids import NO_PAGE, OWN_CONTENT, ArticleId, HostId, Key, PageId
from aggregator.ports.readings import FilterChange
from aggregator.ports.store_records import Decision
from aggregator.store.articles.skipped import ROWS, put_back, withdraw
from aggregator.store.db.any_of import any_of
from aggregator.store.db.codec import load_extraction
from aggregator.store.db.column_types import NEVER
from aggregator.store.db.database import Database, Transaction
from aggregator.store.db.properties import read_property, write_property
from aggregator.store.db.schema import DUE, FETCHED, SKIPPED, articles, entries, feeds, pages, revisions
from aggregator.store.identity.decisions import record_decisions
from aggregator.store.queue.fetched_pages import entry_of
from aggregator.store.queue.hosts import lower_pages_due

_SOURCE: Final = "filter"
_APPLIED: Final = "filters"  # a property: the digest of the rules by which what waits was decided last
_AT_ONCE: Final = 500
_NO_RULE: Final = "no filter skips it"

# --- what is stored ---------------------------------------------------------------------------------------------------

_columns: Final = select(
    pages.c.id,
    pages.c.url,
    pages.c.key,
    pages.c.host_id,
    pages.c.state,
    pages.c.article_id,
    pages.c.raw_hash,
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
_texts: Final = (
    select(articles.c.id, revisions.c.title, revisions.c.body, revisions.c.content)
    .join(revisions, and_(revisions.c.article_id == articles.c.id, revisions.c.number == articles.c.revision))
    .where(any_of(articles.c.id))
)


@dataclass(frozen=True, slots=True)
class _Unit:
    """The pages of one article, or one page without an article; the entries that announced them; the verdict."""

    pages: tuple[Row[Any], ...]
    entries: tuple[Row[Any], ...]
    content: Extraction | None
    verdict: Verdict

    @property
    def article(self) -> ArticleId | None:
        """The article of the pages."""
        return self.pages[0].article_id and ArticleId(self.pages[0].article_id)

    @property
    def is_skipped(self) -> bool:
        """Whether it is skipped as things stand."""
        return any(page.state == "skipped" for page in self.pages)

    def change(self) -> FilterChange:
        """Return the change as commands show it."""
        first = self.entries[0] if self.entries else None
        title = (first.title if first is not None else "") or (self.content.title if self.content is not None else "")
        return FilterChange(
            url=self.pages[0].url,
            title=title,
            article_id=self.article,
            is_skipped=self.verdict.kind == "skipped",
            rule=self.verdict.rule,
            place=self.verdict.place,
        )


def _units(tx: Transaction, filters: Filters, page_ids: Iterable[int]) -> Iterator[_Unit]:
    """Yield what the rules say of these pages, each with the other pages of its article."""
    found = {row.id: row for row in tx.all_of(_pages, page_ids)}
    ids = {row.article_id for row in found.values() if row.article_id is not None}
    found |= {row.id: row for row in tx.all_of(_pages_of, ids)}
    grouped: dict[object, list[Row[Any]]] = defaultdict(list)
    for page in found.values():
        grouped[page.article_id or page.id].append(page)
    announced: dict[int, list[Row[Any]]] = defaultdict(list)
    for row in tx.all_of(_entries, found):
        announced[row.page_id].append(row)
    contents = {row.id: load_extraction(row.title, row.body, row.content) for row in tx.all_of(_texts, ids)}
    for rows in (sorted(group, key=lambda page: int(page.id)) for group in grouped.values()):
        content = contents.get(rows[0].article_id)
        if rows[0].article_id is not None and content is None:
            continue  # its text is forgotten: nothing of it can go or come back
        told = tuple(row for page in rows for row in announced[page.id])
        yield _Unit(tuple(rows), told, content, _verdict(filters, rows, told, content))


def _verdict(
    filters: Filters, of_pages: Sequence[Row[Any]], told: Sequence[Row[Any]], content: Extraction | None
) -> Verdict:
    urls = {page.id: page.url for page in of_pages}
    verdicts = [
        decide(
            filters.sets_of(row.feed_url),
            facts_of(
                entry_of(row),
                feed=(row.feed_name, row.feed_url),
                url=urls[row.page_id],
                first_seen=row.first_seen,
                content=content,
            ),
        )
        for row in told
    ]
    for kind in ("kept", "open"):
        if (first := next((one for one in verdicts if one.kind == kind), None)) is not None:
            return first
    return verdicts[0] if verdicts else Verdict(kind="kept")


# --- settling ---------------------------------------------------------------------------------------------------------

_skip: Final = (
    update(pages)
    .where(pages.c.id == bindparam("page"))
    .values(state="skipped", token=pages.c.token + 1, lease_until=NEVER, lease_owner="")
)
_return: Final = (
    update(pages)
    .where(pages.c.id == bindparam("page"), pages.c.state == SKIPPED)
    .values(state=bindparam("new_state"), due_at=bindparam("at"), extract_attempts=0)
)


@dataclass(frozen=True, slots=True)
class Settled:
    """What the filters made of pages: those that are skipped now, those that wait again, and what changed."""

    skipped: frozenset[PageId] = frozenset()
    waiting: Mapping[PageId, HostId] = field(default_factory=dict)
    changes: tuple[FilterChange, ...] = ()


def filter_recorded(tx: Transaction, filters: Filters, page_ids: Iterable[int]) -> Settled:
    """Apply the rules, if there are any, to pages for which something was just recorded."""
    return settle(tx, filters, page_ids) if filters.digest else Settled()


def settle(tx: Transaction, filters: Filters, page_ids: Iterable[int], *, only_back: bool = False) -> Settled:
    """Bring pages and their articles in line with the rules; the caller holds the identity lock.

    `only_back`: an article that is in the corpus stays there.
    """
    skipped: set[PageId] = set()
    waiting: dict[PageId, HostId] = {}
    changed: list[FilterChange] = []
    decisions: list[Decision] = []
    for unit in list(_units(tx, filters, page_ids)):
        is_skipped = unit.verdict.kind == "skipped"
        if is_skipped and only_back and unit.content is not None and not unit.is_skipped:
            continue
        if is_skipped:
            skipped |= {PageId(page.id) for page in unit.pages}
        if is_skipped or unit.is_skipped or unit.verdict.rule:
            decisions += _decisions(unit)
        if not _is_to_change(unit):
            continue
        changed.append(unit.change())
        if is_skipped:
            _skip_unit(tx, unit)
        else:
            waiting |= _return_unit(tx, unit)
    record_decisions(tx, _SOURCE, decisions, tx.now)
    return Settled(frozenset(skipped), waiting, tuple(changed))


def _is_to_change(unit: _Unit) -> bool:
    if unit.verdict.kind != "skipped":
        return unit.is_skipped
    return any(map(_can_be_skipped, unit.pages))


def _can_be_skipped(page: Row[Any]) -> bool:
    """Return whether a page waits or gave an article; one that failed or was forgotten stays as it is."""
    return page.state in ("due", "fetched") or (page.state == "done" and page.article_id is not None)


def _decisions(unit: _Unit) -> Iterator[Decision]:
    verdict = unit.verdict
    for page in unit.pages:
        yield Decision(
            url=page.url,
            key=Key(page.key),
            verdict="skipped" if verdict.kind == "skipped" else "kept",
            rule=verdict.rule or _NO_RULE,
            detail=verdict.place,
            article_id=unit.article,
        )


def _skip_unit(tx: Transaction, unit: _Unit) -> None:
    tx.run_all(_skip, [{"page": page.id} for page in unit.pages if _can_be_skipped(page)])
    for row in tx.all_of(ROWS, [unit.article] if unit.article is not None else []):
        withdraw(tx, row)


def _return_unit(tx: Transaction, unit: _Unit) -> dict[PageId, HostId]:
    """Take pages and article back; return the pages that wait for a request or for extraction, with their hosts."""
    waiting: dict[PageId, HostId] = {}
    for page in unit.pages:
        if page.state != "skipped":
            continue
        state = _state_of(page, unit)
        tx.run(_return, {"page": page.id, "new_state": state, "at": tx.now})
        if state != "done":
            waiting[PageId(page.id)] = HostId(page.host_id)
        if state == "due":
            lower_pages_due(tx, HostId(page.host_id), tx.now)
    for row in tx.all_of(ROWS, [unit.article] if unit.article is not None else []):
        put_back(tx, row)
    return waiting


def _state_of(page: Row[Any], unit: _Unit) -> str:
    """Return the state of a page that comes back. What is here is extracted again; only the rest is fetched."""
    has_page = not page.key.startswith(OWN_CONTENT) and any(
        row.full_text for row in unit.entries if row.page_id == page.id
    )
    if unit.content is not None and (has_page or page.raw_hash is not None):
        return "done"
    if page.raw_hash is None:
        return "due" if has_page else "fetched"
    return "fetched" if page.cause is None else "due"


# --- all that is stored -----------------------------------------------------------------------------------------------

_after: Final = select(pages.c.id).where(pages.c.id > bindparam("last")).order_by(pages.c.id).limit(bindparam("limit"))
_waiting_after: Final = _after.where(
    or_(pages.c.state == SKIPPED, and_(pages.c.state.in_([DUE, FETCHED]), pages.c.article_id.is_(None)))
)


def decide_waiting(db: Database, filters: Filters) -> None:
    """Decide again about pages that wait and about what was skipped, unless these rules did so before.

    An article that is in the corpus stays there: `apply_to_all` withdraws it.
    """
    if (db.read(lambda tx: read_property(tx, _APPLIED)) or "") == filters.digest:
        return
    last: PageId | None = NO_PAGE
    while last is not None:
        last = db.write(partial(_apply, filters, _waiting_after, last, only_back=True))[1]
    db.write(lambda tx: write_property(tx, _APPLIED, filters.digest))


def apply_to_all(db: Database, filters: Filters, *, dry_run: bool) -> Iterator[FilterChange]:
    """Apply the rules to all that is stored, some pages at a time; yield what goes and what comes back.

    With `dry_run` nothing is written.
    """
    last: PageId | None = NO_PAGE
    while last is not None:
        if dry_run:
            found, last = db.read(partial(_preview, filters, last))
        else:
            found, last = db.write(partial(_apply, filters, _after, last, only_back=False))
        yield from found
    if not dry_run:
        db.write(lambda tx: write_property(tx, _APPLIED, filters.digest))


_Batch = tuple[tuple[FilterChange, ...], PageId | None]  # what changes; the last page of the batch, None at the end


def _preview(filters: Filters, last: PageId, tx: Transaction) -> _Batch:
    ids = [row.id for row in tx.all(_after, {"last": last, "limit": _AT_ONCE})]
    units = (unit for unit in _units(tx, filters, ids) if _is_to_change(unit))
    changed = tuple(unit.change() for unit in units if unit.pages[0].id > last)  # a page of it may have come before
    return changed, PageId(ids[-1]) if ids else None


def _apply(filters: Filters, query: Select[Any], last: PageId, tx: Transaction, *, only_back: bool) -> _Batch:
    tx.dialect.lock_identity(tx.conn)
    ids = [row.id for row in tx.all(query, {"last": last, "limit": _AT_ONCE})]
    return settle(tx, filters, ids, only_back=only_back).changes, PageId(ids[-1]) if ids else None
