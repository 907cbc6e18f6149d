"""Commands over the subscriptions: they edit `feeds` in the configuration and keep its comments."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from aggregator.cli.frame import cli, load, print_json, print_table
from aggregator.errors import ConfigError

if TYPE_CHECKING:
    from aggregator.models import Feed, FetchResult
    from aggregator.settings import Config
    from aggregator.subscriptions import FoundFeed


@cli.group()
def feeds() -> None:
    """Subscriptions: list, add, remove, import, export, discover, test."""


@feeds.command("list")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
@click.pass_context
def list_feeds(ctx: click.Context, as_json: bool) -> None:
    """List the feeds of the configuration with what the store knows about them."""
    from aggregator.cli.corpus import open_store_of
    from aggregator.errors import StorageError
    from aggregator.settings import same_address

    config = load(ctx)
    known: dict[str, Feed] = {}
    try:
        with open_store_of(config) as store:
            known = {same_address(feed.url): feed for feed in store.feeds(enabled_only=False)}
    except StorageError:
        if config.storage.sqlite_path is None or config.storage.sqlite_path.exists():
            raise  # a store that is not there yet only means that nothing was polled
    rows = []
    for listed in config.subscriptions():
        feed = known.get(same_address(listed.url))
        state = feed.state if feed is not None else None
        rows.append(
            {
                "url": listed.url,
                "name": listed.name or (state.title if state is not None else ""),
                "enabled": listed.enabled,
                "tags": list(listed.tags),
                "status": state.status.value if state is not None else "new",
                "cause": state.cause.value if state is not None and state.cause is not None else None,
                "polled_at": state.polled_at.isoformat() if state is not None and state.polled_at else None,
                "due_at": state.due_at.isoformat() if state is not None else None,
                "moved_to": state.adopted_url if state is not None else None,
            }
        )
    if as_json:
        for row in rows:
            print_json(row)
    else:
        columns = ("name", "url", "status", "cause", "polled_at", "due_at")
        print_table(columns, ([row[name] or "" for name in columns] for row in rows))


@feeds.command("add")
@click.argument("url")
@click.option("--name", default="", help="What listings call it.")
@click.option("--interval", metavar="DURATION", help='Poll this often instead of adaptively, like "10m".')
@click.option("--tag", "tags", multiple=True, help="A word of yours, kept with every article; may be repeated.")
@click.option("--no-full-text", is_flag=True, help="Keep what the feed carries and fetch no pages.")
@click.pass_context
def add(
    ctx: click.Context, url: str, name: str, interval: str | None, tags: tuple[str, ...], no_full_text: bool
) -> None:
    """Add a feed; the address of a site adds the feed that it advertises."""
    from aggregator.configfile import add_feed
    from aggregator.models import Subscription
    from aggregator.units import parse_duration

    config = load(ctx)
    try:
        every = parse_duration(interval) if interval is not None else None
    except ValueError as error:
        raise ConfigError(f'--interval: "{interval}" {error}') from error
    address = _feed_address(config, url)
    subscription = Subscription(url=address, name=name, interval=every, tags=tags, full_text=not no_full_text)
    add_feed(config.path, subscription)
    print(f"added {address}")


def _feed_address(config: Config, url: str) -> str:
    """Return the address to add: `url` itself, or the best feed that the page behind it advertises.

    An address that cannot be reached now is added as it is: the daemon will say when it works.
    """
    from aggregator.models import Fetched

    result = _fetch(config, url)
    if not isinstance(result, Fetched):
        print(f"aggregator: {url}: not reached just now ({_failure(result)}); added all the same", file=sys.stderr)
        return url
    parsed, found = _look_at(result)
    if parsed == "feed":
        return url
    if not found:
        raise ConfigError(f"feeds add {url}: neither a feed nor a page that advertises one; see feeds discover")
    for other in found[1:]:
        print(f"aggregator: the page also advertises {other.url} {other.title!r}", file=sys.stderr)
    return found[0].url


def _look_at(result: FetchResult) -> tuple[str | None, tuple[FoundFeed, ...]]:
    from aggregator.clock import SystemClock
    from aggregator.models import Fetched
    from aggregator.parse import parse_feed
    from aggregator.subscriptions import find_feeds

    assert isinstance(result, Fetched)
    parsed = parse_feed(result.body, url=result.final_url, headers=dict(result.headers), now=SystemClock().now())
    return parsed.kind, find_feeds(result.body, result.final_url) if parsed.kind == "html" else ()


def _fetch(config: Config, url: str) -> FetchResult:
    from aggregator.clock import SystemClock
    from aggregator.fetch import HttpFetcher
    from aggregator.models import FetchRequest
    from aggregator.parts import fetch_limits

    fetcher = HttpFetcher(fetch_limits(config), SystemClock())
    try:
        return fetcher.fetch(
            FetchRequest(
                url=url, accept="feed", max_bytes=config.http.max_feed_size, deadline=config.http.total_timeout
            )
        )
    finally:
        fetcher.close()


def _failure(result: FetchResult) -> str:
    from aggregator.models import FetchFailed

    return f"{result.cause}: {result.detail}" if isinstance(result, FetchFailed) else type(result).__name__


@feeds.command("remove")
@click.argument("name_or_url")
@click.pass_context
def remove(ctx: click.Context, name_or_url: str) -> None:
    """Take a feed out of the configuration; what it brought stays."""
    from aggregator.configfile import remove_feed

    if not remove_feed(load(ctx).path, name_or_url):
        print(f"aggregator: no feed has the name or URL {name_or_url!r}", file=sys.stderr)
        ctx.exit(1)
    print(f"removed {name_or_url}")


@feeds.command("import")
@click.argument("file", metavar="OPML", type=click.Path(path_type=Path))
@click.pass_context
def import_opml(ctx: click.Context, file: Path) -> None:
    """Add the feeds of an OPML file; folders become tags, feeds that are there already stay as they are."""
    from aggregator.configfile import add_feeds
    from aggregator.subscriptions import read_opml

    config = load(ctx)
    try:
        found = read_opml(file.read_bytes())
    except ConfigError as error:
        raise ConfigError(f"{file}: {error}") from error
    added = add_feeds(config.path, found)
    print(f"{len(added)} feeds added, {len(found) - len(added)} were there")


@feeds.command("export")
@click.option("--out", metavar="PATH", type=click.Path(path_type=Path), help="File; else stdout.")
@click.pass_context
def export_opml(ctx: click.Context, out: Path | None) -> None:
    """Write the feeds as OPML."""
    from aggregator.sinks.files import write_durably
    from aggregator.subscriptions import write_opml

    data = write_opml(load(ctx).subscriptions())
    if out is None:
        sys.stdout.buffer.write(data)
    else:
        write_durably(out, data)


@feeds.command("discover")
@click.argument("url")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
@click.pass_context
def discover(ctx: click.Context, url: str, as_json: bool) -> None:
    """List the feeds that a page advertises, best first; without any, try the usual places."""
    from aggregator.cli.frame import load_or_default
    from aggregator.models import Fetched
    from aggregator.subscriptions import WELL_KNOWN_PATHS, FoundFeed
    from aggregator.urls import absolute

    config = load_or_default(ctx)
    result = _fetch(config, url)
    if not isinstance(result, Fetched):
        print(f"aggregator: {url}: {_failure(result)}", file=sys.stderr)
        ctx.exit(1)
    kind, found = _look_at(result)
    if kind == "feed":
        found = (FoundFeed(url=result.final_url, title="", type="the address itself"),)
    if not found:
        for path in WELL_KNOWN_PATHS:
            place = absolute(result.final_url, path)
            answer = _fetch(config, place) if place is not None else None
            if isinstance(answer, Fetched) and _look_at(answer)[0] == "feed":
                found = (FoundFeed(url=answer.final_url, title="", type="a usual place"),)
                break
    if not found:
        print(f"aggregator: {url}: advertises no feed", file=sys.stderr)
        ctx.exit(1)
    if as_json:
        for one in found:
            print_json({"url": one.url, "title": one.title, "type": one.type})
    else:
        print_table(("url", "title", "type"), ((one.url, one.title, one.type) for one in found))


@feeds.command("test")
@click.argument("url")
@click.option("--json", "as_json", is_flag=True, help="The result as one JSON object.")
@click.pass_context
def test(ctx: click.Context, url: str, as_json: bool) -> None:
    """Fetch a feed once and say what it is, without storing anything; exit 1 when it is no feed."""
    from aggregator.cli.frame import load_or_default
    from aggregator.clock import SystemClock
    from aggregator.models import Fetched
    from aggregator.parse import parse_feed

    result = _fetch(load_or_default(ctx), url)
    row: dict[str, object] = {"url": url, "ok": False}
    if isinstance(result, Fetched):
        parsed = parse_feed(result.body, url=result.final_url, headers=dict(result.headers), now=SystemClock().now())
        row |= {
            "ok": parsed.kind == "feed",
            "format": parsed.format,
            "title": parsed.title,
            "entries": len(parsed.entries),
            "final_url": result.final_url,
            "validators": result.validators.etag is not None or result.validators.last_modified is not None,
            "error": parsed.error or ("an HTML page" if parsed.kind == "html" else ""),
        }
    else:
        row["error"] = _failure(result)
    if as_json:
        print_json(row)
    else:
        for name, value in row.items():
            print(f"{name:<11}{value}")
    ctx.exit(0 if row["ok"] else 1)
