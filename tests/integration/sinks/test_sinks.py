"""Files, records and exports of articles."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from io import BytesIO
from pathlib import Path
from typing import BinaryIO

import pytest
from warcio.archiveiterator import ArchiveIterator

from aggregator.durable_files import folder_id, replaced_file, write_durably, write_many_durably
from aggregator.errors import OutputError
from aggregator.models.articles import Article
from aggregator.models.ids import ArticleId
from aggregator.models.pages import RawResponse
from aggregator.ports.readings import Change
from aggregator.sinks.export import write_articles, write_text_files
from aggregator.sinks.parquet import typed
from aggregator.sinks.records import TextChoice, article_record, change_record
from aggregator.sinks.seed_files import SeedFiles
from aggregator.text.seed_format import check
from tests.support.articles import ID, NOW, article, content


def change(one: Article | None, seq: int = 1, article_id: ArticleId = ID) -> Change:
    return Change(
        seq=seq,
        kind="new" if one else "merged",
        article_id=article_id,
        merged_into=None,
        article=one,
        day="2026/11/23",
        number=7,
    )


def test_an_article_becomes_its_file_and_a_tombstone_removes_it(tmp_path: Path) -> None:
    sink = SeedFiles(tmp_path)
    path = tmp_path / "2026/11/23" / f"007_{ID}.txt"
    sink.deliver([change(article())])
    assert path.read_bytes() == " date 2026-11-22   Title\n\nText \u00a0\n".encode()
    written = path.stat().st_mtime_ns
    sink.deliver([change(article(), seq=2)])
    assert path.stat().st_mtime_ns == written
    sink.deliver([change(article(content=content(text="Other")), seq=3)])
    assert path.read_text(encoding="utf-8") == " date 2026-11-22 Other\n"
    sink.deliver([change(None, seq=4)])
    sink.deliver([change(None, seq=4)])
    assert not path.exists()


def test_many_files_are_there_or_none_is(tmp_path: Path) -> None:
    files = {tmp_path / "a" / "1.txt": b"1", tmp_path / "b" / "2.txt": b"2"}
    write_many_durably(files)
    assert {path: path.read_bytes() for path in tmp_path.rglob("*.txt")} == files
    (tmp_path / "b" / "3.txt").mkdir()
    with pytest.raises(OSError, match=r"3\.txt"):
        write_many_durably({tmp_path / "b" / "3.txt": b"3", tmp_path / "a" / "1.txt": b"other"})
    assert (tmp_path / "a" / "1.txt").read_bytes() == b"1"
    assert not list(tmp_path.rglob("*.tmp"))


def test_the_last_of_several_changes_counts(tmp_path: Path) -> None:
    SeedFiles(tmp_path).deliver([change(article()), change(None, seq=2)])
    assert not list(tmp_path.rglob("*.txt"))


def test_a_change_without_a_number_has_no_file(tmp_path: Path) -> None:
    SeedFiles(tmp_path).deliver([replace(change(None), number=None)])
    assert not list(tmp_path.rglob("*.txt"))


def test_only_our_old_files_without_an_article_are_swept(tmp_path: Path) -> None:
    sink = SeedFiles(tmp_path)
    folder = tmp_path / "2026/11/23"
    folder.mkdir(parents=True)
    names = [f"001_{ID}.txt", "002_fedcba9876543210.txt", "003_aaaaaaaaaaaaaaaa.txt", "notes.txt"]
    names += [f".001_{ID}.txt.tmp", f".002_{ID}.txt.77.tmp"]
    for name in names:
        (folder / name).write_text("x", encoding="utf-8")
        os.utime(folder / name, (NOW.timestamp() - 90_000,) * 2)
    os.utime(folder / names[2], (NOW.timestamp() - 60,) * 2)
    os.utime(folder / names[4], (NOW.timestamp() - 60,) * 2)
    assert sink.sweep(lambda *_: False, NOW, lambda: True) == 0, "it ends at a stop"
    removed = sink.sweep(lambda found, day, number: (found, day, number) == (ID, "2026/11/23", 1), NOW)
    assert removed == 2
    assert sorted(path.name for path in folder.iterdir()) == [names[4], names[0], names[2], names[3]]


def test_a_folder_keeps_its_id_and_an_emptied_one_gets_another(tmp_path: Path) -> None:
    first = folder_id(tmp_path)
    assert folder_id(tmp_path) == first == SeedFiles(tmp_path).folder
    (tmp_path / ".folder-id").unlink()
    assert folder_id(tmp_path) != first


def test_a_file_that_fails_half_way_leaves_nothing(tmp_path: Path) -> None:
    target = tmp_path / "a.txt"
    write_durably(target, b"old")

    def write_half() -> None:
        with replaced_file(target) as stream:
            stream.write(b"new")
            int("no number")

    with pytest.raises(ValueError):
        write_half()
    assert target.read_bytes() == b"old"
    assert [path.name for path in tmp_path.iterdir()] == ["a.txt"]


def write_single(articles: Sequence[Article], layout: str, stream: BinaryIO, text: TextChoice = "seed") -> int:
    return write_articles(articles, layout, stream, text, lambda article: iter(()))


def test_records_hold_the_documented_fields() -> None:
    stream = BytesIO()
    assert write_single([article(near_duplicate_of=ArticleId("f" * 16))], "jsonl", stream) == 1
    row = json.loads(stream.getvalue())
    assert row["text"] == " date 2026-11-22   Title\n\nText \u00a0"
    assert row["body"] == "Text"
    assert row["lead_image"] == {"url": "https://example.org/i.jpg", "caption": "c", "alt": "a", "credit": "p"}
    assert row["extractor"] == {"name": "aggregator", "version": "1"}
    assert row["first_seen"] == "2026-11-23T12:00:00+00:00"
    assert row["date_source"] == "page"
    assert row["near_duplicate_of"] == "f" * 16
    documented = (Path(__file__).parents[3] / "docs/reference/records.md").read_text(encoding="utf-8")
    assert [name for name in row if f"`{name}`" not in documented] == []


def test_a_change_without_an_article_is_a_tombstone() -> None:
    assert change_record(change(None, seq=5)) == {
        "change_seq": 5,
        "kind": "merged",
        "id": ID,
        "merged_into": None,
        "article": None,
    }
    assert change_record(change(article()))["article"] == article_record(article())


def test_the_body_layout_has_title_and_body(tmp_path: Path) -> None:
    stream = BytesIO()
    write_single([article()], "txt", stream, "body")
    assert stream.getvalue() == b" date 2026-11-22 Title\n\nText\n"
    assert write_text_files([article(), article(ArticleId("f" * 16))], tmp_path / "out", "body") == 2
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [f"000_{ID}.txt", f"001_{'f' * 16}.txt"]


@pytest.mark.parametrize("blank", ["", " \n\u00a0"])
def test_no_document_is_empty(blank: str, tmp_path: Path) -> None:
    one = article(content=content(text=blank))
    SeedFiles(tmp_path).deliver([change(one)])
    data = (tmp_path / "2026/11/23" / f"007_{ID}.txt").read_bytes()
    assert data == b" date 2026-11-22 Title\n\nText\n"
    assert check(data) == ()
    assert article_record(one)["text"] == data.decode()[:-1]
    assert article_record(one, "markdown")["text"] == article_record(article(), "markdown")["text"]


def test_texts_are_not_written_among_the_files_of_another_export(tmp_path: Path) -> None:
    write_text_files([article()], tmp_path)
    with pytest.raises(OutputError, match="add --replace"):
        write_text_files([article(ArticleId("f" * 16))], tmp_path)
    assert write_text_files([article(ArticleId("f" * 16))], tmp_path, replace=True) == 1
    assert [path.name for path in tmp_path.iterdir()] == [f"000_{'f' * 16}.txt"]
    (tmp_path / "manifest.json").touch()
    with pytest.raises(OutputError, match="a dataset is there; name another folder"):
        write_text_files([article()], tmp_path, replace=True)


def test_parquet_holds_what_the_records_hold(tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    articles: Sequence[Article] = [article(), article(ArticleId("f" * 16), content=content(lead_image=None))]
    with (tmp_path / "a.parquet").open("wb") as file:
        assert write_single(articles, "parquet", file) == 2
    rows = parquet.read_table(tmp_path / "a.parquet").to_pylist()
    stream = BytesIO()
    write_single(articles, "jsonl", stream)
    for row, line in zip(rows, stream.getvalue().splitlines(), strict=True):
        record = typed(json.loads(line))
        assert {name: row[name] for name in record} == record


def test_warc_holds_the_pages_that_are_kept() -> None:
    raw = RawResponse(
        content_hash="00",
        url="https://example.org/a",
        final_url="https://example.org/b",
        status=200,
        headers={"content-type": "text/html", "content-encoding": "gzip", "content-length": "3"},
        fetched_at=NOW - timedelta(hours=1),
    )
    stream = BytesIO()
    part = replace(raw, content_hash="22", final_url="https://example.org/b?page=2")
    pages = {ID: [(raw, b"<html>"), (part, b"<p>")]}
    articles = [article(), article(ArticleId("f" * 16))]
    assert write_articles(articles, "warc", stream, "seed", lambda one: iter(pages.get(one.id, ()))) == 2
    stream.seek(0)
    found = []
    for one in ArchiveIterator(stream):
        if one.rec_type == "response":
            headers = one.http_headers
            found.append(
                (
                    one.rec_headers.get_header("WARC-Target-URI"),
                    one.rec_headers.get_header("WARC-Date"),
                    headers.get_header("content-encoding"),
                    headers.get_header("content-length"),
                    one.content_stream().read(),
                )
            )
    assert found == [
        ("https://example.org/b", "2026-11-23T11:00:00Z", None, "6", b"<html>"),
        ("https://example.org/b?page=2", "2026-11-23T11:00:00Z", None, "3", b"<p>"),
    ]
