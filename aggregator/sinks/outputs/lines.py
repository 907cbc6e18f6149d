"""Writes changes as lines of JSON. `JsonlOutput` appends the lines to a file for each day."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path

from aggregator.durable_files import sync_folder
from aggregator.ports.readings import Change
from aggregator.sinks.outputs.follow import DeliveryError
from aggregator.sinks.records import TextChoice, change_record, json_bytes


def change_lines(changes: Sequence[Change], epoch: str, text: TextChoice) -> bytes:
    """Return a line of JSON for each change, with its number (`change_seq`) and `epoch`, which identifies the store."""
    return b"".join(json_bytes({**change_record(change, text), "epoch": epoch}) + b"\n" for change in changes)


class JsonlOutput:
    """Appends changes to `FOLDER/YYYY-MM-DD.jsonl`, where the date is the UTC day of the delivery."""

    folder = ""

    def __init__(self, name: str, folder: Path, text: TextChoice, now: Callable[[], datetime]) -> None:
        self.name = name
        self._folder = folder
        self._text = text
        self._now = now

    def deliver(self, changes: Sequence[Change], epoch: str) -> None:
        """Append a line for each change, and sync the file. A line that a crash cut off earlier is removed first.

        Raises:
            DeliveryError: the file cannot be written.
        """
        path = self._folder / f"{self._now().date().isoformat()}.jsonl"
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            is_new = not path.exists()
            for last in sorted(self._folder.glob("*.jsonl"))[-1:]:
                os.truncate(last, _end_of_whole_lines(last))
            with path.open("ab") as stream:
                stream.write(change_lines(changes, epoch, self._text))
                stream.flush()
                os.fsync(stream.fileno())
            if is_new:
                sync_folder(self._folder)
        except OSError as error:
            raise DeliveryError(f"{path}: {error.strerror or error}") from error


def _end_of_whole_lines(path: Path) -> int:
    """Return the number of bytes up to the last LF in the file. A crash may have left a part of a line after it."""
    end = path.stat().st_size
    with path.open("rb") as stream:
        while end > 0:
            start = max(0, end - 65_536)
            stream.seek(start)
            found = stream.read(end - start).rfind(b"\n")
            if found >= 0:
                return start + found + 1
            end = start
    return 0
