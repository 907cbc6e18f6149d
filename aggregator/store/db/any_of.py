"""The condition `column IN (...)` for a list of any length, which is split into batches of a few fixed sizes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final, TypeVar

from sqlalchemy import ColumnElement, bindparam

T = TypeVar("T")

VALUES: Final = "values"  # the list parameter
_SIZES: Final = (1, 2, 4, 8, 16, 32, 64, 128, 256)  # few sizes: few statements are prepared, no list doubles


def any_of(column: ColumnElement[Any], parameter: str = VALUES) -> ColumnElement[bool]:
    """Return the condition `column IN (parameter)`. `Transaction.all_of` gives the parameter its values."""
    return column.in_(bindparam(parameter, expanding=True))


def batches(values: Iterable[T]) -> Iterator[Sequence[T]]:
    """Yield the distinct values in lists of a few fixed sizes.

    The last list is filled up by repeating its last value.
    """
    distinct = list(dict.fromkeys(values))
    largest = _SIZES[-1]
    for start in range(0, len(distinct), largest):
        batch = distinct[start : start + largest]
        size = next(size for size in _SIZES if size >= len(batch))
        yield batch + batch[-1:] * (size - len(batch))
