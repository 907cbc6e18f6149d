"""The commands that need no store: parse, identify, check. `extract` has a module of its own."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from time import perf_counter
from typing import TYPE_CHECKING, Any

import click

from aggregator.cli.framework import cli, load_or_default, number, print_json, printable, say
from aggregator.cli.inputs import BrokenLine, file_of_line, read_file, read_input, read_lines
from aggregator.cli.progress import counted
from aggregator.errors import ConfigError

if TYPE_CHECKING:
    from datetime import datetime

    from aggregator.models.feeds import Entry


# --- parse ------------------------------------------------------------------------------------------------------------


@cli.command(
    examples=(
        "aggregator parse https://rss.dw.com/rdf/rss-en-all",
        "aggregator parse feed.xml --url https://rss.dw.com/rdf/rss-en-all --json",
        "aggregator parse --jsonl feeds.jsonl > parsed.jsonl   # many",
    )
)
@click.argument("source", metavar="[FILE_OR_URL]", required=False)
@click.option("--url", default="", help="The address of the feed, where a file is given.")
@click.option("--json", "as_json", is_flag=True, help="The record as one JSON object.")
@click.option("--jsonl", metavar="IN", help='Many feeds: lines of {"file","url","headers"}; the last two are optional.')
@click.pass_context
def parse(ctx: click.Context, source: str | None, url: str, as_json: bool, jsonl: str | None) -> None:
    """Parse one feed, without a store, and print format, title and entries.

    `-` is stdin. Exit status 1: the input is no feed. With --jsonl the command prints one record for each line, in
    order. Exit status 2: a line is no JSON object.
    """
    if (source is None) == (jsonl is None):
        raise click.UsageError("name one feed, or --jsonl IN", ctx)
    if jsonl is not None:
        status = 0
        for row in counted(read_lines(jsonl), "feeds"):
            if isinstance(row, BrokenLine):
                say(row)
                status = 2
                print_json(_unparsed("", str(row)))
            else:
                print_json(_parse_line(row, jsonl))
        ctx.exit(status)
    assert source is not None
    body, final_url, headers = read_input(source, load_or_default(ctx), "feed")
    record = _parsed(source, body, url or final_url, headers)
    if as_json:
        print_json(record)
    else:
        _print_parsed(record)
    ctx.exit(0 if record["kind"] == "feed" else 1)


def _parse_line(row: dict[str, Any], lines: str) -> dict[str, object]:  # Any: a user's JSON
    file = row.get("file")
    try:
        body = file_of_line(str(file or ""), lines)
    except ConfigError as error:
        return _unparsed(file, str(error))
    said = row.get("headers")
    headers = {str(name).lower(): str(value) for name, value in said.items()} if isinstance(said, dict) else {}
    return _parsed(file, body, str(row.get("url") or ""), headers)


def _unparsed(file: object, error: str) -> dict[str, object]:
    nothing: dict[str, object] = {"file": file, "kind": None, "format": None, "title": "", "feed_url": None}
    return nothing | {"entries": [], "seconds": 0.0, "error": error}


def _parsed(file: object, body: bytes, url: str, headers: dict[str, str]) -> dict[str, object]:
    from aggregator.clock import SystemClock
    from aggregator.feeds.discovery import find_feeds
    from aggregator.feeds.parse import parse_feed

    started = perf_counter()
    parsed = parse_feed(body, url=url, headers=headers, now=SystemClock().now())
    found = find_feeds(body, url) if parsed.kind == "html" else ()
    return {
        "file": file,
        "kind": parsed.kind,
        "format": parsed.format,
        "title": parsed.title,
        "feed_url": found[0].url if found else None,
        "entries": [_entry_fields(entry) for entry in parsed.entries],
        "seconds": round(perf_counter() - started, 4),
        "error": parsed.error or None,
    }


def _entry_fields(entry: Entry) -> dict[str, object]:
    return {
        "id": entry.id or entry.entry_id,
        "link": entry.link,
        "title": entry.title,
        "published": _iso(entry.published_at),
        "updated": _iso(entry.updated_at),
        "date": _iso(entry.published_at or entry.updated_at),
        "author": ", ".join(entry.authors) or None,
    }


def _iso(at: datetime | None) -> str | None:
    return at.isoformat() if at is not None else None


def _print_parsed(record: dict[str, Any]) -> None:  # Any: the record just made
    if record["kind"] != "feed":
        what = "no feed"
        if record["kind"] == "html":
            advertised = record["feed_url"]
            what = f"an HTML page; it advertises {advertised}" if advertised else "an HTML page, no feed"
        say(f"{record['file']}: {what}" + (f" ({record['error']})" if record["error"] else ""))
        return
    entries = number(len(record["entries"]), "entry", "entries")
    print(printable(f"{record['title']} ({record['format']}, {entries})"))
    for entry in record["entries"]:
        print(printable(f"{entry['date'] or '-':<25}  {entry['title']}\n{'':<27}{entry['link'] or ''}"))


# --- identify ---------------------------------------------------------------------------------------------------------


@cli.command(
    "identify",
    examples=(
        "aggregator identify https://p.dw.com/p/4JNNH https://www.dw.com/en/x/a-63723431",
        "aggregator identify --json - < urls.txt",
    ),
)
@click.argument("urls", nargs=-1, required=True)
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line: url, key, rule.")
@click.pass_context
def identify_urls(ctx: click.Context, urls: tuple[str, ...], as_json: bool) -> None:
    """Print the identity key of each URL, and the rule that gave the key.

    Two addresses with the same key mean one article. `-` reads URLs from stdin, one a line. A URL that cannot mean an
    article gets `-` instead of a key.
    """
    from json import JSONEncoder

    from aggregator.config.wiring import load_rules
    from aggregator.identity.identify import identify
    from aggregator.sinks.records import escape_line

    publishers = load_rules(load_or_default(ctx), strict=True).publishers
    write = sys.stdout.write
    dumps = JSONEncoder(ensure_ascii=False).encode
    for url in _urls(urls):
        found = identify(url, publishers)
        if as_json:
            write(escape_line(f'{{"url":{dumps(url)},"key":{dumps(found.key)},"rule":{dumps(found.rule)}}}\n'))
        else:
            write(printable(f"{found.key or '-'}\t{found.rule}\t{url}\n"))


def _urls(arguments: tuple[str, ...]) -> Iterator[str]:
    for argument in arguments:
        if argument == "-":
            for line in sys.stdin.buffer:
                yield line.decode("utf-8", "replace").rstrip("\r\n")
        else:
            yield argument


# --- check ------------------------------------------------------------------------------------------------------------


@cli.command(examples=("aggregator check seeds/*", "find data/articles -name '*.txt' -exec aggregator check {} +"))
@click.argument("files", nargs=-1, required=True)
@click.pass_context
def check(ctx: click.Context, files: tuple[str, ...]) -> None:
    """Check whether files are in the seed format, and print each deviation with its line and column.

    Exit status 1: a file deviates; 2: a file cannot be read.
    """
    from aggregator.text.seed_format import check as deviations_of

    status = 0
    for file in files:
        try:
            deviations = deviations_of(read_file(file, keep_gzip=True))
        except ConfigError as error:
            say(error)
            status = 2
            continue
        if deviations:
            status = max(status, 1)
        for deviation in deviations:
            print(printable(f"{file}:{deviation.line}:{deviation.column}: {deviation.message}"))
        if not deviations:
            print(printable(f"{file}: ok"))
    ctx.exit(status)
