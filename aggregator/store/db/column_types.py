"""The registry of all tables, their column types and kinds of index, the same in SQLite and PostgreSQL."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Final

from sqlalchemy import BigInteger, Column, Index, Integer, LargeBinary, MetaData, text
from sqlalchemy import Text as PlainText
from sqlalchemy.engine import Dialect as SqlDialect
from sqlalchemy.types import TypeDecorator

metadata = MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    }
)

NEVER: Final = datetime(1970, 1, 1, tzinfo=UTC)  # where a time must compare and there was none
_MICROSECOND: Final = timedelta(microseconds=1)


class Moment(TypeDecorator[datetime]):
    """A time as whole microseconds since the epoch, so that every database compares and adds it alike."""

    impl = BigInteger
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: SqlDialect) -> int | None:
        """Return the stored value."""
        return None if value is None else (value - NEVER) // _MICROSECOND

    def process_result_value(self, value: int | None, dialect: SqlDialect) -> datetime | None:
        """Return the aware time."""
        return None if value is None else NEVER + timedelta(microseconds=value)


class Span(TypeDecorator[timedelta]):
    """A duration in whole microseconds."""

    impl = BigInteger
    cache_ok = True

    def process_bind_param(self, value: timedelta | None, dialect: SqlDialect) -> int | None:
        """Return the stored value."""
        return None if value is None else value // _MICROSECOND

    def process_result_value(self, value: int | None, dialect: SqlDialect) -> timedelta | None:
        """Return the duration."""
        return None if value is None else timedelta(microseconds=value)


class Text(TypeDecorator[str]):
    """Text from outside, without characters that a database refuses (NUL in PostgreSQL, lone surrogates everywhere)."""

    impl = PlainText
    cache_ok = True

    def bind_processor(self, dialect: SqlDialect) -> Callable[[str | None], str | None]:
        """Return the function that makes a value storable."""
        return storable_or_none


def storable_or_none(value: str | None) -> str | None:
    """Return `value` in a form that SQLite and PostgreSQL can store; None stays None."""
    if value is None or (value.isascii() and "\0" not in value):  # most texts: one call
        return value
    return storable(value)


def storable(value: str) -> str:
    r"""Return `value` in a form that both databases can store.

    >>> storable("a\0b\ud800c")
    'a\ufffdb\ufffdc'
    """
    if "\0" in value:
        value = value.replace("\0", "\ufffd")
    if value.isascii():
        return value
    try:
        value.encode()
    except UnicodeEncodeError:
        return "".join("\ufffd" if "\ud800" <= sign <= "\udfff" else sign for sign in value)
    return value


class Bytes(LargeBinary):
    """Bytes as the drivers take and return them. Wrapping each value would cost a tenth of a first fill."""

    def bind_processor(self, dialect: SqlDialect) -> None:
        """Return no function: values stay unchanged."""

    def result_processor(self, dialect: SqlDialect, coltype: object) -> None:
        """Return no function: values stay unchanged."""


Id = BigInteger().with_variant(Integer, "sqlite")  # SQLite makes ids for INTEGER alone
Hash = Bytes(16)


def partial_index(condition: str, name: str, *columns: str) -> Index:
    """Return an index of those rows of a table that meet a condition (SQL)."""
    return Index(name, *columns, sqlite_where=text(condition), postgresql_where=text(condition))


def given_index(table: str, column: str) -> Index:
    """Return an index of the rows whose `column` is not NULL. An index of all rows would mislead the planner."""
    return partial_index(f"{column} IS NOT NULL", f"ix_{table}_{column}", column)


def id_column() -> Column[int]:
    """Return a column for ids that the database generates."""
    return Column("id", Id, primary_key=True)
