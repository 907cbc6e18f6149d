"""Finds pages not fetched yet that an article's page declares, for example as its AMP page.

If such a page is fetched, it may prove a lesson.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from sqlalchemy import bindparam, select, update

from aggregator.identity.evidence import Edge, refusal_alone
from aggregator.identity.identify import key_hash
from aggregator.identity.lessons.standing import Standing
from aggregator.identity.lessons.variants import Lesson, lesson_of_declaration
from aggregator.models.ids import EvidenceKind, PageId
from aggregator.store.articles.rows import ArticleWrite
from aggregator.store.db.any_of import any_of
from aggregator.store.db.database import Transaction
from aggregator.store.db.schema import DUE, pages
from aggregator.store.identity.lessons import HELD, LONGEST_WAIT, add_pair, standings

_waiting: Final = (
    select(pages.c.id, pages.c.key_hash)
    .where(any_of(pages.c.key_hash), pages.c.state == DUE, pages.c.fetched_at.is_(None), pages.c.attempts == 0)
    .order_by(pages.c.id)
)
_put_off: Final = (
    update(pages)
    .where(pages.c.id == bindparam("page"), pages.c.state == DUE)
    .values(due_at=bindparam("at", pages.c.due_at.type))
)


def note_declared_pages(tx: Transaction, writes: Iterable[ArticleWrite]) -> set[PageId]:
    """Pair the page of each article with the waiting pages whose addresses it declares as its own.

    Return the pages of articles that got a pair. The waiting page is held back if the lesson about the pair is true or
    may soon be proven. A disproved lesson gets no pairs.
    """
    named = {
        key_hash(edge.other): (PageId(write.page.id), edge, lesson)
        for write in writes
        for edge in write.record.edges
        if (lesson := _lesson_of(edge, write)) is not None
    }
    rows = tx.all_of(_waiting, named)
    if not rows:
        return set()
    known = standings(tx, {lesson.hash for _, _, lesson in named.values()})
    paired = set()
    for row in rows:
        page, _, lesson = named[row.key_hash]
        standing = known.get(lesson.hash, Standing(lesson=lesson, paths={}))
        if page == row.id or standing.contradictions:
            continue
        is_held = standing.holds or standing.holds_back
        add_pair(tx, PageId(row.id), page, lesson, row.key_hash, HELD if is_held else "")
        if is_held:
            tx.run(_put_off, {"page": row.id, "at": tx.now + LONGEST_WAIT})
        known[lesson.hash] = standing if is_held else standing.probed()
        paired.add(page)
    return paired


def _lesson_of(edge: Edge, write: ArticleWrite) -> Lesson | None:
    if edge.key != write.key or edge.kind is not EvidenceKind.DECLARED or refusal_alone(edge) is not None:
        return None
    return lesson_of_declaration(edge.key, edge.other)
