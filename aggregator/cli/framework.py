"""The base of all commands: the options that every command has, the groups, printing of rows.

Of large packages it imports only click, so `aggregator --help` is fast.
"""

from __future__ import annotations

import gc
import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final, Literal

import click

from aggregator import __version__
from aggregator.cli.signals import end_services_well

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path

    from aggregator.config.settings import Config

# Which module of this package defines a command, and its line in `aggregator --help` (80 columns: 60 signs at most).
COMMANDS: Final[Mapping[str, Mapping[str, tuple[str, str]]]] = {
    "Collecting": {
        "demo": ("run", "See it work: a bundled newsroom, no network needed."),
        "run-once": ("run", "Take the work that is due, write the outputs, exit."),
        "run": ("run", "Run the daemon in the foreground."),
        "worker": ("run", "Work as one member of a fleet (PostgreSQL)."),
        "serve": ("monitor", "Serve status page and API over an existing store."),
        "feeds": ("feeds", "Subscriptions: list, add, remove, import, export, test."),
    },
    "The corpus": {
        "articles": ("articles", "Stored articles: list, show, search."),
        "export": ("export", "Write a dataset: JSON lines, texts, Parquet or WARC."),
        "why": ("monitor", "Show everything decided about an address."),
        "lessons": ("lessons", "What sites taught about their addresses."),
        "reextract": ("reextract", "Extract again from the raw pages that are kept."),
        "filter": ("reextract", "Apply changed filters to what is stored."),
        "forget": ("reextract", "Erase an article or a host, for good."),
    },
    "Without a store": {
        "extract": ("extract", "Extract one page, or many, and print the text."),
        "parse": ("storeless", "Parse one feed, or many: format, title, entries."),
        "identify": ("storeless", "Say which article an address means."),
        "check": ("storeless", "Say whether files are in the seed format."),
    },
    "Watching": {
        "health": ("monitor", "Show feeds that need attention, and what to do."),
        "gaps": ("monitor", "Show times in which a feed may have lost entries."),
        "plan": ("monitor", "Show what the schedule costs and buys."),
        "selftest": ("admin", "Score this installation against misbehaving servers."),
    },
    "Configuration and store": {
        "config": ("admin", "The configuration: init, check, show, schema."),
        "db": ("admin", "The store: upgrade, backup, stats, copy."),
    },
}

_NEW_OBJECTS: Final = 10_000_000  # alive: our records have no cycles, and a listing of 300,000 feeds makes fewer


class Options:
    """The values of the options that every command has."""

    def __init__(self) -> None:
        self.config: Path | None = None
        self.log_format = "text"
        self.verbosity = 0


def _remember(ctx: click.Context, param: click.Parameter, value: Any) -> None:  # Any: click hands over any type
    options = ctx.ensure_object(Options)
    if param.name == "config" and value is not None:
        from pathlib import Path

        options.config = Path(value)
    elif param.name == "log_format" and value is not None:
        options.log_format = value
    elif param.name == "verbose":
        options.verbosity += value
    elif param.name == "quiet" and value:
        options.verbosity = -1


def _common_options() -> list[click.Parameter]:
    """Return --config, --log-format, -v and -q; they may stand before and after the name of a command."""
    keep: dict[str, Any] = {"expose_value": False, "callback": _remember}  # Any: click's own types
    styles = click.Choice(["text", "json"])
    return [
        click.Option(["--config"], metavar="FILE", help="Configuration file.", **keep),
        click.Option(["--log-format"], type=styles, help="How the log on stderr is written.", **keep),
        click.Option(["-v", "--verbose"], count=True, help="Log more; -vv: still more.", **keep),
        click.Option(["-q", "--quiet"], is_flag=True, help="Log errors only.", **keep),
    ]


