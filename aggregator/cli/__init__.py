"""The command line: parses arguments, prints results, gives exit codes. Everything heavy is imported late."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Sequence
from io import TextIOWrapper

import click

from aggregator.cli.framework import Options, cli, say
from aggregator.cli.signals import ended_by_signals
from aggregator.errors import AggregatorError

__all__ = ["cli", "main"]


def main(arguments: Sequence[str] | None = None) -> None:
    """Run a command; every error that a user can cause is one line on stderr and an exit status."""
    _prepare_streams()
    with ended_by_signals():
        status = _run(arguments)
    sys.exit(status)


def _prepare_streams() -> None:
    """Write UTF-8 whatever the locale; a lone surrogate becomes an escape, which is what JSON has for it."""
    for name in ("stdin", "stdout", "stderr"):
        if getattr(sys, name) is None:  # closed by whoever called us
            setattr(sys, name, open(os.devnull, "r+", encoding="utf-8"))  # noqa: SIM115, PTH123 - until we exit
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(encoding="utf-8", errors="backslashreplace")


def _run(arguments: Sequence[str] | None) -> int:
    """Return the exit status of the command."""
    try:
        status = _invoke(sys.argv[1:] if arguments is None else list(arguments))
        sys.stdout.flush()
    except click.ClickException as error:
        return _refuse(error)
    except (click.Abort, KeyboardInterrupt):
        return 128 + signal.SIGINT
    except BrokenPipeError:
        _drop_output()
        return 0  # the reader has seen enough: nothing more to say
    except AggregatorError as error:
        say(error)
        return error.exit_code
    except OSError as error:
        _drop_output()
        say(f"{error.filename}: {error.strerror}" if error.filename and error.strerror else error)
        return 3
    return status


def _invoke(arguments: list[str]) -> int:
    if "_AGGREGATOR_COMPLETE" in os.environ:  # a shell asks for completions
        cli.main(arguments, prog_name="aggregator")
    try:
        with cli.make_context("aggregator", arguments, obj=Options()) as ctx:
            cli.invoke(ctx)
    except click.exceptions.Exit as exit_:
        return exit_.exit_code
    return 0


def _drop_output() -> None:
    """Throw away what stdout cannot take, or the interpreter would try again at its end."""
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _refuse(error: click.ClickException) -> int:
    """Say what is wrong with the call; a group without a command shows its help instead."""
    message = error.format_message()
    if message.startswith("Usage:"):
        print(message, file=sys.stderr)
        return 2
    context = error.ctx if isinstance(error, click.UsageError) else None
    place = context.command_path if context is not None else "aggregator"
    say(f"{message.removesuffix('.')}; see `{place} --help`")
    return 2
