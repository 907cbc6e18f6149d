"""The exceptions of this package. Ordinary outcomes (304, 404, a timeout) are values, not exceptions."""

from __future__ import annotations

from aggregator import DISTRIBUTION


class AggregatorError(Exception):
    """Root of all errors that this package raises; its text is one clear line for the user."""

    exit_code = 1


class ConfigError(AggregatorError):
    """The configuration cannot be used; the message names file, key and remedy."""

    exit_code = 2


class RuleError(ConfigError):
    """A publisher rule is refused."""


class StorageError(AggregatorError):
    """The store cannot be used: unreadable, full, of another version."""

    exit_code = 3


class PortError(AggregatorError):
    """The address to listen on is taken, or belongs to no interface of this machine; it may be free after a restart."""

    exit_code = 3


class NoStoreError(StorageError):
    """There is no store yet: no file, or a database without tables."""


class StoreVersionError(StorageError):
    """The store was written by a newer version of the schema."""


class OutputError(AggregatorError):
    """A file or folder cannot be written to, or has unexpected content."""

    exit_code = 3


class StoreHeldError(AggregatorError):
    """Another process holds the store."""

    exit_code = 4


class LeaseLostError(AggregatorError):
    """A claim is no longer ours; all work under it is discarded."""


class MissingExtraError(AggregatorError):
    """An optional dependency is not installed; the message says what to install."""

    exit_code = 2

    def __init__(self, what: str, package: str, extra: str) -> None:
        super().__init__(f"{what} needs {package}; install it with: pip install '{DISTRIBUTION}[{extra}]'")
