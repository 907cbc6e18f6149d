"""Lessons of all sites: list them, forget them, import them from another installation."""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

from sqlalchemy import bindparam, delete, select

from aggregator.identity.lessons.standing import Standing
from aggregator.identity.lessons.variants import Lesson, LessonKind
from aggregator.store.articles.lessons.settling import end_uses
from aggregator.store.db.any_of import any_of
from aggregator.store.db.database import Database, Transaction
from aggregator.store.db.schema import lessons, variants
from aggregator.store.identity.lessons import HELD, TAKEN, add_lessons, standings

_hashes: Final = (
    select(lessons.c.hash)
    .where(lessons.c.kind != LessonKind.REDIRECT.value)
    .order_by(lessons.c.tenant, lessons.c.kind, lessons.c.subject)
)
_known: Final = select(lessons.c.hash).where(any_of(lessons.c.hash))
_of_site: Final = select(lessons.c.hash, lessons.c.subject).where(lessons.c.tenant == bindparam("site"))
_forget_pairs: Final = delete(variants).where(variants.c.lesson == bindparam("forgotten"))
_forget: Final = delete(lessons).where(lessons.c.hash == bindparam("forgotten"))


class LessonList:
    """The lessons in a store. Each method is one transaction."""

    def __init__(self, database: Database) -> None:
        self._db = database

    def all(self) -> tuple[Standing, ...]:
        """Return the standing of each lesson (how often it was proved, disproved and used), sorted by site."""
        return self._db.read(_list)

    def forget(self, site: str, subject: str | None = None) -> tuple[int, int]:
        """Delete the lessons of a site, or only that with this `subject`; return how many lessons, and how many pages.

        The pages counted were held back or joined by these lessons. They become due, unless they were fetched before.
        """
        return self._db.write(lambda tx: _forget_all(tx, site, subject))

    def add(self, learnt: Collection[Lesson]) -> int:
        """Store lessons of another installation; return how many are new. Each needs a proof before it is used."""
        return self._db.write(lambda tx: _import(tx, learnt))


def _list(tx: Transaction) -> tuple[Standing, ...]:
    hashes = [row.hash for row in tx.all(_hashes)]
    known = standings(tx, hashes)
    return tuple(known[hashed] for hashed in hashes if hashed in known)


def _forget_all(tx: Transaction, site: str, subject: str | None) -> tuple[int, int]:
    tx.dialect.lock_identity(tx.conn)
    wanted = [row.hash for row in tx.all(_of_site, {"site": site}) if subject in (None, row.subject)]
    pages = 0
    for standing in standings(tx, wanted).values():
        pages += end_uses(tx, standing, HELD) + end_uses(tx, standing, TAKEN)
        tx.run(_forget_pairs, {"forgotten": standing.lesson.hash})
        tx.run(_forget, {"forgotten": standing.lesson.hash})
    return len(wanted), pages


def _import(tx: Transaction, learnt: Collection[Lesson]) -> int:
    known = {row.hash for row in tx.all_of(_known, [one.hash for one in learnt])}
    add_lessons(tx, learnt, imported=True)
    return len({one.hash for one in learnt} - known)
