"""The tables of lessons: each lesson, the pairs of pages that may prove it, and its uses.

A lesson says that addresses of a site that differ in one way are one article. A use joins one address to an article
without a fetch. It is stored as evidence, and deleted when the lesson is disproved.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import Row, and_, bindparam, delete, func, select, update

from aggregator.identity.evidence import Edge
from aggregator.identity.identify import key_hash
from aggregator.identity.lessons.standing import Standing, Verdict
from aggregator.identity.lessons.variants import Lesson, LessonKind
from aggregator.models.ids import ArticleId, EvidenceKind, Key, PageId
from aggregator.ports.store_records import Decision
from aggregator.store.db.any_of import any_of
from aggregator.store.db.database import Transaction
from aggregator.store.db.schema import DONE, DUE, evidence, lessons, pages, variants
from aggregator.store.identity.decisions import SourceDecisions, record_all_decisions
from aggregator.store.identity.partition import move_urls, note_edges, repartition
from aggregator.urls import registrable_domain

HELD: Final = "held"  # the page waits until the lesson is proven or disproved
LONGEST_WAIT: Final = timedelta(hours=1)
TAKEN: Final = "taken"  # the page was not fetched: its address is that of a known article

_lessons: Final = select(lessons).where(any_of(lessons.c.hash))
_counts: Final = (
    select(
        variants.c.lesson,
        variants.c.use,
        variants.c.verdict,
        func.count(variants.c.path.distinct()).label("paths"),
        func.max(variants.c.decided_at, type_=variants.c.decided_at.type).label("decided_at"),
    )
    .where(any_of(variants.c.lesson), variants.c.use != TAKEN)
    .group_by(variants.c.lesson, variants.c.use, variants.c.verdict)
)


def load_lesson(row: Row[Any]) -> Lesson:
    """Return a lesson from its row."""
    return Lesson(tenant=row.tenant, kind=LessonKind(row.kind), subject=row.subject)


def standings(tx: Transaction, hashes: Iterable[bytes]) -> dict[bytes, Standing]:
    """Return what is known about each stored lesson (`Standing`), by the hash of the lesson."""
    rows = tx.all_of(_lessons, hashes)
    paths: dict[bytes, dict[Verdict, int]] = defaultdict(lambda: defaultdict(int))
    probes: dict[bytes, int] = defaultdict(int)
    decided: dict[bytes, list[datetime]] = defaultdict(list)
    for row in tx.all_of(_counts, [row.hash for row in rows]):
        paths[row.lesson][Verdict(row.verdict)] += row.paths
        probes[row.lesson] += row.paths if row.use != HELD else 0
        decided[row.lesson] += [row.decided_at] if row.decided_at is not None else []
    return {
        row.hash: Standing(
            lesson=load_lesson(row),
            paths=dict(paths[row.hash]),
            probes=probes[row.hash],
            uses=row.uses,
            checked_at=max(filter(None, (row.checked_at, *decided[row.hash])), default=None),
            imported=row.imported,
        )
        for row in rows
    }


def add_lessons(tx: Transaction, learnt: Iterable[Lesson], *, imported: bool = False) -> None:
    """Store new lessons. A lesson that is stored already stays unchanged."""
    rows = [
        {"hash": one.hash, "tenant": one.tenant, "kind": one.kind.value, "subject": one.subject, "imported": imported}
        for one in sorted(set(learnt))
    ]
    tx.add(lessons, rows)


_used: Final = (
    update(lessons)
    .where(lessons.c.hash == bindparam("lesson"))
    .values(uses=bindparam("new_uses"), checked_at=bindparam("new_checked_at", type_=lessons.c.checked_at.type))
)


def save_uses(tx: Transaction, used: Iterable[Standing]) -> None:
    """Store for how many addresses each lesson was used, and when it was last checked."""
    tx.run_all(
        _used,
        [{"lesson": one.lesson.hash, "new_uses": one.uses, "new_checked_at": one.checked_at} for one in used],
    )


# --- uses -------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Use:
    """A page that is not fetched, since a lesson says that its address means the article with the key `other`."""

    page_id: PageId
    url: str
    key: Key
    other: Key
    standing: Standing


_pages: Final = (
    update(pages)
    .where(pages.c.id == bindparam("page"), pages.c.state == DUE)
    .values(state=DONE, article_id=bindparam("article"))
)
_use: Final = (
    update(variants)
    .where(variants.c.page_id == bindparam("page"), variants.c.lesson == bindparam("of_lesson"))
    .values(use=bindparam("new_use"))
)


def join_uses(tx: Transaction, uses: Sequence[Use]) -> dict[PageId, ArticleId]:
    """Join the address of each use to the article with the key `other`, and set the page of the use to "done".

    Return the article of each page. A page is left out, and stays due, if neither its key nor `other` has an article.
    """
    if not uses:
        return {}
    note_edges(tx, [_edge_of(use) for use in uses], tx.now)
    owners = repartition(tx, {key for use in uses for key in (use.key, use.other)}, tx.now)
    meant = {
        use.page_id: article
        for use in uses
        if (article := owners.get(key_hash(use.key)) or owners.get(key_hash(use.other))) is not None
    }
    tx.run_all(_pages, [{"page": page, "article": article} for page, article in meant.items()])
    set_uses(tx, ((use.page_id, use.standing.lesson) for use in uses), TAKEN)
    shown = _examples(tx, {use.standing.lesson.hash for use in uses})
    made = [SourceDecisions(f"page {use.page_id}", [_known(use, shown)], meant.get(use.page_id)) for use in uses]
    record_all_decisions(tx, made, tx.now)
    return meant


def add_pair(tx: Transaction, page: PageId, other: PageId, lesson: Lesson, path: bytes, use: str) -> None:
    """Store a pair of pages that are one article if `lesson` is true. With the use `HELD`, `page` waits for `other`.

    Pairs with an equal `path` count as one proof of the lesson.
    """
    add_lessons(tx, [lesson])
    pair = {"page_id": page, "other_id": other, "lesson": lesson.hash, "path": path}
    tx.add(variants, [{**pair, "verdict": Verdict.OPEN.value, "use": use}])
    mark_variants(tx, (page, other))


_flag: Final = (
    update(pages).where(pages.c.id == bindparam("page"), pages.c.has_variants.is_(False)).values(has_variants=True)
)


def mark_variants(tx: Transaction, page_ids: Iterable[PageId]) -> None:
    """Mark pages whose addresses are in a pair that tests a lesson (column `has_variants`).

    When a marked page is extracted, the lessons of its pairs are judged.
    """
    tx.run_all(_flag, [{"page": page} for page in sorted(set(page_ids))])


def set_uses(tx: Transaction, pairs: Iterable[tuple[PageId, Lesson]], use: str) -> None:
    """Store the use of these pairs: `HELD`, `TAKEN`, or "" for neither. A pair is found by its page and lesson."""
    tx.run_all(_use, [{"page": page, "of_lesson": lesson.hash, "new_use": use} for page, lesson in pairs])


def _edge_of(use: Use) -> Edge:
    site, is_redirect = registrable_domain(use.key), use.standing.lesson.kind is LessonKind.REDIRECT
    return Edge(
        key=use.key,
        other=use.other,
        kind=EvidenceKind.REDIRECT if is_redirect else EvidenceKind.LESSON,
        site=site,
        other_site=registrable_domain(use.other),
        witness=site if is_redirect else use.standing.lesson.claim,
    )


def _known(use: Use, examples: Mapping[bytes, Sequence[str]]) -> Decision:
    if use.standing.lesson.kind is LessonKind.REDIRECT:
        return Decision(url=use.url, key=use.key, verdict="merged", rule="redirect", detail=use.other)
    shown = examples.get(use.standing.lesson.hash, ())
    detail = "; ".join((use.standing.sentence(), *shown))
    return Decision(url=use.url, key=use.key, verdict="known", rule="lesson", detail=detail)


_first: Final = pages.alias("first")
_second: Final = pages.alias("second")
_proofs: Final = (
    select(_first.c.url, _second.c.url.label("other_url"))
    .select_from(variants)
    .join(_first, _first.c.id == variants.c.page_id)
    .join(_second, _second.c.id == variants.c.other_id)
    .where(variants.c.lesson == bindparam("of_lesson"), variants.c.use == "", variants.c.verdict == Verdict.ONE.value)
    .order_by(variants.c.page_id)
    .limit(2)
)


def _examples(tx: Transaction, hashes: Iterable[bytes]) -> dict[bytes, list[str]]:
    """Return up to two proofs of each lesson, by the lesson's hash. A proof is a line "address = address"."""
    return {
        hashed: [f"{row.url} = {row.other_url}" for row in tx.all(_proofs, {"of_lesson": hashed})]
        for hashed in sorted(hashes)
    }


# --- ending uses ------------------------------------------------------------------------------------------------------

_drop: Final = delete(evidence).where(
    and_(
        evidence.c.key_hash == bindparam("hashed"),
        evidence.c.other_hash == bindparam("other"),
        evidence.c.kind == EvidenceKind.LESSON.value,
        evidence.c.witness == bindparam("claim"),
    )
)


def delete_uses(tx: Transaction, uses: Collection[Use]) -> None:
    """Delete the evidence by which lessons joined the addresses of `uses` to articles.

    An address without other evidence then means no article.
    """
    tx.run_all(
        _drop,
        [
            {"hashed": key_hash(one.key), "other": key_hash(one.other), "claim": one.standing.lesson.claim}
            for one in uses
        ],
    )
    owners = repartition(tx, {key for one in uses for key in (one.key, one.other)}, tx.now)
    move_urls(tx, {}, [hashed for one in uses if (hashed := key_hash(one.key)) not in owners])
    made = [
        SourceDecisions(
            f"page {one.page_id}",
            [Decision(url=one.url, key=one.key, verdict="refused", rule="lesson", detail=one.standing.sentence())],
        )
        for one in uses
    ]
    record_all_decisions(tx, made, tx.now)
