"""Commands for whoever keeps an installation: config, db."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict

import click

from aggregator.cli.corpus import open_store_of
from aggregator.cli.frame import cli, load, load_or_default, print_json


@cli.group()
def config() -> None:
    """The configuration: check it, show it, describe it to editors."""


@config.command("check")
@click.pass_context
def check_config(ctx: click.Context) -> None:
    """Say whether configuration and publisher rules are valid; the first error names file, key and remedy."""
    from aggregator.parts import publishers_of

    loaded = load(ctx)
    publishers_of(loaded)
    print(f"{loaded.path}: ok, {len(loaded.subscriptions())} feeds")


@config.command("show")
@click.pass_context
def show_config(ctx: click.Context) -> None:
    """Print the settings in force, defaults and environment included, secrets masked."""
    from aggregator.config import show

    print(show(load_or_default(ctx)), end="")


@config.command("schema")
def schema() -> None:
    """Print the JSON Schema of the configuration, for editors."""
    from aggregator.config import config_schema

    print(json.dumps(config_schema(), indent=2))


@cli.group()
def db() -> None:
    """The store: upgrade, backup, statistics, move."""


@db.command("upgrade")
@click.pass_context
def upgrade_db(ctx: click.Context) -> None:
    """Bring the store to this version's schema; makes one where there is none."""
    from aggregator.clock import SystemClock
    from aggregator.store import upgrade

    print(f"schema {upgrade(load(ctx).storage.url, SystemClock())}")


@db.command("stats")
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
@click.pass_context
def stats(ctx: click.Context, as_json: bool) -> None:
    """Say what the store holds."""
    with open_store_of(load(ctx)) as store:
        counts = asdict(store.counts())
    if as_json:
        print_json(counts)
    else:
        for name, value in counts.items():
            print(f"{name.replace('_', ' '):<16}{value}")
    sys.stdout.flush()
