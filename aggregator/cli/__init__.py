"""The command line: parses arguments, prints results, gives exit codes. Everything heavy is imported late."""

from __future__ import annotations

import os
import signal
import sys

import click

from aggregator.cli.frame import Options, cli
from aggregator.errors import AggregatorError

__all__ = ["cli", "main"]


def main() -> None:
    """Run a command; every error that a user can cause is one line on stderr and an exit status."""
    try:
        status = cli.main(standalone_mode=False, obj=Options())
    except click.exceptions.Exit as exit_:
        status = exit_.exit_code
    except click.ClickException as error:
        error.show()
        status = 2
    except (click.Abort, KeyboardInterrupt):
        status = 128 + signal.SIGINT
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # the reader is gone: nothing more to say
        status = 0
    except AggregatorError as error:
        print(f"aggregator: {error}", file=sys.stderr)
        status = error.exit_code
    except OSError as error:
        name = f"{error.filename}: " if error.filename else ""
        print(f"aggregator: {name}{error.strerror or error}", file=sys.stderr)
        status = 3
    sys.exit(status if isinstance(status, int) else 0)
