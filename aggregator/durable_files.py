"""Writes files so that a crash leaves the new content or the earlier one, never a part of the new one.

A temporary file is written and synced, then renamed; then its folder is synced (rename(2), fsync(2)).
"""

from __future__ import annotations

import errno
import os
import re
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO, Final

_ID: Final = re.compile(r"[0-9a-f]{32}")


def write_durably(path: Path, data: bytes) -> None:
    """Replace the content of `path` by `data`. After a crash the file has all of `data`, or its earlier content.

    Missing folders are made.
    """
    with replaced_file(path) as file:
        file.write(data)


def write_many_durably(files: Mapping[Path, bytes]) -> None:
    """Replace the content of each path by its data: write all, sync all, rename all, then sync each folder once.

    After a crash each file has all of its data or all of its earlier content; a crash may leave only some of the files
    replaced. This is several times as fast as one file after the other: the first sync makes the file system commit its
    log, and the later syncs have little left to do.

    Only one process at a time may write to a folder. Temporary names are fixed, so that the next call overwrites the
    temporary files that a crash left.
    """
    temporary = {path: path.with_name(f".{path.name}.tmp") for path in files}
    folders = sorted({path.parent for path in files})
    try:
        for folder in folders:
            _make_folder(folder)
        for path, data in files.items():
            temporary[path].write_bytes(data)
        for path in files:
            _sync(temporary[path], os.O_RDONLY)
        for path in files:
            temporary[path].replace(path)
    except BaseException as error:
        _drop(error, temporary)
        raise
    for folder in folders:
        sync_folder(folder)


def _drop(error: BaseException, temporary: Mapping[Path, Path]) -> None:
    """Remove the temporary files. If `error` names one of them, put the path of the file that it stands for there."""
    for path, made in temporary.items():
        with suppress(OSError):
            made.unlink(missing_ok=True)
        if isinstance(error, OSError) and error.filename in (made, str(made)):
            error.filename, error.filename2 = str(path), None


@contextmanager
def replaced_file(path: Path) -> Iterator[BinaryIO]:
    """Yield a temporary file. It replaces `path` if the block succeeds, and is removed if the block fails.

    Raises:
        IsADirectoryError: `path` is a folder, such as `.`.
    """
    if path.is_dir():
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    _make_folder(path.parent)
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex}.tmp")
    try:
        with temporary.open("wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException as error:
        _drop(error, {path: temporary})
        raise
    sync_folder(path.parent)


def _make_folder(folder: Path) -> None:
    """Create a folder and its missing parents, so that they survive a crash."""
    if not folder.is_dir():
        if not folder.parent.exists():
            _make_folder(folder.parent)
        folder.mkdir(exist_ok=True)
        sync_folder(folder.parent)


def sync_folder(folder: Path) -> None:
    """Write the names in `folder` to the disk, so that a crash does not lose a new or renamed file (fsync(2))."""
    _sync(folder, os.O_RDONLY | os.O_DIRECTORY)


def _sync(path: Path, flags: int) -> None:
    descriptor = os.open(path, flags)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def known_folder(folder: Path, name: str = ".folder-id") -> str | None:
    """Return the id of a folder, 32 hex digits, from the file `name` in it; None: the file is missing or damaged."""
    try:
        text = (folder / name).read_text(encoding="ascii").strip()
    except (FileNotFoundError, UnicodeDecodeError):
        return None
    return text if _ID.fullmatch(text) else None


def folder_id(folder: Path, name: str = ".folder-id") -> str:
    """Return the id of a folder from the file `name` in it. If the file is missing or damaged, write a new id first.

    Raises:
        OSError: the file cannot be written or read.
    """
    known = known_folder(folder, name)
    if known is not None:
        return known
    own = folder / f".{name}-{uuid.uuid4().hex}"
    write_durably(own, uuid.uuid4().hex.encode() + b"\n")
    try:
        with suppress(OSError):  # another process was faster, or the file system has no links
            os.link(own, folder / name)
        if known_folder(folder, name) is None:  # damaged, so the folder gets a new id
            own.replace(folder / name)
    finally:
        own.unlink(missing_ok=True)
    found = known_folder(folder, name)
    if found is None:
        raise OSError(f"{name} cannot be read")
    return found
