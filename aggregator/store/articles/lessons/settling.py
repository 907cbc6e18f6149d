"""Judges lessons by fetched pages. Pages that wait for a lesson are then joined to articles or fetched.

Two pages whose addresses differ as a lesson says are a pair. The verdict on a pair says whether its pages are one
article. The verdicts prove or disprove the lesson. Pages that a disproved lesson joined are fetched.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import Any, Final

from sqlalchemy import Row, bindparam, or_, select, union_all, update

from aggregator.identity.evidence import KeyFacts
from aggregator.identity.lessons.standing import Standing, Verdict, compare
from aggregator.models.ids import HostId, Key, PageId
from aggregator.store.db.any_of import any_of
from aggregator.store.db.codec import load_sample
from aggregator.store.db.database import Transaction
from aggregator.store.db.schema import DONE, DUE, articles, pages, variants
from aggregator.store.identity.lessons import HELD, TAKEN, Use, delete_uses, join_uses, save_uses, set_uses, standings
from aggregator.store.identity.partition import WITHDRAWN
from aggregator.store.queue.hosts import lower_pages_due

_touching: Final = union_all(
    select(variants).where(any_of(variants.c.page_id)), select(variants).where(any_of(variants.c.other_id))
)
_pages: Final = select(pages.c.id, pages.c.key_hash, pages.c.article_id, pages.c.fetched_at).where(any_of(pages.c.id))
_text_columns: Final = (
    articles.c.id,
    articles.c.key_hash,
    articles.c.title_hash,
    articles.c.print_hash,
    articles.c.sample,
    articles.c.merged_into,
    articles.c.raw_hash,
    articles.c.forgotten_at,
)
_by_key: Final = select(*_text_columns).where(any_of(articles.c.key_hash))
_by_id: Final = select(*_text_columns).where(any_of(articles.c.id))
_decide: Final = (
    update(variants)
    .where(variants.c.page_id == bindparam("page"), variants.c.other_id == bindparam("other"))
    .values(
        verdict=bindparam("new_verdict"),
        use=bindparam("new_use"),
        decided_at=bindparam("at", variants.c.decided_at.type),
    )
)


def settle_lessons(tx: Transaction, page_ids: Iterable[PageId]) -> None:
    """Judge the pairs that contain one of these pages, which were just extracted or withdrawn.

    Then join or fetch the pages that wait for the lessons of these pairs. Fetch pages that a disproved lesson joined.
    """
    rows = {(row.page_id, row.other_id): row for row in tx.all_of(_touching, page_ids)}
    if not rows:
        return
    verdicts = _verdicts(tx, [row for row in rows.values() if row.use != TAKEN])
    changed = {pair: verdict for pair, verdict in verdicts.items() if rows[pair].verdict != verdict}
    made = [
        {
            "page": pair[0],
            "other": pair[1],
            "new_verdict": verdict.value,
            "new_use": rows[pair].use if verdict is Verdict.OPEN else "",
            "at": None if verdict is Verdict.OPEN else tx.now,
        }
        for pair, verdict in changed.items()
    ]
    tx.run_all(_decide, made)
    moved = {rows[pair].lesson for pair in changed}
    known = standings(tx, {row.lesson for row in rows.values()})
    for hashed, standing in sorted(known.items()):
        if hashed in moved:
            _bring_in_line(tx, standing)
        elif standing.holds:
            _take_waiting(tx, standing, [row.page_id for row in rows.values() if row.lesson == hashed])


def _bring_in_line(tx: Transaction, standing: Standing) -> None:
    """Join or fetch the pages of a lesson, as its standing demands.

    If the lesson holds, each page that waits for it is joined to the article of the other page in its pair; a few are
    fetched as checks. If it does not hold, the pages that it joined are separated and fetched. The waiting pages are
    fetched too, unless the lesson may still be proven.
    """
    if standing.holds:
        _take_waiting(tx, standing, None)
        return
    end_uses(tx, standing, TAKEN)
    if not standing.is_open:
        end_uses(tx, standing, HELD)


# --- verdicts ---------------------------------------------------------------------------------------------------------


def _verdicts(tx: Transaction, rows: Sequence[Row[Any]]) -> dict[tuple[int, int], Verdict]:
    ends = {end for row in rows for end in (row.page_id, row.other_id)}
    texts = _texts(tx, tx.all_of(_pages, sorted(ends)))
    found: dict[tuple[int, int], Verdict] = {}
    for row in rows:
        one, other = texts.get(row.page_id), texts.get(row.other_id)
        verdict = Verdict.OPEN
        if one is not None and other is not None:
            verdict = compare(_facts(one), _facts(other), are_one=_article_of(one) == _article_of(other))
        if verdict is Verdict.ONE or row.verdict != Verdict.ONE or Verdict.OPEN is verdict:
            found[row.page_id, row.other_id] = verdict
    return found


def _texts(tx: Transaction, found: Sequence[Row[Any]]) -> dict[int, Row[Any]]:
    """Return for each page id the row of the article that has the page's text.

    It is the article with the page's key, or else the article that the page led to. Left out are pages that were not
    fetched, and pages whose article was forgotten or withdrawn.
    """
    by_key = {row.key_hash: row for row in tx.all_of(_by_key, (page.key_hash for page in found))}
    by_id = {row.id: row for row in tx.all_of(_by_id, {page.article_id for page in found if page.article_id})}
    texts = {
        page.id: by_key.get(page.key_hash) or by_id.get(page.article_id)
        for page in found
        if page.article_id is not None and page.fetched_at is not None
    }
    return {page: text for page, text in texts.items() if text is not None and _was_fetched(text)}


def _was_fetched(text: Row[Any]) -> bool:
    return text.raw_hash is not None and text.forgotten_at is None and text.merged_into != WITHDRAWN


def _facts(text: Row[Any]) -> KeyFacts:
    return KeyFacts(text_hash=text.print_hash, title_hash=text.title_hash, sample=load_sample(text.sample))


def _article_of(text: Row[Any]) -> str:
    return str(text.merged_into or text.id)


# --- effects of verdicts ----------------------------------------------------------------------------------------------

_other: Final = pages.alias("other_page")
_used: Final = (
    select(
        variants.c.page_id,
        pages.c.url,
        pages.c.key,
        pages.c.host_id,
        _other.c.key.label("other"),
        _other.c.article_id.label("article"),
    )
    .join(pages, pages.c.id == variants.c.page_id)
    .join(_other, _other.c.id == variants.c.other_id)
    .where(variants.c.lesson == bindparam("of_lesson"), variants.c.use == bindparam("used"))
    .order_by(variants.c.page_id)
)
_fetch: Final = (
    update(pages)
    .where(
        pages.c.id == bindparam("page"), or_(pages.c.state == DUE, pages.c.state == DONE), pages.c.fetched_at.is_(None)
    )
    .values(state=DUE, due_at=bindparam("at", pages.c.due_at.type), article_id=None)
)


def _take_waiting(tx: Transaction, standing: Standing, among: Collection[int] | None) -> None:
    """Join each page that is held back for a lesson to the article of the other page in its pair of addresses.

    A page goes on waiting if the other page has no article yet. Some pages are fetched instead, to check the lesson.
    Only the pages whose ids are in `among` are looked at; None: all.
    """
    waiting = tx.all(_used, {"of_lesson": standing.lesson.hash, "used": HELD})
    ready = [row for row in waiting if row.article is not None and (among is None or row.page_id in among)]
    checked, uses = [], []
    for row in ready:
        is_check = standing.is_check(tx.now)
        standing = standing.used(tx.now if is_check else None)
        if is_check:
            checked.append(row)
        else:
            uses.append(_use_of(row, standing))
    save_uses(tx, [standing] if ready else [])
    join_uses(tx, uses)
    _fetch_now(tx, standing, checked)


def end_uses(tx: Transaction, standing: Standing, use: str) -> int:
    """Make the pages due that wait for a lesson (`use` is `HELD`) or that it joined (`TAKEN`); return their number.

    The evidence that joined pages is deleted. Pages that were fetched before are not fetched again.
    """
    rows = tx.all(_used, {"of_lesson": standing.lesson.hash, "used": use})
    if use == TAKEN and rows:
        delete_uses(tx, [_use_of(row, standing) for row in rows])
    _fetch_now(tx, standing, rows)
    return len(rows)


def _use_of(row: Row[Any], standing: Standing) -> Use:
    return Use(PageId(row.page_id), row.url, Key(row.key), Key(row.other), standing)


def _fetch_now(tx: Transaction, standing: Standing, rows: Sequence[Row[Any]]) -> None:
    set_uses(tx, ((PageId(row.page_id), standing.lesson) for row in rows), "")
    tx.run_all(_fetch, [{"page": row.page_id, "at": tx.now} for row in rows])
    for host in sorted({row.host_id for row in rows}):
        lower_pages_due(tx, HostId(host), tx.now)
