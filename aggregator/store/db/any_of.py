"""`column = one of many hashes`, as one parameter: a statement with a place for each takes three times as long.

What the driver is given is an array (PostgreSQL), or the hashes one behind the other, cut up again by SQLite.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from sqlalchemy import Boolean, Column, ColumnElement, LargeBinary, bindparam
from sqlalchemy import Text as PlainText
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.engine import Dialect
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.types import TypeDecorator, TypeEngine

HASHES: Final = "hashes"  # the parameter
_SIZE: Final = 16  # bytes of a hash


class _Many(TypeDecorator[Sequence[Any]]):
    """Hashes: 16 bytes each, or 16 characters as the ids of articles have."""

    impl = LargeBinary
    cache_ok = True

    def __init__(self, *, is_text: bool) -> None:
        super().__init__()
        self.is_text = is_text

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """Return the engine's own type."""
        one = PlainText() if self.is_text else LargeBinary()
        return dialect.type_descriptor(ARRAY(one) if dialect.name == "postgresql" else one)

    def process_bind_param(self, value: Sequence[Any] | None, dialect: Dialect) -> Any:
        """Return what the driver takes."""
        assert value is not None
        return list(value) if dialect.name == "postgresql" else ("" if self.is_text else b"").join(value)


class _Among(FunctionElement[bool]):
    """A column and the hashes, as a condition."""

    type = Boolean()
    inherit_cache = True
    name = "among"

    def self_group(self, against: Any = None) -> _Among:  # Any: SQLAlchemy's own
        """Return the condition as it is: SQLAlchemy makes a function that gives a truth value `… = 1` on SQLite."""
        return self


def among(column: Column[Any], parameter: str = HASHES) -> ColumnElement[bool]:
    """Say that `column` is one of the hashes that are given as a parameter; see `Transaction.among`."""
    return _Among(column, bindparam(parameter, type_=_Many(is_text=not isinstance(column.type, LargeBinary))))


@compiles(_Among, "postgresql")
def _compile_array(element: _Among, compiler: SQLCompiler, **options: Any) -> str:  # Any: SQLAlchemy's own
    column, hashes = (compiler.process(part, **options) for part in element.clauses)
    return f"{column} = ANY ({hashes})"


@compiles(_Among, "sqlite")
def _compile_pieces(element: _Among, compiler: SQLCompiler, **options: Any) -> str:  # Any: SQLAlchemy's own
    column, hashes = element.clauses
    of_column, for_number, for_piece = (compiler.process(part, **options) for part in (column, hashes, hashes))
    numbers = f"'[' || rtrim(replace(hex(zeroblob(length({for_number}) / {_SIZE})), '00', '0,'), ',') || ']'"
    piece = f"substr({for_piece}, 1 + {_SIZE} * each_.key, {_SIZE})"
    return f"{of_column} IN (SELECT {piece} FROM json_each({numbers}) AS each_)"  # noqa: S608 - no foreign text in it
