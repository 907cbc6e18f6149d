"""Commands for the operator of an installation: config, db, selftest."""

from __future__ import annotations

import json
from dataclasses import asdict
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import click

from aggregator.cli.articles import open_store_of
from aggregator.cli.framework import Options, cli, load, load_or_default, number, print_json, printable, say
from aggregator.errors import ConfigError, NoStoreError, StorageError

if TYPE_CHECKING:
    from aggregator.config.settings import Config

_URL_OVERRIDE = "AGGREGATOR_STORAGE__URL"


@cli.group()
def config() -> None:
    """The configuration: make a first one, check it, show it, print its JSON Schema for editors.

    The file is looked for in this order: --config FILE, $AGGREGATOR_CONFIG, ./config/aggregator.toml,
    ~/.config/aggregator/aggregator.toml, /etc/aggregator/aggregator.toml. The environment overrides single keys:
    AGGREGATOR_HTTP__TIMEOUT=30s.
    """


@config.command(
    "init",
    examples=(
        "aggregator config init                                        # for you alone",
        "aggregator config init --path /etc/aggregator/aggregator.toml   # for the service",
    ),
)
@click.option("--path", metavar="FILE", type=click.Path(path_type=Path), help="Where to; else your own configuration.")
@click.pass_context
def init_config(ctx: click.Context, path: Path | None) -> None:
    """Write a commented configuration file to start from.

    The file has every key with its default. Its paths are absolute. If the file is below /etc, the data goes to
    /var/lib/aggregator. Otherwise the data goes to your own data folder or, if you name a file, beside that file. An
    existing file is not overwritten.
    """
    from os import environ

    from aggregator.config.initial import default_place, write_initial
    from aggregator.config.loading import find_config

    named = path or ctx.ensure_object(Options).config
    target = named or default_place(environ)
    data = write_initial(target, environ)
    option = "" if named is None else f" --config {target}"
    print(printable(f"wrote {target}; the data goes to {data}"))
    if named is None and (first := find_config(environ)) != target:
        say(f"{first} is found before it; go elsewhere, or name the file with --config FILE")
    is_service = target.absolute().is_relative_to("/etc")
    start = "systemctl enable --now aggregator" if is_service else f"aggregator run-once{option}"
    print(
        f"next: set [http] contact in it to an address of yours, then\n"
        f"  aggregator feeds add https://www.example.org/{option}\n"
        f"  {start}"
    )


@config.command("check", examples=("aggregator config check", "aggregator config check --config my.toml"))
@click.pass_context
def check_config(ctx: click.Context) -> None:
    """Check configuration and publisher rules.

    The command tries every selector of publisher rules and of site-config files. Each error names file, key and remedy;
    the exit status is then 2. A publisher rule takes effect when three pairs of real addresses prove it. The command
    names your rules that have no effect yet.
    """
    from aggregator.config.watching import rule_files
    from aggregator.config.wiring import contact_note, load_rules, selector_faults_of

    loaded = load(ctx)
    rules = load_rules(loaded)
    faults = (*rules.faults, *selector_faults_of(loaded, rules))
    for line in faults:
        say(line)
    if faults:
        ctx.exit(2)
    print(printable(f"{loaded.path}: ok, {number(len(loaded.subscriptions()), 'feed')}"))
    note = contact_note(loaded)
    if note is not None:
        say(note)
    own = {path.stem for path in rule_files(loaded)}
    withheld = [name for name in rules.publishers.withheld if name in own]
    if withheld:
        remedy = "add pairs under `same`, or set [extraction] provisional_rules = true"
        say(f"rules withheld until three pairs prove them: {', '.join(withheld)}; {remedy}")
    if loaded.storage.sqlite_path is None:
        _say_what_is_refused(loaded)


def _say_what_is_refused(loaded: Config) -> None:
    """Print a message if the store would refuse the feeds of this configuration, since it has a newer feed list.

    If the store cannot be read, print that this is unknown.
    """
    from aggregator.subscriptions import refusal, subscriptions_of, written_at

    try:
        with open_store_of(loaded) as store:
            report = store.preview_feeds(subscriptions_of(store, loaded), written_at(loaded))
    except NoStoreError:
        return  # so there is no list in force
    except StorageError as error:
        say(f"{error}; whether a newer feed list is in force is not known")
        return
    if report.refused:
        say(refusal(loaded, report))


@config.command("show", examples=("aggregator config show",))
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
@click.pass_context
def show_config(ctx: click.Context, as_json: bool) -> None:
    """Print the settings in force.

    They include defaults and values from the environment. Secrets are masked.
    """
    from aggregator.config.loading import show

    print(printable(show(load_or_default(ctx), as_json=as_json)), end="")


