"""The result of `feeds test`: makes and prints the record that describes a feed's answer."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aggregator.cli.framework import printable
from aggregator.cli.inputs import failure_of, fetch
from aggregator.cli.probe.preview import try_feed
from aggregator.clock import SystemClock
from aggregator.feeds.parse import parse_feed
from aggregator.models.fetching import Fetched

if TYPE_CHECKING:
    from aggregator.config.settings import Config
    from aggregator.models.feeds import Entry, ParsedFeed


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


def print_answer(record: dict[str, object], entry: dict[str, object]) -> None:
    """Print the record of a feed and, if `entry` is not empty, the record of the feed's newest entry."""
    for name, value in record.items():
        if not isinstance(value, list):
            print(printable(f"{name.replace('_', ' '):<12}{_spell(value)}"))
            continue
        print(f"{name}:" if value else f"{name}: none")
        for one in value:
            print(printable(f"  {'  '.join(filter(None, one.values()))}"))
    if not entry:
        return
    print("\nnewest entry")
    for name in _SHOWN:
        value = entry.get(name)
        lines = value if isinstance(value, list) else [value]
        for index, line in enumerate(lines or [None]):
            print(printable(f"{'' if index else name.replace('_', ' '):<12}{_spell(line)}"))
    if entry.get("body"):  # the rules select the body; the seed format has the text of the whole page
        print(printable(f"\n{entry['body']}"))


def read_plain(config: Config, url: str, page: bool) -> tuple[dict[str, object], dict[str, object]]:
    """Request an RSS, Atom or JSON feed once. Return the record that describes it, and the record of its newest entry.

    The second record is empty if `page` is False or no feed was read.
    """
    result = fetch(config, url)
    if not isinstance(result, Fetched):
        return {"url": url, "ok": False, "error": failure_of(result)}, {}
    headers, now = dict(result.headers), SystemClock().now()
    parsed, has = parse_feed(result.body, url=result.final_url, headers=headers, now=now), result.validators
    record = _tested(url, parsed) | {
        "final_url": result.final_url,
        "validators": has.etag is not None or has.last_modified is not None,
        "error": parsed.error or ("an HTML page" if parsed.kind == "html" else None),
    }
    if not (page and record["ok"]):
        return record, {}
    return record, try_feed(config, url, result).page


def read_source(config: Config, url: str, page: bool) -> tuple[dict[str, object], dict[str, object]]:
    """Read a sitemap, a page with links, or the output of a program once. Return two records, as `read_plain` does.

    The first record also has the entries that were found.
    """
    trial = try_feed(config, url, with_page=page)
    if trial.parsed is None or trial.parsed.kind != "feed":
        error = trial.failed or "gives no entries"
        return {"url": url, "ok": False, "error": error}, {}
    found = [_shown(entry) for entry in trial.parsed.entries]
    record = _tested(url, trial.parsed) | {"error": trial.parsed.error or None, "found": found}
    return record, trial.page if page else {}


def _shown(entry: Entry) -> dict[str, str | None]:
    at = entry.published_at or entry.updated_at
    return {"link": entry.link, "title": entry.title, "date": at.isoformat() if at else None}


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
