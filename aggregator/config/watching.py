"""Watches the configuration files that a running process has read. The daemon calls this once a second.

Notifications of the operating system would miss some changes: a folder that is created later, a symbolic link that is
switched, a change on a network file system.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

from aggregator.config.files import FEEDS_FILE
from aggregator.config.request_keys import secret_files
from aggregator.config.settings import Config

_RULES = ("*.toml", "*.txt")

Signature = tuple[tuple[str, tuple[int, ...]], ...]  # of each file: device, inode, size, mtime, ctime


class FileWatch:
    """Finds changes of the files that belong to one configuration: settings, secrets, the operator's rules."""

    def __init__(self, config: Config) -> None:
        self.note_read(config)
        self._seen = self._read  # at the last call

    def note_read(self, config: Config) -> None:
        """Record that the process reads the files of `config` now. Later calls of `is_changed` compare with this."""
        self._config = config
        self._settings = tuple(_settings_files(config))  # to ask 10,000 feeds each second costs 1 % of a core
        self._read = self.look()

    def is_changed(self) -> bool:
        """Return whether a file changed since `note_read`, and all files stayed the same since the last call.

        An editor may write a file in steps, so the first call after a change returns False.
        """
        now = self.look()
        settled, self._seen = now == self._seen, now
        return settled and now != self._read

    def look(self) -> Signature:
        """Return the present state of each file: path, device, inode, size and times. Symbolic links are followed."""
        found = []
        for path in (*self._settings, *rule_files(self._config)):
            try:
                facts = path.stat()
            except OSError:
                continue
            stamp = (facts.st_dev, facts.st_ino, facts.st_size, facts.st_mtime_ns, facts.st_ctime_ns)
            found.append((str(path), stamp))
        return tuple(found)


def rules_digest(config: Config) -> str:
    """Return a hash of the names and contents of the operator's rule files (`rule_files`)."""
    digest = hashlib.blake2b(digest_size=16)
    for path in rule_files(config):
        try:
            content = path.read_bytes()
        except OSError:
            continue
        digest.update(f"{path.name}\0{len(content)}\0".encode() + content)
    return digest.hexdigest()


def rule_files(config: Config) -> Iterator[Path]:
    """Yield `*.toml` in `publishers_dir`, then `*.txt` in `site_config_dir`. A folder may be missing."""
    for folder, pattern in zip(
        (config.extraction.publishers_dir, config.extraction.site_config_dir), _RULES, strict=True
    ):
        if folder is not None:
            yield from sorted(folder.glob(pattern))


def _settings_files(config: Config) -> Iterator[Path]:
    yield from (config.path, config.path.with_name(FEEDS_FILE))
    if config.web.token_file is not None:
        yield config.web.token_file
    yield from secret_files(config)
