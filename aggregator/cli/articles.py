"""The commands `articles list`, `articles show` and `articles search`, and functions that other commands share."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, closing
from datetime import UTC, datetime
from itertools import pairwise
from typing import TYPE_CHECKING

import click

from aggregator.cli.framework import cli, load, print_json, print_table, printable, say
from aggregator.errors import ConfigError

if TYPE_CHECKING:
    from aggregator.config.settings import Config
    from aggregator.models.articles import Article
    from aggregator.rawstore import FileRawStore
    from aggregator.sinks.records import TextChoice
    from aggregator.store import SqlStore
    from aggregator.text.search_words import Piece


def open_store_of(config: Config, *, readonly: bool = True) -> AbstractContextManager[SqlStore]:
    """Open the store that the configuration names. A missing store is not created.

    Raises:
        StorageError: there is no store, or the store cannot be used.
    """
    from aggregator.clock import SystemClock
    from aggregator.store import open_store

    return closing(open_store(config.storage.url, SystemClock(), create=False, readonly=readonly))


def raw_store_of(config: Config) -> FileRawStore:
    """Open the raw store that the configuration names: the folder with the fetched bytes of pages."""
    from aggregator.config.wiring import raw_folder
    from aggregator.rawstore import FileRawStore

    return FileRawStore(raw_folder(config))


@cli.group()
def articles() -> None:
    """Stored articles: list, show, search."""


@articles.command(
    "list",
    examples=(
        "aggregator articles list --since 2026-11-01",
        "aggregator articles list --feed 'DW English' --limit 20",
        "aggregator articles list --quality     # what may be no article, and why",
    ),
)
@click.option("--since", metavar="TIME", help="First seen at or after this ISO 8601 time or day (UTC).")
@click.option("--feed", default="", metavar="NAME_OR_URL", help="Only articles that this feed announced.")
@click.option("--quality", is_flag=True, help="Only those with reasons to doubt that they are articles.")
@click.option("--limit", type=click.IntRange(min=1), help="At most so many.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
@click.pass_context
def list_articles(
    ctx: click.Context, since: str | None, feed: str, quality: bool, limit: int | None, as_json: bool
) -> None:
    """List stored articles, oldest first.

    Columns: id, date, title, address; with --quality also the reasons to doubt.
    """
    from aggregator.ports.readings import ArticleFilter
    from aggregator.sinks.records import article_record

    at = read_time(since)
    with open_store_of(load(ctx)) as store:
        wanted = ArticleFilter(since=at, feed=known_feed(store, feed), quality=quality, limit=limit)
        if as_json:
            for article in store.articles(wanted):
                print_json(article_record(article))
        else:
            columns = ["id", "date", "title", "url"] + (["quality"] if quality else [])
            print_table(columns, (_row(article, quality) for article in store.articles(wanted)))


def _row(article: Article, quality: bool) -> list[str]:
    row = [article.id, article.content.date, article.content.title, article.url]
    return [*row, ", ".join(article.quality)] if quality else row


@articles.command(
    "show",
    examples=(
        "aggregator articles show 140eb00cdc832ed0",
        "aggregator articles show https://p.dw.com/p/4JNNH --text body",
        "aggregator articles show 140eb00cdc832ed0 --revisions",
    ),
)
@click.argument("id_or_url")
@click.option("--text", type=click.Choice(["seed", "body", "markdown"]), default="seed", help="Which text to show.")
@click.option("--revisions", is_flag=True, help="Show how the text changed, as unified diffs.")
@click.option("--json", "as_json", is_flag=True, help="The record as one JSON object.")
@click.pass_context
def show_article(ctx: click.Context, id_or_url: str, text: TextChoice, revisions: bool, as_json: bool) -> None:
    """Show one article, by id or by any of its addresses.

    Exit status 1: there is no such article.
    """
    from aggregator.config.wiring import load_rules
    from aggregator.identity.identify import identify
    from aggregator.sinks.records import article_record, document
    from aggregator.urls import is_http

    config = load(ctx)
    with open_store_of(config) as store:
        key = identify(id_or_url, load_rules(config, strict=True).publishers).key
        article = store.article(id_or_url, (key,) if key is not None else ())
        if article is None:
            hint = "; an address begins with https:// or http://" if "." in id_or_url and not is_http(id_or_url) else ""
            say(f"no article has the id or address {id_or_url!r}{hint}")
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


@articles.command("search", examples=("aggregator articles search 'Kherson pullout'",))
@click.argument("query")
@click.option("--limit", type=click.IntRange(min=1), default=20, show_default=True, help="At most so many.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
@click.pass_context
def search_articles(ctx: click.Context, query: str, limit: int, as_json: bool) -> None:
    """Search titles and bodies, best match first.

    An article matches if it has all words. "Words in quotes" must stand side by side. `begin*` matches every word that
    begins so. Case and accents do not matter. In scripts without blanks between words, a word is found wherever its
    characters stand side by side. With over 10,000 matches the newest come first.
    """
    from aggregator.ports.readings import ArticleSearch
    from aggregator.sinks.records import article_record

    with open_store_of(load(ctx)) as store:
        wanted = ArticleSearch(query=query.encode("utf-8", "replace").decode(), limit=limit)  # of stray bytes
        found = store.search(wanted).found
    if as_json:
        for one in found:
            print_json(article_record(one.article))
    else:
        rows = ([*_row(one.article, False)[:3], _with_brackets(one.snippet)] for one in found)
        print_table(["id", "date", "title", "match"], rows)


def _with_brackets(pieces: tuple[Piece, ...]) -> str:
    return "".join(f"[{piece}]" if matches else piece for piece, matches in pieces)


def known_feed(store: SqlStore, name: str) -> str:
    """Return `name`, the value of `--feed`, if it is "" or the name or URL of a feed in the store.

    Raises:
        ConfigError: no feed has this name or URL.
    """
    feeds = store.feeds(enabled_only=False) if name else ()
    if name and not any(name in (feed.name, feed.url) for feed in feeds):
        raise ConfigError(f"--feed {name}: no feed has this name or URL; see `aggregator feeds list`")
    return name


def read_time(text: str | None, option: str = "--since") -> datetime | None:
    """Return the value of a time option as an aware time in UTC. A day alone means its midnight UTC; None stays None.

    Raises:
        ConfigError: `text` is neither an ISO 8601 time nor a day. The message names `option`.
    """
    if text is None:
        return None
    try:
        at = datetime.fromisoformat(text)
        return at.astimezone(UTC) if at.tzinfo is not None else at.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        raise ConfigError(f'{option}: "{text}" is no ISO 8601 time; write 2026-11-01 or 2026-11-01T12:00:00Z') from None
