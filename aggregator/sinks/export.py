"""Exports articles as one file of any format, as the files of a dataset, or as a folder of texts. Knows no store."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import BinaryIO, Final, TypeVar

from aggregator.compression import zstd
from aggregator.durable_files import replaced_file, write_durably
from aggregator.errors import OutputError
from aggregator.models.articles import Article
from aggregator.models.pages import RawResponse
from aggregator.sinks.parquet import parquet_rows
from aggregator.sinks.records import Record, TextChoice, article_record, document, json_bytes, json_line

T = TypeVar("T")
# Takes the article's number in the whole export, the article and its record; returns how many records it wrote.
Write = Callable[[int, Article, Record], int]
RawPages = Callable[[Article], Iterator[tuple[RawResponse, bytes]]]

Numbered = tuple[int, Article, Record]  # the article's number in the whole dataset, the article, its record
FOLDERS: Final = {"jsonl.zst": "jsonl"}  # of formats that do not give their folder its name
_ENDINGS: Final = {"warc": "warc.gz"}  # of formats that do not give their files their ending
_OUR_NAME: Final = re.compile(r"\d{3,}_[0-9a-f]{16}\.txt")


@contextmanager
def writer_of(
    layout: str, stream: BinaryIO, text: TextChoice, raw_pages: RawPages, name: str = "aggregator.warc.gz"
) -> Iterator[Write]:
    """Yield the function that adds an article to `stream` in the format `layout`.

    The file is complete when the caller's `with` block ends.

    In `txt`, each document ends with an LF. `jsonl.zst` is one zstd frame (RFC 8878). `name` is the file name in a WARC
    file's first record.

    Raises:
        MissingExtraError: the format needs a package that is not installed.
    """
    match layout:
        case "txt":
            yield lambda _number, article, _record: _put(stream.write, file_bytes(article, text))
        case "jsonl":
            yield lambda _number, _article, record: _put(stream.write, json_bytes(record) + b"\n")
        case "jsonl.zst":
            with zstd.open(stream, "wb") as lines:
                yield lambda _number, _article, record: _put(lines.write, json_bytes(record) + b"\n")
        case "parquet":
            with parquet_rows(stream) as add:
                yield lambda _number, _article, record: _put(add, record)
        case "warc":
            from aggregator.sinks.warc import WarcFile  # late: the daemon writes no such file

            warc = WarcFile(stream, name)
            yield lambda _number, article, _record: warc.add(article, raw_pages(article))
        case _:
            raise AssertionError(layout)


def _put(write: Callable[[T], object], data: T) -> int:
    write(data)
    return 1


def write_articles(
    articles: Iterable[Article], layout: str, stream: BinaryIO, text: TextChoice, raw_pages: RawPages
) -> int:
    """Write the articles to `stream` in the format `layout`; return how many records were written."""
    with writer_of(layout, stream, text, raw_pages) as write:
        return sum(write(number, one, article_record(one, text)) for number, one in enumerate(articles))


def writers_of(
    formats: Sequence[str], folder: Path, month: str, text: TextChoice, raw_pages: RawPages
) -> Iterator[AbstractContextManager[Write]]:
    """Yield a context manager for each of `formats`. It gives the function that adds an article to the month's files.

    `month` is written `YYYY-MM`. The files are written to `folder`.
    """
    for name in formats:
        if name == "txt":
            yield _single_files(folder / "txt" / month, "txt", lambda article, _: file_bytes(article, text))
        elif name == "md":
            yield _single_files(folder / "md" / month, "md", markdown_file)
        else:
            path = folder / FOLDERS.get(name, name) / f"{month}.{_ENDINGS.get(name, name)}"
            yield _one_file(path, name, text, raw_pages)


@contextmanager
def _one_file(path: Path, layout: str, text: TextChoice, raw_pages: RawPages) -> Iterator[Write]:
    with replaced_file(path) as stream, writer_of(layout, stream, text, raw_pages, path.name) as write:
        yield write


def markdown_file(article: Article, record: Record) -> bytes:
    """Return the article in Markdown. The front matter has all fields of `record` but the texts, each value in JSON.

    JSON is valid YAML (yaml.org/spec/1.2.2, 1.3), so every reader of front matter can read it.
    """
    texts = ("text", "body", "markdown")
    facts = "".join(f"{name}: {json_line({'': value})[4:-1]}\n" for name, value in record.items() if name not in texts)
    return f"---\n{facts}---\n\n{article.content.markdown or article.content.body}\n".encode("utf-8", "replace")


@contextmanager
def _single_files(folder: Path, ending: str, data_of: Callable[[Article, Record], bytes]) -> Iterator[Write]:
    """Yield the function that writes an article to a file of its own. The caller syncs all files of a month at once."""
    folder.mkdir(parents=True)

    def write(number: int, article: Article, record: Record) -> int:
        (folder / f"{number:03d}_{article.id}.{ending}").write_bytes(data_of(article, record))
        return 1

    yield write


def write_text_files(
    articles: Iterable[Article], folder: Path, text: TextChoice = "seed", *, replace: bool = False
) -> int:
    """Write each article's document to `folder/NNN_<id>.txt`, and return how many. NNN counts from 000.

    With `replace`, the texts of an earlier export are removed first.

    Raises:
        OutputError: `folder` has a dataset, or it has texts of an earlier export and `replace` is not set.
    """
    if (folder / "manifest.json").exists():
        raise OutputError(f"{folder}: a dataset is there; name another folder")
    others = [path for path in folder.glob("*.txt") if _OUR_NAME.fullmatch(path.name)]
    if others and not replace:
        raise OutputError(
            f"{folder}: {others[0].name} of another export is there; add --replace or name another folder"
        )
    for path in others:
        path.unlink()
    count = 0
    for article in articles:
        write_durably(folder / f"{count:03d}_{article.id}.txt", file_bytes(article, text))
        count += 1
    return count


def file_bytes(article: Article, text: TextChoice) -> bytes:
    """Return an article's document as the content of a file: in UTF-8, with an LF at its end."""
    return (document(article.content, text) + "\n").encode("utf-8", "replace")
