"""What all commands share: the options that stand on each of them, the group, printing of rows."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import click

from aggregator import __version__

if TYPE_CHECKING:
    from aggregator.settings import Config


@dataclass(slots=True)
class Options:
    """What was said by the options that stand on every command."""

    config: Path | None = None
    log_format: Literal["text", "json"] = "text"
    verbosity: int = 0


def _remember(ctx: click.Context, param: click.Parameter, value: Any) -> None:  # Any: click hands over any type
    options = ctx.ensure_object(Options)
    if param.name == "config" and value is not None:
        options.config = Path(value)
    elif param.name == "log_format" and value is not None:
        options.log_format = value
    elif param.name == "verbose":
        options.verbosity += value
    elif param.name == "quiet" and value:
        options.verbosity = -1


class Command(click.Command):
    """A command with --config, --log-format, -v and -q."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:  # Any: handed on to click as it is
        super().__init__(*args, **kwargs)
        self.params += [
            click.Option(
                ["--config"],
                metavar="FILE",
                help="Configuration file.",
                expose_value=False,
                callback=_remember,
            ),
            click.Option(
                ["--log-format"],
                type=click.Choice(["text", "json"]),
                help="How the log on stderr is written.",
                expose_value=False,
                callback=_remember,
            ),
            click.Option(["-v", "--verbose"], count=True, help="Log more.", expose_value=False, callback=_remember),
            click.Option(
                ["-q", "--quiet"], is_flag=True, help="Log errors only.", expose_value=False, callback=_remember
            ),
        ]

    def invoke(self, ctx: click.Context) -> Any:  # Any: as click has it
        """Configure logging, then run."""
        from aggregator import log

        options = ctx.ensure_object(Options)
        log.configure(style=options.log_format, verbosity=options.verbosity)
        return super().invoke(ctx)


class Group(click.Group):
    """A group whose commands carry the common options; modules are imported when a command is looked for."""

    command_class = Command

    def __init__(self, *args: Any, modules: Sequence[str] = (), **kwargs: Any) -> None:  # Any: handed on to click
        super().__init__(*args, **kwargs)
        self._modules = tuple(modules)

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names in the order in which they were defined."""
        self._load()
        return list(self.commands)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return the command, after its module has been imported."""
        self._load()
        return super().get_command(ctx, cmd_name)

    def _load(self) -> None:
        modules, self._modules = self._modules, ()
        for module in modules:
            import_module(module)


Group.group_class = Group

_MODULES = ("run", "feeds", "corpus", "single", "watch", "upkeep")


@click.group(
    cls=Group,
    modules=[f"aggregator.cli.{name}" for name in _MODULES],
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(__version__, prog_name="aggregator")
def cli() -> None:
    """Poll feeds, collect the articles they announce, give out a clean, de-duplicated full-text corpus.

    Start with `aggregator demo`: it needs no network and no configuration. Then list your feeds in
    config/aggregator.toml and call `aggregator run-once`, or `aggregator run` for the daemon.
    """


def load(ctx: click.Context) -> Config:
    """Return the checked configuration of this call."""
    from os import environ

    from aggregator.config import load_config

    return load_config(ctx.ensure_object(Options).config, environ)


def load_or_default(ctx: click.Context) -> Config:
    """Return the configuration, or the defaults where none is found and none was named."""
    from os import environ

    from aggregator.config import default_config, find_config

    if ctx.ensure_object(Options).config is None and find_config(environ) is None:
        return default_config(environ, Path.cwd())
    return load(ctx)


def print_json(row: Mapping[str, object]) -> None:
    """Print one object on one line."""
    print(json.dumps(row, ensure_ascii=False, default=str))


def print_table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Print a table on a terminal, tab-separated lines elsewhere."""
    if not sys.stdout.isatty():
        for row in rows:
            print(*(str(cell).replace("\t", " ").replace("\n", " ") for cell in row), sep="\t")
        return
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(*columns, box=None, header_style="bold")
    for row in rows:
        table.add_row(*(Text(printable(str(cell))) for cell in row))
    Console().print(table)


def printable(text: str) -> str:
    """Return `text` without control characters: what comes in a feed must not steer a terminal."""
    return "".join(char if char.isprintable() or char == "\n" else "\N{REPLACEMENT CHARACTER}" for char in text)
