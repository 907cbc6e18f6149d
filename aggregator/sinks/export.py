"""Whole exports: JSON lines and text files. Reads an iterator of articles, writes a stream or a folder."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import BinaryIO

from aggregator.models.records import Article
from aggregator.sinks.files import write_durably
from aggregator.sinks.records import TextChoice, article_record, document, json_line


def write_jsonl(articles: Iterable[Article], stream: BinaryIO, text: TextChoice = "seed") -> int:
    """Write one record a line; return how many."""
    count = 0
    for article in articles:
        stream.write(json_line(article_record(article, text)).encode() + b"\n")
        count += 1
    return count


def write_text_files(articles: Iterable[Article], folder: Path, text: TextChoice = "seed") -> int:
    """Write `NNN_<id>.txt`, NNN counting through the whole export; return how many."""
    count = 0
    for article in articles:
        write_durably(folder / f"{count:03d}_{article.id}.txt", _file_bytes(article, text))
        count += 1
    return count


def write_text(articles: Iterable[Article], stream: BinaryIO, text: TextChoice = "seed") -> int:
    """Write the documents one after the other, each with its final LF; return how many."""
    count = 0
    for article in articles:
        stream.write(_file_bytes(article, text))
        count += 1
    return count


def _file_bytes(article: Article, text: TextChoice) -> bytes:
    return (document(article.content, text) + "\n").encode("utf-8", "replace")
