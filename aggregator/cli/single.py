"""Commands over single things, without a store: extract, parse, identify, check."""

from __future__ import annotations

import sys
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from time import perf_counter
from typing import TYPE_CHECKING, Any, Literal

import click

from aggregator.cli.frame import cli, load_or_default, number, print_json, printable, say
from aggregator.cli.inputs import BrokenLine, failure_of, fetch, file_of_line, read_file, read_lines
from aggregator.cli.progress import counted
from aggregator.errors import AggregatorError, ConfigError

if TYPE_CHECKING:
    from concurrent.futures import Future
    from datetime import datetime

    from aggregator.models import Entry, ExtractInput, Extraction, PageFailed
    from aggregator.rules import Publisher, Publishers
    from aggregator.settings import Config

_AHEAD = 4  # pages handed to each worker before the first result is waited for


def read_input(source: str, config: Config, accept: Literal["feed", "page"]) -> tuple[bytes, str, dict[str, str]]:
    """Return bytes, address and headers of a file or URL; `-` is stdin.

    Raises:
        AggregatorError: it cannot be read or fetched.
    """
    from aggregator.models import Fetched
    from aggregator.urls import is_http

    if not is_http(source):
        return read_file(source), "", {}
    result = fetch(config, source, accept)
    if not isinstance(result, Fetched):
        raise AggregatorError(f"{source}: {failure_of(result)}")
    return result.body, result.final_url, dict(result.headers)


# --- extract ----------------------------------------------------------------------------------------------------------


@cli.command(
    examples=(
        "aggregator extract page.html --url https://www.dw.com/en/x/a-63723431",
        "aggregator extract https://www.dw.com/en/x/a-63723431 --text body",
        "aggregator extract page.html.gz --json",
        "aggregator extract --jsonl pages.jsonl > texts.jsonl   # many, on all cores",
    )
)
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
    """Extract one page, without a store, and print its text.

    A file is raw bytes, gzip is recognised; `-` is stdin. Exit status 1: there is no article in it. With --jsonl a
    record comes out for each line, in order; that of a page without an article has an `error`.
    """
    from aggregator.parts import publishers_of

    if (source is None) == (jsonl is None):
        raise click.UsageError("name one page, or --jsonl IN", ctx)
    _check_date(date)
    config = load_or_default(ctx)
    publishers = publishers_of(config)
    if jsonl is not None:
        ctx.exit(_extract_lines(jsonl, date, text, config, publishers))
    assert source is not None
    body, final_url, headers = read_input(source, config, "page")
    page = _page(url or final_url, body, headers, date)
    outcome = extract_here(page, _publisher(page.url, publishers), config.extraction.mode)
    record = extract_record(page.url, *outcome, text, publishers)
    if as_json:
        print_json(record)
    elif not record["error"]:
        _write_text(str(record["text"]) + "\n")
    if record["error"]:
        say(f"{source}: {record['error']}")
        ctx.exit(1)


def _check_date(date: str) -> None:
    from datetime import datetime

    from aggregator.seedformat import is_date

    if date and not is_date(date):
        try:
            datetime.fromisoformat(date)
        except ValueError:
            raise ConfigError(f'--date: "{date}" is no day; write 2026-11-23') from None


def _write_text(text: str) -> None:
    """Write a document as it is; on a terminal without what would steer it."""
    if sys.stdout.isatty():
        sys.stdout.write(printable(text))
    else:
        sys.stdout.buffer.write(text.encode("utf-8", "replace"))


def extract_here(
    page: ExtractInput, publisher: Publisher | None, mode: Literal["standard", "thorough"]
) -> tuple[Extraction | PageFailed, tuple[str, ...]]:
    """Return what the page gives, and the reasons to doubt it; runs in a worker process, too."""
    from aggregator.extract import extract_page
    from aggregator.models import PageFailed
    from aggregator.quality import assess

    outcome = extract_page(page, publisher, mode)
    return outcome, () if isinstance(outcome, PageFailed) else assess(outcome, page)


def extract_record(
    url: str,
    outcome: Extraction | PageFailed,
    quality: tuple[str, ...],
    text: Literal["seed", "body"],
    publishers: Publishers,
) -> dict[str, object]:
    """Return the record of `extract --json`: an article's fields, empty where only a store knows more."""
    from aggregator.identify import article_id, identify
    from aggregator.models import PageFailed
    from aggregator.sinks.records import content_fields

    failed = outcome if isinstance(outcome, PageFailed) else None
    key = identify(url, publishers).key
    return {
        "id": article_id(key) if key is not None else None,
        "url": url,
        "urls": [url] if url else [],
        "key": key,
        **(_NO_CONTENT if isinstance(outcome, PageFailed) else content_fields(outcome, text)),
        **_NO_STORE,
        "quality": list(quality),
        "error": None if failed is None else f"{failed.cause}: {failed.detail}",
    }


