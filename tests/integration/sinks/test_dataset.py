"""Datasets: complete or absent, resumable, deterministic; with manifest, card and typed columns."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from io import BytesIO
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from warcio.archiveiterator import ArchiveIterator

from aggregator.compression import zstd
from aggregator.errors import ConfigError, OutputError
from aggregator.models.articles import Article
from aggregator.models.ids import ArticleId
from aggregator.models.pages import RawResponse
from aggregator.ports.readings import ArticleFilter, Gap, Position
from aggregator.sinks.dataset.corpus import Corpus
from aggregator.sinks.dataset.manifest import compare, read_hashes
from aggregator.sinks.dataset.selection import Selection
from aggregator.sinks.dataset.write import DatasetReport, DatasetRequest, Format, write_dataset
from aggregator.text.seed_format import check
from tests.support.articles import article, content

FORMATS: tuple[Format, ...] = ("txt", "md", "jsonl", "jsonl.zst", "parquet", "warc")
START = datetime(2026, 9, 15, tzinfo=UTC)


class KilledError(Exception):
    """Stands for the end of the process."""


@dataclass
class Stored:
    """Articles in a list; `ends_after` lets the process end after so many."""

    kept: list[Article]
    cursor: int
    ends_after: int | None

    def position(self) -> Position:
        return Position(epoch="e", seq=self.cursor, recorded=self.cursor)

    def articles(self, wanted: ArticleFilter) -> Iterator[Article]:
        for number, one in enumerate(self.kept):
            if number == self.ends_after:
                raise KilledError
            yield one

    def raw_of(self, article_id: ArticleId) -> tuple[RawResponse, ...]:
        (article,) = (one for one in self.kept if one.id == article_id)
        response = RawResponse(
            content_hash=article.id,
            url=article.url,
            final_url=article.url,
            status=200,
            headers={"content-type": "text/html", "content-encoding": "gzip"},
            fetched_at=article.first_seen,
        )
        return (response,)

    def gaps(self) -> tuple[Gap, ...]:
        return ()


def corpus_of(
    kept: list[Article], *, cursor: int = 9, ends_after: int | None = None, selection: Selection | None = None
) -> Corpus:
    return Corpus(
        snapshot=Stored(kept, cursor, ends_after),
        raw=lambda content_hash: f"<p>{content_hash}</p>".encode(),
        selection=selection or Selection(),
    )


def articles(count: int = 12) -> list[Article]:
    return [
        article(
            ArticleId(f"{number:016x}"),
            first_seen=START + timedelta(days=8 * number),
            content=content(text=f"Text {number}", body=f"Body {number}\n\n— end"),
        )
        for number in range(count)
    ]


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., DatasetReport]:
    def run(corpus: Corpus, name: str = "out", **facts: object) -> DatasetReport:
        request = DatasetRequest(folder=tmp_path / name, formats=FORMATS)
        return write_dataset(corpus, replace(request, **facts))  # type: ignore[arg-type]

    return run


def tree(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_the_same_store_gives_the_same_bytes(write: Callable[..., DatasetReport], tmp_path: Path) -> None:
    report = write(corpus_of(articles()), "one")
    write(corpus_of(articles()), "two")
    assert report.articles == 12
    assert tree(tmp_path / "one") == tree(tmp_path / "two")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["one", "two"]


def test_the_manifest_tells_each_file_and_each_article(write: Callable[..., DatasetReport], tmp_path: Path) -> None:
    write(corpus_of(articles()))
    files = tree(tmp_path / "out")
    manifest = json.loads(files["manifest.json"])
    assert (manifest["epoch"], manifest["cursor"], manifest["count"]) == ("e", 9, 12)
    assert list(manifest["articles"]) == [one.id for one in articles()]
    described = {one["path"]: (one["size_bytes"], one["sha256"]) for one in manifest["files"]}
    data = {name: data for name, data in files.items() if name.split("/")[0] in FORMATS}
    assert described == {name: (len(data), hashlib.sha256(data).hexdigest()) for name, data in data.items()}
    package = json.loads(files["datapackage.json"])
    assert [one["path"] for one in package["resources"]] == list(described)
    assert len({one["name"] for one in package["resources"]}) == len(described)


def test_each_format_opens(write: Callable[..., DatasetReport], tmp_path: Path) -> None:
    write(corpus_of(articles()))
    out = tmp_path / "out"
    for number, path in enumerate(sorted((out / "txt").rglob("*.txt"))):
        assert path.name == f"{number:03d}_{number:016x}.txt"
        assert not check(path.read_bytes())
    for path in (out / "jsonl").glob("*.zst"):
        assert zstd.decompress(path.read_bytes()) == path.with_suffix("").read_bytes()
    rows = [
        json.loads(line)
        for path in sorted((out / "jsonl").glob("*.jsonl"))
        for line in path.read_text(encoding="utf-8").splitlines()
    ]
    assert [row["id"] for row in rows] == [one.id for one in articles()]
    pages = [
        record.rec_headers.get_header("WARC-Target-URI")
        for path in sorted((out / "warc").iterdir())
        for record in ArchiveIterator(BytesIO(path.read_bytes()))
        if record.rec_type == "response"
    ]
    assert len(pages) == 12


def test_columns_have_types(write: Callable[..., DatasetReport], tmp_path: Path) -> None:
    days = [content(date="2026-11", published="2026-11", updated="2026-11-02"), content()]
    kept = [replace(one, content=facts) for one, facts in zip(articles(2), days, strict=True)]
    write(corpus_of(kept))
    table = pq.read_table(tmp_path / "out" / "parquet" / "2026-09.parquet")
    assert table.schema.field("first_seen").type == pa.timestamp("us", tz="UTC")
    first, second = table.to_pylist()
    assert (first["date"], first["published"], first["published_at"]) == (None, "2026-11", None)
    assert first["updated"] == datetime(2026, 11, 2, tzinfo=UTC)
    assert (second["date"], second["updated"]) == (date(2026, 11, 22), None)
    assert second["published_at"] == datetime(2026, 11, 22, 9, tzinfo=UTC)
    assert first["word_count"] == 1


def test_front_matter_is_the_record(write: Callable[..., DatasetReport], tmp_path: Path) -> None:
    kept = articles(1)
    kept = [replace(kept[0], content=replace(kept[0].content, title='A: "quoted" – #1\u2028\n---'))]
    write(corpus_of(kept))
    text = next((tmp_path / "out" / "md").rglob("*.md")).read_text(encoding="utf-8")
    head, body = text.removeprefix("---\n").split("\n---\n\n", 1)
    facts = {name: json.loads(value) for name, _, value in (line.partition(": ") for line in head.split("\n"))}
    row = json.loads((tmp_path / "out" / "jsonl" / "2026-09.jsonl").read_text(encoding="utf-8"))
    assert body == row["body"] + "\n"
    assert facts == {name: value for name, value in row.items() if name not in ("text", "body", "markdown")}


@pytest.mark.parametrize("point", range(12))
def test_a_killed_call_leaves_nothing_half_and_is_resumed(
    write: Callable[..., DatasetReport], tmp_path: Path, point: int
) -> None:
    write(corpus_of(articles()), "whole")
    with pytest.raises(KilledError):
        write(corpus_of(articles(), ends_after=point))
    assert not (tmp_path / "out").exists()
    report = write(corpus_of(articles()))
    months = [f"{one.first_seen:%m}" for one in articles()[:point]]
    assert (report.resumed, report.started_again) == (len({*months} - {*months[-1:]}), False)
    assert tree(tmp_path / "out") == tree(tmp_path / "whole")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out", "whole"]


def test_a_store_that_went_on_is_exported_from_the_start(write: Callable[..., DatasetReport], tmp_path: Path) -> None:
    with pytest.raises(KilledError):
        write(corpus_of(articles(), ends_after=8))
    changed = [*articles()[1:], *articles(13)[12:]]
    report = write(corpus_of(changed, cursor=11))
    assert report.started_again
    assert report.resumed == 0
    assert list(read_hashes(tmp_path / "out" / "manifest.json")) == [one.id for one in changed]


def test_months_that_differ_without_a_change_are_not_mixed(write: Callable[..., DatasetReport], tmp_path: Path) -> None:
    with pytest.raises(KilledError):
        write(corpus_of(articles(), ends_after=8))
    also_elsewhere = [replace(articles()[0], feeds=("News", "Other")), *articles()[1:]]
    assert write(corpus_of(also_elsewhere)).started_again
    write(corpus_of(also_elsewhere), "whole")
    assert tree(tmp_path / "out") == tree(tmp_path / "whole")


def test_what_a_killed_call_had_begun_is_removed(write: Callable[..., DatasetReport], tmp_path: Path) -> None:
    with pytest.raises(KilledError):
        write(corpus_of(articles(), ends_after=8))
    partial = tmp_path / ".out.partial"
    for name in ("jsonl/.2026-11.jsonl.77.tmp", "txt/2026-11/005_half.txt", "plots/time.svg"):
        (partial / name).parent.mkdir(parents=True, exist_ok=True)
        (partial / name).write_bytes(b"half")
    write(corpus_of(articles()))
    write(corpus_of(articles()), "whole")
    assert tree(tmp_path / "out") == tree(tmp_path / "whole")


@pytest.mark.parametrize("replaces", [False, True])
def test_a_call_that_was_killed_at_its_very_end_is_complete(
    write: Callable[..., DatasetReport], tmp_path: Path, replaces: bool
) -> None:
    with pytest.raises(KilledError):
        write(corpus_of(articles(), ends_after=11))
    state = (tmp_path / ".out.partial.json").read_bytes()
    first = write(corpus_of(articles()))
    whole = tree(tmp_path / "out")
    (tmp_path / ".out.partial.json").write_bytes(state)  # it was killed before it removed this
    if replaces:
        (tmp_path / ".out.old").mkdir()
    second = write(corpus_of(articles()))
    assert (second.articles, second.files, tree(tmp_path / "out")) == (first.articles, first.files, whole)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out"]


def test_a_folder_is_replaced_only_when_asked_and_only_a_dataset(
    write: Callable[..., DatasetReport], tmp_path: Path
) -> None:
    write(corpus_of(articles()))
    with pytest.raises(OutputError, match="--replace"):
        write(corpus_of(articles(3)))
    write(corpus_of(articles(3)), replace=True)
    assert len(read_hashes(tmp_path / "out" / "manifest.json")) == 3
    (tmp_path / "mine").mkdir()
    write(corpus_of(articles(1)), "mine")
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "thesis.txt").write_text("x")
    with pytest.raises(OutputError, match="no manifest"):
        write(corpus_of(articles(3)), "notes", replace=True)
    assert (tmp_path / "notes" / "thesis.txt").exists()


def test_a_replacement_that_was_killed_half_way_is_finished(
    write: Callable[..., DatasetReport], tmp_path: Path
) -> None:
    write(corpus_of(articles()))
    (tmp_path / "out").rename(tmp_path / ".out.old")  # as far as the killed call came
    write(corpus_of(articles(3)), replace=True)
    assert len(read_hashes(tmp_path / "out" / "manifest.json")) == 3
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out"]


def test_a_damaged_note_of_progress_starts_again(write: Callable[..., DatasetReport], tmp_path: Path) -> None:
    with pytest.raises(KilledError):
        write(corpus_of(articles(), ends_after=8))
    (tmp_path / ".out.partial.json").write_text("[")
    assert write(corpus_of(articles())).started_again


def test_months_outside_the_selection_have_no_file(write: Callable[..., DatasetReport], tmp_path: Path) -> None:
    early = corpus_of(articles(), selection=Selection(until=datetime(2026, 10, 1, tzinfo=UTC)))
    write(early, formats=("jsonl",))
    assert [path.name for path in (tmp_path / "out" / "jsonl").iterdir()] == ["2026-09.jsonl"]


def test_two_manifests_differ_in_what_came_changed_and_went() -> None:
    diff = compare({"a": "1", "b": "1", "c": "1"}, {"b": "2", "c": "1", "d": "1"})
    assert (diff.added, diff.changed, diff.removed) == (("d",), ("b",), ("a",))


@pytest.mark.parametrize("text", ["", "[]", '{"articles": []}', "{}", "\N{EN DASH}", "[" * 100_000])
def test_what_is_no_manifest_is_an_error(tmp_path: Path, text: str) -> None:
    (tmp_path / "m.json").write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError, match="no manifest"):
        read_hashes(tmp_path / "m.json")
