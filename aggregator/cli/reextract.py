"""The commands that change stored articles: reextract, filter, forget."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import asdict
from datetime import timedelta
from typing import TYPE_CHECKING

import click

from aggregator.cli.articles import open_store_of, raw_store_of
from aggregator.cli.framework import cli, load, number, print_json, printable, say
from aggregator.cli.progress import counted
from aggregator.errors import ConfigError
from aggregator.redaction import mask_password

if TYPE_CHECKING:
    from aggregator.config.settings import Config
    from aggregator.extraction.reextract import Difference
    from aggregator.models.ids import Key
    from aggregator.ports.readings import FilterChange
    from aggregator.store import SqlStore

_PUBLISH_WAIT = timedelta(seconds=60)
_READERS_WAIT = timedelta(seconds=10)


def publish_now(config: Config, store: SqlStore) -> None:
    """Publish the waiting changes to the outputs. If another process is publishing, wait for it up to a minute.

    If it is still publishing then, the changes stay for the next publishing, and a message says so.
    """
    from aggregator.config.wiring import sinks_of
    from aggregator.sinks.publish import publish

    if not publish(store, sinks_of(config), wait=_PUBLISH_WAIT).held:
        say("the changes wait to be published: another process holds the outputs")


@cli.command(examples=("aggregator reextract --dry-run", "aggregator reextract"))
@click.option("--dry-run", is_flag=True, help="Only say what would change.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line, for each article that changes.")
@click.pass_context
def reextract(ctx: click.Context, dry_run: bool, as_json: bool) -> None:
    """Extract the text of stored articles again from their kept raw pages, and report the changes.

    No request is made. The old text of a changed article stays as a revision. If a page gives no article now, its
    earlier article stays.
    """
    config = load(ctx)
    changed = failed = 0
    with open_store_of(config, readonly=False) as store:
        for difference in counted(_differences(config, store, dry_run=dry_run), "articles that change"):
            changed += difference.failed is None
            failed += difference.failed is not None
            if as_json:
                print_json(_record(difference))
            else:
                print(printable(_line(difference)))
        if not dry_run:
            publish_now(config, store)
    if not as_json:
        verb = "would change" if dry_run else "changed"
        print(f"{number(changed, 'article')} {verb}, {number(failed, 'page')} gave nothing this time")


def _differences(config: Config, store: SqlStore, *, dry_run: bool) -> Iterator[Difference]:
    from aggregator.config.wiring import filters_of, load_rules
    from aggregator.engine.pool import WorkerPool, result_of
    from aggregator.extraction.reextract import reextract as differences

    rules = load_rules(config, strict=True)
    if not dry_run:
        store.use_filters(filters_of(config))
    with closing(WorkerPool(config.extraction.workers or os.cpu_count() or 1, config.extraction.timeout)) as pool:
        yield from differences(
            store,
            raw_store_of(config),
            rules.publishers,
            rules.of_article,
            pool.submit,
            result_of,
            dry_run=dry_run,
        )


def _record(difference: Difference) -> dict[str, object]:
    failed = difference.failed
    return {
        "id": difference.article_id,
        "url": difference.url,
        "fields": list(difference.fields),
        "similarity": difference.similarity,
        "error": None if failed is None else f"{failed.cause}: {failed.detail}",
    }


def _line(difference: Difference) -> str:
    name = difference.article_id or "new article"
    if difference.failed is not None:
        return f"{name}  {difference.url}  gives nothing now: {difference.failed.cause}: {difference.failed.detail}"
    return f"{name}  {difference.url}  {', '.join(difference.fields)}  (body {difference.similarity:.0%} alike)"


@cli.command("filter", examples=("aggregator filter --dry-run", "aggregator filter"))
@click.option("--dry-run", is_flag=True, help="Only say what would go and what would come back.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line, for each page that changes.")
@click.pass_context
def filter_stored(ctx: click.Context, dry_run: bool, as_json: bool) -> None:
    """Apply the present filters to stored articles.

    No request is made. An article that a filter skips leaves the corpus and the outputs, but the store keeps its text.
    It comes back with the next call after the filter was removed. If an entry comes back whose page was never fetched,
    the next run fetches the page.
    """
    from aggregator.config.wiring import filters_of

    config = load(ctx)
    counts: Counter[tuple[bool, bool]] = Counter()
    with open_store_of(config, readonly=dry_run) as store:
        for change in counted(store.apply_filters(filters_of(config), dry_run=dry_run), "pages that change"):
            counts[change.is_skipped, change.article_id is not None] += 1
            if as_json:
                print_json(asdict(change))
            else:
                print(printable(mask_password(_filter_line(change))))
        if not dry_run:
            publish_now(config, store)
    if not as_json:
        verbs = ("would go", "would come back") if dry_run else ("went", "came back")
        print("; ".join(_filter_sum(counts, verb, is_skipped=verb == verbs[0]) for verb in verbs))


def _filter_sum(counts: Counter[tuple[bool, bool]], verb: str, *, is_skipped: bool) -> str:
    texts, entries = counts[is_skipped, True], counts[is_skipped, False]
    return f"{number(texts, 'article')} and {number(entries, 'entry', 'entries')} {verb}"


def _filter_line(change: FilterChange) -> str:
    by = f"  by {change.rule} ({change.place})" if change.rule else ""
    return f"{'goes' if change.is_skipped else 'comes back'}  {change.url}  {change.title!r}{by}"


@cli.command(
    examples=(
        "aggregator forget https://p.dw.com/p/4JNNH",
        "aggregator forget www.example.com   # and all hosts below it",
    )
)
@click.argument("url_or_host")
@click.option("--json", "as_json", is_flag=True, help="One JSON object: the ids of the articles, the raw pages erased.")
@click.pass_context
def forget(ctx: click.Context, url_or_host: str, as_json: bool) -> None:
    """Erase an article, or all articles of a host and of the hosts below it, for good.

    Texts, revisions, raw pages and output files are deleted; outputs get tombstones. The keys stay, so that no erased
    article is collected again. The database files are written anew, so that they hold no erased word. This takes as
    much time and disk space as a copy of the store. Exit status 1: nothing was stored of this address or host.
    """
    config = load(ctx)
    keys, hosts = _meant(url_or_host, config)
    with open_store_of(config, readonly=False) as store:
        gone, hashes = store.forget(keys, hosts)
        raw_store = raw_store_of(config)
        for content_hash in hashes:
            raw_store.delete(content_hash)
        publish_now(config, store)
        if not store.scrub(_READERS_WAIT):
            say("a reader holds an older state: words may be left in the files; call this again when it has ended")
    if as_json:
        print_json({"articles": list(gone), "raw": list(hashes)})
    else:
        print(f"{number(len(gone), 'article')} and {number(len(hashes), 'raw page')} erased")
    if not gone and not hashes:
        say(f"{url_or_host}: nothing of it was stored")
        ctx.exit(1)


def _meant(url_or_host: str, config: Config) -> tuple[Sequence[Key], Sequence[str]]:
    """Return the keys to forget, if the argument is an address; or the hosts, if it is a host name.

    Raises:
        ConfigError: the argument is neither an article's address nor a host.
    """
    from aggregator.config.wiring import load_rules
    from aggregator.identity.identify import identify
    from aggregator.urls import host_of, is_http

    if is_http(url_or_host):
        key = identify(url_or_host, load_rules(config, strict=True).publishers).key
        if key is None:
            raise ConfigError(f"{url_or_host}: cannot mean an article; to forget all of a host, name the host alone")
        return (key,), ()
    host = host_of(f"http://{url_or_host}/").rpartition(":")[0]
    if not host or set(url_or_host) & set("/?#@ "):
        raise ConfigError(f"{url_or_host}: is neither an address nor a host; write https://... in full, or the host")
    return (), (host,)
