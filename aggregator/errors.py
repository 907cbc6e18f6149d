"""The exceptions of this package. Ordinary outcomes (304, 404, a timeout) are values, not exceptions."""

from __future__ import annotations

from aggregator import DISTRIBUTION


class AggregatorError(Exception):
    """The base class of all errors that this package raises. The text is one line for the user."""

    exit_code = 1


class ConfigError(AggregatorError):
    """The configuration cannot be used; the message names file, key and remedy."""

    exit_code = 2


class RuleError(ConfigError):
    """A publisher rule has an error; the message names file, key and remedy."""


class StorageError(AggregatorError):
    """The store cannot be used: unreadable, full, of another version."""

    exit_code = 3


class PortError(AggregatorError):
    """The address to listen on is in use, or belongs to no interface of this machine. Later it may be free."""

    exit_code = 3


class NoStoreError(StorageError):
    """The store does not exist yet: there is no file, or the database has no tables."""


class StoreVersionError(StorageError):
    """The store was written by a newer version of the schema."""


class OutputError(AggregatorError):
    """A file or folder cannot be written to, or has unexpected content."""

    exit_code = 3


class StoreHeldError(AggregatorError):
    """Another process uses the store, and the operation needs it alone."""

    exit_code = 4


class LeaseLostError(AggregatorError):
    """Work under a claim cannot be finished: the claim is no longer current, or the worker processes have ended.

    The results of the work are discarded.
    """


class MissingExtraError(AggregatorError):
    """An optional dependency is not installed; the message says what to install."""

    exit_code = 2

    def __init__(self, what: str, package: str, extra: str) -> None:
        super().__init__(f"{what} needs {package}; install it with: pip install '{DISTRIBUTION}[{extra}]'")
