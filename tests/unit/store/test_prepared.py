"""Statements for many rows: the parameters in the order of the statement, as the driver takes them."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import bindparam, make_url, update
from sqlalchemy.exc import InvalidRequestError

from aggregator.store.db.column_types import NEVER
from aggregator.store.db.prepared import prepare
from aggregator.store.db.schema import pages

LATER = NEVER + timedelta(seconds=1)
ASKED_AGAIN = (
    update(pages)
    .where(pages.c.id == bindparam("page"), pages.c.due_at > bindparam("at"))
    .values(state="due", due_at=bindparam("at"), attempts=pages.c.attempts + 1)
)


@pytest.mark.parametrize("url", ["sqlite://", "postgresql+psycopg://"])
def test_each_row_has_its_own_values_and_the_literals_of_the_statement(url: str) -> None:
    prepared = prepare(ASKED_AGAIN, make_url(url).get_dialect()(), ("page", "at"))
    bound = prepared.bind([{"page": 1, "at": LATER}, {"page": 2, "at": NEVER}])
    names = [one.name for one in prepared.parameters]
    by_name = [row if isinstance(row, dict) else dict(zip(names, row, strict=True)) for row in bound]
    assert [(row["page"], row["at"], row["state"]) for row in by_name] == [(1, 1_000_000, "due"), (2, 0, "due")]


def test_a_value_that_the_rows_lack_is_refused() -> None:
    with pytest.raises(InvalidRequestError, match="'at'"):
        prepare(ASKED_AGAIN, make_url("sqlite://").get_dialect()(), ("page",))
