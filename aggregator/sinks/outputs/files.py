"""The output that keeps a text file for each article, in its own folder with the layout of `[storage] articles_dir`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from aggregator.ports.readings import Change
from aggregator.sinks.outputs.follow import DeliveryError
from aggregator.sinks.records import TextChoice
from aggregator.sinks.seed_files import SeedFiles


class FilesOutput:
    """Writes `FOLDER/YYYY/MM/DD/NNN_<id>.txt`, and removes the files of articles that were deleted or merged."""

    def __init__(self, name: str, folder: Path, text: TextChoice) -> None:
        self.name = name
        self._root = folder
        self._files = SeedFiles(folder, text)

    @property
    def folder(self) -> str:
        """The id of the folder, stored in a file in the folder.

        A folder that is new or was emptied gets a new id, and then all articles.

        Raises:
            DeliveryError: the folder cannot be used.
        """
        try:
            return self._files.folder
        except OSError as error:
            raise DeliveryError(f"{self._root}: {error.strerror or error}") from error

    def deliver(self, changes: Sequence[Change], epoch: str) -> None:
        """Write the file of each changed article, or remove it.

        Raises:
            DeliveryError: a file cannot be written.
        """
        try:
            self._files.deliver(changes)
        except OSError as error:
            raise DeliveryError(f"{error.filename or self._root}: {error.strerror or error}") from error
