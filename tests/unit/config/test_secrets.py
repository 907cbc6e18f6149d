"""Secrets by reference."""

from __future__ import annotations

from pathlib import Path

import pytest

from aggregator.config.secrets import read_secret
from aggregator.errors import ConfigError


def test_a_secret_comes_from_environment_or_file(tmp_path: Path) -> None:
    (tmp_path / "hook.key").write_text(" k\n", encoding="utf-8")
    assert read_secret("", tmp_path, {}, "p") == ""
    assert read_secret("env:KEY", tmp_path, {"KEY": "k"}, "p") == "k"
    assert read_secret("file:hook.key", tmp_path, {}, "p") == "k"
    assert read_secret(f"file:{tmp_path}/hook.key", Path("/"), {}, "p") == "k"


@pytest.mark.parametrize("reference", ["env:KEY", "file:none", "file:empty", "file:binary"])
def test_a_missing_secret_is_an_error_that_names_it(tmp_path: Path, reference: str) -> None:
    (tmp_path / "empty").write_text("\n")
    (tmp_path / "binary").write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigError, match=f"^place: {reference} holds no secret; "):
        read_secret(reference, tmp_path, {}, "place")
