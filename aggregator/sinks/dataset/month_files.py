"""The files of one month of a dataset, one writer for each format. Each file is complete, or absent after a failure."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Final

from aggregator.durable_files import replaced_file
from aggregator.models.articles import Article
from aggregator.sinks.export import RawPages, Write, file_bytes, writer_of
from aggregator.sinks.records import Record, TextChoice, json_line

Numbered = tuple[int, Article, Record]  # the article's number in the whole dataset, the article, its record
FOLDERS: Final = {"jsonl.zst": "jsonl"}  # of formats that do not give their folder its name
_ENDINGS: Final = {"warc": "warc.gz"}  # of formats that do not give their files their ending


def writers_of(
    formats: Sequence[str], folder: Path, month: str, text: TextChoice, raw_pages: RawPages
) -> Iterator[AbstractContextManager[Write]]:
    """Yield the writer of each format, in the order of `formats`; `month` is `YYYY-MM`."""
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
    """Return an article as Markdown with front matter: all fields of its record except texts, each value in JSON.

    JSON is YAML (yaml.org/spec/1.2.2, 1.3), so every reader of front matter reads it.
    """
    texts = ("text", "body", "markdown")
    facts = "".join(f"{name}: {json_line({'': value})[4:-1]}\n" for name, value in record.items() if name not in texts)
    return f"---\n{facts}---\n\n{article.content.markdown or article.content.body}\n".encode("utf-8", "replace")


@contextmanager
def _single_files(folder: Path, ending: str, data_of: Callable[[Article, Record], bytes]) -> Iterator[Write]:
    """Write a file for each article. The caller syncs the files together, since only complete months count."""
    folder.mkdir(parents=True)

    def write(number: int, article: Article, record: Record) -> int:
        (folder / f"{number:03d}_{article.id}.{ending}").write_bytes(data_of(article, record))
        return 1

    yield write