_NO_CONTENT: Mapping[str, object] = (
    dict.fromkeys(("title", "date", "text", "body"), "")
    | dict.fromkeys(("published", "date_source", "updated", "source", "language", "site", "lead_image", "extractor"))
    | {"authors": []}
)
_NO_STORE: Mapping[str, object] = dict.fromkeys(
    ("change_seq", "first_seen", "feed", "revision", "near_duplicate_of", "raw")
) | {"feeds": [], "tags": []}


def _page(url: str, body: bytes, headers: Mapping[str, str], date: str) -> ExtractInput:
    from aggregator.models import ExtractInput

    return ExtractInput(url=url, body=body, headers=headers, feed_published=date)


def _publisher(url: str, publishers: Publishers) -> Publisher | None:
    from aggregator.rules import publisher_of
    from aggregator.urls import host_of

    return publisher_of(publishers, host_of(url))


def _extract_lines(
    path: str, date: str, text: Literal["seed", "body"], config: Config, publishers: Publishers
) -> Literal[0, 2]:
    """Print a record for each line, in order; return the exit status."""
    import os

    from aggregator.engine.pool import WorkerPool

    status: Literal[0, 2] = 0
    pool = WorkerPool(config.extraction.workers or os.cpu_count() or 1, config.extraction.timeout)
    waiting: deque[Callable[[], dict[str, object]]] = deque()
    try:
        for row in counted(read_lines(path), "pages"):
            if isinstance(row, BrokenLine):
                say(row)
                status = 2
            waiting.append(_begin(row, path, date, text, config, publishers, pool))
            if len(waiting) > pool.workers * _AHEAD:
                print_json(waiting.popleft()())
        while waiting:
            print_json(waiting.popleft()())
    finally:
        pool.close()
    return status


def _begin(
    row: dict[str, Any] | BrokenLine,  # Any: a user's JSON
    path: str,
    date: str,
    text: Literal["seed", "body"],
    config: Config,
    publishers: Publishers,
    pool: Any,  # Any: WorkerPool, imported late
) -> Callable[[], dict[str, object]]:
    """Hand a line's page to a worker; the function returned waits for its record."""
    if isinstance(row, BrokenLine):
        broken = {"id": None, "url": None, "urls": [], "key": None, **_NO_CONTENT, **_NO_STORE, "quality": []}
        return lambda: {**broken, "error": str(row)}
    url = str(row.get("url") or "")
    try:
        body, headers = _body_of(row, path)
    except ConfigError as error:
        problem = str(error)
        return lambda: {**_unreadable(url, publishers), "id": row.get("id"), "error": problem}
    page = _page(url, body, headers, str(row.get("date") or date))
    future = pool.submit(extract_here, page, _publisher(url, publishers), config.extraction.mode)
    return lambda: {**extract_record(url, *_outcome(future), text, publishers), "id": row.get("id")}


def _body_of(row: dict[str, Any], path: str) -> tuple[bytes, dict[str, str]]:  # Any: a user's JSON
    if isinstance(row.get("html"), str):
        return row["html"].encode("utf-8", "replace"), {"content-type": "text/html; charset=utf-8"}
    if not row.get("path"):
        raise ConfigError('neither "html" nor "path"')
    return file_of_line(str(row["path"]), path), {}


def _unreadable(url: str, publishers: Publishers) -> dict[str, object]:
    from aggregator.models import Cause, PageFailed

    return extract_record(url, PageFailed(cause=Cause.RAW_MISSING, detail=""), (), "seed", publishers)


def _outcome(
    future: Future[tuple[Extraction | PageFailed, tuple[str, ...]]],
) -> tuple[Extraction | PageFailed, tuple[str, ...]]:
    """Wait for a worker; one that hung or crashed cost its page only."""
    from aggregator.engine.pool import failure_of as page_failure

    error = future.exception()
    if error is None:
        return future.result()
    failed = page_failure(error)
    if failed is None:
        raise error
    return failed, ()


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
    """Parse one feed, without a store: format, title, entries.

    `-` is stdin. Exit status 1: it is no feed. With --jsonl a record comes out for each line, in order.
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
    from aggregator.parse import parse_feed
    from aggregator.subscriptions import find_feeds

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
    """Print the identity key of each URL and the rule that gave it.

    Two addresses with one key are one article. `-` reads URLs from stdin, one a line; bad input never aborts.
    """
    from json import JSONEncoder

    from aggregator.identify import identify
    from aggregator.parts import publishers_of
    from aggregator.sinks.records import escape_line

    publishers = publishers_of(load_or_default(ctx))
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
    """Say whether files are in the seed format, and where they deviate.

    Exit status 1 when one deviates, 2 when one cannot be read.
    """
    from aggregator.seedformat import check as deviations_of

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
