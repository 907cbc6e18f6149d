"""Walls in the store: one document at addresses that feeds announced as different articles.

Documents without their entry's title are stored for ever, so that their order does not matter. A document that turns
out to be a wall is no article at any of these addresses: its articles are withdrawn, and the pages are due again.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Row, and_, bindparam, case, delete, func, or_, select, update

from aggregator.identity.evidence import refusal_alone
from aggregator.identity.fingerprint import Fingerprint, fingerprint
from aggregator.identity.identify import key_hash
from aggregator.identity.walls import Resemblance, is_wall
from aggregator.models.fetching import Cause
from aggregator.models.ids import ArticleId, EvidenceKind, HostId, Key, PageId
from aggregator.ports.store_records import Decision
from aggregator.store.articles.doubts import REASON
from aggregator.store.articles.lessons.settling import settle_lessons
from aggregator.store.articles.rows import ArticleWrite, restore_revision
from aggregator.store.articles.search import forget_text
from aggregator.store.db.any_of import any_of
from aggregator.store.db.codec import load_strings
from aggregator.store.db.column_types import NEVER
from aggregator.store.db.database import Transaction
from aggregator.store.db.schema import FETCHED, SKIPPED, articles, changes, entries, evidence, pages, revisions
from aggregator.store.db.schema import unnamed_texts as facts
from aggregator.store.identity.decisions import SourceDecisions, record_all_decisions
from aggregator.store.identity.partition import WITHDRAWN, drop_aliases, repartition
from aggregator.store.queue.hosts import lower_pages_due
from aggregator.store.queue.pages import has_content
from aggregator.urls import host_of

_MOST: Final = 50  # addresses that are looked at to tell whether their document is a wall
NAMING: Final = frozenset({EvidenceKind.REDIRECT, EvidenceKind.CANONICAL, EvidenceKind.BARE_CANONICAL})
_OF_PAGES: Final = (*sorted(NAMING), EvidenceKind.DECLARED)
_DETAIL: Final = "the same document stands at addresses whose entries have other titles"


@dataclass(frozen=True, slots=True)
class Document:
    """A document at several addresses of a host: a text, or the target of a redirect or of a canonical link."""

    host: str
    hash: bytes


def note_documents(tx: Transaction, texts: Iterable[ArticleWrite]) -> set[Document]:
    """Store the documents of pages that do not contain their title; return them."""
    rows = []
    for text in texts:
        record = text.record
        if record.says_title is Resemblance.SAYS or record.content.source != "page":
            continue
        host, own = host_of(text.page.url), text.draft.fingerprint.text_hash
        rows += [
            {
                "hash": document,
                "page_id": text.page.id,
                "text_hash": own,
                "host": host,
                "says_nothing": record.says_title is Resemblance.NOTHING,
            }
            for document in {own, *(key_hash(target) for target in _targets(text))}
        ]
    tx.add(facts, rows)
    return {Document(row["host"], row["hash"]) for row in rows}


def _targets(text: ArticleWrite) -> set[Key]:
    """Return the addresses that the page redirected to or names as its own, other than the one that was announced."""
    edges = (edge for edge in text.record.edges if edge.kind in NAMING and refusal_alone(edge) is None)
    return {edge.other for edge in edges} - {Key(text.page.key)}


_announced: Final = (
    select(facts.c.page_id, entries.c.title)
    .join(entries, entries.c.page_id == facts.c.page_id)
    .where(facts.c.hash == bindparam("document"), facts.c.host == bindparam("at_host"), facts.c.says_nothing)
    .order_by(facts.c.page_id)
    .limit(_MOST)
)
_at_several_pages: Final = (
    select(facts.c.host, facts.c.hash)
    .where(any_of(facts.c.hash), facts.c.says_nothing)
    .group_by(facts.c.host, facts.c.hash)
    .having(func.count() > 1)
)
_is_announced: Final = select(pages.c.id).where(pages.c.key_hash == bindparam("key_hash"))
_pages_of: Final = select(facts.c.page_id).where(
    facts.c.host == bindparam("at_host"),
    facts.c.hash == bindparam("document"),
    any_of(facts.c.page_id),
)
_standing: Final = (  # articles whose current text is that of the wall, and at which page
    select(articles, pages.c.id.label("of_page"))
    .select_from(facts)
    .join(pages, pages.c.id == facts.c.page_id)
    .join(articles, and_(articles.c.id == pages.c.article_id, articles.c.print_hash == facts.c.text_hash))
    .where(facts.c.hash == bindparam("document"), facts.c.host == bindparam("at_host"))
    .order_by(articles.c.n, pages.c.id)
)
_rows: Final = (
    select(pages.c.id, pages.c.host_id, pages.c.url, pages.c.key, pages.c.article_id, pages.c.has_variants)
    .where(any_of(pages.c.id))
    .order_by(pages.c.id)
)


def fail_walls(tx: Transaction, texts: Sequence[ArticleWrite], due: Mapping[PageId, datetime | None]) -> set[PageId]:
    """Withdraw the articles of walls; return those pages of `texts` that have failed, as no articles.

    `due` tells when each page of `texts` is fetched again; None: never. Other pages of a wall are due with the first.
    """
    return end_walls(tx, note_documents(tx, texts), due)


def end_walls(tx: Transaction, documents: Collection[Document], due: Mapping[PageId, datetime | None]) -> set[PageId]:
    """Withdraw the articles of walls among these documents; return the pages in `due` that have failed."""
    several = {Document(row.host, row.hash) for row in tx.all_of(_at_several_pages, {one.hash for one in documents})}
    walls = [one for one in sorted(several & set(documents), key=lambda one: (one.host, one.hash)) if _is_wall(tx, one)]
    if not walls:
        return set()
    failed = {page for wall in walls for page in _pages_at(tx, wall, due)}
    first = min((at for page in failed if (at := due[page]) is not None), default=tx.now)
    standing = [row for wall in walls for row in tx.all(_standing, _named(wall))]
    withdrawn = _withdraw(tx, {row.n: row for row in standing}.values(), {row.of_page for row in standing} | failed)
    at_walls = tx.all_of(_rows, sorted({PageId(row.of_page) for row in standing} | failed))
    for page in at_walls:
        article = None if page.article_id in withdrawn else page.article_id
        _fail(tx, page, article, due.get(PageId(page.id), first))
    record_all_decisions(tx, [SourceDecisions(f"page {page.id}", [_decision(page)]) for page in at_walls], tx.now)
    settle_lessons(tx, [PageId(page.id) for page in at_walls if page.has_variants])
    return failed


def _named(document: Document) -> dict[str, Any]:
    return {"document": document.hash, "at_host": document.host}


def _is_wall(tx: Transaction, document: Document) -> bool:
    """Return whether the document is a wall. An announced address may also be an article that others became."""
    if tx.first(_is_announced, {"key_hash": document.hash}) is not None:
        return False
    titles: dict[int, set[str]] = defaultdict(set)
    for row in tx.all(_announced, _named(document)):
        titles[row.page_id].add(row.title)
    return is_wall(titles.values())


def _pages_at(tx: Transaction, wall: Document, wanted: Collection[PageId]) -> set[PageId]:
    return {PageId(row.page_id) for row in tx.all_of(_pages_of, wanted, _named(wall))}


def _decision(page: Row[Any]) -> Decision:
    return Decision(url=page.url, key=Key(page.key), verdict="failed", rule=Cause.WALL, detail=_DETAIL)


# --- pages ------------------------------------------------------------------------------------------------------------

_failed: Final = (
    update(pages)
    .where(pages.c.id == bindparam("page"))
    .values(
        state=case((pages.c.state == SKIPPED, pages.c.state), else_=bindparam("new_state")),
        due_at=bindparam("at"),
        article_id=bindparam("article"),
        cause=Cause.WALL,
        detail=_DETAIL,
        etag=None,  # it is that of the wall
        last_modified=None,
        raw_hash=case((bindparam("new_state") == FETCHED, None), else_=pages.c.raw_hash),
        token=pages.c.token + 1,
        lease_until=NEVER,
        lease_owner="",
        extract_attempts=0,
        attempts=case((pages.c.attempts > 0, pages.c.attempts), else_=1),
        visits=case((pages.c.visits > 0, pages.c.visits - 1), else_=0),
    )
)


def _fail(tx: Transaction, page: Row[Any], article: str | None, at: datetime | None) -> None:
    """Record that the page failed. It is fetched again at `at`; until then its entry's content is extracted, if any."""
    state = "due" if at is not None else "failed" if article is None else "done"
    if article is None and has_content(tx, PageId(page.id)):
        state = "fetched"
    tx.run(_failed, {"page": page.id, "new_state": state, "at": at or tx.now, "article": article})
    if state == "due" and at is not None:
        lower_pages_due(tx, HostId(page.host_id), at)


