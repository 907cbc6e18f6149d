"""Writes records to a Parquet file; needs the extra `parquet`. Only this module uses pyarrow."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, date, datetime
from typing import Any, BinaryIO

from aggregator.errors import MissingExtraError
from aggregator.sinks.records import Record

_ROWS_PER_GROUP = 2_000
_TEXTS = (
    *("id", "url", "key", "title", "published", "date_source", "source", "language"),
    *("site", "feed", "text", "body", "markdown", "near_duplicate_of", "raw"),
    *("description", "section", "licence"),
)
_TIMES = ("published_at", "updated", "first_seen")
_LISTS = ("urls", "authors", "feeds", "tags", "categories", "quality")
_NUMBERS = ("change_seq", "revision", "word_count")
_ENCLOSURE = {"url": "string", "type": "string", "length": "int64", "duration": "int64"}
_RIGHTS = {
    "robots": "string",
    "x_robots_tag": "string",
    "noai": "bool_",
    "tdm_reservation": "bool_",
    "licence_url": "string",
}
_STRUCTS = {"lead_image": ("url", "caption", "alt", "credit"), "extractor": ("name", "version")}


@contextmanager
def parquet_rows(stream: BinaryIO) -> Iterator[Callable[[Record], None]]:
    """Yield the function that adds a record to the Parquet file `stream`. The file is complete when the block ends.

    Its row groups have at most 2,000 rows and are compressed with zstd.

    Raises:
        MissingExtraError: pyarrow is not installed.
    """
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError as error:
        raise MissingExtraError("export --format parquet", "pyarrow", "parquet") from error
    schema = _schema(pa)
    with (
        pq.ParquetWriter(stream, schema, compression="zstd") as writer,
        ThreadPoolExecutor(1, thread_name_prefix="parquet") as thread,
    ):
        rows = ParquetRows(lambda group: writer.write_table(pa.Table.from_pylist(group, schema=schema)), thread)
        yield rows.add
        rows.flush()
        rows.wait()


class ParquetRows:
    """Collects records into row groups. `thread` compresses and writes one group while the next is collected."""

    def __init__(self, write: Callable[[list[Record]], None], thread: Executor) -> None:
        self._write, self._thread = write, thread
        self._rows: list[Record] = []
        self._written: Future[None] | None = None

    def add(self, record: Record) -> None:
        """Add a record. After 2,000 records a row group is full and is written."""
        self._rows.append(typed(record))
        if len(self._rows) == _ROWS_PER_GROUP:
            self.flush()

    def flush(self) -> None:
        """Begin to write the records collected so far as a row group.

        It waits first until the group before is written.
        """
        if self._rows:
            self.wait()
            self._written = self._thread.submit(self._write, self._rows)
            self._rows = []

    def wait(self) -> None:
        """Wait until the last row group is written; raise the error of its writing, if any."""
        if self._written is not None:
            self._written.result()


def typed(record: Record) -> Record:
    """Return the record with dates and times as Python objects, and with the added field `published_at`.

    `date` is None unless it is a full day (a month or year stays in `published`). In `published_at` and `updated`, a
    day without a time becomes midnight UTC.
    """
    return {
        **record,
        "date": _day(str(record["date"])),
        "published_at": _time(str(record["published"])),
        "updated": _time(str(record["updated"])),
        "first_seen": _time(str(record["first_seen"])),
    }


def _day(text: str) -> date | None:
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None


def _time(text: str) -> datetime | None:
    try:
        at = datetime.fromisoformat(text)
        return at.astimezone(UTC) if at.tzinfo is not None else at.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        return None


def _schema(pa: Any) -> Any:  # Any: pyarrow has no types
    return pa.schema(
        [
            *((name, pa.string()) for name in _TEXTS),
            ("date", pa.date32()),
            *((name, pa.timestamp("us", tz="UTC")) for name in _TIMES),
            *((name, pa.list_(pa.string())) for name in _LISTS),
            *((name, pa.int64()) for name in _NUMBERS),
            ("enclosures", pa.list_(pa.struct([(name, getattr(pa, kind)()) for name, kind in _ENCLOSURE.items()]))),
            *((name, pa.struct([(part, pa.string()) for part in parts])) for name, parts in _STRUCTS.items()),
            ("images", pa.list_(pa.struct([(part, pa.string()) for part in _STRUCTS["lead_image"]]))),
            ("is_free", pa.bool_()),
            ("rights", pa.struct([(name, getattr(pa, kind)()) for name, kind in _RIGHTS.items()])),
        ]
    )
