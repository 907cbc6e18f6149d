"""Commands over what is stored: articles, export."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click

from aggregator.cli.frame import cli, load, print_json, print_table, printable
from aggregator.errors import ConfigError

if TYPE_CHECKING:
    from aggregator.models import Article
    from aggregator.settings import Config
    from aggregator.store import SqlStore


@contextmanager
def open_store_of(config: Config, *, readonly: bool = True) -> Iterator[SqlStore]:
    """Open the store of a configuration for reading; nothing is created.

    Raises:
        StorageError: there is none, or it cannot be used.
    """
    from aggregator.clock import SystemClock
    from aggregator.store import open_store

    store = open_store(config.storage.url, SystemClock(), create=False, readonly=readonly)
    try:
        yield store
    finally:
        store.close()


@cli.group()
def articles() -> None:
    """The corpus: list, show, search."""


@articles.command("list")
@click.option("--since", metavar="TIME", help="First seen at or after this ISO 8601 time or day (UTC).")
@click.option("--feed", default="", metavar="NAME_OR_URL", help="Only articles that this feed announced.")
@click.option("--quality", is_flag=True, help="Only those with reasons to doubt that they are articles.")
@click.option("--limit", type=click.IntRange(min=1), help="At most so many.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
@click.pass_context
def list_articles(
    ctx: click.Context, since: str | None, feed: str, quality: bool, limit: int | None, as_json: bool
) -> None:
    """List stored articles, oldest first."""
    from aggregator.ports import ArticleFilter
    from aggregator.sinks.records import article_record

    wanted = ArticleFilter(since=read_time(since), feed=feed, quality=quality, limit=limit)
    with open_store_of(load(ctx)) as store:
        if as_json:
            for article in store.articles(wanted):
                print_json(article_record(article))
        else:
            columns = ["id", "date", "title", "url"] + (["quality"] if quality else [])
            print_table(columns, (_row(article, quality) for article in store.articles(wanted)))


def _row(article: Article, quality: bool) -> list[str]:
    row = [article.id, article.content.date, article.content.title, article.url]
    return [*row, ", ".join(article.quality)] if quality else row


@articles.command("show")
@click.argument("id_or_url")
@click.option("--text", type=click.Choice(["seed", "body"]), default="seed", help="Which text to show.")
@click.option("--revisions", is_flag=True, help="Show how the text changed, as unified diffs.")
@click.option("--json", "as_json", is_flag=True, help="The record as one JSON object.")
@click.pass_context
def show_article(
    ctx: click.Context, id_or_url: str, text: Literal["seed", "body"], revisions: bool, as_json: bool
) -> None:
    """Show one article: by id or by any of its addresses."""
    from aggregator.identify import identify
    from aggregator.parts import publishers_of
    from aggregator.sinks.records import article_record, document

    config = load(ctx)
    with open_store_of(config) as store:
        key = identify(id_or_url, publishers_of(config)).key
        article = store.article(id_or_url, (key,) if key is not None else ())
        if article is None:
            print(f"aggregator: no article has the id or address {id_or_url!r}", file=sys.stderr)
            ctx.exit(1)
        if as_json:
            print_json(article_record(article, text))
        elif revisions:
            print(printable("\n".join(_diffs(store, article))))
        else:
            for name, value in _facts(article):
                print(printable(f"{name:<9}{value}"))
            print()
            print(printable(document(article.content, text)))


def _facts(article: Article) -> Iterator[tuple[str, str]]:
    content = article.content
    yield "id", article.id
    yield "title", content.title
    yield "authors", ", ".join(content.authors)
    yield "date", f"{content.published or content.date} ({content.date_source})"
    for index, url in enumerate(article.urls):
        yield "urls" if index == 0 else "", url
    yield "key", article.key
    yield "feeds", ", ".join(article.feeds)
    yield "revision", str(article.revision)
    if article.near_duplicate_of:
        yield "like", article.near_duplicate_of
    if article.quality:
        yield "quality", ", ".join(article.quality)


def _diffs(store: SqlStore, article: Article) -> Iterator[str]:
    import difflib

    from aggregator.sinks.records import document

    texts = [(f"revision {one.number}", document(one.content, "body")) for one in store.revisions(article.id)]
    if len(texts) == 1:
        yield "one revision: the text never changed"
    for (old_name, old), (new_name, new) in pairwise(texts):
        yield from difflib.unified_diff(old.split("\n"), new.split("\n"), old_name, new_name, lineterm="")


@articles.command("search")
@click.argument("query")
@click.option("--limit", type=click.IntRange(min=1), default=20, show_default=True, help="At most so many.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
@click.pass_context
def search_articles(ctx: click.Context, query: str, limit: int, as_json: bool) -> None:
    """Search titles and bodies, best match first."""
    from aggregator.sinks.records import article_record

    with open_store_of(load(ctx)) as store:
        found = store.search(query, limit)
    if as_json:
        for article, _ in found:
            print_json(article_record(article))
    else:
        print_table(["id", "date", "title", "match"], ([*_row(one, False)[:3], snippet] for one, snippet in found))


@cli.command()
@click.option("--format", "layout", type=click.Choice(["txt", "jsonl", "parquet", "warc"]), default="jsonl")
@click.option("--out", metavar="PATH", type=click.Path(path_type=Path), help="File, or folder for txt; else stdout.")
@click.option("--text", type=click.Choice(["seed", "body"]), default="seed", help="Which text to write.")
@click.option("--since", metavar="TIME", help="First seen at or after this ISO 8601 time or day (UTC).")
@click.option("--feed", default="", metavar="NAME_OR_URL", help="Only articles that this feed announced.")
@click.option(
    "--dedup", type=click.Choice(["none", "cluster"]), default="none", help="cluster: one of near duplicates."
)
@click.pass_context
def export(
    ctx: click.Context,
    layout: str,
    out: Path | None,
    text: Literal["seed", "body"],
    since: str | None,
    feed: str,
    dedup: str,
) -> None:
    """Write a dataset; without options JSON lines of all articles on stdout."""
    from aggregator.ports import ArticleFilter
    from aggregator.sinks import export as sink
    from aggregator.sinks.files import replaced_file

    config = load(ctx)
    with open_store_of(config) as store:
        found = store.articles(ArticleFilter(since=read_time(since), feed=feed))
        if dedup == "cluster":
            found = (article for article in found if article.near_duplicate_of is None)
        if layout == "txt" and out is not None:
            count = sink.write_text_files(found, out, text)
        elif layout == "txt":
            count = sink.write_text(found, sys.stdout.buffer, text)
        elif layout == "parquet":
            from aggregator.sinks.parquet import write_parquet

            count = write_parquet(found, _needed(out, layout), text)
        elif layout == "warc":
            from aggregator.clock import SystemClock
            from aggregator.parts import raw_folder
            from aggregator.rawstore import FileRawStore
            from aggregator.sinks.warc import write_warc

            raw = FileRawStore(raw_folder(config), SystemClock())
            with replaced_file(_needed(out, layout)) as stream:
                count = write_warc(((one, store.raw_of(one.id)) for one in found), raw.get, stream)
        elif out is not None:
            with replaced_file(out) as stream:
                count = sink.write_jsonl(found, stream, text)
        else:
            count = sink.write_jsonl(found, sys.stdout.buffer, text)
    if out is not None:
        print(f"{count} articles written to {out}", file=sys.stderr)


def _needed(out: Path | None, layout: str) -> Path:
    if out is None:
        raise ConfigError(f"export --format {layout}: names no file; add --out PATH")
    return out


def read_time(text: str | None) -> datetime | None:
    """Return the aware time that `text` means; a bare day begins at midnight UTC.

    Raises:
        ConfigError: it is neither.
    """
    if text is None:
        return None
    try:
        at = datetime.fromisoformat(text)
    except ValueError as error:
        raise ConfigError(f'--since: "{text}" is no ISO 8601 time; write 2026-11-01 or 2026-11-01T12:00:00Z') from error
    return at if at.tzinfo is not None else at.replace(tzinfo=UTC)
