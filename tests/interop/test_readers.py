"""What is exported opens in the programs that people use: DuckDB, pandas, Polars, datasets, frictionless."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import cycle, islice
from pathlib import Path

import pytest

from aggregator.clock import SystemClock
from aggregator.models.articles import Article
from aggregator.models.ids import ArticleId
from aggregator.models.pages import RawResponse
from aggregator.ports.readings import ArticleFilter, Gap, Position
from aggregator.sinks.dataset.corpus import Corpus
from aggregator.sinks.dataset.write import DatasetRequest, Format, write_dataset
from aggregator.store import open_store

pytestmark = pytest.mark.interop


@dataclass
class Repeated:
    """The newsroom's articles again and again, each time under another id and a minute later."""

    stored: Sequence[Article]
    count: int

    def position(self) -> Position:
        return Position(epoch="e", seq=self.count, recorded=self.count)

    def articles(self, wanted: ArticleFilter) -> Iterator[Article]:
        begin = datetime.now(UTC).replace(second=0, microsecond=0) - timedelta(minutes=self.count)
        for number, article in enumerate(islice(cycle(self.stored), self.count)):
            seen = begin + timedelta(minutes=number)
            yield replace(article, id=ArticleId(f"{number:016x}"), first_seen=seen)

    def raw_of(self, article_id: ArticleId) -> tuple[RawResponse, ...]:
        return ()

    def gaps(self) -> tuple[Gap, ...]:
        return ()


def stored_articles(config: Path) -> list[Article]:
    store = open_store(f"sqlite:///{config.parent / 'aggregator.db'}", SystemClock())
    try:
        return list(store.articles())
    finally:
        store.close()


def export(config: Path, folder: Path, count: int, *formats: Format) -> None:
    corpus = Corpus(snapshot=Repeated(stored_articles(config), count), raw=lambda content_hash: None)
    assert write_dataset(corpus, DatasetRequest(folder=folder, formats=formats)).articles == count


@pytest.fixture(
    scope="module", params=[pytest.param(1_000, marks=pytest.mark.interop(short=True)), pytest.param(100_000)]
)
def exported(
    request: pytest.FixtureRequest, filled: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[int, Path]:
    """How many articles, and a dataset of them as Parquet and as lines of JSON."""
    count: int = request.param
    folder = tmp_path_factory.mktemp("exported") / "dataset"
    export(filled, folder, count, "parquet", "jsonl", "jsonl.zst")
    return count, folder


def test_duckdb(exported: tuple[int, Path]) -> None:
    import duckdb

    count, folder = exported
    with duckdb.connect() as db:
        for files in ("parquet/*.parquet", "jsonl/*.jsonl", "jsonl/*.jsonl.zst"):
            found = db.execute(
                f"SELECT count(*), count(DISTINCT id), min(first_seen) FROM '{folder / files}'"
            ).fetchone()
            assert found is not None
            assert found[:2] == (count, count)
        types = {row[0]: row[1] for row in db.execute(f"DESCRIBE FROM '{folder}/parquet/*.parquet'").fetchall()}
    assert types["first_seen"] == types["published_at"] == types["updated"] == "TIMESTAMP WITH TIME ZONE"
    assert types["date"] == "DATE"
    assert types["urls"] == "VARCHAR[]"


def test_pandas(exported: tuple[int, Path]) -> None:
    import pandas

    count, folder = exported
    frame = pandas.read_parquet(folder / "parquet")
    assert len(frame) == frame["id"].nunique() == count
    assert isinstance(frame["first_seen"].dtype, pandas.DatetimeTZDtype)
    assert frame["first_seen"].max() <= pandas.Timestamp(datetime.now(UTC))
    assert frame["first_seen"].is_monotonic_increasing
    files = sorted((folder / "jsonl").glob("*.jsonl"))
    lines = pandas.concat(pandas.read_json(file, lines=True, dtype=False) for file in files)
    assert list(lines["title"]) == list(frame["title"])


def test_polars(exported: tuple[int, Path]) -> None:
    import polars

    count, folder = exported
    frame = polars.read_parquet(folder / "parquet/*.parquet")
    assert frame.height == frame["id"].n_unique() == count
    assert frame.schema["first_seen"] == polars.Datetime("us", "UTC")
    assert frame.schema["urls"] == polars.List(polars.String)
    assert sum(polars.read_ndjson(file).height for file in (folder / "jsonl").glob("*.jsonl")) == count


@pytest.mark.parametrize("name", ["parquet", "jsonl", "jsonl.zst"])
def test_datasets(exported: tuple[int, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    import datasets

    count, folder = exported
    kind = "parquet" if name == "parquet" else "json"
    files = str(folder / kind.replace("json", "jsonl") / f"*.{name}")
    loaded = datasets.load_dataset(kind, data_files=files, split="train", cache_dir=str(tmp_path / "cache"))
    assert loaded.num_rows == len(set(loaded["id"])) == count
    if name == "parquet":
        assert loaded.features["first_seen"].dtype == "timestamp[us, tz=UTC]"
        assert loaded[0]["first_seen"].tzinfo is not None


@pytest.mark.interop(short=True)
@pytest.mark.parametrize("formats", [("parquet", "jsonl", "txt"), ("md", "jsonl"), ("jsonl.zst",)])
def test_the_card_tells_datasets_what_to_load(
    filled: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, formats: tuple[Format, ...]
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    import datasets

    export(filled, tmp_path / "dataset", 100, *formats)
    loaded = datasets.load_dataset(str(tmp_path / "dataset"), split="train", cache_dir=str(tmp_path / "cache"))
    assert loaded.num_rows == 100


@pytest.mark.interop(short=True)
@pytest.mark.filterwarnings(
    "ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning"
)  # it leaves files open
def test_frictionless(filled: Path, tmp_path: Path) -> None:
    import frictionless

    folder = tmp_path / "dataset"
    export(filled, folder, 100, "txt", "md", "jsonl", "jsonl.zst", "parquet", "warc")
    report = frictionless.validate(str(folder / "datapackage.json"))
    assert (report.valid, report.stats["errors"]) == (True, 0), report.flatten(["name", "message"])
    changed = next((folder / "txt").rglob("*.txt"))
    changed.write_bytes(changed.read_bytes() + b"x")
    assert not frictionless.validate(str(folder / "datapackage.json")).valid
