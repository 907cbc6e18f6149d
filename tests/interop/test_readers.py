"""What is exported opens in the programs that people use: DuckDB, pandas, Polars, Hugging Face datasets."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from itertools import cycle, islice
from pathlib import Path

import pytest

from aggregator.clock import SystemClock
from aggregator.models.articles import Article
from aggregator.models.ids import ArticleId
from aggregator.sinks.export import write_jsonl
from aggregator.sinks.parquet import write_parquet
from aggregator.store import open_store

pytestmark = pytest.mark.interop


def articles_of(store_file: Path, count: int) -> Iterator[Article]:
    """Return the newsroom's articles again and again, each time under another id."""
    store = open_store(f"sqlite:///{store_file}", SystemClock())
    stored = list(store.articles())
    store.close()
    for number, article in enumerate(islice(cycle(stored), count)):
        yield replace(article, id=ArticleId(f"{number:016x}"))


@pytest.fixture(
    scope="module", params=[pytest.param(1_000, marks=pytest.mark.interop(short=True)), pytest.param(100_000)]
)
def exported(
    request: pytest.FixtureRequest, filled: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[int, Path]:
    """How many articles, and a folder with them as Parquet and as lines of JSON."""
    count: int = request.param
    folder = tmp_path_factory.mktemp("exported")
    store = filled.parent / "aggregator.db"
    assert write_parquet(articles_of(store, count), folder / "a.parquet") == count
    with (folder / "a.jsonl").open("wb") as stream:
        assert write_jsonl(articles_of(store, count), stream) == count
    return count, folder


def test_duckdb(exported: tuple[int, Path]) -> None:
    import duckdb

    count, folder = exported
    with duckdb.connect() as db:
        for file in ("a.parquet", "a.jsonl"):
            found = db.execute(
                f"SELECT count(*), count(DISTINCT id), min(first_seen) FROM '{folder / file}'"
            ).fetchone()
            assert found is not None
            assert found[:2] == (count, count)
        types = {row[0]: row[1] for row in db.execute(f"DESCRIBE FROM '{folder / 'a.parquet'}'").fetchall()}
    assert types["first_seen"] == types["published_at"] == "TIMESTAMP WITH TIME ZONE"
    assert types["date"] == "DATE"
    assert types["urls"] == "VARCHAR[]"


def test_pandas(exported: tuple[int, Path]) -> None:
    import pandas

    count, folder = exported
    frame = pandas.read_parquet(folder / "a.parquet")
    assert len(frame) == frame["id"].nunique() == count
    assert isinstance(frame["first_seen"].dtype, pandas.DatetimeTZDtype)
    assert frame["first_seen"].max() <= pandas.Timestamp(datetime.now(UTC))
    lines = pandas.read_json(folder / "a.jsonl", lines=True, dtype=False)
    assert len(lines) == count
    assert list(lines["title"]) == list(frame["title"])


def test_polars(exported: tuple[int, Path]) -> None:
    import polars

    count, folder = exported
    frame = polars.read_parquet(folder / "a.parquet")
    assert frame.height == frame["id"].n_unique() == count
    assert frame.schema["first_seen"] == polars.Datetime("us", "UTC")
    assert frame.schema["urls"] == polars.List(polars.String)
    assert polars.read_ndjson(folder / "a.jsonl").height == count


def test_datasets(exported: tuple[int, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    import datasets

    count, folder = exported
    for kind, file in (("parquet", "a.parquet"), ("json", "a.jsonl")):
        loaded = datasets.load_dataset(
            kind, data_files=str(folder / file), split="train", cache_dir=str(tmp_path / kind)
        )
        assert loaded.num_rows == count
        assert "body" in loaded.column_names
    assert len(set(loaded["id"])) == count
