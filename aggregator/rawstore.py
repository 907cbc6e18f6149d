"""Raw responses in a folder: each is a zstd file `ab/cd/<content hash>`. Knows no page and no database.

The file `folder-id` contains the folder's id. The database has it for each page, to find the machine with its bytes.
Only bytes that `put` has compressed are read here, so there is no gzip bomb limit; `compression.py` lists the limits.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from aggregator.compression import zstd
from aggregator.durable_files import folder_id, replaced_file
from aggregator.errors import StorageError

# zstd's own level: level 6 saves a twelfth of the disk and takes three times as long.
_OPTIONS: Final[dict[int, int]] = {
    zstd.CompressionParameter.compression_level: 3,
    zstd.CompressionParameter.checksum_flag: 1,
}
_ID_FILE: Final = "folder-id"
_NAME: Final = re.compile(r"[0-9a-f]{64}")


class FileRawStore:
    """One folder of raw responses. Threads and processes may share it, and the object can be pickled."""

    def __init__(self, folder: Path) -> None:
        """Create the folder if it is missing.

        Raises:
            StorageError: the folder cannot be created or read.
        """
        self._folder = folder
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._id = folder_id(folder, _ID_FILE)
        except OSError as error:
            raise StorageError(f"{folder}: raw pages cannot be kept there ({_reason(error)}); check raw_dir") from error

    @property
    def folder(self) -> str:
        """The id of the folder, from its file `folder-id`."""
        return self._id

    def put(self, body: bytes, at: datetime) -> str:
        """Store `body` durably and return its content hash (SHA-256, hexadecimal).

        The file's modification time becomes `at`, even if the file exists already.

        Raises:
            StorageError: the disk is full or the folder cannot be written.
        """
        name = hashlib.sha256(body).hexdigest()
        path = self._path(name)
        modified = at.timestamp()
        try:
            if self.get(name) is not None:
                with contextlib.suppress(FileNotFoundError):  # deleted since, with the last page that waited for it
                    os.utime(path, (modified, modified))
                    return name
            _write(path, zstd.compress(body, options=_OPTIONS), modified)  # missing or damaged
        except OSError as error:
            raise StorageError(f"{path}: a raw page cannot be written ({_reason(error)})") from error
        return name

    def get(self, content_hash: str) -> bytes | None:
        """Return the bytes; None: they are missing or damaged."""
        if not _NAME.fullmatch(content_hash):
            return None
        try:
            body = zstd.decompress(self._path(content_hash).read_bytes())
        except (OSError, zstd.ZstdError):
            return None
        return body if hashlib.sha256(body).hexdigest() == content_hash else None

    def delete(self, content_hash: str) -> None:
        """Remove the bytes, if they exist."""
        if _NAME.fullmatch(content_hash):
            with contextlib.suppress(FileNotFoundError):
                self._path(content_hash).unlink()

    def names(self) -> Iterator[tuple[str, datetime]]:
        """Yield each stored content hash with the `at` of its last `put`. Other files in the folder are left out."""
        for path in sorted(self._folder.glob("??/??/*")):
            if not _NAME.fullmatch(path.name):
                continue
            with contextlib.suppress(FileNotFoundError):
                yield path.name, datetime.fromtimestamp(path.stat().st_mtime, UTC)

    def sweep(self, before: datetime) -> None:
        """Delete the unfinished files of killed processes, if they were last written before that time."""
        for path in self._folder.glob("??/??/.*.tmp"):
            with contextlib.suppress(FileNotFoundError):
                if path.stat().st_mtime < before.timestamp():
                    path.unlink()

    def _path(self, name: str) -> Path:
        return self._folder / name[:2] / name[2:4] / name


def _write(path: Path, data: bytes, modified: float) -> None:
    with replaced_file(path) as file:
        file.write(data)
        file.flush()  # what is written later would set the time again
        os.utime(file.fileno(), (modified, modified))


def _reason(error: OSError) -> str:
    return error.strerror or str(error)
