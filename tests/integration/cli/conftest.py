"""Commands in this process see no configuration but their own."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def _no_configuration_but_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/nonexistent")
    monkeypatch.delenv("AGGREGATOR_CONFIG", raising=False)


@pytest.fixture
def config(sqlite_template: Path, tmp_path: Path) -> Path:
    """A configuration beside an empty store, without feeds."""
    (tmp_path / "store.db").write_bytes(sqlite_template.read_bytes())
    file = tmp_path / "aggregator.toml"
    file.write_text('[storage]\nurl = "sqlite:///store.db"\n[web]\nlisten = "127.0.0.1:0"\n')
    return file
