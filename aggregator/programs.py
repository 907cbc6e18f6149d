"""Runs the operator's programs that print a feed: without a shell, within limits on time and output."""

from __future__ import annotations

import os
import selectors
import signal
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import IO, Final, Literal

from aggregator.models.fetching import Cause, Fetched, FetchFailed, FetchRequest, FetchResult, Validators
from aggregator.ports.protocols import Clock, Fetcher
from aggregator.redaction import mask

_PIECE: Final = 65_536  # bytes
_LOOK: Final = 0.2  # seconds between two looks at the program and at `stop`
_MAX_NOTE: Final = 4_096  # the last bytes of its standard error that are kept


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """A program that prints a feed, with its arguments. `timeout` None: the limit is `FetchRequest.deadline`."""

    arguments: tuple[str, ...]
    timeout: timedelta | None = None


class CommandFetcher:
    """A `Fetcher` that wraps another one. It answers the poll of a feed that has a program with the program's output.

    `commands` are the programs by the feed's configured address. Setting `stop` kills the running programs.
    """

    def __init__(self, fetcher: Fetcher, commands: Mapping[str, Command], clock: Clock, stop: threading.Event) -> None:
        self._fetcher = fetcher
        self._commands = commands
        self._clock = clock
        self._stop = stop

    def fetch(self, request: FetchRequest) -> FetchResult:
        """Return the output of the feed's program as a 200 answer. Pass all other requests to the wrapped fetcher."""
        command = self._commands.get(request.url) if request.accept == "feed" and request.feed == request.url else None
        return self._fetcher.fetch(request) if command is None else self._run(command, request)

    def _run(self, command: Command, request: FetchRequest) -> FetchResult:
        began = self._clock.monotonic()
        timeout = command.timeout or request.deadline
        ran = run_program(command.arguments, timeout=timeout, max_bytes=request.max_bytes, stop=self._stop)
        elapsed = timedelta(seconds=self._clock.monotonic() - began)
        if ran.problem:
            said = f"{command.arguments[0]}: {ran.detail}" + (f" ({ran.note})" if ran.note else "")
            cause = Cause.TOO_LARGE if ran.problem == "size" else Cause.PROGRAM
            return FetchFailed(url=request.url, final_url=request.url, cause=cause, detail=mask(said), elapsed=elapsed)
        return Fetched(
            url=request.url,
            final_url=request.url,
            status=200,
            headers={},
            body=ran.output,
            validators=Validators(),
            hops=(),
            fresh_for=None,
            wire_bytes=0,
            elapsed=elapsed,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Ran:
    """The result of running a program. `problem` "": the exit status is 0 and `output` is complete.

    `detail` explains the problem. `note` is the last line that the program wrote to its standard error.
    """

    output: bytes = b""
    problem: Literal["", "start", "status", "time", "size", "stopped"] = ""
    detail: str = ""
    note: str = ""


def run_program(command: Sequence[str], *, timeout: timedelta, max_bytes: int, stop: threading.Event) -> Ran:
    """Run a program without input and return its output.

    The program and its children are killed when it takes longer than `timeout`, prints more than `max_bytes`, or `stop`
    is set. Children that are still alive after its end are killed, too.
    """
    try:
        process = subprocess.Popen(  # noqa: S603 - the operator names it, and no shell reads it
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
    except (OSError, ValueError) as error:  # ValueError: a NUL in an argument
        return Ran(problem="start", detail=getattr(error, "strerror", None) or str(error))
    with process:
        try:
            return _watch(process, timeout.total_seconds(), max_bytes, stop)
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)


def _watch(process: subprocess.Popen[bytes], seconds: float, max_bytes: int, stop: threading.Event) -> Ran:
    """Read a program's output until the program ends or must be killed."""
    assert process.stdout is not None
    assert process.stderr is not None
    output, note, until = bytearray(), bytearray(), time.monotonic() + seconds
    with selectors.DefaultSelector() as selector:
        selector.register(process.stdout, selectors.EVENT_READ, output)
        selector.register(process.stderr, selectors.EVENT_READ, note)
        while True:
            left = until - time.monotonic()
            if stop.is_set():
                return Ran(problem="stopped", detail="the service stops")
            if left <= 0:
                return Ran(problem="time", detail=f"killed after {seconds:g} s", note=_last_line(note))
            if not selector.get_map():  # the program has closed both, and may still run
                with suppress(subprocess.TimeoutExpired):
                    process.wait(min(left, _LOOK))
            events = selector.select(min(left, _LOOK)) if selector.get_map() else []
            for key, _ in events:
                _read(selector, key.fileobj, key.data)  # type: ignore[arg-type] # what was registered
            if len(output) > max_bytes:
                return Ran(problem="size", detail=f"more than {max_bytes} bytes", note=_last_line(note))
            del note[:-_MAX_NOTE]
            if not events and process.poll() is not None:
                break
    if process.returncode != 0:
        return Ran(problem="status", detail=f"exit status {process.returncode}", note=_last_line(note))
    return Ran(output=bytes(output), note=_last_line(note))


def _read(selector: selectors.BaseSelector, pipe: IO[bytes], into: bytearray) -> None:
    piece = os.read(pipe.fileno(), _PIECE)
    into += piece
    if not piece:
        selector.unregister(pipe)


def _last_line(note: bytearray) -> str:
    lines = [line for line in note.decode("utf-8", "replace").splitlines() if line.strip()]
    return lines[-1].strip()[:200] if lines else ""
