"""The files of one month of a dataset, one writer for each format. Each file is complete, or absent after a failure."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from aggregator.models.articles import Article
from aggregator.models.pages import RawResponse
from aggregator.sinks.export import file_bytes
from aggregator.sinks.files import replaced_file
from aggregator.sinks.parquet import parquet_file
from aggregator.sinks.records import TextChoice, article_record, json_line
from aggregator.sinks.warc import warc_file

Write = Callable[[int, Article], None]  # the article's number in the whole dataset, and the article
RawPages = Callable[[Article], Iterator[tuple[RawResponse, bytes]]]


def writers_of(
    formats: Sequence[str], folder: Path, month: str, text: TextChoice, raw_pages: RawPages
) -> Iterator[AbstractContextManager[Write]]:
    """Yield the writer of each format, in the order of `formats`; `month` is `YYYY-MM`."""
    for name in formats:
        match name:
            case "txt":
                yield _single_files(folder / "txt" / month, "txt", lambda article: file_bytes(article, text))
            case "md":
                yield _single_files(folder / "md" / month, "md", markdown_file)
            case "jsonl":
                yield _jsonl(folder / "jsonl" / f"{month}.jsonl", text)
            case "parquet":
                yield _parquet(folder / "parquet" / f"{month}.parquet", text)
            case "warc":
                yield _warc(folder / "warc" / f"{month}.warc.gz", raw_pages)
            case _:
                raise AssertionError(name)


def markdown_file(article: Article) -> bytes:
    """Return an article as Markdown with front matter: the record's fields but its texts, each value in JSON.

    JSON is YAML (yaml.org/spec/1.2.2, 1.3), so every reader of front matter takes it.
    """
    record = article_record(article)
    texts = ("text", "body", "markdown")
    facts = "".join(f"{name}: {json_line({'': value})[4:-1]}\n" for name, value in record.items() if name not in texts)
    return f"---\n{facts}---\n\n{article.content.markdown or article.content.body}\n".encode("utf-8", "replace")


@contextmanager
def _single_files(folder: Path, ending: str, data_of: Callable[[Article], bytes]) -> Iterator[Write]:
    """Write a file for each article. They are made durable together: the month counts only when it is complete."""
    folder.mkdir(parents=True)

    def write(number: int, article: Article) -> None:
        (folder / f"{number:03d}_{article.id}.{ending}").write_bytes(data_of(article))

    yield write


@contextmanager
def _jsonl(path: Path, text: TextChoice) -> Iterator[Write]:
    with replaced_file(path) as stream:

        def write(_: int, article: Article) -> None:
            stream.write(json_line(article_record(article, text)).encode() + b"\n")

        yield write


@contextmanager
def _parquet(path: Path, text: TextChoice) -> Iterator[Write]:
    with parquet_file(path) as rows:
        yield lambda _, article: rows([article_record(article, text)])


@contextmanager
def _warc(path: Path, raw_pages: RawPages) -> Iterator[Write]:
    with replaced_file(path) as stream:
        writer = warc_file(stream, path.name)
        yield lambda _, article: writer.add(raw_pages(article))
