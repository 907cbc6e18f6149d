"""One lock file for each living process on a SQLite store, to find leases of dead processes. Knows no SQL.

A process holds `flock` on `<store>.locks/<uuid>` until it ends, in whatever way. A lease names its owner as
`<machine>:<uuid>`. Another process of the same machine can lock the file of a dead owner, and so knows at once that the
owner is dead. A missing file proves nothing. About an owner on another machine nothing is known.
"""

from __future__ import annotations

import fcntl
import os
import socket
import uuid
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from pathlib import Path

from aggregator.ports.protocols import Clock

_MACHINE_FILES = (Path("/etc/machine-id"), Path("/var/lib/dbus/machine-id"))


def machine_id() -> str:
    """Return the machine id of this system, or else a name made of host name and network address."""
    for file in _MACHINE_FILES:
        try:
            text = file.read_text(encoding="ascii").strip()
        except (OSError, ValueError):
            continue
        if text:
            return text
    return f"{socket.gethostname()}-{uuid.getnode():012x}"


class ProcessLock:
    """The lock file of this process. It is locked until `close`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._machine = machine_id()
        self._descriptor = -1
        self.owner = ""
        self._take()

    def _take(self) -> None:
        while True:
            self._folder.mkdir(parents=True, exist_ok=True)
            name = uuid.uuid4().hex
            self._path = self._folder / name
            try:
                self._descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
            except FileNotFoundError:  # another process has just removed the folder, as `close` does
                continue
            try:
                fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:  # another process locked the new file, as that of a dead process
                os.close(self._descriptor)
                continue
            if self.is_ours():
                self.owner = f"{self._machine}:{name}"
                return
            os.close(self._descriptor)

    def is_ours(self) -> bool:
        """Return whether the file at the lock's path is still the one that this process locked."""
        try:
            return os.path.samestat(self._path.stat(), os.fstat(self._descriptor))
        except OSError:
            return False

    def renew(self) -> None:
        """If the lock file was removed or replaced, lock a new one, with a new `owner`. The old leases run out."""
        if not self.is_ours():
            os.close(self._descriptor)
            self._take()

    def is_dead(self, owner: str) -> bool:
        """Return whether `owner` was a process of this machine that has ended."""
        machine, _, name = owner.rpartition(":")
        if machine != self._machine or owner == self.owner or not _is_name(name):
            return False
        return _is_free(self._folder / name)

    def others_alive(self) -> bool:
        """Return whether another process of this machine uses the store."""
        return any(_is_locked(file) for file in self._folder.iterdir() if _is_name(file.name) and file != self._path)

    def sweep(self, owners: Collection[str]) -> None:
        """Remove the files of dead processes. The files of `owners` stay: they hold leases."""
        kept = {owner.rpartition(":")[2] for owner in owners}
        for file in self._folder.iterdir():
            if _is_name(file.name) and file != self._path and file.name not in kept:
                _probe(file, remove=True)

    def close(self) -> None:
        """Unlock and remove the file, and its folder unless other files are there."""
        if self._descriptor < 0:
            return
        if self.is_ours():
            self._path.unlink(missing_ok=True)
        os.close(self._descriptor)
        self._descriptor = -1
        with suppress(OSError):
            self._folder.rmdir()


def _is_name(name: str) -> bool:
    return len(name) == 32 and name.isalnum()


def _is_free(file: Path) -> bool:
    return _probe(file) is True


def _is_locked(file: Path) -> bool:
    return _probe(file) is False


def _probe(file: Path, *, remove: bool = False) -> bool | None:
    """Return True if the lock file is free, False if another process holds its lock, None if the file is gone.

    With `remove`, a free file is removed while this process has its lock. A process that has just created it then
    notices that and creates another one.
    """
    try:
        descriptor = os.open(file, os.O_RDWR | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if remove:
            file.unlink(missing_ok=True)
    except OSError:
        return False
    finally:
        os.close(descriptor)
    return True


@contextmanager
def file_lock(path: Path, wait: timedelta, clock: Clock) -> Iterator[bool]:
    """Hold `flock` on `path` during the block. It gets False if another process has the lock for all of `wait`."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        deadline = clock.monotonic() + wait.total_seconds()
        while not (held := _try_lock(descriptor)) and clock.monotonic() < deadline:
            clock.sleep(0.05)
        yield held
    finally:
        os.close(descriptor)


def _try_lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True
