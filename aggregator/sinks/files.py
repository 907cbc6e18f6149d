"""Files that are complete or absent: temporary name, fsync, rename, fsync of the folder (rename(2), fsync(2))."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

_FOLDER_ID = ".folder-id"


def write_durably(path: Path, data: bytes) -> None:
    """Replace `path` by `data` in one step that survives a crash; folders are made."""
    with replaced_file(path) as file:
        file.write(data)


@contextmanager
def replaced_file(path: Path) -> Iterator[BinaryIO]:
    """Give a file that takes the place of `path` when the block ends well, and leaves no trace when it does not."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with temporary.open("wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Make names in `folder` durable."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def folder_id(folder: Path) -> str:
    """Return the id kept in `folder`, made when it is not there yet: a new or emptied folder is another one."""
    path = folder / _FOLDER_ID
    if path.exists():
        return path.read_text(encoding="ascii").strip()
    made = uuid.uuid4().hex
    write_durably(path, made.encode("ascii"))
    return made
