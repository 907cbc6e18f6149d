"""The commands `feeds …`. They edit the feeds of the configuration and keep its comments."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from aggregator.cli.framework import cli, load, load_or_default, number, print_json, print_table, printable, say
from aggregator.cli.inputs import failure_of, read_file
from aggregator.errors import ConfigError
from aggregator.redaction import mask_password

if TYPE_CHECKING:
    from aggregator.cli.probe.proposals import Finder, Proposal
    from aggregator.config.settings import Config
    from aggregator.feeds.opml import SubscriptionList
    from aggregator.models.feeds import Subscription
    from aggregator.ports.readings import FeedLine


@cli.group()
def feeds() -> None:
    """Subscriptions: list, add, remove, import, export, discover, test.

    Subscriptions are [[feeds]] in the configuration, or in feeds.toml beside it. `add`, `remove` and `import` edit that
    file and keep its comments. A running daemon notices the change and reads the file again.
    """


@feeds.command("list", examples=("aggregator feeds list", "aggregator feeds list --json | jq -r .url"))
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
@click.pass_context
def list_feeds(ctx: click.Context, as_json: bool) -> None:
    """List the feeds and their state in the store."""
    from aggregator.cli.articles import open_store_of
    from aggregator.errors import NoStoreError
    from aggregator.subscriptions import subscriptions_of

    config = load(ctx)
    known: dict[str, FeedLine] = {}
    try:
        with open_store_of(config) as store:
            subscriptions = subscriptions_of(store, config)
            known = {line.url: line for line in store.feed_lines()}
    except NoStoreError:  # nothing was polled yet
        subscriptions = config.subscriptions()
    rows = (_listing(feed, known.get(feed.url)) for feed in subscriptions)
    if as_json:
        for row in rows:
            print_json(row)
    else:
        columns = ("name", "url", "status", "cause", "polled_at", "due_at")
        print_table(columns, ([row[name] or "" for name in columns] for row in rows))


def _listing(feed: Subscription, line: FeedLine | None) -> dict[str, object]:
    """Return a feed as a row of `feeds list`. `line` is its state in the store; None: the store has no such feed."""
    return {
        "url": mask_password(feed.url),
        "name": feed.name or (line.title if line is not None else ""),
        "enabled": feed.enabled,
        "tags": list(feed.tags),
        "status": line.status if line is not None else "new",
        "cause": line.cause if line is not None else None,
        "polled_at": line.polled_at.isoformat() if line is not None and line.polled_at else None,
        "due_at": line.due_at.isoformat() if line is not None else None,
        "moved_to": line.moved_to if line is not None else None,
    }


@feeds.command(
    "add",
    examples=(
        "aggregator feeds add https://rss.dw.com/rdf/rss-en-all --name 'DW English' --tag news",
        "aggregator feeds add https://www.dw.com/ https://example.org/        # what these sites advertise",
        "aggregator feeds add - --tag town < addresses.txt",
        "aggregator feeds add https://example.com/feed --interval 10m",
    ),
)
@click.argument("urls", metavar="URL...", nargs=-1, required=True)
@click.option("--name", default="", help="What listings call it.")
@click.option("--interval", metavar="DURATION", help='Poll this often instead of adaptively, like "10m".')
@click.option("--tag", "tags", multiple=True, help="A word of yours, kept with every article; may be repeated.")
@click.option("--no-full-text", is_flag=True, help="Keep what the feed carries and fetch no pages.")
@click.pass_context
def add(
    ctx: click.Context,
    urls: tuple[str, ...],
    name: str,
    interval: str | None,
    tags: tuple[str, ...],
    no_full_text: bool,
) -> None:
    """Add feeds, or sites that can be followed.

    `-` reads addresses from stdin, one a line. For a site the command adds the feed that the site advertises, else a
    feed at a usual place, else a sitemap for news, else a page with links to articles. An address that cannot be
    reached now is added, too. An address that does not exist is refused. If some addresses are refused, the command
    names them and adds the others. The exit status is then 1 (2 if only one address was given).
    """
    from aggregator.cli.probe.proposals import finder
    from aggregator.text.units import parse_duration

    config = load(ctx)
    try:
        every = parse_duration(interval) if interval is not None else None
    except ValueError as error:
        raise ConfigError(f'--interval: "{interval}" {error}') from None
    wanted, refused = _wanted(urls)
    is_one = urls != ("-",) and len(urls) == 1
    if name and not is_one:
        raise ConfigError("--name: is the name of one feed; give one URL with it")
    with finder(config) as asked:
        for one in wanted:
            listed = replace(
                one,
                name=name or one.name,
                interval=every,
                tags=tuple(dict.fromkeys((*tags, *one.tags))),
                full_text=not no_full_text,
            )
            try:
                print(_added(config, asked, listed))
            except ConfigError as error:
                if is_one:
                    raise
                say(str(error))
                refused += 1
    ctx.exit(1 if refused else 0)


def _wanted(urls: tuple[str, ...]) -> tuple[list[Subscription], int]:
    """Return the feeds to add, and the number of invalid lines of stdin. Each invalid line is printed."""
    from aggregator.models.feeds import Subscription

    wanted, skipped = list[Subscription](), 0
    for url in urls:
        if url != "-":
            wanted.append(Subscription(url=url))
            continue
        found = _read_list(read_file("-"), "stdin")
        wanted += found.feeds
        skipped += len(found.skipped)
    return wanted, skipped


def _read_list(data: bytes, name: str) -> SubscriptionList:
    """Return the feeds of an OPML file or plain list. Each invalid line is printed, with the file's `name` in front."""
    from aggregator.feeds.opml import read_list

    try:
        found = read_list(data)
    except ConfigError as error:
        raise ConfigError(f"{name}: {error}") from error
    for one in found.skipped:
        say(f"{name}, line {one.line}: skipped {printable(one.text)!r}: {one.reason}")
    return found


