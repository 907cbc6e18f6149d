"""The files of one month of a dataset, one writer for each format. Each file is complete, or absent after a failure."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Final

from aggregator.compression import zstd
from aggregator.models.articles import Article
from aggregator.models.pages import RawResponse
from aggregator.sinks.export import file_bytes
from aggregator.sinks.files import replaced_file
from aggregator.sinks.parquet import parquet_file
from aggregator.sinks.records import Record, TextChoice, json_bytes, json_line
from aggregator.sinks.warc import warc_file

Numbered = tuple[int, Article, Record]  # the article's number in the whole dataset, the article, its record
Write = Callable[[int, Article, Record], object]
FOLDERS: Final = {"jsonl.zst": "jsonl"}  # of formats that do not give their folder its name
RawPages = Callable[[Article], Iterator[tuple[RawResponse, bytes]]]


def writers_of(
    formats: Sequence[str], folder: Path, month: str, text: TextChoice, raw_pages: RawPages
) -> Iterator[AbstractContextManager[Write]]:
    """Yield the writer of each format, in the order of `formats`; `month` is `YYYY-MM`."""
    for name in formats:
        match name:
            case "txt":
                yield _single_files(folder / "txt" / month, "txt", lambda article, _: file_bytes(article, text))
            case "md":
                yield _single_files(folder / "md" / month, "md", markdown_file)
            case "jsonl":
                yield _jsonl(folder / "jsonl" / f"{month}.jsonl")
            case "jsonl.zst":
                yield _compressed_jsonl(folder / "jsonl" / f"{month}.jsonl.zst")
            case "parquet":
                yield _parquet(folder / "parquet" / f"{month}.parquet")
            case "warc":
                yield _warc(folder / "warc" / f"{month}.warc.gz", raw_pages)
            case _:
                raise AssertionError(name)


def markdown_file(article: Article, record: Record) -> bytes:
    """Return an article as Markdown with front matter: all fields of its record except texts, each value in JSON.

    JSON is YAML (yaml.org/spec/1.2.2, 1.3), so every reader of front matter reads it.
    """
    texts = ("text", "body", "markdown")
    facts = "".join(f"{name}: {json_line({'': value})[4:-1]}\n" for name, value in record.items() if name not in texts)
    return f"---\n{facts}---\n\n{article.content.markdown or article.content.body}\n".encode("utf-8", "replace")


@contextmanager
def _single_files(folder: Path, ending: str, data_of: Callable[[Article, Record], bytes]) -> Iterator[Write]:
    """Write a file for each article. They are made durable together: the month counts only when it is complete."""
    folder.mkdir(parents=True)

    def write(number: int, article: Article, record: Record) -> None:
        (folder / f"{number:03d}_{article.id}.{ending}").write_bytes(data_of(article, record))

    yield write


@contextmanager
def _jsonl(path: Path) -> Iterator[Write]:
    with replaced_file(path) as stream:
        yield lambda _number, _article, record: stream.write(json_bytes(record) + b"\n")


@contextmanager
def _compressed_jsonl(path: Path) -> Iterator[Write]:
    with replaced_file(path) as stream, zstd.open(stream, "wb") as lines:
        yield lambda _number, _article, record: lines.write(json_bytes(record) + b"\n")


@contextmanager
def _parquet(path: Path) -> Iterator[Write]:
    with parquet_file(path) as rows:
        yield lambda _number, _article, record: rows([record])


@contextmanager
def _warc(path: Path, raw_pages: RawPages) -> Iterator[Write]:
    with replaced_file(path) as stream:
        writer = warc_file(stream, path.name)
        yield lambda _number, article, _record: writer.add(raw_pages(article))
