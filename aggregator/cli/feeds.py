"""Commands over the subscriptions: they edit `feeds` in the configuration and keep its comments."""

from __future__ import annotations

import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import click

from aggregator.cli.framework import cli, load, load_or_default, number, print_json, print_table, printable, say
from aggregator.cli.inputs import failure_of, fetch, read_file
from aggregator.errors import ConfigError

if TYPE_CHECKING:
    from aggregator.config.settings import Config
    from aggregator.feeds.discovery import FoundFeed
    from aggregator.models.feeds import Feed, ParsedFeed
    from aggregator.models.fetching import Fetched


@cli.group()
def feeds() -> None:
    """Subscriptions: list, add, remove, import, export, discover, test.

    They stand as [[feeds]] in the configuration, or in feeds.toml beside it. `add`, `remove` and `import` edit that
    file and keep its comments; a running daemon reads it again.
    """


@feeds.command("list", examples=("aggregator feeds list", "aggregator feeds list --json | jq -r .url"))
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
@click.pass_context
def list_feeds(ctx: click.Context, as_json: bool) -> None:
    """List the feeds, with what the store knows about them.

    Columns: name, address, status, cause of a failure, last poll, next poll.
    """
    from aggregator.cli.articles import open_store_of
    from aggregator.config.settings import same_address
    from aggregator.errors import NoStoreError
    from aggregator.redaction import mask_password
    from aggregator.subscriptions import subscriptions_of

    config = load(ctx)
    known: dict[str, Feed] = {}
    subscriptions = config.subscriptions()
    with suppress(NoStoreError), open_store_of(config) as store:  # without one nothing was polled yet
        subscriptions = subscriptions_of(store, config)
        known = {same_address(feed.url): feed for feed in store.feeds(enabled_only=False)}
    rows = []
    for listed in subscriptions:
        feed = known.get(same_address(listed.url))
        state = feed.state if feed is not None else None
        rows.append(
            {
                "url": mask_password(listed.url),
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


@feeds.command(
    "add",
    examples=(
        "aggregator feeds add https://rss.dw.com/rdf/rss-en-all --name 'DW English' --tag news",
        "aggregator feeds add https://www.dw.com/        # the feed that this page advertises",
        "aggregator feeds add https://example.com/feed --interval 10m",
    ),
)
@click.argument("url")
@click.option("--name", default="", help="What listings call it.")
@click.option("--interval", metavar="DURATION", help='Poll this often instead of adaptively, like "10m".')
@click.option("--tag", "tags", multiple=True, help="A word of yours, kept with every article; may be repeated.")
@click.option("--no-full-text", is_flag=True, help="Keep what the feed carries and fetch no pages.")
@click.pass_context
def add(
    ctx: click.Context, url: str, name: str, interval: str | None, tags: tuple[str, ...], no_full_text: bool
) -> None:
    """Add a feed, or the feed that a site advertises.

    The address is asked once; what cannot be reached just now is added all the same.
    """
    from aggregator.config.editing import add_feed
    from aggregator.models.feeds import Subscription
    from aggregator.text.units import parse_duration

    _check_address(url)
    config = load(ctx)
    try:
        every = parse_duration(interval) if interval is not None else None
    except ValueError as error:
        raise ConfigError(f'--interval: "{interval}" {error}') from None
    address = _feed_address(config, url)
    subscription = Subscription(url=address, name=name, interval=every, tags=tags, full_text=not no_full_text)
    add_feed(config.path, subscription)
    print(f"added {address}")


def _feed_address(config: Config, url: str) -> str:
    """Return the address to add: `url` itself, or the best feed that the page behind it advertises.

    An address that cannot be reached just now is added as it is: the daemon will say when it works.

    Raises:
        ConfigError: nothing that could be a feed is or was there.
    """
    from aggregator.models.fetching import Cause, Fetched, FetchFailed

    result = fetch(config, url)
    if isinstance(result, FetchFailed) and result.cause in (Cause.NOT_FOUND, Cause.GONE, Cause.FORBIDDEN_ADDRESS):
        raise ConfigError(f"{url}: {failure_of(result)}; see `aggregator feeds discover`")
    if not isinstance(result, Fetched):
        say(f"{url}: not reached just now ({failure_of(result)}); added all the same")
        return url
    kind, found = _look_at(result)
    if kind == "feed":
        return url
    if not found:
        raise ConfigError(f"{url}: neither a feed nor a page that advertises one; see `aggregator feeds discover`")
    for other in found[1:]:
        say(f"the page also advertises {other.url} {other.title!r}")
    return found[0].url


def _look_at(result: Fetched) -> tuple[str | None, tuple[FoundFeed, ...]]:
    """Return what the bytes are, and the feeds that they advertise."""
    from aggregator.feeds.discovery import find_feeds

    parsed = _parse(result)
    return parsed.kind, find_feeds(result.body, result.final_url) if parsed.kind == "html" else ()


def _parse(result: Fetched) -> ParsedFeed:
    from aggregator.clock import SystemClock
    from aggregator.feeds.parse import parse_feed

    return parse_feed(result.body, url=result.final_url, headers=dict(result.headers), now=SystemClock().now())


def _check_address(url: str) -> None:
    """Refuse what is no web address before anything asks for it."""
    from aggregator.urls import is_http

    if not is_http(url):
        raise ConfigError(f"{url}: is no web address; write https://... in full")


@feeds.command("remove", examples=("aggregator feeds remove 'DW English'",))
@click.argument("name_or_url")
@click.pass_context
def remove(ctx: click.Context, name_or_url: str) -> None:
    """Take a feed out of the configuration.

    What it brought stays. Exit status 1: there is no such feed.
    """
    from aggregator.config.editing import remove_feed

    if not remove_feed(load(ctx).path, name_or_url):
        say(f"no feed has the name or URL {name_or_url!r}; see `aggregator feeds list`")
        ctx.exit(1)
    print(f"removed {name_or_url}")


@feeds.command(
    "import",
    examples=("aggregator feeds import subscriptions.opml", "aggregator feeds import --dry-run addresses.txt"),
)
@click.argument("file", metavar="FILE")
@click.option("--dry-run", is_flag=True, help="Say what would be added; change nothing.")
@click.pass_context
def import_list(ctx: click.Context, file: str, dry_run: bool) -> None:
    """Add the feeds of an OPML file or a plain list.

    Folders become tags; feeds that are there already stay as they are. `-` is stdin. Exit status 1: lines were skipped,
    each of which is named, or there was no feed; the others are added.
    """
    from aggregator.config.editing import add_feeds
    from aggregator.config.settings import same_address
    from aggregator.feeds.opml import read_list

    config = load(ctx)
    try:
        found = read_list(read_file(file))
    except ConfigError as error:
        raise ConfigError(f"{file}: {error}") from error
    for one in found.skipped:
        say(f"{file}, line {one.line}: skipped {printable(one.text)!r}: {one.reason}")
    if dry_run:
        listed = {same_address(feed.url) for feed in config.subscriptions()}
        added = tuple(feed for feed in found.feeds if same_address(feed.url) not in listed)
        for feed in added:
            print(printable(f"{feed.url} {feed.name}".strip()))
    else:
        added = add_feeds(config.path, found.feeds)
    there, would = len(found.feeds) - len(added), "would be " if dry_run else ""
    print(f"{number(len(added), 'feed')} {would}added, {there} there already, {len(found.skipped)} skipped")
    ctx.exit(1 if found.skipped or not found.feeds else 0)


@feeds.command("export", examples=("aggregator feeds export > subscriptions.opml",))
@click.option("--out", metavar="PATH", type=click.Path(path_type=Path), help="File; else stdout.")
@click.pass_context
def export_opml(ctx: click.Context, out: Path | None) -> None:
    """Write the feeds as OPML, for other programs."""
    from aggregator.feeds.opml import write_opml
    from aggregator.sinks.files import write_durably

    data = write_opml(load(ctx).subscriptions())
    if out is None:
        sys.stdout.buffer.write(data)
    else:
        write_durably(out, data)


@feeds.command("discover", examples=("aggregator feeds discover https://www.dw.com/",))
@click.argument("url")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
@click.pass_context
def discover(ctx: click.Context, url: str, as_json: bool) -> None:
    """List the feeds that a page advertises, best first.

    Where it advertises none, the usual places are tried. Exit status 1: there is none.
    """
    from aggregator.feeds.discovery import WELL_KNOWN_PATHS, FoundFeed
    from aggregator.models.fetching import Fetched
    from aggregator.urls import absolute

    _check_address(url)
    config = load_or_default(ctx)
    result = fetch(config, url)
    if not isinstance(result, Fetched):
        say(f"{url}: {failure_of(result)}")
        ctx.exit(1)
    kind, found = _look_at(result)
    if kind == "feed":
        found = (FoundFeed(url=result.final_url, title="", type="the address itself"),)
    if not found:
        for path in WELL_KNOWN_PATHS:
            place = absolute(result.final_url, path)
            answer = fetch(config, place) if place is not None else None
            if isinstance(answer, Fetched) and _look_at(answer)[0] == "feed":
                found = (FoundFeed(url=answer.final_url, title="", type="a usual place"),)
                break
    if not found:
        say(f"{url}: advertises no feed")
        ctx.exit(1)
    if as_json:
        for one in found:
            print_json({"url": one.url, "title": one.title, "type": one.type})
    else:
        print_table(("url", "title", "type"), ((one.url, one.title, one.type) for one in found))


@feeds.command(
    "test",
    examples=(
        "aggregator feeds test https://rss.dw.com/rdf/rss-en-all",
        "aggregator feeds test --page https://rss.dw.com/rdf/rss-en-all",
    ),
)
@click.argument("url")
@click.option("--page", is_flag=True, help="Also what would be stored of its newest entry, and which rules acted.")
@click.option("--json", "as_json", is_flag=True, help="The result as one JSON object.")
@click.pass_context
def try_feed(ctx: click.Context, url: str, page: bool, as_json: bool) -> None:
    """Fetch a feed once and say what it is.

    Stores nothing. With --page its newest entry is collected as `run-once` would, by what the configuration says of
    the feed. Exit status 1: it cannot be fetched, is no feed, or the entry gives no article.
    """
    _check_address(url)
    config = load_or_default(ctx)
    is_plain = all(listed.kind == "feed" for listed in config.feeds if listed.url == url)
    record, entry = _test_plain(config, url, page) if is_plain else _test_source(config, url, page)
    if entry:
        record["page"] = entry
    if as_json:
        print_json(record)
    else:
        _print_tested({name: value for name, value in record.items() if name != "page"}, entry)
    ctx.exit(0 if record["ok"] and not entry.get("error") else 1)


_SHOWN = (
    "title",
    "url",
    "key",
    "published",
    "date_source",
    "authors",
    "language",
    "source",
    "quality",
    "rules",
    "error",
)


def _print_tested(record: dict[str, object], entry: dict[str, object]) -> None:
    for name, value in record.items():
        print(printable(f"{name.replace('_', ' '):<12}{_spell(value)}"))
    if not entry:
        return
    print("\nnewest entry")
    for name in _SHOWN:
        value = entry.get(name)
        lines = value if isinstance(value, list) else [value]
        for index, line in enumerate(lines or [None]):
            print(printable(f"{'' if index else name.replace('_', ' '):<12}{_spell(line)}"))
    if entry.get("body"):  # the rules act on it; the text of the seed format is the whole page's
        print(printable(f"\n{entry['body']}"))


def _test_plain(config: Config, url: str, page: bool) -> tuple[dict[str, object], dict[str, object]]:
    """Ask a feed once; return what it says, and what would be stored of its newest entry if `page` wants that."""
    from aggregator.models.fetching import Fetched

    result = fetch(config, url)
    if not isinstance(result, Fetched):
        return {"url": url, "ok": False, "error": failure_of(result)}, {}
    parsed, has = _parse(result), result.validators
    record = _tested(url, parsed) | {
        "final_url": result.final_url,
        "validators": has.etag is not None or has.last_modified is not None,
        "error": parsed.error or ("an HTML page" if parsed.kind == "html" else None),
    }
    if not (page and record["ok"]):
        return record, {}
    from aggregator.cli.preview import try_feed

    return record, try_feed(config, url, result).page


def _test_source(config: Config, url: str, page: bool) -> tuple[dict[str, object], dict[str, object]]:
    """The same of a source that the configuration says is no plain feed: a sitemap, a page with links, a program."""
    from aggregator.cli.preview import try_feed

    trial = try_feed(config, url, with_page=page)
    if trial.parsed is None or trial.parsed.kind != "feed":
        error = trial.failed or "gives no entries"
        return {"url": url, "ok": False, "error": error}, {}
    return _tested(url, trial.parsed) | {"error": trial.parsed.error or None}, trial.page if page else {}


def _tested(url: str, parsed: ParsedFeed) -> dict[str, object]:
    return {
        "url": url,
        "ok": parsed.kind == "feed",
        "format": parsed.format,
        "title": parsed.title,
        "entries": len(parsed.entries),
    }


def _spell(value: object) -> str:
    if value is None:
        return "-"
    return ("yes" if value else "no") if isinstance(value, bool) else str(value)