def _added(config: Config, asked: Finder, wanted: Subscription) -> str:
    """Add a feed, or the best way to follow a site, to the configuration; return the message for the user.

    Raises:
        ConfigError: the site cannot be followed, or the address is listed already.
    """
    from aggregator.config.editing import add_feed

    _check_address(wanted.url)
    proposal = _choose(asked, wanted.url)
    add_feed(config.path, replace(wanted, url=proposal.url, kind=proposal.kind))
    return f"added {proposal.url}" + (f' as kind "{proposal.kind}": {proposal.type}' if proposal.kind != "feed" else "")


def _choose(asked: Finder, url: str) -> Proposal:
    """Return what to add for an address: the address itself if it is a feed, else the best proposal for its site.

    An address that cannot be reached now is returned unchanged; the daemon will poll it.

    Raises:
        ConfigError: the address does not exist, is forbidden, or gives nothing that can be followed.
    """
    from aggregator.cli.probe.proposals import Proposal
    from aggregator.models.fetching import Cause, Fetched, FetchFailed

    result = asked.fetch(url)
    if isinstance(result, FetchFailed) and result.cause in (Cause.NOT_FOUND, Cause.GONE, Cause.FORBIDDEN_ADDRESS):
        advice = "" if result.cause is Cause.FORBIDDEN_ADDRESS else "; see `aggregator feeds discover`"
        raise ConfigError(f"{url}: {failure_of(result)}{advice}")
    if not isinstance(result, Fetched):
        say(f"{url}: not reached just now ({failure_of(result)}); added all the same")
        return Proposal(url=url)
    found = asked.proposals(result)
    if not found:
        raise ConfigError(
            f"{url}: neither a feed nor a page that advertises one; its site has none at the usual places, "
            f"no sitemap for news, and the page has no list of links"
        )
    if found[0].type == "the address itself":
        return replace(found[0], url=url)
    for other in found[1:]:
        say(f"the page also advertises {other.url} {other.title!r}")
    return found[0]


def _check_address(url: str) -> None:
    """Raise ConfigError if `url` is no http(s) address."""
    from aggregator.urls import is_http

    if not is_http(url):
        raise ConfigError(f"{url}: is no web address; write https://... in full")


@feeds.command("remove", examples=("aggregator feeds remove 'DW English'",))
@click.argument("name_or_url")
@click.pass_context
def remove(ctx: click.Context, name_or_url: str) -> None:
    """Remove a feed from the configuration.

    The stored articles of the feed stay. Exit status 1: there is no such feed.
    """
    from aggregator.config.editing import remove_feed

    config = load(ctx)
    if not remove_feed(config.path, name_or_url):
        remedy = "one that stands in [[lists]] is removed there" if config.lists else "see `aggregator feeds list`"
        say(f"no feed has the name or URL {name_or_url!r}; {remedy}")
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
    """Add the feeds of an OPML file or of a plain list of addresses.

    Folders of OPML become tags. Feeds that the configuration has already stay unchanged. `-` is stdin. If some lines
    are invalid, the command names them and adds the others. Exit status 1: no feed was found, or some lines were
    invalid.
    """
    from aggregator.config.editing import add_feeds
    from aggregator.config.settings import same_address

    config = load(ctx)
    found = _read_list(read_file(file), file)
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
    from aggregator.durable_files import write_durably
    from aggregator.feeds.opml import write_opml

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
    """List the ways in which a site can be followed, best first.

    The ways are the feeds that the page advertises, else a feed at a usual place, else a sitemap for news, else the
    page itself if it lists articles. Exit status 1: the site cannot be followed.
    """
    from aggregator.cli.probe.proposals import finder
    from aggregator.models.fetching import Fetched

    _check_address(url)
    with finder(load_or_default(ctx)) as asked:
        result = asked.fetch(url)
        if not isinstance(result, Fetched):
            say(f"{url}: {failure_of(result)}")
            ctx.exit(1)
        found = asked.proposals(result)
    if not found:
        say(f"{url}: advertises no feed")
        ctx.exit(1)
    if as_json:
        for one in found:
            print_json({"url": one.url, "kind": one.kind, "title": one.title, "type": one.type})
    else:
        print_table(("url", "kind", "title", "type"), ((one.url, one.kind, one.title, one.type) for one in found))


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
    """Fetch a feed once and describe it.

    Nothing is stored. If the configuration has this feed, its settings are used. With --page the newest entry is
    collected, too, as `run-once` would do, and its article is printed. Exit status 1: there is no answer, the answer is
    no feed, or the entry gives no article.
    """
    from aggregator.cli.probe.answer import print_answer, read_plain, read_source

    _check_address(url)
    config = load_or_default(ctx)
    is_plain = all(listed.kind == "feed" for listed in config.feeds if listed.url == url)
    record, entry = (read_plain if is_plain else read_source)(config, url, page)
    if entry:
        record["page"] = entry
    if as_json:
        print_json(record)
    else:
        print_answer({name: value for name, value in record.items() if name != "page"}, entry)
    ctx.exit(0 if record["ok"] and not entry.get("error") else 1)
