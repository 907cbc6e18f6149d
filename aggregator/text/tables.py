"""Reads lists of words, hosts and the like from the TOML files in `publishers/tables`.

A module reads its table when it is imported.
"""

from __future__ import annotations

import tomllib
from importlib.resources import files
from typing import Any


def read_table(name: str) -> dict[str, Any]:  # Any: each table has its own shape, which its reader knows
    """Return the table `publishers/tables/<name>.toml`.

    >>> read_table("units")["duration_milliseconds"]["m"]
    60000
    """
    file = files("aggregator").joinpath("publishers", "tables", f"{name}.toml")
    return tomllib.loads(file.read_text(encoding="utf-8"))
