"""Look-ups by a list of any length."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Select, bindparam, select

from aggregator.store.db.any_of import any_of, batches
from aggregator.store.db.database import Database
from aggregator.store.db.schema import aliases
from aggregator.store.lifecycle.opening import open_database
from tests.support.databases import ReusedStore

HASHES = [hashlib.blake2b(str(n).encode(), digest_size=16).digest() for n in range(3000)]
BY_HASH = select(aliases.c.hash).where(any_of(aliases.c.hash))
BY_ARTICLE = select(aliases.c.hash).where(any_of(aliases.c.article_id))


def article(number: int) -> str:
    return f"{number // 2:016x}"


@pytest.fixture
def filled(reused: ReusedStore) -> Iterator[Database]:
    reused.empty()
    opened = open_database(reused.url, reused.clock, create=False, use_clock=True)
    rows = [{"hash": hashed, "article_id": article(n)} for n, hashed in enumerate(HASHES[:2000])]
    opened.write(lambda tx: tx.add(aliases, rows))
    yield opened
    opened.close()


def found(opened: Database, query: Select[Any], values: list[Any]) -> list[bytes]:
    return opened.read(lambda tx: [bytes(row.hash) for row in tx.all_of(query, values)])


@pytest.mark.parametrize("wanted", [HASHES[:1], HASHES[1990:2010], HASHES, HASHES[2000:], [HASHES[0], HASHES[0]], []])
def test_each_row_is_found_once(filled: Database, wanted: list[bytes]) -> None:
    assert sorted(found(filled, BY_HASH, wanted)) == sorted(set(wanted) & set(HASHES[:2000]))


def test_rows_are_found_by_text_too(filled: Database) -> None:
    assert sorted(found(filled, BY_ARTICLE, [article(4), article(6), article(9000)])) == sorted(
        [*HASHES[4:6], *HASHES[6:8]]
    )


def test_it_is_a_condition_like_others(filled: Database) -> None:
    both = BY_HASH.where(aliases.c.article_id == bindparam("one"))
    rows = filled.read(lambda tx: tx.all_of(both, HASHES[:10], {"one": article(2)}))
    assert sorted(bytes(row.hash) for row in rows) == sorted(HASHES[2:4])


@given(st.lists(st.integers()))
def test_batches_hold_each_value_and_have_few_sizes(values: list[int]) -> None:
    made = list(batches(values))
    assert list(dict.fromkeys(value for batch in made for value in batch)) == list(dict.fromkeys(values))
    assert {len(batch) for batch in made} <= {1, 2, 4, 8, 16, 32, 64, 128, 256}
