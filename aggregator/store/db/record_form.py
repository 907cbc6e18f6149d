"""Converts records that were stored before schema 0006: positional lists become objects with names.

Enclosures, hops, lead images and the sources of a gap were lists (`["http://…","audio/mpeg",0]`). Rows are converted
in batches. The conversion may stop after any batch and resume later: it finds the rows that are still lists.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Connection, TextClause, text

_BATCH: Final = 500  # rows

Json = dict[str, Any]  # Any: a record as it was stored


def _named(values: Any, *names: str) -> Any:
    """Return the positional list `values` as an object with the keys `names`; an object stays unchanged."""
    return dict(zip(names, values, strict=True)) if isinstance(values, list) else values


def _hops(values: Any) -> list[Any]:
    return [_named(one, "url", "status", "target") for one in values]


def convert_feed(kept: Json) -> Json:
    """Convert a feed's record (its column `rest`): lists stored before schema 0006 become objects with names."""
    if isinstance(hops := kept.get("pending_hops"), str):
        kept["pending_hops"] = _hops(json.loads(hops))
    if filling := kept.get("filling"):
        filling["sources"] = [_named(one, "kind", "url") for one in filling["sources"]]
    return kept


def convert_entry(kept: Json) -> Json:
    """Return the column `rest` of a stored entry with its enclosures as objects with names, not as lists."""
    if "enclosures" in kept:
        names = ("url", "type", "length", "duration")
        kept["enclosures"] = [_named(one, *names[: len(one)]) for one in kept["enclosures"]]
    return kept


def convert_extraction(kept: Json) -> Json:
    """Return the content of a revision with its lead image and enclosures as objects, which were lists once."""
    if "lead_image" in kept:
        kept["lead_image"] = _named(kept["lead_image"], "url", "caption", "alt", "credit")
    return convert_entry(kept)


@dataclass(frozen=True, slots=True)
class _Column:
    """A column that holds records: the query for rows in the earlier form, and the conversion of one record."""

    keys: tuple[str, ...]
    find: TextClause
    save: TextClause
    convert: Callable[[Any], Any]
    first: Mapping[str, Any]  # a key before all keys


def _column(table: str, column: str, patterns: tuple[str, ...], convert: Callable[[Any], Any]) -> _Column:
    first: dict[str, Any] = {"article_id": "", "number": 0} if table == "revisions" else {"id": 0}
    keys = tuple(first)
    found = " OR ".join(f"{column} LIKE '{pattern}'" for pattern in patterns)
    after = f"({', '.join(keys)}) > ({', '.join(f':{key}' for key in keys)})"
    this = " AND ".join(f"{key} = :{key}" for key in keys)
    return _Column(
        keys,
        text(  # names and patterns of ours
            f"SELECT {', '.join(keys)}, {column} AS kept FROM {table} WHERE {after} AND ({found})"  # noqa: S608
            f" ORDER BY {', '.join(keys)} LIMIT {_BATCH}"
        ),
        text(f"UPDATE {table} SET {column} = :kept WHERE {this}"),  # noqa: S608
        convert,
        first,
    )


# A quotation mark within a text is escaped in JSON: these patterns match names of fields alone.
_COLUMNS: Final = (
    _column("feeds", "rest", ('%"pending_hops":"%', '%"sources":[[%'), convert_feed),
    _column("entries", "rest", ('%"enclosures":[[%',), convert_entry),
    _column("revisions", "content", ('%"lead_image":[%', '%"enclosures":[[%'), convert_extraction),
    _column("pages", "hops", ("[[%",), _hops),
)


@dataclass(frozen=True, slots=True)
class Position:
    """How far stored rows are converted to the present form: the column, and the key of its last converted row."""

    column: int = 0
    after: Mapping[str, Any] | None = None


def convert_batch(conn: Connection, position: Position) -> Position | None:
    """Convert the next rows in the earlier form. Return where to resume; None: all are converted."""
    column = _COLUMNS[position.column]
    rows = conn.execute(column.find, position.after or column.first).mappings().all()
    if rows:
        conn.execute(column.save, [_converted(dict(row), column.convert) for row in rows])
        return Position(position.column, {key: rows[-1][key] for key in column.keys})
    return Position(position.column + 1) if position.column + 1 < len(_COLUMNS) else None


def _converted(row: Json, convert: Callable[[Any], Any]) -> Json:
    kept = json.dumps(convert(json.loads(row["kept"])), ensure_ascii=False, separators=(",", ":"))
    return {**row, "kept": kept}
