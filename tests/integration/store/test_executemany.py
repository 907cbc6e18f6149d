"""Many rows in one statement: the tables are what `Connection.execute` would have made of them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import bindparam, create_engine, select, text, update
from sqlalchemy.exc import IntegrityError

from aggregator.store.db.dialects import insert_new
from aggregator.store.db.executemany import run_all
from aggregator.store.db.schema import NEVER, decisions, hosts, metadata

AT = datetime(2026, 3, 5, 12, 0, 0, 250, tzinfo=UTC)
INSERT = insert_new("sqlite", decisions)
UPDATE = (
    update(hosts)
    .where(hosts.c.name == bindparam("host"))
    .values(token=hosts.c.token + 1, lease_until=bindparam("until"), not_before=NEVER)
)
ROWS = [
    {
        "url_hash": bytes([n]) * 16,
        "source": f"feed {n}",
        "url": f"https://example.org/\0{n}\ud800",
        "key_hash": None if n % 2 else b"k" * 16,
        "verdict": "new",
        "rule": "url",
        "detail": "",
        "at": AT + timedelta(days=n),
    }
    for n in range(5)
]


def test_rows_are_what_they_would_be_one_by_one() -> None:
    found = []
    for is_bulk in (False, True):
        engine = create_engine("sqlite://")
        metadata.create_all(engine)
        with engine.begin() as conn:
            leases = [{"host": "a.example:443", "until": AT}, {"host": "c.example:443", "until": AT}]
            names = [{"name": f"{letter}.example:443"} for letter in "abc"]
            for statement, rows in ((INSERT, ROWS), (insert_new("sqlite", hosts), names), (UPDATE, leases)):
                if is_bulk:
                    run_all(conn, statement, rows)
                else:
                    conn.execute(statement, rows)
            found.append([tuple(row) for table in (decisions, hosts) for row in conn.execute(select(table))])
        engine.dispose()
    assert found[0] == found[1]
    assert len(found[0]) == 8


def test_text_as_a_statement_and_an_error_of_the_database() -> None:
    engine = create_engine("sqlite://")
    with engine.begin() as conn:
        conn.execute(text("CREATE TABLE one (n INTEGER PRIMARY KEY)"))
        statement = text("INSERT INTO one VALUES (:n)")
        run_all(conn, statement, [{"n": 1}, {"n": 2}])
        with pytest.raises(IntegrityError):
            run_all(conn, statement, [{"n": 3}, {"n": 1}])
    engine.dispose()
