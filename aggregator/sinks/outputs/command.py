"""The output that passes changes to the operator's program, on its standard input. No shell is used."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Sequence
from contextlib import suppress
from datetime import timedelta

from aggregator.ports.readings import Change
from aggregator.sinks.outputs.follow import DeliveryError
from aggregator.sinks.outputs.lines import change_lines
from aggregator.sinks.records import TextChoice


class CommandOutput:
    """Runs the operator's program once for each batch of changes.

    The program reads the changes as lines of JSON from standard input. Exit status 0 means that it took them all.
    """

    folder = ""

    def __init__(self, name: str, command: Sequence[str], text: TextChoice, timeout: timedelta) -> None:
        self.name = name
        self._command = tuple(command)
        self._text = text
        self._timeout = timeout

    def deliver(self, changes: Sequence[Change], epoch: str) -> None:
        """Run the program with these changes. When it ends or exceeds its time limit, its process group is killed.

        Raises:
            DeliveryError: the program cannot be started, exceeds its time limit, or ends with another status than 0.
        """
        lines = change_lines(changes, epoch, self._text)
        program = self._command[0]
        try:
            process = subprocess.Popen(  # noqa: S603 - the operator names it, and no shell reads it
                self._command,
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
            )
        except OSError as error:
            raise DeliveryError(f"{program}: {error.strerror or error}") from error
        with process:
            try:
                process.communicate(lines, timeout=self._timeout.total_seconds())
            except subprocess.TimeoutExpired as error:
                raise DeliveryError(f"{program}: killed after {self._timeout.total_seconds():g} s") from error
            finally:
                with suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
        if process.returncode != 0:
            raise DeliveryError(f"{program}: exit status {process.returncode}")
