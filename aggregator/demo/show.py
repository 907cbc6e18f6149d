"""`aggregator demo`: polls the newsroom twice, as `run-once` does, and prints the results for a newcomer."""

from __future__ import annotations

import shutil
import tempfile
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import TextIO

from aggregator.app import App, open_app
from aggregator.clock import SystemClock
from aggregator.config.loading import load_config
from aggregator.demo.configuration import demo_config
from aggregator.demo.newsroom import Newsroom
from aggregator.engine.local import RunReport
from aggregator.errors import ConfigError
from aggregator.models.feeds import FeedStatus
from aggregator.models.fetching import Cause
from aggregator.sinks.dataset.corpus import Corpus
from aggregator.sinks.dataset.write import DatasetRequest, write_dataset
from aggregator.sinks.records import document

_LATER = timedelta(hours=7)  # between the two runs: long enough for the revisit of a fresh article
_SEED_KEY = "dw:63723431"

OnProgress = Callable[[Counter[str]], None] | None


def run_demo(keep: Path | None, on_progress: OnProgress, out: TextIO) -> tuple[RunReport, RunReport]:
    """Poll the newsroom, change it to its later state, poll again; return the reports of both runs.

    Printed are: the counts of each run, articles with several addresses, refused pages, and one whole article. The
    first run is dated seven hours ago, so that a kept store contains no future times. `keep` is the folder in which all
    files are kept; None: they are removed at the end.

    Raises:
        ConfigError: the folder `keep` is not empty.
    """

    def say(line: str = "") -> None:
        print(line, file=out)

    with _folder(keep) as folder, Newsroom() as newsroom:
        path = folder / "aggregator.toml"
        path.write_text(demo_config(folder, newsroom), encoding="utf-8")
        config = load_config(path, {})
        say(f"A newsroom on 127.0.0.1 plays {len(config.feeds)} feeds.")
        with open_app(config, clock=SystemClock(ahead=-_LATER)) as app:
            first, _ = app.run_once(on_progress=on_progress)
            say("\nFirst run")
            _say_run(first, app, say)
        newsroom.advance()
        asked = len(newsroom.requests)
        with open_app(config) as app:
            second, _ = app.run_once(force=True, on_progress=on_progress)
            say("\nSecond run, seven hours later there")
            _say_run(second, app, say)
            statuses = Counter(request.status for request in newsroom.requests[asked:])
            say(f"  {statuses[304]} answers were 304 Not Modified: nothing was transferred twice")
            _say_merged(app, say)
            _say_refused(app, say)
            _say_article(app, say)
            if keep is not None:
                _export(app, folder / "dataset")
        if keep is not None:
            say(f"\nKept in {folder}: articles/ holds one file an article, dataset/ an export with its card; try")
            say(f"  aggregator --help\n  aggregator articles list --config {path}")
        else:
            say("\nNext: `aggregator demo --keep DIR` keeps the files; `aggregator --help` shows the rest.")
    return first, second


@contextmanager
def _folder(keep: Path | None) -> Iterator[Path]:
    if keep is not None:
        if keep.is_dir() and any(keep.iterdir()):
            raise ConfigError(f"{keep}: is not empty; name a new folder")
        keep.mkdir(parents=True, exist_ok=True)
        yield keep.resolve()
        return
    folder = Path(tempfile.gettempdir(), f"aggregator-demo-{uuid.uuid4().hex}")
    try:
        folder.mkdir(mode=0o700)  # within the block: a signal may come as soon as the folder is there
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _export(app: App, folder: Path) -> None:
    """Write the stored articles to `folder` as a dataset: JSON lines and Markdown."""
    request = DatasetRequest(folder=folder, formats=("jsonl", "md"), replace=True, config_hash=app.config.config_hash)
    with app.store.snapshot() as snapshot:
        write_dataset(Corpus(snapshot=snapshot, raw=app.raw_store.get), request)


def _say_run(report: RunReport, app: App, say: Callable[[str], None]) -> None:
    say(
        f"  {report.feeds_polled} feeds polled, {report.feeds_unchanged} unchanged, {report.feeds_failed} failed; "
        f"{report.entries_new} of {report.entries_seen} entries new"
    )
    say(
        f"  {report.pages_collected} pages collected, {report.pages_failed} failed in {report.seconds:.1f} s; "
        f"articles: {report.articles_new} new, {report.articles_updated} updated, {report.articles_duplicate} duplicate"
    )
    for feed in app.store.feeds():
        if feed.state.status is FeedStatus.FAILING and feed.state.cause is not None:
            say(f"  failing: {feed.name}: {feed.state.cause}: {feed.state.detail}")


def _say_merged(app: App, say: Callable[[str], None]) -> None:
    say("\nOne article, however many addresses")
    for article in app.store.articles():
        if len(article.urls) > 1:
            say(f"  {article.key}  {article.content.title}")
            for url in article.urls:
                say(f"      {url}")
        if article.near_duplicate_of:
            say(f"  {article.key} says nearly the same as {article.near_duplicate_of}: kept, and marked")


def _say_refused(app: App, say: Callable[[str], None]) -> None:
    say("\nRefused, each with its reason (`aggregator why URL` tells the whole story)")
    for url, cause, detail in app.store.failed_pages():
        reason = "robots.txt forbids it" if cause is Cause.ROBOTS else f"{cause}: {detail}"
        say(f"  {url}\n      {reason}")


def _say_article(app: App, say: Callable[[str], None]) -> None:
    article = next((one for one in app.store.articles() if one.key == _SEED_KEY), None)
    if article is None:
        return
    say(f"\nOne article in full, as its file {article.day}/{article.number:03d}_{article.id}.txt holds it")
    say("-" * 100)
    say(document(article.content, "seed"))
    say("-" * 100)
