"""Reads secrets. The configuration has a reference to each secret (`env:NAME` or `file:path`), never the secret."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from aggregator.errors import ConfigError


def read_secret(reference: str, folder: Path, environ: Mapping[str, str], place: str) -> str:
    """Return the secret that `reference` (`env:NAME` or `file:path`) refers to. For "", return "".

    Relative paths start from `folder`.

    Raises:
        ConfigError: the secret is missing or empty. The message begins with `place`.
    """
    if not reference:
        return ""
    path = file_of(reference, folder)
    if path is None:
        name = reference.partition(":")[2]
        secret, remedy = environ.get(name, ""), f"set the environment variable {name}"
    else:
        try:
            secret = path.read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError, ValueError):
            secret = ""
        remedy = f"write it into the file {path}, readable for this user"
    if not secret:
        raise ConfigError(f"{place}: {reference} holds no secret; {remedy}")
    return secret


def file_of(reference: str, folder: Path) -> Path | None:
    """Return the file that `reference` (`file:path`) refers to; None: it is no reference to a file."""
    return folder / reference.removeprefix("file:") if reference.startswith("file:") else None
