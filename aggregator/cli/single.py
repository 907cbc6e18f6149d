"""Commands over single things, without a store: extract, parse, identify, check."""

from __future__ import annotations

import gzip
import json
import sys
import zlib
from collections.abc import Iterable, Iterator
from datetime import datetime
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any, Literal

import click

from aggregator.cli.frame import cli, load_or_default, print_json, printable
from aggregator.errors import AggregatorError, ConfigError

if TYPE_CHECKING:
    from aggregator.models import Entry, ParsedFeed
    from aggregator.rules import Publishers
    from aggregator.settings import Config

_GZIP = b"\x1f\x8b"
_LARGEST_FILE = 256 * 2**20


def read_input(source: str, config: Config, accept: Literal["feed", "page"]) -> tuple[bytes, str, dict[str, str]]:
    """Return bytes, address and headers of a file (gzip by its magic) or URL; `-` is stdin.

    Raises:
        AggregatorError: it cannot be read or fetched.
    """
    from aggregator.urls import is_http

    if source == "-":
        return _inflated(sys.stdin.buffer.read()), "", {}
    if not is_http(source):
        return _inflated(Path(source).read_bytes()), "", {}
    from aggregator.clock import SystemClock
    from aggregator.fetch import HttpFetcher
    from aggregator.models import Fetched, FetchFailed, FetchRequest
    from aggregator.parts import fetch_limits

    size = config.http.max_feed_size if accept == "feed" else config.http.max_page_size
    fetcher = HttpFetcher(fetch_limits(config), SystemClock())
    try:
        result = fetcher.fetch(
            FetchRequest(url=source, accept=accept, max_bytes=size, deadline=config.http.total_timeout)
        )
    finally:
        fetcher.close()
    if isinstance(result, Fetched):
        return result.body, result.final_url, dict(result.headers)
    reason = f"{result.cause}: {result.detail}" if isinstance(result, FetchFailed) else type(result).__name__
    raise AggregatorError(f"{source}: {reason}")


def _inflated(data: bytes) -> bytes:
    if not data.startswith(_GZIP):
        return data
    try:
        with gzip.open(_reader(data)) as file:
            return file.read(_LARGEST_FILE)
    except (OSError, EOFError, zlib.error):
        return data


def _reader(data: bytes) -> Any:  # Any: gzip.open takes every binary reader
    from io import BytesIO

    return BytesIO(data)