class Command(click.Command):
    """A command with the common options and `examples` at the end of its help.

    `is_service`: the command runs until a signal comes, and its log shows starts, reloads and stops without `-v`.
    """

    def __init__(
        self, *args: Any, examples: Sequence[str] = (), is_service: bool = False, **kwargs: Any
    ) -> None:  # Any: handed on to click
        super().__init__(*args, **kwargs)
        self.params += _common_options()
        self.is_service = is_service
        self.examples = tuple(examples)

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the examples, each unchanged on a line of its own."""
        if self.examples:
            formatter.write_paragraph()
            formatter.write("Examples:\n" + "".join(f"  {line}\n" for line in self.examples))

    def invoke(self, ctx: click.Context) -> Any:  # Any: as click has it
        """Configure logging, then run."""
        from aggregator import log

        gc.set_threshold(_NEW_OBJECTS)
        if self.is_service:
            end_services_well()
        options = ctx.ensure_object(Options)
        style: Literal["json", "text"] = "json" if options.log_format == "json" else "text"
        log.configure(style=style, verbosity=options.verbosity, is_service=self.is_service)
        return super().invoke(ctx)


class Group(click.Group):
    """A group whose commands have the common options. The common options may also stand before the command's name."""

    command_class = Command

    def __init__(self, *args: Any, **kwargs: Any) -> None:  # Any: handed on to click
        super().__init__(*args, **kwargs)
        self.params += _common_options()

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names in the order in which they were defined."""
        return list(self.commands)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Return the command with this name; the error for an unknown name suggests the nearest one."""
        if self.get_command(ctx, args[0]) is None and not args[0].startswith("-") and not ctx.resilient_parsing:
            from difflib import get_close_matches

            near = get_close_matches(args[0], self.list_commands(ctx), n=1)
            ctx.fail(f"no such command {args[0]!r}" + (f" (did you mean {near[0]!r}?)" if near else ""))
        return super().resolve_command(ctx, args)


class MainGroup(Group):
    """`aggregator` itself. A command's module is imported when the command is called, but not for `--help`."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names, by subject."""
        return [name for commands in COMMANDS.values() for name in commands]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return the command, after its module has been imported."""
        for commands in COMMANDS.values():
            if cmd_name in commands:
                import_module(f"aggregator.cli.{commands[cmd_name][0]}")
        return super().get_command(ctx, cmd_name)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands by subject."""
        width = max(len(name) for commands in COMMANDS.values() for name in commands)
        for subject, commands in COMMANDS.items():
            with formatter.section(subject):
                formatter.write_dl([(name.ljust(width), line) for name, (_, line) in commands.items()])


Group.group_class = Group


@click.group(cls=MainGroup, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="aggregator")
def cli() -> None:
    """Poll feeds, collect the articles they announce, and keep one clean text of each.

    Start with `aggregator demo`: it needs no network and no configuration. Then call `aggregator config init`, list
    your feeds with `aggregator feeds add`, and call `aggregator run-once` or, for the daemon, `aggregator run`. Every
    command has its own --help, with examples.
    """


def load(ctx: click.Context, *, with_feeds: bool = True) -> Config:
    """Return the checked configuration of this call; without its feeds if the command does not need them."""
    from os import environ

    from aggregator.config.loading import load_config

    return load_config(ctx.ensure_object(Options).config, environ, with_feeds=with_feeds)


def load_or_default(ctx: click.Context) -> Config:
    """Return the configuration, or the defaults if there is no file and none was named."""
    from os import environ
    from pathlib import Path

    from aggregator.config.loading import default_config, find_config

    if ctx.ensure_object(Options).config is None and find_config(environ) is None:
        return default_config(environ, Path.cwd())
    return load(ctx)


# --- printing ---------------------------------------------------------------------------------------------------------

_STEERING: Final = re.compile("[\0-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


def print_json(row: Mapping[str, object]) -> None:
    """Print one object on one line."""
    from aggregator.sinks.records import json_line

    print(json_line(row))


def print_table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Print a table on a terminal, tab-separated lines elsewhere."""
    if not sys.stdout.isatty():
        for row in rows:
            print(_tabbed([str(cell).strip() for cell in row]))
        return
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, header_style="bold")
    for column in columns:
        table.add_column(column, overflow="fold", no_wrap=column == "id")
    for row in rows:
        table.add_row(*(Text(one_line(cell)) for cell in row))
    Console().print(table)


def _tabbed(cells: Sequence[str]) -> str:
    """Return a row with tabs between its cells."""
    text = "".join(cells)
    is_plain = text.isprintable() and "  " not in text  # as most rows are: one look at all cells
    return "\t".join(cells if is_plain else map(one_line, cells))


def one_line(value: object) -> str:
    """Return `value` as text without line breaks and tabs, for one cell of a table."""
    return printable(" ".join(str(value).split()))


def number(count: int, thing: str, things: str = "") -> str:
    """Return `1 article`, `3 articles`."""
    return f"{count} {thing}" if count == 1 else f"{count} {things or thing + 's'}"


def spell_time(at: datetime) -> str:
    """Return a time to the second, in UTC."""
    return f"{at:%Y-%m-%d %H:%M:%SZ}"


def printable(text: str) -> str:
    """Return `text` without control characters, since text of a feed must not control a terminal."""
    return _STEERING.sub("\N{REPLACEMENT CHARACTER}", text)


def say(what: object) -> None:
    """Print a line for the user on stderr, since stdout is for results alone."""
    from aggregator import log

    print(log.line_for_user(one_line(what)), file=sys.stderr)
