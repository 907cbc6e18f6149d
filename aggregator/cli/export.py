"""The command `export`: writes articles to stdout, to one file, or as a dataset to a folder."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from aggregator.cli.articles import known_feed, open_store_of, raw_store_of, read_time
from aggregator.cli.framework import cli, load, number, say
from aggregator.cli.progress import counted
from aggregator.errors import ConfigError, OutputError

if TYPE_CHECKING:
    from aggregator.config.settings import Config
    from aggregator.sinks.dataset.corpus import Corpus
    from aggregator.sinks.dataset.write import Format
    from aggregator.sinks.records import TextChoice
    from aggregator.store import SqlStore

_FORMATS = ("txt", "md", "jsonl", "jsonl.zst", "parquet", "warc")
_CHANGES_AT_ONCE = 200
_WRITES = ("folder", "formats", "out", "replace")
_SELECTS = ("since", "until", "feed", "tag", "language", "category", "free", "rights", "dedup", "quality")


@cli.command(
    examples=(
        "aggregator export > corpus.jsonl",
        "aggregator export --text body --since 2026-11-01 --dedup cluster > corpus.jsonl",
        "aggregator export dataset/ --format parquet --format txt --quality strict",
        "aggregator export dataset/ --replace --diff old-manifest.json",
        "aggregator export --since-cursor 4711 > changes.jsonl",
        "aggregator export --format parquet --out corpus.parquet",
    )
)
@click.argument("folder", required=False, type=click.Path(path_type=Path, file_okay=False))
@click.option(
    "--format",
    "formats",
    type=click.Choice(_FORMATS),
    multiple=True,
    help="Records, texts, Markdown, Parquet, raw pages; FOLDER takes several.  [default: jsonl]",
)
@click.option("--out", metavar="PATH", type=click.Path(path_type=Path), help="File, or folder for txt; else stdout.")
@click.option("--text", type=click.Choice(["seed", "body", "markdown"]), default="seed", help="Which text to write.")
@click.option("--since", metavar="TIME", help="First seen at or after this ISO 8601 time or day (UTC).")
@click.option("--until", metavar="TIME", help="First seen before this ISO 8601 time or day (UTC).")
@click.option("--feed", default="", metavar="NAME_OR_URL", help="Only articles that this feed announced.")
@click.option("--tag", default="", metavar="TAG", help="Only articles with this tag.")
@click.option("--language", default="", metavar="CODE", help="Only this language; en takes en-GB, too.")
@click.option("--category", default="", metavar="NAME", help="Only articles with this keyword of page or feed.")
@click.option("--free", is_flag=True, help="Only what everybody may read, as the page states.")
@click.option("--rights", is_flag=True, help="Leave out what reserves mining or forbids AI use.")
@click.option(
    "--dedup",
    type=click.Choice(["none", "cluster", "longest"]),
    default="none",
    help="cluster: the earliest of near duplicates; longest: the longest.",
)
@click.option(
    "--quality", type=click.Choice(["any", "strict"]), default="any", help="strict: without any reason to doubt."
)
@click.option("--diff", metavar="MANIFEST", type=click.Path(path_type=Path), help="Print what changed since then.")
@click.option("--since-cursor", metavar="N", type=click.IntRange(min=0), help="The changes after this one, as JSONL.")
@click.option("--replace", is_flag=True, help="Take the place of an export that lies there.")
@click.pass_context
def export(
    ctx: click.Context,
    /,
    folder: Path | None,
    formats: tuple[Format, ...],
    out: Path | None,
    text: TextChoice,
    since: str | None,
    until: str | None,
    diff: Path | None,
    since_cursor: int | None,
    replace: bool,
    **filters: Any,  # the other fields of a Selection, as they are
) -> None:
    """Write articles: a dataset in FOLDER, a file, or JSON lines on stdout.

    A dataset is a folder with a manifest and a card. The folder appears only when it is complete. If a call was
    stopped, repeat it: the same call continues the work. The same store gives the same bytes.

    The field `text` of a record is the whole page in the seed format, with menus and footers; --text chooses another
    text. The field `body` is the article alone.
    """
    from aggregator.sinks.dataset.corpus import Corpus
    from aggregator.sinks.dataset.selection import Selection

    _check(folder, formats, out)
    if since_cursor is not None:
        _refuse(ctx, (*_WRITES, *_SELECTS, "diff"), "--since-cursor", "it prints every change as JSON lines")
    elif diff is not None and folder is None:
        _refuse(ctx, (*_WRITES, "text"), "--diff", "without FOLDER it only prints what differs")
    selection = Selection(since=read_time(since), until=read_time(until, "--until"), **filters)
    config = load(ctx)
    with open_store_of(config) as store, store.snapshot() as snapshot:
        known_feed(store, selection.feed)
        corpus = Corpus(
            snapshot=snapshot,
            raw=raw_store_of(config).get,
            selection=selection,
            progress=lambda articles: counted(articles, "articles"),
        )
        if since_cursor is not None:
            _write_changes(store, since_cursor, text)
        elif folder is not None:
            _write_folder(corpus, folder, formats or ("jsonl",), text, config, replace=replace)
        elif diff is None:
            _write_single(corpus, (formats or ("jsonl",))[0], out, text, replace=replace)
        if diff is not None:
            _print_diff(corpus, diff)


def _check(folder: Path | None, formats: Sequence[str], out: Path | None) -> None:
    if folder is not None and out is not None:
        raise ConfigError(f"export: FOLDER {folder} and --out {out} exclude each other")
    if folder is not None and not folder.resolve().name:
        raise ConfigError(f"export: FOLDER {folder} has no name; name a folder in it")
    if folder is None and len(formats) > 1:
        raise ConfigError("export: several formats need a folder; write `aggregator export FOLDER --format …`")
    if folder is None and formats == ("md",):
        raise ConfigError("export --format md: needs a folder; write `aggregator export FOLDER --format md`")
    if folder is None and out is None and formats and formats[0] not in ("txt", "jsonl", "jsonl.zst"):
        raise ConfigError(f"export --format {formats[0]}: names no file; add --out PATH")


def _refuse(ctx: click.Context, names: Sequence[str], option: str, reason: str) -> None:
    """Raise ConfigError with `reason` if the call has `option` and also one of the options `names`.

    `--format jsonl` is allowed, since it is the default.
    """
    for parameter in ctx.command.params:
        is_given = ctx.get_parameter_source(parameter.name or "") is not ParameterSource.DEFAULT
        if parameter.name in names and is_given and ctx.params[parameter.name] != ("jsonl",):
            raise ConfigError(f"export {option}: {reason}; leave out {parameter.get_error_hint(ctx)}")


def _write_folder(
    corpus: Corpus, folder: Path, formats: tuple[Format, ...], text: TextChoice, config: Config, *, replace: bool
) -> None:
    from aggregator.sinks.dataset.write import DatasetRequest, write_dataset

    request = DatasetRequest(
        folder=folder.resolve(),
        formats=tuple(dict.fromkeys(formats)),
        text=text,
        replace=replace,
        config_hash=config.config_hash,
    )
    try:
        report = write_dataset(corpus, request)
    except OSError as error:
        reason = error.strerror or error
        raise OutputError(f"{folder}: {reason}; make room and call again, or name another folder") from error
    if report.started_again:
        say(f"{folder}: the store or the request has changed since an earlier call was stopped; started again")
    if report.resumed:
        say(f"{folder}: resumed after {number(report.resumed, 'month')}")
    say(f"{number(report.articles, 'article')} in {number(report.files, 'file')} written to {folder}")


def _write_single(corpus: Corpus, layout: str, out: Path | None, text: TextChoice, *, replace: bool) -> None:
    """Write the articles to stdout or to the file `out`; with the layout "txt" to files in the folder `out`."""
    from aggregator.durable_files import replaced_file
    from aggregator.sinks.export import write_articles, write_text_files

    found = corpus.selected()
    if out is None:
        write_articles(found, layout, sys.stdout.buffer, text, corpus.raw_pages)
        return
    try:
        if layout == "txt":
            written = write_text_files(found, out, text, replace=replace)
        else:
            with replaced_file(out) as stream:
                written = write_articles(found, layout, stream, text, corpus.raw_pages)
    except OSError as error:
        raise OutputError(f"{out}: {error.strerror or error}; make room or name another place with --out") from error
    say(f"{number(written, 'article')} written to {out}")


def _write_changes(store: SqlStore, cursor: int, text: TextChoice) -> None:
    """Print all changes with a number above `cursor` as JSON lines.

    A line has the present state of its article. The line of a deleted article (a tombstone) has no article.
    """
    from aggregator.sinks.outputs.lines import change_lines

    state = store.position()
    if cursor > state.seq:
        raise ConfigError(f"--since-cursor {cursor}: the last change is {state.seq}; is this another store?")
    while changes := store.changes_after(cursor, _CHANGES_AT_ONCE):
        sys.stdout.buffer.write(change_lines(changes, state.epoch, text))
        cursor = changes[-1].seq


def _print_diff(corpus: Corpus, manifest: Path) -> None:
    """Print `added`, `changed` or `removed`, and the id, of each article that differs from an older manifest."""
    from aggregator.sinks.dataset.manifest import compare, content_hash, read_hashes

    old = read_hashes(manifest)
    diff = compare(old, {article.id: content_hash(article) for article in corpus.selected()})
    for kind, ids in (("added", diff.added), ("changed", diff.changed), ("removed", diff.removed)):
        for article_id in ids:
            print(kind, article_id, sep="\t")
    say(f"since {manifest}: {len(diff.added)} added, {len(diff.changed)} changed, {len(diff.removed)} removed")