def read_lines(path: str) -> Iterator[dict[str, Any]]:  # Any: what a user's JSON holds
    """Yield the objects of a JSON-lines file; `-` is stdin.

    Raises:
        ConfigError: a line is no JSON object; names its number.
    """
    stream: Iterable[bytes] = sys.stdin.buffer if path == "-" else Path(path).open("rb")  # noqa: SIM115 - read to its end
    for number, line in enumerate(stream, 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except ValueError as error:
            raise ConfigError(f"{path}: line {number}: no JSON: {error}") from error
        if not isinstance(row, dict):
            raise ConfigError(f"{path}: line {number}: no JSON object")
        yield row


# --- extract ----------------------------------------------------------------------------------------------------------


@cli.command()
@click.argument("source", metavar="[FILE_OR_URL]", required=False)
@click.option("--url", default="", help="The address of the page, where a file is given.")
@click.option("--date", default="", help="The day to use where the page states none (YYYY-MM-DD).")
@click.option("--text", type=click.Choice(["seed", "body"]), default="seed", help="Which text to print.")
@click.option("--json", "as_json", is_flag=True, help="The record as one JSON object.")
@click.option("--jsonl", metavar="IN", help='Many pages: lines of {"id","url","html"} or {"id","url","path"}.')
@click.pass_context
def extract(
    ctx: click.Context,
    source: str | None,
    url: str,
    date: str,
    text: Literal["seed", "body"],
    as_json: bool,
    jsonl: str | None,
) -> None:
    """Extract one page, without a store; prints its text.

    A file is raw bytes, gzip is recognised. Exit status 1: no article in it.
    """
    from aggregator.parts import publishers_of
    from aggregator.sinks.records import content_fields

    if (source is None) == (jsonl is None):
        raise click.UsageError("name one page, or --jsonl IN")
    config = load_or_default(ctx)
    publishers = publishers_of(config)
    if jsonl is not None:
        for row in _extract_lines(jsonl, text, config, publishers):
            print_json(row)
        return
    assert source is not None
    body, final_url, headers = read_input(source, config, "page")
    address = url or final_url
    content, quality, cause = _extract(body, address, headers, date, config, publishers)
    if content is None:
        if as_json:
            print_json({**_identity_fields(address, publishers), "error": cause})
        print(f"aggregator: {source}: {cause}", file=sys.stderr)
        ctx.exit(1)
    if as_json:
        print_json({**_identity_fields(address, publishers), **content_fields(content, text), "quality": list(quality)})
        return
    from aggregator.sinks.records import document

    sys.stdout.buffer.write((document(content, text) + "\n").encode("utf-8", "replace"))


def _extract_lines(
    path: str, text: Literal["seed", "body"], config: Config, publishers: Publishers
) -> Iterator[dict[str, object]]:
    """Yield a record per line; a page that gives nothing has `error`."""
    from aggregator.sinks.records import content_fields

    folder = Path.cwd() if path == "-" else Path(path).parent
    for row in read_lines(path):
        url = str(row.get("url") or "")
        try:
            if "html" in row:
                body, headers = (
                    str(row["html"]).encode("utf-8", "replace"),
                    {"content-type": "text/html; charset=utf-8"},
                )
            else:
                place = Path(str(row.get("path") or ""))
                data = (place if place.is_absolute() or place.exists() else folder / place).read_bytes()
                body, headers = _inflated(data), {}
        except OSError as error:
            yield {"id": row.get("id"), "url": url, "error": str(error)}
            continue
        date = str(row.get("date") or "")
        content, quality, cause = _extract(body, url, headers, date, config, publishers)
        fields = _identity_fields(url, publishers) | {"id": row.get("id")}
        if content is None:
            yield {**fields, "error": cause}
        else:
            yield {**fields, **content_fields(content, text), "quality": list(quality)}


def _extract(
    body: bytes, url: str, headers: dict[str, str], date: str, config: Config, publishers: Publishers
) -> tuple[Any, tuple[str, ...], str]:  # Any: Extraction or None, imported late
    from aggregator.extract import extract_page
    from aggregator.models import ExtractInput, PageFailed
    from aggregator.quality import assess
    from aggregator.rules import publisher_of
    from aggregator.urls import host_of

    page = ExtractInput(url=url, body=body, headers=headers, feed_published=date)
    content = extract_page(page, publisher_of(publishers, host_of(url)), config.extraction.mode)
    if isinstance(content, PageFailed):
        return None, (), f"{content.cause}: {content.detail}"
    return content, assess(content, page), ""


def _identity_fields(url: str, publishers: Publishers) -> dict[str, object]:
    from aggregator.identify import article_id, identify

    key = identify(url, publishers).key
    return {"id": article_id(key) if key is not None else None, "url": url, "key": key}


# --- parse ------------------------------------------------------------------------------------------------------------


@cli.command()
@click.argument("source", metavar="[FILE_OR_URL]", required=False)
@click.option("--url", default="", help="The address of the feed, where a file is given.")
@click.option("--json", "as_json", is_flag=True, help="The record as one JSON object.")
@click.option("--jsonl", metavar="IN", help='Many feeds: lines of {"file","url","headers"}; the last two are optional.')
@click.pass_context
def parse(ctx: click.Context, source: str | None, url: str, as_json: bool, jsonl: str | None) -> None:
    """Parse one feed, without a store: format, title, entries. Exit status 1: it is no feed."""
    if (source is None) == (jsonl is None):
        raise click.UsageError("name one feed, or --jsonl IN")
    if jsonl is not None:
        folder = Path.cwd() if jsonl == "-" else Path(jsonl).parent
        for row in read_lines(jsonl):
            print_json(_parse_line(row, folder))
        return
    assert source is not None
    body, final_url, headers = read_input(source, load_or_default(ctx), "feed")
    record = _parsed(source, body, url or final_url, headers)
    if as_json:
        print_json(record)
    else:
        _print_parsed(record)
    ctx.exit(0 if record["kind"] == "feed" else 1)


def _parse_line(row: dict[str, Any], folder: Path) -> dict[str, object]:  # Any: a user's JSON
    file = str(row.get("file") or "")
    place = Path(file)
    try:
        body = (place if place.is_absolute() or place.exists() else folder / place).read_bytes()
    except OSError as error:
        return {"file": file, "kind": None, "format": None, "entries": [], "seconds": 0.0, "error": str(error)}
    headers = {str(name).lower(): str(value) for name, value in dict(row.get("headers") or {}).items()}
    return _parsed(file, body, str(row.get("url") or ""), headers)


def _parsed(file: str, body: bytes, url: str, headers: dict[str, str]) -> dict[str, object]:
    from aggregator.clock import SystemClock
    from aggregator.parse import parse_feed
    from aggregator.subscriptions import find_feeds

    started = perf_counter()
    parsed: ParsedFeed = parse_feed(body, url=url, headers=headers, now=SystemClock().now())
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
        what = f"an HTML page; it advertises {record['feed_url']}" if record["kind"] == "html" else "no feed"
        print(printable(f"{record['file']}: {what} {record['error'] or ''}".rstrip()))
        return
    print(printable(f"{record['title']} ({record['format']}, {len(record['entries'])} entries)"))
    for entry in record["entries"]:
        print(printable(f"{entry['date'] or '-':<25}  {entry['title']}\n{'':<27}{entry['link'] or ''}"))


# --- identify ---------------------------------------------------------------------------------------------------------


@cli.command("identify")
@click.argument("urls", nargs=-1, required=True)
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line: url, key, rule.")
@click.pass_context
def identify_urls(ctx: click.Context, urls: tuple[str, ...], as_json: bool) -> None:
    """Print the identity key of each URL and the rule that gave it; `-` reads URLs from stdin, one a line."""
    from aggregator.identify import identify
    from aggregator.parts import publishers_of

    publishers = publishers_of(load_or_default(ctx))
    write = sys.stdout.write
    dumps = json.JSONEncoder(ensure_ascii=False).encode
    for url in _urls(urls):
        found = identify(url, publishers)
        if as_json:
            write(f'{{"url": {dumps(url)}, "key": {dumps(found.key)}, "rule": {dumps(found.rule)}}}\n')
        else:
            write(f"{found.key or '-'}\t{found.rule}\t{url}\n")


def _urls(arguments: tuple[str, ...]) -> Iterator[str]:
    for argument in arguments:
        if argument == "-":
            for line in sys.stdin.buffer:
                yield line.decode("utf-8", "replace").rstrip("\r\n")
        else:
            yield argument


# --- check ------------------------------------------------------------------------------------------------------------


@cli.command()
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path))
def check(files: tuple[Path, ...]) -> None:
    """Say whether files are in the seed format, and where they deviate; exit status 1 when one does."""
    from aggregator.seedformat import check as deviations_of

    wrong = False
    for file in files:
        deviations = deviations_of(file.read_bytes())
        wrong = wrong or bool(deviations)
        for deviation in deviations:
            print(f"{file}:{deviation.line}:{deviation.column}: {deviation.message}")
        if not deviations:
            print(f"{file}: ok")
    click.get_current_context().exit(1 if wrong else 0)
