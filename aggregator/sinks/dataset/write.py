"""Writes a dataset: a folder with files of articles for each month and format, a manifest and a card.

The folder is complete or absent. The files are first written to `.NAME.partial` beside it. If a call is killed, the
next one continues there. All times come from the store and none from the clock: the same store gives the same bytes.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field, replace
from itertools import groupby
from pathlib import Path
from typing import Any, Literal

from pydantic_core import to_json

from aggregator.durable_files import sync_folder, write_durably
from aggregator.errors import OutputError
from aggregator.models.articles import Article
from aggregator.models.ids import ArticleId
from aggregator.ports.readings import Gap, Position
from aggregator.sinks.dataset.card import write_card
from aggregator.sinks.dataset.corpus import Corpus
from aggregator.sinks.dataset.manifest import DataFile, Manifest, content_hash, write_data_package, write_manifest
from aggregator.sinks.dataset.statistics import Statistics
from aggregator.sinks.export import FOLDERS, Numbered, writers_of
from aggregator.sinks.records import TextChoice, article_record, json_bytes

Format = Literal["txt", "md", "jsonl", "jsonl.zst", "parquet", "warc"]


@dataclass(frozen=True, slots=True, kw_only=True)
class DatasetRequest:
    """The options of a dataset. `replace`: the new dataset may replace an old one in `folder`."""

    folder: Path
    formats: tuple[Format, ...]
    text: TextChoice = "seed"
    replace: bool = False
    config_hash: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class DatasetReport:
    """The result of `write_dataset`. `resumed` is the number of months whose files an earlier call had written.

    `started_again`: the files of an earlier call were deleted, since the options or the store have changed.
    """

    articles: int
    files: int
    resumed: int
    started_again: bool


def write_dataset(corpus: Corpus, request: DatasetRequest) -> DatasetReport:
    """Write the dataset, or complete a dataset that an earlier call began.

    An earlier call is completed only if the options and the store are unchanged. Otherwise the work starts again.

    Raises:
        OutputError: the folder is not empty and may not be replaced.
        MissingExtraError: a format needs a package that is not installed.
        OSError: a file could not be written; the next call uses the files of complete months.
    """
    if (finished := _finish_killed(corpus, request)) is not None:
        return finished
    _check_target(request)
    try:
        return _write(corpus, request)
    except _OtherStateError:
        return replace(_write(corpus, request, resumes=False), started_again=True)


class _OtherStateError(Exception):
    """The articles that an earlier call wrote for a month differ from those in the store now."""


def _write(corpus: Corpus, request: DatasetRequest, *, resumes: bool = True) -> DatasetReport:
    folder = request.folder
    partial = _partial_of(folder)
    state = corpus.snapshot.position()
    work, started_again = _Work.open(partial, _fingerprint(corpus, request, state), resumes=resumes)
    resumed = len(work.months)
    contents = _Contents(text=request.text)
    for month, records in groupby(contents.of(corpus.selected()), lambda one: str(one[2]["first_seen"])[:7]):
        if month in work.months:
            for _ in records:  # an earlier call wrote them; they are counted all the same
                pass
            if contents.end_month() != work.months[month].digest:
                raise _OtherStateError  # not every difference is a change: another feed shows an article, too
        else:
            files = _write_month(partial, month, records, corpus, request)
            work.add_month(month, _Month(files=files, digest=contents.end_month()))
    statistics = contents.statistics
    manifest = Manifest(
        state=state,
        formats=request.formats,
        text=request.text,
        filters=corpus.selection.as_facts(),
        config_hash=request.config_hash,
        statistics=statistics,
        files=tuple(file for month in sorted(work.months) for file in work.months[month].files),
        hashes=contents.hashes,
    )
    write_card(partial, manifest, _gaps_of(corpus, statistics))
    write_data_package(partial, manifest)
    write_manifest(partial, manifest)
    _put_in_place(folder, partial)
    return DatasetReport(
        articles=statistics.articles, files=len(manifest.files), resumed=resumed, started_again=started_again
    )


@dataclass(slots=True, kw_only=True)
class _Contents:
    """The statistics and content hashes of the dataset, and the digest of the month that is being written."""

    text: TextChoice
    statistics: Statistics = field(default_factory=Statistics)
    hashes: dict[ArticleId, str] = field(default_factory=dict)
    digest: Any = field(default_factory=hashlib.sha256)  # of the month so far; Any: hashlib has no name for it

    def of(self, articles: Iterable[Article]) -> Iterator[Numbered]:
        """Yield each article with its number in the dataset and its record, and count it."""
        for number, article in enumerate(articles):
            record = article_record(article, self.text)
            words = record["word_count"]
            self.statistics.add(article, words if isinstance(words, int) else 0)
            digest = self.hashes[article.id] = content_hash(article)
            self.digest.update(digest.encode())
            markdown = article.content.markdown
            self.digest.update((markdown or "").encode("utf-8", "replace"))  # texts need no escapes here
            self.digest.update(json_bytes({**record, "text": "", "body": "", "markdown": markdown is None}))
            yield number, article, record

    def end_month(self) -> str:
        """Return the digest of the month's records, and begin the digest of the next month."""
        digest, self.digest = self.digest.hexdigest(), hashlib.sha256()
        return str(digest)


