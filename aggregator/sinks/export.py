"""Whole exports: JSON lines and text files. Reads an iterator of articles, writes a stream or a folder."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import BinaryIO, Final, Protocol

from aggregator.compression import zstd
from aggregator.errors import OutputError
from aggregator.models.articles import Article
from aggregator.sinks.files import write_durably
from aggregator.sinks.records import TextChoice, article_record, document, json_bytes


class ByteStream(Protocol):
    """A binary stream for output."""

    def write(self, data: bytes, /) -> object:
        """Write bytes."""
        ...


_OUR_NAME: Final = re.compile(r"\d{3,}_[0-9a-f]{16}\.txt")


def write_jsonl(articles: Iterable[Article], stream: ByteStream, text: TextChoice = "seed") -> int:
    """Write one record a line; return how many."""
    count = 0
    for article in articles:
        stream.write(json_bytes(article_record(article, text)) + b"\n")
        count += 1
    return count


def write_compressed_jsonl(articles: Iterable[Article], stream: BinaryIO, text: TextChoice = "seed") -> int:
    """Write the lines of `write_jsonl` as one zstd frame (RFC 8878)."""
    with zstd.open(stream, "wb") as lines:
        return write_jsonl(articles, lines, text)


def write_text_files(
    articles: Iterable[Article], folder: Path, text: TextChoice = "seed", *, replace: bool = False
) -> int:
    """Write each document as `NNN_<id>.txt`, NNN counting through the whole export; return how many.

    Raises:
        OutputError: a dataset lies in `folder`; or files of another export do, and `replace` is not set.
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


def write_text(articles: Iterable[Article], stream: BinaryIO, text: TextChoice = "seed") -> int:
    """Write the documents one after the other, each with its final LF; return how many."""
    count = 0
    for article in articles:
        stream.write(file_bytes(article, text))
        count += 1
    return count


def file_bytes(article: Article, text: TextChoice) -> bytes:
    """Return the bytes of a document's file: UTF-8, with a final LF."""
    return (document(article.content, text) + "\n").encode("utf-8", "replace")
