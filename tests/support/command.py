"""Calls `aggregator` within this process: as a user does, but fast, and seen by coverage."""

from __future__ import annotations

import io
import json
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from aggregator.cli import main

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@dataclass(frozen=True, slots=True)
class Called:
    """What a command left: exit status, stdout, stderr."""

    status: int
    raw: bytes
    err: str

    @property
    def out(self) -> str:
        return self.raw.decode()

    @property
    def records(self) -> list[dict[str, Any]]:
        """Stdout as JSON lines."""
        return [json.loads(line) for line in self.out.splitlines()]

    @property
    def record(self) -> dict[str, Any]:
        (only,) = self.records
        return only


class _Stream(io.TextIOWrapper):
    """A stream in memory, a terminal or not."""

    def __init__(self, data: bytes, terminal: bool) -> None:
        super().__init__(io.BytesIO(data), encoding="utf-8", newline="\n", write_through=True)
        self._terminal = terminal

    def isatty(self) -> bool:
        return self._terminal

    @property
    def content(self) -> bytes:
        self.flush()
        memory = self.buffer
        assert isinstance(memory, io.BytesIO)
        return memory.getvalue()


def call(
    *arguments: str | Path,
    stdin: bytes = b"",
    terminal: Literal["", "out", "err", "both"] = "",
    folder: Path | None = None,
) -> Called:
    """Run a command; `terminal` says which of its streams is one."""
    with _streams(stdin, terminal) as (out, err), _in_folder(folder), _signals_restored():
        try:
            main([str(argument) for argument in arguments])
        except SystemExit as end:
            status = end.code if isinstance(end.code, int) else 0
        return Called(status, out.content, err.content.decode())


def assert_one_line(called: Called, status: int, *words: str) -> None:
    """The command said one line on stderr, with these words, and nothing on stdout."""
    assert called.status == status, called
    assert called.out == ""
    assert called.err.startswith("aggregator: ")
    assert called.err.count("\n") == 1
    for word in words:
        assert word in called.err


@contextmanager
def _streams(stdin: bytes, terminal: str) -> Iterator[tuple[_Stream, _Stream]]:
    before = sys.stdin, sys.stdout, sys.stderr
    out, err = _Stream(b"", terminal in ("out", "both")), _Stream(b"", terminal in ("err", "both"))
    sys.stdin, sys.stdout, sys.stderr = _Stream(stdin, False), out, err
    try:
        yield out, err
    finally:
        sys.stdin, sys.stdout, sys.stderr = before


@contextmanager
def _in_folder(folder: Path | None) -> Iterator[None]:
    before = Path.cwd()
    os.chdir(folder or before)
    try:
        yield
    finally:
        os.chdir(before)


@contextmanager
def _signals_restored() -> Iterator[None]:
    before = [(number, signal.getsignal(number)) for number in _SIGNALS]
    try:
        yield
    finally:
        for number, handler in before:
            signal.signal(number, handler)
