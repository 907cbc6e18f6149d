"""Commands in this process see no configuration but their own."""

from __future__ import annotations

import pytest


@pytest.fixture(autouse=True)
def _no_configuration_but_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/nonexistent")
    monkeypatch.delenv("AGGREGATOR_CONFIG", raising=False)
