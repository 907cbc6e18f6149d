"""Compiles statements, and collects the parameters of many rows for them.

SQLAlchemy looks up each parameter of each row by its name. For rows of 25 columns this takes longer than SQLite takes
to insert them. Here the values are read column by column.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import repeat
from typing import Any

from sqlalchemy import TextClause, UpdateBase
from sqlalchemy.engine import Dialect
from sqlalchemy.sql.compiler import SQLCompiler

Writing = UpdateBase | TextClause


@dataclass(frozen=True, slots=True)
class _Parameter:
    """A parameter of an SQL statement. Each row has its own value if `is_of_row`; else all rows get `value`."""

    name: str
    is_of_row: bool
    value: Any  # Any: the value of a column
    convert: Callable[[Any], Any] | None  # to what the driver takes; None: the value is taken as it is

    def values(self, rows: Sequence[Mapping[str, Any]]) -> Iterable[Any]:
        """Return the parameter's value for each row, as the driver takes it."""
        values = [row[self.name] for row in rows] if self.is_of_row else repeat(self.value, len(rows))
        return values if self.convert is None else map(self.convert, values)


@dataclass(frozen=True, slots=True)
class Prepared:
    """A statement in the SQL of one database, with its parameters."""

    sql: str
    is_positional: bool
    parameters: tuple[_Parameter, ...]

    def bind(self, rows: Sequence[Mapping[str, Any]]) -> list[Any]:
        """Return the values of each row as the driver takes them: a tuple or a dictionary.

        For a statement without parameters the list is empty.
        """
        bound = zip(*(one.values(rows) for one in self.parameters), strict=True)
        if self.is_positional:
            return list(bound)
        names = [one.name for one in self.parameters]
        return [dict(zip(names, values, strict=True)) for values in bound]


@lru_cache(maxsize=512)  # most statements are constants of their modules
def prepare(statement: Writing, dialect: Dialect, names: tuple[str, ...]) -> Prepared:
    """Compile a statement for rows that have values for the parameters `names`."""
    compiled = statement.compile(dialect=dialect, column_keys=list(names))
    assert isinstance(compiled, SQLCompiler)
    values = compiled.construct_params(dict.fromkeys(names))
    converts = {  # a parameter that occurs twice may have a type in one place only
        name: convert
        for parameter, name in compiled.bind_names.items()
        if (convert := parameter.type.dialect_impl(dialect).bind_processor(dialect)) is not None
    }
    parameters = tuple(
        _Parameter(name, name in names, values[name], converts.get(name)) for name in compiled.positiontup or values
    )
    return Prepared(compiled.string, compiled.positional, parameters)
