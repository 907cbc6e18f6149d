"""Reads configuration files, locks them against other editors, and replaces them with the same permissions."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import tomli  # Python's tomllib, compiled

from aggregator.durable_files import replaced_file
from aggregator.errors import ConfigError

FEEDS_FILE: Final = "feeds.toml"

_FIXED_PLACE: Final = (errno.EBUSY, errno.EXDEV, errno.EPERM)  # a mount point, or an owner that we may not give


def parse_toml(text: str) -> dict[str, Any]:  # Any: what TOML holds
    """Return the tables in `text`.

    Raises:
        ValueError: `text` is no TOML; the message ends with line and column.
        RecursionError: tables or lists are nested too deeply.
    """
    return tomli.loads(text)


def read_text(path: Path) -> str:
    """Return the text of a configuration file. Its byte order mark and line ends are kept.

    Raises:
        ConfigError: the file cannot be read or is not UTF-8.
    """
    try:
        return path.read_bytes().decode()
    except IsADirectoryError:
        raise ConfigError(f"{path}: is a folder; name the file, such as {path / 'aggregator.toml'}") from None
    except FileNotFoundError:
        raise ConfigError(
            f"{path}: no such file; `aggregator config init --path {path}` writes one, --config FILE names another"
        ) from None
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read ({error.strerror}); check its permissions") from None
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise ConfigError(f"{path}: line {line}: is not UTF-8; save the file as UTF-8") from None
    except ValueError:
        raise ConfigError(f"{str(path)!r}: is not a file name; name another with --config FILE") from None


@contextlib.contextmanager
def hold(path: Path) -> Iterator[Path]:
    """Lock a file while the block runs, against other processes of this program that edit it.

    Yield the path of the file without symbolic links.

    Raises:
        OSError: the file cannot be opened.
    """
    real = Path(os.path.realpath(path))
    while True:
        with real.open("rb") as handle:
            fcntl.flock(handle, fcntl.LOCK_EX)
            if _is_still(real, handle.fileno()):
                yield real
                return


def _is_still(path: Path, descriptor: int) -> bool:
    """Return whether `path` still names the open file. Another editor may have replaced it before the lock."""
    held, there = os.fstat(descriptor), path.stat()
    return (held.st_dev, held.st_ino) == (there.st_dev, there.st_ino)


def replace_bytes(path: Path, data: bytes) -> None:
    """Replace the content of an existing file in one step. Owner, group, mode and ACLs stay.

    Some files cannot be replaced by a rename: a file that is mounted alone into a container, or that another user owns.
    Such a file is copied to NAME.bak first and then overwritten in place.

    Raises:
        ConfigError: the file cannot be written. If overwriting it failed, NAME.bak has the earlier content.
    """
    try:
        try:
            with replaced_file(path) as file:
                _copy_permissions(path, file.fileno(), owned=True)
                file.write(data)
        except OSError as error:
            if error.errno not in _FIXED_PLACE:
                raise
            _overwrite(path, data)
    except OSError as error:
        remedy = f"check permissions and space of {path.parent}"
        raise ConfigError(f"{path}: cannot be written ({error.strerror}); {remedy}") from None


def _overwrite(path: Path, data: bytes) -> None:
    """Copy the file to NAME.bak, then write `data` into the file itself."""
    with replaced_file(path.with_name(f"{path.name}.bak")) as copy:
        _copy_permissions(path, copy.fileno(), owned=False)
        copy.write(path.read_bytes())
    with path.open("r+b") as handle:
        handle.write(data)
        handle.truncate()
        handle.flush()
        os.fsync(handle.fileno())


def _copy_permissions(path: Path, descriptor: int, *, owned: bool) -> None:
    """Give an open file the owner, group, mode and extended attributes (ACLs, labels) of `path`.

    `owned` False: the owner and group may stay different.

    Raises:
        PermissionError: `owned` is True, and this user may not give the file that owner or group.
    """
    facts = path.stat()
    if (facts.st_uid, facts.st_gid) != (os.fstat(descriptor).st_uid, os.fstat(descriptor).st_gid):
        with contextlib.nullcontext() if owned else contextlib.suppress(PermissionError):
            os.fchown(descriptor, facts.st_uid, facts.st_gid)
    os.fchmod(descriptor, facts.st_mode & 0o7777)
    with contextlib.suppress(OSError):  # the file system knows no attributes, or this one belongs to the system
        for attribute in os.listxattr(path):
            os.setxattr(descriptor, attribute, os.getxattr(path, attribute))