# --- articles ---------------------------------------------------------------------------------------------------------

_texts_of: Final = select(facts.c.text_hash).where(any_of(facts.c.page_id))
_earlier: Final = (
    select(revisions).where(revisions.c.article_id == bindparam("article")).order_by(revisions.c.number.desc())
)
_later: Final = delete(revisions).where(
    revisions.c.article_id == bindparam("article"), revisions.c.number > bindparam("kept")
)
_withdraw_row: Final = (
    update(articles)
    .where(articles.c.n == bindparam("number_"))
    .values(merged_into=WITHDRAWN, revision=0, near_duplicate_of=None, near_score=None)
)
_claims: Final = select(evidence.c.id, evidence.c.key, evidence.c.other).where(
    or_(any_of(evidence.c.key_hash), any_of(evidence.c.other_hash)),
    evidence.c.kind.in_(_OF_PAGES),
    evidence.c.seen_at >= bindparam("since"),
)
_drop: Final = delete(evidence).where(evidence.c.id == bindparam("edge"))


def _withdraw(tx: Transaction, rows: Iterable[Row[Any]], at_pages: Collection[int]) -> set[str]:
    """Remove the walls' text from articles: restore the text before, or withdraw; return those without any text.

    The wall's statements about its address are deleted, too.
    """
    walls = {row.text_hash for row in tx.all_of(_texts_of, sorted(at_pages))}
    withdrawn: set[str] = set()
    touched: set[Key] = set()
    new_changes: list[dict[str, Any]] = []
    for row in rows:
        touched |= {Key(row.key)} | _drop_claims(tx, row, row.recorded_at)
        forget_text(tx, row.n)
        kept = next((one for one in tx.all(_earlier, {"article": row.id}) if _print(one).text_hash not in walls), None)
        tx.run(_later, {"article": row.id, "kept": 0 if kept is None else kept.number})
        if kept is not None:
            restore_revision(tx, row, kept, _print(kept))
        else:
            tx.run(_withdraw_row, {"number_": row.n})
            drop_aliases(tx, ArticleId(row.id))
            withdrawn.add(row.id)
        if row.merged_into is None:
            kind = "withdrawn" if kept is None else "updated"
            new_changes.append({"article_id": row.id, "kind": kind, "merged_into": None, "at": tx.now})
    tx.add(changes, new_changes)
    if touched:
        repartition(tx, touched, tx.now)
    return withdrawn


