"""The output that keeps a file for each article: the layout of `articles_dir`, in a folder of its own."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from aggregator.ports.readings import Change
from aggregator.sinks.outputs.follow import DeliveryError
from aggregator.sinks.records import TextChoice
from aggregator.sinks.seed_files import SeedFiles


class FilesOutput:
    """Writes `FOLDER/YYYY/MM/DD/NNN_<id>.txt`, and removes the files of tombstones."""

    def __init__(self, name: str, folder: Path, text: TextChoice) -> None:
        self.name = name
        self._root = folder
        self._files = SeedFiles(folder, text)

    @property
    def folder(self) -> str:
        """The id in the folder. A new or emptied folder gets all articles again."""
        try:
            return self._files.folder
        except OSError as error:
            raise DeliveryError(f"{self._root}: {error.strerror or error}") from error

    def deliver(self, changes: Sequence[Change], epoch: str) -> None:
        """Write each article in its present state.

        Raises:
            DeliveryError: a file cannot be written.
        """
        try:
            self._files.deliver(changes)
        except OSError as error:
            raise DeliveryError(f"{error.filename or self._root}: {error.strerror or error}") from error
