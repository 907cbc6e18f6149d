"""The command line: reads arguments, prints results, gives exit codes. Large packages are imported when needed."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Sequence
from io import TextIOWrapper
from itertools import pairwise

import click

from aggregator.cli.framework import Options, cli, say
from aggregator.cli.signals import ended_by_signals
from aggregator.errors import AggregatorError

__all__ = ["cli", "main"]


def main(arguments: Sequence[str] | None = None) -> None:
    """Run a command and exit. An error that a user can cause becomes one line on stderr and an exit status."""
    _prepare_streams()
    with ended_by_signals():
        status = _run(arguments)
    sys.exit(status)


def _prepare_streams() -> None:
    """Make stdout write UTF-8 in any locale, with an escape for a lone surrogate.

    If the parent process closed stdin, stdout or stderr, open /dev/null in its place.
    """
    for name in ("stdin", "stdout", "stderr"):
        if getattr(sys, name) is None:  # the parent process closed it
            setattr(sys, name, open(os.devnull, "r+", encoding="utf-8"))  # noqa: SIM115, PTH123 - until we exit
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(encoding="utf-8", errors="backslashreplace")


def _run(arguments: Sequence[str] | None) -> int:
    """Run the command and return its exit status. An error is printed as one line."""
    arguments = sys.argv[1:] if arguments is None else list(arguments)
    try:
        status = _invoke(arguments)
        sys.stdout.flush()
    except click.ClickException as error:
        _match_log(arguments)
        return _refuse(error)
    except (click.Abort, KeyboardInterrupt):
        return 128 + signal.SIGINT
    except BrokenPipeError:
        _drop_output()
        return 0  # the reader has closed the pipe
    except AggregatorError as error:
        _match_log(arguments)
        say(error)
        return error.exit_code
    except OSError as error:
        _drop_output()
        _match_log(arguments)
        say(f"{error.filename}: {error.strerror}" if error.filename and error.strerror else error.strerror or error)
        return 3
    return status


def _match_log(arguments: Sequence[str]) -> None:
    """Set the log style (text or JSON) that `arguments` ask for, so that an error is printed in this style."""
    from aggregator import log

    is_json = "--log-format=json" in arguments or ("--log-format", "json") in pairwise(arguments)
    log.configure(style="json" if is_json else "text")


def _invoke(arguments: Sequence[str]) -> int:
    if "_AGGREGATOR_COMPLETE" in os.environ:  # a shell asks for completions
        cli.main(list(arguments), prog_name="aggregator")
    try:
        with cli.make_context("aggregator", list(arguments), obj=Options()) as ctx:
            cli.invoke(ctx)
    except click.exceptions.Exit as exit_:
        return exit_.exit_code
    return 0


def _drop_output() -> None:
    """Discard buffered output if stdout cannot be written. Otherwise the interpreter would try again when it exits."""
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _refuse(error: click.ClickException) -> int:
    """Print a usage error, or the help of a group that was called without a command. Return the exit status."""
    message = error.format_message()
    if message.startswith("Usage:"):
        print(message, file=sys.stderr)
        return 2
    context = error.ctx if isinstance(error, click.UsageError) else None
    place = context.command_path if context is not None else "aggregator"
    say(f"{message.removesuffix('.')}; see `{place} --help`")
    return 2