_silent: Final = select(facts.c.page_id, facts.c.text_hash).where(any_of(facts.c.page_id), facts.c.says_nothing)
_with_ids: Final = select(articles).where(
    any_of(articles.c.id), articles.c.merged_into.is_(None), articles.c.forgotten_at.is_(None)
)


def withdraw_left(tx: Transaction, writes: Iterable[ArticleWrite]) -> None:
    """Withdraw doubtful earlier articles of these pages, if the pages now have an article at another address.

    A page was led to a wall that repeated its title, or was the only one at its wall; it fell, or stands elsewhere.
    """
    left = {write.page.article_id: key_hash(write.key) for write in writes if write.page.article_id is not None}
    moved = [row for row in tx.all_of(_with_ids, left) if row.key_hash != left[row.id]]
    silent = {(row.page_id, row.text_hash) for row in tx.all_of(_silent, [row.page_id for row in moved])}
    rows = [
        row
        for row in moved
        if REASON in load_strings(row.quality) or (row.page_id, row.print_hash) in silent
        if tx.first(_is_announced, {"key_hash": row.key_hash}) is None
    ]
    touched: set[Key] = set()
    for row in rows:
        touched |= {Key(row.key)} | _drop_claims(tx, row, row.first_seen)
        forget_text(tx, row.n)
        tx.run(_later, {"article": row.id, "kept": 0})
        tx.run(_withdraw_row, {"number_": row.n})
        drop_aliases(tx, ArticleId(row.id))
    tx.add(changes, [{"article_id": row.id, "kind": "withdrawn", "merged_into": None, "at": tx.now} for row in rows])
    if touched:
        repartition(tx, touched, tx.now)


def _print(revision: Row[Any]) -> Fingerprint:
    return fingerprint(revision.body)


def _drop_claims(tx: Transaction, row: Row[Any], since: datetime) -> set[Key]:
    """Delete the evidence that came with an article's texts since then; return the keys at its ends."""
    claims = tx.all_of(_claims, [row.key_hash], {"since": since})
    tx.run_all(_drop, [{"edge": claim.id} for claim in claims])
    return {Key(end) for claim in claims for end in (claim.key, claim.other)}
