"""Look-ups by many hashes at once: the rows of a look-up by each, and by an index."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import Select, and_, bindparam, not_, or_, select

from aggregator.store.db.any_of import among
from aggregator.store.db.database import Database, Transaction
from aggregator.store.db.schema import aliases
from aggregator.store.lifecycle.opening import open_database
from tests.support.databases import ReusedStore

HASHES = [hashlib.blake2b(str(n).encode(), digest_size=16).digest() for n in range(3000)]
BY_HASH = select(aliases.c.hash).where(among(aliases.c.hash))
BY_ARTICLE = select(aliases.c.hash).where(among(aliases.c.article_id, "ids"))


def article(number: int) -> str:
    return f"{number // 2:016x}"


@pytest.fixture
def filled(reused: ReusedStore) -> Iterator[Database]:
    reused.empty()
    opened, _ = open_database(reused.url, reused.clock, create=False, readonly=False, use_clock=True)
    rows = [{"hash": hashed, "article_id": article(n)} for n, hashed in enumerate(HASHES[:2000])]
    opened.write(lambda tx: tx.add(aliases, rows))
    yield opened
    opened.close()


def found(opened: Database, query: Select[Any], **parameters: object) -> list[bytes]:
    return opened.read(lambda tx: [bytes(row.hash) for row in tx.all(query, parameters)])


@pytest.mark.parametrize("wanted", [HASHES[:1], HASHES[1990:2010], HASHES, HASHES[2000:], [HASHES[0], HASHES[0]]])
def test_each_row_is_found_once(filled: Database, wanted: list[bytes]) -> None:
    assert sorted(found(filled, BY_HASH, hashes=wanted)) == sorted(set(wanted) & set(HASHES[:2000]))
    assert filled.read(lambda tx: {bytes(row.hash) for row in tx.among(BY_HASH, wanted)}) == set(
        found(filled, BY_HASH, hashes=wanted)
    )


def test_ids_are_found_as_hashes_are(filled: Database) -> None:
    assert sorted(found(filled, BY_ARTICLE, ids=[article(4), article(6), article(9000)])) == sorted(
        [*HASHES[4:6], *HASHES[6:8]]
    )


def test_nothing_is_among_none(filled: Database) -> None:
    assert found(filled, BY_HASH, hashes=[]) == []
    assert found(filled, BY_ARTICLE, ids=[]) == []
    assert filled.read(lambda tx: tx.among(BY_HASH, [])) == ()


def test_it_is_a_condition_like_others(filled: Database) -> None:
    either = select(aliases.c.hash).where(or_(among(aliases.c.hash), among(aliases.c.article_id, "ids")))
    assert sorted(found(filled, either, hashes=HASHES[:1], ids=[article(4)])) == sorted([HASHES[0], *HASHES[4:6]])
    both = select(aliases.c.hash).where(and_(among(aliases.c.hash), aliases.c.article_id == bindparam("one")))
    assert sorted(found(filled, both, hashes=HASHES[:10], one=article(2))) == sorted(HASHES[2:4])
    others = select(aliases.c.hash).where(not_(among(aliases.c.hash)))
    assert sorted(found(filled, others, hashes=HASHES[1:])) == [HASHES[0]]


def test_sqlite_goes_by_the_index(filled: Database) -> None:
    """As a function that gives a truth value the condition was `… = 1`, and each look-up read the whole table."""
    if filled.dialect.name != "sqlite":
        pytest.skip("PostgreSQL reads a small table whole if it likes")

    def plan(tx: Transaction) -> str:
        sql = str(BY_HASH.compile(dialect=tx.conn.dialect))
        rows = tx.conn.exec_driver_sql(f"EXPLAIN QUERY PLAN {sql}", (HASHES[0],) * sql.count("?"))
        return " ".join(str(row[3]) for row in rows)

    assert "SEARCH aliases USING PRIMARY KEY" in filled.read(plan)
