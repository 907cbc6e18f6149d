"""The commands that poll feeds: run-once, run, worker, demo."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from aggregator.cli.framework import Options, cli, load, number, print_json, say
from aggregator.cli.progress import run_progress
from aggregator.cli.signals import catch_signals, held_signals
from aggregator.cli.summary import print_outcome, record

if TYPE_CHECKING:
    from aggregator.app import App
    from aggregator.config.settings import Config


@cli.command(
    "run-once",
    examples=(
        "aggregator run-once                          # from cron or a timer",
        "aggregator run-once --all                    # do not wait until feeds are due",
        "aggregator run-once --feed 'DW English' -v   # one feed; -v: a line for each job",
        "aggregator run-once --json --strict          # for scripts",
    ),
)
@click.option("--all", "force", is_flag=True, help="Every enabled feed, unless Retry-After or a 410 forbids it.")
@click.option("--feed", "feeds", multiple=True, metavar="NAME_OR_URL", help="Only this feed; may be repeated.")
@click.option("--strict", is_flag=True, help="Exit with 1 when a feed failed.")
@click.option("--json", "as_json", is_flag=True, help="Print the summary as one JSON object.")
@click.pass_context
def run_once(ctx: click.Context, force: bool, feeds: tuple[str, ...], strict: bool, as_json: bool) -> None:
    """Poll the feeds that are due, collect the pages they announce, write the outputs, exit.

    The command waits for the pace of a host, but not for the end of a back-off or for a retry time. It prints the work
    done, the failures, and when the next feed is due; with -q only the failures. One run collects at most `[polling]
    max_pages_per_visit` pages of a host; the next run continues. The command may run beside `aggregator run`.

    The exit status is 0 even if single feeds failed; see --strict.
    """
    quiet = ctx.ensure_object(Options).verbosity < 0
    working: list[App] = []  # before that no work has begun, so nothing must be finished
    caught = catch_signals(lambda: working[0].request_stop() if working else os._exit(128 + caught[0]))
    from aggregator.app import open_app

    with open_app(load(ctx)) as app:
        working.append(app)
        since, failed_before = app.store.now(), frozenset(url for url, _, _ in app.store.failed_pages())
        with run_progress() as on_progress:
            report, published = app.run_once(feeds=feeds, force=force, on_progress=on_progress)
        unpublished = 0 if published.held else app.store.counts().unpublished
        if not as_json:
            print_outcome(report, app.store, feeds, since, failed_before, quiet=quiet)
    if as_json:
        print_json(record(report))
    if unpublished:
        say(f"{number(unpublished, 'change')} to be published: another process holds the outputs")
    if caught:
        sys.stdout.flush()
        ctx.exit(128 + caught[0])
    if strict and report.feeds_failed:
        ctx.exit(1)


@cli.command(
    is_service=True,
    examples=("aggregator run", "aggregator run --config /etc/aggregator/aggregator.toml --log-format json"),
)
@click.pass_context
def run(ctx: click.Context) -> None:
    """Run the daemon in the foreground.

    The daemon polls due feeds, collects pages, publishes, and serves the status page at `[web] listen`. It reads the
    configuration again when the file changes, or at SIGHUP. The first SIGTERM or SIGINT lets it finish or give back its
    work. The second one ends it at once.
    """
    from aggregator.app import open_app
    from aggregator.engine.local import LocalEngine
    from aggregator.service import Service, hold_store

    config = load(ctx)
    with hold_store(config), open_app(config) as app:
        Service(app, LocalEngine(app.visits), lambda: load(ctx), os.environ).run()


@cli.command(
    is_service=True,
    examples=(
        "aggregator worker",
        "aggregator worker --config /etc/aggregator/aggregator.toml --log-format json",
    ),
)
@click.pass_context
def worker(ctx: click.Context) -> None:
    """Work as one member of a fleet, in the foreground (PostgreSQL).

    Start as many workers as you like, on as many machines. Due hosts become jobs in the database. Each worker visits
    the hosts of its jobs, extracts the pages whose raw bytes are in its own folder, and publishes. The command needs
    the extra `postgresql`. It reloads and stops as `aggregator run` does. It serves no status page; use `aggregator
    serve`.
    """
    config = load(ctx)
    uri = fleet_uri(config)
    from aggregator.app import open_app
    from aggregator.engine.fleet import FleetEngine
    from aggregator.service import Service

    with open_app(config) as app:
        engine = FleetEngine(app.visits, app.store, uri)
        Service(app, engine, lambda: load(ctx), os.environ, serves=False).run()


def fleet_uri(config: Config) -> str:
    """Return the libpq URI of the PostgreSQL database that a fleet shares.

    Raises:
        ConfigError: the store is a SQLite file, which a fleet cannot share.
    """
    from aggregator.errors import ConfigError
    from aggregator.store.db.dialects import PostgresDialect, dialect_of

    dialect = dialect_of(config.storage.url)
    if not isinstance(dialect, PostgresDialect):
        raise ConfigError(
            f"{config.path}: storage.url: `aggregator worker` needs PostgreSQL; `aggregator run` is for SQLite"
        )
    return dialect.uri


@cli.command(
    examples=(
        "aggregator demo",
        "aggregator demo --keep trial   # then: aggregator articles list --config trial/aggregator.toml",
    )
)
@click.option("--keep", metavar="DIR", type=click.Path(path_type=Path), help="Keep what was stored in this new folder.")
@click.option("--json", "as_json", is_flag=True, help="Print the summaries as JSON objects, one a line.")
@click.pass_context
def demo(ctx: click.Context, keep: Path | None, as_json: bool) -> None:
    """Poll a bundled set of invented publishers on 127.0.0.1, twice, and show the results.

    No network and no configuration are needed. The command prints what was polled, stored, merged and refused, and one
    whole article.
    """
    from tempfile import gettempdir

    from aggregator.demo.show import run_demo

    with held_signals():
        gettempdir()  # at its first call it writes a file to try the folder, and removes it
    with run_progress() as on_progress:
        reports = run_demo(keep, on_progress, sys.stdout if not as_json else sys.stderr)
    if as_json:
        for report in reports:
            print_json(record(report))
