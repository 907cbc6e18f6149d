"""A dataset: articles in a folder, in files of one month each, with a manifest and a card.

The folder is complete or absent. The work goes on in `.NAME.partial` beside it, and a later call resumes there. All
times come from the store, none from the clock: the same store gives the same bytes. Asks no store itself.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from itertools import groupby
from pathlib import Path
from typing import Any, Literal, Protocol

from aggregator.errors import OutputError
from aggregator.models.articles import Article
from aggregator.models.ids import ArticleId
from aggregator.models.pages import RawResponse
from aggregator.ports.readings import Gap, Position
from aggregator.sinks.dataset.card import write_card
from aggregator.sinks.dataset.manifest import DataFile, Manifest, content_hash, write_data_package, write_manifest
from aggregator.sinks.dataset.month_files import writers_of
from aggregator.sinks.dataset.selection import Selection
from aggregator.sinks.dataset.statistics import Statistics
from aggregator.sinks.files import sync_folder, write_durably
from aggregator.sinks.records import TextChoice

Format = Literal["txt", "md", "jsonl", "parquet", "warc"]


class Corpus(Protocol):
    """What a dataset is made of."""

    @property
    def selection(self) -> Selection:
        """Which articles it holds."""
        ...

    def selected(self) -> Iterator[Article]:
        """Yield the articles of the selection by first sighting, from one snapshot."""
        ...

    def raw_pages(self, article: Article) -> Iterator[tuple[RawResponse, bytes]]:
        """Yield the responses that an article was made of, with their bytes."""
        ...

    def state(self) -> Position:
        """Return which state the store is in."""
        ...

    def gaps(self) -> Sequence[Gap]:
        """Return the times in which feeds may have lost entries."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class DatasetRequest:
    """What to write where."""

    folder: Path
    formats: tuple[Format, ...]
    text: TextChoice = "seed"
    replace: bool = False
    config_hash: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class DatasetReport:
    """What was written; `resumed` counts the months that an earlier call had completed."""

    articles: int
    files: int
    resumed: int
    started_again: bool


def write_dataset(corpus: Corpus, request: DatasetRequest) -> DatasetReport:
    """Write the dataset, or complete one that an earlier call left.

    An earlier call is resumed only where request and store are what they were; else it is started again.

    Raises:
        OutputError: `folder` holds something already and may not be replaced.
        MissingExtraError: a format needs a package that is not installed.
        OSError: a file could not be written; what is complete stays for the next call.
    """
    folder = request.folder
    partial = folder.with_name(f".{folder.name}.partial")
    _put_old_back(folder)
    _check_target(request)
    state = corpus.state()
    work, started_again = _Work.open(partial, _fingerprint(corpus, request, state))
    statistics = Statistics()
    hashes: dict[ArticleId, str] = {}
    resumed = len(work.months)

    def numbered() -> Iterator[tuple[int, Article]]:
        for number, article in enumerate(corpus.selected()):
            statistics.add(article)
            hashes[article.id] = content_hash(article)
            yield number, article

    for month, articles in groupby(numbered(), lambda pair: f"{pair[1].first_seen:%Y-%m}"):
        if month in work.months:
            for _ in articles:  # an earlier call wrote them; they are counted all the same
                pass
        else:
            work.add_month(month, _write_month(partial, month, articles, corpus, request))
    manifest = Manifest(
        state=state,
        formats=request.formats,
        text=request.text,
        filters=corpus.selection.as_facts(),
        config_hash=request.config_hash,
        statistics=statistics,
        files=tuple(file for month in sorted(work.months) for file in work.months[month]),
        hashes=hashes,
    )
    write_card(partial, manifest, _gaps_of(corpus, statistics))
    write_data_package(partial, manifest)
    write_manifest(partial, manifest)
    _put_in_place(folder, partial)
    return DatasetReport(
        articles=statistics.articles, files=len(manifest.files), resumed=resumed, started_again=started_again
    )