def _write_month(
    partial: Path, month: str, records: Iterable[Numbered], corpus: Corpus, request: DatasetRequest
) -> tuple[DataFile, ...]:
    """Write the files of one month in all formats; return them."""
    count = 0
    with ExitStack() as open_files:
        writers = writers_of(request.formats, partial, month, request.text, corpus.raw_pages)
        writes = [open_files.enter_context(writer) for writer in writers]
        for one in records:
            count += 1
            for write in writes:
                write(*one)
    folders = {FOLDERS.get(name, name) for name in request.formats}
    paths = sorted(path for name in folders for path in _files_of(partial, name, month))
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
    return tuple(
        gap for gap in corpus.snapshot.gaps() if gap.until >= statistics.first and gap.since <= statistics.last
    )


# --- complete or absent -----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class _Month:
    """The files of a complete month, and the digest of the records that they contain."""

    files: tuple[DataFile, ...]
    digest: str


@dataclass(frozen=True, slots=True)
class _Work:
    """The folder `.NAME.partial`, in which the dataset is written. A file beside it lists the complete months.

    `fingerprint` is a hash of the options and of the store's state.
    """

    folder: Path
    fingerprint: str
    months: dict[str, _Month]

    @classmethod
    def open(cls, folder: Path, fingerprint: str, *, resumes: bool) -> tuple[_Work, bool]:
        """Return the work in `folder`, and whether files of an earlier call were deleted.

        The files of complete months are kept if `resumes` is set and the fingerprint is unchanged; otherwise none.
        """
        state = _read_state(_state_path(folder))
        if resumes and folder.is_dir() and state.get("fingerprint") == fingerprint:
            work = cls(folder, fingerprint, _months_of(state))
            work.remove_others()
            return work, False
        started_again = folder.exists()
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        work = cls(folder, fingerprint, {})
        work.save()
        return work, started_again

    def add_month(self, month: str, made: _Month) -> None:
        """Note that the files of a month are complete, after they are on the disk."""
        os.sync()  # texts are files of their own: to sync each takes ten times as long
        self.months[month] = made
        self.save()

    def remove_others(self) -> None:
        """Remove all files that belong to no complete month: an earlier call was killed while it wrote them."""
        complete = {self.folder / file.path for month in self.months.values() for file in month.files}
        for path in sorted(self.folder.rglob("*"), reverse=True):  # a folder is synced after its files
            if path.is_file() and path not in complete:
                path.unlink()
            elif path.is_dir() and not any(path.iterdir()):
                path.rmdir()

    def save(self) -> None:
        """Write the list of complete months to its file."""
        write_durably(_state_path(self.folder), to_json({"fingerprint": self.fingerprint, "months": self.months}))


def _partial_of(folder: Path) -> Path:
    return folder.with_name(f".{folder.name}.partial")


def _state_path(folder: Path) -> Path:
    return folder.with_name(f"{folder.name}.json")


def _read_state(path: Path) -> dict[str, Any]:  # Any: JSON that we wrote
    try:
        state = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return {}
    return state if isinstance(state, dict) else {}


def _months_of(state: dict[str, Any]) -> dict[str, _Month]:
    return {
        month: _Month(files=tuple(DataFile(**file) for file in kept["files"]), digest=kept["digest"])
        for month, kept in state["months"].items()
    }


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
    """Rename `partial` to `folder`, and delete the dataset that was there before."""
    old = folder.with_name(f".{folder.name}.old")
    if folder.exists():
        folder.rename(old)
    partial.rename(folder)
    sync_folder(folder.parent)
    shutil.rmtree(old, ignore_errors=True)
    _state_path(partial).unlink(missing_ok=True)


def _finish_killed(corpus: Corpus, request: DatasetRequest) -> DatasetReport | None:
    """Return the report of a dataset that an earlier, killed call had completed; None: it must be written.

    Files that a call killed in `_put_in_place` left are removed or put back.
    """
    folder = request.folder
    partial, old = _partial_of(folder), folder.with_name(f".{folder.name}.old")
    if not folder.exists() and old.exists():  # the work of that call is still in the partial folder
        old.rename(folder)
    shutil.rmtree(old, ignore_errors=True)
    state = _read_state(_state_path(partial))
    if not state or partial.exists():
        return None
    _state_path(partial).unlink()
    if state.get("fingerprint") != _fingerprint(corpus, request, corpus.snapshot.position()) or not folder.exists():
        return None
    months = _months_of(state)
    manifest = json.loads((folder / "manifest.json").read_bytes())
    return DatasetReport(
        articles=manifest["count"], files=len(manifest["files"]), resumed=len(months), started_again=False
    )
