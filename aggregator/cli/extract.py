"""The command `extract`: the text of one page or many, without a store."""

from __future__ import annotations

import os
import sys
from collections import deque
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from aggregator.cli.framework import cli, load_or_default, print_json, printable, say
from aggregator.cli.inputs import BrokenLine, file_of_line, read_input, read_lines
from aggregator.cli.progress import counted
from aggregator.errors import ConfigError

if TYPE_CHECKING:
    from aggregator.config.settings import Config
    from aggregator.engine.pool import WorkerPool
    from aggregator.extraction.page_rules import PageRules
    from aggregator.identity.publisher_rules import Publishers
    from aggregator.models.articles import ExtractInput, Extraction
    from aggregator.models.pages import PageFailed
    from aggregator.sinks.records import TextChoice

_AHEAD = 4  # pages handed to each worker before the first result is waited for

Outcome = tuple["Extraction | PageFailed", tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class PageOptions:
    """The options of one call of `extract`, which hold for all its pages. `rules_of` returns the rules for a host."""

    text: TextChoice
    date: str
    publishers: Publishers
    rules_of: Callable[[str], PageRules | None]


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
@click.option("--text", type=click.Choice(["seed", "body", "markdown"]), default="seed", help="Which text to print.")
@click.option("--json", "as_json", is_flag=True, help="The record as one JSON object.")
@click.option("--jsonl", metavar="IN", help='Many pages: lines of {"id","url","html"} or {"id","url","path"}.')
@click.pass_context
def extract(
    ctx: click.Context,
    source: str | None,
    url: str,
    date: str,
    text: TextChoice,
    as_json: bool,
    jsonl: str | None,
) -> None:
    """Extract one page, without a store, and print its text.

    A file holds the raw bytes of a page, compressed with gzip or not; `-` is stdin. Exit status 1: the page has no
    article. With --jsonl the command prints one record for each line, in order. If a page has no article, its record
    has an `error`. Exit status 2: a line is no JSON object.
    """
    if (source is None) == (jsonl is None):
        raise click.UsageError("name one page, or --jsonl IN", ctx)
    config = load_or_default(ctx)
    options = _page_options(config, text, date)
    if jsonl is not None:
        ctx.exit(_extract_lines(jsonl, config, options))
    assert source is not None
    body, final_url, headers = read_input(source, config, "page")
    job = _job(url or final_url, body, headers, date, options)
    outcome = extract_here(*job)
    record = extract_record(job[0].url, outcome, options)
    if as_json:
        print_json(record)
    if record["error"]:
        say(f"{source}: {record['error']}")
        ctx.exit(1)
    if not as_json:
        _print_document(outcome, text)


def _print_document(outcome: Outcome, text: TextChoice) -> None:
    """Print the text of a page. On a terminal, each control character is replaced."""
    from aggregator.models.pages import PageFailed
    from aggregator.sinks.records import document

    content, _ = outcome
    assert not isinstance(content, PageFailed)
    made = document(content, text) + "\n"
    if sys.stdout.isatty():
        sys.stdout.write(printable(made))
    else:
        sys.stdout.buffer.write(made.encode("utf-8", "replace"))


def _page_options(config: Config, text: TextChoice, date: str) -> PageOptions:
    """Return what all pages of one `extract` command share: which text, the assumed date, and the publisher rules.

    Raises:
        ConfigError: the date is invalid, or a rule is refused.
    """
    from datetime import datetime

    from aggregator.config.wiring import load_rules
    from aggregator.text.seed_format import is_date

    if date and not is_date(date):
        try:
            datetime.fromisoformat(date)
        except ValueError:
            raise ConfigError(f'--date: "{date}" is no day; write 2026-11-23') from None
    rules = load_rules(config, strict=True)
    return PageOptions(text, date, rules.publishers, rules.of_pages)


# --- one page ---------------------------------------------------------------------------------------------------------


def _job(
    url: str, body: bytes, headers: Mapping[str, str], date: str, options: PageOptions
) -> tuple[ExtractInput, PageRules | None]:
    """Return the two arguments of `extract_here` for a page."""
    from aggregator.models.articles import ExtractInput
    from aggregator.urls import host_of

    page = ExtractInput(url=url, body=body, headers=headers, feed_published=date)
    return page, options.rules_of(host_of(url))


def extract_here(page: ExtractInput, rules: PageRules | None) -> Outcome:
    """Extract a page; return its article, or why it has none, and the reasons to doubt that it is an article.

    Worker processes call this function, too.
    """
    from aggregator.extraction.extract import extract_page
    from aggregator.extraction.markup import read_markup
    from aggregator.extraction.quality import assess
    from aggregator.models.pages import PageFailed

    markup = read_markup(page)
    outcome = extract_page(page, rules, markup)
    return outcome, () if isinstance(outcome, PageFailed) else assess(outcome, page, markup)


def extract_record(url: str, outcome: Outcome, options: PageOptions) -> dict[str, object]:
    """Return the record of `extract --json`. It has all fields of an article; those that only a store knows are empty.

    With `--text seed` the field `text` is the text of the whole page in the seed format.
    """
    from aggregator.identity.identify import article_id, identify
    from aggregator.models.pages import PageFailed
    from aggregator.sinks.records import content_fields
    from aggregator.text.seed_format import render

    content, quality = outcome
    key = identify(url, options.publishers).key
    known = {
        "id": article_id(key) if key is not None else None,
        "url": url,
        "urls": [url] if url else [],
        "key": key,
        "quality": list(quality),
        "error": None,
    }
    if isinstance(content, PageFailed):
        return _NOTHING | known | {"error": f"{content.cause}: {content.detail}"}
    as_given = {"text": render(content.text, content.date)} if options.text == "seed" else {}
    return _NOTHING | known | content_fields(content, options.text) | as_given


_NOTHING: dict[str, object] = (
    dict.fromkeys(("id", "url"))
    | {"urls": [], "key": None, "title": "", "authors": [], "date": ""}
    | dict.fromkeys(("published", "date_source", "updated", "source", "change_seq", "first_seen", "language", "site"))
    | {
        "feed": None,
        "feeds": [],
        "tags": [],
        "text": "",
        "body": "",
        "markdown": None,
        **dict.fromkeys(("description", "section", "is_free", "licence", "rights", "images")),
        "word_count": 0,
        "categories": [],
        "enclosures": [],
    }
    | dict.fromkeys(("lead_image", "extractor", "revision", "near_duplicate_of"))
    | {"quality": [], "raw": None, "error": None}
)


# --- many pages -------------------------------------------------------------------------------------------------------


def _extract_lines(path: str, config: Config, options: PageOptions) -> int:
    """Print a record for each line of the file `path`, in order; return the exit status.

    Worker processes extract the pages.
    """
    from aggregator.engine.pool import WorkerPool

    status = 0
    waiting: deque[Callable[[], Mapping[str, object]]] = deque()
    with closing(WorkerPool(config.extraction.workers or os.cpu_count() or 1, config.extraction.timeout)) as pool:
        for row in counted(read_lines(path), "pages"):
            if isinstance(row, BrokenLine):
                say(row)
                status = 2
            waiting.append(_begin(row, path, options, pool))
            if len(waiting) > pool.workers * _AHEAD:
                print_json(waiting.popleft()())
        while waiting:
            print_json(waiting.popleft()())
    return status


def _begin(
    row: dict[str, Any] | BrokenLine,
    path: str,
    options: PageOptions,
    pool: WorkerPool,  # Any: a user's JSON
) -> Callable[[], Mapping[str, object]]:
    """Send the page of a line to a worker; return a function that waits for the result and returns the record."""
    if isinstance(row, BrokenLine):
        broken = _NOTHING | {"error": str(row)}
        return lambda: broken
    url, own = str(row.get("url") or ""), {"id": row.get("id")}
    try:
        body, headers = _body_of(row, path)
    except ConfigError as error:
        unread = _NOTHING | own | {"url": url, "error": str(error)}
        return lambda: unread
    future = pool.submit(extract_here, *_job(url, body, headers, str(row.get("date") or options.date), options))
    return lambda: extract_record(url, _outcome(future), options) | own


def _body_of(row: dict[str, Any], path: str) -> tuple[bytes, dict[str, str]]:  # Any: a user's JSON
    if isinstance(row.get("html"), str):
        return row["html"].encode("utf-8", "replace"), {"content-type": "text/html; charset=utf-8"}
    if not row.get("path"):
        raise ConfigError('neither "html" nor "path"')
    return file_of_line(str(row["path"]), path), {}


def _outcome(future: Future[Outcome]) -> Outcome:
    """Wait for the result of a worker. If the worker hung or crashed, the result says that this page failed."""
    from aggregator.engine.pool import result_of
    from aggregator.models.fetching import Cause
    from aggregator.models.pages import PageFailed

    match result_of(future):
        case None:
            return PageFailed(cause=Cause.EXTRACTION_CRASHED, detail="the worker processes were ended"), ()
        case PageFailed() as failed:
            return failed, ()
        case outcome:
            return outcome
