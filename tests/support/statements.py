"""One cache of compiled statements for all engines of a test process.

SQLAlchemy compiles a statement once for each engine. Tests open hundreds of stores, each with engines of its own.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import Engine
from sqlalchemy.dialects import registry
from sqlalchemy.dialects.postgresql.psycopg import PGDialect_psycopg
from sqlalchemy.dialects.sqlite.pysqlite import SQLiteDialect_pysqlite

_COMPILED: dict[Any, Any] = {}


class _Shared:
    """Makes all instances of a dialect equal: the dialect is part of the key of a compiled statement."""

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self)

    def __hash__(self) -> int:
        return hash(type(self))

    @classmethod
    def engine_created(cls, engine: Engine) -> None:
        engine.update_execution_options(compiled_cache=_COMPILED)


class SharedSqlite(_Shared, SQLiteDialect_pysqlite):
    supports_statement_cache = True


class SharedPostgres(_Shared, PGDialect_psycopg):
    supports_statement_cache = True


def share_compiled_statements() -> None:
    """Let all engines that are made from now on use one cache."""
    registry.register("sqlite", __name__, SharedSqlite.__name__)
    registry.register("postgresql.psycopg", __name__, SharedPostgres.__name__)
