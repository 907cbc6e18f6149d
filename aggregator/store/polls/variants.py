"""Decides about new pages whose address may be a variant of another: fetch, hold back, or join to the other's article.

The decision is made before the pages are inserted. `articles/lessons/settling.py` judges the lessons later, by the
fetched pages.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Final

from sqlalchemy import select

from aggregator.identity.evidence import refusal_alone
from aggregator.identity.lessons.standing import Standing, Verdict
from aggregator.identity.lessons.variants import Lesson, family_of, lesson_between, lesson_of_declaration
from aggregator.models.ids import ArticleId, EvidenceKind, Key, PageId
from aggregator.store.db.any_of import any_of
from aggregator.store.db.database import Transaction
from aggregator.store.db.schema import evidence, pages, variants
from aggregator.store.identity.lessons import (
    HELD,
    TAKEN,
    Use,
    add_lessons,
    join_uses,
    mark_variants,
    save_uses,
    standings,
)
from aggregator.store.identity.partition import load_edge, resolve

_MOST: Final = 20  # pages of one family; in a larger family nothing is learned
_PAIRS: Final = 3  # of a new page

_relatives: Final = (
    select(pages.c.id, pages.c.key, pages.c.key_hash, pages.c.state, pages.c.article_id, pages.c.family)
    .where(any_of(pages.c.family))
    .order_by(pages.c.id)
)


@dataclass(frozen=True, slots=True)
class _Member:
    """A page to which a new page is compared: the new one may be another address of the same article.

    `page_id` None: this page is not stored yet either; the same transaction inserts it.
    """

    key: Key
    hashed: bytes
    page_id: PageId | None
    is_waiting: bool  # it may become an article
    article: ArticleId | None


@dataclass(frozen=True, slots=True)
class _Pair:
    """A new page (`key`, `url`) and an earlier page (`other`), which are one article if `lesson` is true."""

    hashed: bytes
    key: Key
    url: str
    other: _Member
    lesson: Lesson
    use: str  # "", `HELD` or `TAKEN`


@dataclass(slots=True)
class VariantPlan:
    """The decisions about new pages whose address may be a variant of another address.

    In a pair with the use `HELD` the new page is held back until the lesson is proven or not. With `TAKEN` the new
    page is joined to the other page's article. Other new pages are fetched. `families` has the `family_of` each new
    key, by the key's hash; `standings` has the `Standing` of each lesson, by the lesson's hash.
    """

    families: dict[bytes, bytes] = field(default_factory=dict)
    pairs: list[_Pair] = field(default_factory=list)
    standings: dict[bytes, Standing] = field(default_factory=dict)
    used: set[bytes] = field(default_factory=set)  # lessons

    def uses(self) -> dict[bytes, str]:
        """Return `HELD` (it waits), `TAKEN` (joined) or "" (fetched) for each new page in a pair, by its key's hash."""
        found = {pair.hashed: "" for pair in self.pairs}
        return found | {pair.hashed: pair.use for pair in self.pairs if pair.use}

    @property
    def takes(self) -> bool:
        """Whether the plan joins at least one new page to a known article."""
        return any(pair.use == TAKEN for pair in self.pairs)


def plan_variants(tx: Transaction, new: Mapping[bytes, tuple[Key, str]], now: datetime) -> VariantPlan:
    """Decide which new pages are held back, joined to an article, or fetched.

    `new` has the key and the address of each page, by the hash of the key.
    """
    plan = VariantPlan()
    families = {hashed: family for hashed, (key, _) in new.items() if (family := family_of(key)) is not None}
    members: dict[bytes, list[_Member]] = defaultdict(list)
    for row in tx.all_of(_relatives, families.values()):
        article = None if row.article_id is None else ArticleId(row.article_id)
        is_waiting = row.state in ("due", "fetched")
        members[row.family].append(_Member(Key(row.key), row.key_hash, PageId(row.id), is_waiting, article))
    found: dict[bytes, list[tuple[_Member, Lesson]]] = {}
    for hashed, family in families.items():
        key, known = new[hashed][0], members[family]
        if len(known) >= _MOST:
            continue
        plan.families[hashed] = family
        related = [(one, lesson) for one in known if (lesson := lesson_between(key, one.key)) is not None]
        if related:
            found[hashed] = related
        known.append(_Member(key, hashed, None, True, None))
    for hashed, declared in _declared(tx, new).items():
        found[hashed] = [*declared, *found.get(hashed, ())]
    if found:
        _decide(tx, plan, new, found, now)
    return plan


_declaring: Final = (
    select(evidence, pages.c.id.label("page_id"), pages.c.state, pages.c.article_id)
    .join(pages, pages.c.key_hash == evidence.c.key_hash)
    .where(any_of(evidence.c.other_hash), evidence.c.kind == EvidenceKind.DECLARED.value)
    .order_by(pages.c.id)
)


