"""A folder in which `run-once` meets sites hour after hour, in this process and measured."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.support.citizen import World


@pytest.fixture
def world(tmp_path: Path, sqlite_template: Path) -> World:
    (tmp_path / "data").mkdir()
    shutil.copy(sqlite_template, tmp_path / "data" / "aggregator.db")
    return World(tmp_path)
