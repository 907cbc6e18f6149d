"""Secrets by reference: the configuration names where a secret is kept, and holds none."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from aggregator.errors import ConfigError


def read_secret(reference: str, folder: Path, environ: Mapping[str, str], place: str) -> str:
    """Return the secret that `env:NAME` or `file:path` refers to; "" for "". Relative paths start from `folder`.

    Raises:
        ConfigError: the secret is missing or empty; the message begins with `place` and shows no secret.
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
    """Return the file that `file:path` refers to; None for any other reference."""
    return folder / reference.removeprefix("file:") if reference.startswith("file:") else None