def _write_month(
    partial: Path, month: str, articles: Iterable[tuple[int, Article]], corpus: Corpus, request: DatasetRequest
) -> tuple[DataFile, ...]:
    """Write the files of one month in all formats."""
    for name in request.formats:  # an earlier call may have been killed in this month
        shutil.rmtree(partial / name / month, ignore_errors=True)
    count = 0
    with ExitStack() as open_files:
        writers = writers_of(request.formats, partial, month, request.text, corpus.raw_pages)
        writes = [open_files.enter_context(writer) for writer in writers]
        for number, article in articles:
            count += 1
            for write in writes:
                write(number, article)
    paths = sorted(path for name in request.formats for path in _files_of(partial, name, month))
    return tuple(_described(partial, path, count) for path in paths)


def _files_of(partial: Path, name: str, month: str) -> Iterator[Path]:
    for path in (partial / name).glob(f"{month}*"):
        if path.is_dir():
            sync_folder(path)
            yield from path.iterdir()
        else:
            yield path


def _described(partial: Path, path: Path, articles: int) -> DataFile:
    with path.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
    single = path.parent.parent != partial
    return DataFile(
        path=path.relative_to(partial).as_posix(),
        size_bytes=path.stat().st_size,
        sha256=digest,
        articles=1 if single else articles,
    )


def _gaps_of(corpus: Corpus, statistics: Statistics) -> tuple[Gap, ...]:
    if statistics.first is None or statistics.last is None:
        return ()
    return tuple(gap for gap in corpus.gaps() if gap.until >= statistics.first and gap.since <= statistics.last)


# --- complete or absent -----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Work:
    """The folder that is being filled, and which months of it are complete: kept in a file beside it."""

    folder: Path
    fingerprint: str
    months: dict[str, tuple[DataFile, ...]]

    @classmethod
    def open(cls, folder: Path, fingerprint: str) -> tuple[_Work, bool]:
        """Take up what an earlier call left; True: it was left for another state or request, and is started again."""
        state = _read_state(_state_path(folder))
        if folder.is_dir() and state.get("fingerprint") == fingerprint:
            months = {month: tuple(DataFile(**file) for file in files) for month, files in state["months"].items()}
            return cls(folder, fingerprint, months), False
        started_again = folder.exists()
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        work = cls(folder, fingerprint, {})
        work.save()
        return work, started_again

    def add_month(self, month: str, files: tuple[DataFile, ...]) -> None:
        """Remember that the files of a month are complete, and make them durable."""
        os.sync()  # texts are files of their own: to sync each takes ten times as long
        self.months[month] = files
        self.save()

    def save(self) -> None:
        """Write down what is complete."""
        months = {month: [asdict(file) for file in files] for month, files in self.months.items()}
        state = {"fingerprint": self.fingerprint, "months": months}
        write_durably(_state_path(self.folder), json.dumps(state).encode())


def _state_path(folder: Path) -> Path:
    return folder.with_name(f"{folder.name}.json")


def _read_state(path: Path) -> dict[str, Any]:  # Any: JSON that we wrote
    try:
        state = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return {}
    return state if isinstance(state, dict) else {}


def _fingerprint(corpus: Corpus, request: DatasetRequest, state: Position) -> str:
    facts = (request.formats, request.text, corpus.selection.as_facts(), request.config_hash, asdict(state))
    return hashlib.sha256(json.dumps(facts).encode()).hexdigest()


def _check_target(request: DatasetRequest) -> None:
    folder = request.folder
    if not folder.exists() or (folder.is_dir() and not any(folder.iterdir())):
        return
    if not request.replace:
        raise OutputError(f"{folder}: there is something already; name another folder, or add --replace")
    if not (folder / "manifest.json").is_file():
        raise OutputError(f"{folder}: --replace replaces datasets only, and here is no manifest.json")


def _put_in_place(folder: Path, partial: Path) -> None:
    """Give the complete folder its name."""
    old = folder.with_name(f".{folder.name}.old")
    if folder.exists():
        folder.rename(old)
    partial.rename(folder)
    sync_folder(folder.parent)
    shutil.rmtree(old, ignore_errors=True)
    _state_path(partial).unlink(missing_ok=True)


def _put_old_back(folder: Path) -> None:
    """Undo what a killed call had begun to replace; its own work is still in the partial folder."""
    old = folder.with_name(f".{folder.name}.old")
    if old.exists() and not folder.exists():
        old.rename(folder)
    shutil.rmtree(old, ignore_errors=True)