@config.command("schema", examples=("aggregator config schema > aggregator.schema.json",))
def schema() -> None:
    """Print the JSON Schema of the configuration, for editors."""
    from aggregator.config.loading import config_schema

    print(json.dumps(config_schema(), indent=2))


@cli.group()
def db() -> None:
    """The store: upgrade, backup, stats, copy."""


@db.command("upgrade", examples=("aggregator db upgrade",))
@click.pass_context
def upgrade_db(ctx: click.Context) -> None:
    """Upgrade the store to this version's schema.

    A missing store is created. Make a backup first. Exit status 4: another process of this machine uses the SQLite
    store; stop that first.
    """
    from aggregator.clock import SystemClock
    from aggregator.store import upgrade

    loaded = load(ctx)
    before, after = upgrade(loaded.storage.url, SystemClock())
    if loaded.storage.sqlite_path is None and find_spec("procrastinate") is not None:
        from aggregator.engine.jobs import JobQueue

        with open_store_of(loaded, readonly=False) as store:
            store.set_up_queue(JobQueue(), migrate=True)
    if before is None:
        print(f"a new store, schema {after}")
    else:
        print(f"schema {after}, nothing to do" if before == after else f"schema {before} -> {after}")


@db.command("backup", examples=("aggregator db backup /backups/aggregator.db",))
@click.argument("file", type=click.Path(path_type=Path))
@click.pass_context
def backup_db(ctx: click.Context, file: Path) -> None:
    """Write a consistent copy of a SQLite store.

    The daemon may run meanwhile. An existing FILE is replaced only when the copy is complete and checked. Raw pages are
    not in the copy, so copy the folder `raw_dir` afterwards. A store of an older schema is copied without an upgrade.
    """
    from aggregator.store import backup

    loaded = load(ctx)
    own = loaded.storage.sqlite_path
    if own is not None and file.exists() and own.exists() and file.samefile(own):
        raise ConfigError(f"{file}: is the store itself; name another file")
    backup(loaded.storage.url, file)
    print(printable(f"{file}: {file.stat().st_size} bytes"))


@db.command("stats", examples=("aggregator db stats", "aggregator db stats --json"))
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
@click.pass_context
def stats(ctx: click.Context, as_json: bool) -> None:
    """Show how many feeds, pages and articles are stored.

    The command also prints the size of the database, and other counts of the store.
    """
    with open_store_of(load(ctx)) as store:
        counts = asdict(store.counts())
    if as_json:
        print_json(counts)
    else:
        for name, value in counts.items():
            print(f"{name.replace('_', ' '):<16}{value}")


@db.command("copy", examples=("aggregator db copy postgresql://aggregator@db.example/aggregator",))
@click.argument("url")
@click.pass_context
def copy_db(ctx: click.Context, url: str) -> None:
    """Copy the whole store to another database.

    Each of the two may be SQLite or PostgreSQL. The target must be empty; the store itself does not change. Afterwards
    write URL into [storage] url. Exit status 4: another process of this machine uses the SQLite store.
    """
    from aggregator.clock import SystemClock
    from aggregator.config.loading import load_config
    from aggregator.redaction import mask
    from aggregator.store import copy_store

    loaded = load(ctx)
    try:  # checked as if it stood in the file: a path is relative to the file
        target = load_config(loaded.path, {_URL_OVERRIDE: url}).storage.url
    except ConfigError as error:
        raise ConfigError(str(error).replace(_URL_OVERRIDE, "db copy")) from None
    rows = copy_store(loaded.storage.url, target, SystemClock())
    for name, count in rows.items():
        print(f"{name:<16}{count}")
    say(f"copied; now write url = {json.dumps(mask(target))} under [storage] in {loaded.path}")


@cli.command(examples=("aggregator selftest", "aggregator selftest --json"))
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line: name, passed, detail.")
@click.pass_context
def selftest(ctx: click.Context, as_json: bool) -> None:
    """Test this installation against misbehaving servers.

    The servers listen on 127.0.0.1 and 127.0.0.2 only. They send endless answers, decompression bombs, redirect loops,
    redirects to forbidden addresses, and broken headers. No network and no store are needed. Exit status 1: the
    installation failed against one of them.
    """
    from aggregator.clock import SystemClock
    from aggregator.http.fetch import HttpFetcher
    from aggregator.selftest import run_selftest

    clock = SystemClock()
    scores = run_selftest(lambda limits, lookup: HttpFetcher(limits, clock, lookup=lookup))
    for score in scores:
        if as_json:
            print_json(asdict(score))
        else:
            print(printable(f"{'ok    ' if score.passed else 'FAILED'}  {score.name}"))
            if score.detail:
                print(printable(f"        {score.detail}"))
    passed = sum(score.passed for score in scores)
    if not as_json:
        print(f"{passed} of {len(scores)} passed")
    ctx.exit(0 if passed == len(scores) else 1)