def _declared(tx: Transaction, new: Iterable[bytes]) -> dict[bytes, list[tuple[_Member, Lesson]]]:
    """Return, by the hash of each new key, the pages that declare its address as their own, such as a short link.

    Each page comes with the lesson that its declaration tests (`lesson_of_declaration`). Pages without an article are
    left out.
    """
    found: dict[bytes, list[tuple[_Member, Lesson]]] = defaultdict(list)
    for row in tx.all_of(_declaring, new):
        edge = load_edge(row)
        lesson = lesson_of_declaration(edge.key, edge.other)
        if lesson is not None and row.article_id is not None and refusal_alone(edge) is None:
            member = _Member(edge.key, row.key_hash, PageId(row.page_id), False, ArticleId(row.article_id))
            found[row.other_hash].append((member, lesson))
    return found


def _decide(
    tx: Transaction,
    plan: VariantPlan,
    new: Mapping[bytes, tuple[Key, str]],
    found: Mapping[bytes, Sequence[tuple[_Member, Lesson]]],
    now: datetime,
) -> None:
    known = standings(tx, {lesson.hash for related in found.values() for _, lesson in related})
    plan.standings = {
        lesson.hash: known.get(lesson.hash, Standing(lesson=lesson, paths={}))
        for related in found.values()
        for _, lesson in related
    }
    means = resolve(tx, {one.hashed for related in found.values() for one, _ in related if one.article is not None})
    for hashed, related in found.items():
        usual = [
            (replace(one, article=means.get(one.hashed)), lesson)
            for one, lesson in related
            if not plan.standings[lesson.hash].contradictions
        ]
        articles = {article for one, _ in related if (article := means.get(one.hashed)) is not None}
        key, url = new[hashed]
        plan.pairs += [
            _Pair(hashed, key, url, one, lesson, use)
            for one, lesson, use in _uses(plan, usual, is_one=len(articles) == 1, now=now)
        ]


def _uses(
    plan: VariantPlan, related: Sequence[tuple[_Member, Lesson]], *, is_one: bool, now: datetime
) -> list[tuple[_Member, Lesson, str]]:
    """Return the pairs of a new page: the other page, the lesson, and the use ("", `HELD` or `TAKEN`).

    `related` are the other pages and lessons to choose from. `is_one`: all related pages together have one article.
    """
    for one, lesson in related:
        standing = plan.standings[lesson.hash]
        if not standing.holds or one.article is None or not is_one:
            continue
        is_check = standing.is_check(now)
        plan.standings[lesson.hash] = standing.used(now if is_check else None)
        plan.used.add(lesson.hash)
        return [(one, lesson, "" if is_check else TAKEN)]
    for one, lesson in related:
        standing = plan.standings[lesson.hash]
        if (one.is_waiting and standing.holds) or ((one.is_waiting or one.article) and standing.holds_back):
            return [(one, lesson, HELD)]
    kept = [(one, lesson, "") for one, lesson in related[:_PAIRS]]
    for lesson in {lesson for _, lesson, _ in kept}:
        plan.standings[lesson.hash] = plan.standings[lesson.hash].probed()
    return kept


def save_variants(tx: Transaction, plan: VariantPlan, page_ids: Mapping[bytes, PageId]) -> None:
    """Store the pairs of addresses that the plan compares, and join pages to known articles as planned.

    `page_ids` has the ids of the poll's new pages, which are already stored.
    """
    if not plan.pairs:
        return
    add_lessons(tx, {pair.lesson for pair in plan.pairs})
    pairs = [(pair, page_ids[pair.hashed], pair.other.page_id or page_ids[pair.other.hashed]) for pair in plan.pairs]
    rows = [
        {
            "page_id": page,
            "other_id": other,
            "lesson": pair.lesson.hash,
            "path": plan.families.get(pair.hashed, pair.hashed),
            "verdict": Verdict.OPEN.value,
            "use": pair.use,
        }
        for pair, page, other in pairs
    ]
    tx.add(variants, rows)
    mark_variants(tx, (page for _, *ends in pairs for page in ends))
    save_uses(tx, (plan.standings[hashed] for hashed in sorted(plan.used)))
    join_uses(tx, list(_taken(plan, page_ids)))


def _taken(plan: VariantPlan, page_ids: Mapping[bytes, PageId]) -> Iterable[Use]:
    for pair in plan.pairs:
        if pair.use == TAKEN:
            standing = plan.standings[pair.lesson.hash]
            yield Use(page_ids[pair.hashed], pair.url, pair.key, pair.other.key, standing)
