"""The files that describe a dataset to programs: `manifest.json`, and `datapackage.json` (Data Package 1)."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from pydantic_core import to_json

from aggregator import __version__
from aggregator.durable_files import replaced_file
from aggregator.errors import ConfigError
from aggregator.models.articles import Article
from aggregator.models.ids import ArticleId
from aggregator.ports.readings import Position
from aggregator.sinks.dataset.statistics import Statistics

SCHEMA_VERSION: Final = 1
_MEDIA_TYPES: Final = {
    "txt": "text/plain",
    "md": "text/markdown",
    "jsonl": "application/jsonl",
    "parquet": "application/vnd.apache.parquet",
    "warc": "application/warc",
}
_COMPRESSED: Final = {".zst": "application/zstd", ".gz": "application/gzip"}


@dataclass(frozen=True, slots=True, kw_only=True)
class DataFile:
    """A file of the dataset. `path` is relative to the dataset's folder; `articles` is how many articles are in it."""

    path: str
    size_bytes: int
    sha256: str
    articles: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """The files and articles of a dataset, the options of its export, and the state of the store at that time."""

    state: Position
    formats: tuple[str, ...]
    text: str
    filters: Mapping[str, str]
    config_hash: str
    statistics: Statistics
    files: tuple[DataFile, ...]
    hashes: Mapping[ArticleId, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class ManifestDiff:
    """The ids of the articles that were added, changed or removed between an old and a new dataset."""

    added: tuple[str, ...]
    changed: tuple[str, ...]
    removed: tuple[str, ...]


def content_hash(article: Article) -> str:
    """Return the content hash of an article: 32 hexadecimal digits of SHA-256 over title, date, text and body."""
    content = article.content
    parts = (content.title, content.date, content.text, content.body)
    return hashlib.sha256("\0".join(parts).encode("utf-8", "replace")).hexdigest()[:32]


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Write `manifest.json` to `folder`.

    Each file and each article of the dataset has a line of its own. The lines are written one by one, to save memory.
    """
    head = {
        "schema_version": SCHEMA_VERSION,
        "program": {"name": "aggregator", "version": __version__},
        "extractors": dict(sorted(manifest.statistics.extractors.items())),
        "epoch": manifest.state.epoch,
        "cursor": manifest.state.seq,
        "configuration": manifest.config_hash,
        "filters": dict(manifest.filters),
        "formats": list(manifest.formats),
        "text": manifest.text,
        "first_seen": {"first": _iso(manifest.statistics.first), "last": _iso(manifest.statistics.last)},
        "count": manifest.statistics.articles,
        "counts": manifest.statistics.counts(),
    }
    with replaced_file(folder / "manifest.json") as stream:
        stream.write(_open(head) + b',\n "files": [')
        stream.writelines(_lines(map(to_json, manifest.files)))
        stream.write(b'\n ],\n "articles": {')
        stream.writelines(_lines(f'"{article}": "{digest}"'.encode() for article, digest in manifest.hashes.items()))
        stream.write(b"\n }\n}\n")


def _open(head: Mapping[str, object]) -> bytes:
    """Return `head` as JSON without its closing brace, so that further fields can follow."""
    return json.dumps(head, indent=1, ensure_ascii=False)[:-2].encode()


def _lines(values: Iterable[bytes]) -> Iterator[bytes]:
    separator = b"\n  "
    for value in values:
        yield separator + value
        separator = b",\n  "


def _iso(at: Any) -> str | None:  # Any: a time or None
    return None if at is None else at.isoformat()


def write_data_package(folder: Path, manifest: Manifest) -> None:
    """Write `datapackage.json`, which lists the files (specs.frictionlessdata.io/data-package, read 2026-11)."""
    head = {"profile": "data-package", "name": "news-corpus", "title": "Articles collected from feeds"}
    with replaced_file(folder / "datapackage.json") as stream:
        stream.write(_open(head) + b',\n "resources": [')
        stream.writelines(_lines(to_json(_resource(file)) for file in manifest.files))
        stream.write(b"\n ]\n}\n")


def _resource(file: DataFile) -> dict[str, object]:
    layout = file.path.split("/", 1)[0]
    return {
        "profile": "data-resource",
        "type": "file",  # its bytes and hash are checked; the columns of the tables are in Parquet itself
        "name": file.path.lower().replace("/", "-").replace("_", "-"),
        "path": file.path,
        "format": layout,
        "mediatype": _COMPRESSED.get(Path(file.path).suffix) or _MEDIA_TYPES[layout],
        "bytes": file.size_bytes,
        "hash": f"sha256:{file.sha256}",
    }


def read_hashes(path: Path) -> dict[str, str]:
    """Return the content hash of each article in the manifest at `path`, by the article's id.

    Raises:
        ConfigError: `path` cannot be read, or is no manifest of a dataset.
    """
    try:
        manifest = json.loads(path.read_bytes())
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read ({error.strerror})") from None
    except (ValueError, RecursionError):
        manifest = None
    articles = manifest.get("articles") if isinstance(manifest, dict) else None
    if not isinstance(articles, dict):
        raise ConfigError(f"{path}: is no manifest of a dataset; name the manifest.json that an export wrote")
    return articles


def compare(old: Mapping[str, str], new: Mapping[str, str]) -> ManifestDiff:
    """Return the difference between two datasets, each given as a content hash for each article id."""
    return ManifestDiff(
        added=tuple(name for name in new if name not in old),
        changed=tuple(name for name, digest in new.items() if old.get(name, digest) != digest),
        removed=tuple(name for name in old if name not in new),
    )
