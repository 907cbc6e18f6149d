"""Articles as a Parquet file; needs the extra `parquet`. The only user of pyarrow."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

from aggregator.errors import MissingExtraError
from aggregator.models.records import Article
from aggregator.sinks.files import replaced_file
from aggregator.sinks.records import Record, TextChoice, article_record

_ROWS_PER_GROUP = 5_000
_TEXTS = (
    *("id", "url", "key", "title", "date", "published", "date_source", "updated", "source", "first_seen", "language"),
    *("site", "feed", "text", "body", "near_duplicate_of", "raw"),
)
_LISTS = ("urls", "authors", "feeds", "tags", "quality")
_NUMBERS = ("change_seq", "revision")
_STRUCTS = {"lead_image": ("url", "caption", "alt", "credit"), "extractor": ("name", "version")}


def write_parquet(articles: Iterable[Article], path: Path, text: TextChoice = "seed") -> int:
    """Write one row an article, zstd-compressed, in groups of 5,000 rows; return how many.

    Raises:
        MissingExtraError: pyarrow is not installed.
    """
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError as error:
        raise MissingExtraError("export --format parquet", "pyarrow", "parquet") from error
    schema = _schema(pa)
    count = 0
    with replaced_file(path) as stream, pq.ParquetWriter(stream, schema, compression="zstd") as writer:
        for rows in _groups(article_record(article, text) for article in articles):
            writer.write_table(pa.Table.from_pylist(rows, schema=schema))
            count += len(rows)
    return count


def _schema(pa: Any) -> Any:  # Any: pyarrow has no types
    return pa.schema(
        [
            *((name, pa.string()) for name in _TEXTS),
            *((name, pa.list_(pa.string())) for name in _LISTS),
            *((name, pa.int64()) for name in _NUMBERS),
            *((name, pa.struct([(part, pa.string()) for part in parts])) for name, parts in _STRUCTS.items()),
        ]
    )


def _groups(records: Iterator[Record]) -> Iterator[list[Record]]:
    while group := list(islice(records, _ROWS_PER_GROUP)):
        yield group
