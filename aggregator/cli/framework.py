"""The base of all commands: the classes of commands and groups, the options that every command has, and printing.

The only large package that it imports is click, so `aggregator --help` is fast.
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
    """The values of the options that every command has. `verbosity`: 0 is the default, -1 is `-q`, 2 is `-vv`."""

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
    """Return the options --config, --log-format, -v and -q, which every command has."""
    keep: dict[str, Any] = {"expose_value": False, "callback": _remember}  # Any: click's own types
    styles = click.Choice(["text", "json"])
    return [
        click.Option(["--config"], metavar="FILE", help="Configuration file.", **keep),
        click.Option(["--log-format"], type=styles, help="How the log on stderr is written.", **keep),
        click.Option(["-v", "--verbose"], count=True, help="Log more; -vv: still more.", **keep),
        click.Option(["-q", "--quiet"], is_flag=True, help="Log errors only.", **keep),
    ]


class Command(click.Command):
    """A command with the options that every command has, and with `examples` at the end of its help.

    `is_service` is True for a command that runs until a signal comes. Its log shows starts, reloads and stops even
    without `-v`.
    """

    def __init__(
        self, *args: Any, examples: Sequence[str] = (), is_service: bool = False, **kwargs: Any
    ) -> None:  # Any: handed on to click
        super().__init__(*args, **kwargs)
        self.params += _common_options()
        self.is_service = is_service
        self.examples = tuple(examples)

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the examples below the help, each on a line of its own that is not wrapped."""
        if self.examples:
            formatter.write_paragraph()
            formatter.write("Examples:\n" + "".join(f"  {line}\n" for line in self.examples))

    def invoke(self, ctx: click.Context) -> Any:  # Any: as click has it
        """Configure logging, then run the command."""
        from aggregator import log

        gc.set_threshold(_NEW_OBJECTS)
        if self.is_service:
            end_services_well()
        options = ctx.ensure_object(Options)
        style: Literal["json", "text"] = "json" if options.log_format == "json" else "text"
        log.configure(style=style, verbosity=options.verbosity, is_service=self.is_service)
        return super().invoke(ctx)


class Group(click.Group):
    """A group of commands, such as `feeds` with `feeds list` and `feeds add`.

    The options that every command has may also stand before the name of a command.
    """

    command_class = Command

    def __init__(self, *args: Any, **kwargs: Any) -> None:  # Any: handed on to click
        super().__init__(*args, **kwargs)
        self.params += _common_options()

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of the commands in the order in which they were defined."""
        return list(self.commands)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command that `args[0]` names. If there is none, the error message suggests the most similar name."""
        if self.get_command(ctx, args[0]) is None and not args[0].startswith("-") and not ctx.resilient_parsing:
            from difflib import get_close_matches

            near = get_close_matches(args[0], self.list_commands(ctx), n=1)
            ctx.fail(f"no such command {args[0]!r}" + (f" (did you mean {near[0]!r}?)" if near else ""))
        return super().resolve_command(ctx, args)


class MainGroup(Group):
    """`aggregator` itself. It imports the module of a command only when the command is called, not for `--help`."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of all commands in the order of `COMMANDS`."""
        return [name for commands in COMMANDS.values() for name in commands]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import the module that defines the command, then return the command. None: there is no such command."""
        for commands in COMMANDS.values():
            if cmd_name in commands:
                import_module(f"aggregator.cli.{commands[cmd_name][0]}")
        return super().get_command(ctx, cmd_name)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list of commands in `--help`, under the headings of `COMMANDS`."""
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
    """Read and check the configuration of this call. `with_feeds` False: its feeds are not read, which is faster."""
    from os import environ

    from aggregator.config.loading import load_config

    return load_config(ctx.ensure_object(Options).config, environ, with_feeds=with_feeds)


def load_or_default(ctx: click.Context) -> Config:
    """Return the configuration, or the default settings if no file was named and none is found."""
    from os import environ
    from pathlib import Path

    from aggregator.config.loading import default_config, find_config

    if ctx.ensure_object(Options).config is None and find_config(environ) is None:
        return default_config(environ, Path.cwd())
    return load(ctx)


# --- printing ---------------------------------------------------------------------------------------------------------

_STEERING: Final = re.compile("[\0-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


def print_json(row: Mapping[str, object]) -> None:
    """Print `row` as JSON on one line."""
    from aggregator.sinks.records import json_line

    print(json_line(row))


def print_table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Print rows as a table with column heads on a terminal; elsewhere as tab-separated lines without heads."""
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
    text = "".join(cells)
    is_plain = text.isprintable() and "  " not in text  # as most rows are: one look at all cells
    return "\t".join(cells if is_plain else map(one_line, cells))


def one_line(value: object) -> str:
    """Return `value` as text without line breaks and tabs, for one cell of a table."""
    return printable(" ".join(str(value).split()))


def number(count: int, thing: str, things: str = "") -> str:
    """Return a count with its noun: `1 article`, `3 articles`. `things` is the plural; "" means `thing` with an s."""
    return f"{count} {thing}" if count == 1 else f"{count} {things or thing + 's'}"


def spell_time(at: datetime) -> str:
    """Return a UTC time as text, to the second: `2026-11-01 12:00:00Z`."""
    return f"{at:%Y-%m-%d %H:%M:%SZ}"


def printable(text: str) -> str:
    """Return `text` with each control character replaced, so that text from a feed cannot control a terminal.

    Tabs and line feeds stay.
    """
    return _STEERING.sub("\N{REPLACEMENT CHARACTER}", text)


def say(what: object) -> None:
    """Print a message for the user as one line on stderr. stdout is for results alone."""
    from aggregator import log

    print(log.line_for_user(one_line(what)), file=sys.stderr)
